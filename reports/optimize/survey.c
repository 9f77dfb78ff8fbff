#include "reports/optimize/survey.h"

#include <stdlib.h>
#include <string.h>

#include "rollup/calls.h"
#include "store/base/hash.h"

/* A lever of a group; map keys have at least eight bytes. */
struct lever_key {
    uint32_t group, lever;
};

static const bool lever_candidate[] = {
#define LEVER_CANDIDATE(name, type, candidate) candidate,
    LEVERS(LEVER_CANDIDATE)
#undef LEVER_CANDIDATE
};

void
survey_init(struct survey *s)
{
    *s = (struct survey){0};
    map_init(&s->groups, sizeof(struct survey_key), sizeof(struct survey_group));
    map_init(&s->levers, sizeof(struct lever_key), sizeof(struct survey_lever));
}

void
survey_clear(struct survey *s)
{
    map_clear(&s->groups);
    map_clear(&s->levers);
    dict_clear(&s->dict);
    lever_walk_clear(&s->walk);
}

static enum err_code
no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory for what gbill optimize sums of the calls");
}

/* ---- one call ---- */

static enum err_code
number_of(struct survey *s, struct str text, uint8_t ret[4], struct err *err)
{
    uint32_t number = 0;
    enum err_code code = dict_intern(&s->dict, s->options->txn, text, &number, err);
    put_be32(ret, number);
    return code;
}

static enum err_code
key_of(struct survey *s, const struct event *event, struct survey_key *ret, struct err *err)
{
    enum err_code code = number_of(s, event->organization, ret->organization, err);
    if (code == ERR_OK)
        code = number_of(s, event->usage.provider, ret->provider, err);
    if (code == ERR_OK)
        code = number_of(s, event->usage.model, ret->model, err);
    if (code == ERR_OK)
        code = number_of(s, event->usage.type, ret->type, err);
    return code;
}

static enum err_code
group_of(struct survey *s, struct survey_key *key, struct survey_group **ret, struct err *err)
{
    size_t count = s->groups.count;
    if (count >= SURVEY_GROUPS_MAX && map_find(&s->groups, key, map_hash(&s->groups, key)) == NULL)
        put_be32(key->type, 0);
    *ret = map_at(&s->groups, key, map_hash(&s->groups, key));
    if (*ret == NULL)
        return no_memory(err);
    if (s->groups.count > count)
        (*ret)->index = (uint32_t)count;
    return ERR_OK;
}

/* How evenly they come. */
static void
count_gap(struct survey_group *g, int64_t time_utc_ms)
{
    if (g->calls > 1) {
        int64_t gap = time_utc_ms - g->last_ms;
        g->gaps++;
        g->gap_sum += gap < 0 ? -gap : gap;
        g->gap_squares += (money_sum)gap * gap;
    }
    g->last_ms = time_utc_ms;
}

static void
count_call(struct survey_group *g, const struct event *event, const struct cost *cost)
{
    const struct event_usage *u = &event->usage;
    g->calls++;
    g->unpriced_calls += cost->state == COST_UNPRICED;
    g->failed_calls += u->failed;
    g->cost_pico += cost->cost_pico;
    g->output += u->tokens[EVENT_OUTPUT];
    g->reasoning += u->reasoning_tokens;
    count_gap(g, event->time_utc_ms);
    if (cost->state == COST_UNPRICED || !lever_is_simple(u))
        return;
    g->simple_calls++;
    for (int c = 0; c < EVENT_CLASSES; c++)
        g->simple_tokens[c] += u->tokens[c];
}

/* The lever that saves most of the call, of those that may; LEVER_COUNT: none saves anything. */
static enum lever
largest(const struct survey_group *g, const struct lever_opinion *o)
{
    enum lever best = LEVER_COUNT;
    for (int l = 0; l < LEVER_COUNT; l++) {
        if (!lever_candidate[l] && (g->off & 1U << l) == 0 && o->pico[l] > 0 &&
            (best == LEVER_COUNT || o->pico[l] > o->pico[best]))
            best = (enum lever)l;
    }
    return best;
}

static enum err_code
count_levers(struct survey *s, const struct survey_group *g, const struct lever_opinion *o,
             int64_t cost_pico, struct err *err)
{
    enum lever best = largest(g, o);
    for (uint32_t l = 0; l < LEVER_COUNT; l++) {
        if ((o->concerned & 1U << l) == 0)
            continue;
        const struct lever_key key = {g->index, l};
        struct survey_lever *sum = map_at(&s->levers, &key, map_hash(&s->levers, &key));
        if (sum == NULL)
            return no_memory(err);
        if (o->pico[l] <= 0) {
            sum->loss_pico -= o->pico[l];
            continue;
        }
        sum->calls++;
        sum->strong_calls += (o->strong & 1U << l) != 0;
        sum->tokens += o->tokens[l];
        sum->cost_pico += cost_pico;
        sum->gain_pico += o->pico[l];
        if (l == best)
            sum->largest_pico += o->pico[l];
    }
    return ERR_OK;
}

static enum err_code
visit(void *context, const struct event *event, int64_t receive_utc_ms, struct err *err)
{
    struct survey *s = context;
    struct lever_call call = {
        .organization = event->organization,
        .id = event->id,
        .usage = &event->usage,
        .record = event->record,
        .query = {event->organization, event->time_utc_ms, receive_utc_ms},
    };
    struct lever_opinion opinion;
    struct survey_key key;
    struct survey_group *g;
    enum err_code code = key_of(s, event, &key, err);
    if (code == ERR_OK)
        code = group_of(s, &key, &g, err);
    if (code != ERR_OK)
        return code;
    call.cost = cost_of(s->options->prices, &event->usage, &call.query);
    call.scope = hash_mem(&key, offsetof(struct survey_key, type));
    if (!s->walk.again_known) {
        count_call(g, event, &call.cost);
        s->calls++;
    }
    if (call.cost.state == COST_UNPRICED)
        return ERR_OK;
    const struct lever_terms terms = {
        .machine = g->machine,
        .model = dict_text(s->options->txn, g->model),
        .reasoning_permille = g->reasoning_permille,
    };
    if (!lever_ask(&s->walk, &call, &terms, &opinion))
        return no_memory(err);
    return count_levers(s, g, &opinion, call.cost.cost_pico, err);
}

/* ---- what the first walk decides ---- */

static struct survey_group *
group_at(struct survey *s, uint32_t i)
{
    return map_value_of(&s->groups, i);
}

static const struct survey_key *
key_at(const struct survey *s, uint32_t i)
{
    return (const struct survey_key *)map_key(&s->groups, i);
}

/*
 * How a group's prompts are cached is one decision: of the levers that ask for another
 * one, that which saves most.
 */
static void
decide_cache(struct survey *s, struct survey_group *g)
{
    static const enum lever levers[] = {LEVER_CACHE_PROMPT, LEVER_CACHE_UNREAD, LEVER_LIFE_HOUR,
                                        LEVER_LIFE_MINUTES};
    money_sum best = 0;
    enum lever chosen = LEVER_COUNT;
    for (size_t i = 0; i < sizeof levers / sizeof *levers; i++) {
        const struct survey_lever *sum = survey_lever_of(s, g, levers[i]);
        if (sum != NULL && survey_saving(sum) > best) {
            best = survey_saving(sum);
            chosen = levers[i];
        }
    }
    for (size_t i = 0; i < sizeof levers / sizeof *levers; i++)
        if (levers[i] != chosen)
            g->off |= 1U << levers[i];
}

/* Is the gaps' variance at most so small a part of their mean, squared? */
static bool
is_machine(const struct survey_group *g)
{
    money_sum mean_square = g->gap_sum / (money_sum)(g->gaps + (g->gaps == 0)) * g->gap_sum;
    return g->gaps >= SURVEY_MACHINE_GAPS_MIN && g->gap_sum > 0 &&
           (g->gap_squares - mean_square) * (100 * 100) <=
               mean_square * (SURVEY_MACHINE_PERCENT * SURVEY_MACHINE_PERCENT);
}

/* What the group's mean simple call costs by a model; false: it has no price. */
static bool
mean_cost(const struct survey *s, const struct survey_key *key, const struct survey_group *g,
          struct str model, int64_t *ret_pico)
{
    struct tables_txn *txn = s->options->txn;
    struct event_usage usage = {.provider = dict_text(txn, get_be32(key->provider)),
                                .model = dict_text(txn, get_be32(key->model)),
                                .type = dict_text(txn, get_be32(key->type))};
    const struct lever_call call = {
        .query = {dict_text(txn, get_be32(key->organization)), s->options->to_ms,
                  s->options->to_ms},
    };
    for (int c = 0; c < EVENT_CLASSES; c++)
        usage.tokens[c] = g->simple_tokens[c] / g->simple_calls;
    if (!str_equal(model, usage.model))
        usage = lever_other_model(&usage, model);
    return lever_cost(&s->walk, &call, &usage, ret_pico);
}

/* Does the other group's model fail about as seldom? */
static bool
fails_no_more(const struct survey_group *g, const struct survey_group *other)
{
    return (money_sum)other->failed_calls * g->calls * 100 <=
           ((money_sum)g->failed_calls * 100 + (money_sum)SURVEY_FAILED_POINTS * g->calls) *
               other->calls;
}

/*
 * The cheapest model of the same provider that the organization uses, first of all for
 * calls of the same type.  order[from, to) are its groups.
 */
static void
decide_model(struct survey *s, const uint32_t *order, size_t from, size_t to, uint32_t i)
{
    const struct survey_key *key = key_at(s, i);
    struct survey_group *g = group_at(s, i);
    int64_t own, pico, best = 0;
    if (g->simple_calls < SURVEY_CALLS_MIN ||
        !mean_cost(s, key, g, dict_text(s->options->txn, get_be32(key->model)), &own))
        return;
    for (size_t k = from; k < to; k++) {
        const struct survey_key *other_key = key_at(s, order[k]);
        const struct survey_group *other = group_at(s, order[k]);
        bool same_type = get_be32(other_key->type) == get_be32(key->type);
        if (get_be32(other_key->provider) != get_be32(key->provider) ||
            get_be32(other_key->model) == get_be32(key->model) || other->calls < SURVEY_CALLS_MIN ||
            !fails_no_more(g, other) ||
            !mean_cost(s, key, g, dict_text(s->options->txn, get_be32(other_key->model)), &pico) ||
            (money_sum)pico * 100 > (money_sum)own * SURVEY_MODEL_PERCENT)
            continue;
        if (g->model != 0 &&
            (g->model_same_type > same_type || (g->model_same_type == same_type && pico >= best)))
            continue;
        best = pico;
        g->model = get_be32(other_key->model);
        g->model_same_type = same_type;
        g->model_calls = other->calls;
        g->model_failed_calls = other->failed_calls;
    }
}

static uint32_t
reasoning_permille(const struct survey_group *g)
{
    return g->calls < SURVEY_CALLS_MIN || g->output == 0 || g->reasoning > g->output
               ? 0
               : (uint32_t)((money_sum)g->reasoning * 1000 / g->output);
}

static int
by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* What is usual is the median of the organization's groups that reason. */
static enum err_code
decide_reasoning(struct survey *s, const uint32_t *order, size_t from, size_t to, struct err *err)
{
    uint32_t *parts = calloc(to - from + 1, sizeof *parts);
    size_t count = 0;
    if (parts == NULL)
        return no_memory(err);
    for (size_t k = from; k < to; k++) {
        uint32_t permille = reasoning_permille(group_at(s, order[k]));
        if (permille > 0)
            parts[count++] = permille;
    }
    qsort(parts, count, sizeof *parts, by_number);
    uint32_t usual = count < SURVEY_REASONING_GROUPS_MIN ? 0 : parts[(count - 1) / 2];
    free(parts);
    for (size_t k = from; k < to; k++) {
        struct survey_group *g = group_at(s, order[k]);
        if (usual > 0 && reasoning_permille(g) * 100 >= usual * SURVEY_REASONING_PERCENT)
            g->reasoning_permille = usual;
    }
    return ERR_OK;
}

static enum err_code
decide(struct survey *s, struct err *err)
{
    enum err_code code = ERR_OK;
    for (uint32_t i = 0; i < s->groups.count; i++)
        decide_cache(s, group_at(s, i));
    uint32_t *order = map_sorted(&s->groups);
    if (order == NULL)
        return no_memory(err);
    for (size_t from = 0, to; code == ERR_OK && from < s->groups.count; from = to) {
        const uint8_t *organization = key_at(s, order[from])->organization;
        for (to = from; to < s->groups.count; to++)
            if (memcmp(key_at(s, order[to])->organization, organization, 4) != 0)
                break;
        for (size_t k = from; k < to; k++) {
            group_at(s, order[k])->machine = is_machine(group_at(s, order[k]));
            decide_model(s, order, from, to, order[k]);
        }
        code = decide_reasoning(s, order, from, to, err);
    }
    free(order);
    return code;
}

/* ---- all ---- */

enum err_code
survey_run(struct survey *s, const struct survey_options *options, struct err *err)
{
    const struct calls_options calls = {
        .data_directory = options->data_directory,
        .txn = options->txn,
        .from_ms = options->from_ms,
        .to_ms = options->to_ms,
        .progress = options->progress,
        .progress_context = options->context,
    };
    s->options = options;
    if (!lever_walk_init(&s->walk, options->prices))
        return no_memory(err);
    enum err_code code = calls_walk(&calls, visit, s, err);
    if (code == ERR_NOT_FOUND) /* no log: no calls */
        return ERR_OK;
    if (code == ERR_OK)
        code = decide(s, err);
    if (code != ERR_OK)
        return code;
    map_reset(&s->levers);
    lever_walk_again(&s->walk);
    return calls_walk(&calls, visit, s, err);
}

const struct survey_lever *
survey_lever_of(const struct survey *s, const struct survey_group *group, enum lever lever)
{
    const struct lever_key key = {group->index, (uint32_t)lever};
    return (group->off & 1U << lever) != 0 ? NULL
                                           : map_find(&s->levers, &key, map_hash(&s->levers, &key));
}

money_sum
survey_saving(const struct survey_lever *lever)
{
    return lever->gain_pico - lever->loss_pico;
}

money_sum
survey_share(const struct survey_lever *lever)
{
    money_sum share = lever->largest_pico - lever->loss_pico;
    return share > 0 ? share : 0;
}
