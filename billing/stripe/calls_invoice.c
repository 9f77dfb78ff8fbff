/* A final invoice as Stripe's: made, filled line by line, compared, finalized, collected. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/stripe/calls_parts.h"
#include "store/base/currency.h"
#include "store/base/time.h"

enum { DESCRIPTION_BYTES_MAX = 500 };

/* The invoice at hand. */
struct bill {
    struct calls *c;
    const struct invoice *invoice;
    const char *customer;
    calls_object id;
};

static void
put_names(struct bill *b)
{
    struct stripe_form *form = &b->c->next->form;
    calls_put_key(b->c);
    stripe_form_text(form, "metadata[gbill_organization]", b->c->organization);
    stripe_form_int(form, "metadata[gbill_invoice]", (int64_t)b->invoice->number);
}

/* "Invoice 17, 2026-10-01 to 2026-10-31". */
static void
put_description(struct bill *b, const char *field)
{
    char text[DESCRIPTION_BYTES_MAX], from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
    time_format_day(b->invoice->from_ms / TIME_DAY_MS, from);
    time_format_day((b->invoice->to_ms - 1) / TIME_DAY_MS, to);
    snprintf(text, sizeof text, "%s %" PRIu64 ", %s to %s",
             b->invoice->total_minor < 0 ? "Credit note" : "Invoice", b->invoice->number, from, to);
    stripe_form_text(&b->c->next->form, field, str_of(text));
}

/* Is it charged, or sent?  there: the customer, as it was read. */
static bool
is_charged(const struct calls *c, const json_t *there)
{
    const json_t *settings = json_object_get(there, "invoice_settings");
    return c->settings->collect == COLLECT_CHARGE ||
           (c->settings->collect == COLLECT_AUTO &&
            stripe_ref(settings, "default_payment_method")[0] != '\0');
}

static enum need
make(struct bill *b)
{
    struct calls *c = b->c;
    struct stripe_form *form = &c->next->form;
    if (!calls_name(c, "invoice/%" PRIu64, b->invoice->number))
        return NEED_ASKED;
    enum need n = calls_need(c, false, b->id);
    if (n != NEED_ASK)
        return n;
    const json_t *there = calls_read(c, "/v1/customers/%s", b->customer);
    if (there == NULL)
        return NEED_ASKED;
    bool charged = is_charged(c, there);
    stripe_form_text(form, "customer", str_of(b->customer));
    stripe_form_currency(form, b->invoice->currency);
    stripe_form_text(form, "collection_method",
                     str_of(charged ? "charge_automatically" : "send_invoice"));
    if (!charged)
        stripe_form_int(form, "days_until_due", c->settings->payment_days);
    stripe_form_text(form, "auto_advance", str_of("false"));
    stripe_form_text(form, "pending_invoice_items_behavior", str_of("exclude"));
    put_description(b, "description");
    put_names(b);
    calls_look(c, "/v1/invoices?customer=%s", b->customer);
    return calls_send(c, "POST", "/v1/invoices");
}

static enum need
put_line(struct bill *b, uint32_t index)
{
    struct calls *c = b->c;
    struct stripe_form *form = &c->next->form;
    struct invoice_line line;
    calls_object item;
    int64_t amount;
    if (!calls_name(c, "line/%" PRIu64 "/%" PRIu32, b->invoice->number, index + 1))
        return NEED_ASKED;
    enum need n = calls_need(c, false, item);
    if (n != NEED_ASK)
        return n;
    if (!invoice_line_get(c->txn, b->invoice->organization, b->invoice->from_ms, index, &line))
        return calls_fail(c, "the invoice lacks this line");
    if (!currency_to_stripe(b->invoice->currency, line.amount_minor, &amount))
        return calls_fail(c,
                          "Stripe cannot say %" PRId64 " minor units of %s: see Amounts in "
                          "schemas/stripe.md",
                          line.amount_minor, b->invoice->currency);
    stripe_form_text(form, "customer", str_of(b->customer));
    stripe_form_text(form, "invoice", str_of(b->id));
    stripe_form_int(form, "amount", amount);
    stripe_form_currency(form, b->invoice->currency);
    stripe_form_text(form, "description", line.description);
    stripe_form_int(form, "period[start]", line.from_ms / 1000);
    stripe_form_int(form, "period[end]", line.to_ms / 1000);
    calls_put_key(c);
    stripe_form_int(form, "metadata[gbill_invoice]", (int64_t)b->invoice->number);
    stripe_form_int(form, "metadata[gbill_line]", (int64_t)index + 1);
    calls_look(c, "/v1/invoiceitems?invoice=%s", b->id);
    return calls_send(c, "POST", "/v1/invoiceitems");
}

/*
 * What is to be done once to the invoice there, and how that stands; NULL: *ret says how the
 * search goes on without.
 */
static const json_t *
look_there(struct bill *b, const char *what, enum need *ret)
{
    struct calls *c = b->c;
    calls_object ignored;
    *ret = NEED_ASKED;
    if (!calls_name(c, "%s/%" PRIu64, what, b->invoice->number))
        return NULL;
    *ret = calls_need(c, false, ignored);
    if (*ret != NEED_ASK)
        return NULL;
    *ret = NEED_ASKED;
    return calls_read(c, "/v1/invoices/%s", b->id);
}

/* Where nothing can be read all is as it should be. */
static bool
is_status(const struct bill *b, const json_t *there, const char *status)
{
    return b->c->settings->dry || strcmp(stripe_text(there, "status"), status) == 0;
}

/* Not before its total there is ours. */
static enum need
finalize(struct bill *b)
{
    struct calls *c = b->c;
    enum need n;
    int64_t total;
    const json_t *there = look_there(b, "finalize", &n);
    if (there == NULL)
        return n;
    if (!c->settings->dry &&
        (!currency_to_stripe(b->invoice->currency, b->invoice->total_minor, &total) ||
         stripe_int(there, "total") != total))
        return calls_fail(c,
                          "the total of %.64s at Stripe is %" PRId64 ", ours %" PRId64
                          " minor units; it stays a draft",
                          b->id, stripe_int(there, "total"), b->invoice->total_minor);
    if (!is_status(b, there, "draft"))
        return calls_known(c, b->id);
    stripe_form_text(&c->next->form, "auto_advance", str_of("true"));
    return calls_send(c, "POST", "/v1/invoices/%s/finalize", b->id);
}

/* Send it, or charge for it, while something is due there. */
static enum need
collect(struct bill *b)
{
    struct calls *c = b->c;
    enum need n;
    const json_t *there = look_there(b, "collect", &n);
    if (there == NULL)
        return n;
    if (!is_status(b, there, "open"))
        return calls_known(c, b->id);
    bool sent = c->settings->dry
                    ? c->settings->collect != COLLECT_CHARGE
                    : strcmp(stripe_text(there, "collection_method"), "send_invoice") == 0;
    return calls_send(c, "POST", "/v1/invoices/%s/%s", b->id, sent ? "send" : "pay");
}

/* It was paid by other means: Stripe must not go on asking for it. */
static enum need
settle(struct bill *b)
{
    enum need n;
    const json_t *there = look_there(b, "settle", &n);
    if (there == NULL)
        return n;
    if (!is_status(b, there, "open"))
        return calls_known(b->c, b->id);
    stripe_form_text(&b->c->next->form, "paid_out_of_band", str_of("true"));
    return calls_send(b->c, "POST", "/v1/invoices/%s/pay", b->id);
}

/* The same, nothing on it being owed. */
static enum need
void_there(struct bill *b)
{
    enum need n;
    const json_t *there = look_there(b, "void", &n);
    if (there == NULL)
        return n;
    if (is_status(b, there, "open"))
        return calls_send(b->c, "POST", "/v1/invoices/%s/void", b->id);
    if (is_status(b, there, "draft"))
        return calls_send(b->c, "DELETE", "/v1/invoices/%s", b->id);
    return calls_known(b->c, b->id);
}

/* ---- credit notes ---- */

/* The one invoice that every line corrects (its tax follows it); 0: there is none. */
static uint64_t
corrected(const struct bill *b)
{
    const struct invoice *i = b->invoice;
    struct invoice_line line;
    uint64_t number = 0;
    for (uint32_t n = 0; n < i->line_count; n++) {
        if (!invoice_line_get(b->c->txn, i->organization, i->from_ms, n, &line) ||
            line.amount_minor > 0 || (line.kind != INVOICE_TAX && line.corrects == 0) ||
            (line.corrects != 0 && number != 0 && line.corrects != number))
            return 0;
        number = line.corrects != 0 ? line.corrects : number;
    }
    return number;
}

static bool
put_credit_lines(struct bill *b)
{
    const struct invoice *i = b->invoice;
    struct stripe_form *form = &b->c->next->form;
    struct invoice_line line;
    char name[64];
    int64_t amount;
    for (uint32_t n = 0, at = 0; n < i->line_count; n++) {
        if (!invoice_line_get(b->c->txn, i->organization, i->from_ms, n, &line) ||
            !currency_to_stripe(i->currency, -line.amount_minor, &amount))
            return false;
        if (amount == 0)
            continue;
        snprintf(name, sizeof name, "lines[%" PRIu32 "][type]", at);
        stripe_form_text(form, name, str_of("custom_line_item"));
        snprintf(name, sizeof name, "lines[%" PRIu32 "][description]", at);
        stripe_form_text(form, name, line.description);
        snprintf(name, sizeof name, "lines[%" PRIu32 "][quantity]", at);
        stripe_form_int(form, name, 1);
        snprintf(name, sizeof name, "lines[%" PRIu32 "][unit_amount]", at++);
        stripe_form_int(form, name, amount);
    }
    return true;
}

/*
 * As a credit note of Stripe's, where the corrected invoice is paid there and has that much
 * left to credit; NEED_REFUSED: as an invoice with a negative total.
 */
static enum need
credit(struct bill *b)
{
    struct calls *c = b->c;
    struct stripe_call row;
    calls_object note, target;
    char name[64];
    int64_t amount;
    if (!calls_name(c, "credit/%" PRIu64, b->invoice->number))
        return NEED_ASKED;
    enum need n = calls_need(c, false, note);
    if (n != NEED_ASK)
        return n; /* refused: it is not there, and can be said as an invoice */
    snprintf(name, sizeof name, "invoice/%" PRIu64, b->invoice->number);
    if (stripe_call_get(c->txn, str_of(name), &row))
        return NEED_REFUSED; /* begun as an invoice already */
    snprintf(name, sizeof name, "invoice/%" PRIu64, corrected(b));
    if (!stripe_call_get(c->txn, str_of(name), &row) || row.object.size_bytes == 0 ||
        !currency_to_stripe(b->invoice->currency, -b->invoice->total_minor, &amount))
        return NEED_REFUSED;
    snprintf(target, sizeof target, "%.*s", STR_ARG(row.object));
    const json_t *there = calls_read(c, "/v1/invoices/%s", target);
    if (there == NULL)
        return NEED_ASKED;
    int64_t left = stripe_int(there, "total") -
                   stripe_int(there, "pre_payment_credit_notes_amount") -
                   stripe_int(there, "post_payment_credit_notes_amount");
    if (!is_status(b, there, "paid") || (!c->settings->dry && left < amount))
        return NEED_REFUSED;
    stripe_form_text(&c->next->form, "invoice", str_of(target));
    if (!put_credit_lines(b)) {
        c->next->form.text.size_bytes = 0;
        return NEED_REFUSED;
    }
    stripe_form_int(&c->next->form, "credit_amount", amount);
    stripe_form_text(&c->next->form, "reason", str_of("order_change"));
    put_description(b, "memo");
    put_names(b);
    calls_look(c, "/v1/credit_notes?invoice=%s", target);
    return calls_send(c, "POST", "/v1/credit_notes");
}

/* ---- all of it ---- */

static bool
is_done(const struct calls *c, const char *what, uint64_t number)
{
    struct stripe_call row;
    char name[64];
    snprintf(name, sizeof name, "%s/%" PRIu64, what, number);
    return stripe_call_get(c->txn, str_of(name), &row) && row.state == STRIPE_CALL_DONE;
}

static enum need
void_it(struct bill *b)
{
    if (!calls_name(b->c, "invoice/%" PRIu64, b->invoice->number))
        return NEED_ASKED;
    enum need n = calls_need(b->c, false, b->id);
    /* What was never there need not go. */
    if (n == NEED_ASK)
        return NEED_HAVE;
    return n == NEED_HAVE ? void_there(b) : n;
}

enum need
calls_invoice(struct calls *c, const char *customer, const struct invoice *invoice)
{
    struct bill b = {.c = c, .invoice = invoice, .customer = customer};
    uint64_t number = invoice->number;
    if (invoice->status == INVOICE_VOID)
        return void_it(&b);
    if (invoice->total_minor < 0) {
        enum need n = credit(&b);
        if (n != NEED_REFUSED)
            return n;
    }
    enum need n = make(&b);
    bool final = is_done(c, "finalize", number);
    for (uint32_t i = 0; n == NEED_HAVE && !final && i < invoice->line_count; i++)
        n = put_line(&b, i);
    if (n == NEED_HAVE && !final)
        n = finalize(&b);
    if (n != NEED_HAVE || invoice_due_minor(invoice) == 0)
        return n;
    if (invoice->status != INVOICE_PAID)
        return collect(&b);
    /* Paid, but not by what was collected there. */
    return settle(&b);
}
