/*
 * store/tables/log_need.h - which days of the log are still needed, and why.
 *
 * The log is the truth of what the tables hold: a day may go only when nothing will
 * ask for it any more but a rebuild from the very beginning, which then is past.
 */
#ifndef STORE_TABLES_LOG_NEED_H
#define STORE_TABLES_LOG_NEED_H

#include "store/log/keep.h"
#include "store/tables/tables.h"

/*
 * May these days go?
 *
 *   days    the oldest `count` of the log, upwards; not the open one
 *   now_ms  UTC
 *
 * They may when the tables are of this log and have folded all of them; when each
 * day's root has been published (gbill audit --roots); when no event in them waits
 * for a price; when none can belong to a month that has a draft invoice, or to this
 * month; and when all are older than an event may be when it arrives (35 days):
 * until then it may come again or be voided.
 *
 * Errors: ERR_CONFLICT says which day must stay, and why.
 */
enum err_code log_need_check(struct tables_txn *txn, const struct log_day_span *days, size_t count,
                             int64_t now_ms, struct err *err) ERR_MUST_CHECK;

#endif
