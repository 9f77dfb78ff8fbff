/*
 * The judge alone: who is let in beside reservations that may come to more than the limit has, and
 * what is told of them.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>

#include "ingest/board/judge.h"
#include "store/tables/allowance.h"

static struct board_row
row_of(uint64_t used, uint64_t held, uint64_t limit)
{
    struct board_row row = {.weight = ALLOWANCE_WEIGHT_ONE, .plan = "small"};
    row.base[LIMIT_AI_CREDITS] = used;
    row.held[LIMIT_AI_CREDITS] = held;
    row.limit[LIMIT_AI_CREDITS] = limit;
    return row;
}

static struct answer
judge(const struct board_row *row, uint64_t tokens)
{
    struct answer a;
    judge_row(row, LIMIT_AI_CREDITS, tokens, &a);
    return a;
}

Test(ingest_judge, what_is_used_held_and_free_is_the_limit_however_much_is_reserved)
{
    static const struct {
        uint64_t used, held, told, remaining;
    } cases[] = {
        {0, 0, 0, 100},    {60, 30, 30, 10},        {60, 40, 40, 0}, {60, 41, 40, 0},
        {60, 5000, 40, 0}, {60, UINT64_MAX, 40, 0}, {100, 0, 0, 0},  {100, 7, 0, 0},
        {99, 7, 1, 0},     {0, UINT64_MAX, 100, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct board_row row = row_of(cases[i].used, cases[i].held, 100);
        struct answer a = judge(&row, 1);
        cr_expect_eq(a.held, cases[i].told, "%zu: %" PRIu64 " held", i, a.held);
        cr_expect_eq(answer_remaining(&a), cases[i].remaining, "%zu", i);
        cr_expect_eq(a.used + a.held + answer_remaining(&a), 100, "%zu", i);
        cr_expect_eq(a.allowed, cases[i].remaining > 0, "%zu: %s", i, a.reason);
    }
}

Test(ingest_judge, an_amount_is_let_in_by_itself_beside_all_that_others_may_come_to)
{
    const struct board_row row = row_of(60, 30, 100), full = row_of(60, 41, 100);
    cr_expect(judge(&row, 10).allowed);
    cr_expect_not(judge(&row, 11).allowed);
    struct answer a = judge(&full, 1);
    cr_expect_not(a.allowed);
    cr_expect_str_eq(a.reason,
                     "60 of 100 AI credits used, 40 reserved; 1 more is beyond the plan small");
}

Test(ingest_judge, what_goes_beyond_the_limit_is_told_as_used_and_leaves_nothing_reserved)
{
    const struct board_row row = row_of(130, 20, 100);
    struct answer a = judge(&row, 1);
    cr_expect_eq(a.used, 130);
    cr_expect_eq(a.held, 0);
    cr_expect_eq(answer_remaining(&a), 0);
    cr_expect_not(a.allowed);
}

/* Where nothing is refused nothing has to be shared: all that is reserved is told. */
Test(ingest_judge, without_a_hard_limit_all_that_is_reserved_is_told)
{
    struct board_row row = row_of(60, 5000, 100);
    row.soft[LIMIT_AI_CREDITS] = 1;
    cr_expect_eq(judge(&row, 1).held, 5000);
    cr_expect(judge(&row, 1000).allowed);
    row = row_of(60, 5000, LIMIT_UNLIMITED);
    cr_expect_eq(judge(&row, 1).held, 5000);
    cr_expect(judge(&row, 1000).allowed);
}

/* A model that costs no credits is let in until more than the limit is reserved, as ever. */
Test(ingest_judge, credits_are_what_tokens_weigh_and_nothing_is_let_in_beyond_the_limit)
{
    struct board_row row = row_of(60, 40, 100);
    row.weight = 0;
    cr_expect_eq(judge_units(&row, LIMIT_AI_CREDITS, 1000), 0);
    cr_expect(judge(&row, 1000).allowed);
    row.held[LIMIT_AI_CREDITS]++;
    cr_expect_not(judge(&row, 1000).allowed);
    row.weight = 2 * ALLOWANCE_WEIGHT_ONE + 1;
    cr_expect_eq(judge_units(&row, LIMIT_AI_CREDITS, 10), 21, "rounded up");
    cr_expect_eq(judge_units(&row, LIMIT_PROJECTS, 1), 1);
    row.weight = UINT64_C(1000000) * ALLOWANCE_WEIGHT_ONE; /* the most that a plan can say */
    cr_expect_eq(judge_units(&row, LIMIT_AI_CREDITS, EVENT_COUNT_MAX),
                 UINT64_C(1000000) * EVENT_COUNT_MAX);
}
