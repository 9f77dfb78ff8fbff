/*
 * ingest/commit.h - the committer: threads that do nothing but append batches to the
 * log and flush them.
 *
 * Group commit without a timer: whatever the io thread has offered when a flush ends is
 * the next commit.  While one hand, as its threads are called, flushes, the other makes
 * the frames of what is large enough to take longer than that (store/log/append.h), and
 * whatever is made when a flush ends goes into the next one.  The lock is held only
 * while a batch changes hands.
 *
 *   io thread                              committer
 *   commit_offer(batch)  ------------->    a hand takes it when nothing is under way, or
 *   commit_withdraw()    <-------------    when it is large; until then the io thread
 *      (to go on filling)                  may have it back
 *   commit_collect()     <-------------    written and flushed: acks may be sent
 *
 * A small batch that nobody is in the way of is committed by the io thread itself
 * (commit_now); the writer is the committer's only while something is under way.
 *
 * It writes to its wake_fd, an eventfd, whenever there is something to see.
 */
#ifndef INGEST_COMMIT_H
#define INGEST_COMMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/batch.h"
#include "ingest/figures.h"
#include "store/base/err.h"
#include "store/log/writer.h"

struct committer;

enum {
    COMMIT_UNDERWAY = 4,                  /* batches, from taken to flushed */
    COMMIT_BATCHES = COMMIT_UNDERWAY + 2, /* and one filled, one on offer */
};

/*
 * Start the threads; they inherit the caller's signal mask.
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

/*
 * How large a batch must be that it would start on at once, if it were offered now; 0: any,
 * SIZE_MAX: none.  Cheap; asks no lock.
 */
size_t commit_wants_bytes(const struct committer *c);

/* Offer a non-empty batch; false when the last offer is still there. */
bool commit_offer(struct committer *c, struct batch *batch) __attribute__((warn_unused_result));

/*
 * Commit a non-empty batch in the calling thread, if nothing is under way: two
 * changes of thread less on the way of a lone event's ack.
 *
 * Returns true when it is flushed: commit_collect() gives it back.  False when
 * something is under way or the disk is full (then offer it), or the append
 * failed, which commit_state() then says.
 */
bool commit_now(struct committer *c, struct batch *batch) __attribute__((warn_unused_result));

/*
 * Nobody waits: let the calling thread move the log's tail into its day file, if
 * nothing is under way (log_writer_settle()).  False: not now, or the disk is full; ask
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

/* What it counted, and the numbers that the log's streams go on with. */
void commit_figures(struct committer *c, struct figures_commits *ret,
                    uint64_t ret_next_seq[LOG_STREAMS]);

/*
 * Commit what is on offer, end the threads and wait for them.  Flushed batches are
 * then collected as before.  On a full disk it gives up: see commit_state().
 */
void commit_stop(struct committer *c);

/* Accepts NULL; after commit_stop(). */
void commit_free(struct committer *c);

#endif
