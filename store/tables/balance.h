/*
 * store/tables/balance.h - what became of every event, by organization and hour
 * of the event: the proof that none was lost.
 *
 * For every row, accepted = priced + estimated + unpriced + duplicate + voided +
 * settings.  Over all rows, accepted = the cursor's sequence number, since
 * that is dense.  Quarantined events have no organization that could be believed:
 * they are counted under organization 0 by the hour they were received.
 */
#ifndef STORE_TABLES_BALANCE_H
#define STORE_TABLES_BALANCE_H

#include "store/tables/tables.h"

#define BALANCE_COLUMNS(X)                                                                     \
    X(ACCEPTED, "accepted")                                                                    \
    X(PRICED, "priced")                                                                        \
    X(ESTIMATED, "estimated")                                                                  \
    X(UNPRICED, "unpriced")                                                                    \
    X(DUPLICATE, "duplicate")                                                                  \
    X(VOIDED, "voided")     /* counted once, and taken out again by a void event */            \
    X(SETTINGS, "settings") /* what has a table of its own: plans, budgets, feedback, voids */ \
    X(QUARANTINED, "quarantined")                                                              \
    X(CONFLICT, "conflicting") /* of the duplicates: those with another content */

enum balance_column {
#define BALANCE_ENUM(column, text) BALANCE_##column,
    BALANCE_COLUMNS(BALANCE_ENUM)
#undef BALANCE_ENUM
        BALANCE_COUNT
};

struct balance {
    uint64_t events[BALANCE_COUNT];
};

/* Add to (organization, hour); deltas may be negative as two's complement. */
enum err_code balance_add(struct tables_txn *txn, uint32_t organization, uint32_t hour,
                          const struct balance *more, struct err *err) ERR_MUST_CHECK;

/* The hour of an organization's first event, of whatever kind; false: it has none. */
bool balance_first_hour(struct tables_txn *txn, uint32_t organization, uint32_t *ret);

/* The sum over all rows, which is kept beside them. */
struct balance balance_total(struct tables_txn *txn);

/* Walk all rows, an organization's hours together. */
struct balance_scan {
    uint32_t organization, hour;
    struct balance row;
    struct tables_scan scan;
};

void balance_scan_begin(struct balance_scan *scan, struct tables_txn *txn);
bool balance_scan_next(struct balance_scan *scan);
void balance_scan_end(struct balance_scan *scan);

/* Does accepted equal the sum of what became of it? */
bool balance_closes(const struct balance *balance);

/* sum += more, column by column. */
void balance_sum(struct balance *sum, const struct balance *more);

const char *balance_column_name(enum balance_column column);

#endif
