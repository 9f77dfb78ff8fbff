#include <criterion/criterion.h>

#include <string.h>

#include "reports/optimize/optimize_stage.h"
#include "reports/optimize/recent.h"
#include "store/base/money.h"
#include "store/tables/efficiency.h"
#include "store/tables/feedback.h"
#include "tests/billing/office.h"

#define SHIPPED_PRICES GBILL_SCHEMAS_DIR "/prices.json"

TestSuite(optimize, .init = office_open, .fini = office_close);

static struct optimize_result
run_at(const char *now, bool again)
{
    const struct clock clock = clock_fixed(ms_of(now));
    const struct optimize_options options = {
        .data_directory = office_directory(),
        .prices_path = SHIPPED_PRICES,
        .plans_path = SHIPPED_PLANS,
        .clock = &clock,
        .again = again,
    };
    struct optimize_result result;
    struct err err;
    cr_assert_eq(optimize_stage_run(&options, &result, &err), ERR_OK, "%s", err.text);
    return result;
}

/* The organization's only row; its texts are copied to where they stay. */
static bool
only_row(const char *organization, struct recommendation *ret, char subject[64])
{
    struct recommendation_scan scan;
    struct tables_txn *txn = office_begin();
    unsigned count = 0;
    recommendation_scan_begin(&scan, txn, office_number(organization));
    while (recommendation_scan_next(&scan)) {
        *ret = scan.row;
        snprintf(subject, 64, "%.*s", STR_ARG(scan.row.texts[RECOMMENDATION_SUBJECT]));
        count++;
    }
    recommendation_scan_end(&scan);
    office_commit();
    cr_assert_leq(count, 1);
    return count == 1;
}

/* Four months of the team plan, from July on. */
static void
fill(const char *organization, uint64_t credits, uint64_t projects)
{
    static const char *const months[] = {
        "2026-07-05T10:00Z", "2026-08-05T10:00Z", "2026-09-05T10:00Z", "2026-10-05T10:00Z",
        "2026-11-05T10:00Z", "2026-12-05T10:00Z", "2027-01-05T10:00Z", "2027-02-05T10:00Z"};
    office_begin();
    office_subscribe(organization, "team", "2026-07-01");
    for (size_t i = 0; i < sizeof months / sizeof *months; i++)
        office_use(organization, months[i], credits);
    if (projects > 0)
        office_resources(organization, EVENT_PROJECT, projects);
    office_cursor(100);
    office_commit();
}

static void
answer(const char *organization, const struct recommendation *row, const char *when, uint64_t seq,
       enum recommendation_status status)
{
    char id[RECOMMENDATION_ID_TEXT_BYTES];
    struct err err;
    struct tables_txn *txn = office_begin();
    recommendation_id_text(row->id, id);
    const struct feedback feedback = {
        .organization = office_number(organization),
        .recommendation = office_number(id),
        .time_utc_ms = ms_of(when),
        .seq = seq,
        .status = status,
    };
    cr_assert_eq(feedback_put(txn, &feedback, &err), ERR_OK, "%s", err.text);
    office_commit();
}

Test(optimize, a_smaller_plan_that_would_have_allowed_the_use_is_recommended)
{
    struct recommendation row;
    char subject[64];
    fill("acme", 500000, 0);
    cr_assert_eq(run_at("2026-11-10T12:00Z", false).made, 1);
    cr_assert(only_row("acme", &row, subject));
    cr_assert_str_eq(subject, "pro");
    cr_assert_eq(row.type, RECOMMENDATION_PLAN);
    cr_assert_eq(row.cost_pico, 3 * 99 * (money_sum)MONEY_PICO_PER_UNIT);
    cr_assert_eq(row.saving_pico, 3 * 70 * (money_sum)MONEY_PICO_PER_UNIT);
    cr_assert_eq(row.share_pico, 0);
    cr_assert_eq(row.priority, RECOMMENDATION_HIGH);
    cr_assert_eq(row.from_hour, ms_of("2026-08-01") / TIME_HOUR_MS);
    cr_assert_eq(row.to_hour, ms_of("2026-11-01") / TIME_HOUR_MS);
}

Test(optimize, what_a_plan_charges_for_the_use_decides)
{
    struct recommendation row;
    char subject[64];
    /* pro: 29 + 1.5 million x 0.000025 = 66.50 */
    fill("acme", 2500000, 0);
    run_at("2026-11-10T12:00Z", false);
    cr_assert(only_row("acme", &row, subject));
    cr_assert_eq(row.saving_pico,
                 3 * (money_sum)(99 - 66) * MONEY_PICO_PER_UNIT - 3 * MONEY_PICO_PER_UNIT / 2);
}

Test(optimize, less_than_a_tenth_is_no_reason_to_change)
{
    struct recommendation row;
    char subject[64];
    fill("acme", 3600000, 0); /* pro: 29 + 65 = 94, of 99 */
    cr_assert_eq(run_at("2026-11-10T12:00Z", false).made, 0);
    cr_assert_not(only_row("acme", &row, subject));
}

Test(optimize, a_plan_whose_hard_limits_are_passed_is_not_recommended)
{
    struct recommendation row;
    char subject[64];
    fill("tiny", 50000, 0);
    fill("wide", 50000, 4);
    fill("wider", 50000, 16);
    run_at("2026-11-10T12:00Z", false);
    cr_assert(only_row("tiny", &row, subject));
    cr_assert_str_eq(subject, "starter");
    cr_assert(only_row("wide", &row, subject));
    cr_assert_str_eq(subject, "pro");
    cr_assert_not(only_row("wider", &row, subject));
}

Test(optimize, three_months_are_needed)
{
    struct recommendation row;
    char subject[64];
    fill("acme", 500000, 0);
    run_at("2026-09-10T12:00Z", false);
    cr_assert_not(only_row("acme", &row, subject));
    run_at("2026-10-10T12:00Z", false);
    cr_assert(only_row("acme", &row, subject));
}

Test(optimize, a_day_is_looked_at_once)
{
    fill("acme", 500000, 0);
    struct optimize_result first = run_at("2026-11-10T12:00Z", false);
    cr_assert_eq(first.organizations, 1);
    cr_assert_eq(first.made, 1);
    cr_assert_eq(run_at("2026-11-10T18:00Z", false).organizations, 0);
    struct optimize_result again = run_at("2026-11-10T18:00Z", true);
    cr_assert_eq(again.organizations, 1);
    cr_assert_eq(again.made, 0, "not made twice");
    cr_assert_eq(run_at("2026-11-11T00:00Z", false).organizations, 1);
}

Test(optimize, no_row_is_written_again_without_a_reason)
{
    fill("acme", 500000, 0);
    run_at("2026-11-10T12:00Z", false);
    cr_assert_eq(office_owed(TABLE_RECOMMENDATIONS), 1);
    office_settle(TABLE_RECOMMENDATIONS);
    office_settle(TABLE_EFFICIENCY);
    run_at("2026-11-10T18:00Z", true);
    cr_assert_eq(office_owed(TABLE_RECOMMENDATIONS), 0);
    cr_assert_eq(office_owed(TABLE_EFFICIENCY), 0);
}

Test(optimize, an_answer_sets_the_status_and_a_voided_one_takes_it_back)
{
    struct recommendation row;
    char subject[64];
    fill("acme", 500000, 0);
    run_at("2026-11-10T12:00Z", false);
    cr_assert(only_row("acme", &row, subject));
    cr_assert_eq(row.status, RECOMMENDATION_PENDING);
    answer("acme", &row, "2026-11-10T13:00Z", 101, RECOMMENDATION_DISMISSED);
    cr_assert_eq(run_at("2026-11-10T14:00Z", false).answered, 1);
    cr_assert(only_row("acme", &row, subject));
    cr_assert_eq(row.status, RECOMMENDATION_DISMISSED);
    cr_assert_eq(row.answered_ms, ms_of("2026-11-10T13:00Z"));
    cr_assert_eq(run_at("2026-11-10T15:00Z", false).answered, 0);
    answer("acme", &row, "2026-11-10T13:30Z", 102, RECOMMENDATION_APPLIED);
    cr_assert_eq(run_at("2026-11-10T16:00Z", false).answered, 1);
    cr_assert(only_row("acme", &row, subject));
    cr_assert_eq(row.status, RECOMMENDATION_APPLIED);
    /* both are voided */
    struct err err;
    struct feedback newest;
    char id[RECOMMENDATION_ID_TEXT_BYTES];
    recommendation_id_text(row.id, id);
    struct tables_txn *txn = office_begin();
    while (feedback_newest(txn, office_number("acme"), office_number(id), &newest))
        cr_assert_eq(feedback_delete(txn, &newest, &err), ERR_OK);
    office_commit();
    cr_assert_eq(run_at("2026-11-10T17:00Z", false).answered, 1);
    cr_assert(only_row("acme", &row, subject));
    cr_assert_eq(row.status, RECOMMENDATION_PENDING);
}

Test(optimize, an_applied_one_opens_again_when_all_that_came_after_says_the_same)
{
    struct recommendation row;
    char subject[64];
    fill("acme", 500000, 0);
    run_at("2026-11-10T12:00Z", false);
    cr_assert(only_row("acme", &row, subject));
    answer("acme", &row, "2026-11-10T13:00Z", 101, RECOMMENDATION_APPLIED);
    run_at("2026-11-11T12:00Z", false);
    run_at("2027-02-10T12:00Z", false); /* November to January: the answer lies in it */
    cr_assert(only_row("acme", &row, subject));
    cr_assert_eq(row.status, RECOMMENDATION_APPLIED);
    cr_assert_eq(run_at("2027-03-01T12:00Z", false).made, 1); /* December to February */
    cr_assert(only_row("acme", &row, subject));
    cr_assert_eq(row.status, RECOMMENDATION_PENDING);
    cr_assert_eq(row.created_ms, ms_of("2026-11-10T12:00Z"));
    /* The old answer does not close it again; a new one does. */
    cr_assert_eq(run_at("2027-03-01T13:00Z", false).answered, 0);
    answer("acme", &row, "2027-03-01T14:00Z", 103, RECOMMENDATION_DISMISSED);
    cr_assert_eq(run_at("2027-03-01T15:00Z", false).answered, 1);
}

Test(optimize, a_dismissed_one_stays_dismissed_unless_twice_as_much_is_at_stake)
{
    struct recommendation row;
    char subject[64];
    fill("acme", 500000, 0);
    run_at("2026-11-10T12:00Z", false);
    cr_assert(only_row("acme", &row, subject));
    answer("acme", &row, "2026-11-10T13:00Z", 101, RECOMMENDATION_DISMISSED);
    run_at("2026-11-11T12:00Z", false);
    cr_assert_eq(run_at("2027-03-01T12:00Z", false).made, 0);
    cr_assert(only_row("acme", &row, subject));
    cr_assert_eq(row.status, RECOMMENDATION_DISMISSED);
}

Test(optimize, a_pending_one_goes_with_its_reason_and_an_answered_one_stays)
{
    struct recommendation row;
    char subject[64];
    fill("gone", 500000, 0);
    fill("kept", 500000, 0);
    run_at("2026-11-10T12:00Z", false);
    cr_assert(only_row("kept", &row, subject));
    answer("kept", &row, "2026-11-10T13:00Z", 101, RECOMMENDATION_APPLIED);
    office_begin();
    office_subscribe("gone", "pro", "2026-11-10");
    office_subscribe("kept", "pro", "2026-11-10");
    office_commit();
    run_at("2026-11-11T12:00Z", false);
    cr_assert_not(only_row("gone", &row, subject));
    cr_assert(only_row("kept", &row, subject));
    cr_assert_eq(row.status, RECOMMENDATION_APPLIED);
}

Test(optimize, an_organization_without_calls_in_the_log_has_an_efficiency_of_100)
{
    struct efficiency row;
    fill("acme", 500000, 0);
    run_at("2026-11-10T12:00Z", false);
    struct tables_txn *txn = office_begin();
    cr_assert(efficiency_last(txn, office_number("acme"), &row));
    office_commit();
    cr_assert_eq(row.score, 100);
    cr_assert_eq(row.calls, 0);
    cr_assert_eq(row.to_hour, ms_of("2026-11-10") / TIME_HOUR_MS);
}

Test(recent, the_oldest_of_a_set_makes_room)
{
    struct recent recent;
    cr_assert(recent_init(&recent));
    for (uint64_t i = 1; i <= RECENT_WAYS; i++) {
        struct recent_call *place = recent_at(&recent, i * RECENT_SETS + 7);
        cr_assert_eq(place->key, 0);
        *place = (struct recent_call){.key = i * RECENT_SETS + 7, .time_utc_ms = 100 - (int64_t)i};
    }
    cr_assert_eq(recent.evictions, 0);
    for (uint64_t i = 1; i <= RECENT_WAYS; i++)
        cr_assert_eq(recent_at(&recent, i * RECENT_SETS + 7)->time_utc_ms, 100 - (int64_t)i);
    cr_assert_eq(recent_at(&recent, 9 * RECENT_SETS + 7)->key, 0);
    cr_assert_eq(recent.evictions, 1);
    cr_assert_eq(recent_at(&recent, 1 * RECENT_SETS + 7)->key, RECENT_SETS + 7, "not the oldest");
    recent_reset(&recent);
    cr_assert_eq(recent_at(&recent, 1 * RECENT_SETS + 7)->key, 0);
    recent_clear(&recent);
}
