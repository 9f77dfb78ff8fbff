#include "ingest/stream.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

#include "tests/ingest/wire.h"

struct seen {
    size_t count, bytes;
    uint64_t sum; /* of the values' first payload bytes, so that order and place are checked */
};

static const char *
see(void *context, struct bytes value)
{
    struct seen *s = context;
    s->count++;
    s->bytes += value.size_bytes;
    for (size_t i = 0; i < value.size_bytes; i++)
        s->sum = s->sum * 31 + value.data[i];
    return NULL;
}

static const char *
refuse(void *context, struct bytes value)
{
    (void)value;
    ++*(int *)context;
    return "refused";
}

Test(ingest_stream, values_come_out_the_same_however_the_bytes_are_cut)
{
    struct wire w;
    struct seen want = {0};
    wire_init(&w);
    for (int i = 0; i < 60; i++) {
        char chunk[16];
        snprintf(chunk, sizeof chunk, "c%d", i);
        if (i % 7 == 0)
            msgpack_pack_nil(&w.pk);
        else if (i % 3 == 0)
            wire_packed(&w, 1, "p", i, chunk);
        else
            wire_message(&w, "gbill.usage", 1, "m", chunk);
    }
    struct bytes all = wire_bytes(&w);
    struct stream s;
    stream_init(&s, 1 << 20);
    cr_assert_null(stream_feed(&s, all, see, &want));
    cr_assert_not(stream_is_inside(&s));
    cr_assert_eq(want.count, 60);
    srand(7);
    for (int round = 0; round < 200; round++) {
        struct seen got = {0};
        int most = 1 << (round % 14);
        for (size_t at = 0; at < all.size_bytes;) {
            size_t n = (size_t)(1 + rand() % most);
            if (n > all.size_bytes - at)
                n = all.size_bytes - at;
            /* A copy of its own size, so that ASan sees a read beyond the piece. */
            uint8_t *piece = malloc(n);
            memcpy(piece, all.data + at, n);
            cr_assert_null(stream_feed(&s, (struct bytes){piece, n}, see, &got));
            free(piece);
            at += n;
        }
        cr_assert_not(stream_is_inside(&s));
        cr_assert(got.count == want.count && got.bytes == want.bytes && got.sum == want.sum,
                  "round %d", round);
    }
    stream_clear(&s);
    wire_clear(&w);
}

Test(ingest_stream, between_two_values_it_holds_no_memory)
{
    struct stream s;
    struct seen got = {0};
    stream_init(&s, 1 << 20);
    cr_assert_null(stream_feed(&s, (struct bytes){(const uint8_t *)"\x92\x01", 2}, see, &got));
    cr_assert(stream_is_inside(&s));
    cr_assert_null(stream_feed(&s, (struct bytes){(const uint8_t *)"\x02", 1}, see, &got));
    cr_assert_eq(got.count, 1);
    cr_assert_null(s.begun.data);
}

Test(ingest_stream, six_mebibytes_one_byte_at_a_time_cost_linear_work)
{
    enum { SIZE = 6 * 1024 * 1024 };
    uint8_t *value = malloc(SIZE);
    memset(value, 0xc0, SIZE);
    value[0] = 0xdd; /* as many nils as fit: the dearest to scan */
    put_be32(value + 1, SIZE - 5);
    struct stream s;
    struct seen got = {0};
    stream_init(&s, 8 * 1024 * 1024);
    clock_t before = clock();
    for (size_t i = 0; i < SIZE; i++)
        cr_assert_null(stream_feed(&s, (struct bytes){value + i, 1}, see, &got));
    double took_s = (double)(clock() - before) / CLOCKS_PER_SEC;
    cr_expect_eq(got.count, 1);
    cr_expect_eq(got.bytes, SIZE);
    cr_expect(took_s < 8, "%.1f s with sanitizers; quadratic work would take hours", took_s);
    stream_clear(&s);
    free(value);
}

Test(ingest_stream, a_value_at_the_limit_passes_and_one_byte_more_does_not)
{
    enum { LIMIT = 70000 };
    uint8_t *value = calloc(1, LIMIT + 1);
    for (uint32_t size = LIMIT; size <= LIMIT + 1; size++) {
        for (size_t step = 1000; step <= LIMIT + 1; step += LIMIT + 1 - 1000) {
            struct stream s;
            struct seen got = {0};
            const char *reason = NULL;
            stream_init(&s, LIMIT);
            value[0] = 0xc6;
            put_be32(value + 1, size - 5);
            for (size_t at = 0; reason == NULL && at < size; at += step) {
                size_t n = size - at < step ? size - at : step;
                reason = stream_feed(&s, (struct bytes){value + at, n}, see, &got);
            }
            cr_expect((reason == NULL) == (size == LIMIT));
            cr_expect_eq(got.count, size == LIMIT ? 1 : 0);
            stream_clear(&s);
        }
    }
    free(value);
}

Test(ingest_stream, nothing_is_handed_on_after_a_refusal)
{
    struct stream s;
    int taken = 0;
    stream_init(&s, 100);
    const char *reason =
        stream_feed(&s, (struct bytes){(const uint8_t *)"\x01\x02\x03", 3}, refuse, &taken);
    cr_assert_str_eq(reason, "refused");
    cr_assert_eq(taken, 1);
    stream_clear(&s);
}
