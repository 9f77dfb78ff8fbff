/*
 * store/log/block_format.h - what the encoder and the decoder of blocks share.
 * Private to block_*.c; drawn in schemas/log.md.
 */
#ifndef STORE_LOG_BLOCK_FORMAT_H
#define STORE_LOG_BLOCK_FORMAT_H

#include "store/log/block.h"

#define BLOCK_MAGIC 0x31534247u /* "GBS1" in little-endian */

enum {
    BLOCK_VERSION = 1,
    BLOCK_FLAG_CHAINS = 1,
    BLOCK_BEFORE_AT = 32,
    BLOCK_AFTER_AT = 64,
    BLOCK_CHECKED_BYTES = 96,
    BLOCK_SECTION_HEAD_BYTES = 9,
    BLOCK_INFLATED_BYTES_MAX = 2 * BLOCK_RAW_BYTES_MAX, /* of all sections */
    BLOCK_COLUMNS_MAX = 1024,
    BLOCK_SHAPES_MAX = 4096,
    BLOCK_SHAPE_BYTES_MAX = 32 * 1024,    /* of one */
    BLOCK_SHAPES_BYTES_MAX = 1024 * 1024, /* of all */
    BLOCK_EVENT_VALUES_MAX = 512,
    BLOCK_FOLLOWERS_MAX = 64, /* different values of a column behind one of its leader's */
    BLOCK_NO_LEADER = 0xffff,
    BLOCK_ID_BYTES = 16,
    BLOCK_TEXT_HEAD_BYTES_MAX = 5,
    BLOCK_UUID_TEXT_BYTES = 36,
    BLOCK_HEX_TEXT_BYTES = 32,
};

/* How a section lies in the body. */
enum block_section { BLOCK_SECTION_PLAIN, BLOCK_SECTION_ZSTD };

/*
 * A shape is a run of steps: a byte below BLOCK_STEP_COLUMN is followed by that
 * many bytes and one, which are the event's; BLOCK_STEP_COLUMN by a column's u16.
 */
enum { BLOCK_STEP_COLUMN = 0x80 };

/* What a column's values are in the event. */
enum block_kind {
    BLOCK_UINT,     /* the shortest form of a whole number >= 0 */
    BLOCK_NEGATIVE, /* the shortest form of one below, as -1 - it */
    BLOCK_SINGLE,   /* nil, false, true: the byte less 0xc0 */
    BLOCK_BITS_8,   /* 1, 2, 4, 8 big-endian bytes; their head byte is the shape's */
    BLOCK_BITS_16,
    BLOCK_BITS_32,
    BLOCK_BITS_64,
    BLOCK_TEXT, /* msgpack text with the shortest head */
    BLOCK_UUID, /* the same, a lower-case UUID: 16 bytes */
    BLOCK_HEX,  /* the same, 32 lower-case hexadecimal digits: 16 bytes */
    BLOCK_BIN,  /* msgpack bin with the shortest head */
    BLOCK_REST, /* the bytes as they are: an event that has no shape */
    BLOCK_KINDS
};

/* Clients of msgpack's older form write a text of 32 bytes and more with a head of 3. */
enum { BLOCK_OLD_HEAD = 0x10, BLOCK_KIND_MASK = 0x0f };

static inline bool
block_kind_is_number(enum block_kind kind)
{
    return kind < BLOCK_TEXT;
}

static inline bool
block_kind_is_id(enum block_kind kind)
{
    return kind == BLOCK_UUID || kind == BLOCK_HEX;
}

/* How a text column is stored. */
enum block_coding {
    BLOCK_PLAIN,  /* lengths, and the texts one behind the other */
    BLOCK_SPLIT,  /* ids only: all first bytes, all second bytes, ... */
    BLOCK_SORTED, /* its different texts once, in order; then which */
    BLOCK_CODINGS
};

/* What stands for a number x. */
enum block_transform {
    BLOCK_AS_IS,    /* x - base */
    BLOCK_STEP,     /* zigzag(x - the one before) - base */
    BLOCK_RECEIVED, /* zigzag(the frame's receive time - x) - base */
    BLOCK_TRANSFORMS
};

static inline uint64_t
block_zigzag(uint64_t difference)
{
    return (difference << 1) ^ (0 - (difference >> 63));
}

static inline uint64_t
block_unzigzag(uint64_t z)
{
    return (z >> 1) ^ (0 - (z & 1));
}

#endif
