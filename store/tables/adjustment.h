/*
 * store/tables/adjustment.h - credits and debits that an operator gave, one row
 * per event, by organization and calendar month of the event's time.
 */
#ifndef STORE_TABLES_ADJUSTMENT_H
#define STORE_TABLES_ADJUSTMENT_H

#include "store/tables/tables.h"

struct adjustment {
    uint32_t organization; /* dictionary */
    int32_t month;
    uint64_t seq;
    int64_t time_utc_ms;
    int64_t amount_minor;      /* > 0 is charged, < 0 is credited */
    uint32_t currency, reason; /* dictionary */
};

enum err_code adjustment_put(struct tables_txn *txn, const struct adjustment *row,
                             struct err *err) ERR_MUST_CHECK;

/* Take a row away again: its event was voided. */
enum err_code adjustment_delete(struct tables_txn *txn, const struct adjustment *row,
                                struct err *err) ERR_MUST_CHECK;

/* Walk one organization's rows of one month, in log order. */
struct adjustment_scan {
    struct adjustment row;
    struct tables_scan scan;
};

void adjustment_scan_begin(struct adjustment_scan *scan, struct tables_txn *txn,
                           uint32_t organization, int32_t month);
bool adjustment_scan_next(struct adjustment_scan *scan);
void adjustment_scan_end(struct adjustment_scan *scan);

/* The first month at or behind `from` that an organization has rows of; false: none. */
bool adjustment_month_from(struct tables_txn *txn, uint32_t organization, int32_t from,
                           int32_t *ret);

#endif
