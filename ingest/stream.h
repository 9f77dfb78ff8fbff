/*
 * ingest/stream.h - a byte stream cut into whole msgpack values.
 *
 * Bytes come in pieces of any size.  Values that lie whole in one piece are
 * handed on where they lie; only a value's beginning is kept until its rest
 * comes.  Every byte is scanned once and copied at most once, so a value that
 * comes one byte a read costs no more than one that comes at once, and a stream
 * between two values holds no memory.
 */
#ifndef INGEST_STREAM_H
#define INGEST_STREAM_H

#include "store/base/buf.h"
#include "store/base/bytes.h"
#include "store/event/mp.h"

struct stream {
    struct mp_scan scan;
    struct buf begun; /* a value's beginning; empty between values */
};

/* Takes one whole value; NULL to go on, else why not: a fixed text. */
typedef const char *stream_take(void *context, struct bytes value);

/* value_bytes_max: a larger value is refused. */
void stream_init(struct stream *stream, size_t value_bytes_max);
void stream_clear(struct stream *stream);

/* From the next value on; allowed in a stream_take. */
void stream_set_max(struct stream *stream, size_t value_bytes_max);

/*
 * Feed the next piece.
 *
 *   piece  borrowed
 *   take   called once for each value that is now whole, in order
 *
 * Returns NULL, or why the stream is refused (not msgpack, too deep, too large,
 * no memory, or what take said); it must not be fed again.
 */
const char *stream_feed(struct stream *stream, struct bytes piece, stream_take *take, void *context)
    __attribute__((warn_unused_result));

/* Is a value begun but not whole? */
static inline bool
stream_is_inside(const struct stream *stream)
{
    return stream->begun.size_bytes > 0;
}

/* How many bytes more the begun value has at least, as far as its heads say. */
static inline size_t
stream_missing(const struct stream *stream)
{
    size_t have = stream->begun.size_bytes, next = stream->scan.at_bytes;
    return have > 0 && next > have ? next - have : 0;
}

#endif
