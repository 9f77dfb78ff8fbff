/*
 * store/log/root.h - the root of a day: what proves that not a byte of it, nor of
 * any day before, has changed since.
 *
 * A day is closed when a later day file has begun: the writer never goes back.  So
 * the roots are a function of the log alone, and a root once told stays as it is.
 * Layout of the published form, and how a stranger checks it: schemas/log.md.
 */
#ifndef STORE_LOG_ROOT_H
#define STORE_LOG_ROOT_H

#include "store/base/hash.h"
#include "store/base/list.h"
#include "store/log/writer.h"

struct log_root {
    int32_t day;                  /* of receipt, days since 1970-01-01 */
    uint64_t first_seq, last_seq; /* of its events; last_seq = first_seq - 1: it has none */
    uint64_t quarantined;
    uint64_t frames; /* of both streams */
    /* Of each stream's last frame up to the day's end; zeros where none came before. */
    uint8_t chain[LOG_STREAMS][HASH_SHA256_BYTES];
};

static inline uint64_t
log_root_events(const struct log_root *root)
{
    return root->last_seq + 1 - root->first_seq;
}

struct log_roots {
    uint8_t identity[HASH_SHA256_BYTES]; /* the log's; zeros when it is empty */
    int32_t oldest_day;                  /* that is kept; INT32_MIN when the log is empty */
    struct list roots;                   /* struct log_root of closed days, upwards */
};

/*
 * Read the roots of all closed days on which something came.  Looks at a day's
 * first and last frame only: gbill log verify reads the rest.
 *
 *   directory  <data>/log
 *   ret        filled; log_roots_clear() it, also after an error
 *
 * Errors: ERR_NOT_FOUND when there is no log; ERR_CORRUPT when a last frame cannot
 * be read, or a day does not begin where the one before ended; ERR_DENIED, ERR_IO,
 * ERR_LIMIT.
 */
enum err_code log_roots_read(const char *directory, struct log_roots *ret,
                             struct err *err) ERR_MUST_CHECK;
void log_roots_clear(struct log_roots *roots);

#endif
