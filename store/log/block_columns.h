/*
 * store/log/block_columns.h - columns of a block on their way into its sections.
 * Private to block_*.c.
 */
#ifndef STORE_LOG_BLOCK_COLUMNS_H
#define STORE_LOG_BLOCK_COLUMNS_H

#include <zstd.h>

#include "store/log/block_format.h"

struct block_value {
    union {
        uint64_t number;
        struct {
            uint32_t at, size_bytes; /* in the column's bytes */
        } text;
    };
    uint32_t order; /* among all values of the block */
    uint32_t frame; /* that its event came in */
};

struct block_column {
    uint8_t kind; /* enum block_kind, BLOCK_OLD_HEAD */
    uint64_t path;
    struct list values;  /* struct block_value */
    struct list indexes; /* uint32_t, of a sorted column: which of its texts */
    uint32_t distinct;   /* 0: not sorted */
};

/* Where sections are made; all memory is kept from block to block. */
struct block_sink {
    ZSTD_CCtx *zstd;
    struct bytes events, ids; /* what the columns' texts point into */
    const struct frame *frames;
    struct buf table;    /* what the columns are */
    struct buf sections; /* what is in them */
    struct buf scratch, packed;
    uint64_t inflated_bytes;           /* of all sections that are compressed */
    struct list numbers, codes, fresh; /* uint64_t */
    struct list slots, texts, links, heads;
};

/* False out of memory, as all below. */
bool block_sink_init(struct block_sink *sink) __attribute__((warn_unused_result));
void block_sink_clear(struct block_sink *sink);

/* Append data as one section, compressed if that makes it smaller. */
bool block_sink_section(struct block_sink *sink, struct bytes data, struct buf *out)
    __attribute__((warn_unused_result));

/* Describe whole numbers in the table and append their sections. */
bool block_sink_numbers(struct block_sink *sink, const uint64_t *numbers, size_t count)
    __attribute__((warn_unused_result));

/*
 * The same for a column.
 *
 *   columns  all columns; those before `which` are already in the sink
 */
bool block_sink_column(struct block_sink *sink, struct block_column *columns, size_t which)
    __attribute__((warn_unused_result));

#endif
