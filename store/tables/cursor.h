/*
 * store/tables/cursor.h - how far the log has been folded, and with what.
 *
 * One row, and one for the ratio book where there is one, moved in the same transaction as everything the fold changed.
 */
#ifndef STORE_TABLES_CURSOR_H
#define STORE_TABLES_CURSOR_H

#include "store/base/hash.h"
#include "store/tables/tables.h"

struct cursor {
    uint64_t seq;                          /* every event with a number up to this is folded */
    uint64_t quarantine_seq;               /* every quarantined event up to this is counted */
    int64_t receive_utc_ms;                /* of the last frame folded */
    uint8_t chain[HASH_SHA256_BYTES];      /* of the last frame folded */
    uint8_t price_book[HASH_SHA256_BYTES]; /* the book of the last fold */
    uint8_t log_identity[HASH_SHA256_BYTES];
    uint8_t ratio_book[HASH_SHA256_BYTES]; /* of the last fold; zeros: there was none */
};

/* All zero when nothing has been folded. */
struct cursor cursor_get(struct tables_txn *txn);
enum err_code cursor_put(struct tables_txn *txn, const struct cursor *cursor,
                         struct err *err) ERR_MUST_CHECK;

#endif
