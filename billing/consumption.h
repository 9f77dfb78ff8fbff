/*
 * billing/consumption.h - an organization's usage by calendar month, over all its
 * projects, users and models: what limits and invoices look at.
 */
#ifndef BILLING_CONSUMPTION_H
#define BILLING_CONSUMPTION_H

#include "store/base/buf.h"
#include "store/base/money.h"
#include "store/tables/tables.h"

struct consumption {
    int32_t month;
    uint64_t calls;
    uint64_t credits; /* AI credits: one a token, input and output of all classes */
    uint64_t unpriced_calls;
    money_sum llm_cost_pico; /* what the providers charged */
};

/*
 * One month's; all zero where there is none.
 *
 * Errors: ERR_CORRUPT when the sum does not fit its 64 or 128 bits.
 */
enum err_code consumption_read(struct tables_txn *txn, uint32_t organization, int32_t month,
                               struct consumption *ret, struct err *err) ERR_MUST_CHECK;

/*
 * All months that have usage, by rising month.
 *
 *   months  emptied, then filled with struct consumption
 *
 * Errors: as consumption_read(); ERR_LIMIT when months is full.
 */
enum err_code consumption_read_all(struct tables_txn *txn, uint32_t organization,
                                   struct buf *months, struct err *err) ERR_MUST_CHECK;

#endif
