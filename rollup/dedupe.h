/*
 * rollup/dedupe.h - which events of a batch are counted: the first of each
 * (organization, id), in the batch and before it.
 */
#ifndef ROLLUP_DEDUPE_H
#define ROLLUP_DEDUPE_H

#include "store/tables/ids.h"

/* One event of the batch, in log order. */
struct dedupe_entry {
    struct id_entry id;
    uint32_t index; /* of the event in the batch */
};

/*
 * Sort the entries, find the repeated ones, and note the others as counted.
 *
 *   entries        count of them in log order (seq rising); reordered
 *   spare          room for as many
 *   ret_duplicate  one byte per index, all 0 on entry: set to 1 for a duplicate
 *
 * Errors: those of ids_add(), ERR_LIMIT out of memory; the transaction must then
 * be aborted.
 */
enum err_code dedupe_batch(struct tables_txn *txn, struct dedupe_entry *entries,
                           struct dedupe_entry *spare, size_t count, uint8_t *ret_duplicate,
                           struct err *err) ERR_MUST_CHECK;

#endif
