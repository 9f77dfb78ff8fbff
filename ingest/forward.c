#include "ingest/forward.h"

#include <assert.h>
#include <string.h>

#include "store/base/time.h"

static bool
no(const char **ret_reason, const char *reason)
{
    *ret_reason = reason;
    return false;
}

static int64_t
ms_of_seconds(uint64_t s, uint64_t ms)
{
    /* A time out of range is the event's defect, not the protocol's: cut it, and let the event's
     * own check refuse it by name. */
    return s < (uint64_t)(TIME_MAX_MS / 1000) ? (int64_t)(s * 1000 + ms) : TIME_MAX_MS - 1;
}

static bool
time_of(const struct mp_value *v, int64_t *ret_utc_ms)
{
    if (v->type == MP_UINT) {
        *ret_utc_ms = ms_of_seconds(v->u, 0);
    } else if (v->type == MP_INT) {
        *ret_utc_ms = 0;
    } else if (v->type == MP_FLOAT) {
        double ms = v->f * 1000;
        if (ms != ms)
            return false;
        *ret_utc_ms = ms < 0 ? 0 : ms < (double)TIME_MAX_MS ? (int64_t)ms : TIME_MAX_MS - 1;
    } else if (v->type == MP_EXT && v->count == 8 && v->ext_type == 0) {
        uint32_t ns = get_be32(v->data + 4);
        if (ns >= 1000000000)
            return false;
        *ret_utc_ms = ms_of_seconds(get_be32(v->data), ns / 1000000);
    } else {
        return false;
    }
    return true;
}

static bool
read_chunk(const struct mp_value *v, struct forward_chunk *chunk, const char **ret_reason)
{
    if (v->type == MP_NIL)
        return true;
    if (v->type != MP_STR && v->type != MP_BIN)
        return no(ret_reason, "option chunk is neither str nor bin");
    if (v->count == 0 || v->count > FORWARD_CHUNK_BYTES_MAX)
        return no(ret_reason, "option chunk is empty or over 1024 bytes");
    *chunk = (struct forward_chunk){{v->data, v->count}, v->type == MP_BIN};
    return true;
}

/* npm fluent-logger says "text" of what is not compressed. */
static bool
read_compressed(const struct mp_value *v, enum forward_packing *ret, const char **ret_reason)
{
    if (v->type == MP_NIL)
        return true;
    struct str name = v->type == MP_STR ? mp_str(v) : (struct str){"?", 1};
    if (str_is(name, "gzip"))
        *ret = FORWARD_GZIP;
    else if (str_is(name, "zstd"))
        *ret = FORWARD_ZSTD;
    else if (!str_is(name, "text"))
        return no(ret_reason, "option compressed is neither gzip nor zstd");
    return true;
}

static bool
read_option(struct mp *m, struct forward *f, const char **ret_reason)
{
    struct mp_value head, key, v;
    if (!mp_read(m, &head) || (head.type != MP_MAP && head.type != MP_NIL))
        return no(ret_reason, "option is not a map");
    uint32_t pairs = head.type == MP_MAP ? head.count : 0;
    for (uint32_t i = 0; i < pairs; i++) {
        if (!mp_read(m, &key) || key.type != MP_STR)
            return no(ret_reason, "a key of the option is not a text");
        struct mp value = *m;
        if (!mp_skip(m) || !mp_read(&value, &v))
            return no(ret_reason, "option is not whole");
        if (str_is(mp_str(&key), "chunk") && !read_chunk(&v, &f->chunk, ret_reason))
            return false;
        if (str_is(mp_str(&key), "compressed") && !read_compressed(&v, &f->packing, ret_reason))
            return false;
    }
    return true;
}

/* The second element says which mode it is; step over all up to the option. */
static bool
read_entries(struct mp *m, struct forward *f, uint32_t elements, uint32_t *ret_used,
             const char **ret_reason)
{
    struct mp start = *m;
    struct mp_value second;
    if (!mp_read(m, &second))
        return no(ret_reason, "message is not whole");
    f->entries = start;
    f->entries_left = 1;
    *ret_used = 2;
    if (second.type == MP_STR || second.type == MP_BIN) {
        f->mode = FORWARD_PACKED;
        f->entries = mp_of((struct bytes){second.data, second.count});
    } else if (second.type == MP_ARRAY) {
        f->mode = FORWARD_FORWARD;
        f->entries = *m;
        f->entries_left = second.count;
        *m = start;
        if (!mp_skip(m))
            return no(ret_reason, "message is not whole");
    } else if (elements >= 3 && (second.type == MP_UINT || second.type == MP_INT ||
                                 second.type == MP_FLOAT || second.type == MP_EXT)) {
        f->mode = FORWARD_MESSAGE;
        *ret_used = 3;
        if (!mp_skip(m))
            return no(ret_reason, "message is not whole");
    } else {
        return no(ret_reason, "what follows the tag is no time, no entries and no packed entries");
    }
    return true;
}

bool
forward_open(struct bytes message, struct forward *ret, const char **ret_reason)
{
    struct forward f = {.mode = FORWARD_MESSAGE};
    struct mp m = mp_of(message);
    struct mp_value head, tag;
    uint32_t used;
    if (!mp_read(&m, &head) || head.type != MP_ARRAY)
        return no(ret_reason, "message is not an array: not the forward protocol");
    if (head.count < 2 || head.count > 4)
        return no(ret_reason, "message does not have 2 to 4 elements");
    if (!mp_read(&m, &tag) || tag.type != MP_STR)
        return no(ret_reason, "tag is not a text");
    f.tag = mp_str(&tag);
    if (!read_entries(&m, &f, head.count, &used, ret_reason))
        return false;
    if (head.count > used + 1)
        return no(ret_reason, "message has more elements than its mode");
    if (head.count == used + 1 && !read_option(&m, &f, ret_reason))
        return false;
    if (m.p != m.end)
        return no(ret_reason, "bytes follow the message");
    if (f.packing != FORWARD_PLAIN && f.mode != FORWARD_PACKED)
        return no(ret_reason, "option compressed, but the entries are not packed");
    *ret = f;
    return true;
}

/* [time, metadata] as Fluent Bit sends it; the metadata is of no use here. */
static bool
read_time(struct mp *m, int64_t *ret_utc_ms)
{
    struct mp_value v;
    if (!mp_read(m, &v))
        return false;
    if (v.type != MP_ARRAY)
        return time_of(&v, ret_utc_ms);
    return v.count == 2 && mp_read(m, &v) && time_of(&v, ret_utc_ms) && mp_skip(m);
}

static enum forward_step
bad(const char **ret_reason, const char *reason)
{
    *ret_reason = reason;
    return FORWARD_BAD;
}

enum forward_step
forward_next_time(struct forward *f, int64_t *ret_utc_ms, const char **ret_reason)
{
    struct mp *m = &f->entries;
    struct mp_value head;
    if (f->mode == FORWARD_PACKED ? m->p == m->end : f->entries_left == 0)
        return FORWARD_END;
    if (f->mode != FORWARD_MESSAGE &&
        (!mp_read(m, &head) || head.type != MP_ARRAY || head.count != 2))
        return bad(ret_reason, "an entry is not [time, record]");
    if (!read_time(m, ret_utc_ms))
        return bad(ret_reason, "the time of an entry is neither seconds nor an EventTime");
    if (f->mode != FORWARD_PACKED)
        f->entries_left--;
    return FORWARD_ENTRY;
}

enum forward_step
forward_record(struct forward *f, struct bytes *ret, const char **ret_reason)
{
    const uint8_t *start = f->entries.p;
    if (!mp_skip(&f->entries))
        return bad(ret_reason, "a record is not whole");
    *ret = (struct bytes){start, (size_t)(f->entries.p - start)};
    return FORWARD_ENTRY;
}

enum forward_step
forward_next(struct forward *f, struct forward_entry *ret, const char **ret_reason)
{
    enum forward_step step = forward_next_time(f, &ret->time_utc_ms, ret_reason);
    return step == FORWARD_ENTRY ? forward_record(f, &ret->record, ret_reason) : step;
}

size_t
forward_ack(const struct forward_chunk *chunk, uint8_t out[FORWARD_ACK_BYTES_MAX])
{
    static const uint8_t key[] = {0x81, 0xa3, 'a', 'c', 'k'};
    size_t n = chunk->id.size_bytes, at = sizeof key;
    assert(n >= 1 && n <= FORWARD_CHUNK_BYTES_MAX);
    memcpy(out, key, sizeof key);
    if (!chunk->is_bin && n <= 31) {
        out[at++] = (uint8_t)(0xa0 | n);
    } else if (n <= 255) {
        out[at++] = chunk->is_bin ? 0xc4 : 0xd9;
        out[at++] = (uint8_t)n;
    } else {
        out[at++] = chunk->is_bin ? 0xc5 : 0xda;
        put_be16(out + at, (uint16_t)n);
        at += 2;
    }
    memcpy(out + at, chunk->id.data, n);
    return at + n;
}
