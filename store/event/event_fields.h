/*
 * store/event/event_fields.h - the contract's fields as a table.  Private to
 * store/event.
 *
 * A field has one slot whatever the kind; what a kind makes of it stands in
 * event_fields_of().  schemas/event.md says the same in words.
 */
#ifndef STORE_EVENT_EVENT_FIELDS_H
#define STORE_EVENT_EVENT_FIELDS_H

#include <string.h>

#include "store/event/event.h"

/* slot, name, its first letter, its fourth (of names of up to three letters the second) */
#define EVENT_FIELDS(X)                                 \
    X(ID, "id", 'i', 'd')                               \
    X(ORGANIZATION, "organizationId", 'o', 'a')         \
    X(CREATED_AT, "createdAt", 'c', 'a')                \
    X(USER, "userId", 'u', 'r')                         \
    X(PROJECT, "projectId", 'p', 'j')                   \
    X(TYPE, "type", 't', 'e')                           \
    X(PROVIDER, "provider", 'p', 'v')                   \
    X(MODEL, "model", 'm', 'e')                         \
    X(INPUT, "inputTokens", 'i', 'u')                   \
    X(OUTPUT, "outputTokens", 'o', 'p')                 \
    X(CACHED, "cachedInputTokens", 'c', 'h')            \
    X(CACHE_WRITE, "cacheWriteTokens", 'c', 'h')        \
    X(CACHE_WRITE_1H, "cacheWrite1hTokens", 'c', 'h')   \
    X(REASONING, "reasoningTokens", 'r', 's')           \
    X(AUDIO_INPUT, "audioInputTokens", 'a', 'i')        \
    X(AUDIO_CACHED, "audioCachedInputTokens", 'a', 'i') \
    X(AUDIO_OUTPUT, "audioOutputTokens", 'a', 'i')      \
    X(IMAGE_INPUT, "imageInputTokens", 'i', 'g')        \
    X(IMAGE_CACHED, "imageCachedInputTokens", 'i', 'g') \
    X(IMAGE_OUTPUT, "imageOutputTokens", 'i', 'g')      \
    X(WEB_SEARCHES, "webSearches", 'w', 'S')            \
    X(WEB_FETCHES, "webFetches", 'w', 'F')              \
    X(FILE_SEARCHES, "fileSearches", 'f', 'e')          \
    X(CODE_SESSIONS, "codeSessions", 'c', 'e')          \
    X(REGION, "region", 'r', 'i')                       \
    X(SPEED, "speed", 's', 'e')                         \
    X(USAGE, "usage", 'u', 'g')                         \
    X(TIER, "serviceTier", 's', 'v')                    \
    X(LATENCY, "latencyMs", 'l', 'e')                   \
    X(STATUS, "status", 's', 't')                       \
    X(METADATA, "metadata", 'm', 'a')                   \
    X(ESTIMATED, "estimated", 'e', 'i')                 \
    X(RESOURCE, "resource", 'r', 'o')                   \
    X(ACTION, "action", 'a', 'i')                       \
    X(RESOURCE_ID, "resourceId", 'r', 'o')              \
    X(PLAN, "plan", 'p', 'n')                           \
    X(EFFECTIVE_AT, "effectiveAt", 'e', 'e')            \
    X(CURRENCY, "currency", 'c', 'r')                   \
    X(ANCHOR, "anchor", 'a', 'h')                       \
    X(WHEN, "when", 'w', 'n')                           \
    X(TRIAL_END, "trialEnd", 't', 'a')                  \
    X(TAX_PERCENT, "taxPercent", 't', 'P')              \
    X(MONTHLY_BUDGET, "monthlyBudget", 'm', 't')        \
    X(ALERT_THRESHOLDS, "alertThresholds", 'a', 'r')    \
    X(SPIKE_DETECTION, "spikeDetection", 's', 'k')      \
    X(EMAIL_ALERTS, "emailAlerts", 'e', 'i')            \
    X(AUTO_LIMITS, "autoLimits", 'a', 'o')              \
    X(AMOUNT, "amount", 'a', 'u')                       \
    X(REASON, "reason", 'r', 's')                       \
    X(INVOICE, "invoice", 'i', 'o')                     \
    X(VOIDS, "voids", 'v', 'd')                         \
    X(AT, "at", 'a', 't')                               \
    X(RECOMMENDATION, "recommendation", 'r', 'o')       \
    X(HOLD, "hold", 'h', 'd')                           \
    X(INPUT_BYTES, "inputBytes", 'i', 'u')              \
    X(OUTPUT_BYTES, "outputBytes", 'o', 'p')            \
    X(ACTOR, "actor", 'a', 'o')                         \
    X(TARGET, "target", 't', 'g')                       \
    X(TOLD, "object", 'o', 'e')

enum event_field {
#define EVENT_FIELD_ENUM(slot, name, first, other) FIELD_##slot,
    EVENT_FIELDS(EVENT_FIELD_ENUM)
#undef EVENT_FIELD_ENUM
        FIELD_COUNT
};

enum { EVENT_NAME_BYTES_MAX = 22 }; /* no name is longer */

/* What a field's value must be. */
enum event_field_type {
    FIELD_UNDECLARED,    /* this kind does not know the field */
    FIELD_TEXT,          /* 1 to 64 bytes of UTF-8 without control characters */
    FIELD_MODEL_TEXT,    /* 1 to 128 */
    FIELD_REASON_TEXT,   /* 1 to 256 */
    FIELD_CURRENCY_TEXT, /* three capital letters */
    FIELD_PERCENT_TEXT,  /* a decimal of 0 to 100 with at most six decimals */
    FIELD_WHOLE,         /* 0 to EVENT_COUNT_MAX */
    FIELD_SIGNED,        /* -EVENT_MINOR_MAX to EVENT_MINOR_MAX, whole */
    FIELD_TIME,          /* RFC 3339 text or whole milliseconds */
    FIELD_DURATION,      /* milliseconds, a fraction allowed */
    FIELD_OUTCOME,       /* a whole number or a text */
    FIELD_BOOL,
    FIELD_OBJECT,     /* a map of at most 16 KiB: usage */
    FIELD_SCALAR_MAP, /* the same, at most 32 scalars under text keys: metadata */
    FIELD_SETTING,    /* a map or an array of at most 4 KiB */
};

enum { FIELD_REQUIRED = 64 }; /* or-ed to the type */

/* FIELD_COUNT entries: type, or-ed with FIELD_REQUIRED. */
const uint8_t *event_fields_of(enum event_kind kind);

/* The same flags as one bit per field. */
uint64_t event_fields_required(enum event_kind kind);

extern const char *const event_field_names[FIELD_COUNT];

static inline const char *
event_field_name(enum event_field field)
{
    return event_field_names[field];
}

/*
 * Every name is told apart by its length, its first and its fourth letter (of short names the
 * second): the place of those three in a table of 256 names one candidate, and one comparison
 * confirms.  The compiler refuses a second entry at the same place, so a clash cannot slip in.
 */
#define EVENT_NAME_PLACE(length, first, other) \
    (((unsigned)(length) + 9 * (unsigned)(uint8_t)(first) + 5 * (unsigned)(uint8_t)(other)) & 255)

struct event_field_name {
    uint8_t field, size_bytes; /* of the text; 0: none is here */
    char text[EVENT_NAME_BYTES_MAX];
};

extern const struct event_field_name event_field_places[256];

/* Of 2 to 22 bytes: two pieces that meet or overlap are all of them, and up to 22 a third. */
static inline bool
event_name_is(const char *a, const char *b, size_t n)
{
    if (n >= 8)
        return memcmp(a, b, 8) == 0 && memcmp(a + n - 8, b + n - 8, 8) == 0 &&
               (n <= 16 || memcmp(a + 8, b + 8, 8) == 0);
    if (n >= 4)
        return memcmp(a, b, 4) == 0 && memcmp(a + n - 4, b + n - 4, 4) == 0;
    return memcmp(a, b, 2) == 0 && a[n - 1] == b[n - 1];
}

/* FIELD_COUNT when the contract has no such name. */
static inline enum event_field
event_field_find(struct str name)
{
    size_t n = name.size_bytes;
    if (n < 2)
        return FIELD_COUNT;
    const struct event_field_name *at =
        &event_field_places[EVENT_NAME_PLACE(n, name.data[0], name.data[n > 3 ? 3 : 1])];
    return at->size_bytes == n && event_name_is(name.data, at->text, n)
               ? (enum event_field)at->field
               : FIELD_COUNT;
}

/*
 * A stored event is [kind, time, uid, {field: value}]: two levels stand around
 * each value, and the whole must stay within MP_DEPTH_MAX.
 */
enum { EVENT_OUTER_LEVELS = 2 };

/* A time as schemas/event.md has it: RFC 3339 text or whole milliseconds.  False: it is none. */
bool event_time_value(const struct mp_value *v, int64_t *ret_utc_ms)
    __attribute__((warn_unused_result));

/* Does a status, a text or a whole number, say that the call failed? */
bool event_status_failed(const struct mp_value *status);

/*
 * event_parse() on the front of m: steps over the record on success, and may
 * leave m and *ret anyhow else.  ret->record is what was stepped over.
 *
 *   stored  the bytes come from a frame whose checksum was right, so they were
 *           checked when they came in: what texts and maps hold is not looked at again
 */
bool event_parse_at(enum event_kind kind, struct mp *m, int64_t entry_utc_ms, bool stored,
                    struct event *ret, struct event_defect *defect)
    __attribute__((warn_unused_result));

/* The same without the short way for plain ones, for tests to compare with. */
bool event_parse_any(enum event_kind kind, struct mp *m, int64_t entry_utc_ms, bool stored,
                     struct event *ret, struct event_defect *defect)
    __attribute__((warn_unused_result));

#endif
