/*
 * reports/usage_print.h - a usage report as a table, CSV or JSON.
 *
 * The group columns come first, then the measures of the kind of report, each
 * declared once here.  Amounts are exact in CSV and JSON and rounded for show,
 * to six digits, in a table.
 */
#ifndef REPORTS_USAGE_PRINT_H
#define REPORTS_USAGE_PRINT_H

#include <stdbool.h>
#include <stdio.h>

#include "reports/usage_report.h"
#include "store/base/print.h"

enum usage_print_kind { USAGE_PRINT_USAGE, USAGE_PRINT_COSTS };

enum { USAGE_PRINT_MEASURES_MAX = 20 };

enum { USAGE_PRINT_BAR_CELLS = 16, USAGE_PRINT_BAR_BYTES = 3 * USAGE_PRINT_BAR_CELLS + 1 };

/*
 * Print all rows of a report.
 *
 *   form  PRINT_TABLE ends in a line of totals and shows an empty name as "-"
 *   bars  draw each row's share of the largest row's credits; PRINT_TABLE only
 */
void usage_print(const struct usage_report *report, enum usage_print_kind kind,
                 enum print_form form, bool bars, FILE *out);

/*
 * The columns of a kind without the group's, all of them, and their cells of one
 * row; not for PRINT_TABLE.  What has no price has an empty cost, in JSON lines null.
 */
size_t usage_print_columns(enum usage_print_kind kind,
                           struct print_column columns[USAGE_PRINT_MEASURES_MAX]);
void usage_print_measures(struct print *p, enum usage_print_kind kind, const struct usage_row *row);

/*
 * A bar of value / most in block characters, to an eighth of a cell.  What is
 * not nothing shows at least one eighth.  most == 0 draws nothing.
 */
void usage_print_bar(uint64_t value, uint64_t most, char text[USAGE_PRINT_BAR_BYTES]);

/* The mean, to the nearest whole number, half up; 0 of no calls. */
uint64_t usage_print_latency_ms(const struct usage_row *row);

#endif
