/*
 * ingest/handover.h - the io thread's side of the batches: which one is
 * filled, when it goes to the committer, and the acks of those that are flushed.
 *
 * Whoever calls is the io thread.
 */
#ifndef INGEST_HANDOVER_H
#define INGEST_HANDOVER_H

#include "ingest/batch.h"
#include "ingest/clients.h"
#include "ingest/commit.h"
#include "ingest/figures.h"

struct handover {
    struct committer *committer; /* owned; NULL before handover_start() */
    struct clients *clients;     /* borrowed: who the acks are for */
    struct batch batches[COMMIT_BATCHES];
    struct batch *fill; /* being filled, or NULL */
    struct batch *spare[COMMIT_BATCHES];
    size_t spare_count;
    int64_t settle_ms;               /* monotonic: when to settle; 0: nothing to */
    struct figures_histogram ack_ns; /* from a commit's first message to its acks */
};

/* Empty; handover_close() may be called at once. */
void handover_init(struct handover *h, struct clients *clients);

/* Start the committer on a writer.  Errors: those of commit_start(). */
enum err_code handover_start(struct handover *h, struct log_writer *writer, int64_t retry_ms,
                             struct err *err) ERR_MUST_CHECK;

/* Stop the committer and free all.  Before the clients are closed: batches point at them. */
void handover_close(struct handover *h);

/* Is there room to read into? */
bool handover_has_room(const struct handover *h);

/*
 * Have a batch to fill, handover_fill(): goes on with what was offered and not yet
 * taken, since one large commit is cheaper than two small ones.
 */
void handover_need_fill(struct handover *h);

/* Between two messages: give the committer work as soon as it wants it. */
void handover_between(struct handover *h);

/* Offer what is filled, if anything is and the last offer was taken. */
void handover_offer(struct handover *h);

/* One client spoke, and little: flush it here and answer, before anybody else is looked at. */
void handover_alone(struct handover *h);

/* Send the acks of all that is flushed by now. */
void handover_collect(struct handover *h);

/*
 * Nothing has come for a while: move the log's tail into its day file, which no ack
 * waits for.  Due at settle_ms; puts it off when it cannot be done now.
 */
void handover_settle(struct handover *h, int64_t now_ms);

/* Is anything filled that the committer does not have? */
bool handover_is_filled(const struct handover *h);

#endif
