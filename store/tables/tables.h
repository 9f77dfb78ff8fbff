/*
 * store/tables/tables.h - tables.mdb: every table that is a fold of the log or a
 * result of a billing stage, in one LMDB environment.
 *
 * One file of this folder per table: its key, its row, get, put, scan.  Keys are
 * fixed-width and big-endian, so that a scan is one organization's time line;
 * strings are numbers of the dictionary (dict.h).  Changes go through a write
 * transaction; what one job does in one transaction appears whole or not at all.
 * One writing transaction at a time over all processes (LMDB's own lock).
 */
#ifndef STORE_TABLES_TABLES_H
#define STORE_TABLES_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/err.h"

/* name, database name, "fold" (dropped and refolded by --rebuild) or "stage" */
#define TABLES(X)                                \
    X(META, "meta", STAGE)                       \
    X(DICT, "dict", FOLD)                        \
    X(DICT_TEXT, "dict_text", FOLD)              \
    X(CURSOR, "cursor", FOLD)                    \
    X(HOURLY, "hourly", FOLD)                    \
    X(MONTHLY, "monthly", FOLD)                  \
    X(ID_RUNS, "id_runs", FOLD)                  \
    X(ID_FILTERS, "id_filters", FOLD)            \
    X(IDS, "ids", FOLD)                          \
    X(UNPRICED, "unpriced", FOLD)                \
    X(RESOURCES, "resources", FOLD)              \
    X(RESOURCE_COUNTS, "resource_counts", FOLD)  \
    X(SUBSCRIPTIONS, "subscriptions", FOLD)      \
    X(BUDGETS, "budgets", FOLD)                  \
    X(ADJUSTMENTS, "adjustments", FOLD)          \
    X(FEEDBACK, "feedback", FOLD)                \
    X(PAYMENTS, "payments", FOLD)                \
    X(STRIPE_TOLD, "stripe_told", FOLD)          \
    X(BALANCE, "balance", FOLD)                  \
    X(VOIDS, "voids", FOLD)                      \
    X(CONFLICTS, "conflicts", FOLD)              \
    X(ACTS, "acts", FOLD)                        \
    X(LIMITS, "limits", STAGE)                   \
    X(INVOICES, "invoices", STAGE)               \
    X(INVOICE_LINES, "invoice_lines", STAGE)     \
    X(BOOKS, "books", STAGE)                     \
    X(PLANS, "plans", STAGE)                     \
    X(STANDINGS, "standings", STAGE)             \
    X(LOG_DAYS, "log_days", STAGE)               \
    X(DIRTY, "dirty", STAGE)                     \
    X(BUDGET_MONTHS, "budget_months", STAGE)     \
    X(BUDGET_PAUSES, "budget_pauses", STAGE)     \
    X(BUDGET_ALERTS, "budget_alerts", STAGE)     \
    X(OUTBOX, "outbox", STAGE)                   \
    X(OUTBOX_DUE, "outbox_due", STAGE)           \
    X(CHARGEBACK, "chargeback", STAGE)           \
    X(SPIKES, "spikes", STAGE)                   \
    X(SPIKE_MARKS, "spike_marks", STAGE)         \
    X(FORECASTS, "forecasts", STAGE)             \
    X(RECOMMENDATIONS, "recommendations", STAGE) \
    X(EFFICIENCY, "efficiency", STAGE)           \
    X(ALLOWANCES, "allowances", STAGE)           \
    X(STRIPE_CALLS, "stripe_calls", STAGE)

enum table {
#define TABLES_ENUM(name, text, origin) TABLE_##name,
    TABLES(TABLES_ENUM)
#undef TABLES_ENUM
        TABLE_COUNT
};

struct tables;
struct tables_txn;

enum tables_mode { TABLES_READ, TABLES_WRITE };

/*
 * Open <data>/tables.mdb.
 *
 *   mode  TABLES_WRITE makes the file if needed, whole or not at all; TABLES_READ
 *         needs it there
 *
 * Errors: ERR_NOT_FOUND (reading and nothing has been folded yet), ERR_DENIED,
 * ERR_IO, ERR_CONFLICT (a format this program does not know).
 */
enum err_code tables_open(const char *data_directory, enum tables_mode mode, struct tables **ret,
                          struct err *err) ERR_MUST_CHECK;
void tables_close(struct tables *tables);

/*
 * Open them for writing as a job that may run once at a time.
 *
 *   lock_name    in the data directory: "spikes.lock"
 *   who          as an error names it: "gbill spikes"
 *   ret_lock_fd  close() releases it; -1 while it is not held.  Close it, and ret, also
 *                after an error
 *
 * Errors: ERR_BUSY (the job runs already), those of tables_open() for reading: nothing is
 * made where nothing has been folded.
 */
enum err_code tables_open_locked(const char *data_directory, const char *lock_name, const char *who,
                                 struct tables **ret, int *ret_lock_fd,
                                 struct err *err) ERR_MUST_CHECK;

/* Address space for a new file, not memory or disk; grows with the file.  Tests make it small. */
extern size_t tables_map_bytes;

/*
 * Copy tables.mdb as it is at this moment, flushed.
 *
 *   path  of the new file, which must not be there
 *
 * Errors: ERR_FULL, ERR_DENIED, ERR_IO: part of the file may be there.
 */
enum err_code tables_copy(struct tables *tables, const char *path, struct err *err) ERR_MUST_CHECK;

/*
 * Begin a transaction.  End it with tables_commit() or tables_abort(); both free
 * it.  Reading ones see one moment of all tables.
 */
enum err_code tables_begin(struct tables *tables, enum tables_mode mode, struct tables_txn **ret,
                           struct err *err) ERR_MUST_CHECK;

/* Errors: ERR_FULL, ERR_IO: nothing of the transaction is stored. */
enum err_code tables_commit(struct tables_txn *txn, struct err *err) ERR_MUST_CHECK;
void tables_abort(struct tables_txn *txn); /* NULL is fine */

/*
 * The value of a key.
 *
 *   ret  written when found; points into the map, valid until the next write in
 *        this transaction or its end.  8-byte alignment is not promised
 *
 * Returns false when there is no such key.
 */
bool tables_get(struct tables_txn *txn, enum table table, struct bytes key, struct bytes *ret);

/* Store (replace) or delete a key.  Errors: ERR_FULL, ERR_IO. */
enum err_code tables_put(struct tables_txn *txn, enum table table, struct bytes key,
                         struct bytes value, struct err *err) ERR_MUST_CHECK;
enum err_code tables_delete(struct tables_txn *txn, enum table table, struct bytes key,
                            struct err *err) ERR_MUST_CHECK;

/*
 * Store a row that Postgres shows, and note it as dirty (what publish owes).  A
 * row that is already stored with these bytes is left alone, so a stage that
 * computes the same again owes nothing.
 */
enum err_code tables_put_published(struct tables_txn *txn, enum table table, struct bytes key,
                                   struct bytes value, struct err *err) ERR_MUST_CHECK;
enum err_code tables_delete_published(struct tables_txn *txn, enum table table, struct bytes key,
                                      struct err *err) ERR_MUST_CHECK;

/*
 * Walk the keys that begin with prefix, in order.
 *
 *   struct tables_scan scan;
 *   for (tables_scan_begin(&scan, txn, TABLE_HOURLY, prefix); tables_scan_next(&scan);)
 *       … scan.key, scan.value …
 *   tables_scan_end(&scan);
 *
 * Key and value point into the map: they are valid until the next write in the
 * transaction, whatever table it goes to.
 */
struct tables_scan {
    struct bytes key, value;
    void *cursor;
    uint8_t prefix[64];
    size_t prefix_bytes;
    bool started;
};

void tables_scan_begin(struct tables_scan *scan, struct tables_txn *txn, enum table table,
                       struct bytes prefix);
/* Walk the keys of one organization (0: everybody's), of a table whose keys begin with it. */
void tables_scan_organization(struct tables_scan *scan, struct tables_txn *txn, enum table table,
                              uint32_t organization);
bool tables_scan_next(struct tables_scan *scan);
/* Step to the first key at or behind from instead; tables_scan_next() goes on behind it. */
bool tables_scan_seek(struct tables_scan *scan, struct bytes from);
void tables_scan_end(struct tables_scan *scan);

/*
 * Change many published rows of one table in key order: a cursor that finds its
 * neighbour's page again instead of walking down the tree each time.
 *
 * tables_edit_find() gives the row's stored bytes (or none), tables_edit_put()
 * then stores it if it differs, as tables_put_published() does.  Where the row is
 * likely new, tables_edit_insert() does both with one search, or finds it.  No other write
 * to the table may come between begin and end; end it before the transaction.
 */
enum { TABLES_RANGE_BYTES_MAX = 16 };

struct tables_edit {
    struct tables_txn *txn;
    enum table table;
    void *rows, *dirty; /* LMDB's cursors */
    bool found;         /* the last key looked for is stored, with `old` */
    struct bytes old;
    /*
     * For very many rows, set after begin: changed rows are noted as dirty by the
     * first so many bytes of their keys.  Publish then sends all rows with that
     * prefix, also those that did not change.
     */
    size_t range_bytes;
    uint8_t range[TABLES_RANGE_BYTES_MAX]; /* the last one noted */
    bool noted;
};

enum err_code tables_edit_begin(struct tables_edit *edit, struct tables_txn *txn, enum table table,
                                struct err *err) ERR_MUST_CHECK;
void tables_edit_find(struct tables_edit *edit, struct bytes key);
enum err_code tables_edit_insert(struct tables_edit *edit, struct bytes key, struct bytes value,
                                 struct err *err) ERR_MUST_CHECK;
enum err_code tables_edit_put(struct tables_edit *edit, struct bytes key, struct bytes value,
                              struct err *err) ERR_MUST_CHECK;
/* Take away the row that was looked for, if there is one. */
enum err_code tables_edit_delete(struct tables_edit *edit, struct bytes key,
                                 struct err *err) ERR_MUST_CHECK;
void tables_edit_end(struct tables_edit *edit);

/* The first key at or behind from; false when there is none. */
bool tables_first_from(struct tables_txn *txn, enum table table, struct bytes from,
                       struct bytes *ret_key);

/* How many keys a table has. */
uint64_t tables_count(struct tables_txn *txn, enum table table);

/* Empty all FOLD tables (for a rebuild). */
enum err_code tables_drop_folds(struct tables_txn *txn, struct err *err) ERR_MUST_CHECK;

/* "hourly" for TABLE_HOURLY; is it a FOLD table? */
const char *tables_name(enum table table);
bool tables_is_fold(enum table table);
/* Is it one of those whose bytes depend on where transactions ended (see ids.h)? */
bool tables_is_ids(enum table table);

/* The number of this write transaction: grows with every commit. */
uint64_t tables_txn_number(struct tables_txn *txn);

/* The number of the last commit, of any process; no system call. */
uint64_t tables_last_commit(const struct tables *tables);

#endif
