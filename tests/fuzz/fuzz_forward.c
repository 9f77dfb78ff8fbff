/*
 * The stream and the forward decoder on any bytes, cut at places that the first
 * byte chooses.  Cutting must not change what is admitted, a refused message must
 * leave the batch as it was, and what was stored must be readable.
 */
#include <assert.h>
#include <string.h>

#include "ingest/admit.h"
#include "ingest/forward.h"
#include "ingest/stream.h"
#include "tests/fuzz/fuzz.h"

struct taking {
    struct batch batch;
    struct admit_counts counts;
    struct admit_from from;
};

static const char *
take(void *context, struct bytes message)
{
    struct taking *t = context;
    uint32_t owed;
    size_t events = t->batch.events.size_bytes, all = batch_bytes(&t->batch);
    const char *reason = admit_message(message, &t->from, &t->batch, &t->counts, &owed);
    if (reason != NULL) {
        assert(owed == 0 && reason[0] != '\0');
        assert(t->batch.events.size_bytes == events && batch_bytes(&t->batch) == all);
    }
    return reason;
}

static struct peer peer = {.uid = 1000};
static struct inflater *inflater; /* as in the agent, one for all; lives as long as the fuzzer */

static const char *
feed(struct taking *t, struct bytes bytes, size_t step_bytes)
{
    struct stream s;
    const char *reason = NULL;
    batch_init(&t->batch);
    t->counts = (struct admit_counts){0};
    t->from = (struct admit_from){(struct conn *)(void *)t, &peer, 1795508130000, inflater, NULL};
    stream_init(&s, FORWARD_MESSAGE_BYTES_MAX);
    while (reason == NULL && bytes.size_bytes > 0) {
        size_t n = bytes.size_bytes < step_bytes ? bytes.size_bytes : step_bytes;
        reason = stream_feed(&s, (struct bytes){bytes.data, n}, take, t);
        bytes = (struct bytes){bytes.data + n, bytes.size_bytes - n};
    }
    stream_clear(&s);
    return reason;
}

static bool
same(const struct buf *a, const struct buf *b)
{
    return a->size_bytes == b->size_bytes &&
           (a->size_bytes == 0 || memcmp(a->data, b->data, a->size_bytes) == 0);
}

static void
check_stored(const struct batch *b)
{
    struct mp m = mp_of((struct bytes){b->events.data, b->events.size_bytes});
    for (uint32_t i = 0; i < b->event_count; i++) {
        struct event e;
        struct event_defect defect;
        bool ok = event_read(&m, &e, &defect);
        assert(ok && e.peer_uid == 1000);
    }
    assert(m.p == m.end);
    m = mp_of((struct bytes){b->quarantined.data, b->quarantined.size_bytes});
    for (uint32_t i = 0; i < b->quarantined_count; i++) {
        struct quarantined q;
        bool ok = quarantine_read(&m, &q);
        assert(ok && q.reason.size_bytes > 0);
    }
    assert(m.p == m.end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct taking whole, cut;
    if (inflater == NULL)
        inflater = inflater_new();
    if (size_bytes == 0 || inflater == NULL)
        return 0;
    struct bytes bytes = {data + 1, size_bytes - 1};
    const char *a = feed(&whole, bytes, size_bytes), *b = feed(&cut, bytes, 1 + data[0] % 64);
    assert((a == NULL) == (b == NULL));
    assert(same(&whole.batch.events, &cut.batch.events));
    assert(same(&whole.batch.quarantined, &cut.batch.quarantined));
    assert(same(&whole.batch.acks, &cut.batch.acks));
    check_stored(&whole.batch);
    batch_clear(&whole.batch);
    batch_clear(&cut.batch);
    return 0;
}
