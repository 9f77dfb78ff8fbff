/*
 * ingest/client/queue.h - events in memory: a ring of chunks, oldest first.
 * Private to ingest/client.
 *
 * Chunks lie behind one another in one piece of memory, each in one piece, the
 * last one (unless sealed) growing.  A sealed chunk's bytes never change.  Memory
 * comes back in the order of the chunks.
 *
 * Threads: the caller holds the client's mutex for every call; only the sender
 * marks chunks as gone, so it may read the bytes of a sealed chunk without it.
 */
#ifndef INGEST_CLIENT_QUEUE_H
#define INGEST_CLIENT_QUEUE_H

#include "ingest/client/chunk.h"

struct queue {
    uint8_t *memory;
    size_t memory_bytes;
    size_t chunk_bytes_max;
    uint32_t chunk_events_max;
    struct chunk *chunks; /* a ring of chunk_slots places */
    size_t chunk_slots, first, count;
    size_t next;         /* of the count chunks so many have been handed to the sender */
    uint64_t next_event; /* the number of the next event; the first is 0 */
    uint64_t used_bytes; /* in chunks that are not gone */
};

/* False without memory; queue_clear() it also then. */
bool queue_init(struct queue *queue, size_t memory_bytes, uint32_t chunk_events_max)
    __attribute__((warn_unused_result));
void queue_clear(struct queue *queue);

/* Is there room for a record of record_bytes, whatever its kind? */
bool queue_has_room(const struct queue *queue, size_t record_bytes);

/*
 * Append an event.
 *
 *   chunk_id    used when a new chunk is begun
 *   ret_sealed  did this seal a chunk?
 *
 * False when there is no room: nothing has changed but that the last chunk may
 * have been sealed.
 */
bool queue_add(struct queue *queue, enum event_kind kind, int64_t utc_ms, struct bytes record,
               const uint8_t chunk_id[CHUNK_ID_BYTES], bool *ret_sealed)
    __attribute__((warn_unused_result));

/* Seal the last chunk, if there is one that is not. */
void queue_seal(struct queue *queue);

/* The i-th chunk, 0 being the oldest; i < count. */
struct chunk *queue_chunk(struct queue *queue, size_t i);

/* The next sealed chunk for the sender, or NULL. */
struct chunk *queue_take(struct queue *queue);

/* All that is not gone is for the sender again. */
void queue_untake(struct queue *queue);

/* A sealed chunk is needed no more. */
void queue_drop(struct queue *queue, struct chunk *chunk);

#endif
