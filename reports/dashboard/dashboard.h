/*
 * reports/dashboard/dashboard.h - one organization's spending as a page of HTML.
 *
 * One file that needs nothing else: no network, no script, light and dark, on a screen
 * and on paper.  The same tables at the same time give the same bytes.
 */
#ifndef REPORTS_DASHBOARD_DASHBOARD_H
#define REPORTS_DASHBOARD_DASHBOARD_H

#include "reports/dashboard/board.h"
#include "store/base/buf.h"

/* What a year of days with long names takes is below a megabyte. */
enum { DASHBOARD_BYTES_MAX = 16 * 1024 * 1024 };

/*
 * Read the time asked for into a query's days: a month, or whole days from one to another.
 *
 *   month     "2026-11"; NULL: not given
 *   from, to  whole days such as "2026-11-24", to exclusive; both NULL or both given, and
 *             then no month.  With neither it is the month that now lies in
 *   now_ms    UTC
 *   query     from_day, to_day and now_ms are written, only on success
 *
 * Errors: ERR_USAGE (no time, no whole days, more than BOARD_DAYS_MAX of them).
 */
enum err_code dashboard_time(const char *month, const char *from, const char *to, int64_t now_ms,
                             struct board_query *query, struct err *err) ERR_MUST_CHECK;

/*
 * Make the page.
 *
 *   txn  reading or writing; may end once this returns
 *   buf  initialized, with room for DASHBOARD_BYTES_MAX; the page is appended
 *
 * Errors: those of board_make(); ERR_LIMIT (buf is full).  Of an error part of a page may
 * be in buf.
 */
enum err_code dashboard_make(struct tables_txn *txn, const struct board_query *query,
                             struct buf *buf, struct err *err) ERR_MUST_CHECK;

/* The drawing of it alone, of a board that is there.  Errors: ERR_LIMIT (buf is full). */
enum err_code dashboard_draw(const struct board *board, struct buf *buf,
                             struct err *err) ERR_MUST_CHECK;

#endif
