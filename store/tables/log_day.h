/*
 * store/tables/log_day.h - the roots of the log's closed days (store/log/root.h),
 * as they are published.
 *
 * A row says of which log it is, so that one log's roots never stand in the way of
 * another's.  It never changes: the root of a closed day that comes out otherwise
 * is an error.
 */
#ifndef STORE_TABLES_LOG_DAY_H
#define STORE_TABLES_LOG_DAY_H

#include "store/log/root.h"
#include "store/tables/tables.h"

/*
 * Store a day's root and note it for publishing.
 *
 * Errors: ERR_CORRUPT when another root of that day is stored, names day and both;
 * ERR_FULL, ERR_IO.
 */
enum err_code log_day_put(struct tables_txn *txn, const uint8_t identity[HASH_SHA256_BYTES],
                          const struct log_root *root, struct err *err) ERR_MUST_CHECK;

bool log_day_get(struct tables_txn *txn, const uint8_t identity[HASH_SHA256_BYTES], int32_t day,
                 struct log_root *ret);

/* What key and value of TABLE_LOG_DAYS say, for publish; value may be empty. */
void log_day_decode(struct bytes key, struct bytes value, uint8_t ret_identity[HASH_SHA256_BYTES],
                    struct log_root *ret);

#endif
