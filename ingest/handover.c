#include "ingest/handover.h"

#include <assert.h>

#include "store/base/clock.h"

enum {
    HANDOVER_WORTH_BYTES = 64 * 1024, /* a commit of its own in mid-round */
    HANDOVER_ALONE_BYTES = 16 * 1024, /* at most so much is committed by the io thread itself */
};

#define HANDOVER_SETTLE_MS ((int64_t)5)          /* after the last commit */
#define HANDOVER_SETTLE_AGAIN_MS ((int64_t)1000) /* when it could not be done */

void
handover_init(struct handover *h, struct clients *clients)
{
    *h = (struct handover){.clients = clients};
    for (int i = 0; i < COMMIT_BATCHES; i++) {
        batch_init(&h->batches[i]);
        h->spare[h->spare_count++] = &h->batches[i];
    }
}

enum err_code
handover_start(struct handover *h, struct log_writer *writer, int64_t retry_ms, struct err *err)
{
    return commit_start(writer, retry_ms, &h->committer, err);
}

void
handover_close(struct handover *h)
{
    if (h->committer != NULL)
        commit_stop(h->committer);
    for (int i = 0; i < COMMIT_BATCHES; i++)
        batch_clear(&h->batches[i]);
    commit_free(h->committer);
    h->committer = NULL;
}

static void
send_acks(struct handover *h, struct batch *batch)
{
    const struct batch_receiver *r = batch_receivers(batch);
    const uint8_t *ack = batch->acks.data;
    for (size_t i = 0, n = batch_receiver_count(batch); i < n; i++) {
        conn_send(r[i].conn, ack, r[i].size_bytes);
        ack += r[i].size_bytes;
        r[i].conn->owed--;
        clients_settle(h->clients, r[i].conn);
    }
    if (batch->taken_ns != 0 && batch->acks.size_bytes > 0)
        figures_observe(&h->ack_ns, FIGURES_FIRST_NS,
                        (uint64_t)(clock_monotonic_ns() - batch->taken_ns));
    batch_reset(batch);
}

void
handover_collect(struct handover *h)
{
    struct batch *batch;
    while ((batch = commit_collect(h->committer)) != NULL) {
        send_acks(h, batch);
        h->spare[h->spare_count++] = batch;
        h->settle_ms = clock_monotonic_ms() + HANDOVER_SETTLE_MS;
    }
}

void
handover_settle(struct handover *h, int64_t now_ms)
{
    if (h->settle_ms == 0 || now_ms < h->settle_ms)
        return;
    h->settle_ms = commit_settle(h->committer) ? 0 : now_ms + HANDOVER_SETTLE_AGAIN_MS;
}

bool
handover_is_filled(const struct handover *h)
{
    return h->fill != NULL && !batch_is_empty(h->fill);
}

void
handover_offer(struct handover *h)
{
    if (handover_is_filled(h) && commit_offer(h->committer, h->fill))
        h->fill = NULL;
}

void
handover_alone(struct handover *h)
{
    if (!handover_is_filled(h) || batch_bytes(h->fill) > HANDOVER_ALONE_BYTES)
        return;
    if (commit_now(h->committer, h->fill)) {
        h->fill = NULL;
        handover_collect(h);
    }
}

bool
handover_has_room(const struct handover *h)
{
    return h->fill == NULL || batch_bytes(h->fill) < BATCH_FULL_BYTES;
}

void
handover_need_fill(struct handover *h)
{
    if (h->fill != NULL)
        return;
    h->fill = commit_withdraw(h->committer);
    if (!handover_has_room(h))
        handover_offer(h);
    if (h->fill == NULL) {
        handover_collect(h);
        assert(h->spare_count > 0);
        h->fill = h->spare[--h->spare_count];
    }
}

void
handover_between(struct handover *h)
{
    if (h->fill->taken_ns == 0 && !batch_is_empty(h->fill))
        h->fill->taken_ns = clock_monotonic_ns();
    size_t size_bytes = batch_bytes(h->fill);
    if (size_bytes < HANDOVER_WORTH_BYTES || size_bytes < commit_wants_bytes(h->committer))
        return;
    handover_collect(h);
    if (h->spare_count == 0)
        return;
    handover_offer(h);
    if (h->fill == NULL)
        h->fill = h->spare[--h->spare_count];
}
