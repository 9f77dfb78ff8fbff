/*
 * reports/usage_report.h - hourly usage, summed by any columns and sorted by them.
 *
 * Sums are those of the table hourly, added exactly.  A report owns all that it
 * shows: nothing in it points into the tables once it is made.
 */
#ifndef REPORTS_USAGE_REPORT_H
#define REPORTS_USAGE_REPORT_H

#include <stdint.h>

#include "reports/grouping.h"
#include "reports/names.h"
#include "rollup/map.h"
#include "store/base/time.h"
#include "store/tables/usage.h"

/* At about 200 bytes a group, names apart, a report takes 200 MiB at most. */
enum { USAGE_REPORT_GROUPS_MAX = 1000000 };

struct usage_query {
    struct grouping grouping;
    const char *organization; /* NULL: all */
    uint32_t from_hour;       /* the first one, in hours since 1970 */
    uint32_t to_hour;         /* the first one beyond, > from_hour; UINT32_MAX: no end */
    size_t groups_max;        /* 1 to USAGE_REPORT_GROUPS_MAX */
};

struct usage_report {
    struct grouping grouping;
    struct usage_row total;
    struct usage_key unpriced; /* of one row with unpriced calls, if there is any */
    struct map groups;         /* numbers of the columns, then zeros -> struct usage_row */
    struct names names;
    uint32_t *cells; /* per group and column: a period's number or a name's rank */
    uint32_t *order; /* the groups, sorted by their cells */
};

/*
 * Sum the table hourly.
 *
 *   txn    reading or writing; may end once this returns
 *   query  borrowed
 *   ret    written only on success: usage_report_clear() it
 *
 * No usage in the time asked for is a report of no rows.
 *
 * Errors: ERR_NOT_FOUND (the organization never had usage), ERR_LIMIT (more
 * groups than groups_max, or no memory), ERR_CORRUPT.
 */
enum err_code usage_report_make(struct tables_txn *txn, const struct usage_query *query,
                                struct usage_report *ret, struct err *err) ERR_MUST_CHECK;
void usage_report_clear(struct usage_report *report);

static inline size_t
usage_report_rows(const struct usage_report *report)
{
    return report->groups.count;
}

/* The sums of a row, 0 to usage_report_rows() - 1. */
static inline const struct usage_row *
usage_report_row(const struct usage_report *report, size_t row)
{
    return map_value(&report->groups, report->order[row]);
}

/*
 * What a row has in one of its group columns: a name, or "2026-11",
 * "2026-11-24", "2026-11-24T08:00Z".
 *
 *   column  0 to grouping.count - 1
 *   text    room for a time; the answer may point into it
 */
struct str usage_report_cell(const struct usage_report *report, size_t row, size_t column,
                             char text[TIME_TEXT_BYTES]);

/* The provider or model of report->unpriced. */
struct str usage_report_name(struct usage_report *report, uint32_t number);

#endif
