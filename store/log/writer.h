/*
 * store/log/writer.h - append to the log.
 *
 * A log directory holds one LMDB environment per UTC day of receipt.  Each has
 * two streams of frames with sequence numbers and chains of their own: the
 * events, and the quarantine of what could not enter.  An append returns when its
 * bytes are on the disk: a large one in the day file, by one LMDB transaction; a
 * small one in the log's tail, by one flush, until log_writer_settle() or a later
 * append moves it into the day file.  Readers read both.  One writer process at a time (it holds log/writer.lock); readers come
 * and go.
 *
 * Day files only ever go forward: if the clock steps back over midnight, the
 * newest file goes on.  Sequence order, not the clock, orders the log.
 */
#ifndef STORE_LOG_WRITER_H
#define STORE_LOG_WRITER_H

#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/err.h"
#include "store/base/hash.h"

enum log_stream {
    LOG_EVENTS,     /* stored events, store/event/event.h */
    LOG_QUARANTINE, /* store/log/quarantine.h */
    LOG_STREAMS
};

struct log_writer;
struct log_append;  /* store/log/append.h */
struct frame_codec; /* store/log/frame.h */

/* Where a stream stands: the next number, and the chain to go on from. */
struct day_tip {
    uint64_t next_seq;
    uint8_t chain[HASH_SHA256_BYTES];
};

/* What one append takes of one stream; event_count 0: nothing. */
struct log_part {
    struct bytes bytes;
    uint32_t event_count;
};

/*
 * Open a log for appending; makes the directory and the first day as needed.
 *
 *   directory  borrowed: <data>/log; its parent must exist
 *   ret        taken: log_writer_close()
 *
 * Errors: ERR_BUSY when another writer has it; ERR_DENIED, ERR_NOT_FOUND,
 * ERR_FULL, ERR_IO of the files; ERR_CORRUPT when the newest frame cannot be
 * read, since nothing may be chained to it.
 */
enum err_code log_writer_open(const char *directory, struct log_writer **ret,
                              struct err *err) ERR_MUST_CHECK;

/* Settles first, if it can; what it cannot move the next writer does. */
void log_writer_close(struct log_writer *writer);

/*
 * Append one frame per non-empty part and flush.  Nothing else is on its way.
 *
 *   receive_utc_ms  when the events came; decides the day file
 *   parts           at most FRAME_RAW_BYTES_MAX bytes each
 *
 * Errors:
 *   ERR_FULL  the disk or the map is full; nothing is stored, the writer is as
 *             it was, the same append may be tried again later
 *   ERR_IO    a write or a flush failed; what is on disk is unknown.  The writer
 *             refuses every later append: close it, do not retry, do not ack
 */
enum err_code log_writer_append(struct log_writer *writer, int64_t receive_utc_ms,
                                const struct log_part parts[LOG_STREAMS],
                                struct err *err) ERR_MUST_CHECK;

/*
 * ---- an append in three steps (store/log/append.h), for more than one thread ----
 */

/*
 * The first step: number and chain an append behind all that were chained before it.
 * Beside log_writer_store() in another thread, and nothing else.
 *
 *   parts   as of log_writer_append(); borrowed until log_append_encode()
 *   append  filled
 */
void log_writer_chain(struct log_writer *writer, int64_t receive_utc_ms,
                      const struct log_part parts[LOG_STREAMS], struct log_append *append);

/*
 * The third step: store appends and flush them, all in one go.
 *
 *   appends     encoded ones, count >= 1, in the order they were chained in, the first one
 *               behind the last one stored
 *   ret_stored  how many are on the disk: as many as go with the first one, LOG_STORE_MAX
 *               at most, and not those of a later day; an append of nothing
 *               is stored by doing nothing
 *
 * Errors: as log_writer_append(); *ret_stored is 0 then.  On ERR_FULL the same appends
 * may be tried again; log_writer_append() forgets those that were only chained.
 */
enum err_code log_writer_store(struct log_writer *writer, const struct log_append *const appends[],
                               size_t count, size_t *ret_stored, struct err *err) ERR_MUST_CHECK;

enum { LOG_STORE_MAX = 4 };

/*
 * Move what lies in the tail into the day file.  Worth a call when nobody waits for
 * an append: else one in some hundred small appends does it.
 *
 * Errors: as log_writer_append(); on ERR_FULL all stays in the tail, safely.
 */
enum err_code log_writer_settle(struct log_writer *writer, struct err *err) ERR_MUST_CHECK;

/*
 * ---- copies: the log of another host, frame by frame ----
 *
 * A copy has the frames of the log it was made of, each in the day file of the same
 * date: so numbers, times, chains and roots are the same.  It has no tail.
 */

/* What a copy is of, and where it begins. */
struct log_origin {
    uint8_t identity[HASH_SHA256_BYTES];
    struct day_tip start[LOG_STREAMS]; /* number 1 and zeros, unless older days are gone */
};

/*
 * Open a copy for appending, or make it.
 *
 *   origin  a copy that is there must be of this log; a new one begins at its start
 *   codec   lent, used by one thread at a time: one may serve many copies
 *
 * Errors: as log_writer_open(); ERR_CONFLICT when there is a copy of another log.
 */
enum err_code log_writer_open_copy(const char *directory, const struct log_origin *origin,
                                   struct frame_codec *codec, struct log_writer **ret,
                                   struct err *err) ERR_MUST_CHECK;

struct log_copy_frame {
    enum log_stream stream;
    struct bytes frame; /* as store/log/frame.h has it */
};

/*
 * Append frames to a copy and flush: all of them or none.
 *
 *   day     the day file they lie in, where they come from; days only go forward
 *   frames  count >= 1 of them, of each stream in order
 *
 * Safe on any bytes.  Errors: ERR_CONFLICT when a frame does not go on where the copy
 * stands, by number and chain, or the day lies behind; nothing is stored.  ERR_FULL,
 * ERR_IO as log_writer_append().
 */
enum err_code log_writer_append_frames(struct log_writer *writer, int32_t day,
                                       const struct log_copy_frame *frames, size_t count,
                                       struct err *err) ERR_MUST_CHECK;

/* Where it stands: what is flushed. */
const struct day_tip *log_writer_tips(const struct log_writer *writer);

/* The number the next event of a stream will get; 1 in an empty log. */
uint64_t log_writer_next_seq(const struct log_writer *writer, enum log_stream stream);

#endif
