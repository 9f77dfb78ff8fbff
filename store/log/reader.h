/*
 * store/log/reader.h - read the log in order, from any position.
 *
 * A position is a sequence number: "all events with seq <= N".  A reader copies
 * each frame out of LMDB, so that its read transactions last microseconds and
 * never hold the writer's pages.  It may stay open while the writer appends and
 * while days come and go.
 */
#ifndef STORE_LOG_READER_H
#define STORE_LOG_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/base/hash.h"
#include "store/log/frame.h"
#include "store/log/writer.h"

struct log_reader;

/* after_seq: from the oldest event that is kept on. */
#define LOG_OLDEST UINT64_MAX

/* One frame, checked and decompressed. */
struct log_frame {
    uint64_t first_seq;
    uint32_t event_count;
    int64_t receive_utc_ms;
    uint8_t chain[HASH_SHA256_BYTES];
    struct bytes events; /* valid until the next call on the reader */
    size_t stored_bytes; /* head and body as stored; of a block: with its first frame */
    int32_t day;         /* the day file it lies in, days since 1970-01-01 */
    bool sealed;
    const char *day_path; /* valid until the next call on the reader */
};

/*
 * Open a log for reading.
 *
 *   directory  borrowed until the reader is closed: <data>/log
 *   stream     which of the two
 *   after_seq  the first frame given is the one that holds after_seq + 1; LOG_OLDEST
 *
 * Errors: ERR_NOT_FOUND when there is no log; ERR_DENIED, ERR_IO of the files.
 */
enum err_code log_reader_open(const char *directory, enum log_stream stream, uint64_t after_seq,
                              struct log_reader **ret, struct err *err) ERR_MUST_CHECK;
void log_reader_close(struct log_reader *reader);

/*
 * Give the next frame.
 *
 *   ret_more  false at the end of the log: *ret is then not written, and a later
 *             call may find more
 *
 * Errors: ERR_CORRUPT names file and frame, also for a gap in the sequence;
 * ERR_NOT_FOUND when the position lies before the oldest day kept; ERR_IO.
 */
enum err_code log_reader_next(struct log_reader *reader, struct log_frame *ret, bool *ret_more,
                              struct err *err) ERR_MUST_CHECK;

/*
 * Give the next frame as it is stored, for a caller that opens frames elsewhere:
 * frame_events() with its own codec, in any thread.  A frame of a sealed day is
 * given uncompressed, which takes no longer.
 *
 *   room  the stored bytes are appended; ret->stored points into it, so it moves
 *         with the next append
 *
 * More and errors: as log_reader_next(); of a frame that cannot be taken nothing
 * is appended.
 */
enum err_code log_reader_next_stored(struct log_reader *reader, struct buf *room, struct frame *ret,
                                     bool *ret_more, struct err *err) ERR_MUST_CHECK;

/*
 * Go to another position, forwards or backwards: the next frame given is the one
 * that holds after_seq + 1.  Cheap within a day.  Errors: as log_reader_open().
 */
enum err_code log_reader_seek(struct log_reader *reader, uint64_t after_seq,
                              struct err *err) ERR_MUST_CHECK;

/*
 * From here on let log_reader_next() also check that every frame follows the one
 * before by its chain, which costs a SHA-256 of all that is read.  Call it once, before the first
 * log_reader_next(), on a reader that begins at a day's first frame.
 */
void log_reader_check_chain(struct log_reader *reader);

/* Where a stream of a day begins. */
struct log_begin {
    int32_t day;
    uint64_t first_seq;               /* of the first event to come */
    uint8_t chain[HASH_SHA256_BYTES]; /* of the frame before it */
};

/* Of the day that the reader is in: right after log_reader_open(), the first.  False: of none. */
bool log_reader_begin(const struct log_reader *reader, struct log_begin *ret);

/* The day file that the frame given last lies in, or will when it leaves the tail. */
int32_t log_reader_day(const struct log_reader *reader);

/* The log's identity: 32 random bytes made with its first day. */
const uint8_t *log_reader_identity(const struct log_reader *reader);

#endif
