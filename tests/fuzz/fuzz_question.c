/*
 * A question to the agent, from anybody: what is read lies within the message and its
 * bounds, and every answer to it is one whole map.
 */
#include <assert.h>
#include <string.h>

#include "ingest/live/question.h"
#include "store/event/event.h"
#include "tests/fuzz/fuzz.h"

static bool
is_inside(struct str s, struct bytes whole)
{
    const uint8_t *p = (const uint8_t *)s.data;
    return s.size_bytes == 0 ||
           (p >= whole.data && p + s.size_bytes <= whole.data + whole.size_bytes);
}

static void
is_whole(const uint8_t *out, size_t n)
{
    struct mp m = mp_of((struct bytes){out, n});
    bool whole = mp_skip(&m);
    assert(n <= ANSWER_BYTES_MAX && whole && m.p == m.end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct bytes bytes = {data, size_bytes};
    struct question q;
    const char *defect = NULL, *reason = NULL;
    uint8_t out[ANSWER_BYTES_MAX];
    (void)question_is(bytes);
    if (!question_read(bytes, &q, &defect, &reason)) {
        assert(reason != NULL);
        return 0;
    }
    if (defect == NULL) {
        assert(q.op < QUESTION_OPS && q.organization.size_bytes <= EVENT_TEXT_BYTES_MAX);
        assert(q.hold.size_bytes <= EVENT_TEXT_BYTES_MAX && q.life_ms <= QUESTION_LIFE_MS_MAX);
        assert(q.amount >= 1 && q.amount <= EVENT_COUNT_MAX && q.life_ms > 0);
        assert(q.bound >= q.amount && q.bound <= EVENT_COUNT_MAX);
        assert(is_inside(q.organization, bytes) && is_inside(q.hold, bytes));
    }
    if (q.chunk.id.size_bytes == 0)
        return 0;
    struct answer a = {.known = true, .used = UINT64_MAX, .limit = 1, .state = "ok", .plan = "p"};
    memset(a.reason, 'r', sizeof a.reason - 1);
    is_whole(out, answer_write(&q, &a, out));
    is_whole(out, answer_write_error(&q, "no", out));
    return 0;
}
