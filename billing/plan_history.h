/*
 * billing/plan_history.h - the plan books that were used, and what a new one may
 * change of them.
 *
 * Invoices are computed again at every run, so a book that changed what has begun
 * already would charge every organization anew for its past.  Therefore: what has
 * begun stays.  A new book may add plans, versions and rates, and change what is
 * still to come.
 */
#ifndef BILLING_PLAN_HISTORY_H
#define BILLING_PLAN_HISTORY_H

#include "billing/plan/plan.h"
#include "store/tables/tables.h"

/*
 * Keep the book, and make it the one in use.
 *
 *   now_ms  versions and rates that begin behind it may differ from those of the
 *           book in use so far
 *
 * Errors: ERR_CONFLICT names what the book changes of the past; those of
 * book_keep().
 */
enum err_code plan_history_take(struct tables_txn *txn, const struct plan_book *book,
                                int64_t now_ms, struct err *err) ERR_MUST_CHECK;

#endif
