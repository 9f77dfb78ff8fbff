/*
 * rollup/fold.h - fold a batch into the tables.
 */
#ifndef ROLLUP_FOLD_H
#define ROLLUP_FOLD_H

#include "rollup/batch.h"
#include "rollup/map.h"
#include "store/tables/balance.h"

/* Sums that are not in the tables yet, by key.  Its memory is kept for the next ones. */
struct fold {
    struct map hourly, monthly, balance;
};

void fold_init(struct fold *fold);
void fold_clear(struct fold *fold);

/*
 * Count every event of the batch that was not counted before: usage and balance
 * into the sums, settings into their tables, ids into theirs.
 *
 *   ret_sum  what became of the events is added to it
 *
 * Errors: ERR_FULL, ERR_IO, ERR_LIMIT out of memory; abort txn then.
 */
enum err_code fold_batch(struct fold *fold, struct batch *batch, struct tables_txn *txn,
                         struct balance *ret_sum, struct err *err) ERR_MUST_CHECK;

/* How many rows the sums will write. */
static inline size_t
fold_rows(const struct fold *fold)
{
    return fold->hourly.count;
}

/*
 * Add the sums to hourly, monthly and balance, and empty them.  It must come
 * before the commit of the transaction that fold_batch() was given; the caller
 * moves the cursor in it too.
 */
enum err_code fold_write(struct fold *fold, struct tables_txn *txn, struct err *err) ERR_MUST_CHECK;

/*
 * Move one usage event from unpriced to priced.
 *
 *   item  as batch_read_usage() gives it, now with a cost
 */
enum err_code fold_repriced(struct tables_txn *txn, const struct batch_item *item,
                            struct err *err) ERR_MUST_CHECK;

#endif
