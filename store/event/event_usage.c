#include <inttypes.h>

#include "store/event/event_fields.h"

/*
 * A provider's usage object, read by name.  A want is a path of at most two
 * keys; what is absent or null stays 0.  Names: the providers' API references,
 * collected in schemas/event.md.
 */
struct count {
    uint64_t n;
    bool seen;
};

struct want {
    const char *outer; /* NULL: on the top level */
    const char *key;
    struct count *count;
};

struct wants {
    const struct want *rows;
    size_t row_count;
    struct str tier; /* "service_tier" on the top level; empty: not named */
};

static bool
take_count(const struct mp_value *v, const struct want *w, struct event_defect *defect)
{
    const char *outer = w->outer != NULL ? w->outer : "", *dot = w->outer != NULL ? "." : "";
    uint64_t n;
    if (v->type == MP_NIL)
        return true;
    if (!mp_whole(v, &n) || n > EVENT_COUNT_MAX)
        return event_defect_set(defect, "usage.%s%s%s is not a whole number in 0 to %" PRIu64,
                                outer, dot, w->key, EVENT_COUNT_MAX);
    /* A key twice, or one count under two names: harmless only while they agree. */
    if (w->count->seen && w->count->n != n)
        return event_defect_set(defect,
                                "usage.%s%s%s is %" PRIu64 ", but %" PRIu64 " was given before",
                                outer, dot, w->key, n, w->count->n);
    *w->count = (struct count){n, true};
    return true;
}

static bool
take_tier(const struct mp_value *v, struct wants *wants, struct event_defect *defect)
{
    if (v->type == MP_NIL)
        return true;
    if (v->type != MP_STR || v->count < 1 || v->count > EVENT_TEXT_BYTES_MAX)
        return event_defect_set(defect, "usage.service_tier is not a text of 1 to %d bytes",
                                EVENT_TEXT_BYTES_MAX);
    if (wants->tier.size_bytes > 0 && !str_equal(wants->tier, mp_str(v)))
        return event_defect_set(defect, "usage.service_tier is given twice");
    wants->tier = mp_str(v);
    return true;
}

static const struct want *
find(const struct wants *wants, const char *outer, struct str key)
{
    for (size_t i = 0; i < wants->row_count; i++) {
        const struct want *w = &wants->rows[i];
        bool level = outer == NULL ? w->outer == NULL
                                   : w->outer != NULL && str_is(str_of(outer), w->outer);
        if (level && str_is(key, w->key))
            return w;
    }
    return NULL;
}

static const char *
outer_of(const struct wants *wants, struct str key)
{
    for (size_t i = 0; i < wants->row_count; i++) {
        if (wants->rows[i].outer != NULL && str_is(key, wants->rows[i].outer))
            return wants->rows[i].outer;
    }
    return NULL;
}

/* Read one level; it calls itself once, for a map that holds a wanted count. */
static bool
read_level(struct mp *m, uint32_t pairs, const char *outer, struct wants *wants,
           struct event_defect *defect)
{
    for (uint32_t i = 0; i < pairs; i++) {
        struct mp_value key, v;
        if (!mp_read(m, &key) || key.type != MP_STR)
            return event_defect_set(defect, "usage has a key that is not a text");
        struct mp peek = *m;
        if (!mp_read(&peek, &v))
            return event_defect_set(defect, "usage is not whole");
        const struct want *w = find(wants, outer, mp_str(&key));
        const char *inner = outer == NULL ? outer_of(wants, mp_str(&key)) : NULL;
        if (w != NULL && !take_count(&v, w, defect))
            return false;
        if (outer == NULL && str_is(mp_str(&key), "service_tier") && !take_tier(&v, wants, defect))
            return false;
        if (inner != NULL && v.type != MP_MAP && v.type != MP_NIL)
            return event_defect_set(defect, "usage.%s is not a map", inner);
        if (inner != NULL && v.type == MP_MAP) {
            *m = peek;
            if (!read_level(m, v.count, inner, wants, defect))
                return false;
        } else if (!mp_skip(m)) {
            return event_defect_set(defect, "usage is not whole");
        }
    }
    return true;
}

static bool
read_object(struct bytes object, struct wants *wants, struct event_defect *defect)
{
    struct mp m = mp_of(object);
    struct mp_value head;
    if (!mp_read(&m, &head) || head.type != MP_MAP)
        return event_defect_set(defect, "usage is not a map");
    return read_level(&m, head.count, NULL, wants, defect);
}

static bool
check_reasoning(const struct event_usage *u, struct event_defect *defect)
{
    if (u->reasoning_tokens <= u->tokens[EVENT_OUTPUT])
        return true;
    return event_defect_set(
        defect, "usage: reasoning tokens (%" PRIu64 ") exceed output tokens (%" PRIu64 ")",
        u->reasoning_tokens, u->tokens[EVENT_OUTPUT]);
}

/* Chat completions, responses and embeddings: cached and written tokens are inside the input. */
static bool
from_openai(struct bytes object, struct event_usage *u, struct event_defect *defect)
{
    struct count input = {0}, output = {0}, cached = {0}, written = {0}, reasoning = {0};
    struct count beside_read = {0}, beside_write = {0};
    const struct want rows[] = {
        {NULL, "prompt_tokens", &input},
        {NULL, "input_tokens", &input},
        {NULL, "completion_tokens", &output},
        {NULL, "output_tokens", &output},
        {"prompt_tokens_details", "cached_tokens", &cached},
        {"prompt_tokens_details", "cache_write_tokens", &written},
        {"input_tokens_details", "cached_tokens", &cached},
        {"input_tokens_details", "cache_write_tokens", &written},
        {"completion_tokens_details", "reasoning_tokens", &reasoning},
        {"output_tokens_details", "reasoning_tokens", &reasoning},
        {NULL, "cache_read_input_tokens", &beside_read},
        {NULL, "cache_creation_input_tokens", &beside_write},
    };
    struct wants wants = {.rows = rows, .row_count = sizeof rows / sizeof rows[0]};
    if (!read_object(object, &wants, defect))
        return false;
    if (!input.seen)
        return event_defect_set(defect, "usage has neither prompt_tokens nor input_tokens");
    /* Reading Anthropic's object by these rules would lose its cache tokens without a word. */
    if (beside_read.n > 0 || beside_write.n > 0)
        return event_defect_set(defect, "usage.%s is provider anthropic's, but provider differs",
                                beside_read.n > 0 ? "cache_read_input_tokens"
                                                  : "cache_creation_input_tokens");
    if (cached.n + written.n > input.n)
        return event_defect_set(defect,
                                "usage: cached and cache-write tokens (%" PRIu64
                                ") exceed the input tokens (%" PRIu64 ")",
                                cached.n + written.n, input.n);
    u->tokens[EVENT_INPUT] = input.n - cached.n - written.n;
    u->tokens[EVENT_CACHE_READ] = cached.n;
    u->tokens[EVENT_CACHE_WRITE] = written.n;
    u->tokens[EVENT_CACHE_WRITE_1H] = 0;
    u->tokens[EVENT_OUTPUT] = output.n;
    u->reasoning_tokens = reasoning.n;
    u->tier = wants.tier;
    return check_reasoning(u, defect);
}

/* Messages: cache reads and writes stand beside the input; writes split by cache life. */
static bool
from_anthropic(struct bytes object, struct event_usage *u, struct event_defect *defect)
{
    struct count input = {0}, output = {0}, read = {0}, created = {0};
    struct count m5 = {0}, h1 = {0}, thinking = {0};
    const struct want rows[] = {
        {NULL, "input_tokens", &input},
        {NULL, "output_tokens", &output},
        {NULL, "cache_read_input_tokens", &read},
        {NULL, "cache_creation_input_tokens", &created},
        {"cache_creation", "ephemeral_5m_input_tokens", &m5},
        {"cache_creation", "ephemeral_1h_input_tokens", &h1},
        {"output_tokens_details", "thinking_tokens", &thinking},
    };
    struct wants wants = {.rows = rows, .row_count = sizeof rows / sizeof rows[0]};
    if (!read_object(object, &wants, defect))
        return false;
    if (!input.seen)
        return event_defect_set(defect, "usage has no input_tokens");
    if (created.seen && m5.n + h1.n > created.n)
        return event_defect_set(defect,
                                "usage: cache_creation split (%" PRIu64
                                ") exceeds cache_creation_input_tokens (%" PRIu64 ")",
                                m5.n + h1.n, created.n);
    u->tokens[EVENT_INPUT] = input.n;
    u->tokens[EVENT_CACHE_READ] = read.n;
    /* What the split does not cover was written for five minutes, the default life. */
    u->tokens[EVENT_CACHE_WRITE] = created.seen ? created.n - h1.n : m5.n;
    u->tokens[EVENT_CACHE_WRITE_1H] = h1.n;
    u->tokens[EVENT_OUTPUT] = output.n;
    u->reasoning_tokens = thinking.n;
    u->tier = wants.tier;
    return check_reasoning(u, defect);
}

bool
event_usage_from_provider(struct str provider, struct bytes object, struct event_usage *usage,
                          struct event_defect *defect)
{
    return str_is(provider, "anthropic") ? from_anthropic(object, usage, defect)
                                         : from_openai(object, usage, defect);
}
