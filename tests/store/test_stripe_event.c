/*
 * What Stripe sends, as an event of ours: payloads of each type (tests/data/stripe), and payloads
 * that break every bound, which cost a field and never the event.
 */
#include "store/event/stripe_event.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/base/file.h"
#include "store/event/event.h"
#include "store/event/json_pack.h"

#define COMMON ",\"livemode\":false,\"api_version\":\"2026-10-28.endive\""
#define IN_METADATA "\"gbill_key\":\"invoice/42\",\"gbill_invoice\":\"42\""

static void
read_or_fail(struct bytes body, struct stripe_event *event)
{
    struct err err;
    cr_assert_eq(stripe_event_read(body, event, &err), ERR_OK, "%s", err.text);
}

/* The agent would take it, as the event that it says it is. */
static void
expect_accepted(const struct stripe_event *e)
{
    struct buf record;
    struct event event;
    struct event_defect defect = {.text = ""};
    buf_init(&record, EVENT_RECORD_BYTES_MAX);
    cr_assert_eq(json_pack_record(e->record, e->id, str_of(e->organization), &record), JSON_PACKED);
    cr_assert(event_parse(EVENT_STRIPE, (struct bytes){record.data, record.size_bytes}, 0, &event,
                          &defect),
              "%s", defect.text);
    cr_expect_eq(event.time_utc_ms, e->created_s * 1000);
    cr_expect(str_equal(event.stripe.type, e->type));
    cr_expect_eq(event.undeclared, 0);
    buf_clear(&record);
}

static void
expect_told(const char *file, const char *organization, const char *want)
{
    char path[FILE_PATH_BYTES_MAX];
    struct bytes body;
    struct stripe_event e;
    struct err err;
    snprintf(path, sizeof path, "%s/data/stripe/%s.json", GBILL_TESTS_DIR, file);
    cr_assert_eq(file_read(path, STRIPE_EVENT_BODY_BYTES_MAX, &body, &err), ERR_OK, "%s", err.text);
    read_or_fail(body, &e);
    expect_accepted(&e);
    cr_expect_str_eq(e.organization, organization, "%s", file);
    json_t *wanted = json_loads(want, 0, NULL);
    cr_assert_not_null(wanted, "%s", want);
    const json_t *object = json_object_get(e.record, "object");
    char *told = json_dumps(object, JSON_COMPACT);
    cr_expect(json_equal(wanted, object), "%s: %s", file, told);
    cr_expect_null(strstr(told, "Jenny"));
    cr_expect_null(strstr(told, "@acme"));
    free(told);
    json_decref(wanted);
    stripe_event_clear(&e);
    free((void *)(uintptr_t)body.data);
}

Test(store_stripe_event, of_an_invoice_its_totals_are_taken)
{
#define INVOICE(status, paid, remaining)                                                     \
    "{\"object\":\"invoice\",\"id\":\"in_1SxAcme42\",\"status\":\"" status "\","             \
    "\"customer\":\"cus_RsAcme\",\"currency\":\"usd\",\"total\":10950,\"amount_due\":10950," \
    "\"amount_paid\":" paid ",\"amount_remaining\":" remaining                               \
    ",\"gbill_organization\":\"acme\"," IN_METADATA COMMON
    expect_told("invoice.paid", "acme", INVOICE("paid", "10950", "0") "}");
    expect_told("invoice.paid_by_us", "acme",
                INVOICE("paid", "10950", "0") ",\"request_key\":\"gbill:settle/42:0\"}");
    expect_told("invoice.payment_failed", "acme", INVOICE("open", "0", "10950") "}");
    expect_told("invoice.voided", "acme",
                INVOICE("void", "0", "10950") ",\"changed\":\"status,status_transitions\"}");
}

Test(store_stripe_event, of_a_payment_how_much_and_by_what)
{
    expect_told("invoice_payment.paid", "-",
                "{\"object\":\"invoice_payment\",\"id\":\"inpay_1SxPay\",\"status\":\"paid\","
                "\"currency\":\"usd\",\"invoice\":\"in_1SxAcme42\",\"amount_paid\":10950,"
                "\"payment_type\":\"payment_intent\",\"payment_intent\":\"pi_3SxPay\"" COMMON "}");
}

Test(store_stripe_event, of_money_that_goes_back_whose_it_was)
{
    expect_told("charge.refunded", "-",
                "{\"object\":\"charge\",\"id\":\"ch_3SxCharge\",\"status\":\"succeeded\","
                "\"customer\":\"cus_RsAcme\",\"currency\":\"usd\",\"amount\":10950,"
                "\"payment_intent\":\"pi_3SxPay\",\"amount_refunded\":950,"
                "\"changed\":\"amount_refunded,receipt_url\"" COMMON "}");
    expect_told("refund.created", "-",
                "{\"object\":\"refund\",\"id\":\"re_3SxRefund\",\"status\":\"succeeded\","
                "\"currency\":\"usd\",\"amount\":950,\"charge\":\"ch_3SxCharge\","
                "\"payment_intent\":\"pi_3SxPay\",\"reason\":\"requested_by_customer\"" COMMON "}");
    expect_told("charge.dispute.created", "-",
                "{\"object\":\"dispute\",\"id\":\"du_1SxDispute\",\"status\":\"needs_response\","
                "\"currency\":\"usd\",\"amount\":10950,\"charge\":\"ch_3SxCharge\","
                "\"payment_intent\":\"pi_3SxPay\",\"reason\":\"fraudulent\"" COMMON "}");
}

Test(store_stripe_event, of_a_subscription_its_plan_and_its_end)
{
#define SUBSCRIPTION(status)                                                        \
    "{\"object\":\"subscription\",\"id\":\"sub_1SxSub\",\"status\":\"" status "\"," \
    "\"customer\":\"cus_RsAcme\",\"currency\":\"usd\",\"price\":\"price_1SxPro\","  \
    "\"price_plan\":\"pro\",\"quantity\":0,\"gbill_key\":\"subscription/acme\","    \
    "\"gbill_organization\":\"acme\",\"gbill_plan\":\"pro\"" COMMON
    expect_told("customer.subscription.created", "acme",
                SUBSCRIPTION("active") ",\"cancel_at_period_end\":false,\"pause\":\"\","
                                       "\"request_key\":\"gbill:subscription/acme:0\"}");
    expect_told("customer.subscription.updated", "acme",
                SUBSCRIPTION("active") ",\"cancel_at_period_end\":true,\"cancel_at\":1795996800,"
                                       "\"canceled_at\":1796000000,\"pause\":\"\","
                                       "\"changed\":\"cancel_at,cancel_at_period_end,canceled_at\","
                                       "\"request_key\":\"6c2a8f5e-2f0e-4d3c-9a51-0e8f3f8f7f10\"}");
    expect_told("customer.subscription.paused", "acme",
                SUBSCRIPTION("active") ",\"cancel_at_period_end\":false,\"pause\":\"void\","
                                       "\"changed\":\"pause_collection\"}");
    expect_told("customer.subscription.deleted", "acme",
                SUBSCRIPTION("canceled") ",\"cancel_at_period_end\":false,\"pause\":\"\","
                                         "\"canceled_at\":1796000000,\"ended_at\":1796000000}");
}

Test(store_stripe_event, of_a_checkout_what_was_set_up)
{
    expect_told("checkout.session.completed", "acme",
                "{\"object\":\"checkout.session\",\"id\":\"cs_test_a1SxSession\","
                "\"status\":\"complete\",\"customer\":\"cus_RsAcme\",\"currency\":\"usd\","
                "\"mode\":\"setup\",\"setup_intent\":\"seti_1SxSetup\","
                "\"gbill_organization\":\"acme\",\"gbill_plan\":\"pro\"" COMMON "}");
}

Test(store_stripe_event, of_what_nothing_follows_from_no_person_is_kept)
{
    expect_told("customer.updated", "acme",
                "{\"object\":\"customer\",\"id\":\"cus_RsAcme\",\"currency\":\"usd\","
                "\"gbill_key\":\"customer/acme\",\"gbill_organization\":\"acme\","
                "\"changed\":\"description\"" COMMON "}");
}

static struct bytes
body_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

Test(store_stripe_event, what_is_no_event_is_said)
{
    static const struct {
        const char *body, *says;
    } cases[] = {
        {"", "it is no JSON (line 1, column 0)"},
        {"[]", "it is no event: object is not \"event\""},
        {"{\"id\":\"evt_1\",\"object\":\"v2.core.event\"}",
         "a thin event, which has no object; let the endpoint be sent snapshots"},
        {"{\"object\":\"event\",\"type\":\"a\",\"created\":1}", "id is no text of 1 to 64 bytes"},
        {"{\"object\":\"event\",\"id\":\"e\\n\",\"type\":\"a\",\"created\":1}",
         "id is no text of 1 to 64 bytes"},
        {"{\"object\":\"event\",\"id\":\"e\",\"type\":7,\"created\":1}", "type is no text"},
        {"{\"object\":\"event\",\"id\":\"e\",\"type\":\"a\\u0000\",\"created\":1}",
         "type is no text"},
        {"{\"object\":\"event\",\"id\":\"e\",\"type\":\"a\",\"created\":\"1\"}",
         "created is no time in seconds"},
        {"{\"object\":\"event\",\"id\":\"e\",\"type\":\"a\",\"created\":253402300800}",
         "created is no time in seconds"},
        {"{\"object\":\"event\",\"id\":\"e\",\"type\":\"a\",\"created\":1,\"data\":{}}",
         "it has no data.object"},
    };
    struct stripe_event e;
    struct err err;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_eq(stripe_event_read(body_of(cases[i].body), &e, &err), ERR_INPUT, "%s",
                     cases[i].body);
        cr_expect_str_eq(err.text, cases[i].says);
    }
    static char large[STRIPE_EVENT_BODY_BYTES_MAX + 1];
    cr_expect_eq(stripe_event_read((struct bytes){(uint8_t *)large, sizeof large}, &e, &err),
                 ERR_LIMIT);
}

/* An event whose object has these members. */
static void
read_object(const char *members, const char *rest, struct stripe_event *e)
{
    static char body[64 * 1024];
    snprintf(body, sizeof body,
             "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"refund.created\",\"created\":1,"
             "\"data\":{\"object\":{%s}%s}",
             members, rest);
    read_or_fail(body_of(body), e);
    expect_accepted(e);
}

static char *
repeated(char c, size_t count)
{
    static char text[8][1024];
    static unsigned next;
    char *at = text[next++ % 8];
    memset(at, c, count);
    at[count] = '\0';
    return at;
}

Test(store_stripe_event, a_text_too_long_is_left_out_and_a_key_is_cut)
{
    char members[4096], rest[4096];
    struct stripe_event e;
    snprintf(members, sizeof members,
             "\"id\":\"%s\",\"status\":\"%s\",\"reason\":\"a\\u0007b\",\"amount\":1.5,"
             "\"customer\":{\"id\":5},\"invoice\":{\"id\":\"in_1\"},\"charge\":null,"
             "\"metadata\":{\"gbill_organization\":\"%s\"}",
             repeated('i', 257), repeated('s', 256), repeated('o', 65));
    snprintf(rest, sizeof rest,
             ",\"previous_attributes\":{\"first\":1,\"%s\":2,\"%s\":3,\"last\":4}},"
             "\"request\":{\"idempotency_key\":\"%s\xc3\xa9\"}",
             repeated('p', 245), repeated('q', 250), repeated('k', 255));
    read_object(members, rest, &e);
    cr_expect_str_eq(e.organization, "-");
    const json_t *object = json_object_get(e.record, "object");
    char changed[300];
    snprintf(changed, sizeof changed, "first,%s,last", repeated('p', 245));
    cr_expect_eq(json_object_size(object), 4);
    cr_expect_str_eq(json_string_value(json_object_get(object, "status")), repeated('s', 256));
    cr_expect_str_eq(json_string_value(json_object_get(object, "invoice")), "in_1");
    cr_expect_str_eq(json_string_value(json_object_get(object, "request_key")), repeated('k', 255));
    cr_expect_str_eq(json_string_value(json_object_get(object, "changed")), changed);
    stripe_event_clear(&e);
}

Test(store_stripe_event, all_texts_at_their_longest_still_fit_in_one_event)
{
    static const char *const names[] = {"id",      "status", "customer",       "currency",
                                        "invoice", "charge", "payment_intent", "reason"};
    static const char *const keys[] = {"gbill_key", "gbill_plan", "gbill_invoice"};
    char members[16 * 1024], rest[512];
    struct stripe_event e;
    int n = snprintf(members, sizeof members, "\"object\":\"checkout.session\"");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        n += snprintf(members + n, sizeof members - (size_t)n, ",\"%s\":\"%s\"", names[i],
                      repeated('x', 256));
    for (size_t i = 0; i < 3; i++)
        n += snprintf(members + n, sizeof members - (size_t)n, ",\"%s\":\"%s\"",
                      (const char *[]){"mode", "setup_intent", "subscription"}[i],
                      repeated('x', 256));
    n += snprintf(members + n, sizeof members - (size_t)n,
                  ",\"metadata\":{\"gbill_organization\":\"%s\"", repeated('o', 64));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        n += snprintf(members + n, sizeof members - (size_t)n, ",\"%s\":\"%s\"", keys[i],
                      repeated('x', 256));
    snprintf(members + n, sizeof members - (size_t)n, "}");
    snprintf(rest, sizeof rest,
             ",\"previous_attributes\":{\"%s\":1}},\"request\":{\"idempotency_key\":\"gbill:it\"}",
             repeated('c', 250));
    read_object(members, rest, &e);
    const json_t *object = json_object_get(e.record, "object");
    cr_expect_str_eq(json_string_value(json_object_get(object, "request_key")), "gbill:it");
    cr_expect_not_null(json_object_get(object, "setup_intent"));
    cr_expect_not_null(json_object_get(object, "gbill_invoice"));
    cr_expect_null(json_object_get(object, "changed"), "what comes last has no room");
    stripe_event_clear(&e);
}

/* What request_key becomes of an event with this key (JSON) and this comment. */
static void
expect_request_key(const char *key, const char *comment, const char *wanted)
{
    struct stripe_event e;
    char members[200], rest[100];
    snprintf(members, sizeof members,
             "\"object\":\"subscription\",\"id\":\"sub_1\",\"cancellation_details\":"
             "{\"comment\":%s,\"reason\":\"cancellation_requested\"}",
             comment);
    snprintf(rest, sizeof rest, "},\"request\":{\"id\":\"req_1\",\"idempotency_key\":%s}", key);
    read_object(members, rest, &e);
    const json_t *told = json_object_get(json_object_get(e.record, "object"), "request_key");
    if (wanted == NULL)
        cr_expect_null(told);
    else
        cr_expect_str_eq(json_string_value(told), wanted);
    stripe_event_clear(&e);
}

Test(store_stripe_event, a_cancellation_of_ours_is_known_by_its_comment)
{
    expect_request_key("null", "\"gbill:subscription\"", "gbill:subscription");
    expect_request_key("null", "\"too dear, gbill: no\"", NULL);
    expect_request_key("null", "null", NULL);
    expect_request_key("\"portal-1\"", "\"gbill:subscription\"", "portal-1");
}

Test(store_stripe_event, a_type_too_long_is_cut_and_kept)
{
    char body[1024];
    struct stripe_event e;
    snprintf(body, sizeof body,
             "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"%s\",\"created\":0,"
             "\"data\":{\"object\":{}},\"request\":\"req_old\"}",
             repeated('t', 70));
    read_or_fail(body_of(body), &e);
    expect_accepted(&e);
    cr_expect_eq(e.type.size_bytes, 64);
    stripe_event_clear(&e);
    stripe_event_clear(&e);
}
