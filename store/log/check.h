/*
 * store/log/check.h - check everything about a log that can be checked, trusting no
 * byte of it, and say of each fault where it is and what is lost.
 *
 * Checked of each day file: its pages (pages.h); of each frame and block: checksum,
 * columns, that its chain follows from the chain before and its events, that its
 * numbers follow, that it holds as many events as it says and that each can be
 * read; of each day: that it begins where the one before ended, in the same log.
 * After a fault the rest is checked all the same.
 *
 * log_verify() (verify.h) is for who reads events while checking and stops at the
 * first fault.
 */
#ifndef STORE_LOG_CHECK_H
#define STORE_LOG_CHECK_H

#include "store/base/hash.h"
#include "store/log/writer.h"

/* What is sound of one day and stream. */
struct log_checked {
    int32_t day;
    bool sealed;
    enum log_stream stream;
    uint64_t events, frames, first_seq, last_seq; /* last_seq: 0 when the day has none */
    uint64_t raw_bytes;
    uint8_t chain[HASH_SHA256_BYTES]; /* of the last frame */
};

struct log_fault {
    const char *path;            /* of the day file */
    enum log_stream stream;      /* LOG_STREAMS: of the file as a whole */
    uint64_t frame;              /* its first number; 0: none can be named */
    uint64_t lost_from, lost_to; /* events that cannot be read; lost_from 0: none */
    const char *text;
};

struct log_check {
    const char *directory; /* <data>/log */
    unsigned threads;      /* 0: one for each processor */
    int32_t from_day;      /* only this day and later ones; 0: all */
    void *context;
    void (*fault)(void *context, const struct log_fault *fault);
    void (*checked)(void *context, const struct log_checked *checked);
};

/*
 * Check a log.
 *
 *   ret_faults  how many were told
 *
 * Faults are no errors.  Errors: ERR_NOT_FOUND when there is no log; ERR_DENIED and
 * ERR_IO of the directory; ERR_LIMIT out of memory.
 */
enum err_code log_check(const struct log_check *check, uint64_t *ret_faults,
                        struct err *err) ERR_MUST_CHECK;

#endif
