/*
 * store/tables/budget_pause.h - which organizations their own budget has paused
 * (autoLimits), since when and why.  Written by gbill budgets alone.
 *
 * Whoever answers "may this organization go on?" asks budget_pause_get() with the
 * month of its clock, in the transaction it reads all else from.  A pause is of
 * one calendar month (UTC): at the first instant of the next it is over, whether
 * or not gbill budgets has run since.
 */
#ifndef STORE_TABLES_BUDGET_PAUSE_H
#define STORE_TABLES_BUDGET_PAUSE_H

#include "store/tables/tables.h"

enum { BUDGET_PAUSE_REASON_BYTES_MAX = 256 };

struct budget_pause {
    uint32_t organization; /* dictionary */
    int32_t month;         /* the pause is over with it */
    int64_t since_ms;
    struct str reason; /* in words, at most BUDGET_PAUSE_REASON_BYTES_MAX bytes of UTF-8 */
};

/*
 * Is the organization paused by its budget in that month?
 *
 *   month  time_month() of now
 *   ret    written when it is; its reason points into the map (valid until the next
 *          write in the transaction)
 */
bool budget_pause_get(struct tables_txn *txn, uint32_t organization, int32_t month,
                      struct budget_pause *ret);

/* The row as it is stored, of whatever month: for gbill budgets, which says when one is over. */
bool budget_pause_stored(struct tables_txn *txn, uint32_t organization, struct budget_pause *ret);

enum err_code budget_pause_put(struct tables_txn *txn, const struct budget_pause *row,
                               struct err *err) ERR_MUST_CHECK;
enum err_code budget_pause_delete(struct tables_txn *txn, uint32_t organization,
                                  struct err *err) ERR_MUST_CHECK;

#endif
