/*
 * store/log/shipped.h - what collectors have flushed of this host's log: the file
 * shipped.json of the data directory.
 *
 * gbill ship needs no notes to go on; gbill log prune needs these, to let no day go
 * that its collector has not got.  An operator takes a line out by hand when that
 * collector is no more.
 *
 *   {"collectors": [{"to": "HOST:PORT", "log": "<identity, hex>",
 *                    "events": 812, "quarantine": 3}]}
 *
 * events, quarantine: the last number of each stream that is flushed there.
 */
#ifndef STORE_LOG_SHIPPED_H
#define STORE_LOG_SHIPPED_H

#include "store/base/err.h"
#include "store/log/keep.h"

/*
 * Note how far a collector is.  The caller is the only one that writes (ship.lock).
 *
 *   data      the data directory
 *   identity  of the log
 *   to        the collector, as the command names it
 *   tip       of each stream: next_seq is the number after the last that is flushed there
 *
 * A file that is as it should be already is not written.  What it says of another log of
 * this directory's past goes.
 *
 * Errors: ERR_CONFIG when the file is there and cannot be understood; those of
 * file_replace(); ERR_LIMIT out of memory: the file is as it was.
 */
enum err_code shipped_note(const char *data, const uint8_t identity[HASH_SHA256_BYTES],
                           const char *to, const struct day_tip tip[LOG_STREAMS],
                           struct err *err) ERR_MUST_CHECK;

/*
 * Do all collectors have these days?
 *
 *   days      of the log, any
 *   ret_some  true when any collector is noted for this log
 *
 * Errors: ERR_CONFLICT names the day and the collector that has not got it; ERR_CONFIG,
 * ERR_IO, ERR_DENIED of the file.
 */
enum err_code shipped_check(const char *data, const struct log_day_span *days, size_t count,
                            bool *ret_some, struct err *err) ERR_MUST_CHECK;

#endif
