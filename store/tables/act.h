/*
 * store/tables/act.h - what administrators did, one row per event of kind act
 * (schemas/event.md), by time.
 */
#ifndef STORE_TABLES_ACT_H
#define STORE_TABLES_ACT_H

#include "store/tables/tables.h"

struct act {
    int64_t time_utc_ms;
    uint64_t seq;
    uint32_t organization; /* dictionary */
    uint32_t uid;          /* of the process that sent it */
    struct bytes record;   /* the event's own map */
};

enum err_code act_put(struct tables_txn *txn, const struct act *row,
                      struct err *err) ERR_MUST_CHECK;

/* Walk all from a time on, in the order of time. */
struct act_scan {
    struct act row;
    struct tables_scan scan;
};

void act_scan_begin(struct act_scan *scan, struct tables_txn *txn, int64_t from_utc_ms);
bool act_scan_next(struct act_scan *scan);
void act_scan_end(struct act_scan *scan);

#endif
