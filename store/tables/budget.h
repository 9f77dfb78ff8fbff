/*
 * store/tables/budget.h - the budget settings of each organization: the newest
 * budget event's record, as the client sent it (schemas/event.md).
 */
#ifndef STORE_TABLES_BUDGET_H
#define STORE_TABLES_BUDGET_H

#include "store/tables/tables.h"

/*
 * Take a budget event unless a newer one (by event time, then sequence number)
 * is stored.
 */
enum err_code budget_apply(struct tables_txn *txn, uint32_t organization, int64_t time_utc_ms,
                           uint64_t seq, struct bytes record, struct err *err) ERR_MUST_CHECK;

#endif
