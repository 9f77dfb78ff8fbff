#include "billing/stripe/calls.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "billing/stripe/calls_parts.h"
#include "store/base/time.h"
#include "store/tables/dict.h"

/* Stripe keeps an Idempotency-Key for 24 hours at least; an hour is for the clocks. */
static const int64_t KEY_LIVES_MS = 23 * TIME_HOUR_MS;

/* ---- how it stands with a name ---- */

bool
calls_name(struct calls *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(c->next->name, sizeof c->next->name, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof c->next->name)
        return true;
    c->next->name[sizeof c->next->name - 1] = '\0';
    calls_fail(c, "its name is longer than %d bytes", STRIPE_CALL_NAME_BYTES_MAX);
    return false;
}

/* The stored bytes again: an earlier attempt may have been carried out. */
static enum need
send_stored(struct calls *c, const struct stripe_call *row)
{
    struct calls_next *n = c->next;
    n->kind = CALLS_SEND;
    n->stored = true;
    n->method = str_is(row->method, "DELETE") ? "DELETE" : "POST";
    snprintf(n->path, sizeof n->path, "%.*s", STR_ARG(row->path));
    n->form.text.size_bytes = 0;
    n->form.failed = !buf_append(&n->form.text, row->body.data, row->body.size_bytes);
    memcpy(n->digest, row->digest, sizeof n->digest);
    return NEED_ASKED;
}

/* What the row says of the name. */
static enum need
judge(struct calls *c, const struct stripe_call *row, bool same)
{
    bool again = row->state == STRIPE_CALL_REFUSED && row->changed_ms < c->settings->again_ms;
    if (row->state == STRIPE_CALL_WAITING && row->due_ms > c->settings->clock_ms) {
        c->next->waits = true;
        return NEED_WAITS;
    }
    if (row->state == STRIPE_CALL_WAITING) {
        c->next->stale = row->unknown && c->settings->clock_ms - row->first_ms > KEY_LIVES_MS;
        return c->next->stale ? NEED_ASK : send_stored(c, row);
    }
    if (!same || again)
        return NEED_ASK;
    return row->state == STRIPE_CALL_DONE ? NEED_HAVE : NEED_REFUSED;
}

enum need
calls_need(struct calls *c, bool changes, calls_object object)
{
    struct stripe_call row;
    struct calls_next *n = c->next;
    const struct bytes wanted = {n->form.text.data, n->form.text.size_bytes};
    enum need need = NEED_ASK;
    memset(n->digest, 0, sizeof n->digest);
    object[0] = '\0';
    if (changes)
        hash_sha256(&wanted, 1, n->digest);
    if (stripe_call_get(c->txn, str_of(n->name), &row)) {
        bool same = !changes || memcmp(row.digest, n->digest, sizeof n->digest) == 0;
        snprintf(object, sizeof(calls_object), "%.*s", STR_ARG(row.object));
        need = judge(c, &row, same);
    }
    if (need != NEED_ASK && need != NEED_ASKED)
        n->form.text.size_bytes = 0;
    return need;
}

enum need
calls_send(struct calls *c, const char *method, const char *fmt, ...)
{
    va_list ap;
    c->next->kind = CALLS_SEND;
    c->next->method = method;
    va_start(ap, fmt);
    vsnprintf(c->next->path, sizeof c->next->path, fmt, ap);
    va_end(ap);
    return NEED_ASKED;
}

void
calls_look(struct calls *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->next->look, sizeof c->next->look, fmt, ap);
    va_end(ap);
}

const json_t *
calls_read(struct calls *c, const char *fmt, ...)
{
    va_list ap;
    if (c->slot->look != NULL && strcmp(c->slot->looked, c->next->name) == 0)
        return c->slot->look;
    c->next->kind = CALLS_READ;
    c->next->method = "GET";
    va_start(ap, fmt);
    vsnprintf(c->next->path, sizeof c->next->path, fmt, ap);
    va_end(ap);
    return NULL;
}

enum need
calls_fail(struct calls *c, const char *fmt, ...)
{
    va_list ap;
    c->next->kind = CALLS_FAIL;
    va_start(ap, fmt);
    vsnprintf(c->next->says, sizeof c->next->says, fmt, ap);
    va_end(ap);
    return NEED_ASKED;
}

enum need
calls_known(struct calls *c, const char *object)
{
    c->next->kind = CALLS_KNOWN;
    snprintf(c->next->object, sizeof c->next->object, "%s", object);
    return NEED_ASKED;
}

void
calls_put_key(struct calls *c)
{
    stripe_form_text(&c->next->form, "metadata[gbill_key]", str_of(c->next->name));
}

void
calls_key(struct str name, uint32_t revision, char key[STRIPE_KEY_BYTES_MAX + 1])
{
    static const char hex[] = "0123456789ABCDEF";
    enum { TAIL_BYTES = 12 };
    size_t used = (size_t)snprintf(key, STRIPE_KEY_BYTES_MAX + 1, "gbill:");
    for (size_t i = 0; i < name.size_bytes && used + 3 + TAIL_BYTES < STRIPE_KEY_BYTES_MAX; i++) {
        uint8_t b = (uint8_t)name.data[i];
        if (b > ' ' && b < 0x7f && b != '%') {
            key[used++] = (char)b;
        } else {
            key[used++] = '%';
            key[used++] = hex[b >> 4];
            key[used++] = hex[b & 15];
        }
    }
    snprintf(key + used, STRIPE_KEY_BYTES_MAX + 1 - used, ":%" PRIu32, revision);
}

/* ---- the plan book's products and prices ---- */

static enum need
catalog(struct calls *c)
{
    const struct plan_book *book = c->settings->book;
    calls_object object;
    for (size_t i = 0; i < book->plan_count; i++) {
        const struct plan *plan = &book->plans[i];
        int64_t now_ms = c->settings->now_ms;
        if (plan == book->default_plan)
            continue;
        enum need n = calls_product(c, plan, object);
        if (n == NEED_HAVE)
            n = calls_price(c, plan, plan_terms_at(plan, now_ms), plan->currency, now_ms, object);
        if (n == NEED_ASKED)
            return n;
    }
    return NEED_HAVE;
}

/* ---- an organization ---- */

/* Who pays nothing, and never did, is nobody's customer. */
static bool
pays(struct calls *c)
{
    struct invoice_scan scan;
    struct stripe_call row;
    struct standing s = timeline_at(c->timeline, c->settings->now_ms);
    bool any = (s.held != NULL && s.held != c->settings->book->default_plan) ||
               stripe_call_get(c->txn, str_of(c->next->name), &row);
    invoice_scan_begin(&scan, c->txn, c->slot->organization);
    while (!any && invoice_scan_next(&scan))
        any = scan.row.number != 0 && scan.row.total_minor != 0 && scan.row.status != INVOICE_VOID;
    invoice_scan_end(&scan);
    return any;
}

static enum need
customer(struct calls *c, calls_object object)
{
    struct stripe_form *form = &c->next->form;
    struct parties_party party = parties_customer(c->settings->parties, c->organization);
    if (!calls_name(c, "customer/%.*s", STR_ARG(c->organization)))
        return NEED_ASKED;
    object[0] = '\0';
    if (!c->settings->customer_only && !pays(c))
        return NEED_REFUSED;
    stripe_form_text(form, "name", party.name != NULL ? str_of(party.name) : c->organization);
    if (party.email != NULL)
        stripe_form_text(form, "email", str_of(party.email));
    calls_put_key(c);
    stripe_form_text(form, "metadata[gbill_organization]", c->organization);
    enum need n = calls_need(c, true, object);
    if (n != NEED_ASK)
        return n;
    if (object[0] != '\0')
        return calls_send(c, "POST", "/v1/customers/%s", object);
    calls_look(c, "/v1/customers");
    return calls_send(c, "POST", "/v1/customers");
}

static enum need
invoices(struct calls *c, const char *customer_id)
{
    struct invoice_scan scan;
    enum need n = NEED_HAVE;
    invoice_scan_begin(&scan, c->txn, c->slot->organization);
    /* One that waits holds the later ones back: credit is used up in their order. */
    while (n != NEED_ASKED && n != NEED_WAITS && invoice_scan_next(&scan)) {
        if (scan.row.number != 0)
            n = calls_invoice(c, customer_id, &scan.row);
    }
    invoice_scan_end(&scan);
    return n;
}

static enum need
organization(struct calls *c)
{
    calls_object id;
    enum need n = customer(c, id);
    if (id[0] == '\0' || n == NEED_ASKED || n == NEED_WAITS || c->settings->customer_only)
        return n;
    n = calls_method(c, id);
    if (n == NEED_HAVE || n == NEED_REFUSED)
        n = calls_subscription(c, id);
    return n == NEED_ASKED ? n : invoices(c, id);
}

enum err_code
calls_find(const struct calls_settings *settings, struct timeline *timeline, struct tables_txn *txn,
           const struct calls_slot *slot, struct calls_next *ret, struct err *err)
{
    struct calls c = {.settings = settings,
                      .timeline = timeline,
                      .txn = txn,
                      .slot = slot,
                      .organization = dict_text(txn, slot->organization),
                      .next = ret};
    enum err_code code = ERR_OK;
    *ret = (struct calls_next){.kind = CALLS_NONE};
    stripe_form_init(&ret->form);
    if (slot->organization != 0)
        code = timeline_read(timeline, txn, slot->organization, err);
    if (code != ERR_OK)
        return code;
    if ((slot->organization == 0 ? catalog(&c) : organization(&c)) != NEED_ASKED)
        ret->kind = CALLS_NONE;
    if (ret->form.failed)
        code = err_set(err, ERR_LIMIT, "%s: its call is longer than %d bytes", ret->name,
                       STRIPE_FORM_BYTES_MAX);
    return code;
}
