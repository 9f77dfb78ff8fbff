#include <criterion/criterion.h>
#include <string.h>

#include "store/event/pack.h"
#include "store/log/block.h"

static const int64_t noon = 20781 * (int64_t)86400000 + 43200000;

/* Frames that are being gathered, with what they hold. */
struct frames {
    struct list list; /* struct frame */
    struct buf events;
    uint8_t chain[HASH_SHA256_BYTES];
    uint64_t next_seq;
};

static void
frames_init(struct frames *f)
{
    *f = (struct frames){.next_seq = 100};
    list_init(&f->list, sizeof(struct frame));
    buf_init(&f->events, 64 << 20);
    memset(f->chain, 7, sizeof f->chain);
}

static void
frames_clear(struct frames *f)
{
    list_clear(&f->list);
    buf_clear(&f->events);
}

static void
add_frame(struct frames *f, struct bytes events, uint32_t count)
{
    struct frame one = {.first_seq = f->next_seq,
                        .event_count = count,
                        .raw_bytes = (uint32_t)events.size_bytes,
                        .receive_utc_ms = noon + (int64_t)f->next_seq * 3};
    frame_chain(f->chain, &one, events, one.chain);
    memcpy(f->chain, one.chain, sizeof f->chain);
    f->next_seq += count;
    cr_assert(list_add(&f->list, &one) && buf_append(&f->events, events.data, events.size_bytes));
}

/* Encode and read back; false when it was not encoded. */
static bool
comes_back(struct frames *f)
{
    struct block_encoder *encoder = block_encoder_new();
    struct block block;
    struct buf stored, out;
    struct err err;
    bool encoded;
    uint8_t before[HASH_SHA256_BYTES];
    size_t at = 0;
    memset(before, 7, sizeof before);
    block_init(&block);
    buf_init(&stored, 64 << 20);
    buf_init(&out, 64 << 20);
    cr_assert_eq(block_encode(encoder, before, f->list.items, f->list.count,
                              (struct bytes){f->events.data, f->events.size_bytes}, &stored,
                              &encoded, &err),
                 ERR_OK, "%s", err.text);
    if (encoded) {
        struct bytes bytes = {stored.data, stored.size_bytes};
        cr_assert_eq(block_open(&block, bytes, &err), ERR_OK, "%s", err.text);
        cr_assert_eq(block.frames.count, f->list.count);
        for (size_t i = 0; i < f->list.count; i++) {
            const struct frame *was = (const struct frame *)f->list.items + i;
            struct frame is;
            out.size_bytes = 0;
            cr_assert_eq(block_next(&block, &out, &is, &err), ERR_OK, "%s", err.text);
            cr_assert_eq(is.first_seq, was->first_seq);
            cr_assert_eq(is.event_count, was->event_count);
            cr_assert_eq(is.receive_utc_ms, was->receive_utc_ms);
            cr_assert_arr_eq(is.chain, was->chain, HASH_SHA256_BYTES);
            cr_assert_eq(is.raw_bytes, was->raw_bytes);
            cr_assert_eq(memcmp(is.stored.data, f->events.data + at, is.raw_bytes), 0);
            at += is.raw_bytes;
        }
        cr_assert_eq(at, f->events.size_bytes);
    }
    block_encoder_free(encoder);
    block_clear(&block);
    buf_clear(&stored);
    buf_clear(&out);
    return encoded;
}

static uint64_t
roll(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void
put(struct buf *b, const char *bytes, size_t size_bytes)
{
    cr_assert(buf_append(b, bytes, size_bytes));
}

static void
put_text(struct buf *b, const char *text)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, b, pack_to_buf);
    msgpack_pack_str(&pk, strlen(text));
    msgpack_pack_str_body(&pk, text, strlen(text));
}

/* A value of any form that msgpack has for it, shortest or not. */
static void
put_any(struct buf *b, uint64_t *seed, int depth)
{
    uint64_t r = roll(seed);
    char text[80];
    uint8_t raw[10] = {0};
    msgpack_packer pk;
    msgpack_packer_init(&pk, b, pack_to_buf);
    for (size_t i = 1; i < sizeof raw; i++)
        raw[i] = (uint8_t)roll(seed);
    switch (r % (depth < 4 ? 18 : 14)) {
    case 0:
        msgpack_pack_uint64(&pk, roll(seed) >> roll(seed) % 64);
        break;
    case 1:
        msgpack_pack_int64(&pk, -(int64_t)(roll(seed) >> (1 + roll(seed) % 63)));
        break;
    case 2: /* any width, signed or not: not always the shortest */
        raw[0] = (uint8_t)(0xcc + roll(seed) % 8);
        put(b, (char *)raw, 1U + (1U << (raw[0] - 0xcc) % 4));
        break;
    case 3:
        msgpack_pack_double(&pk, (double)(int64_t)roll(seed) / 1000);
        break;
    case 4:
        msgpack_pack_float(&pk, (float)(roll(seed) % 1000) / 8);
        break;
    case 5:
        put(b, &"\xc0\xc2\xc3"[roll(seed) % 3], 1);
        break;
    case 6: /* a UUID, or nearly */
        snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", (unsigned)roll(seed),
                 (unsigned)roll(seed) & 0xffff, (unsigned)roll(seed) & 0xffff,
                 (unsigned)roll(seed) & 0xffff, (unsigned long long)roll(seed) & 0xffffffffffffULL);
        if (roll(seed) % 4 == 0)
            text[roll(seed) % 36] = "gA-Z"[roll(seed) % 4];
        put_text(b, text);
        break;
    case 7: /* 32 digits, or nearly */
        snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)roll(seed),
                 (unsigned long long)roll(seed));
        if (roll(seed) % 4 == 0)
            text[roll(seed) % 32] = 'F';
        put_text(b, text);
        break;
    case 8: /* the older form of a longer text */
        snprintf(text, sizeof text, "%036llu", (unsigned long long)roll(seed) % 7);
        put(b, "\xda\x00\x24", 3);
        put(b, text, 36);
        break;
    case 9: /* a head longer than it need be */
        put(b,
            "\xd9\x03"
            "abc",
            5);
        break;
    case 10:
        msgpack_pack_bin(&pk, 9);
        msgpack_pack_bin_body(&pk, raw, 9);
        break;
    case 11: /* ext: an event with one has no shape */
        put(b,
            "\xd6\x07"
            "abcd",
            6);
        break;
    case 12:
    case 13:
        snprintf(text, sizeof text, "user-%d", (int)(roll(seed) % 40));
        put_text(b, text);
        break;
    case 14:
    case 15: {
        uint32_t n = (uint32_t)(roll(seed) % 5);
        msgpack_pack_array(&pk, n);
        while (n-- > 0)
            put_any(b, seed, depth + 1);
        break;
    }
    default: {
        uint32_t n = (uint32_t)(roll(seed) % 5);
        msgpack_pack_map(&pk, n);
        while (n-- > 0) {
            snprintf(text, sizeof text, "k%d", (int)(roll(seed) % 6));
            put_text(b, text);
            put_any(b, seed, depth + 1);
        }
        break;
    }
    }
}

Test(store_block, any_msgpack_comes_back_byte_for_byte)
{
    uint64_t seed = 20261124;
    int encoded = 0;
    for (int round = 0; round < 60; round++) {
        struct frames f;
        frames_init(&f);
        for (int n = 0; n < 1 + round % 7; n++) {
            struct buf b;
            uint32_t count = (uint32_t)(1 + roll(&seed) % 200);
            buf_init(&b, 8 << 20);
            for (uint32_t i = 0; i < count; i++)
                put_any(&b, &seed, 0);
            add_frame(&f, (struct bytes){b.data, b.size_bytes}, count);
            buf_clear(&b);
        }
        encoded += comes_back(&f);
        frames_clear(&f);
    }
    cr_assert_gt(encoded, 20, "only %d of 60 were worth a block", encoded);
}

/* Events of one kind, whose user follows from their organization. */
static void
add_plain(struct frames *f, uint32_t count, uint64_t *seed)
{
    struct buf b;
    buf_init(&b, 8 << 20);
    for (uint32_t i = 0; i < count; i++) {
        char text[64];
        msgpack_packer pk;
        msgpack_packer_init(&pk, &b, pack_to_buf);
        unsigned organization = (unsigned)(roll(seed) % 100);
        msgpack_pack_array(&pk, 4);
        snprintf(text, sizeof text, "%08x-0000-4000-8000-%012llx", (unsigned)roll(seed),
                 (unsigned long long)roll(seed) & 0xffffffffffffULL);
        put_text(&b, text);
        snprintf(text, sizeof text, "org-%u", organization);
        put_text(&b, text);
        snprintf(text, sizeof text, "user-%u-%u", organization, (unsigned)(roll(seed) % 8));
        put_text(&b, text);
        msgpack_pack_uint64(&pk, (uint64_t)(noon + (int64_t)(roll(seed) % 4096)));
    }
    add_frame(f, (struct bytes){b.data, b.size_bytes}, count);
    buf_clear(&b);
}

Test(store_block, chains_are_stored_for_large_frames_and_made_anew_for_small_ones)
{
    uint64_t seed = 1;
    for (uint32_t each = 1; each <= 1000; each *= 10) {
        struct frames f;
        frames_init(&f);
        while (f.next_seq < 3100)
            add_plain(&f, each, &seed);
        cr_assert(comes_back(&f), "frames of %u", each);
        frames_clear(&f);
    }
}

Test(store_block, what_is_no_msgpack_or_a_bomb_or_too_small_stays_as_it_was)
{
    struct frames f;
    static uint8_t bytes[1000000];
    frames_init(&f);
    add_frame(&f, (struct bytes){(const uint8_t *)"\xc1\xc1\xc1", 3}, 3);
    cr_assert_not(comes_back(&f), "no msgpack");
    frames_clear(&f);
    frames_init(&f);
    add_frame(&f, (struct bytes){bytes, sizeof bytes}, sizeof bytes);
    cr_assert_not(comes_back(&f), "a million zeros: a reader would have to believe a bomb");
    frames_clear(&f);
    frames_init(&f);
    add_frame(&f, (struct bytes){(const uint8_t *)"\x01", 1}, 1);
    cr_assert_not(comes_back(&f), "one event of one byte");
    frames_clear(&f);
}

Test(store_block, an_unknown_version_is_refused_by_name)
{
    struct block_encoder *encoder = block_encoder_new();
    struct frames f;
    struct block block;
    struct buf stored;
    struct err err;
    bool encoded;
    uint64_t seed = 5;
    frames_init(&f);
    add_plain(&f, 100, &seed);
    block_init(&block);
    buf_init(&stored, 8 << 20);
    cr_assert_eq(block_encode(encoder, f.chain, f.list.items, 1,
                              (struct bytes){f.events.data, f.events.size_bytes}, &stored, &encoded,
                              &err),
                 ERR_OK);
    cr_assert(encoded);
    stored.data[4] = 9;
    cr_assert_eq(block_open(&block, (struct bytes){stored.data, stored.size_bytes}, &err),
                 ERR_CONFLICT);
    cr_assert_not_null(strstr(err.text, "block version is 9"), "%s", err.text);
    block_encoder_free(encoder);
    block_clear(&block);
    buf_clear(&stored);
    frames_clear(&f);
}
