/*
 * reports/dashboard/charts.h - the pictures of a dashboard, as SVG in HTML.
 *
 * A picture is a box as wide as the page lets it be: bars and labels are put at parts of
 * its width, and keep their size of text on a phone.  Each has a title that says in words
 * what is seen; the figures are in a table beside it (tables.h).
 */
#ifndef REPORTS_DASHBOARD_CHARTS_H
#define REPORTS_DASHBOARD_CHARTS_H

#include "reports/dashboard/board.h"
#include "reports/dashboard/html.h"

/* What a sum is drawn and ordered as: its cost, or its credits where nothing has a price. */
money_sum charts_value(const struct board *board, const struct board_sum *sum);

/* Spending from the period's first instant on, against the budget and the forecast. */
void chart_spending(struct html *h, const struct board *board);

/* Each day, with its spikes marked. */
void chart_days(struct html *h, const struct board *board);

/* Each hour of the week. */
void chart_week(struct html *h, const struct board *board);

/* The dearest models, projects or users. */
void chart_cut(struct html *h, const struct board *board, enum board_cut_by by);

/* What a part is called: in a picture cut to fit, else as it is. */
void charts_part_name(struct html *h, enum board_cut_by by, const struct board_part *part,
                      bool cut);

#endif
