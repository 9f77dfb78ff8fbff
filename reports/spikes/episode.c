#include "reports/spikes/episode.h"

#include <assert.h>
#include <math.h>

#include "store/base/time.h"

/* Scores (detector.h) from which an hour counts, and counts as more than one. */
static const double out_at_least = 1.25, far_out_at_least = 2.5;

struct hour {
    uint32_t hour;
    struct spike_figures actual, usual;
    uint8_t measures; /* that count; 0: no spike */
    uint32_t weights[SPIKE_MEASURES];
    double excess[SPIKE_MEASURES];
};

void
episode_finder_init(struct episode_finder *finder)
{
    list_init(&finder->found, sizeof(struct episode));
}

void
episode_finder_clear(struct episode_finder *finder)
{
    list_clear(&finder->found);
}

/* What the hours with calls had, to compare with where an hour usually has few. */
struct active {
    uint32_t hours;
    double sums[SPIKE_MEASURES];
};

static double
measure_of(const struct spike_figures *f, enum spike_measure measure)
{
    switch (measure) {
    case SPIKE_CALLS:
        return (double)f->calls;
    case SPIKE_TOKENS:
        return (double)f->tokens;
    default:
        return (double)f->cost_pico / (double)MONEY_PICO_PER_UNIT;
    }
}

/* What is usual is a statistic; it is kept in whole calls, tokens and picos. */
static void
set_measure(struct spike_figures *f, enum spike_measure measure, double value)
{
    value = value < 0 ? 0 : value;
    if (measure == SPIKE_CALLS)
        f->calls = (uint64_t)llround(value);
    else if (measure == SPIKE_TOKENS)
        f->tokens = (uint64_t)llround(value);
    else
        f->cost_pico = (money_sum)(value * (double)MONEY_PICO_PER_UNIT);
}

/* What makes a measure of an hour count: all of it, or nothing (0). */
static uint32_t
weigh(const struct episode_rule *rule, const struct active *active, enum spike_measure measure,
      const struct detector_verdict *v, double excess)
{
    double average = active->hours > 0 ? active->sums[measure] / active->hours : 0;
    double base = v->usual > average ? v->usual : average;
    if (!v->known || v->above < out_at_least ||
        excess * 100 < base * (rule->threshold_percent - 100.0) ||
        excess < measure_of(&rule->gate, measure))
        return 0;
    return v->above >= far_out_at_least ? EPISODE_FAR_WEIGHT : 1;
}

/* Judge one hour by those before, and learn it. */
static void
judge_hour(struct episode_finder *finder, const struct episode_rule *rule, struct active *active,
           bool cold, struct hour *h)
{
    bool known = false, harm = false;
    for (int m = 0; m < SPIKE_MEASURES; m++) {
        enum spike_measure measure = (enum spike_measure)m;
        double actual = measure_of(&h->actual, measure);
        struct detector_verdict v =
            detector_judge(&finder->detectors[m], (int64_t)h->hour * TIME_HOUR_S, actual);
        set_measure(&h->usual, measure, v.usual);
        h->excess[m] = actual - v.usual;
        uint32_t weight = cold ? 0 : weigh(rule, active, measure, &v, h->excess[m]);
        harm = harm || weight > 0;
        known = v.known;
        if (weight > 0 && h->hour >= rule->judged_hour) {
            h->measures |= (uint8_t)(1U << m);
            h->weights[m] = weight;
        }
        active->sums[m] += actual;
    }
    for (int m = 0; m < SPIKE_MEASURES; m++)
        detector_learn(&finder->detectors[m], harm);
    active->hours += h->actual.calls > 0;
    finder->last = h->usual;
    finder->last_known = known && !cold;
}

static void
add_hour(struct episode *e, const struct hour *h)
{
    spike_figures_add(&e->actual, &h->actual);
    spike_figures_add(&e->usual, &h->usual);
    if (h->measures == 0)
        return;
    e->measures |= h->measures;
    e->to_hour = h->hour + 1;
    for (int m = 0; m < SPIKE_MEASURES; m++) {
        struct episode_measure *of = &e->of[m];
        of->weight += h->weights[m];
        if (h->weights[m] > 0 && h->excess[m] > of->peak) {
            of->peak = h->excess[m];
            of->peak_hour = h->hour;
        }
    }
}

uint32_t
episode_peak_hour(const struct episode *episode)
{
    return episode->of[spike_leading(episode->measures)].peak_hour;
}

/* One measure must have hours enough by itself: noise in several does not add up. */
static bool
counts(const struct episode *e)
{
    for (int m = 0; m < SPIKE_MEASURES; m++) {
        if (e->of[m].weight >= EPISODE_WEIGHT_MIN)
            return true;
    }
    return false;
}

/* Hours between two parts of one spike belong to it; those behind the last part do not. */
struct gathering {
    bool open;
    struct episode episode; /* up to the last hour */
    struct episode closed;  /* up to the last hour that is a spike */
};

static enum err_code
end_episode(struct episode_finder *finder, struct gathering *g, struct err *err)
{
    bool add = g->open && counts(&g->closed);
    g->open = false;
    return !add || list_add(&finder->found, &g->closed)
               ? ERR_OK
               : err_set(err, ERR_LIMIT, "no memory for a list of spikes");
}

static enum err_code
gather(struct episode_finder *finder, struct gathering *g, const struct hour *h, struct err *err)
{
    enum err_code code = ERR_OK;
    if (g->open && h->hour - g->closed.to_hour >= EPISODE_GAP_HOURS && h->measures == 0)
        code = end_episode(finder, g, err);
    if (!g->open && h->measures != 0) {
        g->open = true;
        g->episode = (struct episode){.from_hour = h->hour};
    }
    if (g->open)
        add_hour(&g->episode, h);
    if (h->measures != 0)
        g->closed = g->episode;
    return code;
}

enum err_code
episode_find(struct episode_finder *finder, const struct series *series,
             const struct episode_rule *rule, struct err *err)
{
    const struct series_point *points = series->points.items;
    struct active active = {0};
    struct gathering g = {0};
    size_t next = 0;
    enum err_code code = ERR_OK;
    finder->found.count = 0;
    finder->last_known = false;
    for (int m = 0; m < SPIKE_MEASURES; m++)
        detector_init(&finder->detectors[m], TIME_HOUR_S);
    while (next < series->points.count && points[next].hour < rule->from_hour)
        next++;
    if (next == series->points.count)
        return ERR_OK;
    uint32_t first = points[next].hour;
    for (uint32_t at = first; code == ERR_OK && at < rule->to_hour; at++) {
        struct hour h = {.hour = at};
        if (next < series->points.count && points[next].hour == at)
            h.actual = points[next++].figures;
        bool cold = at - first < EPISODE_COLD_HOURS || active.hours < EPISODE_COLD_ACTIVE;
        judge_hour(finder, rule, &active, cold, &h);
        code = gather(finder, &g, &h, err);
    }
    return code == ERR_OK ? end_episode(finder, &g, err) : code;
}

struct spike_figures
episode_part_gate(const struct series *organization, uint32_t judged_hour,
                  const struct spike_figures *gate)
{
    enum { HOURS = 4 * DETECTOR_WEEK_HOURS };
    const struct series_point *points = organization->points.items;
    struct spike_figures ret = *gate;
    if (organization->points.count == 0 || points[0].hour >= judged_hour)
        return ret;
    uint32_t hours = judged_hour - points[0].hour < HOURS ? judged_hour - points[0].hour : HOURS;
    struct spike_figures sum = series_sum(organization, judged_hour - hours, judged_hour);
    for (int m = 0; m < SPIKE_MEASURES; m++) {
        enum spike_measure measure = (enum spike_measure)m;
        double half = measure_of(&sum, measure) / hours / 2;
        if (half > measure_of(gate, measure))
            set_measure(&ret, measure, half);
    }
    return ret;
}
