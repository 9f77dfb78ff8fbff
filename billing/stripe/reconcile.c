#include "billing/stripe/reconcile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/stripe/reconcile_parts.h"
#include "store/base/log.h"
#include "store/tables/dict.h"
#include "store/tables/stripe_call.h"

const char *
reconcile_kind_name(enum reconcile_kind kind)
{
    static const char *const names[RECONCILE_KINDS] = {
#define RECONCILE_NAME(name, text) [RECONCILE_##name] = text,
        RECONCILE_DIFFERENCES(RECONCILE_NAME)
#undef RECONCILE_NAME
    };
    return names[kind];
}

static enum err_code
no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory for what Stripe has");
}

/* ---- ours ---- */

static int
by_number(const void *a, const void *b)
{
    const struct reconcile_ours *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static enum err_code
gather_ours(struct reconcile *r, struct err *err)
{
    struct invoice_scan scan;
    bool ok = true;
    invoice_scan_begin(&scan, r->options->txn, 0);
    while (ok && invoice_scan_next(&scan)) {
        const struct reconcile_ours row = {.number = scan.row.number,
                                           .organization = scan.row.organization,
                                           .from_ms = scan.row.from_ms};
        ok = row.number == 0 || list_add(&r->ours, &row);
    }
    invoice_scan_end(&scan);
    if (r->ours.count > 0)
        qsort(r->ours.items, r->ours.count, sizeof(struct reconcile_ours), by_number);
    return ok ? ERR_OK : no_memory(err);
}

/* Who is whose customer, as gbill stripe sync noted it. */
static enum err_code
gather_customers(struct reconcile *r, struct err *err)
{
    static const char prefix[] = "customer/";
    struct stripe_call_scan scan;
    bool ok = true;
    stripe_call_scan_begin(&scan, r->options->txn, str_of(prefix));
    while (ok && stripe_call_scan_next(&scan)) {
        struct str name = scan.row.name, object = scan.row.object;
        json_t *organization = json_stringn_nocheck(name.data + sizeof prefix - 1,
                                                    name.size_bytes - (sizeof prefix - 1));
        char id[STRIPE_CALL_OBJECT_BYTES_MAX + 1];
        snprintf(id, sizeof id, "%.*s", STR_ARG(object));
        ok = json_object_set_new_nocheck(r->customers, id, organization) == 0;
    }
    stripe_call_scan_end(&scan);
    return ok ? ERR_OK : no_memory(err);
}

/* Is an invoice asked for: its organization, its time? */
static bool
is_asked(const struct reconcile *r, uint32_t organization, int64_t at_ms)
{
    const struct reconcile_options *o = r->options;
    return (o->organization == 0 || o->organization == organization) && at_ms >= o->from_ms &&
           at_ms < o->to_ms;
}

/* ---- what went back ---- */

static enum err_code
take_payment(void *context, const json_t *object, struct err *err)
{
    struct reconcile *r = context;
    const json_t *payment = json_object_get(object, "payment");
    const char *names[] = {stripe_ref(payment, "payment_intent"), stripe_ref(payment, "charge")};
    for (size_t i = 0; i < 2; i++) {
        if (names[i][0] != '\0' &&
            json_object_set_new(r->payments, names[i],
                                json_string(stripe_ref(object, "invoice"))) != 0)
            return no_memory(err);
    }
    return ERR_OK;
}

/* A refund, or a dispute, of a payment of an invoice. */
static enum err_code
take_back(struct reconcile *r, const json_t *object, struct err *err)
{
    const json_t *invoice = json_object_get(r->payments, stripe_ref(object, "payment_intent"));
    if (invoice == NULL)
        invoice = json_object_get(r->payments, stripe_ref(object, "charge"));
    if (invoice == NULL)
        return ERR_OK; /* of something that is no invoice */
    const char *id = json_string_value(invoice);
    int64_t sum = json_integer_value(json_object_get(r->given_back, id));
    if (__builtin_add_overflow(sum, stripe_int(object, "amount"), &sum))
        return err_set(err, ERR_LIMIT, "what was given back of %.64s is beyond all bounds", id);
    return json_object_set_new(r->given_back, id, json_integer(sum)) == 0 ? ERR_OK : no_memory(err);
}

static enum err_code
take_refund(void *context, const json_t *object, struct err *err)
{
    const char *status = stripe_text(object, "status");
    bool none = strcmp(status, "failed") == 0 || strcmp(status, "canceled") == 0;
    return none ? ERR_OK : take_back(context, object, err);
}

/* While it is open, and when it is lost, the money is not ours. */
static enum err_code
take_dispute(void *context, const json_t *object, struct err *err)
{
    const char *status = stripe_text(object, "status");
    bool gone = strcmp(status, "needs_response") == 0 || strcmp(status, "under_review") == 0 ||
                strcmp(status, "lost") == 0;
    return gone ? take_back(context, object, err) : ERR_OK;
}

/* ---- theirs ---- */

/* The number in "invoice/N" or "credit/N"; 0: it is no name of ours. */
static uint64_t
number_of(const json_t *object, const char *what)
{
    const char *key = stripe_metadata(object, "gbill_key");
    size_t n = strlen(what);
    if (strncmp(key, what, n) != 0 || key[n] < '1' || key[n] > '9')
        return 0;
    char *end;
    uint64_t number = strtoull(key + n, &end, 10);
    return *end == '\0' ? number : 0;
}

static void
tell(struct reconcile *r, const struct reconcile_difference *d)
{
    r->result.differences++;
    r->options->difference(r->options->context, d);
}

/*
 * One that no invoice of ours stands for.  What Stripe makes of our subscriptions comes to 0,
 * and what is no customer's of ours is none of our business.
 */
static void
take_unknown(struct reconcile *r, const json_t *object, uint64_t number)
{
    const struct reconcile_options *o = r->options;
    const char *organization =
        json_string_value(json_object_get(r->customers, stripe_ref(object, "customer")));
    int64_t created_ms = stripe_int(object, "created") * 1000;
    uint32_t known = 0;
    if (organization == NULL && number == 0)
        return;
    struct reconcile_difference d = {
        .kind = RECONCILE_MISSING_HERE,
        .organization = str_of(organization != NULL ? organization : ""),
        .object = stripe_text(object, "id")};
    if (stripe_int(object, "total") == 0 || strcmp(stripe_text(object, "status"), "void") == 0)
        return;
    if (o->organization != 0 &&
        (!dict_find(o->txn, d.organization, &known) || known != o->organization))
        return;
    if (created_ms < o->from_ms || created_ms >= o->to_ms)
        return;
    if (number != 0)
        snprintf(d.ours, sizeof d.ours, "no invoice %" PRIu64, number);
    snprintf(d.theirs, sizeof d.theirs, "%" PRId64 " %.8s", stripe_int(object, "total"),
             stripe_text(object, "currency"));
    tell(r, &d);
}

static enum err_code
take(struct reconcile *r, const json_t *object, const char *what,
     enum err_code (*compare)(struct reconcile_pair *pair, struct err *err), struct err *err)
{
    const struct reconcile_ours key = {.number = number_of(object, what)};
    struct reconcile_ours *ours = NULL;
    if (key.number != 0 && r->ours.count > 0)
        ours = bsearch(&key, r->ours.items, r->ours.count, sizeof key, by_number);
    if (ours == NULL) {
        take_unknown(r, object, key.number);
        return ERR_OK;
    }
    struct reconcile_pair pair = {.r = r, .ours = ours, .theirs = object};
    if (!is_asked(r, ours->organization, ours->from_ms) ||
        !invoice_get(r->options->txn, ours->organization, ours->from_ms, &pair.invoice))
        return ERR_OK;
    if (strcmp(stripe_text(object, "status"), "void") == 0 && pair.invoice.status != INVOICE_VOID) {
        snprintf(ours->voided, sizeof ours->voided, "%s", stripe_text(object, "id"));
        return ERR_OK; /* another one may stand in its place */
    }
    if (ours->met)
        reconcile_tell(&pair, RECONCILE_DOUBLE, 0, "one", "another one");
    ours->met = true;
    return compare(&pair, err);
}

static enum err_code
take_invoice(void *context, const json_t *object, struct err *err)
{
    return take(context, object, "invoice/", reconcile_invoice, err);
}

static enum err_code
take_credit(void *context, const json_t *object, struct err *err)
{
    return take(context, object, "credit/", reconcile_credit, err);
}

/* ---- what is missing there ---- */

static void
check_met(struct reconcile *r, struct reconcile_ours *ours)
{
    struct reconcile_pair pair = {.r = r, .ours = ours};
    if (!invoice_get(r->options->txn, ours->organization, ours->from_ms, &pair.invoice))
        return;
    /* What is void, and what comes to nothing for who never pays, need not be there. */
    bool needed = pair.invoice.status != INVOICE_VOID && pair.invoice.total_minor != 0;
    if (!ours->met && ours->voided[0] != '\0')
        reconcile_tell(&pair, RECONCILE_STATUS, 0, invoice_status_name(pair.invoice.status),
                       "void");
    else if (!ours->met && needed) {
        struct stripe_call row;
        char name[64];
        snprintf(name, sizeof name, "invoice/%" PRIu64, ours->number);
        bool refused = stripe_call_get(r->options->txn, str_of(name), &row) &&
                       row.state == STRIPE_CALL_REFUSED;
        reconcile_tell(&pair, RECONCILE_MISSING_THERE, 0, invoice_status_name(pair.invoice.status),
                       refused ? "refused: gbill stripe status" : "");
    }
    r->result.invoices++;
    r->result.agree += ours->differs ? 0 : 1;
    log_decision("reconciled", "organization=%" PRIu32 " invoice=%" PRIu64 " there=%s agrees=%s",
                 ours->organization, ours->number,
                 ours->met                 ? "yes"
                 : ours->voided[0] != '\0' ? "void"
                                           : "no",
                 ours->differs ? "no" : "yes");
}

static enum err_code
ask(struct reconcile *r, struct err *err)
{
    static const struct {
        const char *path;
        enum err_code (*take)(void *context, const json_t *object, struct err *err);
    } lists[] = {
        {"/v1/invoice_payments", take_payment}, {"/v1/refunds", take_refund},
        {"/v1/disputes", take_dispute},         {"/v1/invoices", take_invoice},
        {"/v1/credit_notes", take_credit},
    };
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < sizeof lists / sizeof lists[0]; i++) {
        code = stripe_list(r->options->stripe, lists[i].path, lists[i].take, r, err);
        code = err_wrap(err, code, "%s", lists[i].path);
    }
    return code;
}

enum err_code
reconcile_run(const struct reconcile_options *options, struct reconcile_result *ret,
              struct err *err)
{
    struct reconcile r = {.options = options,
                          .customers = json_object(),
                          .payments = json_object(),
                          .given_back = json_object()};
    list_init(&r.ours, sizeof(struct reconcile_ours));
    enum err_code code = r.customers != NULL && r.payments != NULL && r.given_back != NULL
                             ? gather_ours(&r, err)
                             : no_memory(err);
    if (code == ERR_OK)
        code = gather_customers(&r, err);
    if (code == ERR_OK)
        code = ask(&r, err);
    for (size_t i = 0; code == ERR_OK && i < r.ours.count; i++) {
        struct reconcile_ours *ours = (struct reconcile_ours *)r.ours.items + i;
        if (is_asked(&r, ours->organization, ours->from_ms))
            check_met(&r, ours);
    }
    if (code == ERR_OK)
        *ret = r.result;
    list_clear(&r.ours);
    json_decref(r.customers);
    json_decref(r.payments);
    json_decref(r.given_back);
    return code;
}
