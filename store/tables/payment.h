/*
 * store/tables/payment.h - what an operator or a payment service said of invoices,
 * one row per event, by organization in log order.
 */
#ifndef STORE_TABLES_PAYMENT_H
#define STORE_TABLES_PAYMENT_H

#include "store/tables/tables.h"

struct payment {
    uint32_t organization; /* dictionary */
    uint64_t seq;
    int64_t time_utc_ms;
    int64_t amount_minor;               /* < 0: given back */
    uint32_t invoice, status, currency; /* dictionary; currency 0: the invoice's */
};

enum err_code payment_put(struct tables_txn *txn, const struct payment *row,
                          struct err *err) ERR_MUST_CHECK;

/* Take a row away again: its event was voided. */
enum err_code payment_delete(struct tables_txn *txn, const struct payment *row,
                             struct err *err) ERR_MUST_CHECK;

/* Walk one organization's, in log order. */
struct payment_scan {
    struct payment row;
    struct tables_scan scan;
};

void payment_scan_begin(struct payment_scan *scan, struct tables_txn *txn, uint32_t organization);
bool payment_scan_next(struct payment_scan *scan);
void payment_scan_end(struct payment_scan *scan);

#endif
