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

TestSuite(billing_timeline, .init = begin, .fini = end);

static void
read_timeline(void)
{
    struct err err = {.code = ERR_OK};
    uint32_t organization = office_number("acme");
    office_commit();
    struct tables_txn *txn = office_begin();
    cr_assert_eq(timeline_read(&timeline, txn, organization, &err), ERR_OK, "%s", err.text);
}

static void
expect_at(const char *at, const char *plan)
{
    struct standing s = timeline_at(&timeline, ms_of(at));
    cr_expect(str_is(s.plan->id, plan), "at %s: %.*s, not %s", at, STR_ARG(s.plan->id), plan);
}

/* "from>plan from>plan …": the segments of a month, instants as days or in full. */
static void
expect_segments(const char *month, const char *want)
{
    struct timeline_walk w;
    char got[512] = "";
    int64_t from = ms_of(month), to = time_month_start_ms(month_of(month) + 1), at = from;
    timeline_walk_begin(&w, &timeline, from, to);
    while (timeline_walk_next(&w)) {
        char time[TIME_TEXT_BYTES];
        cr_expect_eq(w.from_ms, at, "a gap or an overlap");
        cr_expect_lt(w.from_ms, w.to_ms, "an empty segment");
        at = w.to_ms;
        time_format_ms(w.from_ms, time);
        size_t used = strlen(got);
        snprintf(got + used, sizeof got - used, "%s%s>%.*s", used > 0 ? " " : "",
                 time + strlen("2026-"), STR_ARG(w.standing.plan->id));
    }
    cr_expect_eq(at, to);
    cr_expect_str_eq(got, want);
}

Test(billing_timeline, without_events_the_default_plan_is_in_force)
{
    read_timeline();
    int64_t first;
    expect_at("1970-01-01", "starter");
    expect_at("2026-11-24", "starter");
    expect_segments("2026-11", "11-01T00:00:00.000Z>starter");
    cr_expect_not(timeline_first_ms(&timeline, &first));
}

Test(billing_timeline, months_of_28_to_31_days_are_covered_whole)
{
    office_subscribe("acme", "pro", "2023-06-01");
    read_timeline();
    expect_segments("2026-02", "02-01T00:00:00.000Z>pro");
    expect_segments("2024-02", "02-01T00:00:00.000Z>pro");
    expect_segments("2026-11", "11-01T00:00:00.000Z>pro");
    expect_segments("2026-12", "12-01T00:00:00.000Z>pro");
}

Test(billing_timeline, a_change_at_the_first_millisecond_has_no_segment_before_it)
{
    office_subscribe("acme", "pro", "2026-11-01T00:00:00.000Z");
    read_timeline();
    expect_segments("2026-11", "11-01T00:00:00.000Z>pro");
    expect_segments("2026-10", "10-01T00:00:00.000Z>starter");
    expect_at("2026-10-31T23:59:59.999Z", "starter");
}

Test(billing_timeline, a_change_at_the_last_millisecond_has_a_segment_of_one)
{
    office_subscribe("acme", "pro", "2026-11-30T23:59:59.999Z");
    read_timeline();
    expect_segments("2026-11", "11-01T00:00:00.000Z>starter 11-30T23:59:59.999Z>pro");
}

Test(billing_timeline, of_two_changes_at_one_instant_the_later_in_the_log_counts)
{
    office_subscribe("acme", "team", "2026-11-10");
    office_subscribe("acme", "pro", "2026-11-10");
    read_timeline();
    expect_segments("2026-11", "11-01T00:00:00.000Z>starter 11-10T00:00:00.000Z>pro");
}

Test(billing_timeline, a_change_and_its_undoing_at_one_instant_leave_nothing)
{
    office_subscribe("acme", "pro", "2026-10-01");
    office_subscribe("acme", "team", "2026-11-10");
    office_subscribe("acme", "pro", "2026-11-10");
    read_timeline();
    expect_segments("2026-11", "11-01T00:00:00.000Z>pro");
}

Test(billing_timeline, setting_the_plan_that_is_in_force_cuts_nothing)
{
    office_subscribe("acme", "pro", "2026-11-05");
    office_subscribe("acme", "pro", "2026-11-10");
    read_timeline();
    expect_segments("2026-11", "11-01T00:00:00.000Z>starter 11-05T00:00:00.000Z>pro");
}

Test(billing_timeline, order_of_effect_counts_and_not_order_in_the_log)
{
    office_subscribe("acme", "team", "2026-11-20");
    office_subscribe("acme", "pro", "2026-11-10");
    read_timeline();
    expect_segments("2026-11", "11-01T00:00:00.000Z>starter 11-10T00:00:00.000Z>pro "
                               "11-20T00:00:00.000Z>team");
}

Test(billing_timeline, cancelled_is_back_to_the_default_plan)
{
    office_subscribe("acme", "pro", "2026-10-01");
    office_subscription("acme", EVENT_PLAN_CANCELLED, "", "", "2026-11-10");
    office_subscription("acme", EVENT_PLAN_RESUMED, "", "", "2026-11-20");
    read_timeline();
    expect_segments("2026-11", "11-01T00:00:00.000Z>pro 11-10T00:00:00.000Z>starter");
    cr_expect_null(timeline_at(&timeline, ms_of("2026-11-21")).held);
}

Test(billing_timeline, paused_holds_the_plan_but_the_default_is_in_force_until_resumed)
{
    office_subscribe("acme", "pro", "2026-10-01");
    office_subscription("acme", EVENT_PLAN_PAUSED, "", "", "2026-11-10");
    office_subscription("acme", EVENT_PLAN_PAUSED, "", "", "2026-11-12");
    office_subscription("acme", EVENT_PLAN_RESUMED, "", "", "2026-11-20");
    read_timeline();
    expect_segments("2026-11", "11-01T00:00:00.000Z>pro 11-10T00:00:00.000Z>starter "
                               "11-20T00:00:00.000Z>pro");
    struct standing s = timeline_at(&timeline, ms_of("2026-11-15"));
    cr_expect(s.paused);
    cr_expect(str_is(s.held->id, "pro"));
}

Test(billing_timeline, a_plan_that_is_set_ends_a_pause)
{
    office_subscribe("acme", "pro", "2026-10-01");
    office_subscription("acme", EVENT_PLAN_PAUSED, "", "", "2026-11-10");
    office_subscribe("acme", "team", "2026-11-20");
    read_timeline();
    expect_at("2026-11-21", "team");
    cr_expect_not(timeline_at(&timeline, ms_of("2026-11-21")).paused);
}

Test(billing_timeline, pausing_and_resuming_what_is_not_there_changes_nothing)
{
    office_subscription("acme", EVENT_PLAN_PAUSED, "", "", "2026-11-10");
    office_subscription("acme", EVENT_PLAN_RESUMED, "", "", "2026-11-12");
    office_subscription("acme", EVENT_PLAN_CANCELLED, "", "", "2026-11-14");
    read_timeline();
    expect_segments("2026-11", "11-01T00:00:00.000Z>starter");
    cr_expect_not(timeline_at(&timeline, ms_of("2026-11-11")).paused);
}

Test(billing_timeline, what_takes_effect_in_the_future_is_not_in_force_yet)
{
    office_subscribe("acme", "pro", "2026-12-01");
    read_timeline();
    expect_at("2026-11-30T23:59:59.999Z", "starter");
    expect_at("2026-12-01", "pro");
}

Test(billing_timeline, an_unknown_plan_keeps_the_last_known_and_leaves_a_mark_until_the_next)
{
    office_subscribe("acme", "pro", "2026-10-01");
    office_subscribe("acme", "gold", "2026-11-10");
    office_subscribe("acme", "team", "2026-11-20");
    read_timeline();
    struct standing s = timeline_at(&timeline, ms_of("2026-11-15"));
    char text[TIMELINE_COMPLAINT_BYTES];
    cr_expect(str_is(s.plan->id, "pro"));
    cr_assert_eq(s.bad_seq, 2);
    struct tables_txn *txn = (office_commit(), office_begin());
    timeline_complaint(&timeline, &s, txn, text);
    cr_expect_not_null(strstr(text, "event 2 sets plan \"gold\""), "%s", text);
    cr_expect_not_null(strstr(text, "until then \"pro\" holds"), "%s", text);
    cr_expect_eq(timeline_at(&timeline, ms_of("2026-11-20")).bad_seq, 0);
    cr_expect_eq(timeline_at(&timeline, ms_of("2026-11-09")).bad_seq, 0);
}

Test(billing_timeline, a_currency_without_a_rate_cannot_be_applied)
{
    office_subscription("acme", EVENT_PLAN_SET, "team", "EUR", "2026-11-10");
    office_subscription("acme", EVENT_PLAN_SET, "pro", "USD", "2026-11-20");
    read_timeline();
    struct standing s = timeline_at(&timeline, ms_of("2026-11-15"));
    char text[TIMELINE_COMPLAINT_BYTES];
    cr_expect(str_is(s.plan->id, "starter"));
    cr_assert_eq(s.bad_seq, 1);
    struct tables_txn *txn = (office_commit(), office_begin());
    timeline_complaint(&timeline, &s, txn, text);
    cr_expect_not_null(strstr(text, "EUR"), "%s", text);
    expect_at("2026-11-20", "pro");
}

Test(billing_timeline, one_organizations_events_are_not_anothers)
{
    office_subscribe("other", "pro", "2026-10-01");
    read_timeline();
    expect_at("2026-11-15", "starter");
}
