/*
 * store/base/buf.h - a growable byte buffer with a cap.
 *
 * Grows by doubling up to cap_bytes.  A failed append leaves the buffer as it
 * was.  Single-threaded.
 */
#ifndef STORE_BASE_BUF_H
#define STORE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;
    size_t size_bytes;
    size_t room_bytes; /* allocated */
    size_t cap_bytes;  /* never more than this */
};

void buf_init(struct buf *buf, size_t cap_bytes);
void buf_clear(struct buf *buf); /* free; empty and usable again */

/*
 * Make room for more_bytes behind the contents.  Returns false at the cap or
 * out of memory; the contents are unchanged.
 */
bool buf_reserve(struct buf *buf, size_t more_bytes) __attribute__((warn_unused_result));

/* Append size_bytes bytes that do not lie in buf itself; false as buf_reserve(). */
bool buf_append(struct buf *buf, const void *data, size_t size_bytes)
    __attribute__((warn_unused_result));

/*
 * Append printf output.  Its NUL stands behind the contents and does not count,
 * but needs room below the cap.  False as buf_reserve().
 */
bool buf_printf(struct buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

/* Give memory back, if more than room_bytes is allocated and the contents need no more. */
void buf_trim(struct buf *buf, size_t room_bytes);

/* Drop the first size_bytes bytes (<= size_bytes of the buffer). */
void buf_drop(struct buf *buf, size_t size_bytes);

#endif
