#include "reports/forecast/outlook.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { WEEK = 7 };

/* ---- the candidates: a level that forgets, with or without days of the week and growth ---- */

struct candidate {
    double half_life; /* of the level, in days */
    bool weekly, growing;
};

/* The last two: the mean of all that is looked at. */
static const struct candidate candidates[OUTLOOK_CANDIDATES] = {
    {2, false, false},    {5, false, false},   {14, false, false}, {40, false, false},
    {2, true, false},     {5, true, false},    {14, true, false},  {40, true, false},
    {2, true, true},      {5, true, true},     {14, true, true},   {5, false, true},
    {1000, false, false}, {1000, true, false},
};

/* Half of what a profile of the week knows is so old, and of the hours of a day; in days. */
static const double profile_half_life = 46, tail_half_life = 30;
/* What profiles begin with, in weeks and in days: as if they had been even for so long. */
static const double profile_prior = 0.05, tail_prior = 0.3, slot_prior = 0.15;
/* A day of the week is no more, and no less, than so many mean ones. */
static const double part_max = 3, part_min = 0.02;
/* A day counts for no more than so many median ones of the four weeks before. */
static const double cap_times = 3;
/*
 * Growth is read from weeks, half of it from so many; it is damped from day to day; and it counts
 * as far as its square stands out of so many times its variance.
 */
static const double growth_half_life = 4, growth_damp = 0.985, growth_doubt = 5;
static const double growth_max = 0.05; /* a day */
/* A candidate counts by its mean error to this power, of which all begin with so many alike. */
static const double weight_power = 6, weight_prior = 4, weight_forget = 0.95;
/*
 * The interval of who has no past forecasts, in parts of what is expected; twice as wide with so
 * many days; and the weight of that beside errors that were seen.
 */
static const double prior_low = 0.35, prior_high = 0.45, prior_cold = 3.5, prior_count = 0.3;
/* Errors at shorter distances: how soon they count less, and how they grow with the distance. */
static const double width_near = 1.5, width_beta = -0.04;
/* Few errors know less of the rare ones. */
static const double width_small = 0.4, width_min = 0.01;
static const double err_forget = 0.97; /* from one day's error to the one before */
static const double floor_part = 0.1;  /* of a mean day */
/* Days known before a forecast is made that counts. */
static const size_t known_min = 2;
/* With so many the week is known: errors of before are no measure of those to come. */
static const size_t known_enough = 14;

struct tracker {
    double sum, weight; /* the level's */
    double slot_sum[WEEK], slot_weight[WEEK];
    double profile[WEEK];
    double age;                       /* weighted sum of the ages of what the level is from */
    double day[OUTLOOK_HISTORY_DAYS]; /* without the week, for the cap */
};

static double
decay(double half_life)
{
    return pow(0.5, 1 / half_life);
}

static void
by_size(const double *a, size_t count, double *sorted)
{
    for (size_t i = 0; i < count; i++) {
        size_t j = i;
        for (; j > 0 && sorted[j - 1] > a[i]; j--)
            sorted[j] = sorted[j - 1];
        sorted[j] = a[i];
    }
}

static double
median_of_last(const double *values, size_t count)
{
    double sorted[28];
    size_t take = count < 28 ? count : 28;
    by_size(values + count - take, take, sorted);
    return take % 2 == 1 ? sorted[take / 2] : (sorted[take / 2 - 1] + sorted[take / 2]) / 2;
}

/* A day's part in the week that ends with it; the first whole week tells of all of its days. */
static void
learn_profile(struct tracker *t, const double *day, size_t i)
{
    double week = 0, d = decay(profile_half_life / WEEK), total = 0;
    if (i < WEEK - 1)
        return;
    for (size_t k = 0; k < WEEK; k++)
        week += day[i - k] / WEEK;
    for (size_t k = i == WEEK - 1 ? 0 : i; week > 0 && k <= i; k++) {
        double part = day[k] / week;
        t->slot_sum[k % WEEK] = t->slot_sum[k % WEEK] * d + (part < part_max ? part : part_max);
        t->slot_weight[k % WEEK] = t->slot_weight[k % WEEK] * d + 1;
    }
    for (size_t s = 0; s < WEEK; s++)
        total += t->profile[s] = (t->slot_sum[s] + profile_prior) /
                                 (t->slot_weight[s] + profile_prior);
    for (size_t s = 0; s < WEEK; s++) {
        t->profile[s] *= WEEK / total;
        if (t->profile[s] < part_min)
            t->profile[s] = part_min;
    }
}

/*
 * Growth by the day, when n days are known: a line through the logarithms of the weeks'
 * sums, and of that as much as it stands out of the weeks' noise.
 */
static double
growth_of(const struct outlook_room *r, size_t n)
{
    double sw = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0, w = 1, d = decay(growth_half_life);
    size_t weeks = n / WEEK, taken = 0;
    for (size_t k = 0; k < weeks; k++) {
        double total = 0, x = -(double)k * WEEK;
        for (size_t i = 0; i < WEEK; i++)
            total += r->day[n - k * WEEK - 1 - i];
        if (total <= 0)
            break;
        double y = log(total);
        taken++;
        sw += w, sx += w * x, sy += w * y, sxx += w * x * x, sxy += w * x * y, syy += w * y * y;
        w *= d;
    }
    if (taken < 3)
        return 0;
    double vx = sxx - sx * sx / sw, vxy = sxy - sx * sy / sw, vy = syy - sy * sy / sw;
    double slope = vxy / vx, rest = vy - slope * vxy;
    double noise = (rest > 0 ? rest : 0) / (sw > 2.5 ? sw - 2 : 0.5) / vx + 1e-8;
    double g = slope * slope * slope / (slope * slope + growth_doubt * noise);
    return g > growth_max ? growth_max : g < -growth_max ? -growth_max : g;
}

static void
run_candidate(struct outlook_room *r, int c)
{
    const struct candidate *k = &candidates[c];
    struct tracker t = {0};
    double d = decay(k->half_life);
    for (size_t s = 0; s < WEEK; s++)
        t.profile[s] = 1;
    for (size_t i = 0; i < r->days; i++) {
        if (k->weekly)
            learn_profile(&t, r->day, i);
        double y = r->day[i] / t.profile[i % WEEK];
        t.day[i] = y;
        double m = median_of_last(t.day, i + 1);
        double capped = i >= 4 && m > 0 && y > cap_times * m ? cap_times * m : y;
        t.sum = t.sum * d + capped;
        t.age = (t.age + t.weight) * d;
        t.weight = t.weight * d + 1;
        double level = t.sum / t.weight, factor = 1, growth = 0;
        if (k->growing) {
            growth = r->growth[i + 1];
            level *= exp(growth * t.age / t.weight);
        }
        r->sums[c][i + 1][0] = 0;
        for (size_t j = 1; j <= FORECAST_DAYS_MAX; j++) {
            factor *= exp(growth);
            growth *= growth_damp;
            r->sums[c][i + 1][j] = r->sums[c][i + 1][j - 1] +
                                   level * factor * t.profile[(i + j) % WEEK];
        }
    }
}

/* ---- what past forecasts missed ---- */

/* What a candidate expected, when n days were known, up to the j-th midnight ahead. */
static double
expected_of(const struct outlook_room *r, int c, size_t n, size_t j)
{
    const double *s = r->sums[c][n];
    /* The first day ahead has tail hours only, and then each midnight is a day further on. */
    size_t slot = candidates[c].weekly ? (n + j - 1) % WEEK : WEEK;
    return s[j - 1] + r->tail_part[n][slot] * (s[j] - s[j - 1]);
}

static double
actual_of(const struct outlook_room *r, size_t count, size_t n, size_t j)
{
    size_t first = count - (r->days - n) * 24, last = first + (j - 1) * 24 + r->tail;
    return r->hours[last] - r->hours[first];
}

static void
weigh(struct outlook_room *r, size_t count, size_t j)
{
    double missed[OUTLOOK_CANDIDATES] = {0}, weight = 0;
    for (size_t n = 1; n <= r->days; n++) {
        double total = 0, mean = 0;
        if (n >= known_min + j) {
            size_t o = n - j;
            for (int c = 0; c < OUTLOOK_CANDIDATES; c++)
                missed[c] = missed[c] * weight_forget +
                            fabs(actual_of(r, count, o, j) - expected_of(r, c, o, j));
            weight = weight * weight_forget + 1;
        }
        for (int c = 0; c < OUTLOOK_CANDIDATES; c++)
            mean += missed[c] / OUTLOOK_CANDIDATES;
        for (int c = 0; c < OUTLOOK_CANDIDATES; c++) {
            double e = weight > 0 && mean > 0 ? (missed[c] + weight_prior * mean / weight) /
                                                    (mean * (1 + weight_prior / weight))
                                              : 1;
            total += r->parts[j][n][c] = pow(e > 1e-3 ? e : 1e-3, -weight_power);
        }
        for (int c = 0; c < OUTLOOK_CANDIDATES; c++)
            r->parts[j][n][c] /= total;
    }
}

/* By errors over no more than a third of what is known: longer ones say little. */
static const double *
parts_of(const struct outlook_room *r, size_t n, size_t j)
{
    size_t k = n / 3;
    k = k < 1 ? 1 : k;
    return r->parts[j < k ? j : k][n];
}

static double
mix(const struct outlook_room *r, size_t n, size_t j)
{
    const double *parts = parts_of(r, n, j);
    double sum = 0;
    for (int c = 0; c < OUTLOOK_CANDIDATES; c++)
        sum += parts[c] * expected_of(r, c, n, j);
    return sum;
}

/* ---- the interval ---- */

struct errors {
    double size[OUTLOOK_HISTORY_DAYS], weight[OUTLOOK_HISTORY_DAYS];
    size_t count;
};

static void
add_error(struct errors *e, double size, double weight)
{
    size_t i = e->count++;
    for (; i > 0 && e->size[i - 1] > size; i--) {
        e->size[i] = e->size[i - 1];
        e->weight[i] = e->weight[i - 1];
    }
    e->size[i] = size;
    e->weight[i] = weight;
}

static double
quantile(const struct errors *e, double part)
{
    double total = 0, at = 0, before = 0;
    for (size_t i = 0; i < e->count; i++)
        total += e->weight[i];
    double want = part * total;
    for (size_t i = 0; i < e->count; i++) {
        double middle = at + e->weight[i] / 2;
        if (middle >= want)
            return i == 0 ? e->size[0]
                          : e->size[i - 1] +
                                (e->size[i] - e->size[i - 1]) * (want - before) / (middle - before);
        before = middle;
        at += e->weight[i];
    }
    return e->size[e->count - 1];
}

/* What the method missed at a distance, in parts of what it expected. */
struct missed {
    double low, high; /* one in ten was further below, and above */
    double alone;     /* errors that do not overlap */
    unsigned count;
};

/* No less than this is what an error is a part of: what nearly nothing misses is no measure. */
static double
floor_of(const struct outlook_room *r, size_t n, size_t j)
{
    return floor_part * r->scale[n] * ((double)j - 1 + (double)r->tail / 24) + 1e-12;
}

static struct missed
missed_at(const struct outlook_room *r, size_t count, size_t j)
{
    struct errors e = {.count = 0};
    double weight = 1;
    size_t from = r->days / 3 < known_min      ? known_min
                  : r->days / 3 > known_enough ? known_enough
                                               : r->days / 3;
    for (size_t n = r->days; n-- > from;) {
        if (n + j > r->days)
            continue;
        double f = mix(r, n, j), least = floor_of(r, n, j);
        add_error(&e, (actual_of(r, count, n, j) - f) / (f > least ? f : least), weight);
        weight *= err_forget;
    }
    if (e.count == 0)
        return (struct missed){0};
    return (struct missed){-quantile(&e, 0.1), quantile(&e, 0.9), (double)e.count / (double)j,
                           (unsigned)e.count};
}

/*
 * By what was missed at this distance and at shorter ones, where there are more errors that
 * do not overlap: the nearer, and the more of them, the more they count.
 */
static void
interval(const struct outlook_room *r, const struct missed *missed, size_t j,
         struct outlook_point *p)
{
    double cold = 1 + prior_cold / (double)r->days, weight = prior_count;
    double low = prior_low * cold * weight, high = prior_high * cold * weight;
    for (size_t k = 1; k <= j; k++) {
        if (missed[k].count < 2)
            break;
        double nearness = pow((double)k / (double)j, width_near);
        double own = missed[k].alone * nearness / (double)k;
        double wider = (1 + width_small / missed[k].alone) * pow((double)j / (double)k, width_beta);
        low += own * wider * missed[k].low;
        high += own * wider * missed[k].high;
        weight += own;
    }
    low /= weight;
    high /= weight;
    low = low < width_min ? width_min : low;
    high = high < width_min ? width_min : high;
    double least = floor_of(r, r->days, j), base = p->expected > least ? p->expected : least;
    p->low = p->expected - base * low;
    if (p->low < 0)
        p->low = 0;
    p->high = p->expected + base * high;
}

/* ---- the series, and all of it ---- */

/* Days end now; a first one that is not whole is left out, but if there is no other. */
static void
take_days(struct outlook_room *r, const double *hours, size_t count)
{
    r->days = count / 24;
    r->hours[0] = 0;
    for (size_t i = 0; i < count; i++)
        r->hours[i + 1] = r->hours[i] + hours[i];
    for (size_t i = 0; i < r->days; i++)
        r->day[i] = r->hours[count - (r->days - 1 - i) * 24] - r->hours[count - (r->days - i) * 24];
    if (r->days == 0) {
        r->days = 1;
        r->day[0] = r->hours[count] / (double)count * 24;
    }
}

static void
take_tails(struct outlook_room *r, size_t count)
{
    double sum[WEEK + 1] = {0}, weight[WEEK + 1] = {0}, total = 0, d = decay(tail_half_life),
                      share = (double)r->tail / 24;
    for (size_t i = 0; i < r->days; i++) {
        size_t from = count - (r->days - i) * 24;
        if (count >= 24) {
            double tail = r->hours[from + r->tail] - r->hours[from];
            sum[WEEK] = sum[WEEK] * d + tail;
            weight[WEEK] = weight[WEEK] * d + r->day[i];
            sum[i % WEEK] = sum[i % WEEK] * pow(d, WEEK) + tail;
            weight[i % WEEK] = weight[i % WEEK] * pow(d, WEEK) + r->day[i];
        }
        total += r->day[i];
        double one = total / (double)(i + 1), any;
        r->scale[i + 1] = one;
        any = weight[WEEK] + one > 0
                  ? (sum[WEEK] + one * share * tail_prior) / (weight[WEEK] + one * tail_prior)
                  : share;
        for (size_t s = 0; s < WEEK; s++)
            r->tail_part[i + 1][s] =
                one > 0 ? (sum[s] + one * any * slot_prior) / (weight[s] + one * slot_prior) : any;
        r->tail_part[i + 1][WEEK] = any;
    }
}

void
outlook_make(struct outlook_room *r, const double *hours, size_t count, size_t left,
             struct outlook *ret)
{
    assert(count >= 1 && count <= OUTLOOK_HISTORY_HOURS);
    assert(left >= 1 && left <= OUTLOOK_LEFT_HOURS_MAX);
    *ret = (struct outlook){.point_count = (left + 23) / 24};
    take_days(r, hours, count);
    r->tail = left - (ret->point_count - 1) * 24;
    take_tails(r, count);
    for (size_t n = 1; n <= r->days; n++)
        r->growth[n] = growth_of(r, n);
    for (int c = 0; c < OUTLOOK_CANDIDATES; c++)
        run_candidate(r, c);
    for (size_t j = 1; j <= ret->point_count; j++)
        weigh(r, count, j);
    struct missed missed[FORECAST_DAYS_MAX + 1];
    for (size_t j = 1; j <= ret->point_count; j++)
        missed[j] = missed_at(r, count, j);
    ret->tested = missed[ret->point_count].count;
    for (size_t j = 1; j <= ret->point_count; j++) {
        struct outlook_point *p = &ret->points[j - 1];
        p->expected = mix(r, r->days, j);
        if (j > 1) /* sums of what is never negative only grow */
            p->expected = fmax(p->expected, p[-1].expected);
        interval(r, missed, j, p);
        if (j > 1) {
            p->low = fmax(p->low, p[-1].low);
            p->high = fmax(p->high, p[-1].high);
        }
    }
    const double *parts = parts_of(r, r->days, ret->point_count);
    double by_week = 0;
    for (int c = 0; c < OUTLOOK_CANDIDATES; c++)
        by_week += candidates[c].weekly ? parts[c] : 0;
    ret->method = by_week > 0.5 && r->days >= WEEK ? FORECAST_BY_WEEK
                  : r->days >= 2                   ? FORECAST_BY_DAY
                                                   : FORECAST_BY_RATE;
}
