#include "store/base/inflate.h"

#include <stdlib.h>
#define ZLIB_CONST /* its next_in points to const */
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "store/base/heap.h"

enum {
    KEEP_BYTES_MAX = 1024 * 1024,
    GZIP_WINDOW_BITS = 15 + 16, /* zlib: the largest window, gzip and nothing else */
    ZSTD_HEAD_BYTES_MIN = 6,    /* magic, descriptor, and the window or a content size */
};

static const char over_bytes[] = "compressed data inflates to over 8 MiB";
static const char over_ratio[] = "compressed data inflates to over 200 times its size";
static const char torn[] = "compressed data is torn: it ends inside a gzip member or zstd frame";
static const char no_gzip[] = "compressed data is no gzip, or is damaged";
static const char no_zstd[] = "compressed data is no zstd, or is damaged";
static const char over_window[] = "a zstd frame needs a window of over 8 MiB";
static const char no_memory[] = "no memory to inflate";

struct inflater {
    uint8_t *room; /* INFLATE_BYTES_MAX, or NULL */
    size_t used_bytes;
    ZSTD_DCtx *zstd; /* NULL until one comes */
    z_stream gzip;
    bool has_gzip; /* gzip is initialized */
};

struct inflater *
inflater_new(void)
{
    return calloc(1, sizeof(struct inflater));
}

static void
give_room_back(struct inflater *inf)
{
    heap_resize(inf->room, inf->room != NULL ? INFLATE_BYTES_MAX : 0, 0);
    inf->room = NULL;
}

void
inflater_free(struct inflater *inf)
{
    if (inf == NULL)
        return;
    give_room_back(inf);
    ZSTD_freeDCtx(inf->zstd);
    if (inf->has_gzip)
        inflateEnd(&inf->gzip);
    free(inf);
}

void
inflater_rest(struct inflater *inf)
{
    if (inf->used_bytes > KEEP_BYTES_MAX)
        give_room_back(inf);
    inf->used_bytes = 0;
}

/* What may come of so many bytes. */
static size_t
output_max(size_t packed_bytes)
{
    return packed_bytes < INFLATE_BYTES_MAX / INFLATE_RATIO_MAX ? packed_bytes * INFLATE_RATIO_MAX
                                                                : INFLATE_BYTES_MAX;
}

static const char *
over(size_t packed_bytes)
{
    return output_max(packed_bytes) < INFLATE_BYTES_MAX ? over_ratio : over_bytes;
}

static const char *
take_gzip(struct inflater *inf, struct bytes packed)
{
    z_stream *z = &inf->gzip;
    int rc = inf->has_gzip ? inflateReset(z) : inflateInit2(z, GZIP_WINDOW_BITS);
    if (rc != Z_OK)
        return no_memory;
    inf->has_gzip = true;
    size_t room = output_max(packed.size_bytes);
    z->next_in = packed.data;
    z->avail_in = (uInt)packed.size_bytes;
    z->next_out = inf->room;
    z->avail_out = (uInt)room;
    do {
        rc = inflate(z, Z_FINISH);
        inf->used_bytes = room - z->avail_out;
        if (rc == Z_BUF_ERROR || rc == Z_OK)
            return z->avail_out == 0 ? over(packed.size_bytes) : torn;
        if (rc == Z_MEM_ERROR)
            return no_memory;
        if (rc != Z_STREAM_END)
            return no_gzip;
        if (z->avail_in > 0 && inflateReset(z) != Z_OK)
            return no_gzip;
    } while (z->avail_in > 0);
    return NULL;
}

/* Looked at here, since the library would go on with the formats that came before RFC 8878. */
static const char *
check_zstd_head(const uint8_t *p, size_t size_bytes)
{
    if (size_bytes < ZSTD_HEAD_BYTES_MIN)
        return torn;
    uint32_t magic = get_le32(p);
    if ((magic & 0xfffffff0U) == ZSTD_MAGIC_SKIPPABLE_START)
        return NULL;
    if (magic != ZSTD_MAGICNUMBER)
        return no_zstd;
    bool single_segment = (p[4] & 0x20) != 0;
    if (single_segment) /* its window is its content */
        return NULL;
    uint64_t base = UINT64_C(1) << (10 + (p[5] >> 3));
    return base + base / 8 * (p[5] & 7) > INFLATE_ZSTD_WINDOW_MAX ? over_window : NULL;
}

static const char *
zstd_reason(size_t rc, size_t packed_bytes)
{
    switch (ZSTD_getErrorCode(rc)) {
    case ZSTD_error_dstSize_tooSmall:
        return over(packed_bytes);
    case ZSTD_error_srcSize_wrong:
        return torn;
    case ZSTD_error_memory_allocation:
        return no_memory;
    default:
        return no_zstd;
    }
}

static const char *
take_zstd(struct inflater *inf, struct bytes packed)
{
    if (inf->zstd == NULL)
        inf->zstd = ZSTD_createDCtx();
    if (inf->zstd == NULL)
        return no_memory;
    size_t room = output_max(packed.size_bytes), at = 0;
    do {
        const uint8_t *frame = packed.data + at;
        const char *reason = check_zstd_head(frame, packed.size_bytes - at);
        if (reason != NULL)
            return reason;
        size_t n = ZSTD_findFrameCompressedSize(frame, packed.size_bytes - at);
        if (ZSTD_isError(n))
            return zstd_reason(n, packed.size_bytes);
        size_t out = ZSTD_decompressDCtx(inf->zstd, inf->room + inf->used_bytes,
                                         room - inf->used_bytes, frame, n);
        if (ZSTD_isError(out))
            return zstd_reason(out, packed.size_bytes);
        inf->used_bytes += out;
        at += n;
    } while (at < packed.size_bytes);
    return NULL;
}

const char *
inflater_take(struct inflater *inf, enum inflate_format format, struct bytes packed,
              struct bytes *ret_plain)
{
    inf->used_bytes = 0;
    if (packed.size_bytes == 0)
        return torn;
    if (packed.size_bytes > UINT32_MAX)
        return over_bytes;
    if (inf->room == NULL)
        inf->room = heap_resize(NULL, 0, INFLATE_BYTES_MAX);
    if (inf->room == NULL)
        return no_memory;
    const char *reason = format == INFLATE_GZIP ? take_gzip(inf, packed) : take_zstd(inf, packed);
    if (reason == NULL)
        *ret_plain = (struct bytes){inf->room, inf->used_bytes};
    return reason;
}
