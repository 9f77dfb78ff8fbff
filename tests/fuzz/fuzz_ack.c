/*
 * The client's ack reader on any bytes: a stream that comes in pieces gives the ids
 * that it gives at once, and it never reads past what came.
 */
#include <assert.h>

#include "ingest/client/ack.h"
#include "tests/fuzz/fuzz.h"

enum { IDS_MAX = 4096 };

struct result {
    uint8_t ids[IDS_MAX][CHUNK_ID_BYTES];
    size_t id_count;
    bool is_bad;
};

static void
take_all(const uint8_t *data, size_t size_bytes, size_t step_bytes, struct result *ret)
{
    static struct ack_stream stream;
    stream = (struct ack_stream){0};
    ret->id_count = 0;
    ret->is_bad = false;
    while (size_bytes > 0) {
        size_t room_bytes;
        uint8_t *room = ack_stream_room(&stream, &room_bytes);
        assert(room_bytes > 0);
        size_t n = size_bytes < step_bytes ? size_bytes : step_bytes;
        n = n < room_bytes ? n : room_bytes;
        memcpy(room, data, n);
        stream.end += n;
        data += n;
        size_bytes -= n;
        enum ack_result r;
        while ((r = ack_stream_next(&stream, ret->ids[ret->id_count])) == ACK_TAKEN)
            ret->id_count++;
        ret->is_bad = r == ACK_BAD;
        if (ret->is_bad)
            return;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct result whole, pieces;
    /* An ack has 38 bytes or more, so the ids fit. */
    if (size_bytes > (size_t)IDS_MAX * 32)
        return 0;
    take_all(data, size_bytes, size_bytes, &whole);
    for (size_t step = 1; step <= 64; step = step * 3 + 1) {
        take_all(data, size_bytes, step, &pieces);
        assert(pieces.is_bad == whole.is_bad && pieces.id_count == whole.id_count);
        assert(memcmp(pieces.ids, whole.ids, whole.id_count * CHUNK_ID_BYTES) == 0);
    }
    return 0;
}
