#include "reports/spikes/detector.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    HOUR_S = 3600,
    DAY_S = 86400,
    WEEK_S = 7 * DAY_S,
    SLOT_WEEKS = 4,
    DAY_WEEKS = 2,
    DAY_AFTER_S = 2 * DAY_S,   /* so much is seen before a day's usual is taken */
    WEEK_AFTER_S = 15 * DAY_S, /* and a week's: two of each hour at least */
    EPOCH_HOUR_OF_WEEK = 72,   /* 1970-01-01 was a Thursday; a week begins on Monday */
    MISSED_VALUES = 200,       /* memory of the mean errors, in values */
    SPREAD_VALUES = 300,
    SPREADS_VALUES = 50,
    ERRORS_VALUES = 3000,
};

const double detector_out = 1.1;

/* One error in a thousand was larger. */
static const double rare = 0.999;
/* The spread is that of the hour of the day for so much, and of all hours for the rest. */
static const double hour_weight = 0.7;
/* A usual of 20 is not missed by less than 1: what is steady to the last digit has no spread. */
static const double floor_part = 0.05;
/* While something is out of the ordinary, the limit at most doubles within a day. */
static const double raise_max = 2;
/* One value moves the mean errors by no more than so many of them. */
static const double missed_cap = 10, spread_cap = 8;
static const double tiny = 1e-9;

/* How many values each scale averages, about. */
static const double scale_values[DETECTOR_SCALES] = {1, 6, 24};

/* ---- histogram: sizes from 1e-6 to 1e6, equal steps of the logarithm ---- */

static const double bins_low = -6, bins_high = 6;

static size_t
bin_of(double size)
{
    if (size < 1e-6)
        return 0;
    double at = (log10(size) - bins_low) * DETECTOR_BINS / (bins_high - bins_low);
    return at < 1 ? 1 : at >= DETECTOR_BINS - 1 ? DETECTOR_BINS - 1 : (size_t)at;
}

static double
bin_size(size_t bin)
{
    if (bin == 0)
        return 0;
    return pow(10, ((double)bin + 0.5) * (bins_high - bins_low) / DETECTOR_BINS + bins_low);
}

/* Instead of shrinking all that is there, what comes grows. */
static void
errors_add(struct detector_errors *e, double size)
{
    e->unit = e->unit <= 0 ? 1 : e->unit * ERRORS_VALUES / (ERRORS_VALUES - 1.0);
    e->bins[bin_of(size)] += e->unit;
    e->total += e->unit;
    if (e->unit < 1e100)
        return;
    for (size_t i = 0; i < DETECTOR_BINS; i++)
        e->bins[i] /= e->unit;
    e->total /= e->unit;
    e->unit = 1;
}

/* The size that all but the rare ones stay at or below. */
static double
errors_limit(const struct detector_errors *e)
{
    double above = 0, allowed = (1 - rare) * e->total;
    for (size_t i = DETECTOR_BINS; i-- > 0;) {
        above += e->bins[i];
        if (above > allowed)
            return bin_size(i);
    }
    return 0;
}

/* ---- the usual ---- */

/* Few values, and most in order: insertion. */
static double
median(double *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        double v = values[i];
        size_t j = i;
        for (; j > 0 && values[j - 1] > v; j--)
            values[j] = values[j - 1];
        values[j] = v;
    }
    if (count == 0)
        return (double)NAN;
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* The last values of a slot, at most so many; returns how many. */
static size_t
take_slot(const struct detector *d, size_t slot, size_t room, double *values)
{
    uint32_t taken = d->slot_counts[slot];
    size_t count = taken < room ? taken : room;
    for (size_t i = 0; i < count; i++)
        values[i] = d->slots[slot][(taken - 1 - i) % d->slot_room];
    return count;
}

static void
find_usuals(struct detector *d, int64_t at_s, double value)
{
    double values[DETECTOR_WEEK_HOURS / 24 * DETECTOR_SLOT_MAX];
    int64_t hour = at_s / HOUR_S;
    size_t slot = (size_t)((hour + EPOCH_HOUR_OF_WEEK) % DETECTOR_WEEK_HOURS), count;
    count = d->count < DETECTOR_RECENT ? (size_t)d->count : DETECTOR_RECENT;
    memcpy(values, d->recent, count * sizeof values[0]);
    d->usuals[DETECTOR_BY_RECENT] = count > 0 ? median(values, count) : value;
    if (d->hour == hour)
        return;
    d->hour = hour;
    d->usuals[DETECTOR_BY_DAY] = d->usuals[DETECTOR_BY_WEEK] = (double)NAN;
    if (at_s - d->first_s > DAY_AFTER_S) {
        count = 0;
        for (size_t s = slot % 24; s < DETECTOR_WEEK_HOURS; s += 24)
            count += take_slot(d, s, d->day_room, values + count);
        d->usuals[DETECTOR_BY_DAY] = median(values, count);
    }
    if (at_s - d->first_s > WEEK_AFTER_S) {
        count = take_slot(d, slot, d->slot_room, values);
        d->usuals[DETECTOR_BY_WEEK] = median(values, count);
    }
}

/* A mean over the first values, then one that forgets: `values` is its memory. */
static void
follow(double *mean, double value, double cap, uint64_t before, uint32_t values)
{
    if (before > DETECTOR_VALUES_MIN && cap > 0 && value > cap)
        value = cap;
    double part = before < values ? 1 / ((double)before + 1) : 1 / (double)values;
    *mean += (value - *mean) * part;
}

static double
pick_usual(const struct detector *d)
{
    enum detector_usual best = DETECTOR_BY_RECENT;
    for (int k = 1; k < DETECTOR_USUALS; k++) {
        if (!isnan(d->usuals[k]) && d->missed[k] < d->missed[best])
            best = (enum detector_usual)k;
    }
    return d->usuals[best];
}

/* ---- */

void
detector_init(struct detector *d, int64_t step_s)
{
    assert(step_s > 0);
    memset(d, 0, sizeof *d);
    int64_t an_hour = step_s < HOUR_S ? HOUR_S / step_s : 1;
    int64_t room = SLOT_WEEKS * an_hour, day_room = DAY_WEEKS * an_hour;
    d->slot_room = room < DETECTOR_SLOT_MAX ? (size_t)room : DETECTOR_SLOT_MAX;
    d->day_room = day_room < DETECTOR_SLOT_MAX ? (size_t)day_room : DETECTOR_SLOT_MAX;
    d->hour = -1;
    d->last_alarm_s = d->harm_since_s = d->harm_last_s = INT64_MIN / 2;
    for (int k = 0; k < DETECTOR_SCALES; k++)
        d->raised_s[k] = INT64_MIN / 2;
}

/* The spread at an hour of the day, the error at hand included: the first ones have no other. */
static double
spread_at(const struct detector *d, int64_t at_s, double size)
{
    size_t hour = (size_t)(at_s / HOUR_S % 24);
    double all = d->spread;
    follow(&all, size, missed_cap * d->spread, d->count, SPREAD_VALUES);
    double own = d->spread_counts[hour] > 0 ? d->spreads[hour] : all;
    return hour_weight * own + (1 - hour_weight) * all + tiny;
}

struct detector_verdict
detector_judge(struct detector *d, int64_t at_s, double value)
{
    struct detector_verdict v = {.known = d->count > DETECTOR_VALUES_MIN};
    if (d->count == 0)
        d->first_s = at_s;
    find_usuals(d, at_s, value);
    v.usual = pick_usual(d);
    double error = value - v.usual;
    double spread = spread_at(d, at_s, fabs(error));
    for (int k = 0; k < DETECTOR_SCALES; k++) {
        double floor = (floor_part * fabs(v.usual) / spread + tiny) / sqrt(scale_values[k]);
        double limit = errors_limit(&d->errors[k]);
        d->means[k] += (error / spread - d->means[k]) / scale_values[k];
        d->sizes[k] = fabs(d->means[k]);
        d->limits[k] = limit > floor ? limit : floor;
        double score = v.known ? d->sizes[k] / d->limits[k] : 0;
        v.score = score > v.score ? score : v.score;
        if (d->means[k] > 0 && score > v.above)
            v.above = score;
    }
    d->at_s = at_s;
    d->value = value;
    d->usual = v.usual;
    v.out = v.score >= detector_out;
    v.alarm = v.out && at_s - d->last_alarm_s >= DAY_S;
    if (v.alarm)
        d->last_alarm_s = at_s;
    return v;
}

static void
learn_spread(struct detector *d)
{
    size_t hour = (size_t)(d->at_s / HOUR_S % 24);
    double size = fabs(d->value - d->usual), own = size;
    if (d->count > DETECTOR_VALUES_MIN && d->spread > 0 && own > spread_cap * d->spread)
        own = spread_cap * d->spread;
    follow(&d->spreads[hour], own, 0, d->spread_counts[hour]++, SPREADS_VALUES);
    follow(&d->spread, size, missed_cap * d->spread, d->count, SPREAD_VALUES);
}

static void
learn_errors(struct detector *d, int k)
{
    double size = d->sizes[k], limit = d->limits[k];
    if (d->count > DETECTOR_VALUES_MIN) {
        if (size >= limit && d->at_s - d->raised_s[k] >= DAY_S) {
            d->raised_s[k] = d->at_s;
            d->raised_cap[k] = raise_max * limit;
        }
        double cap = d->at_s - d->raised_s[k] < DAY_S ? d->raised_cap[k] : raise_max * limit;
        size = size < cap ? size : cap;
    }
    errors_add(&d->errors[k], size);
}

/* Is harm still believed? */
static bool
believe(struct detector *d)
{
    if (d->at_s - d->harm_last_s > WEEK_S)
        d->harm_since_s = d->at_s;
    if (d->at_s - d->harm_since_s > WEEK_S)
        return false;
    d->harm_last_s = d->at_s;
    return true;
}

void
detector_learn(struct detector *d, bool harm)
{
    if (harm && believe(d))
        return;
    for (int k = 0; k < DETECTOR_USUALS; k++) {
        double usual = isnan(d->usuals[k]) ? d->usuals[DETECTOR_BY_RECENT] : d->usuals[k];
        follow(&d->missed[k], fabs(d->value - usual), missed_cap * d->spread, d->count,
               MISSED_VALUES);
    }
    learn_spread(d);
    for (int k = 0; k < DETECTOR_SCALES; k++)
        learn_errors(d, k);
    size_t slot = (size_t)((d->at_s / HOUR_S + EPOCH_HOUR_OF_WEEK) % DETECTOR_WEEK_HOURS);
    d->slots[slot][d->slot_counts[slot]++ % d->slot_room] = d->value;
    d->recent[d->count++ % DETECTOR_RECENT] = d->value;
}
