/*
 * ingest/batch.h - what one commit will take: stored events, quarantined ones,
 * and the acks that are owed once it is on the disk.
 *
 * A batch is in one thread's hands at a time: the io thread fills it, the
 * committer writes it, the io thread sends its acks and clears it.  It copies
 * what it keeps, so the client's bytes may go at once.
 */
#ifndef INGEST_BATCH_H
#define INGEST_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/event/event.h"
#include "store/log/quarantine.h"

struct conn; /* ingest/conn.h: whom an ack is for */

enum {
    /* A batch this large takes no more: reading stops until the committer has it. */
    BATCH_FULL_BYTES = 2 * 1024 * 1024,
    /* Room for what is read before anyone looks: the largest message and its envelopes. */
    BATCH_PART_BYTES_MAX = 32 * 1024 * 1024,
};

struct batch {
    struct buf events;
    struct buf quarantined;
    struct buf acks;      /* the bytes to send, one ack behind the other */
    struct buf receivers; /* of struct batch_receiver: whose they are */
    uint32_t event_count;
    uint32_t quarantined_count;
    int64_t receive_utc_ms; /* of its first message */
    int64_t taken_ns;       /* monotonic: when that one was taken; 0: not said */
};

/* The next size_bytes of acks go to conn. */
struct batch_receiver {
    struct conn *conn;
    size_t size_bytes;
};

/* A place to go back to when a message turns out not to be the protocol. */
struct batch_mark {
    size_t events_bytes, quarantined_bytes;
    uint32_t event_count, quarantined_count;
};

void batch_init(struct batch *batch);
void batch_clear(struct batch *batch); /* free; empty and usable again */

/* Make it empty; keeps its memory, unless one huge message made it grow. */
void batch_reset(struct batch *batch);

/* Bytes it holds, acks included; nothing at all to do? */
size_t batch_bytes(const struct batch *batch);
bool batch_is_empty(const struct batch *batch);

struct batch_mark batch_mark(const struct batch *batch);
void batch_rollback(struct batch *batch, struct batch_mark mark);

/* Each returns false when there is no room; the batch is then unchanged. */
bool batch_add_event(struct batch *batch, const struct event *event)
    __attribute__((warn_unused_result));
bool batch_add_quarantined(struct batch *batch, const struct quarantined *q)
    __attribute__((warn_unused_result));

/*
 * Owe an ack.
 *
 *   conn           borrowed: must live until the batch is reset
 *   ret_new_owner  did the batch not owe conn the ack before this one?  Then it
 *                  has one receiver more
 */
bool batch_add_ack(struct batch *batch, struct conn *conn, const uint8_t *ack, size_t size_bytes,
                   bool *ret_new_owner) __attribute__((warn_unused_result));

size_t batch_receiver_count(const struct batch *batch);
const struct batch_receiver *batch_receivers(const struct batch *batch);

#endif
