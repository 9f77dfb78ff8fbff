/*
 * store/log/block_read.h - a block while it is read: its columns as they lie in the
 * inflated sections.  Private to block_*.c.
 */
#ifndef STORE_LOG_BLOCK_READ_H
#define STORE_LOG_BLOCK_READ_H

#include <zstd.h>

#include "store/log/block_format.h"

enum { BLOCK_PLANES_MAX = 8 };

#define BLOCK_NONE UINT32_MAX

struct read_numbers {
    const uint8_t *planes[BLOCK_PLANES_MAX];
    enum block_transform transform;
    unsigned width;
    uint64_t base, before;
    size_t count, at;
};

/*
 * One of a column's different texts, as it is put: with its msgpack head.  Short ones
 * lie in place, since there are too many of them for two looks into memory each.
 */
struct read_text {
    union {
        uint8_t text[24];
        const uint8_t *data;
    };
    uint32_t size_bytes, unused;
};

static inline const uint8_t *
read_text_data(const struct read_text *t)
{
    return t->size_bytes <= sizeof t->text ? t->text : t->data;
}

/* What was seen behind one of the leader's texts: count of followers from `at` on. */
struct read_head {
    uint32_t at;
    uint16_t count, room;
};

struct read_column {
    enum block_kind kind;
    bool old_head;
    enum block_coding coding;
    uint64_t count;              /* values, by the shapes of all events */
    struct read_numbers numbers; /* the values; lengths; indexes or codes */
    struct read_numbers fresh;   /* with a leader: the new ones */
    const uint8_t *bytes;        /* plain: the texts */
    size_t bytes_left;
    const uint8_t *split[BLOCK_ID_BYTES];
    uint32_t distinct, leader, now, newest; /* sorted; now: of the last value, NONE before it */
    size_t texts_at, heads_at;
};

/* A piece of a shape: bytes, then a column's value. */
struct read_step {
    const uint8_t *bytes;
    uint16_t size_bytes, column; /* BLOCK_NO_COLUMN: none */
};

struct read_shape {
    size_t steps_at, step_count;
    uint64_t events;
};

enum {
    BLOCK_NO_COLUMN = 0xffff,
    /* So many bytes may be read and written behind a text or a piece: short ones are copied whole. */
    BLOCK_SLACK_BYTES = 32,
};

struct block_decoder {
    ZSTD_DCtx *zstd;
    struct buf inflated; /* sections */
    struct buf spelt;    /* sorted texts in full */
    struct buf pieces;   /* the shapes' own bytes */
    struct read_column columns[BLOCK_COLUMNS_MAX];
    size_t column_count;
    struct read_shape shapes[BLOCK_SHAPES_MAX];
    size_t shape_count;
    struct list steps, texts, heads; /* struct read_step, read_text, read_head */
    struct list followers;           /* uint32_t: indexes */
    bool no_memory;                  /* why something failed, if it is so */
    struct read_numbers shape_of;
    char hex[256][2];
};

/* The next number; the caller knows that there is one. */
static inline uint64_t
read_next_number(struct read_numbers *n, int64_t receive_utc_ms)
{
    size_t at = n->at++;
    uint64_t x = n->base;
    if (n->width > 0)
        x += n->planes[0][at];
    if (n->width > 1)
        x += (uint64_t)n->planes[1][at] << 8;
    for (unsigned i = 2; i < n->width; i++)
        x += (uint64_t)n->planes[i][at] << (8 * i);
    if (n->transform == BLOCK_AS_IS)
        return x;
    if (n->transform == BLOCK_RECEIVED)
        return (uint64_t)receive_utc_ms - block_unzigzag(x);
    return n->before += block_unzigzag(x);
}

/* Note that memory was short, if it was. */
static inline bool
read_room(struct block_decoder *d, bool ok)
{
    d->no_memory = d->no_memory || !ok;
    return ok;
}

/* The msgpack head of a column's text of so many bytes; returns the place behind it. */
uint8_t *block_text_head_put(uint8_t *to, size_t size_bytes, const struct read_column *c);

/* The 36 or 32 digits of an id. */
uint8_t *block_id_put(const struct block_decoder *d, uint8_t *to, const uint8_t *id,
                      enum block_kind kind);

/* Copy a short text whole: BLOCK_SLACK_BYTES lie behind either end. */
static inline uint8_t *
read_copy(uint8_t *to, const uint8_t *from, size_t size_bytes)
{
    if (size_bytes <= BLOCK_SLACK_BYTES)
        memcpy(to, from, BLOCK_SLACK_BYTES);
    else
        memcpy(to, from, size_bytes);
    return to + size_bytes;
}

/*
 * Append a frame's events to out.  False when the columns contradict each other or
 * the frame's raw_bytes.
 */
bool block_events_put(struct block_decoder *d, const struct frame *frame, struct buf *out)
    __attribute__((warn_unused_result));

/* Everything that was to be read has been. */
bool block_events_are_used_up(const struct block_decoder *d);

#endif
