#include "tests/bench/bench_spikes.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "reports/spikes/episode.h"

/*
 * Spending of made-up organizations, hour by hour, with harm done to it at known times.
 *
 * An organization has a size (50 to 5,000 calls in a busy hour, by equal steps of the
 * logarithm), 6 to 40 users of unequal size, a time zone, working days and quiet weekends, a growth of -15 to +50 % a
 * month, a holiday, a third of them a nightly job.  The hour as a whole varies by a
 * factor that has a memory (lognormal, sigma 0.2, AR(1) 0.6); so does each user by the
 * hour (sigma 0.5); calls are Poisson.  What a call costs is heavy-tailed: lognormal,
 * sigma 1.2, and one in three hundred is a long document, from 5 times as dear on (Pareto,
 * exponent 1.5), up to 60 mean calls.  Users have busy spells of their own, 1.5 to 3 times as much for one
 * to four hours: no harm, and not to be reported.
 *
 * Harm, at `times` the usual of the organization or its average hour, whichever is more:
 * a loop (one user, one model, 2 to 8
 * hours), a leaked key (a user never seen before, around the clock, 8 to 36 hours), a
 * price mistake (the main model's cost times so much for 24 to 72 hours, its tokens as
 * ever).  Each organization has one, two or none of them within the last 35 days.
 * What is below the gate on money is not to be found, and is counted apart.
 */
enum {
    HOURS = 12 * 7 * 24,
    JUDGED = 35 * 24,
    USERS_MAX = 40,
    MODELS = 3,
    PROJECTS_MAX = 5,
    HARM_MAX = 2,
    CALLS_DRAWN_MAX = 400, /* dearness of single calls is drawn for so many, then scaled */
    FIRST_HOUR = 490896,   /* 2026-01-01 */
};

enum harm_kind { LOOP, LEAKED_KEY, PRICE, HARM_KINDS };

static const char *const harm_names[HARM_KINDS] = {"loops", "leaked keys", "price mistakes"};

struct harm {
    enum harm_kind kind;
    int from, to;
    uint32_t user, model, project;
    double excess; /* dollars an hour, on average */
    bool found;
};

struct organization {
    double calls, growth, weekend, sigma, state;
    int zone, nightly, holiday, users, projects, harm_count;
    double share[USERS_MAX], busy[USERS_MAX];
    int busy_until[USERS_MAX], user_model[USERS_MAX], user_project[USERS_MAX];
    struct harm harm[HARM_MAX];
};

/* ---- chance: xorshift64*, so that every machine draws the same ---- */

static uint64_t seed;

static double
uniform(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return ((double)((seed * 0x2545F4914F6CDD1DULL) >> 11) + 0.5) / 9007199254740992.0;
}

static int
between(int low, int high)
{
    return low + (int)(uniform() * (high - low + 1));
}

static double
normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static uint64_t
poisson(double mean)
{
    if (mean > 60) {
        double v = mean + sqrt(mean) * normal();
        return v < 0 ? 0 : (uint64_t)(v + 0.5);
    }
    uint64_t n = 0;
    for (double p = exp(-mean), u = uniform(); u > p; n++)
        u *= uniform();
    return n;
}

/* ---- an organization ---- */

/* How much of a busy hour's work is done at this hour, without chance. */
static double
shape(const struct organization *o, int at)
{
    int local = at + o->zone, hour = (local % 24 + 24) % 24, day = local / 24;
    bool off = day % 7 == 2 || day % 7 == 3 || day == o->holiday;
    double x = (hour - 14) / 4.5, work = exp(-x * x / 2) + 0.03;
    double nightly = o->nightly && hour == 2 ? 0.8 : 0;
    return (work * (off ? o->weekend : 1) + nightly) * pow(1 + o->growth, at / 730.0);
}

static void
make_organization(struct organization *o)
{
    double total = 0;
    *o = (struct organization){
        .calls = 50 * pow(100, uniform()),
        .growth = -0.15 + 0.65 * uniform(),
        .weekend = 0.05 + 0.4 * uniform(),
        .zone = between(-8, 8),
        .nightly = uniform() < 0.33,
        .holiday = between(40, 80),
        .users = between(6, USERS_MAX),
        .projects = between(1, PROJECTS_MAX),
        .harm_count = between(0, HARM_MAX),
    };
    for (int u = 0; u < o->users; u++) {
        total += o->share[u] = pow(u + 1, -0.8);
        o->user_model[u] = between(0, 3) == 0 ? between(0, MODELS - 1) : 0;
        o->user_project[u] = between(0, o->projects - 1);
    }
    for (int u = 0; u < o->users; u++)
        o->share[u] /= total;
    for (int i = 0; i < o->harm_count; i++) {
        static const int hours[HARM_KINDS][2] = {{2, 8}, {8, 36}, {24, 72}};
        enum harm_kind kind = (enum harm_kind)between(0, HARM_KINDS - 1);
        int length = between(hours[kind][0], hours[kind][1]);
        int from = HOURS - JUDGED + 24 + i * JUDGED / HARM_MAX +
                   between(0, JUDGED / HARM_MAX - 24 - 100);
        o->harm[i] = (struct harm){.kind = kind, .from = from, .to = from + length};
        o->harm[i].user = (uint32_t)between(1, o->users);
        o->harm[i].model = (uint32_t)between(1, MODELS);
        o->harm[i].project = (uint32_t)between(1, o->projects);
    }
}

/* Dollars of a call on each model, on average without the long documents. */
static const double call_price[MODELS] = {0.004, 0.02, 0.0006};

/* What so many calls cost together, in mean calls. */
static double
dearness(uint64_t calls)
{
    uint64_t drawn = calls < CALLS_DRAWN_MAX ? calls : CALLS_DRAWN_MAX;
    double sum = 0;
    for (uint64_t i = 0; i < drawn; i++) {
        double one = exp(1.2 * normal() - 0.72);
        if (uniform() < 1 / 300.0)
            one *= 5 * pow(uniform(), -1 / 1.5);
        sum += one < 60 ? one : 60;
    }
    return drawn > 0 ? sum * (double)calls / (double)drawn : 0;
}

static void
add(struct series_set *set, int at, uint32_t user, uint32_t model, uint32_t project, uint64_t calls,
    double cost, double price_times)
{
    struct err err;
    const struct spike_subject subjects[SPIKE_SCOPE_COUNT] = {{SPIKE_ORGANIZATION, 0, 0},
                                                              {SPIKE_PROJECT, 0, project},
                                                              {SPIKE_USER, 0, user},
                                                              {SPIKE_MODEL, 1, model}};
    const struct spike_figures f = {calls, (uint64_t)(cost / call_price[model - 1] * 1500),
                                    (money_sum)(cost * price_times * 1e12)};
    for (int i = 0; calls > 0 && i < SPIKE_SCOPE_COUNT; i++) {
        if (series_add(set, &subjects[i], FIRST_HOUR + (uint32_t)at, &f, at >= HOURS - JUDGED,
                       &err) != ERR_OK) {
            fprintf(stderr, "bench_spikes: %s\n", err.text);
            exit(1);
        }
    }
}

/* The organization's dollars in an hour, on average. */
static double
mean_cost(const struct organization *o, int at)
{
    double sum = 0;
    for (int u = 0; u < o->users; u++)
        sum += o->share[u] * call_price[o->user_model[u]];
    return sum * o->calls * shape(o, at) * 1.1; /* the long documents */
}

/* The same of the week around. */
static double
average_cost(const struct organization *o, int at)
{
    double sum = 0;
    for (int i = 0; i < 168; i++)
        sum += mean_cost(o, at + i - 84);
    return sum / 168;
}

static const struct harm *
harm_at(const struct organization *o, int at)
{
    for (int i = 0; i < o->harm_count; i++) {
        if (at >= o->harm[i].from && at < o->harm[i].to)
            return &o->harm[i];
    }
    return NULL;
}

/* What the main model has of the organization's cost is what a price mistake multiplies. */
static void
weigh_harm(struct organization *o, double times)
{
    double main_cost = 0, all = 0;
    for (int u = 0; u < o->users; u++) {
        all += o->share[u] * call_price[o->user_model[u]];
        main_cost += o->user_model[u] == 0 ? o->share[u] * call_price[0] : 0;
    }
    for (int i = 0; i < o->harm_count; i++) {
        struct harm *h = &o->harm[i];
        h->excess = average_cost(o, h->from) * (times - 1) *
                    (h->kind == PRICE ? main_cost / all : 1);
    }
}

/* A loop and a leaked key go on evenly: by what is usual at their start, and in the mean. */
static void
add_harm(struct organization *o, struct series_set *set, int at, double times)
{
    const struct harm *h = harm_at(o, at);
    if (h == NULL || h->kind == PRICE)
        return;
    double average = average_cost(o, h->from), usual = mean_cost(o, h->from);
    double excess = (average > usual || h->kind != LOOP ? average : usual) * (times - 1);
    uint64_t calls = poisson(excess / call_price[h->model - 1]);
    add(set, at, h->kind == LOOP ? h->user : USERS_MAX + 1, h->model, h->project, calls,
        (double)calls * call_price[h->model - 1], 1);
}

static void
run_hour(struct organization *o, struct series_set *set, int at, double times)
{
    const struct harm *h = harm_at(o, at);
    o->state = 0.6 * o->state + 0.8 * normal();
    double hour = o->calls * shape(o, at) * exp(0.2 * o->state - 0.02);
    for (int u = 0; u < o->users; u++) {
        if (at >= o->busy_until[u]) {
            bool begins = uniform() < 1 / 300.0;
            o->busy[u] = begins ? 1.5 + 1.5 * uniform() : 1;
            o->busy_until[u] = begins ? at + between(1, 4) : at;
        }
        uint32_t model = (uint32_t)o->user_model[u] + 1;
        uint64_t calls = poisson(hour * o->share[u] * o->busy[u] * exp(0.5 * normal() - 0.125));
        bool mistake = h != NULL && h->kind == PRICE && model == 1;
        add(set, at, (uint32_t)u + 1, model, (uint32_t)o->user_project[u] + 1, calls,
            dearness(calls) * call_price[model - 1], mistake ? times : 1);
    }
    add_harm(o, set, at, times);
}

/* ---- the score ---- */

struct score {
    int harms[HARM_KINDS], found[HARM_KINDS];
    int small; /* not found, and below the gate */
    int spikes[SPIKE_SCOPE_COUNT], wrong[SPIKE_SCOPE_COUNT];
};

/* A spike is right while harm is done, and up to three hours behind it. */
static bool
match(struct organization *o, const struct episode *e)
{
    bool right = false;
    int from = (int)(e->from_hour - FIRST_HOUR), to = (int)(e->to_hour - FIRST_HOUR);
    for (int i = 0; i < o->harm_count; i++) {
        struct harm *h = &o->harm[i];
        if (from >= h->to + EPISODE_GAP_HOURS || to <= h->from)
            continue;
        right = true;
        h->found = h->found || from < h->to;
    }
    return right;
}

static void
score_organization(struct organization *o, const struct series_set *set,
                   struct episode_finder *finder, const struct episode_rule *rule,
                   struct score *score)
{
    const struct series *all = set->all.items;
    const double gate = (double)rule->gate_pico / 1e12;
    struct err err;
    for (size_t s = 0; s < set->all.count; s++) {
        if (all[s].cost_max_pico < rule->gate_pico)
            continue;
        struct episode_rule r = *rule;
        if (all[s].subject.scope != SPIKE_ORGANIZATION)
            r.gate_pico = episode_part_gate(&all[0], r.judged_hour, r.gate_pico);
        if (episode_find(finder, &all[s], &r, &err) != ERR_OK)
            exit(1);
        const struct episode *found = finder->found.items;
        for (size_t i = 0; i < finder->found.count; i++) {
            score->spikes[all[s].subject.scope]++;
            score->wrong[all[s].subject.scope] += match(o, &found[i]) ? 0 : 1;
        }
    }
    for (int i = 0; i < o->harm_count; i++) {
        bool small = !o->harm[i].found && o->harm[i].excess < gate;
        score->small += small;
        score->harms[o->harm[i].kind] += !small;
        score->found[o->harm[i].kind] += o->harm[i].found;
    }
}

static void
print_score(const struct score *s, double times)
{
    int harms = 0, found = 0, spikes = 0, wrong = 0;
    for (int k = 0; k < HARM_KINDS; k++) {
        harms += s->harms[k];
        found += s->found[k];
    }
    for (int k = 0; k < SPIKE_SCOPE_COUNT; k++) {
        spikes += s->spikes[k];
        wrong += s->wrong[k];
    }
    printf("spikes  spending at %.1fx: precision %.3f (%d of %d right), recall %.3f (%d of %d)\n",
           times, spikes > 0 ? 1 - wrong / (double)spikes : 1, spikes - wrong, spikes,
           harms > 0 ? found / (double)harms : 1, found, harms);
    printf("spikes    found");
    for (int k = 0; k < HARM_KINDS; k++)
        printf("%s %d of %d %s", k > 0 ? "," : "", s->found[k], s->harms[k], harm_names[k]);
    printf("; %d too small for the gate; wrong", s->small);
    for (int k = 0; k < SPIKE_SCOPE_COUNT; k++)
        printf("%s %d of %d by %s", k > 0 ? "," : "", s->wrong[k], s->spikes[k],
               spike_scope_name((enum spike_scope)k));
    printf("\n");
}

void
bench_spikes_llm(double times, int organizations, uint64_t first_seed)
{
    static struct episode_finder finder;
    struct series_set set;
    struct score score = {0};
    const struct episode_rule rule = {
        .from_hour = FIRST_HOUR,
        .judged_hour = FIRST_HOUR + HOURS - JUDGED,
        .to_hour = FIRST_HOUR + HOURS,
        .threshold_percent = 200,
        .gate_pico = MONEY_PICO_PER_UNIT,
    };
    episode_finder_init(&finder);
    seed = first_seed * 0x9E3779B97F4A7C15ULL + 1;
    for (int i = 0; i < organizations; i++) {
        struct organization o;
        series_set_init(&set);
        make_organization(&o);
        weigh_harm(&o, times);
        for (int at = 0; at < HOURS; at++)
            run_hour(&o, &set, at, times);
        score_organization(&o, &set, &finder, &rule, &score);
        series_set_clear(&set);
    }
    episode_finder_clear(&finder);
    print_score(&score, times);
}
