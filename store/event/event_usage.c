#include "store/event/event.h"

#include <inttypes.h>

/*
 * A provider's usage object, read by name.  A want is a path of at most two
 * keys; what is absent or null stays 0.  Names: the providers' API references,
 * collected in schemas/event.md.
 */
struct want {
    const char *outer; /* NULL: on the top level */
    const char *key;
    uint64_t *value;
    bool *seen; /* may be NULL */
};

static bool
take_count(const struct mp_value *v, const struct want *w, struct event_defect *defect)
{
    if (v->type == MP_NIL)
        return true;
    if (!mp_whole(v, w->value) || *w->value > EVENT_COUNT_MAX)
        return event_defect_set(defect, "usage.%s%s%s is not a whole number in 0 to %" PRIu64,
                                w->outer != NULL ? w->outer : "", w->outer != NULL ? "." : "",
                                w->key, EVENT_COUNT_MAX);
    if (w->seen != NULL)
        *w->seen = true;
    return true;
}

static const struct want *
find(const struct want *wants, size_t count, const char *outer, struct str key)
{
    for (size_t i = 0; i < count; i++) {
        bool level = outer == NULL ? wants[i].outer == NULL
                                   : wants[i].outer != NULL && str_is(str_of(outer), wants[i].outer);
        if (level && str_is(key, wants[i].key))
            return &wants[i];
    }
    return NULL;
}

static const char *
outer_of(const struct want *wants, size_t count, struct str key)
{
    for (size_t i = 0; i < count; i++) {
        if (wants[i].outer != NULL && str_is(key, wants[i].outer))
            return wants[i].outer;
    }
    return NULL;
}

/* Read one level; *tier is set from "service_tier" on the top level. */
static bool
read_level(struct mp *m, uint32_t pairs, const char *outer, const struct want *wants,
           size_t count, struct str *tier, struct event_defect *defect)
{
    for (uint32_t i = 0; i < pairs; i++) {
        struct mp_value key, v;
        if (!mp_read(m, &key) || key.type != MP_STR)
            return event_defect_set(defect, "usage has a key that is no text");
        struct mp peek = *m;
        const struct want *w = find(wants, count, outer, mp_str(&key));
        const char *inner = outer == NULL ? outer_of(wants, count, mp_str(&key)) : NULL;
        if (!mp_read(&peek, &v))
            return event_defect_set(defect, "usage is not whole");
        if (w != NULL && !take_count(&v, w, defect))
            return false;
        if (outer == NULL && v.type == MP_STR && str_is(mp_str(&key), "service_tier") &&
            v.count >= 1 && v.count <= EVENT_TEXT_BYTES_MAX)
            *tier = mp_str(&v);
        if (inner != NULL && v.type == MP_MAP) {
            *m = peek;
            if (!read_level(m, v.count, inner, wants, count, tier, defect))
                return false;
        } else if (!mp_skip(m)) {
            return event_defect_set(defect, "usage is not whole");
        }
    }
    return true;
}

static bool
read_object(struct bytes object, const struct want *wants, size_t count, struct str *tier,
            struct event_defect *defect)
{
    struct mp m = mp_of(object);
    struct mp_value head;
    if (!mp_read(&m, &head) || head.type != MP_MAP)
        return event_defect_set(defect, "usage is not a map");
    return read_level(&m, head.count, NULL, wants, count, tier, defect);
}

static bool
check_reasoning(const struct event_usage *u, struct event_defect *defect)
{
    if (u->reasoning_tokens <= u->tokens[EVENT_OUTPUT])
        return true;
    return event_defect_set(defect,
                            "usage: reasoning tokens (%" PRIu64 ") exceed output tokens (%" PRIu64
                            ")",
                            u->reasoning_tokens, u->tokens[EVENT_OUTPUT]);
}

/* Chat completions, responses and embeddings: cached and written tokens are inside the input. */
static bool
from_openai(struct bytes object, struct event_usage *u, struct event_defect *defect)
{
    uint64_t input = 0, output = 0, cached = 0, written = 0, reasoning = 0;
    bool seen = false;
    const struct want wants[] = {
        {NULL, "prompt_tokens", &input, &seen},
        {NULL, "input_tokens", &input, &seen},
        {NULL, "completion_tokens", &output, NULL},
        {NULL, "output_tokens", &output, NULL},
        {"prompt_tokens_details", "cached_tokens", &cached, NULL},
        {"prompt_tokens_details", "cache_write_tokens", &written, NULL},
        {"input_tokens_details", "cached_tokens", &cached, NULL},
        {"input_tokens_details", "cache_write_tokens", &written, NULL},
        {"completion_tokens_details", "reasoning_tokens", &reasoning, NULL},
        {"output_tokens_details", "reasoning_tokens", &reasoning, NULL},
    };
    if (!read_object(object, wants, sizeof wants / sizeof wants[0], &u->tier, defect))
        return false;
    if (!seen)
        return event_defect_set(defect, "usage has neither prompt_tokens nor input_tokens");
    if (cached + written > input)
        return event_defect_set(defect,
                                "usage: cached and cache-write tokens (%" PRIu64
                                ") exceed the input tokens (%" PRIu64 ")",
                                cached + written, input);
    u->tokens[EVENT_INPUT] = input - cached - written;
    u->tokens[EVENT_CACHE_READ] = cached;
    u->tokens[EVENT_CACHE_WRITE] = written;
    u->tokens[EVENT_CACHE_WRITE_1H] = 0;
    u->tokens[EVENT_OUTPUT] = output;
    u->reasoning_tokens = reasoning;
    return check_reasoning(u, defect);
}

/* Messages: cache reads and writes stand beside the input; writes split by cache life. */
static bool
from_anthropic(struct bytes object, struct event_usage *u, struct event_defect *defect)
{
    uint64_t input = 0, output = 0, read = 0, created = 0, m5 = 0, h1 = 0, thinking = 0;
    bool seen = false, split = false, has_created = false;
    const struct want wants[] = {
        {NULL, "input_tokens", &input, &seen},
        {NULL, "output_tokens", &output, NULL},
        {NULL, "cache_read_input_tokens", &read, NULL},
        {NULL, "cache_creation_input_tokens", &created, &has_created},
        {"cache_creation", "ephemeral_5m_input_tokens", &m5, &split},
        {"cache_creation", "ephemeral_1h_input_tokens", &h1, &split},
        {"output_tokens_details", "thinking_tokens", &thinking, NULL},
    };
    if (!read_object(object, wants, sizeof wants / sizeof wants[0], &u->tier, defect))
        return false;
    if (!seen)
        return event_defect_set(defect, "usage has no input_tokens");
    if (split && has_created && m5 + h1 > created)
        return event_defect_set(defect,
                                "usage: cache_creation split (%" PRIu64
                                ") exceeds cache_creation_input_tokens (%" PRIu64 ")",
                                m5 + h1, created);
    /* What the split does not cover was written for five minutes, the default life. */
    if (!split)
        m5 = created;
    else if (has_created)
        m5 = created - h1;
    u->tokens[EVENT_INPUT] = input;
    u->tokens[EVENT_CACHE_READ] = read;
    u->tokens[EVENT_CACHE_WRITE] = m5;
    u->tokens[EVENT_CACHE_WRITE_1H] = h1;
    u->tokens[EVENT_OUTPUT] = output;
    u->reasoning_tokens = thinking;
    return check_reasoning(u, defect);
}

bool
event_usage_from_provider(struct str provider, struct bytes object, struct event_usage *usage,
                          struct event_defect *defect)
{
    return str_is(provider, "anthropic") ? from_anthropic(object, usage, defect)
                                         : from_openai(object, usage, defect);
}
