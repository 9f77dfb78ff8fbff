/*
 * store/log/tip.h - where the log ends, and what room it takes: asked of the files
 * while the writer goes on, without reading more than the ends.
 */
#ifndef STORE_LOG_TIP_H
#define STORE_LOG_TIP_H

#include <stdbool.h>
#include <stddef.h>

#include "store/log/writer.h"

struct log_tip {
    uint64_t next_seq[LOG_STREAMS];  /* what the next one gets; 1 in an empty log */
    uint64_t first_seq[LOG_STREAMS]; /* the oldest that is kept, or next_seq */
    size_t day_count;                /* day files that are kept */
    uint64_t bytes;                  /* on the disk, of all that lies in the directory */
    uint64_t recent_bytes;           /* of it, of the newest two days */
    int64_t recent_from_utc_ms;      /* the receipt of their first event; 0: of none */
};

/*
 * Read it.
 *
 *   directory  <data>/log
 *
 * Errors: ERR_NOT_FOUND when there is no log; ERR_CORRUPT when a last frame cannot
 * be read; ERR_DENIED, ERR_IO, ERR_LIMIT.
 */
enum err_code log_tip_read(const char *directory, struct log_tip *ret,
                           struct err *err) ERR_MUST_CHECK;

/*
 * What the log is, and where its oldest day that is kept begins.
 *
 *   ret_begun  false while the log has no day yet: *ret is then not written
 *
 * Errors: as log_tip_read().
 */
enum err_code log_origin_read(const char *directory, struct log_origin *ret, bool *ret_begun,
                              struct err *err) ERR_MUST_CHECK;

/*
 * When the oldest event behind a position was received.
 *
 *   ret_utc_ms  0 when the log has nothing behind it
 *
 * Errors: as log_reader_open() and log_reader_next().
 */
enum err_code log_received_after(const char *directory, uint64_t after_seq, int64_t *ret_utc_ms,
                                 struct err *err) ERR_MUST_CHECK;

#endif
