#include "ingest/client/ack.h"

uint8_t *
ack_stream_room(struct ack_stream *stream, size_t *ret_room_bytes)
{
    size_t left_bytes = stream->end - stream->begin;
    memmove(stream->in, stream->in + stream->begin, left_bytes);
    stream->begin = 0;
    stream->end = left_bytes;
    *ret_room_bytes = sizeof stream->in - left_bytes;
    return stream->in + left_bytes;
}

/* The text of "ack" in a map; empty when the value is anything else. */
static struct str
text_of(struct bytes value)
{
    struct mp m = mp_of(value);
    struct mp_value head, key, v;
    if (!mp_read(&m, &head) || head.type != MP_MAP)
        return (struct str){0};
    for (uint32_t i = 0; i < head.count; i++) {
        if (!mp_read(&m, &key) || key.type == MP_MAP || key.type == MP_ARRAY)
            return (struct str){0};
        struct mp peek = m;
        if (key.type == MP_STR && str_is(mp_str(&key), "ack"))
            return mp_read(&peek, &v) && (v.type == MP_STR || v.type == MP_BIN) ? mp_str(&v)
                                                                                : (struct str){0};
        if (!mp_skip(&m))
            return (struct str){0};
    }
    return (struct str){0};
}

static int
digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
id_of(struct str text, uint8_t ret_id[CHUNK_ID_BYTES])
{
    if (text.size_bytes != CHUNK_ID_TEXT_BYTES)
        return false;
    for (size_t i = 0; i < CHUNK_ID_BYTES; i++) {
        int high = digit_of(text.data[2 * i]), low = digit_of(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_id[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

enum ack_result
ack_stream_next(struct ack_stream *stream, uint8_t ret_id[CHUNK_ID_BYTES])
{
    const uint8_t *data = stream->in + stream->begin;
    size_t value_bytes;
    enum mp_scan_result found =
        mp_scan(&stream->scan, data, stream->end - stream->begin, ACK_BYTES_MAX, &value_bytes);
    if (found == MP_SCAN_MORE)
        return ACK_MORE;
    if (found == MP_SCAN_BAD || !id_of(text_of((struct bytes){data, value_bytes}), ret_id))
        return ACK_BAD;
    stream->scan = (struct mp_scan){0};
    stream->begin += value_bytes;
    return ACK_TAKEN;
}
