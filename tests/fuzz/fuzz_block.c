/*
 * Blocks: by the first byte of the input, the rest is
 *
 *   e  events: what is encoded must come back byte for byte
 *   m  a count n, n times (u16 place, byte), events: the encoded block is changed at
 *      these places, and read
 *   d  a block, read
 *
 * A checksum would keep a fuzzer out, so it is made right first.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/event/mp.h"
#include "store/log/block_format.h"
#include "tests/fuzz/fuzz.h"

/* Kept from input to input, as a reader and the sealing do. */
static struct block_encoder *encoder;
static struct block block;

static void
mend(uint8_t *stored, size_t size_bytes)
{
    put_le32(stored, BLOCK_MAGIC);
    stored[4] = BLOCK_VERSION;
    put_le32(stored + 20, (uint32_t)(size_bytes - BLOCK_HEAD_BYTES));
    put_le64(
        stored + BLOCK_CHECKED_BYTES,
        hash_checksum((struct bytes){stored, BLOCK_CHECKED_BYTES},
                      (struct bytes){stored + BLOCK_HEAD_BYTES, size_bytes - BLOCK_HEAD_BYTES}));
}

/* Read it to its end, or until it contradicts itself; want: what must come, NULL if it need not. */
static void
read_block(struct bytes stored, const struct bytes *want)
{
    struct buf out;
    struct err err;
    size_t total = 0;
    buf_init(&out, BLOCK_RAW_BYTES_MAX + 1024);
    enum err_code code = block_open(&block, stored, &err);
    while (code == ERR_OK && block.given < block.frames.count) {
        struct frame f;
        size_t before = out.size_bytes;
        code = block_next(&block, &out, &f, &err);
        if (code != ERR_OK)
            break;
        assert(out.size_bytes == before + f.raw_bytes && f.event_count > 0);
        assert(f.stored.data == out.data + before);
        total += f.raw_bytes;
    }
    assert(total <= BLOCK_RAW_BYTES_MAX && total <= stored.size_bytes * BLOCK_RATIO_MAX);
    if (want != NULL) {
        assert(code == ERR_OK && out.size_bytes == want->size_bytes);
        assert(memcmp(out.data, want->data, out.size_bytes) == 0);
    }
    buf_clear(&out);
}

/* The events as frames of up to eight; false when they are none. */
static bool
encode(struct bytes events, struct buf *out)
{
    struct mp m = mp_of(events);
    struct list frames;
    struct err err;
    uint8_t chain[HASH_SHA256_BYTES] = {0};
    uint64_t seq = 1;
    bool encoded = false;
    list_init(&frames, sizeof(struct frame));
    while (m.p != m.end) {
        const uint8_t *start = m.p;
        struct frame f = {.first_seq = seq, .receive_utc_ms = (int64_t)(seq * 1000003)};
        while (f.event_count < 8 && m.p != m.end && mp_skip(&m))
            f.event_count++;
        if (f.event_count == 0)
            break;
        f.raw_bytes = (uint32_t)(m.p - start);
        frame_chain(chain, &f, (struct bytes){start, f.raw_bytes}, f.chain);
        memcpy(chain, f.chain, sizeof chain);
        seq += f.event_count;
        if (!list_add(&frames, &f))
            abort();
    }
    memset(chain, 0, sizeof chain);
    if (m.p == m.end && frames.count > 0 &&
        block_encode(encoder, chain, frames.items, frames.count, events, out, &encoded, &err) !=
            ERR_OK)
        abort();
    list_clear(&frames);
    return encoded;
}

static void
change(const uint8_t *data, size_t size_bytes)
{
    struct buf out;
    size_t changes = size_bytes > 0 ? data[0] : 0;
    if (size_bytes < 1 + 3 * changes)
        return;
    buf_init(&out, 32 << 20);
    if (encode((struct bytes){data + 1 + 3 * changes, size_bytes - 1 - 3 * changes}, &out)) {
        for (size_t i = 0; i < changes; i++) {
            const uint8_t *c = data + 1 + 3 * i;
            out.data[(size_t)(c[0] | c[1] << 8) % out.size_bytes] ^= c[2];
        }
        mend(out.data, out.size_bytes);
        read_block((struct bytes){out.data, out.size_bytes}, NULL);
    }
    buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    if (size_bytes < 2)
        return 0;
    if (encoder == NULL) {
        encoder = block_encoder_new();
        block_init(&block);
    }
    struct bytes rest = {data + 1, size_bytes - 1};
    struct buf out;
    buf_init(&out, 32 << 20);
    if (data[0] == 'e' && encode(rest, &out)) {
        read_block((struct bytes){out.data, out.size_bytes}, &rest);
    } else if (data[0] == 'm') {
        change(rest.data, rest.size_bytes);
    } else if (data[0] == 'd' && buf_append(&out, rest.data, rest.size_bytes)) {
        if (out.size_bytes >= BLOCK_HEAD_BYTES)
            mend(out.data, out.size_bytes);
        read_block((struct bytes){out.data, out.size_bytes}, NULL);
    }
    buf_clear(&out);
    return 0;
}
