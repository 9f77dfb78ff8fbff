/*
 * store/tables/conflict.h - events that came again under their id with another
 * content, by sequence number.  The first one counts; these are shown to a person,
 * since a sender that reuses ids loses events.
 */
#ifndef STORE_TABLES_CONFLICT_H
#define STORE_TABLES_CONFLICT_H

#include "store/tables/tables.h"

struct conflict {
    uint64_t seq, first_seq; /* of the one that does not count, and of the one that does */
};

enum err_code conflict_put(struct tables_txn *txn, const struct conflict *row,
                           struct err *err) ERR_MUST_CHECK;

/* Walk all in log order. */
struct conflict_scan {
    struct conflict row;
    struct tables_scan scan;
};

void conflict_scan_begin(struct conflict_scan *scan, struct tables_txn *txn);
bool conflict_scan_next(struct conflict_scan *scan);
void conflict_scan_end(struct conflict_scan *scan);

#endif
