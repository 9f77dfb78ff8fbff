/*
 * billing/budget/settings.h - what an organization's budget event asks for, as
 * numbers.
 *
 * Source: schemas/event.md, "Budgets".
 */
#ifndef BILLING_BUDGET_SETTINGS_H
#define BILLING_BUDGET_SETTINGS_H

#include "store/tables/budget.h"
#include "store/tables/budget_month.h"

enum {
    SETTINGS_THRESHOLDS_MAX = 32,
    SETTINGS_PERCENT_MAX = 1000,
    SETTINGS_COMPLAINT_BYTES = 200,
};

/*
 * Put the settings into a month in place of those it has.
 *
 *   budget     borrowed
 *   month      settings and listed marks are replaced; what was reported is kept
 *   complaint  what is wrong with the first thing that cannot be used and is left out,
 *              in words; empty: nothing
 */
void settings_apply(const struct budget *budget, struct budget_month *month,
                    char complaint[SETTINGS_COMPLAINT_BYTES]);

#endif
