#include "store/event/event_plain.h"

#include <stddef.h>
#include <string.h>

#include "store/base/utf8.h"
#include "store/event/event_fields.h"

/*
 * The plain usage event: texts and counts given by hand, each once, nothing beside
 * them.  Nearly all events are so, and this reads them straight into the struct.  It
 * never judges: what is not plain, or not right, it leaves to the general parser,
 * which says the same of a plain event (a test and the fuzzers compare them).
 */

enum plain_kind { PLAIN_NOT, PLAIN_TEXT, PLAIN_MODEL, PLAIN_COUNT, PLAIN_TIME, PLAIN_STATUS };

/* Where a text goes in struct event, or a count in counts[]. */
struct plain_field {
    uint8_t kind, count;
    uint16_t text_at;
};

enum plain_count {
    INPUT,
    OUTPUT,
    CACHED,
    WRITE,
    WRITE_1H,
    REASONING,
    LATENCY,
    INPUT_BYTES,
    OUTPUT_BYTES,
    COUNTS
};

#define TEXT(member)                                                  \
    {                                                                 \
        .kind = PLAIN_TEXT, .text_at = offsetof(struct event, member) \
    }
#define COUNT(name)                          \
    {                                        \
        .kind = PLAIN_COUNT, .count = (name) \
    }

static const struct plain_field plain_fields[FIELD_COUNT] = {
    [FIELD_ID] = TEXT(id),
    [FIELD_ORGANIZATION] = TEXT(organization),
    [FIELD_USER] = TEXT(usage.user),
    [FIELD_PROJECT] = TEXT(usage.project),
    [FIELD_TYPE] = TEXT(usage.type),
    [FIELD_PROVIDER] = TEXT(usage.provider),
    [FIELD_MODEL] = {.kind = PLAIN_MODEL, .text_at = offsetof(struct event, usage.model)},
    [FIELD_TIER] = TEXT(usage.tier),
    [FIELD_INPUT] = COUNT(INPUT),
    [FIELD_OUTPUT] = COUNT(OUTPUT),
    [FIELD_CACHED] = COUNT(CACHED),
    [FIELD_CACHE_WRITE] = COUNT(WRITE),
    [FIELD_CACHE_WRITE_1H] = COUNT(WRITE_1H),
    [FIELD_REASONING] = COUNT(REASONING),
    [FIELD_LATENCY] = COUNT(LATENCY),
    [FIELD_INPUT_BYTES] = COUNT(INPUT_BYTES),
    [FIELD_OUTPUT_BYTES] = COUNT(OUTPUT_BYTES),
    [FIELD_CREATED_AT] = {.kind = PLAIN_TIME},
    [FIELD_STATUS] = {.kind = PLAIN_STATUS},
    [FIELD_HOLD] = TEXT(hold),
};

/* Take one value; false where it is not plain. */
static inline bool
take_value(const struct plain_field *f, const struct mp_value *v, bool stored, struct event *e,
           uint64_t counts[COUNTS])
{
    if (f->kind == PLAIN_COUNT) {
        if (v->type != MP_UINT || v->u > EVENT_COUNT_MAX)
            return false;
        counts[f->count] = v->u;
        return true;
    }
    if (f->kind == PLAIN_TIME)
        return event_time_value(v, &e->time_utc_ms);
    uint32_t bytes_max = f->kind == PLAIN_MODEL ? EVENT_MODEL_BYTES_MAX : EVENT_TEXT_BYTES_MAX;
    if (f->kind == PLAIN_NOT || v->type != MP_STR || v->count < 1 || v->count > bytes_max ||
        (!stored && !utf8_text_ok(v->data, v->count)))
        return false;
    struct str text = mp_str(v);
    if (f->kind == PLAIN_STATUS)
        e->usage.failed = event_status_failed(v);
    else
        memcpy((char *)e + f->text_at, &text, sizeof text);
    return true;
}

/* The convention of schemas/event.md, "Counts given by hand". */
static bool
take_counts(const uint64_t counts[COUNTS], struct event_usage *u)
{
    uint64_t input = counts[INPUT], inside = counts[CACHED] + counts[WRITE] + counts[WRITE_1H];
    if (inside > 0 && !str_is(u->provider, "anthropic")) {
        if (inside > input)
            return false;
        input -= inside;
    }
    u->tokens[EVENT_INPUT] = input;
    u->tokens[EVENT_CACHE_READ] = counts[CACHED];
    u->tokens[EVENT_CACHE_WRITE] = counts[WRITE];
    u->tokens[EVENT_CACHE_WRITE_1H] = counts[WRITE_1H];
    u->tokens[EVENT_OUTPUT] = counts[OUTPUT];
    u->reasoning_tokens = counts[REASONING];
    u->latency_us = counts[LATENCY] * 1000;
    u->bytes[EVENT_SENT] = counts[INPUT_BYTES];
    u->bytes[EVENT_RECEIVED] = counts[OUTPUT_BYTES];
    return counts[REASONING] <= counts[OUTPUT];
}

bool
event_parse_plain(struct mp *m, int64_t entry_utc_ms, bool stored, struct event *ret)
{
    const uint64_t required = event_fields_required(EVENT_USAGE) | (uint64_t)1 << FIELD_INPUT |
                              (uint64_t)1 << FIELD_OUTPUT;
    const uint8_t *start = m->p, *p = start, *end = m->end;
    uint64_t counts[COUNTS] = {0}, filled = 0;
    struct mp_value v;
    p = mp_take(p, end, &v);
    if (p == NULL || v.type != MP_MAP)
        return false;
    memset(&ret->usage, 0, sizeof ret->usage);
    ret->time_utc_ms = entry_utc_ms;
    ret->hold = (struct str){0};
    for (uint32_t left = v.count; left > 0; left--) {
        p = mp_take(p, end, &v);
        if (p == NULL || v.type != MP_STR)
            return false;
        enum event_field f = event_field_find(mp_str(&v));
        if (f == FIELD_COUNT || (filled >> f & 1) != 0)
            return false;
        filled |= (uint64_t)1 << f;
        p = mp_take(p, end, &v);
        if (p == NULL || !take_value(&plain_fields[f], &v, stored, ret, counts))
            return false;
    }
    size_t bytes = (size_t)(p - start);
    if ((required & ~filled) != 0 || bytes > EVENT_RECORD_BYTES_MAX || ret->time_utc_ms < 0 ||
        ret->time_utc_ms >= TIME_MAX_MS || !take_counts(counts, &ret->usage))
        return false;
    ret->kind = EVENT_USAGE;
    ret->peer_uid = 0;
    ret->undeclared = 0;
    ret->record = (struct bytes){start, bytes};
    m->p = p;
    return true;
}
