/*
 * The inflater on any bytes: within its bounds, the same answer twice, and what the
 * libraries' own streaming readers make of what it took.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

#include "store/base/inflate.h"
#include "tests/fuzz/fuzz.h"

/* The checksum of all members, inflated piece by piece into a small buffer. */
static uLong
judge_gzip(struct bytes packed, size_t *ret_bytes)
{
    uint8_t piece[4096];
    uLong sum = crc32(0, NULL, 0);
    z_stream z = {.next_in = packed.data, .avail_in = (uInt)packed.size_bytes};
    int rc = inflateInit2(&z, 31);
    *ret_bytes = 0;
    while (rc == Z_OK) {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        rc = inflate(&z, Z_NO_FLUSH);
        assert(rc == Z_OK || rc == Z_STREAM_END);
        size_t n = sizeof piece - z.avail_out;
        sum = crc32(sum, piece, (uInt)n);
        *ret_bytes += n;
        if (rc == Z_STREAM_END && z.avail_in > 0)
            rc = inflateReset(&z);
    }
    inflateEnd(&z);
    return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct inflater *inflater;
    if (inflater == NULL)
        inflater = inflater_new();
    if (size_bytes == 0 || inflater == NULL)
        return 0;
    enum inflate_format format = data[0] % 2 == 0 ? INFLATE_GZIP : INFLATE_ZSTD;
    struct bytes packed = {data + 1, size_bytes - 1}, plain = {NULL, 0}, again = {NULL, 0};
    const char *reason = inflater_take(inflater, format, packed, &plain);
    if (reason == NULL) {
        assert(plain.size_bytes <= INFLATE_BYTES_MAX);
        assert(plain.size_bytes <= packed.size_bytes * INFLATE_RATIO_MAX);
        uLong sum = crc32(crc32(0, NULL, 0), plain.data, (uInt)plain.size_bytes);
        size_t n;
        assert(format != INFLATE_GZIP || (judge_gzip(packed, &n) == sum && n == plain.size_bytes));
        inflater_rest(inflater);
        assert(inflater_take(inflater, format, packed, &again) == NULL);
        assert(again.size_bytes == plain.size_bytes);
        assert(crc32(crc32(0, NULL, 0), again.data, (uInt)again.size_bytes) == sum);
    } else {
        assert(reason[0] != '\0');
        assert(inflater_take(inflater, format, packed, &again) == reason);
    }
    inflater_rest(inflater);
    return 0;
}
