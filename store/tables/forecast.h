/*
 * store/tables/forecast.h - what an organization's calendar month will have come to at
 * its end, as gbill forecast expects it.
 *
 * Key: organization, month.  The row of the month under way is brought up to date; one
 * of a month that has ended stays what was expected last.
 */
#ifndef STORE_TABLES_FORECAST_H
#define STORE_TABLES_FORECAST_H

#include "store/base/money.h"
#include "store/tables/tables.h"

/* What the days to come were taken from: reports/forecast/DESIGN.md. */
#define FORECAST_METHODS(X) \
    X(RATE, "rate")         \
    X(DAY, "day")           \
    X(WEEK, "week")

enum forecast_method {
#define FORECAST_ENUM(name, text) FORECAST_BY_##name,
    FORECAST_METHODS(FORECAST_ENUM)
#undef FORECAST_ENUM
        FORECAST_METHOD_COUNT
};

enum forecast_measure { FORECAST_COST, FORECAST_CALLS, FORECAST_TOKENS, FORECAST_MEASURES };

enum { FORECAST_PERCENT = 80, FORECAST_DAYS_MAX = 31, FORECAST_MARK_BYTES = 32 };

/*
 * From the month's first instant: picos, calls or tokens (AI credits).  In
 * FORECAST_PERCENT of all months the sum ends from low to high.
 * so_far <= low <= expected <= high.
 */
struct forecast_range {
    money_sum so_far, expected, low, high;
};

/* The cost since the month's first instant, at the end of a day. */
struct forecast_day {
    money_sum expected, low, high;
};

struct forecast_row {
    uint32_t organization; /* dictionary */
    int32_t month;         /* since 1970 */
    char currency[4];      /* ISO 4217, of the costs */
    struct forecast_range ranges[FORECAST_MEASURES];
    uint64_t unpriced_calls;     /* of this month so far: they are in no cost */
    enum forecast_method method; /* of the cost */
    uint32_t history_days;       /* since the first call, at most those looked at */
    uint32_t tested;             /* own past forecasts of the cost that its interval rests on */
    /* What is left of today, then each day to the month's end; the last is ranges[FORECAST_COST]. */
    uint32_t first_day; /* since 1970: today */
    uint32_t day_count;
    struct forecast_day days[FORECAST_DAYS_MAX];
    uint64_t position;                 /* of the log, that the sums are from */
    int64_t made_ms;                   /* when this was expected */
    uint8_t mark[FORECAST_MARK_BYTES]; /* what it was made from: the same makes the same */
};

const char *forecast_method_name(enum forecast_method method); /* "week" */
const char *forecast_measure_name(enum forecast_measure measure);

bool forecast_get(struct tables_txn *txn, uint32_t organization, int32_t month,
                  struct forecast_row *ret);

/*
 * Store a row and note it for publishing.
 *
 *   row  borrowed; day_count is 1 to FORECAST_DAYS_MAX, ranges are in order
 *
 * Errors: ERR_FULL, ERR_IO; abort the transaction.
 */
enum err_code forecast_put(struct tables_txn *txn, const struct forecast_row *row,
                           struct err *err) ERR_MUST_CHECK;

/* What a key and value of TABLE_FORECASTS say, for publish; value may be empty. */
void forecast_decode(struct bytes key, struct bytes value, struct forecast_row *ret);

/* Walk one organization's forecasts (0: everybody's) by rising month. */
struct forecast_scan {
    struct forecast_row row;
    struct tables_scan scan;
};

void forecast_scan_begin(struct forecast_scan *scan, struct tables_txn *txn, uint32_t organization);
bool forecast_scan_next(struct forecast_scan *scan);
void forecast_scan_end(struct forecast_scan *scan);

#endif
