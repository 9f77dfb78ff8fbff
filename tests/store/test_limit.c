#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/tables/dirty.h"
#include "store/tables/limit.h"
#include "tests/support/open_tables.h"

TestSuite(store_limit, .init = open_tables, .fini = close_tables);

static const struct limit credits = {
    .organization = 7,
    .dimension = LIMIT_AI_CREDITS,
    .used = 95000,
    .limit = 100000,
    .percent = 95,
    .state = LIMIT_CRITICAL,
    .allowed = true,
    .plan = {"starter", 7},
    .upgrade = {"pro", 3},
    .reason = {"95,000 of 100,000 AI credits are used", 37},
    .position = 12,
    .period_start_ms = 1793491200000,
    .period_end_ms = 1796083200000,
};

static uint64_t
owed(void)
{
    struct dirty_scan scan;
    uint64_t n = 0;
    for (dirty_scan_begin(&scan, txn, TABLE_LIMITS); dirty_scan_next(&scan);)
        n++;
    dirty_scan_end(&scan);
    return n;
}

static void
put(const struct limit *row)
{
    cr_assert_eq(limit_put(txn, row, &err), ERR_OK, "%s", err.text);
}

/* Pretend that publish has sent everything. */
static void
settle_all(void)
{
    uint8_t key[5] = {0, 0, 0, 7, LIMIT_AI_CREDITS};
    cr_assert_eq(dirty_settle(txn, TABLE_LIMITS, (struct bytes){key, sizeof key},
                              tables_txn_number(txn), &err),
                 ERR_OK);
    cr_assert_eq(owed(), 0);
}

Test(store_limit, a_row_comes_back_whole)
{
    struct limit r;
    put(&credits);
    cr_assert(limit_get(txn, 7, LIMIT_AI_CREDITS, &r));
    cr_assert_eq(r.organization, 7);
    cr_assert_eq(r.dimension, LIMIT_AI_CREDITS);
    cr_assert_eq(r.used, 95000);
    cr_assert_eq(r.limit, 100000);
    cr_assert_eq(r.percent, 95);
    cr_assert_eq(r.state, LIMIT_CRITICAL);
    cr_assert(r.allowed);
    cr_assert(str_is(r.plan, "starter"));
    cr_assert(str_is(r.upgrade, "pro"));
    cr_assert(str_is(r.reason, "95,000 of 100,000 AI credits are used"));
    cr_assert_eq(r.position, 12);
    cr_assert_eq(r.period_start_ms, 1793491200000);
    cr_assert_eq(r.period_end_ms, 1796083200000);
}

Test(store_limit, an_unlimited_dimension_keeps_its_marks_and_empty_texts)
{
    struct limit r, row = {.organization = 8,
                           .dimension = LIMIT_MEMBERS,
                           .used = 3,
                           .limit = LIMIT_UNLIMITED,
                           .percent = LIMIT_PERCENT_NONE};
    put(&row);
    cr_assert(limit_get(txn, 8, LIMIT_MEMBERS, &r));
    cr_assert_eq(r.limit, LIMIT_UNLIMITED);
    cr_assert_eq(r.percent, LIMIT_PERCENT_NONE);
    cr_assert_eq(r.plan.size_bytes + r.upgrade.size_bytes + r.reason.size_bytes, 0);
    cr_assert_not(r.allowed);
}

Test(store_limit, the_longest_texts_fit)
{
    char plan[64], reason[256];
    memset(plan, 'p', sizeof plan);
    memset(reason, 'r', sizeof reason);
    struct limit r, row = credits;
    row.plan = row.upgrade = (struct str){plan, sizeof plan};
    row.reason = (struct str){reason, sizeof reason};
    put(&row);
    cr_assert(limit_get(txn, 7, LIMIT_AI_CREDITS, &r));
    cr_assert(str_equal(r.upgrade, row.upgrade));
    cr_assert(str_equal(r.reason, row.reason));
}

Test(store_limit, another_dimension_or_organization_has_no_row)
{
    struct limit r;
    put(&credits);
    cr_assert_not(limit_get(txn, 7, LIMIT_PROJECTS, &r));
    cr_assert_not(limit_get(txn, 8, LIMIT_AI_CREDITS, &r));
}

Test(store_limit, a_new_position_alone_changes_and_owes_nothing)
{
    struct limit r, later = credits;
    put(&credits);
    cr_assert_eq(owed(), 1);
    settle_all();
    later.position = 99;
    put(&later);
    cr_assert_eq(owed(), 0);
    cr_assert(limit_get(txn, 7, LIMIT_AI_CREDITS, &r));
    cr_assert_eq(r.position, 12, "an idle organization's row stays as it is");
}

Test(store_limit, every_other_field_is_a_change_and_takes_the_position_along)
{
    struct limit r, later[9];
    for (size_t i = 0; i < 9; i++) {
        later[i] = credits;
        later[i].position = 99;
    }
    later[0].used++;
    later[1].limit++;
    later[2].percent++;
    later[3].state = LIMIT_REACHED;
    later[4].allowed = false;
    later[5].plan = str_of("stArter");
    later[6].upgrade = str_of("");
    later[7].reason = str_of("another");
    later[8].period_end_ms++;
    for (size_t i = 0; i < 9; i++) {
        put(&credits);
        settle_all();
        put(&later[i]);
        cr_assert_eq(owed(), 1, "change %zu", i);
        cr_assert(limit_get(txn, 7, LIMIT_AI_CREDITS, &r));
        cr_assert_eq(r.position, 99, "change %zu", i);
    }
}

Test(store_limit, a_text_that_moves_between_fields_is_a_change)
{
    /* Same bytes in a row, other lengths. */
    struct limit later = credits;
    put(&credits);
    settle_all();
    later.plan = str_of("starterp");
    later.upgrade = str_of("ro");
    put(&later);
    cr_assert_eq(owed(), 1);
}

Test(store_limit, names_are_those_that_Postgres_shows)
{
    cr_assert_str_eq(limit_dimension_name(LIMIT_PROJECTS), "projects");
    cr_assert_str_eq(limit_dimension_name(LIMIT_DOCUMENTS), "documents");
    cr_assert_str_eq(limit_dimension_name(LIMIT_AI_CREDITS), "ai_credits");
    cr_assert_str_eq(limit_dimension_name(LIMIT_MEMBERS), "members");
    cr_assert_str_eq(limit_state_name(LIMIT_OK), "ok");
    cr_assert_str_eq(limit_state_name(LIMIT_WARNING), "warning");
    cr_assert_str_eq(limit_state_name(LIMIT_CRITICAL), "critical");
    cr_assert_str_eq(limit_state_name(LIMIT_REACHED), "reached");
    cr_assert_str_eq(limit_state_name(LIMIT_EXCEEDED), "exceeded");
}
