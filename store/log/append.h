/*
 * store/log/append.h - an append on its way into the log: its frames.
 *
 * Three steps, so that threads can share the work of what comes faster than one of
 * them compresses.  The first and the third go in the order of the log, one append at a
 * time each; the second any thread does at any time in between.
 *
 *   log_writer_chain()    numbers and chains: what stands where (SHA-256 over all)
 *   log_append_encode()   the frames: zstd
 *   log_writer_store()    on the disk
 */
#ifndef STORE_LOG_APPEND_H
#define STORE_LOG_APPEND_H

#include "store/base/buf.h"
#include "store/log/frame.h"
#include "store/log/writer.h"

/* After log_append_init(); used again and again. */
struct log_append {
    int64_t receive_utc_ms;
    struct bytes events[LOG_STREAMS]; /* borrowed, until they are encoded */
    struct frame heads[LOG_STREAMS];  /* event_count 0: nothing of that stream */
    struct bytes frames[LOG_STREAMS]; /* in room, once they are encoded */
    struct buf room;
};

void log_append_init(struct log_append *append);
void log_append_clear(struct log_append *append); /* free */

/*
 * Number and chain the parts behind the tips, which are moved.  log_writer_chain() is for
 * who does not write the tips itself.
 *
 *   parts  borrowed until log_append_encode()
 */
void log_append_chain(struct log_append *append, int64_t receive_utc_ms,
                      const struct log_part parts[LOG_STREAMS], struct day_tip tips[LOG_STREAMS]);

/* Move tips that it is chained to behind it. */
void log_append_pass(const struct log_append *append, struct day_tip tips[LOG_STREAMS]);

/*
 * Make its frames.
 *
 *   codec  the calling thread's
 *
 * Errors: ERR_LIMIT when a part is over FRAME_RAW_BYTES_MAX or memory is short.
 */
enum err_code log_append_encode(struct log_append *append, struct frame_codec *codec,
                                struct err *err) ERR_MUST_CHECK;

/* Bytes of its frames, encoded. */
static inline size_t
log_append_bytes(const struct log_append *append)
{
    return append->room.size_bytes;
}

#endif
