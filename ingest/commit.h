/*
 * ingest/commit.h - the committer: a thread that does nothing but append batches
 * to the log and flush them.
 *
 * Group commit without a timer: whatever the io thread has offered when a flush
 * ends is the next commit.  Three batches go round: one is filled, one is being
 * written, one waits for its acks to be sent.  The lock is held only while a
 * batch changes hands.
 *
 *   io thread                              committer
 *   commit_offer(batch)  ------------->    takes it when it is idle, or as soon
 *   commit_withdraw()    <-------------    as its flush is done; until then the
 *      (to go on filling)                  io thread may have it back
 *   commit_collect()     <-------------    written and flushed: acks may be sent
 *
 * A small batch that nobody is in the way of is committed by the io thread itself
 * (commit_now); the writer is the committer's only while it is not idle.
 *
 * It writes to its wake_fd, an eventfd, whenever there is something to see.
 */
#ifndef INGEST_COMMIT_H
#define INGEST_COMMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/batch.h"
#include "store/base/err.h"
#include "store/log/writer.h"

struct committer;

/*
 * Start the thread; it inherits the caller's signal mask.
 *
 *   writer         borrowed until commit_stop()
 *   retry_ms       how long to wait between two tries on a full disk
 *
 * Errors: ERR_LIMIT, ERR_IO.
 */
enum err_code commit_start(struct log_writer *writer, int64_t retry_ms, struct committer **ret,
                           struct err *err) ERR_MUST_CHECK;

/* For the io thread's epoll; readable when something changed. */
int commit_wake_fd(const struct committer *c);

/* Would it start at once on a batch that is offered now?  Cheap; asks no lock. */
bool commit_is_idle(const struct committer *c);

/* Offer a non-empty batch; false when the last offer is still there. */
bool commit_offer(struct committer *c, struct batch *batch) __attribute__((warn_unused_result));

/*
 * Commit a non-empty batch in the calling thread, if the committer is idle: two
 * changes of thread less on the way of a lone event's ack.
 *
 * Returns true when it is flushed: commit_collect() gives it back.  False when
 * the committer is not idle or the disk is full (then offer it), or the append
 * failed, which commit_state() then says.
 */
bool commit_now(struct committer *c, struct batch *batch) __attribute__((warn_unused_result));

/*
 * Nobody waits: let the calling thread move the log's tail into its day file, if the
 * committer is idle (log_writer_settle()).  False: not now, or the disk is full; ask
 * again later.  A failure is one of commit_state().
 */
bool commit_settle(struct committer *c) __attribute__((warn_unused_result));

/* Take the offer back; NULL when there is none or the committer has taken it. */
struct batch *commit_withdraw(struct committer *c);

/* The oldest batch that is flushed and not yet collected, or NULL. */
struct batch *commit_collect(struct committer *c);

/* What the committer met. */
struct commit_state {
    enum err_code failed; /* not ERR_OK: it has ended; nothing more may be acked */
    bool disk_full;       /* it tries the same batch again and again */
    uint64_t commits;
    struct err err; /* set only with failed or disk_full */
};
void commit_state(struct committer *c, struct commit_state *ret);

/*
 * Commit what is on offer, end the thread and wait for it.  Flushed batches are
 * then collected as before.  On a full disk it gives up: see commit_state().
 */
void commit_stop(struct committer *c);

/* Accepts NULL; after commit_stop(). */
void commit_free(struct committer *c);

#endif
