/*
 * store/tables/unpriced.h - the events that no price was known for, by sequence
 * number, so that a later fold can price them when the book has learned it.
 */
#ifndef STORE_TABLES_UNPRICED_H
#define STORE_TABLES_UNPRICED_H

#include "store/tables/tables.h"

/*
 * Note an event, or change its note.
 *
 *   uncounted  its tokens are not known either, so they are in no sum yet
 */
enum err_code unpriced_put(struct tables_txn *txn, uint64_t seq, bool uncounted,
                           struct err *err) ERR_MUST_CHECK;
enum err_code unpriced_remove(struct tables_txn *txn, uint64_t seq, struct err *err) ERR_MUST_CHECK;

/* The smallest number above after_seq; false when there is none. */
bool unpriced_next(struct tables_txn *txn, uint64_t after_seq, uint64_t *ret_seq);

/* Is an event that is noted here uncounted? */
bool unpriced_is_uncounted(struct tables_txn *txn, uint64_t seq);

#endif
