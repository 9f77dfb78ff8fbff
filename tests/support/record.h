/*
 * tests/support/record.h - records for tests, written as JSON.
 *
 * Linked into the test program of every folder.
 */
#ifndef TESTS_SUPPORT_RECORD_H
#define TESTS_SUPPORT_RECORD_H

#include "store/base/buf.h"
#include "store/base/bytes.h"

/*
 * The msgpack (by msgpack-c) of a JSON text, in which ' stands for ".
 *
 * Whole numbers become integers, others float64.  The test fails when the text
 * is not JSON.  buf_clear() what is returned.
 */
struct buf record_of_json(const char *json);

static inline struct bytes
bytes_of_buf(const struct buf *buf)
{
    return (struct bytes){buf->data, buf->size_bytes};
}

/* A repeatable random number (xorshift64*); *state must not be 0. */
uint64_t random_next(uint64_t *state);

#endif
