/*
 * store/log/check_value.h - check stored frames and blocks, several at a time.
 * Private to store/log.
 *
 * Each is checked by itself: its chain against the one that the value before it
 * names, so that the order in which threads come to them does not matter.
 */
#ifndef STORE_LOG_CHECK_VALUE_H
#define STORE_LOG_CHECK_VALUE_H

#include "store/log/block.h"
#include "store/log/writer.h"

enum { CHECK_FAULT_BYTES_MAX = 256 };

struct check_value {
    struct bytes stored;
    uint64_t key;
    enum log_stream stream;
    const uint8_t *prev_chain; /* that it is to follow; NULL: not known */
    /* Filled: */
    bool sound;
    bool can_tell; /* which events it holds, even where it is not sound */
    uint64_t first_seq, frames, raw_bytes, bad_frame;
    uint32_t event_count;
    uint8_t chain[HASH_SHA256_BYTES];
    char text[CHECK_FAULT_BYTES_MAX]; /* what is wrong */
};

/* The chain that a stored value says it ends with; NULL when it is too short for one. */
const uint8_t *check_value_chain(struct bytes stored);

struct checker;

/* threads >= 1, the caller's included.  NULL out of memory. */
struct checker *checker_new(unsigned threads);
void checker_free(struct checker *checker);

/* Check values; those that memory is short for are not sound. */
void checker_run(struct checker *checker, struct check_value *values, size_t count);

#endif
