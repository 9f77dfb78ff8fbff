/*
 * store/log/seal.h - make a closed day small: its frames become blocks (block.h) in
 * a file of their own, which takes the place of the day's.
 *
 * Not an event, not a number and not a chain changes: the sealed file is read back
 * and compared with the day frame by frame and byte by byte before it is given its
 * name.  So a day's root is the same before and after, and the events of the sealed
 * day are still what it proves.
 *
 * A kill at any moment leaves the day, or the sealed day, or both, of which readers
 * take the sealed one; sealing again tidies up.  Who reads the old file meanwhile
 * reads on undisturbed.
 */
#ifndef STORE_LOG_SEAL_H
#define STORE_LOG_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/err.h"

struct log_sealed {
    bool was_sealed; /* before; the rest is then not filled */
    uint64_t events, quarantined, raw_bytes;
    uint64_t bytes_before, bytes_after; /* of the file */
};

/*
 * Seal one day.
 *
 *   directory  <data>/log; the caller holds log_keep_lock() (keep.h)
 *   number     days since 1970-01-01
 *   ret        filled
 *
 * Errors: ERR_NOT_FOUND when there is no such day; ERR_CONFLICT when it is not
 * closed; ERR_CORRUPT when the day is not as it was written, or (which would be our
 * own bug) when what was sealed is not what it was; ERR_FULL, ERR_DENIED, ERR_IO,
 * ERR_LIMIT.  The day is then as it was.
 */
enum err_code log_seal_day(const char *directory, int32_t number, struct log_sealed *ret,
                           struct err *err) ERR_MUST_CHECK;

#endif
