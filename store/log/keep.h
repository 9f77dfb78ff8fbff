/*
 * store/log/keep.h - keep whole days of a log: copy them elsewhere, bring them
 * back, let the oldest go.
 *
 * A backup is a log directory like any other: what reads and checks a log reads and
 * checks a backup.  It is taken while the agent writes: each day's file is copied in
 * the state of one moment.  A day that is there already with the same end is not
 * copied again: the chain says that it is the same.
 */
#ifndef STORE_LOG_KEEP_H
#define STORE_LOG_KEEP_H

#include "store/base/err.h"
#include "store/base/hash.h"
#include "store/base/list.h"
#include "store/log/check.h"

/*
 * Take the lock of whoever makes, replaces or removes whole day files: seal, prune,
 * backup and restore exclude each other.  close() releases it.
 *
 * Errors: ERR_BUSY; ERR_DENIED, ERR_NOT_FOUND, ERR_IO of the lock file.
 */
enum err_code log_keep_lock(const char *directory, const char *who, int *ret_fd,
                            struct err *err) ERR_MUST_CHECK;

/* A day as prune must know it. */
struct log_day_span {
    int32_t number;                                         /* days since 1970-01-01 */
    uint64_t first_seq[LOG_STREAMS], last_seq[LOG_STREAMS]; /* last = first - 1: none */
    uint64_t bytes;                                         /* of its file */
    uint8_t identity[HASH_SHA256_BYTES];
};

/*
 * The days of a log that were used, upwards; the last one is open, the others are
 * closed.
 *
 *   ret  struct log_day_span; list_clear() it, also after an error
 *
 * Errors: ERR_NOT_FOUND when there is no log; those of opening a day; ERR_LIMIT.
 */
enum err_code log_days(const char *directory, struct list *ret, struct err *err) ERR_MUST_CHECK;

struct log_copied {
    uint64_t days, bytes; /* copied */
    uint64_t kept_days;   /* that were there already */
    uint64_t last_seq;    /* of the events, that the copy holds */
    int32_t first_day;    /* the oldest one copied; INT32_MAX: none was */
};

/*
 * Copy what is new of a log into another directory.
 *
 *   from  borrowed; its log_keep_lock() is held
 *   to    made if it is not there; its lock is held too
 *
 * Killed at any moment it leaves whole days there, and is to be run again.  The
 * copy is flushed, not yet checked: log_check() from first_day on.
 *
 * Errors: ERR_CONFLICT when `to` holds another log, or a day that ends otherwise
 * and not later; ERR_CORRUPT, ERR_FULL, ERR_DENIED, ERR_IO.
 */
enum err_code log_copy(const char *from, const char *to, struct log_copied *ret,
                       struct err *err) ERR_MUST_CHECK;

/*
 * Remove a closed day's file.  Remove the oldest first: a log has no hole.
 *
 * Errors: ERR_DENIED, ERR_IO.
 */
enum err_code log_day_remove(const char *directory, int32_t number, struct err *err) ERR_MUST_CHECK;

/* Remove the file that a day had before it was sealed; it may be gone.  The same errors. */
enum err_code log_day_remove_unsealed(const char *directory, int32_t number,
                                      struct err *err) ERR_MUST_CHECK;

#endif
