/*
 * frame_decode(), frame_events() and frame_chain_ok() on any bytes.  The checksum is no
 * wall against a fuzzer that cannot compute it, so it is set right when the first byte is
 * odd; the rest is the frame.
 */
#include <assert.h>
#include <stdlib.h>

#include "store/log/frame.h"
#include "tests/fuzz/fuzz.h"

enum { CHECKSUM_AT = 40, ROOM_BYTES = 1 << 20 };

static void
check_events(struct frame_codec *codec, const struct frame *frame)
{
    struct buf room;
    struct bytes events;
    struct err err;
    buf_init(&room, ROOM_BYTES);
    if (frame_events(codec, frame, &room, &events, &err) == ERR_OK)
        assert(events.size_bytes == frame->raw_bytes);
    buf_clear(&room);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const uint8_t chain[HASH_SHA256_BYTES];
    struct frame frame;
    struct err err;
    if (size_bytes < 2)
        return 0;
    size_t n = size_bytes - 1;
    uint8_t *copy = malloc(n);
    assert(copy != NULL);
    memcpy(copy, data + 1, n);
    if ((data[0] & 1) != 0 && n >= FRAME_HEAD_BYTES)
        put_le64(copy + CHECKSUM_AT,
                 hash_checksum((struct bytes){copy, CHECKSUM_AT},
                               (struct bytes){copy + FRAME_HEAD_BYTES, n - FRAME_HEAD_BYTES}));
    if (frame_decode((struct bytes){copy, n}, &frame, &err) == ERR_OK) {
        assert(frame.event_count > 0 && frame.stored.data + frame.stored.size_bytes == copy + n);
        struct frame_codec *codec = frame_codec_new();
        assert(codec != NULL);
        (void)frame_chain_ok(codec, (struct bytes){copy, n}, chain);
        check_events(codec, &frame);
        frame_codec_free(codec);
    }
    free(copy);
    return 0;
}
