/*
 * billing/budget/judge.h - what is to be reported of an organization's month: a
 * function of its settings, what was reported before, and what it has spent.
 *
 * Source of the rules: billing/budget/DESIGN.md, "What is reported".
 */
#ifndef BILLING_BUDGET_JUDGE_H
#define BILLING_BUDGET_JUDGE_H

#include "store/tables/alert.h"
#include "store/tables/budget_month.h"

/* Each mark may recover or be reached; then pausing and the forecast. */
enum { JUDGE_ALERTS_MAX = BUDGET_MARKS_MAX + 2 };

struct judge_facts {
    money_sum spend_pico;
    money_sum minor_pico; /* of one minor unit of the budget; spend_minor_pico() */
    bool has_forecast;
    money_sum forecast_pico;
    bool is_current;     /* the month is not over: only then is anything paused or resumed */
    bool was_paused;     /* by this budget, in whatever month */
    bool was_paused_now; /* in this month */
};

/*
 * Judge a month.
 *
 *   month       its marks are brought up to date; nothing else
 *   alerts      filled, in the order of reporting: kind, percent, name, budget, spend and
 *               forecast; the rest is the caller's
 *   ret_paused  shall the organization be paused now?
 *
 * Returns how many alerts there are.  With the same facts again: none.
 */
size_t judge(struct budget_month *month, const struct judge_facts *facts,
             struct alert alerts[JUDGE_ALERTS_MAX], bool *ret_paused);

/*
 * Has spend reached a percentage of the budget?  A budget of 0 is reached by any
 * spend above 0.
 */
bool judge_reached(money_sum spend_pico, uint64_t budget_minor, money_sum minor_pico,
                   uint32_t percent);

#endif
