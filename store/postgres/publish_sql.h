/*
 * store/postgres/publish_sql.h - the statements of a publish, made from a table's
 * descriptor.  Names come from published.c alone, so nothing needs quoting.
 */
#ifndef STORE_POSTGRES_PUBLISH_SQL_H
#define STORE_POSTGRES_PUBLISH_SQL_H

#include "store/base/buf.h"
#include "store/postgres/published.h"

enum publish_sql {
    PUBLISH_SQL_STAGE,       /* make pg_temp.publish_<name>: the table's columns and "gone" */
    PUBLISH_SQL_COPY,        /* COPY into it */
    PUBLISH_SQL_ANALYZE,     /* let the planner know its size */
    PUBLISH_SQL_DELETE_GONE, /* delete the rows that are staged as gone */
    PUBLISH_SQL_DELETE_REST, /* delete the rows that are not staged */
    PUBLISH_SQL_UPSERT,      /* insert or update what is staged and differs */
};

enum { PUBLISH_SQL_BYTES_MAX = 8 * 1024 };

/*
 * Write a statement, NUL-terminated.
 *
 *   sql  initialized with a cap of at least PUBLISH_SQL_BYTES_MAX; its contents are
 *        replaced
 *
 * Returns its text, or NULL without memory.
 */
const char *publish_sql(struct buf *sql, const struct published *table, enum publish_sql which);

#endif
