/*
 * ingest/ship.h - the messages by which a host's log is shipped to a collector.
 *
 * They travel where the forward protocol's messages would, over the TCP listener,
 * behind its handshake: the hostname of the PING is whose log it is.  Bytes:
 * schemas/ship.md.
 *
 *   hello    ->  what log it is, and where its oldest day begins
 *   frames   ->  frames of one day, as the log has them
 *   stand    <-  where the copy stands, flushed: the answer to both
 *   refused  <-  why not; the end
 *
 * Both sides write and read them here.
 */
#ifndef INGEST_SHIP_H
#define INGEST_SHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/batch.h"
#include "store/base/buf.h"
#include "store/base/bytes.h"
#include "store/base/err.h"
#include "store/log/writer.h"

enum {
    SHIP_VERSION = 1,
    /* No agent writes a larger frame (ingest/batch.h). */
    SHIP_FRAME_RAW_BYTES_MAX = BATCH_PART_BYTES_MAX,
    /* The largest frame, raw, and what is around it. */
    SHIP_MESSAGE_BYTES_MAX = SHIP_FRAME_RAW_BYTES_MAX + 64 * 1024,
    SHIP_ANSWER_BYTES_MAX = 1024,
    SHIP_REASON_BYTES_MAX = 512,
};

enum ship_kind { SHIP_HELLO, SHIP_FRAMES, SHIP_STAND, SHIP_REFUSED };

/* Points into the bytes it was read from. */
struct ship_message {
    enum ship_kind kind;
    struct log_origin origin;          /* of hello */
    int32_t day;                       /* of frames: days since 1970-01-01 */
    struct bytes frames;               /* walk them with ship_next_frame() */
    struct day_tip stand[LOG_STREAMS]; /* of stand */
    enum err_code code;                /* of refused; not ERR_OK */
    struct str reason;                 /* of refused */
};

/*
 * May a log be kept under this hostname?  A name that handshake_read_ping() took, and
 * no path: it does not begin with a dot.
 */
bool ship_host_ok(struct str host);

/* Does a message call itself one of these?  Cheap; any bytes. */
bool ship_is(struct bytes message);

/*
 * Take a message apart; NULL, or why it is none: a fixed text.  Safe on any bytes.
 *
 *   message  borrowed; one whole msgpack value
 */
const char *ship_read(struct bytes message, struct ship_message *ret)
    __attribute__((warn_unused_result));

/*
 * Step over the next frame.
 *
 *   rest  what is left of the message's frames
 *
 * Safe on any bytes.  False when what is there is no frame of a known stream, or one
 * larger than may be shipped: its head is looked at, its checksum and chain are not.
 */
bool ship_next_frame(struct bytes *rest, struct log_copy_frame *ret)
    __attribute__((warn_unused_result));

/* Append a frame's place in a message: what stands before each frame. */
bool ship_put_stream(enum log_stream stream, struct buf *out) __attribute__((warn_unused_result));

/* Append a message; false when out is full.  A longer reason is cut. */
bool ship_put_hello(const struct log_origin *origin, struct buf *out)
    __attribute__((warn_unused_result));
bool ship_put_frames(int32_t day, struct bytes frames, struct buf *out)
    __attribute__((warn_unused_result));
bool ship_put_stand(const struct day_tip stand[LOG_STREAMS], struct buf *out)
    __attribute__((warn_unused_result));
bool ship_put_refused(enum err_code code, const char *reason, struct buf *out)
    __attribute__((warn_unused_result));

#endif
