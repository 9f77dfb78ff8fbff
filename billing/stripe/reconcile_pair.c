/* One invoice of both sides, compared in everything. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "billing/invoice_print.h"
#include "billing/stripe/reconcile_parts.h"
#include "store/base/currency.h"
#include "store/tables/dict.h"

enum { LIST_PATH_BYTES = 128 };

void
reconcile_tell(struct reconcile_pair *pair, enum reconcile_kind kind, uint32_t line,
               const char *ours, const char *theirs)
{
    const struct reconcile_options *o = pair->r->options;
    struct reconcile_difference d = {.kind = kind,
                                     .organization = dict_text(o->txn, pair->ours->organization),
                                     .number = pair->ours->number,
                                     .line = line,
                                     .object = stripe_text(pair->theirs, "id")};
    snprintf(d.ours, sizeof d.ours, "%s", ours);
    snprintf(d.theirs, sizeof d.theirs, "%s", theirs);
    pair->ours->differs = true;
    pair->r->result.differences++;
    o->difference(o->context, &d);
}

/* Theirs as we would print it; where our unit cannot say it, as Stripe gives it. */
static void
print_theirs(const struct reconcile_pair *pair, int64_t amount, char text[MONEY_TEXT_BYTES])
{
    int64_t minor;
    if (currency_from_stripe(pair->invoice.currency, amount, &minor))
        invoice_print_minor(&pair->invoice, minor, text);
    else
        snprintf(text, MONEY_TEXT_BYTES, "%" PRId64 " of Stripe's units", amount);
}

void
reconcile_tell_amounts(struct reconcile_pair *pair, enum reconcile_kind kind, uint32_t line,
                       int64_t ours_minor, int64_t theirs)
{
    char a[MONEY_TEXT_BYTES], b[MONEY_TEXT_BYTES];
    invoice_print_minor(&pair->invoice, ours_minor, a);
    print_theirs(pair, theirs, b);
    reconcile_tell(pair, kind, line, a, b);
}

bool
reconcile_same(const struct reconcile_pair *pair, int64_t ours_minor, int64_t theirs)
{
    int64_t ours;
    return currency_to_stripe(pair->invoice.currency, ours_minor, &ours) && ours == theirs;
}

static void
compare_amount(struct reconcile_pair *pair, enum reconcile_kind kind, int64_t ours_minor,
               int64_t theirs)
{
    if (!reconcile_same(pair, ours_minor, theirs))
        reconcile_tell_amounts(pair, kind, 0, ours_minor, theirs);
}

static void
compare_owner(struct reconcile_pair *pair)
{
    const struct reconcile *r = pair->r;
    const char *customer = stripe_ref(pair->theirs, "customer");
    const char *named = json_string_value(json_object_get(r->customers, customer));
    struct str organization = dict_text(r->options->txn, pair->ours->organization);
    char text[RECONCILE_TEXT_BYTES];
    snprintf(text, sizeof text, "%.*s", STR_ARG(organization));
    /* Whose the customer is, is known to who made him; else the invoice's own word counts. */
    if (named == NULL)
        named = stripe_metadata(pair->theirs, "gbill_organization");
    if (strcmp(named, text) != 0)
        reconcile_tell(pair, RECONCILE_CUSTOMER, 0, text, named[0] != '\0' ? named : customer);
    if (strcasecmp(stripe_text(pair->theirs, "currency"), pair->invoice.currency) != 0)
        reconcile_tell(pair, RECONCILE_CURRENCY, 0, pair->invoice.currency,
                       stripe_text(pair->theirs, "currency"));
}

/* ---- lines ---- */

/* Lines of Stripe's, as they come. */
struct lines {
    struct reconcile_pair *pair;
    bool *met;      /* by our line */
    uint32_t place; /* of a credit note: the next of ours */
};

/* Our line of a line there, by the number that it carries; line_count: none. */
static uint32_t
line_of(const struct reconcile_pair *pair, const json_t *theirs)
{
    char name[64];
    const char *key = stripe_metadata(theirs, "gbill_key");
    int n = snprintf(name, sizeof name, "line/%" PRIu64 "/", pair->invoice.number);
    if (strncmp(key, name, (size_t)n) != 0)
        return pair->invoice.line_count;
    char *end;
    unsigned long line = strtoul(key + n, &end, 10);
    bool ok = key[n] >= '1' && key[n] <= '9' && *end == '\0' && line <= pair->invoice.line_count;
    return ok ? (uint32_t)line - 1 : pair->invoice.line_count;
}

static int64_t
amount_at(const struct reconcile_pair *pair, uint32_t index)
{
    struct invoice_line line;
    return invoice_line_get(pair->r->options->txn, pair->invoice.organization,
                            pair->invoice.from_ms, index, &line)
               ? line.amount_minor
               : 0;
}

static enum err_code
take_line(void *context, const json_t *theirs, struct err *err)
{
    struct lines *l = context;
    uint32_t index = line_of(l->pair, theirs);
    int64_t amount = stripe_int(theirs, "amount");
    (void)err;
    if (index == l->pair->invoice.line_count || l->met[index]) {
        char text[MONEY_TEXT_BYTES];
        print_theirs(l->pair, amount, text);
        reconcile_tell(l->pair, RECONCILE_LINE_EXTRA,
                       index < l->pair->invoice.line_count ? index + 1 : 0, "", text);
        return ERR_OK;
    }
    l->met[index] = true;
    if (!reconcile_same(l->pair, amount_at(l->pair, index), amount))
        reconcile_tell_amounts(l->pair, RECONCILE_LINE_AMOUNT, index + 1, amount_at(l->pair, index),
                               amount);
    return ERR_OK;
}

/* Lines of a credit note carry no names: they stand in our order, without those of zero. */
static enum err_code
take_credit_line(void *context, const json_t *theirs, struct err *err)
{
    struct lines *l = context;
    uint32_t count = l->pair->invoice.line_count;
    int64_t amount = stripe_int(theirs, "amount");
    (void)err;
    while (l->place < count && amount_at(l->pair, l->place) == 0)
        l->met[l->place++] = true;
    if (l->place == count) {
        char text[MONEY_TEXT_BYTES];
        print_theirs(l->pair, -amount, text);
        reconcile_tell(l->pair, RECONCILE_LINE_EXTRA, 0, "", text);
        return ERR_OK;
    }
    uint32_t index = l->place++;
    l->met[index] = true;
    if (!reconcile_same(l->pair, -amount_at(l->pair, index), amount))
        reconcile_tell_amounts(l->pair, RECONCILE_LINE_AMOUNT, index + 1, amount_at(l->pair, index),
                               -amount);
    return ERR_OK;
}

/* An object has its first lines with it; where there are more, all of them are read. */
static enum err_code
compare_lines(struct reconcile_pair *pair, const char *list,
              enum err_code (*take)(void *context, const json_t *theirs, struct err *err),
              struct err *err)
{
    const json_t *lines = json_object_get(pair->theirs, "lines");
    const json_t *data = json_object_get(lines, "data");
    uint32_t count = pair->invoice.line_count;
    struct lines l = {.pair = pair, .met = calloc(count + 1U, sizeof(bool))};
    enum err_code code = ERR_OK;
    char path[LIST_PATH_BYTES];
    if (l.met == NULL)
        return err_set(err, ERR_LIMIT, "no memory for the lines of invoice %" PRIu64,
                       pair->invoice.number);
    if (json_is_true(json_object_get(lines, "has_more"))) {
        snprintf(path, sizeof path, "/v1/%s/%.64s/lines", list, stripe_text(pair->theirs, "id"));
        code = stripe_list(pair->r->options->stripe, path, take, &l, err);
    } else {
        for (size_t i = 0; code == ERR_OK && i < json_array_size(data); i++)
            code = take(&l, json_array_get(data, i), err);
    }
    for (uint32_t i = 0; code == ERR_OK && i < count; i++) {
        char text[MONEY_TEXT_BYTES];
        invoice_print_minor(&pair->invoice, amount_at(pair, i), text);
        if (!l.met[i] && (take == take_line || amount_at(pair, i) != 0))
            reconcile_tell(pair, RECONCILE_LINE_MISSING, i + 1, text, "");
    }
    free(l.met);
    return code;
}

/* ---- what was paid ---- */

static int64_t
given_back(const struct reconcile_pair *pair)
{
    return json_integer_value(
        json_object_get(pair->r->given_back, stripe_text(pair->theirs, "id")));
}

/* Does Stripe's status follow from ours? */
static bool
status_agrees(const struct reconcile_pair *pair, const char *status)
{
    bool paid = strcmp(status, "paid") == 0;
    bool open = strcmp(status, "open") == 0 || strcmp(status, "uncollectible") == 0;
    switch (pair->invoice.status) {
    case INVOICE_VOID:
        return strcmp(status, "void") == 0;
    case INVOICE_PAID:
        return paid;
    default:
        break;
    }
    if (invoice_due_minor(&pair->invoice) == 0)
        return paid; /* nothing is to be paid, there as here */
    return open || (paid && given_back(pair) > 0);
}

static void
compare_payment(struct reconcile_pair *pair)
{
    const char *status = stripe_text(pair->theirs, "status");
    int64_t paid = stripe_int(pair->theirs, "amount_paid") - given_back(pair);
    if (!status_agrees(pair, status))
        reconcile_tell(pair, RECONCILE_STATUS, 0, invoice_status_name(pair->invoice.status),
                       status);
    if (pair->invoice.status == INVOICE_VOID)
        return;
    compare_amount(pair, RECONCILE_DUE, invoice_due_minor(&pair->invoice),
                   stripe_int(pair->theirs, "amount_due"));
    if (invoice_due_minor(&pair->invoice) > 0)
        compare_amount(pair, RECONCILE_PAID, pair->invoice.paid_minor, paid > 0 ? paid : 0);
}

enum err_code
reconcile_invoice(struct reconcile_pair *pair, struct err *err)
{
    compare_owner(pair);
    compare_amount(pair, RECONCILE_TOTAL, pair->invoice.total_minor,
                   stripe_int(pair->theirs, "total"));
    enum err_code code = compare_lines(pair, "invoices", take_line, err);
    compare_payment(pair);
    return code;
}

enum err_code
reconcile_credit(struct reconcile_pair *pair, struct err *err)
{
    compare_owner(pair);
    compare_amount(pair, RECONCILE_TOTAL, pair->invoice.total_minor,
                   -stripe_int(pair->theirs, "total"));
    return compare_lines(pair, "credit_notes", take_credit_line, err);
}
