#include "ingest/replay_record.h"

#include <inttypes.h>
#include <msgpack.h>
#include <stdarg.h>
#include <stdlib.h>

#include "store/base/time.h"
#include "store/event/event.h"
#include "store/event/json_pack.h"

enum { MAP_HEAD_BYTES = 3, CELL_SHOWN_BYTES_MAX = 40, NUMBER_BYTES_MAX = 40 };

bool
replay_defect_set(struct replay_defect *defect, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(defect->text, sizeof defect->text, fmt, ap);
    va_end(ap);
    return false;
}

bool
replay_record_init(struct replay_record *record)
{
    *record = (struct replay_record){0};
    buf_init(&record->map, EVENT_RECORD_BYTES_MAX);
    return buf_reserve(&record->map, EVENT_RECORD_BYTES_MAX);
}

void
replay_record_clear(struct replay_record *record)
{
    buf_clear(&record->map);
}

static int
write_to_record(void *context, const char *data, size_t size_bytes)
{
    struct replay_record *record = context;
    if (!buf_append(&record->map, data, size_bytes))
        record->full = true;
    return 0;
}

void
replay_record_begin(struct replay_record *record)
{
    static const char head[MAP_HEAD_BYTES]; /* filled by replay_record_end() */
    record->map.size_bytes = 0;
    record->pairs = 0;
    record->full = false;
    write_to_record(record, head, sizeof head);
}

/* Packing cannot fail otherwise than by a full record, which is kept in "full". */
static void
pack_str(msgpack_packer *pk, struct str s)
{
    msgpack_pack_str(pk, s.size_bytes);
    msgpack_pack_str_body(pk, s.data, s.size_bytes);
}

static msgpack_packer
begin_pair(struct replay_record *record, const char *name)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, record, write_to_record);
    pack_str(&pk, str_of(name));
    record->pairs++;
    return pk;
}

void
replay_record_text(struct replay_record *record, const char *name, struct str text)
{
    msgpack_packer pk = begin_pair(record, name);
    pack_str(&pk, text);
}

void
replay_record_whole(struct replay_record *record, const char *name, uint64_t value)
{
    msgpack_packer pk = begin_pair(record, name);
    msgpack_pack_uint64(&pk, value);
}

bool
replay_record_json(struct replay_record *record, const char *name, const json_t *value,
                   struct replay_defect *defect)
{
    begin_pair(record, name);
    /* The record itself is one level. */
    enum json_packed packed = json_pack_value(value, MP_DEPTH_MAX - 1, &record->map);
    if (packed == JSON_NO_ROOM)
        record->full = true;
    return packed != JSON_TOO_DEEP ||
           replay_defect_set(defect, "%.40s is nested deeper than %d levels", name,
                             MP_DEPTH_MAX - 1);
}

bool
replay_whole_parse(struct str text, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    if (text.size_bytes == 0)
        return false;
    for (size_t i = 0; i < text.size_bytes; i++) {
        char c = text.data[i];
        if (c < '0' || c > '9')
            return false;
        uint64_t digit = (uint64_t)(c - '0');
        if (v > max / 10 || v * 10 > max - digit)
            return false;
        v = v * 10 + digit;
    }
    *ret = v;
    return true;
}

bool
replay_defect_cell(struct replay_defect *defect, struct str column, struct str cell,
                   const char *must)
{
    bool cut = cell.size_bytes > CELL_SHOWN_BYTES_MAX;
    if (cut)
        cell.size_bytes = CELL_SHOWN_BYTES_MAX;
    return replay_defect_set(defect, "%.*s is \"%.*s%s\", must be %s", STR_ARG(column),
                             STR_ARG(cell), cut ? "..." : "", must);
}

struct cell {
    struct str column;
    const char *name;
    struct str text;
};

typedef bool add_cell(struct replay_record *record, const struct cell *c,
                      struct replay_defect *defect);

static bool
add_text(struct replay_record *record, const struct cell *c, struct replay_defect *defect)
{
    (void)defect;
    replay_record_text(record, c->name, c->text);
    return true;
}

static bool
add_whole(struct replay_record *record, const struct cell *c, struct replay_defect *defect)
{
    uint64_t v;
    if (!replay_whole_parse(c->text, EVENT_COUNT_MAX, &v))
        return replay_defect_cell(defect, c->column, c->text, "a whole number");
    replay_record_whole(record, c->name, v);
    return true;
}

static bool
add_signed(struct replay_record *record, const struct cell *c, struct replay_defect *defect)
{
    uint64_t v;
    struct str digits = c->text;
    bool negative = digits.size_bytes > 0 && digits.data[0] == '-';
    if (negative) {
        digits.data++;
        digits.size_bytes--;
    }
    if (!replay_whole_parse(digits, (uint64_t)EVENT_MINOR_MAX, &v))
        return replay_defect_cell(defect, c->column, c->text,
                                  "a whole number of minor units (cents)");
    msgpack_packer pk = begin_pair(record, c->name);
    msgpack_pack_int64(&pk, negative ? -(int64_t)v : (int64_t)v);
    return true;
}

static bool
add_time(struct replay_record *record, const struct cell *c, struct replay_defect *defect)
{
    uint64_t ms;
    int64_t utc_ms;
    if (replay_whole_parse(c->text, (uint64_t)TIME_MAX_MS - 1, &ms))
        replay_record_whole(record, c->name, ms);
    else if (time_parse(c->text, &utc_ms))
        replay_record_text(record, c->name, c->text);
    else
        return replay_defect_cell(
            defect, c->column, c->text,
            "a time such as 2026-11-24T08:15:30Z or whole milliseconds since 1970");
    return true;
}

/* Digits, and behind a point more digits. */
static bool
add_duration(struct replay_record *record, const struct cell *c, struct replay_defect *defect)
{
    char text[NUMBER_BYTES_MAX];
    uint64_t ms, ignored;
    const char *point = memchr(c->text.data, '.', c->text.size_bytes);
    if (replay_whole_parse(c->text, EVENT_COUNT_MAX, &ms)) {
        replay_record_whole(record, c->name, ms);
        return true;
    }
    struct str whole = {c->text.data, point != NULL ? (size_t)(point - c->text.data) : 0};
    struct str part = {point != NULL ? point + 1 : NULL,
                       point != NULL ? c->text.size_bytes - whole.size_bytes - 1 : 0};
    if (c->text.size_bytes >= sizeof text || !replay_whole_parse(whole, EVENT_COUNT_MAX, &ms) ||
        !replay_whole_parse(part, UINT64_MAX, &ignored))
        return replay_defect_cell(defect, c->column, c->text,
                                  "a number of milliseconds such as 812 or 812.5");
    memcpy(text, c->text.data, c->text.size_bytes);
    text[c->text.size_bytes] = '\0';
    msgpack_packer pk = begin_pair(record, c->name);
    msgpack_pack_double(&pk, strtod(text, NULL));
    return true;
}

static bool
add_outcome(struct replay_record *record, const struct cell *c, struct replay_defect *defect)
{
    uint64_t v;
    if (replay_whole_parse(c->text, EVENT_COUNT_MAX, &v))
        replay_record_whole(record, c->name, v);
    else
        return add_text(record, c, defect);
    return true;
}

static bool
add_bool(struct replay_record *record, const struct cell *c, struct replay_defect *defect)
{
    bool yes = str_is(c->text, "true");
    if (!yes && !str_is(c->text, "false"))
        return replay_defect_cell(defect, c->column, c->text, "true or false");
    msgpack_packer pk = begin_pair(record, c->name);
    if (yes)
        msgpack_pack_true(&pk);
    else
        msgpack_pack_false(&pk);
    return true;
}

static bool
add_json(struct replay_record *record, const struct cell *c, struct replay_defect *defect)
{
    json_error_t error;
    json_t *value = json_loadb(c->text.data, c->text.size_bytes, JSON_REJECT_DUPLICATES, &error);
    if (value == NULL)
        return replay_defect_cell(defect, c->column, c->text, "a JSON object");
    bool ok = replay_record_json(record, c->name, value, defect);
    json_decref(value);
    return ok;
}

/* Every field of schemas/event.md, and how its cell is read. */
static const struct field {
    const char *name;
    add_cell *add;
} fields[] = {
    {"id", add_text},
    {"organizationId", add_text},
    {"createdAt", add_time},
    {"userId", add_text},
    {"projectId", add_text},
    {"type", add_text},
    {"provider", add_text},
    {"model", add_text},
    {"inputTokens", add_whole},
    {"outputTokens", add_whole},
    {"cachedInputTokens", add_whole},
    {"cacheWriteTokens", add_whole},
    {"cacheWrite1hTokens", add_whole},
    {"reasoningTokens", add_whole},
    {"audioInputTokens", add_whole},
    {"audioCachedInputTokens", add_whole},
    {"audioOutputTokens", add_whole},
    {"imageInputTokens", add_whole},
    {"imageCachedInputTokens", add_whole},
    {"imageOutputTokens", add_whole},
    {"webSearches", add_whole},
    {"webFetches", add_whole},
    {"fileSearches", add_whole},
    {"codeSessions", add_whole},
    {"region", add_text},
    {"speed", add_text},
    {"usage", add_json},
    {"serviceTier", add_text},
    {"latencyMs", add_duration},
    {"status", add_outcome},
    {"metadata", add_json},
    {"object", add_json},
    {"estimated", add_bool},
    {"hold", add_text},
    {"resource", add_text},
    {"action", add_text},
    {"resourceId", add_text},
    {"plan", add_text},
    {"effectiveAt", add_time},
    {"currency", add_text},
    {"anchor", add_time},
    {"when", add_text},
    {"trialEnd", add_time},
    {"taxPercent", add_text},
    {"monthlyBudget", add_whole},
    {"alertThresholds", add_json},
    {"spikeDetection", add_json},
    {"emailAlerts", add_bool},
    {"autoLimits", add_json},
    {"amount", add_signed},
    {"reason", add_text},
    {"invoice", add_text},
    {"voids", add_text},
    {"at", add_time},
    {"recommendation", add_text},
    {"inputBytes", add_whole},
    {"outputBytes", add_whole},
    {"actor", add_text},
    {"target", add_text},
};

static const struct field *
find_field(struct str name)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (str_is(name, fields[i].name))
            return &fields[i];
    }
    return NULL;
}

const char *
replay_record_knows(struct str name)
{
    const struct field *field = find_field(name);
    return field != NULL ? field->name : NULL;
}

bool
replay_record_cell(struct replay_record *record, struct str column, const char *name,
                   struct str cell, struct replay_defect *defect)
{
    const struct cell c = {column, name, cell};
    return cell.size_bytes == 0 || find_field(str_of(name))->add(record, &c, defect);
}

bool
replay_record_end(struct replay_record *record, struct bytes *ret_map)
{
    if (record->full || record->pairs > UINT16_MAX)
        return false;
    /* The bytes are stored as they are: use the short head where it will do. */
    uint8_t *map = record->map.data;
    size_t unused_bytes = record->pairs < 16 ? 2 : 0;
    if (unused_bytes > 0) {
        map[2] = (uint8_t)(0x80 | record->pairs);
    } else {
        map[0] = 0xde;
        put_be16(map + 1, (uint16_t)record->pairs);
    }
    *ret_map = (struct bytes){map + unused_bytes, record->map.size_bytes - unused_bytes};
    return true;
}
