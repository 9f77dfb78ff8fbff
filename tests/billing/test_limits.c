#include <criterion/criterion.h>
#include <string.h>

#include "store/tables/budget_pause.h"
#include "store/tables/standing.h"
#include "tests/billing/office.h"

#define NOW "2026-11-24T12:00:00Z"

TestSuite(billing_limits, .init = office_open, .fini = office_close);

static struct limit
judge(const struct plan *plan, const struct plan_book *book, enum limit_dimension dimension,
      uint64_t used, char reason[LIMITS_REASON_BYTES])
{
    struct standing s = {.plan = plan, .held = plan};
    struct limit row;
    limits_judge(book, str_of("acme"), &s, ms_of(NOW), dimension, used, &row, reason);
    return row;
}

Test(billing_limits, states_change_exactly_at_their_percent)
{
    static const struct {
        uint64_t used;
        uint32_t percent;
        enum limit_state state;
        bool allowed;
    } want[] = {
        {0, 0, LIMIT_OK, true},
        {79999, 79, LIMIT_OK, true},
        {80000, 80, LIMIT_WARNING, true},
        {94999, 94, LIMIT_WARNING, true},
        {95000, 95, LIMIT_CRITICAL, true},
        {99999, 99, LIMIT_CRITICAL, true},
        {100000, 100, LIMIT_REACHED, false},
        {100001, 100, LIMIT_EXCEEDED, false},
        {101000, 101, LIMIT_EXCEEDED, false},
    };
    struct plan_book *book = office_load(SHIPPED_PLANS);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        char reason[LIMITS_REASON_BYTES];
        struct limit row = judge(&book->plans[0], book, LIMIT_AI_CREDITS, want[i].used, reason);
        cr_expect_eq(row.percent, want[i].percent, "%s", reason);
        cr_expect_eq(row.state, want[i].state, "%s: %s", reason, limit_state_name(row.state));
        cr_expect_eq(row.allowed, want[i].allowed, "%s", reason);
        cr_expect_eq(row.upgrade.size_bytes == 0, want[i].allowed, "%s", reason);
    }
    plan_book_free(book);
}

Test(billing_limits, reasons_are_words)
{
    struct plan_book *b = office_load(SHIPPED_PLANS);
    char reason[LIMITS_REASON_BYTES];
    judge(&b->plans[1], b, LIMIT_PROJECTS, 12, reason);
    cr_expect_str_eq(reason, "12 of 15 projects used (80 %)");
    judge(&b->plans[0], b, LIMIT_MEMBERS, 1, reason);
    cr_expect_str_eq(reason, "1 of 1 member used (100 %); the Starter plan has no more, Pro has 5");
    judge(&b->plans[1], b, LIMIT_AI_CREDITS, 1200000, reason);
    cr_expect_str_eq(reason, "1,200,000 of 1,000,000 AI credits used (120 %); more is charged at "
                             "25 USD a million");
    judge(&b->plans[3], b, LIMIT_DOCUMENTS, 12345678, reason);
    cr_expect_str_eq(reason, "12,345,678 documents used, unlimited");
    judge(&b->plans[2], b, LIMIT_PROJECTS, 50, reason);
    cr_expect_str_eq(reason,
                     "50 of 50 projects used (100 %); the Team plan has no more, Enterprise has "
                     "unlimited");
    plan_book_free(b);
}

Test(billing_limits, overage_that_is_sold_is_allowed_and_only_for_credits)
{
    struct plan_book *b = office_load(SHIPPED_PLANS);
    char reason[LIMITS_REASON_BYTES];
    struct limit row = judge(&b->plans[1], b, LIMIT_AI_CREDITS, 1000001, reason);
    cr_expect_eq(row.state, LIMIT_EXCEEDED);
    cr_expect(row.allowed);
    cr_expect_eq(row.upgrade.size_bytes, 0);
    row = judge(&b->plans[1], b, LIMIT_PROJECTS, 16, reason);
    cr_expect_eq(row.state, LIMIT_EXCEEDED);
    cr_expect_not(row.allowed);
    cr_expect(str_is(row.upgrade, "team"));
    plan_book_free(b);
}

Test(billing_limits, unlimited_has_no_percent_and_allows_any_number)
{
    struct plan_book *b = office_load(SHIPPED_PLANS);
    char reason[LIMITS_REASON_BYTES];
    struct limit row = judge(&b->plans[3], b, LIMIT_AI_CREDITS, UINT64_MAX - 1, reason);
    cr_expect_eq(row.limit, LIMIT_UNLIMITED);
    cr_expect_eq(row.percent, LIMIT_PERCENT_NONE);
    cr_expect_eq(row.state, LIMIT_OK);
    cr_expect(row.allowed);
    plan_book_free(b);
}

Test(billing_limits, a_limit_of_zero_allows_nothing_and_divides_nothing)
{
    struct plan_book *b = office_load(SHIPPED_PLANS);
    char reason[LIMITS_REASON_BYTES];
    struct plan_terms terms = b->plans[0].terms[0];
    struct plan none = b->plans[0];
    terms.limits[LIMIT_PROJECTS] = 0;
    none.terms = &terms;
    struct limit row = judge(&none, b, LIMIT_PROJECTS, 0, reason);
    cr_expect_eq(row.percent, 0);
    cr_expect_eq(row.state, LIMIT_REACHED);
    cr_expect_not(row.allowed);
    cr_expect(str_is(row.upgrade, "pro"));
    row = judge(&none, b, LIMIT_PROJECTS, 1, reason);
    cr_expect_eq(row.percent, 100);
    cr_expect_eq(row.state, LIMIT_EXCEEDED);
    plan_book_free(b);
}

Test(billing_limits, no_upgrade_is_named_where_no_plan_would_allow_it)
{
    struct plan_book *b = office_load(SHIPPED_PLANS);
    char reason[LIMITS_REASON_BYTES];
    struct plan_terms terms = b->plans[3].terms[0];
    struct plan top = b->plans[3];
    terms.limits[LIMIT_PROJECTS] = 2;
    top.terms = &terms;
    struct limit row = judge(&top, b, LIMIT_PROJECTS, 2, reason);
    cr_expect_not(row.allowed);
    cr_expect_eq(row.upgrade.size_bytes, 0);
    plan_book_free(b);
}

Test(billing_limits, the_stage_counts_what_exists_and_the_months_credits)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-10");
    office_resources("acme", EVENT_PROJECT, 12);
    office_resources("acme", EVENT_DOCUMENT, 7);
    office_resources("acme", EVENT_MEMBER, 5);
    office_use("acme", "2026-10", 999999);
    office_use("acme", "2026-11", 950000);
    office_cursor(77);
    office_commit();
    struct limits_result r = office_limits(NOW);
    cr_expect_eq(r.organizations, 1);
    cr_expect_eq(r.position, 77);
    cr_expect_eq(r.states[LIMIT_OK], 1);
    cr_expect_eq(r.states[LIMIT_WARNING], 1);
    cr_expect_eq(r.states[LIMIT_CRITICAL], 1);
    cr_expect_eq(r.states[LIMIT_REACHED], 1);
    cr_expect_eq(r.refused, 1);
    struct limit row = office_limit("acme", LIMIT_PROJECTS);
    cr_expect_eq(row.used, 12);
    cr_expect_eq(row.limit, 15);
    cr_expect(str_is(row.plan, "pro"));
    cr_expect_eq(row.period_start_ms, 0);
    cr_expect_eq(row.period_end_ms, 0);
    cr_expect_eq(row.position, 77);
    row = office_limit("acme", LIMIT_AI_CREDITS);
    cr_expect_eq(row.used, 950000);
    cr_expect_eq(row.period_start_ms, ms_of("2026-11-01"));
    cr_expect_eq(row.period_end_ms, ms_of("2026-12-01"));
    cr_expect_eq(office_limit("acme", LIMIT_DOCUMENTS).used, 7);
    row = office_limit("acme", LIMIT_MEMBERS);
    cr_expect_eq(row.state, LIMIT_REACHED);
    cr_expect(str_is(row.upgrade, "team"));
}

Test(billing_limits, credits_begin_anew_with_the_month_utc)
{
    office_begin();
    office_use("acme", "2026-11", 100000);
    office_commit();
    office_limits("2026-11-30T23:59:59.999Z");
    cr_expect_eq(office_limit("acme", LIMIT_AI_CREDITS).state, LIMIT_REACHED);
    office_limits("2026-12-01T00:00:00Z");
    cr_expect_eq(office_limit("acme", LIMIT_AI_CREDITS).used, 0);
    cr_expect_eq(office_limit("acme", LIMIT_AI_CREDITS).state, LIMIT_OK);
}

Test(billing_limits, a_second_run_changes_no_row_and_owes_nothing)
{
    office_begin();
    office_use("acme", "2026-11", 90000);
    office_resources("zeta", EVENT_PROJECT, 2);
    office_cursor(5);
    office_commit();
    office_limits(NOW);
    cr_expect_eq(office_owed(TABLE_LIMITS), 8);
    office_settle(TABLE_LIMITS);
    office_begin();
    office_cursor(6);
    office_commit();
    office_limits(NOW);
    cr_expect_eq(office_owed(TABLE_LIMITS), 0);
    cr_expect_eq(office_limit("acme", LIMIT_AI_CREDITS).position, 5);
}

Test(billing_limits, what_changes_is_owed_and_nothing_else)
{
    office_begin();
    office_use("acme", "2026-11", 90000);
    office_use("zeta", "2026-11", 1);
    office_commit();
    office_limits(NOW);
    office_settle(TABLE_LIMITS);
    office_begin();
    office_use("acme", "2026-11", 10000);
    office_commit();
    office_limits(NOW);
    cr_expect_eq(office_owed(TABLE_LIMITS), 1);
    cr_expect_eq(office_limit("acme", LIMIT_AI_CREDITS).used, 100000);
}

Test(billing_limits, a_paused_plan_leaves_the_default_limits_and_says_so)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-10-01");
    office_subscription("acme", EVENT_PLAN_PAUSED, "", "", "2026-11-10");
    office_resources("acme", EVENT_PROJECT, 4);
    office_commit();
    office_limits(NOW);
    struct limit row = office_limit("acme", LIMIT_PROJECTS);
    cr_expect(str_is(row.plan, "starter"));
    cr_expect_eq(row.limit, 3);
    cr_expect_not(row.allowed);
    cr_expect_eq(row.state, LIMIT_PAUSED);
    cr_expect_not_null(strstr(row.reason.data, "Pro is paused"), "%s", row.reason.data);
}

/* Of the plan in force: Pro's until it is paused, then Starter's. */
Test(billing_limits, rate_limits_stand_with_the_subscription)
{
    struct standing_row row;
    office_begin();
    office_subscribe("acme", "pro", "2026-10-01");
    office_subscription("acme", EVENT_PLAN_PAUSED, "", "", "2026-11-10");
    office_commit();
    office_limits("2026-11-09");
    cr_assert(standing_get(office_begin(), office_number("acme"), &row));
    cr_expect_eq(row.requests_per_minute, 120);
    cr_expect_eq(row.tokens_per_minute, 200000);
    office_commit();
    office_limits(NOW);
    cr_assert(standing_get(office_begin(), office_number("acme"), &row));
    cr_expect_eq(row.requests_per_minute, 20);
    office_commit();
}

Test(billing_limits, a_budget_that_pauses_stops_credits_until_its_month_is_over)
{
    struct tables_txn *txn = office_begin();
    office_subscribe("acme", "pro", "2026-10-01");
    office_use("acme", "2026-11", 1);
    struct budget_pause pause = {.organization = office_number("acme"),
                                 .month = month_of("2026-11"),
                                 .since_ms = ms_of("2026-11-20T00:00:00Z"),
                                 .reason = str_of("the budget of 100.00 USD is spent")};
    struct err err;
    cr_assert_eq(budget_pause_put(txn, &pause, &err), ERR_OK, "%s", err.text);
    office_commit();
    office_limits("2026-11-24T12:00:00Z");
    struct limit credits = office_limit("acme", LIMIT_AI_CREDITS);
    cr_expect_eq(credits.state, LIMIT_PAUSED);
    cr_expect_not(credits.allowed);
    cr_expect(str_is(credits.reason, "the budget of 100.00 USD is spent"));
    cr_expect(office_limit("acme", LIMIT_PROJECTS).allowed);
    office_limits("2026-12-01T00:00:00Z");
    cr_expect(office_limit("acme", LIMIT_AI_CREDITS).allowed);
}

Test(billing_limits, an_unknown_plan_is_named_and_the_others_go_on)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-10-01");
    office_subscribe("acme", "gold", "2026-11-01");
    office_resources("acme", EVENT_PROJECT, 4);
    office_subscribe("zeta", "team", "2026-11-01");
    office_commit();
    struct limits_result r = office_limits(NOW);
    cr_expect_eq(r.organizations, 2);
    cr_expect_eq(r.problems, 1);
    cr_expect_eq(office_notice_count(STAGE_PROBLEM), 1);
    cr_expect_not_null(strstr(office_notices(), "organization acme: "), "%s", office_notices());
    cr_expect_not_null(strstr(office_notices(), "\"gold\""), "%s", office_notices());
    cr_expect(str_is(office_limit("acme", LIMIT_PROJECTS).plan, "pro"));
    cr_expect(str_is(office_limit("zeta", LIMIT_PROJECTS).plan, "team"));
}

Test(billing_limits, more_organizations_than_one_transaction_holds_are_all_done)
{
    enum { MANY = 2 * STAGE_TXN_ORGANIZATIONS + 1 };
    char name[32];
    office_begin();
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "org-%d", i);
        office_use(name, "2026-11", (uint64_t)i);
    }
    office_commit();
    cr_expect_eq(office_limits(NOW).organizations, MANY);
    cr_expect_eq(office_limit(name, LIMIT_AI_CREDITS).used, MANY - 1);
}

Test(billing_limits, nothing_folded_yet_is_not_found_and_makes_no_file)
{
    char command[128];
    struct clock clock = clock_fixed(ms_of(NOW));
    struct limits_options o = {office_directory(), SHIPPED_PLANS, &clock, {0}};
    struct limits_result r;
    struct err err;
    snprintf(command, sizeof command, "rm '%s'/tables.mdb*", office_directory());
    cr_assert_eq(system(command), 0);
    cr_expect_eq(limits_run(&o, &r, &err), ERR_NOT_FOUND);
    cr_expect_not_null(strstr(err.text, "gbill rollup"), "%s", err.text);
    snprintf(command, sizeof command, "test ! -e '%s'/tables.mdb", office_directory());
    cr_expect_eq(system(command), 0);
}

Test(billing_limits, a_wrong_plan_book_changes_nothing)
{
    struct clock clock = clock_fixed(ms_of(NOW));
    struct limits_options o = {office_directory(), office_book("{}"), &clock, {0}};
    struct limits_result r;
    struct err err;
    cr_expect_eq(limits_run(&o, &r, &err), ERR_CONFIG);
    cr_expect_eq(office_owed(TABLE_LIMITS), 0);
}
