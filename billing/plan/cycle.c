#include "billing/plan/cycle.h"

#include <assert.h>

#include "store/base/time.h"

struct cycle
cycle_calendar_month(void)
{
    return (struct cycle){.months = 1};
}

static int
days_of_month(int32_t month)
{
    int64_t ms = time_month_start_ms(month + 1) - time_month_start_ms(month);
    return (int)(ms / TIME_DAY_MS);
}

/* The anchor's day and time of day, in another month. */
static int64_t
anchor_in(const struct cycle *c, int32_t month)
{
    struct time_civil at = time_civil(c->anchor_ms);
    int days = days_of_month(month), day = at.day < days ? at.day : days;
    return time_month_start_ms(month) + (day - 1) * TIME_DAY_MS + c->anchor_ms % TIME_DAY_MS;
}

static int32_t
floor_to(int32_t value, int32_t step, int32_t offset)
{
    int32_t behind = (value - offset) % step;
    return value - (behind < 0 ? behind + step : behind);
}

/* Instants before 1970 are not told apart: the period that holds it begins in 1970. */
static int64_t
start_of(const struct cycle *c, int32_t month)
{
    if (month < 0)
        return 0;
    return c->anchored ? anchor_in(c, month) : time_month_start_ms(month);
}

static struct span
month_period(const struct cycle *c, int64_t utc_ms)
{
    int32_t offset = c->anchored ? time_month(c->anchor_ms) : 0;
    int32_t month = floor_to(time_month(utc_ms), c->months, offset);
    if (start_of(c, month) > utc_ms)
        month -= c->months;
    return (struct span){start_of(c, month), start_of(c, month + c->months)};
}

static struct span
day_period(const struct cycle *c, int64_t utc_ms)
{
    int64_t length = c->days * TIME_DAY_MS, behind = (utc_ms - c->anchor_ms) % length;
    if (behind < 0)
        behind += length;
    struct span s = {utc_ms - behind, utc_ms - behind + length};
    if (s.from_ms < 0)
        s.from_ms = 0;
    return s;
}

struct span
cycle_period(const struct cycle *c, int64_t utc_ms)
{
    assert(utc_ms >= 0 && utc_ms < TIME_MAX_MS);
    assert((c->months > 0) != (c->days > 0));
    return c->days > 0 ? day_period(c, utc_ms) : month_period(c, utc_ms);
}

bool
cycle_equal(const struct cycle *a, const struct cycle *b)
{
    if (a->months != b->months || a->days != b->days || a->anchored != b->anchored)
        return false;
    return !a->anchored || a->anchor_ms == b->anchor_ms;
}

static int64_t
unit_ms(enum cycle_count count)
{
    return count == CYCLE_SECONDS ? 1000 : TIME_DAY_MS;
}

int64_t
cycle_units(enum cycle_count count, struct span period, struct span part, bool abandoned)
{
    assert(period.from_ms <= part.from_ms && part.to_ms <= period.to_ms);
    if (part.from_ms >= part.to_ms)
        return 0;
    int64_t unit = unit_ms(count), units = part.to_ms / unit - part.from_ms / unit;
    /* A day begun counts whole, but one that the period's own end begins is the next one's. */
    if (count == CYCLE_DAYS_INCLUSIVE && abandoned && part.to_ms < period.to_ms &&
        part.to_ms / unit < (period.to_ms + unit - 1) / unit &&
        units < cycle_units_whole(count, period))
        units++;
    return units;
}

int64_t
cycle_units_whole(enum cycle_count count, struct span period)
{
    int64_t unit = unit_ms(count);
    return period.to_ms / unit - period.from_ms / unit;
}
