/*
 * store/tables/budget_month.h - where gbill budgets stands with an organization in
 * a calendar month: the settings that were last applied, and what was reported.
 *
 * The settings are kept so that a month that is over is judged by its own, whatever
 * has been changed since.
 */
#ifndef STORE_TABLES_BUDGET_MONTH_H
#define STORE_TABLES_BUDGET_MONTH_H

#include "store/tables/alert.h"
#include "store/tables/tables.h"

enum { BUDGET_MARKS_MAX = 64 };

/* A threshold, and whether it stands reported. */
struct budget_mark {
    uint32_t percent; /* of the budget; unique within a month */
    bool listed;      /* the settings name it; else only a memory of what was reported */
    bool reported;    /* reached and said; a recovery takes it back */
    char name[ALERT_NAME_BYTES_MAX + 1];
};

struct budget_month {
    uint32_t organization; /* dictionary */
    int32_t month;
    uint64_t position; /* of the log, when the row last changed: below it the tables are being
                          folded anew and prove nothing */
    bool has_monthly;
    uint64_t monthly_minor;
    uint32_t pause_percent;    /* autoLimits.pauseAt where it is enabled; 0: it is not */
    uint32_t forecast_percent; /* 0: no alert on the forecast is asked for */
    bool forecast_reported;
    uint32_t alert_count; /* alerts so far: the number of the last one */
    size_t mark_count;
    struct budget_mark marks[BUDGET_MARKS_MAX]; /* by rising percent */
};

bool budget_month_get(struct tables_txn *txn, uint32_t organization, int32_t month,
                      struct budget_month *ret);

/* Store a row.  One that differs from the stored one in its position only is left alone. */
enum err_code budget_month_put(struct tables_txn *txn, const struct budget_month *row,
                               struct err *err) ERR_MUST_CHECK;

#endif
