#include "store/log/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define FRAME_MAGIC 0x31464247u /* "GBF1" in little-endian */

enum {
    FRAME_VERSION = 2,
    FRAME_FLAG_ZSTD = 1,
    FRAME_CHAINED_AT = 16, /* from here up to the checksum goes into the chain */
    FRAME_CHECKED_BYTES = 40,
    FRAME_CHAIN_AT = 48,
    FRAME_ROOM_KEPT_BYTES = 8 * 1024 * 1024,
};

struct frame_codec {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    struct buf room; /* of frame_chain_ok() */
};

struct frame_codec *
frame_codec_new(void)
{
    struct frame_codec *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    buf_init(&c->room, FRAME_RAW_BYTES_MAX);
    c->compress = ZSTD_createCCtx();
    c->decompress = ZSTD_createDCtx();
    if (c->compress == NULL || c->decompress == NULL) {
        frame_codec_free(c);
        return NULL;
    }
    ZSTD_CCtx_setParameter(c->compress, ZSTD_c_compressionLevel, FRAME_ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(c->compress, ZSTD_c_hashLog, FRAME_ZSTD_HASH_LOG);
    return c;
}

void
frame_codec_free(struct frame_codec *codec)
{
    if (codec == NULL)
        return;
    ZSTD_freeCCtx(codec->compress);
    ZSTD_freeDCtx(codec->decompress);
    buf_clear(&codec->room);
    free(codec);
}

/* The body behind the reserved head: compressed if that is worth it. */
static bool
put_body(struct frame_codec *codec, struct bytes events, struct buf *out, bool *ret_compressed)
{
    *ret_compressed = false;
    if (events.size_bytes >= FRAME_COMPRESS_FROM_BYTES) {
        if (!buf_reserve(out, ZSTD_compressBound(events.size_bytes)))
            return false;
        size_t n = ZSTD_compress2(codec->compress, out->data + out->size_bytes,
                                  out->room_bytes - out->size_bytes, events.data,
                                  events.size_bytes);
        if (!ZSTD_isError(n) && n < events.size_bytes) {
            out->size_bytes += n;
            *ret_compressed = true;
            return true;
        }
    }
    return buf_append(out, events.data, events.size_bytes);
}

/* What the chain is made of besides the events: bytes 16 to 39 of the head. */
static void
put_facts(uint8_t *p, const struct frame *f)
{
    put_le32(p, f->event_count);
    put_le32(p + 4, f->raw_bytes);
    put_le64(p + 8, f->first_seq);
    put_le64(p + 16, (uint64_t)f->receive_utc_ms);
}

void
frame_chain(const uint8_t prev_chain[HASH_SHA256_BYTES], const struct frame *frame,
            struct bytes events, uint8_t ret_chain[HASH_SHA256_BYTES])
{
    uint8_t facts[FRAME_CHECKED_BYTES - FRAME_CHAINED_AT];
    put_facts(facts, frame);
    struct bytes parts[] = {{prev_chain, HASH_SHA256_BYTES}, {facts, sizeof facts}, events};
    hash_sha256(parts, 3, ret_chain);
}

static void
put_head(uint8_t h[FRAME_HEAD_BYTES], const struct frame *f, struct bytes body)
{
    memset(h, 0, FRAME_HEAD_BYTES);
    put_le32(h, FRAME_MAGIC);
    h[4] = FRAME_VERSION;
    h[5] = f->compressed ? FRAME_FLAG_ZSTD : 0;
    put_le32(h + 8, (uint32_t)body.size_bytes);
    put_facts(h + FRAME_CHAINED_AT, f);
    put_le64(h + 40, hash_checksum((struct bytes){h, FRAME_CHECKED_BYTES}, body));
    memcpy(h + FRAME_CHAIN_AT, f->chain, HASH_SHA256_BYTES);
}

bool
frame_put(const struct frame *frame, struct buf *out)
{
    uint8_t head[FRAME_HEAD_BYTES];
    put_head(head, frame, frame->stored);
    return buf_reserve(out, sizeof head + frame->stored.size_bytes) &&
           buf_append(out, head, sizeof head) &&
           buf_append(out, frame->stored.data, frame->stored.size_bytes);
}

enum err_code
frame_encode(struct frame_codec *codec, const struct frame *frame, struct bytes events,
             struct buf *out, struct err *err)
{
    size_t start = out->size_bytes;
    struct frame f = *frame;
    if (events.size_bytes > FRAME_RAW_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a frame of %zu bytes, limit is %d", events.size_bytes,
                       FRAME_RAW_BYTES_MAX);
    assert(frame->event_count > 0 && frame->raw_bytes == events.size_bytes);
    static const uint8_t no_head[FRAME_HEAD_BYTES];
    if (!buf_append(out, no_head, sizeof no_head) || !put_body(codec, events, out, &f.compressed)) {
        out->size_bytes = start;
        return err_set(err, ERR_LIMIT, "no memory for a frame of %zu bytes", events.size_bytes);
    }
    uint8_t *h = out->data + start;
    put_head(h, &f,
             (struct bytes){h + FRAME_HEAD_BYTES, out->size_bytes - start - FRAME_HEAD_BYTES});
    return ERR_OK;
}

enum err_code
frame_decode(struct bytes bytes, struct frame *ret, struct err *err)
{
    const uint8_t *h = bytes.data;
    if (bytes.size_bytes <= FRAME_HEAD_BYTES || get_le32(h) != FRAME_MAGIC)
        return err_set(err, ERR_CORRUPT, "not a frame");
    if (h[4] != FRAME_VERSION)
        return err_set(err, ERR_CONFLICT, "frame version is %d, this gbill reads %d", h[4],
                       FRAME_VERSION);
    struct bytes body = {h + FRAME_HEAD_BYTES, bytes.size_bytes - FRAME_HEAD_BYTES};
    if (get_le32(h + 8) != body.size_bytes)
        return err_set(err, ERR_CORRUPT, "body has %zu bytes, head says %u", body.size_bytes,
                       get_le32(h + 8));
    if (get_le64(h + 40) != hash_checksum((struct bytes){h, FRAME_CHECKED_BYTES}, body))
        return err_set(err, ERR_CORRUPT, "checksum differs");
    struct frame f = {
        .first_seq = get_le64(h + 24),
        .event_count = get_le32(h + 16),
        .raw_bytes = get_le32(h + 20),
        .receive_utc_ms = (int64_t)get_le64(h + 32),
        .stored = body,
        .compressed = (h[5] & FRAME_FLAG_ZSTD) != 0,
    };
    if (f.event_count == 0 || f.raw_bytes == 0 || f.raw_bytes > FRAME_RAW_BYTES_MAX)
        return err_set(err, ERR_CORRUPT, "head says %u events in %u bytes", f.event_count,
                       f.raw_bytes);
    memcpy(f.chain, h + FRAME_CHAIN_AT, HASH_SHA256_BYTES);
    *ret = f;
    return ERR_OK;
}

enum err_code
frame_events(struct frame_codec *codec, const struct frame *frame, struct buf *room,
             struct bytes *ret_events, struct err *err)
{
    if (!frame->compressed) {
        if (frame->stored.size_bytes != frame->raw_bytes)
            return err_set(err, ERR_CORRUPT, "raw body has %zu bytes, head says %u",
                           frame->stored.size_bytes, frame->raw_bytes);
        *ret_events = frame->stored;
        return ERR_OK;
    }
    room->size_bytes = 0;
    if (!buf_reserve(room, frame->raw_bytes))
        return err_set(err, ERR_LIMIT, "no memory for a frame of %u bytes", frame->raw_bytes);
    size_t n = ZSTD_decompressDCtx(codec->decompress, room->data, frame->raw_bytes,
                                   frame->stored.data, frame->stored.size_bytes);
    if (ZSTD_isError(n) || n != frame->raw_bytes)
        return err_set(err, ERR_CORRUPT, "body does not decompress to %u bytes: %s",
                       frame->raw_bytes, ZSTD_isError(n) ? ZSTD_getErrorName(n) : "too few");
    room->size_bytes = n;
    *ret_events = (struct bytes){room->data, n};
    return ERR_OK;
}

bool
frame_chain_ok(struct frame_codec *codec, struct bytes bytes,
               const uint8_t prev_chain[HASH_SHA256_BYTES])
{
    struct frame f = {0};
    struct bytes events = {NULL, 0};
    uint8_t chain[HASH_SHA256_BYTES];
    if (frame_decode(bytes, &f, NULL) != ERR_OK ||
        frame_events(codec, &f, &codec->room, &events, NULL) != ERR_OK)
        return false;
    frame_chain(prev_chain, &f, events, chain);
    codec->room.size_bytes = 0;
    buf_trim(&codec->room, FRAME_ROOM_KEPT_BYTES);
    return memcmp(chain, f.chain, sizeof chain) == 0;
}
