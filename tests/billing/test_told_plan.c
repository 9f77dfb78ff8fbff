/*
 * What Stripe told becomes the plan that is in force: each row of the second table of
 * schemas/stripe.md, "What follows from it".
 */
#include <criterion/criterion.h>
#include <string.h>

#include "store/base/time.h"
#include "tests/billing/office.h"

static struct plan_book *book;
static struct timeline timeline;

static void
begin(void)
{
    office_open();
    book = office_load(SHIPPED_PLANS);
    timeline_init(&timeline, book);
    office_begin();
}

static void
end(void)
{
    timeline_clear(&timeline);
    plan_book_free(book);
    office_close();
}

TestSuite(billing_told_plan, .init = begin, .fini = end);

static unsigned told;

static void
tell(const char *at, const char *what, const char *json)
{
    char id[32], type[64];
    snprintf(id, sizeof id, "evt_%u", ++told);
    snprintf(type, sizeof type, "%s%s", strchr(what, '.') != NULL ? "" : "customer.subscription.",
             what);
    office_tell("acme", id, at, type, json);
}

#define SUB "'object':'subscription','id':'sub_1','status':'active'"

static void
expect_at(const char *at, const char *plan)
{
    struct err err = {.code = ERR_OK};
    uint32_t organization = office_number("acme");
    office_commit();
    struct tables_txn *txn = office_begin();
    cr_assert_eq(timeline_read(&timeline, txn, organization, &err), ERR_OK, "%s", err.text);
    struct standing s = timeline_at(&timeline, ms_of(at));
    cr_expect(str_is(s.plan->id, plan), "at %s: %.*s, not %s", at, STR_ARG(s.plan->id), plan);
}

Test(billing_told_plan, a_subscription_made_there_is_the_plan_in_its_currency)
{
    tell("2026-11-04", "created", "{" SUB ",'price_plan':'pro','currency':'eur'}");
    expect_at("2026-11-04", "starter");
    cr_expect_eq(timeline_at(&timeline, ms_of("2026-11-04")).bad_why, DOUBT_RATE,
                 "the shipped book has no rate of the euro");
    tell("2026-11-05", "created", "{" SUB ",'price_plan':'pro','currency':'usd'}");
    expect_at("2026-11-04", "starter");
    expect_at("2026-11-05", "pro");
    tell("2026-11-05", "updated", "{" SUB ",'changed':'items,latest_invoice','price_plan':'team'}");
    expect_at("2026-11-05", "team");
    tell("2026-11-06", "updated", "{" SUB ",'changed':'default_tax_rates','price_plan':'pro'}");
    expect_at("2026-11-06", "team");
}

Test(billing_told_plan, a_subscription_cancelled_there_runs_to_the_end_of_the_period)
{
    office_subscribe("acme", "pro", "2026-11-01");
    tell("2026-11-10", "updated",
         "{" SUB ",'changed':'cancel_at_period_end','cancel_at_period_end':true}");
    expect_at("2026-11-30T23:59:59Z", "pro");
    expect_at("2026-12-01", "starter");
    tell("2026-11-12", "updated",
         "{" SUB ",'changed':'cancel_at,cancel_at_period_end','cancel_at_period_end':false}");
    expect_at("2026-12-01", "pro");
}

Test(billing_told_plan, a_day_to_end_at_means_the_period_that_ends_then)
{
    office_subscribe("acme", "pro", "2026-11-01");
    /* 2027-01-01T00:00Z is the end of December's period, not in January's. */
    tell("2026-11-10", "updated", "{" SUB ",'changed':'cancel_at','cancel_at':1798761600}");
    expect_at("2026-12-31T23:59:59Z", "pro");
    expect_at("2027-01-01", "starter");
    tell("2026-11-11", "updated", "{" SUB ",'changed':'cancel_at','cancel_at':1798761601}");
    expect_at("2027-01-31", "pro");
    expect_at("2027-02-01", "starter");
}

Test(billing_told_plan, one_that_is_paused_there_is_paused_until_it_is_resumed)
{
    office_subscribe("acme", "pro", "2026-11-01");
    tell("2026-11-10", "updated", "{" SUB ",'changed':'pause_collection','pause':'void'}");
    expect_at("2026-11-10", "starter");
    /* Stripe renews: "items" changed, to the plan that is held. */
    tell("2026-11-11", "updated", "{" SUB ",'changed':'items','price_plan':'pro'}");
    expect_at("2026-11-11", "starter");
    tell("2026-11-12", "updated", "{" SUB ",'changed':'pause_collection','pause':''}");
    expect_at("2026-11-12", "pro");
    tell("2026-11-13", "paused", "{" SUB "}");
    expect_at("2026-11-13", "starter");
    tell("2026-11-14", "resumed", "{" SUB "}");
    expect_at("2026-11-14", "pro");
}

Test(billing_told_plan, to_resume_what_runs_takes_no_cancellation_back)
{
    office_subscribe("acme", "pro", "2026-11-01");
    office_subscription_with("acme", EVENT_PLAN_CANCELLED, "", "2026-11-05",
                             (struct office_terms){.at_period_end = true});
    tell("2026-11-10", "updated", "{" SUB ",'changed':'pause_collection'}");
    tell("2026-11-11", "updated", "{" SUB ",'changed':'items','price_plan':'pro'}");
    expect_at("2026-12-01", "starter");
    tell("2026-11-12", "updated", "{" SUB ",'changed':'cancel_at'}");
    expect_at("2026-12-01", "pro");
}

Test(billing_told_plan, one_that_is_deleted_there_ends_at_once)
{
    office_subscribe("acme", "pro", "2026-11-01");
    tell("2026-11-10T12:00:00Z", "deleted", "{" SUB "}");
    expect_at("2026-11-10T11:59:59Z", "pro");
    expect_at("2026-11-10T12:00:00Z", "starter");
}

Test(billing_told_plan, a_checkout_that_is_complete_begins_the_plan)
{
    tell("2026-11-10", "checkout.session.completed",
         "{'id':'cs_1','mode':'payment','gbill_plan':'pro','status':'complete'}");
    tell("2026-11-10", "checkout.session.completed",
         "{'id':'cs_2','mode':'setup','status':'complete'}");
    tell("2026-11-10", "checkout.session.expired",
         "{'id':'cs_3','mode':'setup','gbill_plan':'pro','status':'expired'}");
    expect_at("2026-11-10", "starter");
    tell("2026-11-11", "checkout.session.completed",
         "{'id':'cs_4','mode':'setup','gbill_plan':'pro','status':'complete'}");
    expect_at("2026-11-11", "pro");
}

Test(billing_told_plan, the_echo_of_our_own_requests_changes_nothing)
{
    tell("2026-11-10", "created",
         "{" SUB ",'price_plan':'pro','request_key':'gbill:subscription/acme:1'}");
    tell("2026-11-10", "updated",
         "{" SUB ",'changed':'items','price_plan':'pro','request_key':'gbill:x:2'}");
    expect_at("2026-11-10", "starter");
    tell("2026-11-10", "updated",
         "{" SUB ",'changed':'items','price_plan':'pro','request_key':'a-dashboard-s'}");
    expect_at("2026-11-10", "pro");
}

Test(billing_told_plan, at_one_instant_stripe_s_word_comes_after_ours)
{
    tell("2026-11-10", "created", "{" SUB ",'price_plan':'pro'}");
    office_subscribe("acme", "team", "2026-11-10");
    expect_at("2026-11-10", "pro");
    office_subscribe("acme", "team", "2026-11-10T00:00:01Z");
    expect_at("2026-11-10T00:00:01Z", "team");
}

Test(billing_told_plan, in_one_second_the_type_and_then_the_status_say_what_came_last)
{
    tell("2026-11-10", "deleted", "{'id':'sub_1','status':'canceled'}");
    tell("2026-11-10", "updated",
         "{'id':'sub_1','status':'active','changed':'items','price_plan':'team'}");
    tell("2026-11-10", "created", "{'id':'sub_1','status':'active','price_plan':'pro'}");
    expect_at("2026-11-10", "starter");
    tell("2026-11-11", "updated",
         "{'id':'sub_2','status':'active','changed':'items','price_plan':'team'}");
    tell("2026-11-11", "updated",
         "{'id':'sub_2','status':'incomplete','changed':'items','price_plan':'pro'}");
    expect_at("2026-11-11", "team");
}

Test(billing_told_plan, an_unknown_plan_is_in_doubt_until_stripe_names_one_that_is)
{
    char text[TIMELINE_COMPLAINT_BYTES];
    office_subscribe("acme", "pro", "2026-11-01");
    tell("2026-11-10", "updated", "{" SUB ",'changed':'items','price_plan':'gold'}");
    expect_at("2026-11-10", "pro");
    struct standing s = timeline_at(&timeline, ms_of("2026-11-10"));
    cr_assert_eq(s.bad_seq, office_seq());
    office_commit();
    timeline_complaint(&timeline, &s, office_begin(), text);
    cr_expect_not_null(strstr(text, "Stripe's event"), "%s", text);
    cr_expect_not_null(strstr(text, "sets plan \"gold\""), "%s", text);
    tell("2026-11-11", "updated", "{" SUB ",'changed':'items','price_plan':'pro'}");
    expect_at("2026-11-11", "pro");
    cr_expect_eq(timeline_at(&timeline, ms_of("2026-11-11")).bad_seq, 0);
    /* An operator's mistake is not cleared by a renewal. */
    office_subscribe("acme", "silver", "2026-11-12");
    tell("2026-11-13", "updated", "{" SUB ",'changed':'items','price_plan':'pro'}");
    expect_at("2026-11-13", "pro");
    cr_expect_neq(timeline_at(&timeline, ms_of("2026-11-13")).bad_seq, 0);
}

Test(billing_told_plan, an_organization_that_nothing_is_known_of_has_nobody_else_s_plan)
{
    struct err err = {.code = ERR_OK};
    office_subscribe("acme", "pro", "2026-11-01");
    tell("2026-11-10", "created", "{" SUB ",'price_plan':'team'}");
    office_commit();
    struct tables_txn *txn = office_begin();
    cr_assert_eq(timeline_read(&timeline, txn, 0, &err), ERR_OK, "%s", err.text);
    cr_expect(str_is(timeline_at(&timeline, ms_of("2026-11-11")).plan->id, "starter"));
}
