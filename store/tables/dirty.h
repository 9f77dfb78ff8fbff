/*
 * store/tables/dirty.h - what publish still owes to Postgres.
 *
 * One entry per changed row: (table, key) -> number of the transaction that
 * changed it last.  An entry is removed only if it still has the number that was
 * published, so a row that changes meanwhile stays owed.
 */
#ifndef STORE_TABLES_DIRTY_H
#define STORE_TABLES_DIRTY_H

#include "store/tables/tables.h"

/* Walk the entries of one table; begin with one of its tables. */
struct dirty_scan {
    struct bytes key; /* of the row in its table */
    uint64_t number;
    struct tables_scan scan;
};

void dirty_scan_begin(struct dirty_scan *scan, struct tables_txn *txn, enum table table);
bool dirty_scan_next(struct dirty_scan *scan);
void dirty_scan_end(struct dirty_scan *scan);

/* Remove an entry if its number is still `number`. */
enum err_code dirty_settle(struct tables_txn *txn, enum table table, struct bytes key,
                           uint64_t number, struct err *err) ERR_MUST_CHECK;

#endif
