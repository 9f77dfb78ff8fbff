/*
 * store/log/tail.h - the log's tail: frames that are flushed, but not yet in their
 * day file.  Private to store/log.
 *
 * An LMDB commit is two flushes, one behind the other, of three or four pages that
 * lie apart; a lone event's ack would wait for both.  A tail append is one write into
 * blocks that the file has already, and one flush.  Now and then the writer moves
 * what is here into the day file, in one LMDB transaction that no ack waits for.
 *
 * The file <log>/tail has a fixed size and holds records, each at a multiple of
 * TAIL_BLOCK_BYTES, from the file's start (little-endian; also in schemas/log.md):
 *
 *    0  u32  magic "GBT1"
 *    4  u32  bytes of the frame of events, 0: none
 *    8  u32  bytes of the frame of the quarantine, 0: none
 *   12  u32  0
 *   16  u64  checksum: XXH3-64 of the frames, seeded with XXH3-64 of bytes 0 to 15
 *   24       the frames
 *
 * Nothing in it says what is new: a record counts when its frames go on where the
 * log stands, by number and chain.  Whatever else lies there is of an earlier round
 * and in a day file, or was never whole.  A block is never written again before all
 * that was in the file is in a day file.
 */
#ifndef STORE_LOG_TAIL_H
#define STORE_LOG_TAIL_H

#include <stdbool.h>

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/log/day.h"

enum {
    TAIL_BLOCK_BYTES = 4096,
    TAIL_BLOCKS = 512,
    TAIL_HEAD_BYTES = 24,
    TAIL_RECORDS_MAX = 256, /* so that moving them stays short */
};

/* The writer's hold on the file. */
struct tail {
    int fd;             /* -1: there is none, as on a full disk: appends go to the day file */
    struct buf records; /* what the file holds that no day file has: its first bytes */
    size_t record_count;
};

/* A record's frames; size_bytes 0: none of that stream. */
struct tail_record {
    struct bytes frames[LOG_STREAMS];
};

/*
 * Open the tail of a log for appending, and make it if it is not there.
 *
 *   ret  filled, also on failure; tail_close().  Its records are the caller's to find:
 *        tail_read()
 *
 * That there is no room for it is no error: see struct tail.
 * Errors: ERR_DENIED, ERR_IO.
 */
enum err_code tail_open(const char *directory, struct tail *ret, struct err *err) ERR_MUST_CHECK;

/* Closing a closed tail is fine. */
void tail_close(struct tail *tail);

/* Is there room for one more record with so many bytes of frames? */
bool tail_has_room(const struct tail *tail, size_t frames_bytes);

/*
 * Append a record and flush it.  tail_has_room() said yes.
 *
 * Errors: ERR_IO; it is then unknown what is on the disk, and nothing may be
 * appended to the log before it was opened anew.  ERR_LIMIT: no memory; nothing
 * happened.
 */
enum err_code tail_append(struct tail *tail, const struct tail_record *record,
                          struct err *err) ERR_MUST_CHECK;

/* All is in a day file: begin a new round. */
void tail_empty(struct tail *tail);

/*
 * Read the file; a log without a tail gives nothing.
 *
 *   out  replaced; walk it with tail_next(), which ends at the first record that is
 *        not whole: of an earlier round, or being written right now
 *
 * Errors: ERR_DENIED, ERR_IO, ERR_LIMIT.
 */
enum err_code tail_read(const char *directory, struct buf *out, struct err *err) ERR_MUST_CHECK;

/*
 * Read only what is new: the records behind those that are there already, as long as
 * they go on where the tips stand.  Where nothing is new that is one block.
 *
 *   codec    to read compressed frames by, which their chain is over
 *   tips     where the day files end, or the records in out; moved
 *   records  whole ones of this round, from its first on; new ones are appended
 *
 * Errors: as tail_read(); what was read until then is there.
 */
enum err_code tail_read_on(const char *directory, struct frame_codec *codec,
                           struct day_tip tips[LOG_STREAMS], struct buf *records,
                           struct err *err) ERR_MUST_CHECK;

/*
 * Flush what tail_read() or tail_read_on() gave: the writer may have written it and not flushed yet,
 * and a job must not stand on what a power cut can take away.  Errors: as tail_read().
 */
enum err_code tail_flush(const char *directory, struct err *err) ERR_MUST_CHECK;

/*
 * Take the record at the start of *rest apart and step over it.
 *
 * Safe on any bytes.  False at the end: what is there is no whole record.
 */
bool tail_next(struct bytes *rest, struct tail_record *ret);

/*
 * How much of the records goes on where the tips stand, in bytes; the tips are moved.
 *
 *   codec      to read compressed frames by, which their chain is over
 *   ret_count  set to how many records that is
 *
 * The rest is of an earlier round, of another log, or later than the tips.
 */
size_t tail_follow(struct bytes records, struct frame_codec *codec,
                   struct day_tip tips[LOG_STREAMS], size_t *ret_count);

#endif
