/*
 * tail_next() and tail_follow() on any bytes: they stay inside, and what follows is
 * made of whole records.  With the first byte odd, each record's checksum is made
 * right first, so that what is behind it is looked at too.
 */
#include <assert.h>
#include <string.h>

#include "store/base/hash.h"
#include "store/log/tail.h"
#include "tests/fuzz/fuzz.h"

static void
make_right(uint8_t *data, size_t size_bytes)
{
    for (size_t at = 0; at + TAIL_HEAD_BYTES <= size_bytes; at += TAIL_BLOCK_BYTES) {
        uint8_t *h = data + at;
        uint64_t n = (uint64_t)get_le32(h + 4) + get_le32(h + 8);
        if (n <= size_bytes - at - TAIL_HEAD_BYTES)
            put_le64(h + 16, hash_checksum((struct bytes){h, 16},
                                           (struct bytes){h + TAIL_HEAD_BYTES, (size_t)n}));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    if (size_bytes < 1)
        return 0;
    uint8_t *copy = malloc(size_bytes);
    memcpy(copy, data + 1, size_bytes - 1);
    struct bytes records = {copy, size_bytes - 1}, rest = records;
    if (data[0] % 2 == 1)
        make_right(copy, size_bytes - 1);
    struct tail_record record;
    size_t count = 0, followed_count;
    while (tail_next(&rest, &record)) {
        for (int s = 0; s < LOG_STREAMS; s++)
            assert(record.frames[s].data >= copy &&
                   record.frames[s].data + record.frames[s].size_bytes <= rest.data);
        count++;
    }
    struct day_tip tips[LOG_STREAMS] = {{.next_seq = 1}, {.next_seq = 1}};
    static struct frame_codec *codec;
    if (codec == NULL)
        codec = frame_codec_new();
    size_t followed = tail_follow(records, codec, tips, &followed_count);
    assert(followed_count <= count && followed % TAIL_BLOCK_BYTES == 0);
    assert(followed <= records.size_bytes);
    free(copy);
    return 0;
}
