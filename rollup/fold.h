/*
 * rollup/fold.h - fold a batch into the tables.
 */
#ifndef ROLLUP_FOLD_H
#define ROLLUP_FOLD_H

#include "rollup/batch.h"
#include "store/tables/balance.h"

/*
 * Count every event of the batch that was not counted before: usage into hourly
 * and monthly, settings into their tables, all into the balance.
 *
 *   ret_sum  what became of the events is added to it
 *
 * Everything happens in txn, which the caller commits together with the moved
 * cursor.  Errors: ERR_FULL, ERR_IO, ERR_LIMIT out of memory; abort txn then.
 */
enum err_code fold_batch(struct batch *batch, struct tables_txn *txn, struct balance *ret_sum,
                         struct err *err) ERR_MUST_CHECK;

/*
 * Move one usage event from unpriced to priced.
 *
 *   item  as batch_read_usage() gives it, now with a cost
 */
enum err_code fold_repriced(struct tables_txn *txn, const struct batch_item *item,
                            struct err *err) ERR_MUST_CHECK;

#endif
