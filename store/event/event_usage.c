#include <assert.h>
#include <inttypes.h>

#include "store/event/event_fields.h"
#include "store/event/event_parts.h"

/*
 * A provider's usage object, read by name into counts and texts; what they mean
 * is decided afterwards, by provider.  What is absent or null stays 0.  Names:
 * the providers' API references, collected in schemas/event.md.
 *
 * key, name, its second letter, its eleventh (0 where it has none)
 */
#define KEYS(X)                                             \
    X(INPUT, "input_tokens", 'n', 'n')                      \
    X(PROMPT, "prompt_tokens", 'r', 'e')                    \
    X(OUTPUT, "output_tokens", 'u', 'e')                    \
    X(COMPLETION, "completion_tokens", 'o', '_')            \
    X(CACHE_READ, "cache_read_input_tokens", 'a', '_')      \
    X(CACHE_NEW, "cache_creation_input_tokens", 'a', 't')   \
    X(CACHED, "cached_tokens", 'a', 'e')                    \
    X(WRITTEN, "cache_write_tokens", 'a', 'e')              \
    X(AUDIO, "audio_tokens", 'u', 'n')                      \
    X(IMAGE, "image_tokens", 'm', 'n')                      \
    X(TEXT, "text_tokens", 'e', 's')                        \
    X(REASONING, "reasoning_tokens", 'e', 't')              \
    X(THINKING, "thinking_tokens", 'h', 'o')                \
    X(LIFE_5M, "ephemeral_5m_input_tokens", 'p', '5')       \
    X(LIFE_1H, "ephemeral_1h_input_tokens", 'p', '1')       \
    X(SEARCHES, "web_search_requests", 'e', '_')            \
    X(FETCHES, "web_fetch_requests", 'e', 'r')              \
    X(TIER, "service_tier", 'e', 'e')                       \
    X(GEO, "inference_geo", 'n', 'g')                       \
    X(SPEED, "speed", 'p', 0)                               \
    X(MODEL, "model", 'o', 0)                               \
    X(TYPE, "type", 'y', 0)                                 \
    X(ITERATIONS, "iterations", 't', 0)                     \
    X(PROMPT_DETAILS, "prompt_tokens_details", 'r', 'e')    \
    X(INPUT_DETAILS, "input_tokens_details", 'n', 'n')      \
    X(INPUT_DETAIL, "input_token_details", 'n', 'n')        \
    X(COMPL_DETAILS, "completion_tokens_details", 'o', '_') \
    X(OUTPUT_DETAILS, "output_tokens_details", 'u', 'e')    \
    X(OUTPUT_DETAIL, "output_token_details", 'u', 'e')      \
    X(CACHED_DETAILS, "cached_tokens_details", 'a', 'e')    \
    X(CACHE_CREATION, "cache_creation", 'a', 't')           \
    X(SERVER_TOOLS, "server_tool_use", 'e', 'l')

enum key {
#define KEY_ENUM(key, name, second, eleventh) KEY_##key,
    KEYS(KEY_ENUM)
#undef KEY_ENUM
        KEY_COUNT
};

static const char *const key_names[KEY_COUNT] = {
#define KEY_NAME(key, name, second, eleventh) [KEY_##key] = name,
    KEYS(KEY_NAME)
#undef KEY_NAME
};

/* What a key is, by the level it stands on. */
enum what { IGNORED, COUNT, TEXT, MAP, LIST };

enum level { TOP, INSIDE_INPUT, INSIDE_CACHED, INSIDE_OUTPUT, CREATION, TOOLS, ITERATION, LEVELS };

enum count {
    N_INPUT,
    N_PROMPT,
    N_OUTPUT,
    N_COMPLETION,
    N_READ,
    N_NEW,
    N_5M,
    N_1H,
    N_CACHED,
    N_WRITTEN,
    N_AUDIO,
    N_IMAGE,
    N_TEXT,
    N_CACHED_AUDIO,
    N_CACHED_IMAGE,
    N_CACHED_TEXT,
    N_OUT_AUDIO,
    N_OUT_IMAGE,
    N_OUT_TEXT,
    N_REASONING,
    N_SEARCHES,
    N_FETCHES,
    COUNTS
};

enum text { T_TIER, T_GEO, T_SPEED, T_MODEL, T_TYPE, TEXTS };

struct role {
    uint8_t what, slot; /* slot: of enum count, enum text, or the level inside a map */
};

#define MESSAGE_ROLES                                                     \
    [KEY_INPUT] = {COUNT, N_INPUT}, [KEY_OUTPUT] = {COUNT, N_OUTPUT},     \
    [KEY_CACHE_READ] = {COUNT, N_READ}, [KEY_CACHE_NEW] = {COUNT, N_NEW}, \
    [KEY_CACHE_CREATION] = {MAP, CREATION}

static const struct role roles[LEVELS][KEY_COUNT] = {
    [TOP] =
        {MESSAGE_ROLES, [KEY_PROMPT] = {COUNT, N_PROMPT}, [KEY_COMPLETION] = {COUNT, N_COMPLETION},
         [KEY_TIER] = {TEXT, T_TIER}, [KEY_GEO] = {TEXT, T_GEO}, [KEY_SPEED] = {TEXT, T_SPEED},
         [KEY_ITERATIONS] = {LIST, 0}, [KEY_PROMPT_DETAILS] = {MAP, INSIDE_INPUT},
         [KEY_INPUT_DETAILS] = {MAP, INSIDE_INPUT}, [KEY_INPUT_DETAIL] = {MAP, INSIDE_INPUT},
         [KEY_COMPL_DETAILS] = {MAP, INSIDE_OUTPUT}, [KEY_OUTPUT_DETAILS] = {MAP, INSIDE_OUTPUT},
         [KEY_OUTPUT_DETAIL] = {MAP, INSIDE_OUTPUT}, [KEY_SERVER_TOOLS] = {MAP, TOOLS}},
    [INSIDE_INPUT] = {[KEY_CACHED] = {COUNT, N_CACHED},
                      [KEY_WRITTEN] = {COUNT, N_WRITTEN},
                      [KEY_AUDIO] = {COUNT, N_AUDIO},
                      [KEY_IMAGE] = {COUNT, N_IMAGE},
                      [KEY_TEXT] = {COUNT, N_TEXT},
                      [KEY_CACHED_DETAILS] = {MAP, INSIDE_CACHED}},
    [INSIDE_CACHED] = {[KEY_AUDIO] = {COUNT, N_CACHED_AUDIO},
                       [KEY_IMAGE] = {COUNT, N_CACHED_IMAGE},
                       [KEY_TEXT] = {COUNT, N_CACHED_TEXT}},
    [INSIDE_OUTPUT] = {[KEY_REASONING] = {COUNT, N_REASONING},
                       [KEY_THINKING] = {COUNT, N_REASONING},
                       [KEY_AUDIO] = {COUNT, N_OUT_AUDIO},
                       [KEY_IMAGE] = {COUNT, N_OUT_IMAGE},
                       [KEY_TEXT] = {COUNT, N_OUT_TEXT}},
    [CREATION] = {[KEY_LIFE_5M] = {COUNT, N_5M}, [KEY_LIFE_1H] = {COUNT, N_1H}},
    [TOOLS] = {[KEY_SEARCHES] = {COUNT, N_SEARCHES}, [KEY_FETCHES] = {COUNT, N_FETCHES}},
    [ITERATION] = {MESSAGE_ROLES, [KEY_MODEL] = {TEXT, T_MODEL}, [KEY_TYPE] = {TEXT, T_TYPE}},
};

/* What one object, or one iteration, said. */
struct object {
    uint64_t n[COUNTS];
    uint32_t seen; /* bit per count */
    struct str text[TEXTS];
    struct bytes list; /* the array of iterations, its head included */
};

_Static_assert(COUNTS <= 32, "one bit per count");

static bool
seen(const struct object *o, enum count c)
{
    return (o->seen >> c & 1) != 0;
}

/* As event_field_find(): one jump, one comparison, and no two names can clash. */
#define NAME_KEY(length, second, eleventh) \
    ((uint32_t)(length) << 16 | (uint32_t)(uint8_t)(second) << 8 | (uint32_t)(uint8_t)(eleventh))

static enum key
key_find(struct str name)
{
    size_t n = name.size_bytes;
    enum key key;
    if (n < 4 || n > 27)
        return KEY_COUNT;
    switch (NAME_KEY(n, name.data[1], n > 10 ? name.data[10] : 0)) {
#define KEY_CASE(id, text, second, eleventh)           \
    case NAME_KEY(sizeof(text) - 1, second, eleventh): \
        key = KEY_##id;                                \
        break;
        KEYS(KEY_CASE)
#undef KEY_CASE
    default:
        return KEY_COUNT;
    }
    return bytes_equal(name.data, key_names[key], n) ? key : KEY_COUNT;
}

/* Where the reader stands, for messages: "usage.", then the map's name and a dot. */
struct place {
    enum level level;
    struct str outer; /* empty on the top level */
};

#define PLACE_FMT "usage.%.*s%s%s"
#define PLACE_ARG(place, key) \
    STR_ARG((place)->outer), (place)->outer.size_bytes > 0 ? "." : "", key_names[key]

static bool
take_count(struct object *o, enum count c, const struct mp_value *v, const struct place *place,
           enum key key, struct event_defect *defect)
{
    uint64_t n;
    if (v->type == MP_NIL)
        return true;
    if (!mp_whole(v, &n) || n > EVENT_COUNT_MAX)
        return event_defect_set(defect, PLACE_FMT " is not a whole number in 0 to %" PRIu64,
                                PLACE_ARG(place, key), EVENT_COUNT_MAX);
    /* A key twice, or one count under two names: harmless only while they agree. */
    if (seen(o, c) && o->n[c] != n)
        return event_defect_set(defect,
                                PLACE_FMT " is %" PRIu64 ", but %" PRIu64 " was given before",
                                PLACE_ARG(place, key), n, o->n[c]);
    o->n[c] = n;
    o->seen |= (uint32_t)1 << c;
    return true;
}

static bool
take_text(struct object *o, enum text t, const struct mp_value *v, const struct place *place,
          enum key key, struct event_defect *defect)
{
    uint32_t bytes_max = t == T_MODEL ? EVENT_MODEL_BYTES_MAX : EVENT_TEXT_BYTES_MAX;
    if (v->type == MP_NIL)
        return true;
    if (v->type != MP_STR || v->count < 1 || v->count > bytes_max)
        return event_defect_set(defect, PLACE_FMT " is not a text of 1 to %u bytes",
                                PLACE_ARG(place, key), bytes_max);
    if (o->text[t].size_bytes > 0 && !str_equal(o->text[t], mp_str(v)))
        return event_defect_set(defect, PLACE_FMT " is given twice", PLACE_ARG(place, key));
    o->text[t] = mp_str(v);
    return true;
}

static bool
take_list(struct object *o, const struct mp *from, const struct mp_value *v,
          struct event_defect *defect)
{
    struct mp end = *from;
    if (v->type == MP_NIL)
        return true;
    if (v->type != MP_ARRAY || v->count > EVENT_ITERATIONS_MAX || !mp_skip(&end))
        return event_defect_set(defect, "usage.iterations is not an array of at most %d maps",
                                EVENT_ITERATIONS_MAX);
    if (o->list.size_bytes > 0)
        return event_defect_set(defect, "usage.iterations is given twice");
    o->list = (struct bytes){from->p, (size_t)(end.p - from->p)};
    return true;
}

/* Read one level; it calls itself for a map that holds wanted counts: at most three deep. */
static bool
read_level(struct mp *m, uint32_t pairs, const struct place *place, struct object *o,
           struct event_defect *defect)
{
    for (uint32_t i = 0; i < pairs; i++) {
        struct mp_value name, v;
        if (!mp_read(m, &name) || name.type != MP_STR)
            return event_defect_set(defect, "usage has a key that is not a text");
        struct mp peek = *m;
        if (!mp_read(&peek, &v))
            return event_defect_set(defect, "usage is not whole");
        enum key key = key_find(mp_str(&name));
        struct role role = key != KEY_COUNT ? roles[place->level][key] : (struct role){0};
        if (role.what == COUNT && !take_count(o, role.slot, &v, place, key, defect))
            return false;
        if (role.what == TEXT && !take_text(o, role.slot, &v, place, key, defect))
            return false;
        if (role.what == LIST && !take_list(o, m, &v, defect))
            return false;
        if (role.what == MAP && v.type != MP_MAP && v.type != MP_NIL)
            return event_defect_set(defect, PLACE_FMT " is not a map", PLACE_ARG(place, key));
        if (role.what == MAP && v.type == MP_MAP) {
            struct place inner = {role.slot, mp_str(&name)};
            *m = peek;
            if (!read_level(m, v.count, &inner, o, defect))
                return false;
        } else if (!mp_skip(m)) {
            return event_defect_set(defect, "usage is not whole");
        }
    }
    return true;
}

static bool
within(uint64_t part, const char *part_name, uint64_t whole, const char *whole_name,
       struct event_defect *defect)
{
    return part <= whole ||
           event_defect_set(defect, "usage: %s (%" PRIu64 ") exceed the %s (%" PRIu64 ")",
                            part_name, part, whole_name, whole);
}

/* Audio and image tokens inside what they are part of; the rest is text. */
static bool
split_openai(const struct object *o, struct event_usage *u, uint64_t input, uint64_t output,
             struct event_defect *defect)
{
    const uint64_t *n = o->n;
    uint64_t cached_media = n[N_CACHED_AUDIO] + n[N_CACHED_IMAGE];
    uint64_t cached = seen(o, N_CACHED) ? n[N_CACHED] : cached_media + n[N_CACHED_TEXT];
    if (!within(cached + n[N_WRITTEN], "cached and cache-write tokens", input, "input tokens",
                defect) ||
        !within(cached_media + n[N_CACHED_TEXT], "cached_tokens_details", cached, "cached tokens",
                defect) ||
        !within(n[N_AUDIO] + n[N_IMAGE] + n[N_TEXT], "input details", input, "input tokens",
                defect) ||
        !within(n[N_CACHED_AUDIO], "cached audio tokens", n[N_AUDIO], "audio tokens", defect) ||
        !within(n[N_CACHED_IMAGE], "cached image tokens", n[N_IMAGE], "image tokens", defect) ||
        !within(n[N_OUT_AUDIO] + n[N_OUT_IMAGE] + n[N_OUT_TEXT], "output details", output,
                "output tokens", defect))
        return false;
    uint64_t text = input - n[N_AUDIO] - n[N_IMAGE];
    uint64_t cached_text = cached - cached_media;
    if (!within(cached_text + n[N_WRITTEN],
                "cached and cache-write tokens that cached_tokens_details does not call audio or "
                "image",
                text, "text tokens", defect))
        return false;
    u->tokens[EVENT_INPUT] = text - cached_text - n[N_WRITTEN];
    u->tokens[EVENT_CACHE_READ] = cached_text;
    u->tokens[EVENT_CACHE_WRITE] = n[N_WRITTEN];
    u->tokens[EVENT_OUTPUT] = output - n[N_OUT_AUDIO] - n[N_OUT_IMAGE];
    u->tokens[EVENT_INPUT_AUDIO] = n[N_AUDIO] - n[N_CACHED_AUDIO];
    u->tokens[EVENT_CACHE_READ_AUDIO] = n[N_CACHED_AUDIO];
    u->tokens[EVENT_OUTPUT_AUDIO] = n[N_OUT_AUDIO];
    u->tokens[EVENT_INPUT_IMAGE] = n[N_IMAGE] - n[N_CACHED_IMAGE];
    u->tokens[EVENT_CACHE_READ_IMAGE] = n[N_CACHED_IMAGE];
    u->tokens[EVENT_OUTPUT_IMAGE] = n[N_OUT_IMAGE];
    u->media = (n[N_AUDIO] | n[N_IMAGE] | n[N_OUT_AUDIO] | n[N_OUT_IMAGE]) != 0;
    return within(n[N_REASONING], "reasoning tokens", u->tokens[EVENT_OUTPUT],
                  "output tokens that are neither audio nor image", defect);
}

/* One count under two names. */
static bool
merge(const struct object *o, enum count a, const char *a_name, enum count b, const char *b_name,
      uint64_t *ret, struct event_defect *defect)
{
    if (seen(o, a) && seen(o, b) && o->n[a] != o->n[b])
        return event_defect_set(defect, "usage.%s is %" PRIu64 ", but %s is %" PRIu64, a_name,
                                o->n[a], b_name, o->n[b]);
    *ret = seen(o, a) ? o->n[a] : o->n[b];
    return true;
}

/* Chat completions, responses, realtime, embeddings, images: what is cached is inside the input. */
static bool
from_openai(const struct object *o, struct event_usage *u, struct event_defect *defect)
{
    uint64_t input = 0, output = 0;
    if (!merge(o, N_INPUT, "input_tokens", N_PROMPT, "prompt_tokens", &input, defect) ||
        !merge(o, N_OUTPUT, "output_tokens", N_COMPLETION, "completion_tokens", &output, defect))
        return false;
    if (!seen(o, N_INPUT) && !seen(o, N_PROMPT))
        return event_defect_set(defect, "usage has neither prompt_tokens nor input_tokens");
    /* Reading Anthropic's object by these rules would lose its cache tokens without a word. */
    if (o->n[N_READ] > 0 || o->n[N_NEW] > 0 || o->n[N_5M] > 0 || o->n[N_1H] > 0 ||
        o->list.size_bytes > 0)
        return event_defect_set(defect, "usage.%s is provider anthropic's, but provider differs",
                                o->n[N_READ] > 0         ? "cache_read_input_tokens"
                                : o->n[N_NEW] > 0        ? "cache_creation_input_tokens"
                                : o->list.size_bytes > 0 ? "iterations"
                                                         : "cache_creation");
    return split_openai(o, u, input, output, defect);
}

/* Cache reads and writes stand beside the input; writes split by cache life. */
static bool
message_tokens(const struct object *o, uint64_t tokens[EVENT_CLASSES], struct event_defect *defect)
{
    const uint64_t *n = o->n;
    uint64_t split = n[N_5M] + n[N_1H];
    if (seen(o, N_NEW) && split > n[N_NEW])
        return event_defect_set(defect,
                                "usage: cache_creation split (%" PRIu64
                                ") exceeds cache_creation_input_tokens (%" PRIu64 ")",
                                split, n[N_NEW]);
    tokens[EVENT_INPUT] += n[N_INPUT];
    tokens[EVENT_CACHE_READ] += n[N_READ];
    /* What the split does not cover was written for five minutes, the default life. */
    tokens[EVENT_CACHE_WRITE] += seen(o, N_NEW) ? n[N_NEW] - n[N_1H] : n[N_5M];
    tokens[EVENT_CACHE_WRITE_1H] += n[N_1H];
    tokens[EVENT_OUTPUT] += n[N_OUTPUT];
    return true;
}

static bool
read_iteration(struct mp *m, struct object *o, struct event_defect *defect)
{
    const struct place place = {ITERATION, str_of("iterations[]")};
    struct mp_value head;
    *o = (struct object){0};
    if (!mp_read(m, &head) || head.type != MP_MAP)
        return event_defect_set(defect, "usage.iterations holds what is not a map");
    return read_level(m, head.count, &place, o, defect);
}

/*
 * A refused attempt of a call that went on to another model is listed but not
 * charged: it has no output.  schemas/event.md, "Iterations".
 */
static bool
is_declined(const struct object *o)
{
    return o->n[N_OUTPUT] == 0 && !str_is(o->text[T_TYPE], "compaction") &&
           !str_is(o->text[T_TYPE], "advisor_message");
}

/* What the call as a whole says it used must be found in its passes, or some are missing. */
static bool
check_passes(const struct object *call, const uint64_t charged[EVENT_CLASSES],
             const uint64_t declined[EVENT_CLASSES], struct event_defect *defect)
{
    uint64_t top[EVENT_CLASSES] = {0}, sum[EVENT_TEXT_CLASSES];
    if (!message_tokens(call, top, defect))
        return false;
    for (size_t c = 0; c < EVENT_TEXT_CLASSES; c++)
        sum[c] = charged[c] + declined[c];
    return within(top[EVENT_INPUT], "input tokens", sum[EVENT_INPUT], "iterations'", defect) &&
           within(top[EVENT_CACHE_READ], "cache-read tokens", sum[EVENT_CACHE_READ], "iterations'",
                  defect) &&
           within(top[EVENT_CACHE_WRITE] + top[EVENT_CACHE_WRITE_1H], "cache-write tokens",
                  sum[EVENT_CACHE_WRITE] + sum[EVENT_CACHE_WRITE_1H], "iterations'", defect) &&
           within(top[EVENT_OUTPUT], "output tokens", sum[EVENT_OUTPUT], "iterations'", defect);
}

static bool
sum_iterations(const struct object *call, struct event_usage *u, struct event_defect *defect)
{
    struct mp m = mp_of(call->list);
    struct mp_value head;
    uint64_t declined[EVENT_CLASSES] = {0};
    if (!mp_read(&m, &head))
        return event_defect_set(defect, "usage is not whole");
    for (uint32_t i = 0; i < head.count; i++) {
        struct object o;
        if (!read_iteration(&m, &o, defect) ||
            !message_tokens(&o, is_declined(&o) ? declined : u->tokens, defect))
            return false;
        bool fallback = str_is(o.text[T_TYPE], "fallback_message");
        /* Only the called model's own passes may leave their model out. */
        if (o.text[T_MODEL].size_bytes == 0 &&
            (fallback || str_is(o.text[T_TYPE], "advisor_message")))
            return event_defect_set(defect, "usage.iterations[%u] is a %.*s without a model", i,
                                    STR_ARG(o.text[T_TYPE]));
        u->fallback = u->fallback || fallback;
    }
    if (!check_passes(call, u->tokens, declined, defect))
        return false;
    for (size_t c = 0; c < EVENT_TEXT_CLASSES; c++) {
        u->tokens[c] += u->fallback ? 0 : declined[c];
        if (u->tokens[c] > EVENT_COUNT_MAX)
            return event_defect_set(defect, "usage.iterations add up to over %" PRIu64 " tokens",
                                    EVENT_COUNT_MAX);
    }
    u->iterations = call->list;
    return true;
}

static bool
from_anthropic(const struct object *o, struct event_usage *u, struct event_defect *defect)
{
    struct mp m = mp_of(o->list);
    struct mp_value head = {.count = 0};
    if (o->list.size_bytes > 0 && !mp_read(&m, &head))
        return event_defect_set(defect, "usage is not whole");
    if (!seen(o, N_INPUT) && head.count == 0)
        return event_defect_set(defect, "usage has no input_tokens");
    if (o->n[N_CACHED] > 0 || o->n[N_WRITTEN] > 0)
        return event_defect_set(defect,
                                "usage has cached tokens inside its input, which is not how "
                                "provider anthropic counts");
    if (!(head.count > 0 ? sum_iterations(o, u, defect) : message_tokens(o, u->tokens, defect)))
        return false;
    return within(o->n[N_REASONING], "reasoning tokens", u->tokens[EVENT_OUTPUT], "output tokens",
                  defect);
}

bool
event_usage_from_provider(struct str provider, struct bytes object, struct event_usage *usage,
                          struct event_defect *defect)
{
    const struct place top = {TOP, {0}};
    struct object o = {.seen = 0};
    struct mp m = mp_of(object);
    struct mp_value head;
    if (!mp_read(&m, &head) || head.type != MP_MAP)
        return event_defect_set(defect, "usage is not a map");
    if (!read_level(&m, head.count, &top, &o, defect))
        return false;
    for (size_t c = 0; c < EVENT_CLASSES; c++)
        usage->tokens[c] = 0;
    usage->media = false;
    usage->fallback = false;
    usage->iterations = (struct bytes){0};
    usage->reasoning_tokens = o.n[N_REASONING];
    usage->fees[EVENT_WEB_SEARCH] = o.n[N_SEARCHES];
    usage->fees[EVENT_WEB_FETCH] = o.n[N_FETCHES];
    usage->charged_uses = o.n[N_SEARCHES] > 0 || o.n[N_FETCHES] > 0;
    usage->tier = o.text[T_TIER];
    usage->region = o.text[T_GEO];
    usage->speed = o.text[T_SPEED];
    return str_is(provider, "anthropic") ? from_anthropic(&o, usage, defect)
                                         : from_openai(&o, usage, defect);
}

void
event_parts_begin(struct event_parts *parts, const struct event_usage *usage)
{
    struct mp_value head = {.count = 0};
    *parts = (struct event_parts){.usage = usage, .m = mp_of(usage->iterations)};
    if (usage->iterations.size_bytes > 0 && !mp_read(&parts->m, &head))
        assert(false && "checked when the event was parsed");
    parts->left = head.count;
}

bool
event_parts_next(struct event_parts *parts, struct event_usage *ret)
{
    const struct event_usage *u = parts->usage;
    struct event_defect defect;
    while (parts->left > 0) {
        struct object o;
        parts->left--;
        *ret = (struct event_usage){.provider = u->provider,
                                    .model = u->model,
                                    .tier = u->tier,
                                    .region = u->region,
                                    .speed = u->speed,
                                    .estimated = u->estimated};
        if (!read_iteration(&parts->m, &o, &defect) || !message_tokens(&o, ret->tokens, &defect))
            assert(false && "checked when the event was parsed");
        if (o.text[T_MODEL].size_bytes > 0)
            ret->model = o.text[T_MODEL];
        if (!u->fallback || !is_declined(&o))
            return true;
    }
    return false;
}
