/* What is asked of Stripe next, held against what each organization has; answers are made up here. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/stripe/calls.h"
#include "store/base/clock.h"
#include "tests/billing/office.h"

static struct err err;
static struct plan_book *book;
static struct parties *parties;
static struct timeline timeline;
static struct calls_settings settings;
static struct calls_slot slot;
static struct calls_next next;
static struct tables_txn *txn;

static void
begin(const char *organization, const char *now)
{
    cr_assert_eq(plan_book_load(SHIPPED_PLANS, &book, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(parties_load(NULL, &parties, &err), ERR_OK);
    timeline_init(&timeline, book);
    settings = (struct calls_settings){.book = book,
                                       .parties = parties,
                                       .payment_days = 14,
                                       .now_ms = ms_of(now),
                                       .clock_ms = ms_of(now)};
    txn = office_begin();
    slot.organization = office_number(organization);
}

static void
finish(void)
{
    stripe_form_clear(&next.form);
    json_decref(slot.look);
    slot = (struct calls_slot){0};
    office_commit();
    timeline_clear(&timeline);
    parties_free(parties);
    plan_book_free(book);
}

static void
find(void)
{
    stripe_form_clear(&next.form);
    enum err_code code = calls_find(&settings, &timeline, txn, &slot, &next, &err);
    cr_assert_eq(code, ERR_OK, "%s", err.text);
}

static bool
form_has(const char *part)
{
    char text[4096];
    snprintf(text, sizeof text, "&%.*s&", (int)next.form.text.size_bytes,
             (const char *)next.form.text.data);
    return strstr(text, part) != NULL;
}

static void
expect_next(const char *name, const char *method, const char *path)
{
    find();
    cr_assert_eq(next.kind, CALLS_SEND, "%s: kind %d, %s", name, (int)next.kind, next.says);
    cr_assert_str_eq(next.name, name);
    cr_expect_str_eq(next.method, method);
    cr_expect_str_eq(next.path, path);
}

static void
note(enum stripe_call_state state, const char *object)
{
    struct stripe_call row = {.name = str_of(next.name),
                              .state = state,
                              .revision = 1,
                              .changed_ms = settings.clock_ms,
                              .due_ms = settings.clock_ms,
                              .first_ms = settings.clock_ms,
                              .object = str_of(object)};
    memcpy(row.digest, next.digest, sizeof row.digest);
    if (state == STRIPE_CALL_WAITING) {
        row.method = str_of(next.method);
        row.path = str_of(next.path);
        row.body = (struct str){(const char *)next.form.text.data, next.form.text.size_bytes};
    }
    cr_assert_eq(stripe_call_put(txn, &row, &err), ERR_OK, "%s", err.text);
}

static void
done(const char *object)
{
    note(STRIPE_CALL_DONE, object);
}

/* What is to be read, and what it says. */
static void
reads(const char *path, const char *json)
{
    find();
    cr_assert_eq(next.kind, CALLS_READ);
    cr_expect_str_eq(next.path, path);
    json_decref(slot.look);
    slot.look = json_loads(json, 0, NULL);
    cr_assert_not_null(slot.look);
    snprintf(slot.looked, sizeof slot.looked, "%s", next.name);
}

/* The same, with another answer. */
static void
reads_again(const char *json)
{
    json_decref(slot.look);
    slot.look = json_loads(json, 0, NULL);
    cr_assert_not_null(slot.look);
}

static void
subscribed(const char *organization)
{
    expect_next("customer/acme", "POST", "/v1/customers");
    cr_expect(form_has("&metadata[gbill_key]=customer%2Facme&") && form_has("&name=acme&"));
    done("cus_1");
    expect_next("product/pro", "POST", "/v1/products");
    done("prod_1");
    expect_next("price/pro/USD/month-1/2900", "POST", "/v1/prices");
    cr_expect(form_has("&unit_amount=2900&") && form_has("&recurring[interval]=month&"));
    done("price_1");
    expect_next("subscription/acme", "POST", "/v1/subscriptions");
    cr_expect(form_has("&items[0][quantity]=0&") && form_has("&customer=cus_1&"));
    cr_expect_str_eq(next.look, "/v1/subscriptions?customer=cus_1");
    done("sub_1 si_1");
    (void)organization;
}

TestSuite(stripe_calls, .init = office_open, .fini = office_close);

Test(stripe_calls, who_pays_nothing_is_nobodys_customer)
{
    office_begin();
    office_use("acme", "2026-10-05", 1000);
    office_commit();
    office_invoices("2026-11-05");
    begin("acme", "2026-11-05");
    find();
    cr_expect_eq(next.kind, CALLS_NONE);
    settings.customer_only = true; /* portal and checkout ask for it all the same */
    expect_next("customer/acme", "POST", "/v1/customers");
    finish();
}

Test(stripe_calls, a_life)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-10-01");
    office_use("acme", "2026-10-05", 1200000);
    office_commit();
    begin("acme", "2026-10-10");
    subscribed("acme");
    find();
    cr_expect_eq(next.kind, CALLS_NONE, "an invoice that is not final is not there: %s", next.name);
    finish();
    office_invoices("2026-11-05");
    begin("acme", "2026-11-05");
    reads("/v1/customers/cus_1", "{\"invoice_settings\":{\"default_payment_method\":\"pm_1\"}}");
    find();
    cr_expect(form_has("&collection_method=charge_automatically&") && !form_has("&days_until_due"));
    reads_again("{\"invoice_settings\":{\"default_payment_method\":null}}");
    expect_next("invoice/1", "POST", "/v1/invoices");
    cr_expect(form_has("&collection_method=send_invoice&") && form_has("&days_until_due=14&") &&
              form_has("&auto_advance=false&") && form_has("&metadata[gbill_invoice]=1&"));
    done("in_1");
    expect_next("line/1/1", "POST", "/v1/invoiceitems");
    cr_expect(form_has("&amount=2900&") && form_has("&invoice=in_1&") &&
              form_has("&period[start]=1790812800&"));
    done("ii_1");
    expect_next("line/1/2", "POST", "/v1/invoiceitems");
    cr_expect(form_has("&amount=500&"));
    done("ii_2");
    reads("/v1/invoices/in_1", "{\"status\":\"draft\",\"total\":3400}");
    expect_next("finalize/1", "POST", "/v1/invoices/in_1/finalize");
    done("in_1");
    reads("/v1/invoices/in_1", "{\"status\":\"open\",\"collection_method\":\"send_invoice\"}");
    expect_next("collect/1", "POST", "/v1/invoices/in_1/send");
    done("in_1");
    find();
    cr_expect_eq(next.kind, CALLS_NONE);
    finish();
}

/* One cent more or less there, and it stays a draft. */
Test(stripe_calls, another_total_is_never_finalized)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-10-01");
    office_commit();
    office_invoices("2026-11-05");
    for (int cents = 2899; cents <= 2901; cents += 2) {
        char json[64];
        snprintf(json, sizeof json, "{\"status\":\"draft\",\"total\":%d}", cents);
        begin("acme", "2026-11-05");
        if (cents == 2899)
            subscribed("acme");
        if (cents == 2899)
            reads("/v1/customers/cus_1", "{}");
        find();
        for (int i = 0; next.kind == CALLS_SEND && i < 9; i++) {
            done("in_1");
            find();
        }
        reads("/v1/invoices/in_1", json);
        find();
        cr_expect_eq(next.kind, CALLS_FAIL);
        cr_expect_str_eq(next.name, "finalize/1");
        cr_expect(strstr(next.says, "ours 2900") != NULL, "%s", next.says);
        finish();
    }
}

Test(stripe_calls, changes_are_asked_once)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-10-01");
    office_commit();
    begin("acme", "2026-10-10");
    subscribed("acme");
    find();
    cr_expect_eq(next.kind, CALLS_NONE);
    office_subscribe("acme", "enterprise", "2026-10-12");
    find();
    cr_expect_eq(next.kind, CALLS_NONE, "it has not begun");
    settings.now_ms = ms_of("2026-10-13");
    expect_next("product/enterprise", "POST", "/v1/products");
    done("prod_2");
    find();
    cr_expect_eq(strncmp(next.name, "price/enterprise/USD/month-1/", 29), 0, "%s", next.name);
    done("price_2");
    expect_next("subscription/acme", "POST", "/v1/subscriptions/sub_1");
    cr_expect(form_has("&items[0][id]=si_1&") && form_has("&items[0][price]=price_2&") &&
              form_has("&items[0][quantity]=0&") && form_has("&pause_collection=&"));
    done("sub_1 si_1");
    find();
    cr_expect_eq(next.kind, CALLS_NONE);
    office_subscription("acme", EVENT_PLAN_PAUSED, "", "", "2026-10-14");
    settings.now_ms = ms_of("2026-10-15");
    expect_next("subscription/acme", "POST", "/v1/subscriptions/sub_1");
    cr_expect(form_has("&pause_collection[behavior]=void&"));
    done("sub_1 si_1");
    office_subscription("acme", EVENT_PLAN_RESUMED, "", "", "2026-10-16");
    office_subscription_with("acme", EVENT_PLAN_CANCELLED, "", "2026-10-17",
                             (struct office_terms){.at_period_end = true});
    settings.now_ms = ms_of("2026-10-18");
    expect_next("subscription/acme", "POST", "/v1/subscriptions/sub_1");
    cr_expect(form_has("&cancel_at=1793491200&"), "the end of October");
    done("sub_1 si_1");
    settings.now_ms = ms_of("2026-11-02");
    expect_next("subscription/acme", "DELETE",
                "/v1/subscriptions/sub_1?cancellation_details[comment]=gbill:subscription");
    done("");
    find();
    cr_expect_eq(next.kind, CALLS_NONE);
    office_subscribe("acme", "pro", "2026-11-03");
    settings.now_ms = ms_of("2026-11-04");
    expect_next("subscription/acme", "POST", "/v1/subscriptions");
    finish();
}

/* What waits is sent as it was; what was refused is left alone until it differs. */
Test(stripe_calls, waits_and_refusals)
{
    char body[512];
    office_begin();
    office_subscribe("acme", "pro", "2026-10-01");
    office_commit();
    begin("acme", "2026-10-10");
    expect_next("customer/acme", "POST", "/v1/customers");
    note(STRIPE_CALL_WAITING, "");
    snprintf(body, sizeof body, "%.*s", (int)next.form.text.size_bytes,
             (const char *)next.form.text.data);
    expect_next("customer/acme", "POST", "/v1/customers");
    cr_expect(next.stored && next.form.text.size_bytes == strlen(body) &&
              memcmp(next.form.text.data, body, strlen(body)) == 0);
    settings.clock_ms--;
    find();
    cr_expect(next.kind == CALLS_NONE && next.waits, "not due yet");
    settings.clock_ms++;
    note(STRIPE_CALL_REFUSED, "");
    find();
    cr_expect_eq(next.kind, CALLS_NONE);
    settings.again_ms = settings.clock_ms + 1;
    find();
    cr_expect_eq(next.kind, CALLS_SEND, "once more");
    finish();
}

/* Stripe has forgotten the key of an attempt that may have been carried out. */
Test(stripe_calls, old_and_unknown_is_looked_for)
{
    struct stripe_call row;
    office_begin();
    office_subscribe("acme", "pro", "2026-10-01");
    office_commit();
    begin("acme", "2026-10-10");
    expect_next("customer/acme", "POST", "/v1/customers");
    note(STRIPE_CALL_WAITING, "");
    settings.clock_ms += 22 * 3600000;
    find();
    cr_expect(next.stored);
    cr_assert(stripe_call_get(txn, str_of("customer/acme"), &row));
    row.unknown = true;
    row.name = str_of("customer/acme");
    cr_assert_eq(stripe_call_put(txn, &row, &err), ERR_OK);
    settings.clock_ms += 2 * 3600000;
    find();
    cr_expect(next.kind == CALLS_SEND && next.stale && !next.stored);
    cr_expect_str_eq(next.look, "/v1/customers");
    finish();
}

Test(stripe_calls, paid_elsewhere_and_void)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-10-01");
    office_commit();
    office_invoices("2026-11-05");
    begin("acme", "2026-11-05");
    subscribed("acme");
    reads("/v1/customers/cus_1", "{}");
    for (find(); next.kind == CALLS_SEND; find())
        done("in_1");
    reads("/v1/invoices/in_1", "{\"status\":\"draft\",\"total\":2900}");
    expect_next("finalize/1", "POST", "/v1/invoices/in_1/finalize");
    done("in_1");
    finish();
    office_begin();
    office_pay("acme", 1, "paid", 2900);
    office_commit();
    office_invoices("2026-11-06");
    begin("acme", "2026-11-06");
    reads("/v1/invoices/in_1", "{\"status\":\"open\"}");
    expect_next("settle/1", "POST", "/v1/invoices/in_1/pay");
    cr_expect(form_has("&paid_out_of_band=true&"));
    /* Or by Stripe itself. */
    json_object_set_new(slot.look, "status", json_string("paid"));
    find();
    cr_expect_eq(next.kind, CALLS_KNOWN);
    finish();
}

Test(stripe_calls, names_in_keys)
{
    char key[STRIPE_KEY_BYTES_MAX + 1], name[STRIPE_CALL_NAME_BYTES_MAX + 1];
    calls_key(str_of("customer/b&c=d [é]%"), 12, key);
    cr_expect_str_eq(key, "gbill:customer/b&c=d%20[%C3%A9]%25:12");
    memset(name, '%', sizeof name);
    name[sizeof name - 1] = '\0';
    calls_key(str_of(name), UINT32_MAX, key);
    cr_expect_leq(strlen(key), STRIPE_KEY_BYTES_MAX);
    cr_expect_str_eq(key + strlen(key) - 11, ":4294967295");
}
