/*
 * store/postgres/publish.h - the job that brings a database level with tables.mdb.
 *
 * Sends absolute rows and moves billing.publish_state in one transaction of
 * Postgres; only then strikes out what was owed.  Killed at any point and run
 * again, it ends in the same rows; at every moment the database shows one moment
 * of the tables.  Run with nothing owed it writes nothing, here or there.
 */
#ifndef STORE_POSTGRES_PUBLISH_H
#define STORE_POSTGRES_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/postgres/published.h"

struct publish_options {
    const char *data_directory;
    const char *database; /* connection string */
    bool full;            /* send all rows, whatever is owed */
    int64_t lock_wait_s;
    /* Called now and then while rows are sent; NULL: not wanted. */
    void (*progress)(const char *table, uint64_t rows);
};

enum publish_mode {
    PUBLISH_NOTHING, /* nothing was owed and nothing written */
    PUBLISH_CHANGES, /* the rows that were owed */
    PUBLISH_FULL,    /* all rows; those that are not in the tables were deleted */
};

struct publish_count {
    uint64_t sent, written, deleted; /* rows; written: were not there or differed */
};

struct publish_result {
    enum publish_mode mode;
    const char *why;                              /* PUBLISH_FULL: the reason, in words */
    uint64_t version;                             /* of billing.publish_state, afterwards */
    uint64_t position;                            /* of the log, that the database is level with */
    struct publish_count counts[PUBLISHED_COUNT]; /* in the order of published[] */
};

/*
 * Publish.
 *
 * Errors (in all of them the database shows what it showed before, or, when the
 * connection went at the very end, all of the new):
 *   ERR_NOT_FOUND  nothing has been folded yet; or no schema: run gbill migrate
 *   ERR_BUSY       another publish or migrate runs
 *   ERR_CONFLICT   the database holds another log's tables, or is ahead of ours, or
 *                  its schema is newer than this program
 *   ERR_CONFIG, ERR_PEER, ERR_DENIED, ERR_FULL  as pg_open() and pg_run()
 *   ERR_LIMIT      a count that Postgres cannot hold
 */
enum err_code publish_run(const struct publish_options *options, struct publish_result *ret,
                          struct err *err) ERR_MUST_CHECK;

#endif
