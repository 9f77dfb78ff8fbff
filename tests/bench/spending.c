#include "tests/bench/spending.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MODELS = 3,
    PROJECTS_MAX = 5,
    CALLS_DRAWN_MAX = 400, /* dearness of single calls is drawn for so many, then scaled */
};

/* ---- chance: xorshift64* ---- */

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
shape(const struct spending *o, int at)
{
    int local = at + o->zone, hour = (local % 24 + 24) % 24, day = local / 24;
    bool off = day % 7 == 2 || day % 7 == 3 || day == o->holiday;
    double x = (hour - 14) / 4.5, work = exp(-x * x / 2) + 0.03;
    double nightly = o->nightly && hour == 2 ? 0.8 : 0;
    return (work * (off ? o->weekend : 1) + nightly) * pow(1 + o->growth, at / 730.0);
}

static void
make_organization(struct spending *o, bool priced)
{
    double total = 0;
    *o = (struct spending){
        .priced = priced,
        .calls = 50 * pow(100, uniform()),
        .growth = -0.15 + 0.65 * uniform(),
        .weekend = 0.05 + 0.4 * uniform(),
        .zone = between(-8, 8),
        .nightly = uniform() < 0.33,
        .holiday = between(40, 80),
        .users = between(6, SPENDING_USERS_MAX),
        .projects = between(1, PROJECTS_MAX),
        .harm_count = between(0, SPENDING_HARM_MAX),
    };
    for (int u = 0; u < o->users; u++) {
        total += o->share[u] = pow(u + 1, -0.8);
        o->user_model[u] = between(0, 3) == 0 ? between(0, MODELS - 1) : 0;
        o->user_project[u] = between(0, o->projects - 1);
    }
    for (int u = 0; u < o->users; u++)
        o->share[u] /= total;
    for (int i = 0; i < o->harm_count; i++) {
        static const int hours[SPENDING_HARMS][2] = {{2, 8}, {8, 36}, {24, 72}};
        enum spending_harm_kind kind = (enum spending_harm_kind)between(0, SPENDING_HARMS - 1);
        int length = between(hours[kind][0], hours[kind][1]);
        int from = SPENDING_HOURS - SPENDING_JUDGED + 24 + i * SPENDING_JUDGED / SPENDING_HARM_MAX +
                   between(0, SPENDING_JUDGED / SPENDING_HARM_MAX - 24 - 100);
        o->harm[i] = (struct spending_harm){.kind = kind, .from = from, .to = from + length};
        o->harm[i].user = (uint32_t)between(1, o->users);
        o->harm[i].model = (uint32_t)between(1, MODELS);
        o->harm[i].project = (uint32_t)between(1, o->projects);
    }
}

/* Dollars of a call on each model, on average without the long documents. */
static const double call_price[MODELS] = {0.004, 0.02, 0.0006};

/* What a call weighs where harm is measured. */
static double
call_weight(const struct spending *o, int model)
{
    return o->priced ? call_price[model] : 1;
}

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
        if (series_add(set, &subjects[i], SPENDING_FIRST_HOUR + (uint32_t)at, &f,
                       at >= SPENDING_HOURS - SPENDING_JUDGED, &err) != ERR_OK) {
            fprintf(stderr, "spending: %s\n", err.text);
            exit(1);
        }
    }
}

/* The organization's dollars or calls in an hour, on average. */
static double
mean_cost(const struct spending *o, int at)
{
    double sum = 0;
    for (int u = 0; u < o->users; u++)
        sum += o->share[u] * call_weight(o, o->user_model[u]);
    return sum * o->calls * shape(o, at) * (o->priced ? 1.1 : 1); /* the long documents */
}

/* The same of the week around. */
static double
average_cost(const struct spending *o, int at)
{
    double sum = 0;
    for (int i = 0; i < 168; i++)
        sum += mean_cost(o, at + i - 84);
    return sum / 168;
}

static const struct spending_harm *
harm_at(const struct spending *o, int at)
{
    for (int i = 0; i < o->harm_count; i++) {
        if (at >= o->harm[i].from && at < o->harm[i].to)
            return &o->harm[i];
    }
    return NULL;
}

/* What the main model has of the organization's cost is what a price mistake multiplies. */
static void
weigh_harm(struct spending *o, double times)
{
    double main_cost = 0, all = 0;
    for (int u = 0; u < o->users; u++) {
        all += o->share[u] * call_price[o->user_model[u]];
        main_cost += o->user_model[u] == 0 ? o->share[u] * call_price[0] : 0;
    }
    for (int i = 0; i < o->harm_count; i++) {
        struct spending_harm *h = &o->harm[i];
        h->excess = average_cost(o, h->from) * (times - 1) *
                    (h->kind == SPENDING_PRICE ? main_cost / all : 1);
    }
}

/* A loop and a leaked key go on evenly: by what is usual at their start, and in the mean. */
static void
add_harm(struct spending *o, struct series_set *set, int at, double times)
{
    const struct spending_harm *h = harm_at(o, at);
    if (h == NULL || h->kind == SPENDING_PRICE)
        return;
    int model = (int)h->model - 1;
    double average = average_cost(o, h->from), usual = mean_cost(o, h->from);
    double excess = (average > usual || h->kind != SPENDING_LOOP ? average : usual) * (times - 1);
    uint64_t calls = poisson(excess / call_weight(o, model));
    add(set, at, h->kind == SPENDING_LOOP ? h->user : SPENDING_USERS_MAX + 1, h->model, h->project,
        calls, (double)calls * call_price[model], o->priced ? 1 : 0);
}

static void
run_hour(struct spending *o, struct series_set *set, int at, double times)
{
    const struct spending_harm *h = harm_at(o, at);
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
        bool mistake = h != NULL && h->kind == SPENDING_PRICE && model == 1;
        add(set, at, (uint32_t)u + 1, model, (uint32_t)o->user_project[u] + 1, calls,
            dearness(calls) * call_price[model - 1],
            !o->priced ? 0
            : mistake  ? times
                       : 1);
    }
    add_harm(o, set, at, times);
}

/* ---- */

void
spending_seed(uint64_t first)
{
    seed = first * 0x9E3779B97F4A7C15ULL + 1;
}

void
spending_make(struct spending *o, struct series_set *set, double times, bool priced)
{
    make_organization(o, priced);
    weigh_harm(o, times);
    for (int at = 0; at < SPENDING_HOURS; at++)
        run_hour(o, set, at, times);
}
