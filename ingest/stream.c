#include "ingest/stream.h"

/* How far to look for an end that the scan cannot tell yet; what is too much is given back. */
enum { STREAM_STEP_BYTES = 4096 };

static const char not_msgpack[] = "not msgpack, or nested over 16 deep, or over 8 MiB";
static const char no_memory[] = "out of memory";

void
stream_init(struct stream *stream, size_t value_bytes_max)
{
    stream->scan = (struct mp_scan){.depth = 0};
    buf_init(&stream->begun, value_bytes_max);
}

void
stream_clear(struct stream *stream)
{
    buf_clear(&stream->begun);
}

void
stream_set_max(struct stream *stream, size_t value_bytes_max)
{
    stream->begun.cap_bytes = value_bytes_max;
}

static struct bytes
after(struct bytes b, size_t size_bytes)
{
    return (struct bytes){b.data + size_bytes, b.size_bytes - size_bytes};
}

/*
 * Go on with the value that is begun.  The scan knows where the next head is
 * due, which for a long payload is its end: so little is copied that belongs to
 * the values behind.
 */
static const char *
finish_begun(struct stream *s, struct bytes *piece, stream_take *take, void *context)
{
    while (piece->size_bytes > 0) {
        size_t have = s->begun.size_bytes, room = s->begun.cap_bytes - have, whole;
        size_t want = s->scan.at_bytes > have ? s->scan.at_bytes - have : STREAM_STEP_BYTES;
        if (want > piece->size_bytes)
            want = piece->size_bytes;
        if (want > room)
            want = room;
        if (want == 0)
            return not_msgpack;
        if (!buf_append(&s->begun, piece->data, want))
            return no_memory;
        enum mp_scan_result r =
            mp_scan(&s->scan, s->begun.data, s->begun.size_bytes, s->begun.cap_bytes, &whole);
        if (r == MP_SCAN_BAD)
            return not_msgpack;
        if (r == MP_SCAN_MORE) {
            *piece = after(*piece, want);
            continue;
        }
        /* The value ends in what was just appended, for before it the scan wanted more. */
        *piece = after(*piece, whole - have);
        const char *reason = take(context, (struct bytes){s->begun.data, whole});
        buf_clear(&s->begun);
        s->scan = (struct mp_scan){.depth = 0};
        return reason;
    }
    return NULL;
}

const char *
stream_feed(struct stream *s, struct bytes piece, stream_take *take, void *context)
{
    if (stream_is_inside(s)) {
        const char *reason = finish_begun(s, &piece, take, context);
        if (reason != NULL)
            return reason;
    }
    while (piece.size_bytes > 0) {
        size_t whole;
        enum mp_scan_result r =
            mp_scan(&s->scan, piece.data, piece.size_bytes, s->begun.cap_bytes, &whole);
        if (r == MP_SCAN_BAD)
            return not_msgpack;
        if (r == MP_SCAN_MORE)
            return buf_append(&s->begun, piece.data, piece.size_bytes) ? NULL : no_memory;
        s->scan = (struct mp_scan){.depth = 0};
        const char *reason = take(context, (struct bytes){piece.data, whole});
        if (reason != NULL)
            return reason;
        piece = after(piece, whole);
    }
    return NULL;
}
