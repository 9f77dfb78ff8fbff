/*
 * billing/budget/forecast.h - what a calendar month will have cost at its end.
 *
 * Whole numbers only; where they come from: billing/budget/DESIGN.md, "Forecast".
 */
#ifndef BILLING_BUDGET_FORECAST_H
#define BILLING_BUDGET_FORECAST_H

#include "billing/budget/spend.h"

enum { FORECAST_WEEKS_MAX = 4 };

enum forecast_confidence {
    FORECAST_NONE,     /* no usage to go by */
    FORECAST_VERY_LOW, /* less than a day of history: the average rate goes on */
    FORECAST_LOW,      /* less than a week: the same */
    FORECAST_MEDIUM,   /* one to three weeks */
    FORECAST_HIGH,     /* four */
};

struct forecast {
    enum forecast_confidence confidence;
    money_sum month_pico;          /* spend at the month's end */
    money_sum low_pico, high_pico; /* the interval of gbill forecast; without a row of it, as in the
                                      lightest and the heaviest of the weeks looked at; without a
                                      whole week both are as month_pico */
};

const char *forecast_confidence_name(enum forecast_confidence confidence);

/*
 * Forecast the month that now lies in.
 *
 *   now_ms  UTC
 *   spend   so far in this month
 *
 * Errors: ERR_CORRUPT when a row cannot be read or a sum does not fit.
 */
enum err_code forecast_make(struct tables_txn *txn, uint32_t organization, int64_t now_ms,
                            const struct spend *spend, struct forecast *ret,
                            struct err *err) ERR_MUST_CHECK;

#endif
