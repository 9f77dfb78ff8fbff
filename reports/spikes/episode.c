#include "reports/spikes/episode.h"

#include <assert.h>
#include <math.h>

#include "store/base/time.h"

/* Scores (detector.h) from which an hour counts, and counts as more than one. */
static const double out_at_least = 1.25, far_out_at_least = 2.5;

struct hour {
    uint32_t hour;
    struct spike_figures actual, usual;
    uint8_t measures; /* that are out of the ordinary; 0: no spike */
    uint32_t weight;
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

/* Which measures are out of the ordinary and above the threshold. */
static uint8_t
measures_above(const struct episode_rule *rule, const struct hour *h, const double *usual,
               const struct detector_verdict *v, const struct active *active)
{
    uint8_t measures = 0;
    for (int m = 0; m < SPIKE_MEASURES; m++) {
        double average = active->hours > 0 ? active->sums[m] / active->hours : 0;
        double base = usual[m] > average ? usual[m] : average;
        double more = measure_of(&h->actual, (enum spike_measure)m) - usual[m];
        if (v[m].known && v[m].above >= out_at_least &&
            more * 100 >= base * (rule->threshold_percent - 100.0))
            measures |= (uint8_t)(1U << m);
    }
    return measures;
}

/* Judge one hour by those before, and learn it. */
static void
judge_hour(struct episode_finder *finder, const struct episode_rule *rule, struct active *active,
           bool cold, struct hour *h)
{
    struct detector_verdict v[SPIKE_MEASURES];
    double usual[SPIKE_MEASURES];
    for (int m = 0; m < SPIKE_MEASURES; m++) {
        v[m] = detector_judge(&finder->detectors[m], (int64_t)h->hour * TIME_HOUR_S,
                              measure_of(&h->actual, (enum spike_measure)m));
        usual[m] = v[m].usual;
        set_measure(&h->usual, (enum spike_measure)m, usual[m]);
    }
    uint8_t above = measures_above(rule, h, usual, v, active);
    bool costs = (above & 1U << SPIKE_COST) != 0 &&
                 h->actual.cost_pico - h->usual.cost_pico >= rule->gate_pico;
    bool harm = !cold && costs;
    if (harm && h->hour >= rule->judged_hour) {
        h->measures = above;
        h->weight = v[SPIKE_COST].above >= far_out_at_least ? EPISODE_FAR_WEIGHT : 1;
    }
    for (int m = 0; m < SPIKE_MEASURES; m++) {
        detector_learn(&finder->detectors[m], harm);
        active->sums[m] += measure_of(&h->actual, (enum spike_measure)m);
    }
    active->hours += h->actual.calls > 0;
    finder->last = h->usual;
    finder->last_known = v[SPIKE_COST].known && !cold;
}

static void
add_hour(struct episode *e, const struct hour *h)
{
    money_sum excess = h->actual.cost_pico - h->usual.cost_pico;
    spike_figures_add(&e->actual, &h->actual);
    spike_figures_add(&e->usual, &h->usual);
    if (h->measures == 0)
        return;
    e->measures |= h->measures;
    e->weight += h->weight;
    e->to_hour = h->hour + 1;
    if (excess > e->peak_pico) {
        e->peak_pico = excess;
        e->peak_hour = h->hour;
    }
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
    bool counts = g->open && g->closed.weight >= EPISODE_WEIGHT_MIN;
    g->open = false;
    return !counts || list_add(&finder->found, &g->closed)
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
        g->episode = (struct episode){.from_hour = h->hour, .peak_hour = h->hour};
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

money_sum
episode_part_gate(const struct series *organization, uint32_t judged_hour, money_sum gate_pico)
{
    enum { HOURS = 4 * DETECTOR_WEEK_HOURS };
    const struct series_point *points = organization->points.items;
    if (organization->points.count == 0 || points[0].hour >= judged_hour)
        return gate_pico;
    uint32_t hours = judged_hour - points[0].hour < HOURS ? judged_hour - points[0].hour : HOURS;
    struct spike_figures sum = series_sum(organization, judged_hour - hours, judged_hour);
    money_sum half = sum.cost_pico / hours / 2;
    return half > gate_pico ? half : gate_pico;
}
