/*
 * reports/dashboard/tables.h - the figures under the pictures: exact, and all of them.
 *
 * On a screen a table is folded away until it is asked for; on paper it is there.  It
 * scrolls in a box of its own where the page is narrower.
 */
#ifndef REPORTS_DASHBOARD_TABLES_H
#define REPORTS_DASHBOARD_TABLES_H

#include "reports/dashboard/charts.h"

void table_spending(struct html *h, const struct board *board);
void table_days(struct html *h, const struct board *board);
void table_week(struct html *h, const struct board *board);
void table_cut(struct html *h, const struct board *board, enum board_cut_by by);

#endif
