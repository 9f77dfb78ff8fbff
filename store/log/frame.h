/*
 * store/log/frame.h - a frame: the bytes of one commit.
 *
 * Layout (little-endian; also in schemas/log.md):
 *
 *    0  u32  magic "GBF1"
 *    4  u8   version, 2
 *    5  u8   flags: bit 0 = the body is one zstd frame
 *    6  u16  0
 *    8  u32  body bytes, as stored
 *   12  u32  0
 *   16  u32  event count, >= 1
 *   20  u32  raw bytes, the body's size before compression
 *   24  u64  sequence number of the first event
 *   32  i64  receive time, UTC ms
 *   40  u64  checksum: XXH3-64 of the body, seeded with XXH3-64 of bytes 0 to 39
 *   48  32   chain: SHA-256 of (previous frame's chain, bytes 16 to 39, events)
 *   80       body: the events one behind the other
 *
 * The chain makes the log tamper-evident: change one byte anywhere and every
 * later chain differs.  It is over the events and not over their compression, so
 * that a sealed day (block.h) has the same chain and proves the same.  Nothing is
 * appended to or changed in a written frame.
 */
#ifndef STORE_LOG_FRAME_H
#define STORE_LOG_FRAME_H

#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"
#include "store/base/err.h"
#include "store/base/hash.h"

enum {
    FRAME_HEAD_BYTES = 80,
    FRAME_RAW_BYTES_MAX = 64 * 1024 * 1024,
    FRAME_COMPRESS_FROM_BYTES = 4096, /* smaller bodies stay raw */
    FRAME_ZSTD_LEVEL = 1,
    /* 16 KiB of table, which a core's first cache holds: a tenth faster, 2 % larger than level 1's own. */
    FRAME_ZSTD_HASH_LOG = 12,
};

struct frame {
    uint64_t first_seq;
    uint32_t event_count;
    uint32_t raw_bytes;
    int64_t receive_utc_ms;
    uint8_t chain[HASH_SHA256_BYTES];
    struct bytes stored; /* the body as it lies on disk */
    bool compressed;
};

struct frame_codec; /* zstd contexts, reused from frame to frame; one thread */

/* Returns NULL out of memory. */
struct frame_codec *frame_codec_new(void);
void frame_codec_free(struct frame_codec *codec);

/*
 * Encode a frame.
 *
 *   frame          its numbers, its time, raw_bytes = events.size_bytes, event_count >= 1,
 *                  and its chain (frame_chain()); the rest is not looked at
 *   events         1 to FRAME_RAW_BYTES_MAX bytes, which the chain is over
 *   out            the frame is appended
 *
 * Errors: ERR_LIMIT when out is full or memory is short; out is unchanged.
 */
enum err_code frame_encode(struct frame_codec *codec, const struct frame *frame,
                           struct bytes events, struct buf *out, struct err *err) ERR_MUST_CHECK;

/*
 * Take a stored frame apart and check its head and checksum, not its chain.  With
 * the checksum go all bytes but those of the chain.
 *
 *   ret  points into bytes
 *
 * Errors: ERR_CORRUPT says what is wrong; ERR_CONFLICT for a version this
 * program does not know.
 */
enum err_code frame_decode(struct bytes bytes, struct frame *ret, struct err *err) ERR_MUST_CHECK;

/*
 * Append a frame as it is stored, made of its parts: what frame_decode() took apart.
 *
 *   frame  stored, compressed and chain are taken as they are
 *
 * False when out is full or memory is short; out is unchanged.
 */
bool frame_put(const struct frame *frame, struct buf *out) __attribute__((warn_unused_result));

/* The sequence number of the first event, of a frame that frame_encode() made or frame_decode() took. */
static inline uint64_t
frame_first_seq(struct bytes frame)
{
    return get_le64(frame.data + 24);
}

/*
 * Does the stored frame follow prev_chain?  False also when it cannot be read, or
 * when memory is short.
 */
bool frame_chain_ok(struct frame_codec *codec, struct bytes bytes,
                    const uint8_t prev_chain[HASH_SHA256_BYTES]);

/*
 * Give the frame's events: its stored body if that is raw, else decompressed
 * into room, which is overwritten.
 *
 * Errors: ERR_CORRUPT when the body does not decompress to raw_bytes bytes;
 * ERR_LIMIT when room cannot hold them.
 */
enum err_code frame_events(struct frame_codec *codec, const struct frame *frame, struct buf *room,
                           struct bytes *ret_events, struct err *err) ERR_MUST_CHECK;

/*
 * The chain of a frame of these events that follows prev_chain.
 *
 *   frame   its numbers, its time, raw_bytes = events.size_bytes
 *   events  uncompressed
 */
void frame_chain(const uint8_t prev_chain[HASH_SHA256_BYTES], const struct frame *frame,
                 struct bytes events, uint8_t ret_chain[HASH_SHA256_BYTES]);

#endif
