/*
 * store/tables/void.h - what void events said and what became of it: one row for
 * every event that was ever named, by the hash of its id.
 *
 * A void and its event may come in either order, so one whose event has not come
 * waits here.  Of several voids of one event the first counts, and it changes
 * nothing that the others come.
 */
#ifndef STORE_TABLES_VOID_H
#define STORE_TABLES_VOID_H

#include "store/base/hash.h"
#include "store/tables/tables.h"

#define VOID_OUTCOMES(X)                                                    \
    X(WAITING, "its event has not come")                                    \
    X(DONE, "voided")                                                       \
    X(REFUSED, "an event of this kind cannot be voided; send its contrary") \
    X(LOST, "its event lies in a day of the log that is no longer kept")

enum void_outcome {
#define VOID_ENUM(name, text) VOID_##name,
    VOID_OUTCOMES(VOID_ENUM)
#undef VOID_ENUM
        VOID_OUTCOME_COUNT
};

struct void_row {
    struct hash_id target; /* of the named event's (organization, id), as in ids.h */
    uint64_t void_seq;     /* the void event */
    uint64_t target_seq;   /* the named event; 0 while waiting */
    enum void_outcome outcome;
};

/* The row of a target; false when no void named it. */
bool void_get(struct tables_txn *txn, struct hash_id target, struct void_row *ret);

/* Store a row; one that waited is replaced by its outcome. */
enum err_code void_put(struct tables_txn *txn, const struct void_row *row,
                       struct err *err) ERR_MUST_CHECK;

/* Walk those that wait, or all others, in the order of their hashes. */
struct void_scan {
    struct void_row row;
    struct tables_scan scan;
};

void void_scan_begin(struct void_scan *scan, struct tables_txn *txn, bool waiting);
bool void_scan_next(struct void_scan *scan);
void void_scan_end(struct void_scan *scan);

const char *void_outcome_text(enum void_outcome outcome);

#endif
