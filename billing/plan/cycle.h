/*
 * billing/plan/cycle.h - billing periods: which one an instant lies in, and how
 * much of it a stretch of time is.
 *
 * A cycle is so many months or days.  A calendar cycle of n months begins at the
 * months since January 1970 that n divides (a quarter in January, April, July,
 * October; a year in January).  An anchored one begins at its anchor and repeats;
 * where a month has no such day, on that month's last day: an anchor on the 31st
 * gives 31 January, 28 or 29 February, 31 March, without drifting.  All in UTC.
 */
#ifndef BILLING_PLAN_CYCLE_H
#define BILLING_PLAN_CYCLE_H

#include <stdbool.h>
#include <stdint.h>

struct cycle {
    int32_t months; /* one of months and days is above 0 */
    int32_t days;
    bool anchored; /* always, for days */
    int64_t anchor_ms;
};

/* [from_ms, to_ms) */
struct span {
    int64_t from_ms, to_ms;
};

/* The calendar month cycle. */
struct cycle cycle_calendar_month(void);

/* Do they have the same length, kind and anchor? */
bool cycle_equal(const struct cycle *a, const struct cycle *b);

/* The period that utc_ms (0 to TIME_MAX_MS) lies in. */
struct span cycle_period(const struct cycle *cycle, int64_t utc_ms);

/*
 * How a part of a period is counted (schemas/plans.md, "day_count").
 *
 * CYCLE_DAYS_INCLUSIVE counts the day that a part ends in, where nothing follows it
 * in its place (a cancellation, a pause); a change of plan in midday gives that day
 * to the new plan, as CYCLE_DAYS does.
 */
enum cycle_count { CYCLE_SECONDS, CYCLE_DAYS, CYCLE_DAYS_INCLUSIVE };

/*
 * The units (seconds or days) of [part.from_ms, part.to_ms), and of a whole period.
 * Parts that follow each other add up to the whole, but for inclusive ends.
 *
 *   part       within the period
 *   abandoned  nothing follows the part
 */
int64_t cycle_units(enum cycle_count count, struct span period, struct span part, bool abandoned);
int64_t cycle_units_whole(enum cycle_count count, struct span period);

#endif
