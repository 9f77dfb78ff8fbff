/*
 * store/tables/dirty.h - what publish still owes to Postgres.
 *
 * One entry per changed row: (table, key) -> number of the transaction that
 * changed it last.  A transaction that changes very many rows makes one entry per
 * range of keys instead, an organization's period: a superset, which does no harm
 * since publish sends absolute values.  An entry is removed only if it still has the number that was
 * published, so a row that changes meanwhile stays owed.
 */
#ifndef STORE_TABLES_DIRTY_H
#define STORE_TABLES_DIRTY_H

#include "store/tables/tables.h"

/* Walk the entries of one table; begin with one of its tables. */
struct dirty_scan {
    struct bytes key; /* of the row in its table, or what the keys of a range begin with */
    bool range;
    uint64_t number;
    struct tables_scan scan;
};

void dirty_scan_begin(struct dirty_scan *scan, struct tables_txn *txn, enum table table);
bool dirty_scan_next(struct dirty_scan *scan);
void dirty_scan_end(struct dirty_scan *scan);

/*
 * Walk the rows that are owed, each once: those of the ranges, and single ones.
 *
 *   key    of the row
 *   there  false: the row was deleted, and value is not set
 */
struct owed_scan {
    struct bytes key, value;
    bool there;
    struct tables_txn *txn;
    enum table table;
    struct dirty_scan entries;
    struct tables_scan rows; /* of the range at hand */
    bool in_range;
    uint8_t range[TABLES_RANGE_BYTES_MAX]; /* the last one */
    size_t range_bytes;                    /* 0: none yet */
};

void owed_scan_begin(struct owed_scan *scan, struct tables_txn *txn, enum table table);
bool owed_scan_next(struct owed_scan *scan);
void owed_scan_end(struct owed_scan *scan);

/* Remove an entry if its number is still `number`. */
enum err_code dirty_settle(struct tables_txn *txn, enum table table, struct bytes key,
                           uint64_t number, struct err *err) ERR_MUST_CHECK;

#endif
