/*
 * store/log/block.h - a block: the frames of a sealed day, many in one value, their
 * events in columns.
 *
 * Every event is taken apart into its shape (the msgpack heads and keys, which
 * repeat) and its values (which go to one column each, by the path of keys that
 * leads to them), and is put together again byte for byte.  Bytes: schemas/log.md,
 * "Block".  A block stands alone: nothing outside of it is needed to read it.
 *
 * What does not fit (a frame over BLOCK_RAW_BYTES_MAX, one whose events are no
 * msgpack, one that columns do not make smaller, one that would come out
 * BLOCK_RATIO_MAX times as large) stays the frame it was, in a sealed day too.
 *
 * block_encode.c takes events apart, block_columns.c makes columns small,
 * block_decode.c reads; block_format.h is what they share.
 */
#ifndef STORE_LOG_BLOCK_H
#define STORE_LOG_BLOCK_H

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/base/list.h"
#include "store/log/frame.h"

enum {
    BLOCK_HEAD_BYTES = 104,
    BLOCK_RAW_BYTES_MAX = 8 * 1024 * 1024,
    BLOCK_RATIO_MAX = 200, /* events to stored bytes, and sections to stored bytes */
};

/* Is this stored value a block?  If not, it may be a frame. */
bool block_is(struct bytes stored);

/* The numbers of a frame or a block, from its head alone. */
struct block_span {
    uint64_t first_seq;
    uint32_t event_count;
};

/* Errors: ERR_CORRUPT when the bytes are neither; the rest is not looked at. */
enum err_code block_span_read(struct bytes stored, struct block_span *ret,
                              struct err *err) ERR_MUST_CHECK;

struct block_encoder;

/* Returns NULL out of memory. */
struct block_encoder *block_encoder_new(void);
void block_encoder_free(struct block_encoder *encoder);

/*
 * Encode frames as one block.
 *
 *   prev_chain   of the frame before the first
 *   frames       count >= 1, in order, no gap; only numbers, time, raw_bytes, chain
 *   events       of all of them, one behind the other
 *   out          the block is appended, or it is as it was
 *   ret_encoded  false: it does not pay, or cannot be; keep the frames
 *
 * Errors: ERR_LIMIT out of memory, or out is full.
 */
enum err_code block_encode(struct block_encoder *encoder,
                           const uint8_t prev_chain[HASH_SHA256_BYTES], const struct frame *frames,
                           size_t count, struct bytes events, struct buf *out, bool *ret_encoded,
                           struct err *err) ERR_MUST_CHECK;

/* A block while it is read.  Its memory is kept from one block to the next. */
struct block {
    uint64_t first_seq;
    uint32_t event_count;
    size_t stored_bytes;
    uint8_t before[HASH_SHA256_BYTES]; /* the chains that its head says it is between */
    uint8_t after[HASH_SHA256_BYTES];
    struct list frames; /* struct frame, less their bodies */
    size_t given;       /* of them by block_next() */
    bool has_chains;    /* stored; else block_next() makes them */
    struct block_decoder *decoder;
};

void block_init(struct block *block);
void block_clear(struct block *block);

/* Hold no block; its memory is kept. */
void block_forget(struct block *block);

/*
 * Begin to read a stored block: check it and inflate its columns.
 *
 *   block   what it held is replaced; after an error it holds nothing
 *   stored  borrowed until the last frame is read
 *
 * Safe on any bytes: memory is bounded by BLOCK_RAW_BYTES_MAX and by
 * BLOCK_RATIO_MAX times what was given.
 *
 * Errors: ERR_CORRUPT says what is wrong; ERR_CONFLICT for a version this program
 * does not know; ERR_LIMIT out of memory.
 */
enum err_code block_open(struct block *block, struct bytes stored, struct err *err) ERR_MUST_CHECK;

/*
 * Give the next frame as it was before it was sealed, uncompressed.
 *
 *   out  its events are appended; ret->stored points at them
 *
 * The caller knows by given and frames.count that there is one.  That its chain
 * follows from its events is for the caller to check: frame_chain().
 *
 * Errors: ERR_CORRUPT when columns contradict each other, or events that were read
 * do not lead to the chain that the head names; ERR_LIMIT out of memory.  out and
 * block are then as they were, and block gives nothing more.
 */
enum err_code block_next(struct block *block, struct buf *out, struct frame *ret,
                         struct err *err) ERR_MUST_CHECK;

#endif
