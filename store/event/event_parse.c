#include "store/event/event_fields.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "store/base/money.h"
#include "store/base/utf8.h"
#include "store/event/event_plain.h"

/* A record while it is parsed: one slot per field, and which are filled. */
struct slots {
    uint64_t filled; /* bit per field */
    bool stored;     /* read from the log: what the texts and maps hold was checked before */
    struct mp_value value[FIELD_COUNT];
    struct bytes raw[FIELD_COUNT]; /* the value's bytes, for maps */
};

_Static_assert(FIELD_COUNT <= 64, "one bit per field");

static bool
has(const struct slots *s, enum event_field f)
{
    return (s->filled >> f & 1) != 0;
}

static struct str
text_of(const struct slots *s, enum event_field f)
{
    return has(s, f) ? mp_str(&s->value[f]) : (struct str){0};
}

static uint64_t
whole_of(const struct slots *s, enum event_field f)
{
    uint64_t v = 0;
    if (has(s, f) && !mp_whole(&s->value[f], &v))
        assert(false && "checked by check_value");
    return v;
}

/* Whole, signed. */
static bool
signed_whole(const struct mp_value *v, int64_t *ret)
{
    uint64_t u;
    if (v->type == MP_INT) {
        *ret = v->i;
        return true;
    }
    if (v->type == MP_FLOAT && v->f < 0 && v->f >= -9007199254740992.0) {
        *ret = (int64_t)v->f;
        return (double)*ret == v->f;
    }
    if (!mp_whole(v, &u) || u > INT64_MAX)
        return false;
    *ret = (int64_t)u;
    return true;
}

static bool
text_ok(struct str s)
{
    return utf8_text_ok((const uint8_t *)s.data, s.size_bytes);
}

static bool
check_text(const struct mp_value *v, const char *name, size_t bytes_max, bool stored,
           struct event_defect *defect)
{
    if (v->type != MP_STR)
        return event_defect_set(defect, "%s is not a text", name);
    if (v->count < 1 || v->count > bytes_max)
        return event_defect_set(defect, "%s has %u bytes, must have 1 to %zu", name, v->count,
                                bytes_max);
    if (!stored && !text_ok(mp_str(v)))
        return event_defect_set(defect, "%s is not UTF-8 or has a control character", name);
    return true;
}

bool
event_time_value(const struct mp_value *v, int64_t *ret_utc_ms)
{
    uint64_t ms;
    if (v->type == MP_STR)
        return v->count < TIME_TEXT_BYTES * 2 && time_parse(mp_str(v), ret_utc_ms);
    if (!mp_whole(v, &ms) || ms >= (uint64_t)TIME_MAX_MS)
        return false;
    *ret_utc_ms = (int64_t)ms;
    return true;
}

/* ISO 4217's form; which currencies there are is the plan book's business. */
static bool
check_currency(const struct mp_value *v, const char *name, struct event_defect *defect)
{
    bool ok = v->type == MP_STR && v->count == 3;
    for (uint32_t i = 0; ok && i < 3; i++)
        ok = v->data[i] >= 'A' && v->data[i] <= 'Z';
    return ok || event_defect_set(defect, "%s is not a code of three capital letters", name);
}

/* A text, since a float of msgpack would not be the number that was written. */
static bool
check_percent(const struct mp_value *v, const char *name, struct event_defect *defect)
{
    int64_t millionths = 0;
    bool ok = v->type == MP_STR && v->count > 0 && v->count <= EVENT_TEXT_BYTES_MAX &&
              v->data[0] >= '0' && v->data[0] <= '9' && money_parse(mp_str(v), 6, &millionths) &&
              millionths <= 100000000;
    return ok || event_defect_set(defect, "%s is no decimal text of 0 to 100", name);
}

/*
 * What stands inside a map is bounded too: a map is no place for content, and all
 * of it must have a form in JSON.
 */
static bool
check_leaf(const struct mp_value *v, const char *name, struct event_defect *defect)
{
    if (v->type == MP_BIN || v->type == MP_EXT)
        return event_defect_set(defect, "%s holds binary data", name);
    if (v->type == MP_FLOAT && !isfinite(v->f))
        return event_defect_set(defect, "%s holds a number that is not finite", name);
    if (v->type == MP_STR && v->count > EVENT_REASON_BYTES_MAX)
        return event_defect_set(defect, "%s holds a text of %u bytes, limit is %d", name, v->count,
                                EVENT_REASON_BYTES_MAX);
    if (v->type == MP_STR && !text_ok(mp_str(v)))
        return event_defect_set(
            defect, "%s holds a text that is not UTF-8 or has a control character", name);
    return true;
}

static bool
check_leaves(struct mp m, const char *name, struct event_defect *defect)
{
    while (m.p < m.end) {
        struct mp_value v;
        if (!mp_read(&m, &v))
            return event_defect_set(defect, "%s is not whole", name);
        if (!check_leaf(&v, name, defect))
            return false;
    }
    return true;
}

static bool
check_metadata(struct mp m, const char *name, struct event_defect *defect)
{
    struct mp_value head, key, v;
    if (!mp_read(&m, &head))
        return event_defect_set(defect, "%s is not whole", name);
    if (head.count > EVENT_METADATA_PAIRS_MAX)
        return event_defect_set(defect, "%s has %u pairs, limit is %d", name, head.count,
                                EVENT_METADATA_PAIRS_MAX);
    for (uint32_t i = 0; i < head.count; i++) {
        if (!mp_read(&m, &key) || key.type != MP_STR)
            return event_defect_set(defect, "%s has a key that is not a text", name);
        if (!mp_read(&m, &v) || v.type == MP_MAP || v.type == MP_ARRAY)
            return event_defect_set(defect, "%s holds a map or an array", name);
        if (!check_leaf(&key, name, defect) || !check_leaf(&v, name, defect))
            return false;
    }
    return true;
}

static bool
check_map(const struct slots *s, enum event_field f, enum event_field_type type,
          struct event_defect *defect)
{
    const char *name = event_field_name(f);
    const struct mp_value *v = &s->value[f];
    if (v->type != MP_MAP && !(type == FIELD_SETTING && v->type == MP_ARRAY))
        return event_defect_set(defect, "%s is not a map%s", name,
                                type == FIELD_SETTING ? " or an array" : "");
    size_t bytes_max = type == FIELD_OBJECT ? EVENT_OBJECT_BYTES_MAX : EVENT_MAP_BYTES_MAX;
    if (s->raw[f].size_bytes > bytes_max)
        return event_defect_set(defect, "%s has %zu bytes, limit is %zu", name,
                                s->raw[f].size_bytes, bytes_max);
    struct mp m = mp_of(s->raw[f]);
    if (s->stored)
        return true;
    return type == FIELD_SCALAR_MAP ? check_metadata(m, name, defect)
                                    : check_leaves(m, name, defect);
}

static bool
check_value(const struct slots *s, enum event_field f, enum event_field_type type,
            struct event_defect *defect)
{
    const char *name = event_field_name(f);
    const struct mp_value *v = &s->value[f];
    int64_t i;
    uint64_t u;
    switch (type) {
    case FIELD_TEXT:
        return check_text(v, name, EVENT_TEXT_BYTES_MAX, s->stored, defect);
    case FIELD_MODEL_TEXT:
        return check_text(v, name, EVENT_MODEL_BYTES_MAX, s->stored, defect);
    case FIELD_REASON_TEXT:
        return check_text(v, name, EVENT_REASON_BYTES_MAX, s->stored, defect);
    case FIELD_CURRENCY_TEXT:
        return check_currency(v, name, defect);
    case FIELD_PERCENT_TEXT:
        return check_percent(v, name, defect);
    case FIELD_WHOLE:
        if (!mp_whole(v, &u) || u > EVENT_COUNT_MAX)
            return event_defect_set(defect, "%s is not a whole number in 0 to %" PRIu64, name,
                                    EVENT_COUNT_MAX);
        return true;
    case FIELD_SIGNED:
        if (!signed_whole(v, &i) || i > EVENT_MINOR_MAX || i < -EVENT_MINOR_MAX)
            return event_defect_set(
                defect, "%s is not a whole number of minor units in -%" PRId64 " to %" PRId64, name,
                EVENT_MINOR_MAX, EVENT_MINOR_MAX);
        return true;
    case FIELD_TIME:
        if (!event_time_value(v, &i))
            return event_defect_set(defect, "%s is neither an RFC 3339 time nor milliseconds",
                                    name);
        return true;
    case FIELD_DURATION:
        if (!(mp_whole(v, &u) && u <= EVENT_COUNT_MAX) &&
            !(v->type == MP_FLOAT && v->f >= 0 && v->f <= (double)EVENT_COUNT_MAX))
            return event_defect_set(defect, "%s is not a duration in milliseconds", name);
        return true;
    case FIELD_OUTCOME:
        return v->type == MP_STR ? check_text(v, name, EVENT_TEXT_BYTES_MAX, s->stored, defect)
                                 : (signed_whole(v, &i) ||
                                    event_defect_set(defect, "%s is no text and no number", name));
    case FIELD_BOOL:
        return v->type == MP_BOOL || event_defect_set(defect, "%s is not true or false", name);
    case FIELD_OBJECT:
    case FIELD_SCALAR_MAP:
    case FIELD_SETTING:
        return check_map(s, f, type, defect);
    case FIELD_UNDECLARED:
        break;
    }
    return event_defect_set(defect, "%s is not declared", name);
}

/* Read a value of any kind into its slot.  Returns the place behind it, or NULL. */
static const uint8_t *
fill_slot(struct slots *s, enum event_field f, enum event_field_type type, const uint8_t *p,
          const uint8_t *end, struct event_defect *defect)
{
    struct mp_value v;
    const uint8_t *after = mp_take(p, end, &v);
    if (after != NULL && (v.type == MP_MAP || v.type == MP_ARRAY)) {
        struct mp m = {p, end};
        after = mp_skip_inside(&m, EVENT_OUTER_LEVELS) ? m.p : NULL;
    }
    const char *wrong = after == NULL ? "is not whole or nested too deep"
                        : has(s, f)   ? "is given twice"
                                      : NULL;
    if (wrong != NULL) {
        if (event_defect_set(defect, "%s %s", event_field_name(f), wrong))
            assert(false);
        return NULL;
    }
    if (v.type == MP_NIL)
        return after;
    s->value[f] = v;
    s->raw[f] = (struct bytes){p, (size_t)(after - p)};
    s->filled |= (uint64_t)1 << f;
    return check_value(s, f, type, defect) ? after : NULL;
}

/* A field that the kind does not declare: stepped over and counted. */
static const uint8_t *
skip_undeclared(const struct mp_value *key, const uint8_t *p, const uint8_t *end,
                struct event_defect *defect)
{
    struct mp m = {p, end};
    bool ok = key->type == MP_MAP || key->type == MP_ARRAY
                  ? event_defect_set(defect, "a key of the record is a map or an array")
                  : mp_skip_inside(&m, EVENT_OUTER_LEVELS) ||
                        event_defect_set(defect, "the record is not whole or nested too deep");
    return ok ? m.p : NULL;
}

/* Fill the slots from the map; nil is the same as absent. */
static bool
fill(struct slots *s, const uint8_t *types, struct mp *m, uint32_t *ret_undeclared,
     struct event_defect *defect)
{
    struct mp_value head, key;
    uint32_t undeclared = 0;
    s->filled = 0;
    if (!mp_read(m, &head) || head.type != MP_MAP)
        return event_defect_set(defect, "the record is not a map");
    const uint8_t *p = m->p, *end = m->end;
    for (uint32_t i = 0; i < head.count; i++) {
        p = mp_take(p, end, &key);
        if (p == NULL)
            return event_defect_set(defect, "the record is not whole");
        enum event_field f = key.type == MP_STR ? event_field_find(mp_str(&key)) : FIELD_COUNT;
        if (f != FIELD_COUNT && types[f] != FIELD_UNDECLARED) {
            enum event_field_type type = (enum event_field_type)(types[f] & ~FIELD_REQUIRED);
            p = fill_slot(s, f, type, p, end, defect);
        } else {
            p = skip_undeclared(&key, p, end, defect);
            undeclared++;
        }
        if (p == NULL)
            return false;
    }
    m->p = p;
    *ret_undeclared = undeclared;
    return true;
}

static bool
check_required(const struct slots *s, uint64_t required, struct event_defect *defect)
{
    uint64_t missing = required & ~s->filled;
    return missing == 0 ||
           event_defect_set(defect, "%s is missing",
                            event_field_name((enum event_field)__builtin_ctzll(missing)));
}

/* A status of 400 and above, or one of these words, is a failed call. */
bool
event_status_failed(const struct mp_value *status)
{
    int64_t code;
    if (status->type == MP_STR) {
        struct str s = mp_str(status);
        return str_is(s, "error") || str_is(s, "failed") || str_is(s, "failure") ||
               str_is(s, "timeout");
    }
    return signed_whole(status, &code) && code >= 400;
}

#define BIT(slot) ((uint64_t)1 << FIELD_##slot)
#define TEXT_COUNTS                                                                    \
    (BIT(INPUT) | BIT(OUTPUT) | BIT(CACHED) | BIT(CACHE_WRITE) | BIT(CACHE_WRITE_1H) | \
     BIT(REASONING))
#define MEDIA_COUNTS                                                               \
    (BIT(AUDIO_INPUT) | BIT(AUDIO_CACHED) | BIT(AUDIO_OUTPUT) | BIT(IMAGE_INPUT) | \
     BIT(IMAGE_CACHED) | BIT(IMAGE_OUTPUT))
#define FEE_COUNTS (BIT(WEB_SEARCHES) | BIT(WEB_FETCHES) | BIT(FILE_SEARCHES) | BIT(CODE_SESSIONS))

static enum event_field
first_of(uint64_t fields)
{
    return (enum event_field)__builtin_ctzll(fields);
}

static bool
is_anthropic(const struct event_usage *u)
{
    return str_is(u->provider, "anthropic");
}

static bool
within(uint64_t part, const char *part_name, uint64_t whole, const char *whole_name,
       struct event_defect *defect)
{
    return part <= whole || event_defect_set(defect, "%s (%" PRIu64 ") exceed %s (%" PRIu64 ")",
                                             part_name, part, whole_name, whole);
}

/* Audio and image tokens stand inside the input, the cached input and the output. */
static bool
media_from_counts(const struct slots *s, struct event_usage *u, struct event_defect *defect)
{
    uint64_t audio = whole_of(s, FIELD_AUDIO_INPUT), image = whole_of(s, FIELD_IMAGE_INPUT);
    uint64_t audio_cached = whole_of(s, FIELD_AUDIO_CACHED);
    uint64_t image_cached = whole_of(s, FIELD_IMAGE_CACHED);
    uint64_t audio_out = whole_of(s, FIELD_AUDIO_OUTPUT);
    uint64_t image_out = whole_of(s, FIELD_IMAGE_OUTPUT);
    if (is_anthropic(u))
        return event_defect_set(defect, "%s is given, but provider anthropic has no such tokens",
                                event_field_name(first_of(s->filled & MEDIA_COUNTS)));
    if (!within(audio_cached, "audioCachedInputTokens", audio, "audioInputTokens", defect) ||
        !within(image_cached, "imageCachedInputTokens", image, "imageInputTokens", defect) ||
        !within(audio_cached + image_cached, "cached audio and image tokens",
                u->tokens[EVENT_CACHE_READ], "cachedInputTokens", defect) ||
        !within(audio - audio_cached + image - image_cached, "uncached audio and image tokens",
                u->tokens[EVENT_INPUT], "the input tokens that are neither cached nor written",
                defect) ||
        !within(audio_out + image_out, "audio and image output tokens", u->tokens[EVENT_OUTPUT],
                "outputTokens", defect))
        return false;
    u->media = true;
    u->tokens[EVENT_INPUT] -= audio - audio_cached + image - image_cached;
    u->tokens[EVENT_CACHE_READ] -= audio_cached + image_cached;
    u->tokens[EVENT_OUTPUT] -= audio_out + image_out;
    u->tokens[EVENT_INPUT_AUDIO] = audio - audio_cached;
    u->tokens[EVENT_CACHE_READ_AUDIO] = audio_cached;
    u->tokens[EVENT_OUTPUT_AUDIO] = audio_out;
    u->tokens[EVENT_INPUT_IMAGE] = image - image_cached;
    u->tokens[EVENT_CACHE_READ_IMAGE] = image_cached;
    u->tokens[EVENT_OUTPUT_IMAGE] = image_out;
    return true;
}

/*
 * Counts given by hand follow the provider's own convention (schemas/event.md):
 * Anthropic counts cache reads and writes beside its input, all others inside.
 */
static bool
usage_from_counts(const struct slots *s, struct event_usage *u, struct event_defect *defect)
{
    uint64_t input = whole_of(s, FIELD_INPUT), cached = whole_of(s, FIELD_CACHED);
    uint64_t write = whole_of(s, FIELD_CACHE_WRITE);
    uint64_t write_1h = whole_of(s, FIELD_CACHE_WRITE_1H);
    uint64_t inside = cached + write + write_1h;
    if (inside > 0 && !is_anthropic(u)) {
        if (!within(inside, "cached and cache-write tokens", input, "inputTokens", defect))
            return false;
        input -= inside;
    }
    u->tokens[EVENT_INPUT] = input;
    u->tokens[EVENT_CACHE_READ] = cached;
    u->tokens[EVENT_CACHE_WRITE] = write;
    u->tokens[EVENT_CACHE_WRITE_1H] = write_1h;
    u->tokens[EVENT_OUTPUT] = whole_of(s, FIELD_OUTPUT);
    u->reasoning_tokens = whole_of(s, FIELD_REASONING);
    if ((s->filled & MEDIA_COUNTS) != 0 && !media_from_counts(s, u, defect))
        return false;
    return within(u->reasoning_tokens, "reasoningTokens", u->tokens[EVENT_OUTPUT],
                  "the text of outputTokens", defect);
}

/* Uses that are charged by the piece; OpenAI's usage objects do not tell of them. */
static bool
take_fees(const struct slots *s, struct event_usage *u, struct event_defect *defect)
{
    static const enum event_field fields[EVENT_FEES] = {
        [EVENT_WEB_SEARCH] = FIELD_WEB_SEARCHES,
        [EVENT_WEB_FETCH] = FIELD_WEB_FETCHES,
        [EVENT_FILE_SEARCH] = FIELD_FILE_SEARCHES,
        [EVENT_CODE_SESSION] = FIELD_CODE_SESSIONS,
    };
    for (size_t i = 0; i < EVENT_FEES; i++) {
        uint64_t given = whole_of(s, fields[i]);
        if (!has(s, fields[i]))
            continue;
        if (u->fees[i] != 0 && u->fees[i] != given)
            return event_defect_set(defect, "%s is %" PRIu64 ", but usage says %" PRIu64,
                                    event_field_name(fields[i]), given, u->fees[i]);
        u->fees[i] = given;
        u->charged_uses = true;
    }
    return true;
}

static bool
usage_from_object(const struct slots *s, struct event_usage *u, struct event_defect *defect)
{
    uint64_t counts = s->filled & (TEXT_COUNTS | MEDIA_COUNTS);
    struct str tier = u->tier, region = u->region, speed = u->speed;
    if (counts != 0)
        return event_defect_set(defect, "both usage and %s are given",
                                event_field_name(first_of(counts)));
    if (!event_usage_from_provider(u->provider, s->raw[FIELD_USAGE], u, defect))
        return false;
    if (tier.size_bytes > 0)
        u->tier = tier;
    if (region.size_bytes > 0)
        u->region = region;
    if (speed.size_bytes > 0)
        u->speed = speed;
    return true;
}

/* One side of a call: its count, or what to estimate it from.  No part without its whole. */
static bool
take_side(const struct slots *s, struct event_usage *u, enum event_side side,
          struct event_defect *defect)
{
    static const struct {
        enum event_field count, bytes;
        uint64_t parts;
    } sides[EVENT_SIDES] = {
        [EVENT_SENT] = {FIELD_INPUT, FIELD_INPUT_BYTES,
                        BIT(CACHED) | BIT(CACHE_WRITE) | BIT(CACHE_WRITE_1H) | BIT(AUDIO_INPUT) |
                            BIT(AUDIO_CACHED) | BIT(IMAGE_INPUT) | BIT(IMAGE_CACHED)},
        [EVENT_RECEIVED] = {FIELD_OUTPUT, FIELD_OUTPUT_BYTES,
                            BIT(REASONING) | BIT(AUDIO_OUTPUT) | BIT(IMAGE_OUTPUT)},
    };
    const char *name = event_field_name(sides[side].count);
    uint64_t parts = s->filled & sides[side].parts;
    if (has(s, sides[side].count))
        return true;
    if (!has(s, sides[side].bytes))
        return event_defect_set(defect, "%s is missing (or give usage, or %s)", name,
                                event_field_name(sides[side].bytes));
    if (parts != 0)
        return event_defect_set(defect, "%s is given without %s", event_field_name(first_of(parts)),
                                name);
    if (u->bytes[side] > 0)
        u->uncounted |= (uint8_t)(1U << side);
    return true;
}

static bool
take_usage(const struct slots *s, struct event *e, struct event_defect *defect)
{
    struct event_usage *u = &e->usage;
    *u = (struct event_usage){
        .user = text_of(s, FIELD_USER),
        .project = text_of(s, FIELD_PROJECT),
        .type = text_of(s, FIELD_TYPE),
        .provider = text_of(s, FIELD_PROVIDER),
        .model = text_of(s, FIELD_MODEL),
        .tier = text_of(s, FIELD_TIER),
        .region = text_of(s, FIELD_REGION),
        .speed = text_of(s, FIELD_SPEED),
        .estimated = has(s, FIELD_ESTIMATED) && s->value[FIELD_ESTIMATED].b,
        .failed = has(s, FIELD_STATUS) && event_status_failed(&s->value[FIELD_STATUS]),
    };
    if (has(s, FIELD_LATENCY)) {
        const struct mp_value *v = &s->value[FIELD_LATENCY];
        uint64_t ms;
        u->latency_us = mp_whole(v, &ms) ? ms * 1000 : (uint64_t)(v->f * 1000 + 0.5);
    }
    u->bytes[EVENT_SENT] = whole_of(s, FIELD_INPUT_BYTES);
    u->bytes[EVENT_RECEIVED] = whole_of(s, FIELD_OUTPUT_BYTES);
    bool ok = has(s, FIELD_USAGE)
                  ? usage_from_object(s, u, defect)
                  : take_side(s, u, EVENT_SENT, defect) &&
                        take_side(s, u, EVENT_RECEIVED, defect) && usage_from_counts(s, u, defect);
    return ok && ((s->filled & FEE_COUNTS) == 0 || take_fees(s, u, defect));
}

static bool
not_one_of(struct event_defect *defect, enum event_field f, struct str value, const char *choices)
{
    return event_defect_set(defect, "%s is \"%.*s\", must be one of: %s", event_field_name(f),
                            STR_ARG(value), choices);
}

static bool
take_resource(const struct slots *s, struct event *e, struct event_defect *defect)
{
    struct str type = text_of(s, FIELD_RESOURCE), action = text_of(s, FIELD_ACTION);
    e->resource = (struct event_resource){.resource = text_of(s, FIELD_RESOURCE_ID)};
    int t = 0;
    while (t < EVENT_RESOURCE_TYPES &&
           !str_is(type, event_resource_type_name((enum event_resource_type)t)))
        t++;
    if (t == EVENT_RESOURCE_TYPES)
        return not_one_of(defect, FIELD_RESOURCE, type, "project, document, member");
    e->resource.type = (enum event_resource_type)t;
    e->resource.created = str_is(action, "created");
    return e->resource.created || str_is(action, "deleted") ||
           not_one_of(defect, FIELD_ACTION, action, "created, deleted");
}

static bool
take_action(struct str word, struct event_subscription *sub, struct event_defect *defect)
{
    static const struct {
        const char *word;
        enum event_subscription_action action;
    } actions[] = {{"started", EVENT_PLAN_SET},         {"changed", EVENT_PLAN_SET},
                   {"cancelled", EVENT_PLAN_CANCELLED}, {"paused", EVENT_PLAN_PAUSED},
                   {"resumed", EVENT_PLAN_RESUMED},     {"settings", EVENT_PLAN_SETTINGS}};
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (str_is(word, actions[i].word)) {
            sub->action = actions[i].action;
            return true;
        }
    }
    return not_one_of(defect, FIELD_ACTION, word,
                      "started, changed, cancelled, paused, resumed, settings");
}

static bool
take_time(const struct slots *s, enum event_field f, int64_t *ret, struct event_defect *defect)
{
    if (!has(s, f))
        return true;
    if (!event_time_value(&s->value[f], ret))
        return event_defect_set(defect, "%s is no time", event_field_name(f));
    return (*ret >= 0 && *ret < TIME_MAX_MS) ||
           event_defect_set(defect, "%s lies outside 1970 to 9999", event_field_name(f));
}

static bool
take_subscription(const struct slots *s, struct event *e, struct event_defect *defect)
{
    struct event_subscription *sub = &e->subscription;
    struct str when = text_of(s, FIELD_WHEN);
    *sub = (struct event_subscription){.action = EVENT_PLAN_SET,
                                       .plan = text_of(s, FIELD_PLAN),
                                       .currency = text_of(s, FIELD_CURRENCY),
                                       .effective_ms = e->time_utc_ms,
                                       .anchor_ms = EVENT_TIME_NONE,
                                       .trial_end_ms = EVENT_TIME_NONE,
                                       .tax_percent = text_of(s, FIELD_TAX_PERCENT)};
    if (!take_time(s, FIELD_EFFECTIVE_AT, &sub->effective_ms, defect) ||
        !take_time(s, FIELD_ANCHOR, &sub->anchor_ms, defect) ||
        !take_time(s, FIELD_TRIAL_END, &sub->trial_end_ms, defect))
        return false;
    if (has(s, FIELD_ACTION) && !take_action(text_of(s, FIELD_ACTION), sub, defect))
        return false;
    sub->at_period_end = str_is(when, "periodEnd");
    if (has(s, FIELD_WHEN) && !sub->at_period_end && !str_is(when, "now"))
        return not_one_of(defect, FIELD_WHEN, when, "now, periodEnd");
    if (sub->at_period_end && sub->action != EVENT_PLAN_SET && sub->action != EVENT_PLAN_CANCELLED)
        return event_defect_set(defect,
                                "when is periodEnd, which only a change or cancellation can be");
    if (sub->action == EVENT_PLAN_SET && sub->plan.size_bytes == 0)
        return event_defect_set(defect, "plan is missing");
    return true;
}

static bool
take_other(const struct slots *s, struct event *e, struct event_defect *defect)
{
    int64_t amount = 0;
    if (has(s, FIELD_AMOUNT) && !signed_whole(&s->value[FIELD_AMOUNT], &amount))
        return event_defect_set(defect, "amount is not whole");
    switch (e->kind) {
    case EVENT_BUDGET:
        e->budget = (struct event_budget){.has_monthly = has(s, FIELD_MONTHLY_BUDGET),
                                          .monthly_cents = whole_of(s, FIELD_MONTHLY_BUDGET)};
        return true;
    case EVENT_ADJUSTMENT:
        e->adjustment = (struct event_adjustment){.amount_minor = amount,
                                                  .currency = text_of(s, FIELD_CURRENCY),
                                                  .reason = text_of(s, FIELD_REASON)};
        return true;
    case EVENT_PAYMENT:
        e->payment = (struct event_payment){.invoice = text_of(s, FIELD_INVOICE),
                                            .status = text_of(s, FIELD_STATUS),
                                            .currency = text_of(s, FIELD_CURRENCY),
                                            .amount_minor = amount};
        return true;
    case EVENT_VOID:
        e->voided = (struct event_void){.voids = text_of(s, FIELD_VOIDS)};
        return event_time_value(&s->value[FIELD_AT], &e->voided.at_ms) ||
               event_defect_set(defect, "at is no time");
    case EVENT_FEEDBACK:
        e->feedback = (struct event_feedback){.recommendation = text_of(s, FIELD_RECOMMENDATION),
                                              .status = text_of(s, FIELD_STATUS)};
        return str_is(e->feedback.status, "applied") || str_is(e->feedback.status, "dismissed") ||
               str_is(e->feedback.status, "pending") ||
               not_one_of(defect, FIELD_STATUS, e->feedback.status, "applied, dismissed, pending");
    case EVENT_ACT:
        e->act = (struct event_act){.actor = text_of(s, FIELD_ACTOR),
                                    .action = text_of(s, FIELD_ACTION),
                                    .target = text_of(s, FIELD_TARGET),
                                    .reason = text_of(s, FIELD_REASON),
                                    .failed = str_is(text_of(s, FIELD_STATUS), "failed")};
        return e->act.failed || str_is(text_of(s, FIELD_STATUS), "done") ||
               not_one_of(defect, FIELD_STATUS, text_of(s, FIELD_STATUS), "done, failed");
    case EVENT_STRIPE:
        e->stripe =
            (struct event_stripe){.type = text_of(s, FIELD_TYPE), .object = s->raw[FIELD_TOLD]};
        return true;
    default:
        break;
    }
    return event_defect_set(defect, "unknown kind");
}

bool
event_parse_any(enum event_kind kind, struct mp *m, int64_t entry_utc_ms, bool stored,
                struct event *ret, struct event_defect *defect)
{
    const uint8_t *types = event_fields_of(kind), *start = m->p;
    struct slots s;
    s.stored = stored;
    struct event *e = ret;
    e->kind = kind;
    e->peer_uid = 0;
    e->time_utc_ms = entry_utc_ms;
    if (!fill(&s, types, m, &e->undeclared, defect))
        return false;
    e->record = (struct bytes){start, (size_t)(m->p - start)};
    if (e->record.size_bytes > EVENT_RECORD_BYTES_MAX)
        return event_defect_set(defect, "the record has %zu bytes, limit is %d",
                                e->record.size_bytes, EVENT_RECORD_BYTES_MAX);
    if (!check_required(&s, event_fields_required(kind), defect))
        return false;
    e->id = text_of(&s, FIELD_ID);
    e->organization = text_of(&s, FIELD_ORGANIZATION);
    e->hold = text_of(&s, FIELD_HOLD);
    if (has(&s, FIELD_CREATED_AT) && !event_time_value(&s.value[FIELD_CREATED_AT], &e->time_utc_ms))
        return event_defect_set(defect, "createdAt is no time");
    if (e->time_utc_ms < 0 || e->time_utc_ms >= TIME_MAX_MS)
        return event_defect_set(defect, "the event's time lies outside 1970 to 9999");
    if (kind == EVENT_USAGE)
        return take_usage(&s, e, defect);
    if (kind == EVENT_RESOURCE)
        return take_resource(&s, e, defect);
    if (kind == EVENT_SUBSCRIPTION)
        return take_subscription(&s, e, defect);
    return take_other(&s, e, defect);
}

bool
event_parse_at(enum event_kind kind, struct mp *m, int64_t entry_utc_ms, bool stored,
               struct event *ret, struct event_defect *defect)
{
    return (kind == EVENT_USAGE && event_parse_plain(m, entry_utc_ms, stored, ret)) ||
           event_parse_any(kind, m, entry_utc_ms, stored, ret, defect);
}

bool
event_parse_general(enum event_kind kind, struct bytes record, int64_t entry_utc_ms,
                    struct event *ret, struct event_defect *defect)
{
    struct mp m = mp_of(record);
    struct event e;
    if (record.size_bytes > EVENT_RECORD_BYTES_MAX)
        return event_defect_set(defect, "the record has %zu bytes, limit is %d", record.size_bytes,
                                EVENT_RECORD_BYTES_MAX);
    if (!event_parse_any(kind, &m, entry_utc_ms, false, &e, defect))
        return false;
    if (m.p != m.end)
        return event_defect_set(defect, "%zu bytes follow the record", (size_t)(m.end - m.p));
    *ret = e;
    return true;
}

bool
event_parse(enum event_kind kind, struct bytes record, int64_t entry_utc_ms, struct event *ret,
            struct event_defect *defect)
{
    struct mp m = mp_of(record);
    struct event e;
    if (kind != EVENT_USAGE || !event_parse_plain(&m, entry_utc_ms, false, &e) || m.p != m.end)
        return event_parse_general(kind, record, entry_utc_ms, ret, defect);
    *ret = e;
    return true;
}

bool
event_time_ok(const struct event *event, int64_t receive_utc_ms, struct event_defect *defect)
{
    int64_t age = receive_utc_ms - event->time_utc_ms;
    char when[TIME_TEXT_BYTES];
    if (age <= EVENT_AGE_MS_MAX && age >= -EVENT_AHEAD_MS_MAX)
        return true;
    time_format_ms(event->time_utc_ms, when);
    return age > 0 ? event_defect_set(defect, "too old: its time is %s, accepted are 35 days", when)
                   : event_defect_set(
                         defect, "in the future: its time is %s, accepted are 5 minutes", when);
}
