#include "reports/optimize/lever.h"

#include <stdlib.h>

#include "billing/chargeback/metadata.h"
#include "store/base/hash.h"

/* What a call says of itself in its metadata; keys are 0 where it says nothing. */
struct said {
    uint64_t conversation, prompt, prefix;
    uint64_t prefix_tokens;
    bool not_interactive, truncated;
};

/* The call at hand and what came before it. */
struct ask {
    struct lever_walk *w;
    const struct lever_call *call;
    const struct lever_terms *terms;
    struct said said;
    uint64_t input, cached; /* tokens: all input; of it read from or written to a cache */
    uint64_t id;            /* hash of organization and id */
    struct recent_call conversation, prompt, prefix; /* key 0: none */
    struct lever_opinion *opinion;
};

bool
lever_walk_init(struct lever_walk *w, const struct price_book *prices)
{
    *w = (struct lever_walk){.prices = prices};
    map_init(&w->again, sizeof(uint64_t), sizeof(bool));
    buf_init(&w->room, METADATA_TEXT_BYTES_MAX);
    return recent_init(&w->recent);
}

void
lever_walk_clear(struct lever_walk *w)
{
    recent_clear(&w->recent);
    map_clear(&w->again);
    buf_clear(&w->room);
}

void
lever_walk_again(struct lever_walk *w)
{
    recent_reset(&w->recent);
    w->again_known = true;
}

/* ---- what the call says ---- */

static uint64_t
key_of(const struct lever_call *call, char kind, struct str text)
{
    uint64_t parts[] = {call->scope, (uint64_t)kind, hash_mem(text.data, text.size_bytes)};
    uint64_t key = hash_mem(parts, sizeof parts);
    return text.size_bytes == 0 ? 0 : key + (key == 0);
}

static uint64_t
count_of(struct str text)
{
    int64_t count;
    return money_parse(text, 0, &count) && count > 0 && (uint64_t)count <= EVENT_COUNT_MAX
               ? (uint64_t)count
               : 0;
}

/* Sources of the words: OpenAI's chat completions, OpenAI's responses, Anthropic's messages. */
static bool
is_truncated(struct str reason)
{
    return str_equal(reason, str_of("length")) || str_equal(reason, str_of("max_output_tokens")) ||
           str_equal(reason, str_of("max_tokens"));
}

static bool
read_said(struct lever_walk *w, const struct lever_call *call, struct said *ret)
{
    struct str conversation, prompt, prefix, text;
    *ret = (struct said){0};
    if (!metadata_text(call->record, str_of("conversationId"), &w->room, &conversation))
        return false;
    ret->conversation = key_of(call, 'c', conversation);
    if (!metadata_text(call->record, str_of("promptHash"), &w->room, &prompt))
        return false;
    ret->prompt = key_of(call, 'p', prompt);
    if (!metadata_text(call->record, str_of("prefixHash"), &w->room, &prefix))
        return false;
    ret->prefix = key_of(call, 'x', prefix);
    if (!metadata_text(call->record, str_of("prefixTokens"), &w->room, &text))
        return false;
    ret->prefix_tokens = count_of(text);
    if (!metadata_text(call->record, str_of("interactive"), &w->room, &text))
        return false;
    ret->not_interactive = str_equal(text, str_of("false"));
    if (!metadata_text(call->record, str_of("finishReason"), &w->room, &text))
        return false;
    ret->truncated = is_truncated(text);
    return true;
}

/* What came before under a key; this call takes its place. */
static struct recent_call
turn_page(struct ask *a, uint64_t key)
{
    if (key == 0)
        return (struct recent_call){0};
    struct recent_call *place = recent_at(&a->w->recent, key), before = *place;
    *place = (struct recent_call){
        .key = key,
        .id = a->id,
        .time_utc_ms = a->call->query.event_ms,
        .input = a->input,
        .cached = a->cached,
        .turn = before.turn + 1,
        .settled_input = before.turn + 1 == LEVER_SETTLED_TURN ? a->input : before.settled_input,
        .failed = a->call->usage->failed,
        .truncated = a->said.truncated,
    };
    return before;
}

/* Did a call come before, and no longer ago? */
static bool
within(const struct ask *a, const struct recent_call *before, int64_t ms)
{
    int64_t gap = a->call->query.event_ms - before->time_utc_ms;
    return before->key != 0 && gap <= ms && gap >= -ms;
}

/* ---- costs ---- */

bool
lever_cost(const struct lever_walk *w, const struct lever_call *call,
           const struct event_usage *copy, int64_t *ret_pico)
{
    const struct cost cost = cost_of(w->prices, copy, &call->query);
    *ret_pico = cost.cost_pico;
    return cost.state != COST_UNPRICED;
}

static void
say(struct ask *a, enum lever lever, int64_t saving_pico, uint64_t tokens, bool strong)
{
    a->opinion->pico[lever] = saving_pico;
    a->opinion->tokens[lever] = tokens;
    a->opinion->concerned |= 1U << lever;
    if (strong)
        a->opinion->strong |= 1U << lever;
}

/* The lever would have had the call cost as the copy. */
static void
propose(struct ask *a, enum lever lever, const struct event_usage *copy, uint64_t tokens,
        bool strong)
{
    int64_t pico;
    if (lever_cost(a->w, a->call, copy, &pico))
        say(a, lever, a->call->cost.cost_pico - pico, tokens, strong);
}

/* The lever would have had the call not made. */
static void
propose_none(struct ask *a, enum lever lever, bool strong)
{
    say(a, lever, a->call->cost.cost_pico, a->input + a->call->usage->tokens[EVENT_OUTPUT], strong);
}

static uint64_t
least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t
less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* ---- caching ---- */

static void
ask_cache_prompt(struct ask *a)
{
    const uint64_t *n = a->call->usage->tokens;
    bool named = a->said.prefix != 0 && a->said.prefix_tokens > 0;
    const struct recent_call *before = named ? &a->prefix : &a->conversation;
    uint64_t min = str_equal(a->call->usage->provider, str_of("openai")) ? LEVER_PREFIX_OPENAI_MIN
                                                                         : LEVER_PREFIX_MIN;
    if (!named && a->said.conversation == 0)
        return;
    uint64_t keeps = named ? least(a->said.prefix_tokens, a->input) : a->input;
    if (keeps < min)
        return;
    uint64_t kept = !within(a, before, LEVER_MINUTES_MS) ? 0
                    : named                              ? keeps
                                                         : least(before->input, keeps);
    if (kept < min)
        kept = 0;
    uint64_t reads = least(less(kept, a->cached), n[EVENT_INPUT]);
    uint64_t writes =
        least(less(keeps, kept > a->cached ? kept : a->cached), n[EVENT_INPUT] - reads);
    struct event_usage copy = *a->call->usage;
    int64_t pico;
    copy.tokens[EVENT_INPUT] -= reads + writes;
    copy.tokens[EVENT_CACHE_READ] += reads;
    copy.tokens[EVENT_CACHE_WRITE] += writes;
    if (!lever_cost(a->w, a->call, &copy, &pico)) { /* this provider charges no writing */
        copy.tokens[EVENT_INPUT] += writes;
        copy.tokens[EVENT_CACHE_WRITE] -= writes;
    }
    if (reads + writes > 0)
        propose(a, LEVER_CACHE_PROMPT, &copy, reads, named);
}

static void
ask_cache_unread(struct ask *a)
{
    struct event_usage copy = *a->call->usage;
    if (a->cached == 0)
        return;
    for (int c = EVENT_CACHE_READ; c <= EVENT_CACHE_WRITE_1H; c++) {
        copy.tokens[EVENT_INPUT] += copy.tokens[c];
        copy.tokens[c] = 0;
    }
    propose(a, LEVER_CACHE_UNREAD, &copy,
            a->call->usage->tokens[EVENT_CACHE_WRITE] +
                a->call->usage->tokens[EVENT_CACHE_WRITE_1H],
            true);
}

/* With entries that live an hour, or with ones that live five minutes. */
static void
ask_cache_life(struct ask *a)
{
    const uint64_t *n = a->call->usage->tokens;
    const struct recent_call *before = a->said.prefix != 0 ? &a->prefix : &a->conversation;
    struct event_usage copy = *a->call->usage;
    if (a->said.prefix == 0 && a->said.conversation == 0)
        return;
    bool between = within(a, before, LEVER_HOUR_MS) && !within(a, before, LEVER_MINUTES_MS);
    if (n[EVENT_CACHE_WRITE] > 0) {
        uint64_t reads = between ? least(n[EVENT_CACHE_WRITE], before->cached) : 0;
        copy.tokens[EVENT_CACHE_WRITE] = 0;
        copy.tokens[EVENT_CACHE_READ] += reads;
        copy.tokens[EVENT_CACHE_WRITE_1H] += n[EVENT_CACHE_WRITE] - reads;
        propose(a, LEVER_LIFE_HOUR, &copy, reads, true);
    }
    uint64_t again = between ? n[EVENT_CACHE_READ] : 0;
    if (n[EVENT_CACHE_WRITE_1H] + again > 0) {
        copy = *a->call->usage;
        copy.tokens[EVENT_CACHE_WRITE_1H] = 0;
        copy.tokens[EVENT_CACHE_READ] -= again;
        copy.tokens[EVENT_CACHE_WRITE] += n[EVENT_CACHE_WRITE_1H] + again;
        propose(a, LEVER_LIFE_MINUTES, &copy, n[EVENT_CACHE_WRITE_1H], true);
    }
}

/* ---- how it is served ---- */

static void
ask_tiers(struct ask *a)
{
    struct event_usage copy = *a->call->usage;
    enum price_tier tier = a->call->cost.tier;
    uint64_t tokens = a->input + copy.tokens[EVENT_OUTPUT];
    bool strong = a->said.not_interactive;
    if ((!strong && !a->terms->machine) || (tier != PRICE_STANDARD && tier != PRICE_PRIORITY))
        return;
    copy.tier = str_of(price_tier_name(PRICE_BATCH));
    propose(a, LEVER_BATCH, &copy, tokens, strong);
    copy.tier = str_of(price_tier_name(PRICE_FLEX));
    propose(a, LEVER_SERVICE_TIER, &copy, tokens, strong);
    if (tier == PRICE_PRIORITY && (a->opinion->concerned & 1U << LEVER_SERVICE_TIER) == 0) {
        copy.tier = str_of(price_tier_name(PRICE_STANDARD));
        propose(a, LEVER_SERVICE_TIER, &copy, tokens, strong);
    }
}

/* The most input that the call may have for the price below its band; 0: it is in none. */
static uint64_t
threshold_of(const struct ask *a)
{
    const struct lever_call *call = a->call;
    const struct price_id *id =
        price_book_find(a->w->prices, call->usage->provider, call->usage->model);
    const struct price_model *model =
        id == NULL ? NULL : price_id_model(id, call->query.event_ms, call->query.receive_ms);
    uint64_t first = 0;
    const enum price_tier tiers[] = {PRICE_STANDARD, call->cost.tier};
    for (size_t i = 0; model != NULL && i < sizeof tiers / sizeof *tiers; i++) {
        const struct price_band *band =
            price_row_band(price_model_row(model, tiers[i], &call->query), a->input);
        if (band != NULL && band->first_tokens > first)
            first = band->first_tokens;
    }
    return less(first, 1);
}

static void
ask_long_context(struct ask *a)
{
    struct event_usage copy = *a->call->usage;
    uint64_t threshold = threshold_of(a), above = less(a->input, threshold);
    if (threshold == 0 || above > threshold * LEVER_CLIFF_PERCENT / 100 ||
        above > copy.tokens[EVENT_INPUT])
        return;
    copy.tokens[EVENT_INPUT] -= above;
    propose(a, LEVER_LONG_CONTEXT, &copy, above, true);
}

/* ---- calls that were for nothing ---- */

static void
ask_retries(struct ask *a)
{
    if (a->call->usage->failed)
        propose_none(a, LEVER_RETRIES, true);
    else if (within(a, &a->prompt, LEVER_AGAIN_MS) && !a->prompt.failed && !a->prompt.truncated)
        propose_none(a, LEVER_RETRIES, false);
}

/* A truncated call is known to be waste when the next one comes: only a second walk knows. */
static bool
ask_truncation(struct ask *a)
{
    struct map *again = &a->w->again;
    if (a->w->again_known) {
        if (a->said.truncated && !a->call->usage->failed &&
            map_find(again, &a->id, map_hash(again, &a->id)) != NULL)
            propose_none(a, LEVER_TRUNCATION, true);
        return true;
    }
    if (!a->prompt.truncated || !within(a, &a->prompt, LEVER_AGAIN_MS))
        return true;
    if (again->count >= LEVER_AGAIN_MAX) {
        a->w->again_missed++;
        return true;
    }
    return map_at(again, &a->prompt.id, map_hash(again, &a->prompt.id)) != NULL;
}

/* ---- candidates ---- */

bool
lever_is_simple(const struct event_usage *usage)
{
    return usage->tokens[EVENT_OUTPUT] <= LEVER_SHORT_OUTPUT && !usage->media &&
           !usage->charged_uses && usage->iterations.size_bytes == 0 && !usage->failed &&
           usage->reasoning_tokens * 100 <=
               usage->tokens[EVENT_OUTPUT] * LEVER_SHORT_REASONING_PERCENT;
}

struct event_usage
lever_other_model(const struct event_usage *usage, struct str model)
{
    struct event_usage copy = *usage;
    copy.model = model;
    if (!str_equal(usage->provider, str_of("anthropic")))
        return copy;
    for (int c = 0; c < EVENT_CLASSES; c++)
        copy.tokens[c] = (copy.tokens[c] * LEVER_TOKENIZER_PERCENT + 99) / 100;
    return copy;
}

static void
ask_model(struct ask *a)
{
    if (a->terms->model.size_bytes == 0 || !lever_is_simple(a->call->usage))
        return;
    const struct event_usage copy = lever_other_model(a->call->usage, a->terms->model);
    propose(a, LEVER_MODEL, &copy, a->input + a->call->usage->tokens[EVENT_OUTPUT], true);
}

/* Cut from a class what is still to be cut. */
static void
cut(struct event_usage *copy, enum event_class class, uint64_t *excess)
{
    uint64_t part = least(copy->tokens[class], *excess);
    copy->tokens[class] -= part;
    *excess -= part;
}

static void
ask_context_growth(struct ask *a)
{
    struct event_usage copy = *a->call->usage;
    uint64_t settled = a->conversation.settled_input, excess = less(a->input, settled);
    uint64_t tokens = excess;
    if (settled == 0 || excess == 0)
        return;
    cut(&copy, EVENT_INPUT, &excess);
    cut(&copy, EVENT_CACHE_READ, &excess);
    cut(&copy, EVENT_CACHE_WRITE, &excess);
    cut(&copy, EVENT_CACHE_WRITE_1H, &excess);
    propose(a, LEVER_CONTEXT_GROWTH, &copy, tokens, true);
}

static void
ask_reasoning(struct ask *a)
{
    struct event_usage copy = *a->call->usage;
    uint64_t permille = a->terms->reasoning_permille;
    if (permille == 0 || permille >= 1000 || copy.reasoning_tokens > copy.tokens[EVENT_OUTPUT])
        return;
    uint64_t answer = copy.tokens[EVENT_OUTPUT] - copy.reasoning_tokens;
    uint64_t excess = less(copy.reasoning_tokens, answer * permille / (1000 - permille));
    copy.tokens[EVENT_OUTPUT] -= excess;
    if (excess > 0)
        propose(a, LEVER_REASONING, &copy, excess, true);
}

/* ---- all ---- */

static uint64_t
total_input(const struct event_usage *usage)
{
    uint64_t sum = 0;
    for (int c = 0; c < EVENT_CLASSES; c++)
        if (c != EVENT_OUTPUT && c != EVENT_OUTPUT_AUDIO && c != EVENT_OUTPUT_IMAGE)
            sum += usage->tokens[c]; /* each at most EVENT_COUNT_MAX */
    return sum;
}

bool
lever_ask(struct lever_walk *w, const struct lever_call *call, const struct lever_terms *terms,
          struct lever_opinion *ret)
{
    const uint64_t *n = call->usage->tokens;
    const uint64_t who[] = {hash_mem(call->organization.data, call->organization.size_bytes),
                            hash_mem(call->id.data, call->id.size_bytes)};
    struct ask a = {
        .w = w, .call = call, .terms = terms, .opinion = ret, .id = hash_mem(who, sizeof who)};
    *ret = (struct lever_opinion){0};
    if (!read_said(w, call, &a.said))
        return false;
    a.input = total_input(call->usage);
    a.cached = n[EVENT_CACHE_READ] + n[EVENT_CACHE_WRITE] + n[EVENT_CACHE_WRITE_1H];
    a.conversation = turn_page(&a, a.said.conversation);
    a.prompt = turn_page(&a, a.said.prompt);
    a.prefix = turn_page(&a, a.said.prefix);
    ask_tiers(&a);
    ask_retries(&a);
    if (!ask_truncation(&a))
        return false;
    ask_model(&a);
    if (call->usage->iterations.size_bytes > 0) /* its classes are those of several passes */
        return true;
    ask_cache_prompt(&a);
    ask_cache_unread(&a);
    ask_cache_life(&a);
    ask_long_context(&a);
    ask_context_growth(&a);
    ask_reasoning(&a);
    return true;
}
