/*
 * store/tables/chargeback.h - whom an invoice's amount is charged back to: its parts
 * by project, and once more by user, written by gbill chargeback run.
 *
 * Key: organization, first instant of the invoice's time, dimension, value.  The parts
 * of one dimension add up to the invoice's total.
 */
#ifndef STORE_TABLES_CHARGEBACK_H
#define STORE_TABLES_CHARGEBACK_H

#include "store/base/money.h"
#include "store/tables/tables.h"

enum chargeback_dimension { CHARGEBACK_PROJECT, CHARGEBACK_USER, CHARGEBACK_DIMENSIONS };

struct chargeback_row {
    uint32_t organization;  /* dictionary */
    int64_t from_ms, to_ms; /* of the invoice, to exclusive */
    enum chargeback_dimension dimension;
    uint32_t value;   /* dictionary; 0: what has none */
    char currency[4]; /* ISO 4217 */
    bool final;       /* the invoice is: this never changes again */
    int64_t amount_minor;
    uint64_t calls, credits;
    money_sum llm_cost_pico; /* what the amount was split by; if all are 0, the credits */
};

const char *chargeback_dimension_name(enum chargeback_dimension dimension); /* "project" */

/* Store a row and note it for publishing, if it differs from the stored one. */
enum err_code chargeback_put(struct tables_txn *txn, const struct chargeback_row *row,
                             struct err *err) ERR_MUST_CHECK;
enum err_code chargeback_delete(struct tables_txn *txn, const struct chargeback_row *row,
                                struct err *err) ERR_MUST_CHECK;

/* Walk the rows of one invoice in one dimension, by value. */
struct chargeback_scan {
    struct chargeback_row row;
    struct tables_scan scan;
};

void chargeback_scan_begin(struct chargeback_scan *scan, struct tables_txn *txn,
                           uint32_t organization, int64_t from_ms,
                           enum chargeback_dimension dimension);
bool chargeback_scan_next(struct chargeback_scan *scan);
void chargeback_scan_end(struct chargeback_scan *scan);

/* What key and value of TABLE_CHARGEBACK say, for publish; value may be empty. */
void chargeback_decode(struct bytes key, struct bytes value, struct chargeback_row *ret);

#endif
