#include "tests/bench/bench_spikes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "reports/spikes/episode.h"
#include "tests/bench/spending.h"

enum { ORGANIZATIONS = 150 };

static const char *const harm_names[SPENDING_HARMS] = {"loops", "leaked keys", "price mistakes"};

/* What is below the gate on money is not to be found, and is counted apart. */
struct score {
    int harms[SPENDING_HARMS], found[SPENDING_HARMS];
    int small; /* not found, and below the gate */
    int spikes[SPIKE_SCOPE_COUNT], wrong[SPIKE_SCOPE_COUNT];
};

/* A spike is right while harm is done, and up to three hours behind it. */
static bool
match(struct spending *o, const struct episode *e)
{
    bool right = false;
    int from = (int)(e->from_hour - SPENDING_FIRST_HOUR),
        to = (int)(e->to_hour - SPENDING_FIRST_HOUR);
    for (int i = 0; i < o->harm_count; i++) {
        struct spending_harm *h = &o->harm[i];
        if (from >= h->to + EPISODE_GAP_HOURS || to <= h->from)
            continue;
        right = true;
        h->found = h->found || from < h->to;
    }
    return right;
}

static void
score_organization(struct spending *o, const struct series_set *set, struct episode_finder *finder,
                   const struct episode_rule *rule, struct score *score)
{
    const struct series *all = set->all.items;
    const double gate = o->priced ? (double)rule->gate.cost_pico / 1e12 : (double)rule->gate.calls;
    struct err err;
    for (size_t s = 0; s < set->all.count; s++) {
        struct episode_rule r = *rule;
        if (all[s].subject.scope != SPIKE_ORGANIZATION)
            r.gate = episode_part_gate(&all[0], r.judged_hour, &rule->gate);
        if (!spike_figures_reach(&all[s].most, &r.gate))
            continue;
        if (episode_find(finder, &all[s], &r, &err) != ERR_OK)
            exit(1);
        const struct episode *found = finder->found.items;
        for (size_t i = 0; i < finder->found.count; i++) {
            score->spikes[all[s].subject.scope]++;
            score->wrong[all[s].subject.scope] += match(o, &found[i]) ? 0 : 1;
        }
    }
    for (int i = 0; i < o->harm_count; i++) {
        if (o->harm[i].kind == SPENDING_PRICE && !o->priced)
            continue;
        bool small = !o->harm[i].found && o->harm[i].excess < gate;
        score->small += small;
        score->harms[o->harm[i].kind] += !small;
        score->found[o->harm[i].kind] += o->harm[i].found;
    }
}

static void
print_score(const struct score *s, const char *name)
{
    int harms = 0, found = 0, spikes = 0, wrong = 0;
    for (int k = 0; k < SPENDING_HARMS; k++) {
        harms += s->harms[k];
        found += s->found[k];
    }
    for (int k = 0; k < SPIKE_SCOPE_COUNT; k++) {
        spikes += s->spikes[k];
        wrong += s->wrong[k];
    }
    printf("spikes  %s: precision %.3f (%d of %d right), recall %.3f (%d of %d)\n", name,
           spikes > 0 ? 1 - wrong / (double)spikes : 1, spikes - wrong, spikes,
           harms > 0 ? found / (double)harms : 1, found, harms);
    fflush(stdout);
}

static void
print_details(const struct score *s)
{
    printf("spikes    found");
    for (int k = 0; k < SPENDING_HARMS; k++)
        printf("%s %d of %d %s", k > 0 ? "," : "", s->found[k], s->harms[k], harm_names[k]);
    printf("; %d too small for the gate; wrong", s->small);
    for (int k = 0; k < SPIKE_SCOPE_COUNT; k++)
        printf("%s %d of %d by %s", k > 0 ? "," : "", s->wrong[k], s->spikes[k],
               spike_scope_name((enum spike_scope)k));
    printf("\n");
}

static void
add_score(struct score *sum, const struct score *s)
{
    sum->small += s->small;
    for (int k = 0; k < SPENDING_HARMS; k++) {
        sum->harms[k] += s->harms[k];
        sum->found[k] += s->found[k];
    }
    for (int k = 0; k < SPIKE_SCOPE_COUNT; k++) {
        sum->spikes[k] += s->spikes[k];
        sum->wrong[k] += s->wrong[k];
    }
}

static struct score
score_seed(double times, bool priced, uint64_t seed)
{
    static struct episode_finder finder;
    struct series_set set;
    struct score score = {0};
    const struct episode_rule rule = {
        .from_hour = SPENDING_FIRST_HOUR,
        .judged_hour = SPENDING_FIRST_HOUR + SPENDING_HOURS - SPENDING_JUDGED,
        .to_hour = SPENDING_FIRST_HOUR + SPENDING_HOURS,
        .threshold_percent = 200,
        .gate = {500, 1000000, MONEY_PICO_PER_UNIT}, /* as gbill spikes run has by default */
    };
    episode_finder_init(&finder);
    spending_seed(seed);
    for (int i = 0; i < ORGANIZATIONS; i++) {
        struct spending o;
        series_set_init(&set);
        spending_make(&o, &set, times, priced);
        score_organization(&o, &set, &finder, &rule, &score);
        series_set_clear(&set);
    }
    episode_finder_clear(&finder);
    return score;
}

void
bench_spikes_llm(double times, bool priced, const uint64_t *seeds, int count)
{
    struct score sum = {0};
    char name[96];
    for (int i = 0; i < count; i++) {
        struct score score = score_seed(times, priced, seeds[i]);
        add_score(&sum, &score);
        snprintf(name, sizeof name, "  seed %" PRIu64, seeds[i]);
        print_score(&score, name);
    }
    snprintf(name, sizeof name, "%s at %.1fx", priced ? "spending" : "usage without a price",
             times);
    print_score(&sum, name);
    print_details(&sum);
}
