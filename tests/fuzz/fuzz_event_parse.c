/*
 * event_parse() on any bytes, as each kind.  What is accepted must be stored,
 * read back as the same event, and be stored a second time to the same bytes.
 */
#include <assert.h>
#include <string.h>

#include "store/event/event_parts.h"
#include "store/event/stripe_object.h"
#include "tests/fuzz/fuzz.h"

static const int64_t entry_ms = 1764000000000;

/* The passes add up to the call. */
static void
check_parts(const struct event_usage *u)
{
    uint64_t sum[EVENT_CLASSES] = {0};
    struct event_usage part;
    struct event_parts parts;
    event_parts_begin(&parts, u);
    for (int n = 0; event_parts_next(&parts, &part); n++) {
        assert(n < EVENT_ITERATIONS_MAX && part.model.size_bytes > 0);
        for (int c = 0; c < EVENT_CLASSES; c++)
            sum[c] += part.tokens[c];
    }
    if (u->iterations.size_bytes > 0)
        assert(memcmp(sum, u->tokens, sizeof sum) == 0);
}

static void
check_event(const struct event *e)
{
    assert(e->id.size_bytes >= 1 && e->id.size_bytes <= EVENT_TEXT_BYTES_MAX);
    assert(e->organization.size_bytes >= 1 && e->organization.size_bytes <= EVENT_TEXT_BYTES_MAX);
    assert(e->time_utc_ms >= 0 && e->time_utc_ms < TIME_MAX_MS);
    if (e->kind != EVENT_USAGE)
        return;
    for (int c = 0; c < EVENT_CLASSES; c++)
        assert(e->usage.tokens[c] <= EVENT_COUNT_MAX);
    assert(e->usage.reasoning_tokens <= e->usage.tokens[EVENT_OUTPUT]);
    assert(e->usage.model.size_bytes <= EVENT_MODEL_BYTES_MAX);
    assert(e->usage.tier.size_bytes <= EVENT_TEXT_BYTES_MAX);
    assert(e->usage.region.size_bytes <= EVENT_TEXT_BYTES_MAX);
    assert(e->usage.speed.size_bytes <= EVENT_TEXT_BYTES_MAX);
    for (int f = 0; f < EVENT_FEES; f++)
        assert(e->usage.fees[f] <= EVENT_COUNT_MAX &&
               (e->usage.fees[f] == 0 || e->usage.charged_uses));
    for (int c = EVENT_TEXT_CLASSES; c < EVENT_CLASSES; c++)
        assert(e->usage.tokens[c] == 0 || e->usage.media);
    check_parts(&e->usage);
}

static void
check_same(const struct event *a, const struct event *b)
{
    assert(a->kind == b->kind && a->time_utc_ms == b->time_utc_ms);
    assert(str_equal(a->id, b->id) && str_equal(a->organization, b->organization));
    if (a->kind != EVENT_USAGE)
        return;
    assert(memcmp(a->usage.tokens, b->usage.tokens, sizeof a->usage.tokens) == 0);
    assert(memcmp(a->usage.fees, b->usage.fees, sizeof a->usage.fees) == 0);
    assert(str_equal(a->usage.model, b->usage.model) && str_equal(a->usage.tier, b->usage.tier));
    assert(a->usage.latency_us == b->usage.latency_us && a->usage.failed == b->usage.failed);
}

/* What is read of an object lies in it, whatever it holds. */
static void
check_stripe(const struct event_stripe *e)
{
    const struct str texts[] = {stripe_object_parent(e->type, e->object),
                                stripe_object_plan(e->type, e->object),
                                stripe_object_text(e->object, "id")};
    const char *from = (const char *)e->object.data, *end = from + e->object.size_bytes;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert(texts[i].size_bytes <= EVENT_REASON_BYTES_MAX);
        assert(texts[i].size_bytes == 0 ||
               (texts[i].data >= from && texts[i].data + texts[i].size_bytes <= end));
    }
    if (stripe_object_whole(e->object, "amount_paid") != 0)
        assert(!stripe_object_true(e->object, "amount_paid"));
    if (stripe_list_has(stripe_object_text(e->object, "changed"), "items"))
        assert(e->object.size_bytes > sizeof "changed" + sizeof "items");
}

static void
check_kind(enum event_kind kind, struct bytes record)
{
    struct event e, back, again;
    struct event_defect defect = {""};
    if (!event_parse(kind, record, entry_ms, &e, &defect)) {
        assert(defect.text[0] != '\0' && strlen(defect.text) < EVENT_DEFECT_BYTES_MAX);
        return;
    }
    check_event(&e);
    if (kind == EVENT_STRIPE)
        check_stripe(&e.stripe);
    struct buf first, second;
    buf_init(&first, (size_t)EVENT_RECORD_BYTES_MAX * 2);
    buf_init(&second, (size_t)EVENT_RECORD_BYTES_MAX * 2);
    if (!event_store(&e, &first))
        assert(false && "an accepted event must fit");
    struct mp m = mp_of((struct bytes){first.data, first.size_bytes});
    if (!event_read(&m, &back, &defect))
        assert(false && "a stored event must be readable");
    assert(m.p == m.end && back.undeclared == 0);
    check_same(&e, &back);
    if (!event_store(&back, &second))
        assert(false && "a read event must fit");
    assert(first.size_bytes == second.size_bytes &&
           memcmp(first.data, second.data, first.size_bytes) == 0);
    m = mp_of((struct bytes){second.data, second.size_bytes});
    if (!event_read(&m, &again, &defect))
        assert(false && "and again");
    buf_clear(&first);
    buf_clear(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    for (int k = EVENT_USAGE; k < EVENT_KINDS; k++)
        check_kind((enum event_kind)k, (struct bytes){data, size_bytes});
    return 0;
}
