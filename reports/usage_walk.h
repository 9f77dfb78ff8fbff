/*
 * reports/usage_walk.h - the rows of the table hourly within a range: of one
 * organization or of all, in key order.  Hours outside are skipped by seeking.
 */
#ifndef REPORTS_USAGE_WALK_H
#define REPORTS_USAGE_WALK_H

#include "store/tables/usage.h"

struct usage_range {
    const char *organization;    /* NULL: all */
    uint32_t from_hour, to_hour; /* to is not counted; from < to */
};

/*
 * Read an organization and times, as --org, --from and --to give them.
 *
 *   from, to  NULL: no bound
 *
 * Errors: ERR_USAGE (no time, within an hour, to is not behind from).
 */
enum err_code usage_range_read(const char *organization, const char *from, const char *to,
                               struct usage_range *ret, struct err *err) ERR_MUST_CHECK;

/*
 *   for (code = usage_walk_begin(&w, txn, &range, err);
 *        code == ERR_OK && usage_walk_next(&w);)
 *       … w.key, w.row …
 *   usage_walk_end() also after an error.
 */
struct usage_walk {
    struct usage_key key;
    struct usage_row row;
    struct usage_range range;
    struct tables_scan scan;
    bool open, more;
    enum err_code code; /* of a row that cannot be read */
    struct err err;
};

/* Errors: ERR_NOT_FOUND (the organization has no usage at all). */
enum err_code usage_walk_begin(struct usage_walk *walk, struct tables_txn *txn,
                               const struct usage_range *range, struct err *err) ERR_MUST_CHECK;
bool usage_walk_next(struct usage_walk *walk);

/* ERR_CORRUPT when it ended at a row that cannot be read, else ERR_OK; err may be NULL. */
enum err_code usage_walk_end(struct usage_walk *walk, struct err *err) ERR_MUST_CHECK;

#endif
