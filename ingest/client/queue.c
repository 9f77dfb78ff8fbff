#include "ingest/client/queue.h"

#include <assert.h>
#include <stdlib.h>

enum { SLOT_EVERY_BYTES = 1024 }; /* chunks of less, on average, fill the places first */

bool
queue_init(struct queue *queue, size_t memory_bytes, uint32_t chunk_events_max)
{
    *queue = (struct queue){.memory_bytes = memory_bytes,
                            .chunk_events_max = chunk_events_max,
                            .chunk_slots = memory_bytes / SLOT_EVERY_BYTES};
    /* Several chunks, so that one can be sent while the next one grows. */
    queue->chunk_bytes_max = memory_bytes / 8 < CHUNK_BYTES_MAX ? memory_bytes / 8
                                                                : CHUNK_BYTES_MAX;
    assert(queue->chunk_bytes_max >=
           EVENT_RECORD_BYTES_MAX + CHUNK_ENTRY_HEAD_BYTES + CHUNK_EMPTY_BYTES_MAX);
    queue->memory = malloc(memory_bytes);
    queue->chunks = calloc(queue->chunk_slots, sizeof *queue->chunks);
    return queue->memory != NULL && queue->chunks != NULL;
}

void
queue_clear(struct queue *queue)
{
    free(queue->memory);
    free(queue->chunks);
    *queue = (struct queue){0};
}

struct chunk *
queue_chunk(struct queue *queue, size_t i)
{
    assert(i < queue->count);
    return &queue->chunks[(queue->first + i) % queue->chunk_slots];
}

static const struct chunk *
last_chunk(const struct queue *queue)
{
    return &queue->chunks[(queue->first + queue->count - 1) % queue->chunk_slots];
}

static bool
can_grow(const struct queue *queue, const struct chunk *chunk, size_t record_bytes)
{
    return !chunk->is_sealed && chunk->event_count < queue->chunk_events_max &&
           chunk_has_room(chunk, record_bytes);
}

/*
 * Where a new chunk that shall take a record may begin, and how much room it has
 * there: behind the last chunk, or at the start when the end is too near.
 */
static uint8_t *
find_place(const struct queue *queue, size_t record_bytes, size_t *ret_room_bytes)
{
    size_t need = record_bytes + CHUNK_ENTRY_HEAD_BYTES + CHUNK_EMPTY_BYTES_MAX;
    size_t from = 0, to = queue->memory_bytes;
    if (queue->count == queue->chunk_slots)
        return NULL;
    if (queue->count > 0) {
        const struct chunk *oldest = &queue->chunks[queue->first], *last = last_chunk(queue);
        size_t oldest_at = (size_t)(oldest->message - queue->memory);
        size_t taken = last->is_sealed ? last->size_bytes
                                       : last->size_bytes + CHUNK_EMPTY_BYTES_MAX;
        from = (size_t)(last->message - queue->memory) + taken;
        if (last->message < oldest->message) {
            to = oldest_at;
        } else if (from > to || to - from < need) {
            from = 0;
            to = oldest_at;
        }
    }
    if (from > to || to - from < need)
        return NULL;
    *ret_room_bytes = to - from < queue->chunk_bytes_max ? to - from : queue->chunk_bytes_max;
    return queue->memory + from;
}

bool
queue_has_room(const struct queue *queue, size_t record_bytes)
{
    size_t room_bytes;
    return find_place(queue, record_bytes, &room_bytes) != NULL;
}

void
queue_seal(struct queue *queue)
{
    if (queue->count == 0)
        return;
    struct chunk *last = queue_chunk(queue, queue->count - 1);
    if (last->is_sealed)
        return;
    size_t before_bytes = last->size_bytes;
    chunk_seal(last);
    queue->used_bytes += last->size_bytes - before_bytes;
}

static struct chunk *
begin(struct queue *queue, enum event_kind kind, size_t record_bytes,
      const uint8_t chunk_id[CHUNK_ID_BYTES])
{
    size_t room_bytes;
    uint8_t *place = find_place(queue, record_bytes, &room_bytes);
    if (place == NULL)
        return NULL;
    struct chunk *chunk = &queue->chunks[(queue->first + queue->count) % queue->chunk_slots];
    queue->count++;
    chunk_begin(chunk, kind, chunk_id, place, room_bytes);
    chunk->first_event = queue->next_event;
    queue->used_bytes += chunk->size_bytes;
    return chunk;
}

bool
queue_add(struct queue *queue, enum event_kind kind, int64_t utc_ms, struct bytes record,
          const uint8_t chunk_id[CHUNK_ID_BYTES], bool *ret_sealed)
{
    struct chunk *chunk = queue->count > 0 ? queue_chunk(queue, queue->count - 1) : NULL;
    *ret_sealed = false;
    if (chunk == NULL || chunk->kind != kind || !can_grow(queue, chunk, record.size_bytes)) {
        *ret_sealed = chunk != NULL && !chunk->is_sealed;
        queue_seal(queue);
        chunk = begin(queue, kind, record.size_bytes, chunk_id);
    }
    if (chunk == NULL)
        return false;
    size_t before_bytes = chunk->size_bytes;
    chunk_add(chunk, utc_ms, record);
    queue->used_bytes += chunk->size_bytes - before_bytes;
    queue->next_event++;
    if (chunk->event_count == queue->chunk_events_max) {
        queue_seal(queue);
        *ret_sealed = true;
    }
    return true;
}

struct chunk *
queue_take(struct queue *queue)
{
    while (queue->next < queue->count && queue_chunk(queue, queue->next)->is_gone)
        queue->next++;
    if (queue->next == queue->count || !queue_chunk(queue, queue->next)->is_sealed)
        return NULL;
    return queue_chunk(queue, queue->next++);
}

void
queue_untake(struct queue *queue)
{
    queue->next = 0;
}

void
queue_drop(struct queue *queue, struct chunk *chunk)
{
    assert(chunk->is_sealed && !chunk->is_gone);
    chunk->is_gone = true;
    queue->used_bytes -= chunk->size_bytes;
    while (queue->count > 0 && queue_chunk(queue, 0)->is_gone) {
        queue->first = (queue->first + 1) % queue->chunk_slots;
        queue->count--;
        if (queue->next > 0)
            queue->next--;
    }
}
