#include "billing/ledger.h"

#include <inttypes.h>
#include <stdlib.h>

#include "billing/told.h"
#include "store/base/currency.h"
#include "store/base/money.h"
#include "store/tables/dict.h"
#include "store/tables/payment.h"

enum { LEDGER_BYTES_MAX = 64 * 1024 * 1024 };

void
ledger_init(struct ledger *l)
{
    *l = (struct ledger){0};
    list_init(&l->invoices, sizeof(struct invoice));
    list_init(&l->entries, sizeof(struct ledger_entry));
    arena_init(&l->texts, LEDGER_BYTES_MAX);
}

void
ledger_clear(struct ledger *l)
{
    list_clear(&l->invoices);
    list_clear(&l->entries);
    arena_clear(&l->texts);
}

static enum err_code
full(struct err *err)
{
    return err_set(err, ERR_LIMIT, "an organization's invoices take more than %d MiB",
                   LEDGER_BYTES_MAX / 1024 / 1024);
}

static struct invoice *
invoice_at(const struct ledger *l, size_t i)
{
    return (struct invoice *)l->invoices.items + i;
}

static enum err_code
read_invoices(struct ledger *l, struct tables_txn *txn, uint32_t organization,
              uint64_t before_number, struct err *err)
{
    struct invoice_scan scan;
    enum err_code code = ERR_OK;
    l->end_ms = INT64_MIN;
    invoice_scan_begin(&scan, txn, organization);
    while (code == ERR_OK && invoice_scan_next(&scan)) {
        struct invoice i = scan.row;
        if (i.status == INVOICE_DRAFT || i.number >= before_number)
            continue;
        /* What payments say is said anew. */
        i.status = INVOICE_FINAL;
        i.paid_minor = 0;
        l->end_ms = i.to_ms;
        if (!list_add(&l->invoices, &i))
            code = full(err);
    }
    invoice_scan_end(&scan);
    return code;
}

/* ---- payments ---- */

enum payment_says { SAYS_PAID, SAYS_REFUNDED, SAYS_FAILED, SAYS_VOID, SAYS_NOTHING };

static enum payment_says
says(struct str status)
{
    static const struct {
        const char *word;
        enum payment_says says;
    } words[] = {{"paid", SAYS_PAID},     {"succeeded", SAYS_PAID}, {"refunded", SAYS_REFUNDED},
                 {"failed", SAYS_FAILED}, {"void", SAYS_VOID},      {"voided", SAYS_VOID}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_is(status, words[i].word))
            return words[i].says;
    }
    return SAYS_NOTHING;
}

/* An invoice is named by its number. */
static struct invoice *
named(const struct ledger *l, struct str name)
{
    int64_t number = 0;
    if (!money_parse(name, 0, &number))
        return NULL;
    for (size_t i = 0; i < l->invoices.count; i++) {
        if (invoice_at(l, i)->number == (uint64_t)number)
            return invoice_at(l, i);
    }
    return NULL;
}

static int64_t
magnitude(int64_t v)
{
    return v < 0 ? -v : v;
}

/* What is owed: by the organization, or for a credit note to it. */
static int64_t
owed(const struct invoice *i)
{
    return i->total_minor < 0 ? -i->total_minor : invoice_due_minor(i);
}

static void
settle_status(struct invoice *i, bool failed)
{
    if (i->paid_minor > 0 && i->paid_minor >= owed(i))
        i->status = INVOICE_PAID;
    else if (failed)
        i->status = INVOICE_PAYMENT_FAILED;
    else
        i->status = i->paid_minor > 0 ? INVOICE_PARTIALLY_PAID : INVOICE_FINAL;
}

/* Returns what is wrong with a payment, or NULL. */
static const char *
apply(struct invoice *i, enum payment_says what, const struct payment *p, struct str currency)
{
    if (currency.size_bytes > 0 && !str_is(currency, i->currency))
        return "is in another currency than its invoice";
    if (i->status == INVOICE_VOID)
        return what == SAYS_VOID ? NULL : "is of an invoice that is void";
    if (what == SAYS_VOID && i->paid_minor > 0)
        return "makes an invoice void that was paid; refund it first, or send a credit";
    if (what == SAYS_VOID) {
        i->status = INVOICE_VOID;
        return NULL;
    }
    int64_t amount = magnitude(p->amount_minor);
    /* To give a credit note's money back is to pay it. */
    if (what == SAYS_PAID || (what == SAYS_REFUNDED && i->total_minor < 0))
        i->paid_minor += amount;
    else if (what == SAYS_REFUNDED)
        i->paid_minor = i->paid_minor > amount ? i->paid_minor - amount : 0;
    settle_status(i, what == SAYS_FAILED);
    return NULL;
}

static void
apply_payments(struct ledger *l, struct tables_txn *txn, uint32_t organization,
               const struct stage_notices *notices, uint64_t *ret_problems)
{
    struct payment_scan scan;
    payment_scan_begin(&scan, txn, organization);
    while (payment_scan_next(&scan)) {
        struct str name = dict_text(txn, scan.row.invoice);
        struct str status = dict_text(txn, scan.row.status);
        struct invoice *i = named(l, name);
        enum payment_says what = says(status);
        const char *wrong =
            what == SAYS_NOTHING
                ? "has an unknown status; known are paid, succeeded, refunded, failed, void"
            : i == NULL ? "names no final invoice of this organization"
                        : apply(i, what, &scan.row, dict_text(txn, scan.row.currency));
        if (wrong == NULL)
            continue;
        stage_notice(notices, STAGE_PROBLEM,
                     "organization %.*s: payment event %" PRIu64 " (invoice \"%.*s\", status "
                     "\"%.*s\") %s",
                     STR_ARG(dict_text(txn, organization)), scan.row.seq, STR_ARG(name),
                     STR_ARG(status), wrong);
        ++*ret_problems;
    }
    payment_scan_end(&scan);
}

/* ---- what Stripe told ---- */

/* Stripe writes "usd". */
static bool
same_currency(struct str stripe, const char *ours)
{
    bool same = stripe.size_bytes == 3;
    for (size_t i = 0; same && i < 3; i++)
        same = (stripe.data[i] & ~0x20) == ours[i];
    return same || stripe.size_bytes == 0;
}

/* Returns what is wrong with it, or NULL. */
static const char *
apply_told(struct invoice *i, const struct told_invoice *told)
{
    int64_t paid;
    if (told->mixed || !same_currency(told->currency, i->currency))
        return "is in another currency than the invoice";
    if (!currency_from_stripe(i->currency, told->paid - told->back, &paid))
        return "has an amount that the currency's minor units cannot say";
    if (i->status == INVOICE_VOID)
        return paid > 0 ? "is paid, but the invoice is void; refund it there" : NULL;
    const bool failed = told->failed || (paid == 0 && i->status == INVOICE_PAYMENT_FAILED);
    i->paid_minor += paid;
    if (told->voided && i->paid_minor == 0) {
        i->status = INVOICE_VOID;
        return NULL;
    }
    settle_status(i, failed);
    if (told->disputed)
        i->status = INVOICE_DISPUTED;
    return told->voided ? "is void, but was paid; refund it first, or send a credit" : NULL;
}

static enum err_code
apply_all_told(struct ledger *l, struct tables_txn *txn, uint32_t organization,
               const struct stage_notices *notices, uint64_t *ret_problems, struct err *err)
{
    struct list all;
    list_init(&all, sizeof(struct told_invoice));
    enum err_code code = told_invoices_read(&all, txn, organization, err);
    for (size_t n = 0; code == ERR_OK && n < all.count; n++) {
        const struct told_invoice *told = (const struct told_invoice *)all.items + n;
        struct invoice *i = named(l, told->name);
        if (told->paid == 0 && !told->failed && !told->voided)
            continue;
        const char *wrong = i == NULL ? "names no final invoice of this organization"
                                      : apply_told(i, told);
        if (wrong == NULL)
            continue;
        stage_notice(notices, STAGE_PROBLEM,
                     "organization %.*s: Stripe's invoice %.*s (of invoice \"%.*s\") %s",
                     STR_ARG(dict_text(txn, organization)), STR_ARG(told->stripe_id),
                     STR_ARG(told->name), wrong);
        ++*ret_problems;
    }
    list_clear(&all);
    return code;
}

/* ---- what was billed ---- */

static int
compare_keys(const struct ledger_entry *a, const struct ledger_entry *b)
{
    if (a->period_ms != b->period_ms)
        return (a->period_ms > b->period_ms) - (a->period_ms < b->period_ms);
    if (a->kind != b->kind)
        return (a->kind > b->kind) - (a->kind < b->kind);
    int order = str_compare(a->plan, b->plan);
    return order != 0 ? order : str_compare(a->charge, b->charge);
}

/* By key, and within one by invoice. */
static int
by_key(const void *a, const void *b)
{
    const struct ledger_entry *x = a, *y = b;
    int order = compare_keys(x, y);
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

static bool
keep(struct ledger *l, struct str *text)
{
    text->data = arena_text(&l->texts, *text);
    return text->data != NULL;
}

static enum err_code
read_lines(struct ledger *l, struct tables_txn *txn, const struct invoice *i, struct err *err)
{
    for (uint32_t n = 0; n < i->line_count; n++) {
        struct invoice_line line;
        bool there = invoice_line_get(txn, i->organization, i->from_ms, n, &line);
        if (!there)
            return err_set(err, ERR_CORRUPT, "invoice %" PRIu64 " lacks its line %u", i->number,
                           n + 1);
        /* A tax is of its invoice: lines that are corrected later are taxed there. */
        if (line.kind == INVOICE_TAX)
            continue;
        struct ledger_entry e = {.kind = line.kind,
                                 .plan = line.plan,
                                 .charge = line.charge,
                                 .period_ms = line.period_ms,
                                 .amount_minor = line.amount_minor,
                                 .exact_pico = line.exact_pico,
                                 .number = i->number,
                                 .from_ms = line.from_ms,
                                 .to_ms = line.to_ms};
        if (!keep(l, &e.plan) || !keep(l, &e.charge) || !list_add(&l->entries, &e))
            return full(err);
    }
    return ERR_OK;
}

static void
sum_entries(struct ledger *l)
{
    size_t kept = 0;
    if (l->entries.count == 0)
        return;
    qsort(l->entries.items, l->entries.count, sizeof(struct ledger_entry), by_key);
    for (size_t i = 1; i < l->entries.count; i++) {
        struct ledger_entry *sum = ledger_entry_at(l, kept), *e = ledger_entry_at(l, i);
        if (compare_keys(sum, e) != 0) {
            *ledger_entry_at(l, ++kept) = *e;
            continue;
        }
        sum->amount_minor += e->amount_minor;
        sum->exact_pico += e->exact_pico;
        sum->number = e->number;
        sum->from_ms = e->from_ms;
        sum->to_ms = e->to_ms;
    }
    l->entries.count = kept + 1;
}

enum err_code
ledger_read(struct ledger *l, struct tables_txn *txn, uint32_t organization, uint64_t before_number,
            const struct stage_notices *notices, uint64_t *ret_problems, struct err *err)
{
    l->invoices.count = l->entries.count = 0;
    l->credit_minor = 0;
    arena_clear(&l->texts);
    enum err_code code = read_invoices(l, txn, organization, before_number, err);
    if (code == ERR_OK)
        apply_payments(l, txn, organization, notices, ret_problems);
    if (code == ERR_OK)
        code = apply_all_told(l, txn, organization, notices, ret_problems, err);
    for (size_t i = 0; code == ERR_OK && i < l->invoices.count; i++) {
        const struct invoice *invoice = invoice_at(l, i);
        if (invoice->status == INVOICE_VOID)
            continue;
        if (invoice->total_minor < 0 && invoice->paid_minor < -invoice->total_minor)
            l->credit_minor += -invoice->total_minor - invoice->paid_minor;
        l->credit_minor -= invoice->credit_minor;
        code = read_lines(l, txn, invoice, err);
    }
    sum_entries(l);
    if (l->credit_minor < 0)
        l->credit_minor = 0; /* it was given back although an invoice had used it */
    return code;
}

struct ledger_entry *
ledger_find(const struct ledger *l, const struct invoice_line *line)
{
    struct ledger_entry key = {.kind = line->kind,
                               .plan = line->plan,
                               .charge = line->charge,
                               .period_ms = line->period_ms};
    size_t low = 0, high = l->entries.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_keys(ledger_entry_at(l, middle), &key);
        if (order == 0)
            return ledger_entry_at(l, middle);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
