/*
 * billing/budget/budget_view.h - how an organization stands with its budget, for
 * people and programs: read from the tables, nothing is changed.
 */
#ifndef BILLING_BUDGET_BUDGET_VIEW_H
#define BILLING_BUDGET_BUDGET_VIEW_H

#include <stdio.h>

#include "billing/budget/forecast.h"
#include "billing/budget/spend.h"
#include "store/base/print.h"
#include "store/tables/budget.h"
#include "store/tables/budget_month.h"
#include "store/tables/budget_pause.h"

enum { BUDGET_BAR_BYTES = 64 };

struct budget_view {
    struct str organization; /* points into the map */
    const char *currency;
    struct budget_month month; /* settings as they hold now, marks as they were reported */
    bool email_alerts;
    struct spend spend;
    uint32_t percent; /* of the budget, rounded down; 0 without one or below it */
    struct forecast forecast;
    bool paused;
    struct budget_pause pause; /* points into the map */
};

/*
 * Read it.
 *
 *   organization  one that budget_get() knows
 *   currency      of the price book; borrowed
 *
 * Errors: those of spend_read() and forecast_make().
 */
enum err_code budget_view_read(struct tables_txn *txn, uint32_t organization, const char *currency,
                               int64_t now_ms, struct budget_view *ret,
                               struct err *err) ERR_MUST_CHECK;

/* "[######----]": ten parts of the budget. */
void budget_view_bar(uint32_t percent, char bar[BUDGET_BAR_BYTES]);

/* "ok", the highest threshold reached ("80 %", "warning"), "paused" or "no budget". */
void budget_view_state(const struct budget_view *view, char text[ALERT_NAME_BYTES_MAX + 1]);

/* One row of a list, and the columns for it. */
void budget_view_list_begin(struct print *p, FILE *out, enum print_form form);
void budget_view_list_row(struct print *p, const struct budget_view *view);

/* All of it with what was reported this month. */
void budget_view_print(FILE *out, struct tables_txn *txn, const struct budget_view *view,
                       bool json);

#endif
