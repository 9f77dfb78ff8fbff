/*
 * reports/dashboard/board.h - what a dashboard shows, gathered from the tables before
 * anything is drawn: one organization, whole UTC days.
 *
 * A board owns all that it shows: nothing in it points into the tables.  Sums are those
 * of the table hourly, added exactly.
 */
#ifndef REPORTS_DASHBOARD_BOARD_H
#define REPORTS_DASHBOARD_BOARD_H

#include "store/base/arena.h"
#include "store/tables/efficiency.h"
#include "store/tables/forecast.h"
#include "store/tables/recommendation.h"
#include "store/tables/spike.h"
#include "store/tables/usage.h"

enum {
    BOARD_DAYS_MAX = 366,
    BOARD_PARTS_MAX = 12,
    BOARD_SPIKES_MAX = 25,
    BOARD_ADVICE_MAX = 12,
    BOARD_WEEK_DAYS = 7,
    BOARD_DAY_HOURS = 24,
};

struct board_query {
    const char *organization;
    const char *currency; /* ISO 4217 of the price book, which the costs are in */
    uint32_t from_day;    /* since 1970 */
    uint32_t to_day;      /* exclusive; at most BOARD_DAYS_MAX behind from_day */
    int64_t now_ms;       /* UTC: how far the days have gone */
};

struct board_sum {
    money_sum cost_pico; /* misses unpriced_calls */
    uint64_t calls, credits, unpriced_calls;
};

struct board_day {
    struct board_sum sum;
    money_sum adjustment_pico; /* credits and debits of an operator; either sign */
    uint32_t spikes;           /* whose largest hour is in it */
};

/* A project, a user, or a model with its provider. */
struct board_part {
    const char *name, *provider; /* either may be ""; provider is, but for models */
    struct board_sum sum;
};

enum board_cut_by { BOARD_MODELS, BOARD_PROJECTS, BOARD_USERS, BOARD_CUTS };

/* The dearest first: by cost, then credits; the others as one. */
struct board_cut {
    struct board_part parts[BOARD_PARTS_MAX];
    size_t part_count;
    size_t rest_count; /* parts in rest */
    struct board_sum rest;
};

struct board_spike {
    uint32_t from_hour, to_hour, peak_hour; /* since 1970; to exclusive */
    bool burst;
    enum spike_measure leading; /* what it is told by, and what the next two are of */
    money_sum actual, usual;
    const char *text; /* all of it in words */
};

struct board_advice {
    const char *title, *description;
    enum recommendation_priority priority;
    bool candidate; /* no saving before it was tried */
    uint8_t confidence_percent;
    char currency[4];
    uint64_t calls;
    money_sum cost_pico, saving_pico, share_pico; /* as in struct recommendation */
};

struct board {
    struct arena texts;
    const char *organization;
    char currency[4];
    uint32_t from_day, to_day, day_count;
    uint32_t begun_days; /* up to now or the last one with anything, whichever is later */
    int64_t now_ms;
    bool is_month; /* the days are a calendar month: only then is there a budget */
    int32_t month;
    uint64_t position; /* of the log */

    struct board_sum total;
    /* The period before, a month before a month, as far as this one has gone: only where the
     * organization was there on its first day. */
    bool has_previous;
    struct board_sum previous;
    money_sum adjustment_pico;
    money_sum spend_pico; /* both: what a budget is held against */
    uint64_t foreign;     /* adjustments in another currency: in no sum */
    const char *unpriced; /* "provider model" of a call without a price; "": all have one */
    struct board_day days[BOARD_DAYS_MAX];
    struct board_sum week[BOARD_WEEK_DAYS][BOARD_DAY_HOURS]; /* from Monday 00:00 on */
    struct board_cut cuts[BOARD_CUTS];

    bool has_budget;
    money_sum budget_pico;
    bool has_forecast;            /* only while the month lasts */
    struct forecast_row forecast; /* of costs alone: adjustment_pico is in no figure of it */

    struct board_spike
        spikes[BOARD_SPIKES_MAX]; /* by time; the largest ones where there are more */
    size_t spike_count, spikes_found;
    struct board_advice
        advice[BOARD_ADVICE_MAX]; /* pending ones, by falling share_pico, saving_pico */
    size_t advice_count, advice_found;
    bool has_efficiency;
    struct efficiency efficiency; /* the newest */
};

/*
 * Gather.
 *
 *   txn    reading or writing; may end once this returns
 *   query  borrowed
 *   ret    filled; board_clear() it, also after an error.  Large: not for a stack
 *
 * An organization without usage has a board of zeros.
 *
 * Errors: ERR_NOT_FOUND (no event has named the organization), ERR_LIMIT (no memory),
 * ERR_CORRUPT.
 */
enum err_code board_make(struct tables_txn *txn, const struct board_query *query, struct board *ret,
                         struct err *err) ERR_MUST_CHECK;
void board_clear(struct board *board);

/* Has it calls, and no price for any of them?  Then credits are shown in place of costs. */
static inline bool
board_is_unpriced(const struct board *board)
{
    return board->total.calls > 0 && board->total.unpriced_calls == board->total.calls;
}

/* The spending at the end of the period as forecast, adjustments included. */
static inline money_sum
board_outlook(const struct board *board, money_sum forecast_pico)
{
    return forecast_pico + board->adjustment_pico;
}

#endif
