#include "ingest/batch.h"

enum { BATCH_KEEP_BYTES_MAX = 2 * BATCH_FULL_BYTES };

void
batch_init(struct batch *batch)
{
    *batch = (struct batch){.event_count = 0};
    buf_init(&batch->events, BATCH_PART_BYTES_MAX);
    buf_init(&batch->quarantined, BATCH_PART_BYTES_MAX);
    buf_init(&batch->acks, BATCH_PART_BYTES_MAX);
    buf_init(&batch->receivers, BATCH_PART_BYTES_MAX);
}

void
batch_clear(struct batch *batch)
{
    buf_clear(&batch->events);
    buf_clear(&batch->quarantined);
    buf_clear(&batch->acks);
    buf_clear(&batch->receivers);
    batch->event_count = batch->quarantined_count = 0;
}

static void
empty(struct buf *buf)
{
    buf->size_bytes = 0;
    if (buf->room_bytes > BATCH_KEEP_BYTES_MAX)
        buf_clear(buf);
}

void
batch_reset(struct batch *batch)
{
    empty(&batch->events);
    empty(&batch->quarantined);
    empty(&batch->acks);
    empty(&batch->receivers);
    batch->event_count = batch->quarantined_count = 0;
    batch->taken_ns = 0;
}

size_t
batch_bytes(const struct batch *batch)
{
    return batch->events.size_bytes + batch->quarantined.size_bytes + batch->acks.size_bytes +
           batch->receivers.size_bytes;
}

bool
batch_is_empty(const struct batch *batch)
{
    return batch_bytes(batch) == 0;
}

struct batch_mark
batch_mark(const struct batch *batch)
{
    return (struct batch_mark){batch->events.size_bytes, batch->quarantined.size_bytes,
                               batch->event_count, batch->quarantined_count};
}

void
batch_rollback(struct batch *batch, struct batch_mark mark)
{
    batch->events.size_bytes = mark.events_bytes;
    batch->quarantined.size_bytes = mark.quarantined_bytes;
    batch->event_count = mark.event_count;
    batch->quarantined_count = mark.quarantined_count;
    /* A refused message must not have made it large for good. */
    buf_trim(&batch->events, BATCH_KEEP_BYTES_MAX);
    buf_trim(&batch->quarantined, BATCH_KEEP_BYTES_MAX);
}

bool
batch_add_event(struct batch *batch, const struct event *event)
{
    if (!event_store(event, &batch->events))
        return false;
    batch->event_count++;
    return true;
}

bool
batch_add_quarantined(struct batch *batch, const struct quarantined *q)
{
    if (!quarantine_store(q, &batch->quarantined))
        return false;
    batch->quarantined_count++;
    return true;
}

bool
batch_add_ack(struct batch *batch, struct conn *conn, const uint8_t *ack, size_t size_bytes,
              bool *ret_new_owner)
{
    size_t count = batch_receiver_count(batch);
    struct batch_receiver *all = (struct batch_receiver *)(void *)batch->receivers.data;
    bool new_owner = count == 0 || all[count - 1].conn != conn;
    struct batch_receiver r = {conn, size_bytes};
    if (!buf_reserve(&batch->acks, size_bytes) ||
        (new_owner && !buf_append(&batch->receivers, &r, sizeof r)))
        return false;
    if (!new_owner)
        all[count - 1].size_bytes += size_bytes;
    *ret_new_owner = new_owner;
    return buf_append(&batch->acks, ack, size_bytes);
}

size_t
batch_receiver_count(const struct batch *batch)
{
    return batch->receivers.size_bytes / sizeof(struct batch_receiver);
}

const struct batch_receiver *
batch_receivers(const struct batch *batch)
{
    return (const struct batch_receiver *)(const void *)batch->receivers.data;
}
