#include "store/postgres/publish_sql.h"

#include <stddef.h>

/* "p.a, p.b" for columns [from, to); to 0: up to the last. */
static bool
put_columns(struct buf *sql, const struct published *t, const char *prefix, size_t from, size_t to)
{
    bool ok = true;
    for (size_t i = from; ok && t->columns[i] != NULL && (to == 0 || i < to); i++)
        ok = buf_printf(sql, "%s%s%s", i > from ? ", " : "", prefix, t->columns[i]);
    return ok;
}

static bool
put_stage(struct buf *sql, const struct published *t)
{
    /* Without the constraints of the table: a row that is gone has only its key. */
    return buf_printf(sql, "CREATE TEMP TABLE publish_%s ON COMMIT DROP AS SELECT ", t->name) &&
           put_columns(sql, t, "", 0, 0) &&
           buf_printf(sql, ", false AS gone FROM billing.%s WITH NO DATA", t->name);
}

static bool
put_copy(struct buf *sql, const struct published *t)
{
    return buf_printf(sql, "COPY pg_temp.publish_%s (", t->name) && put_columns(sql, t, "", 0, 0) &&
           buf_printf(sql, ", gone) FROM STDIN");
}

static bool
put_delete_gone(struct buf *sql, const struct published *t)
{
    return buf_printf(sql, "DELETE FROM billing.%s t USING pg_temp.publish_%s p WHERE p.gone AND (",
                      t->name, t->name) &&
           put_columns(sql, t, "t.", 0, t->key_count) && buf_printf(sql, ") = (") &&
           put_columns(sql, t, "p.", 0, t->key_count) && buf_printf(sql, ")");
}

static bool
put_delete_rest(struct buf *sql, const struct published *t)
{
    return buf_printf(sql,
                      "DELETE FROM billing.%s t WHERE NOT EXISTS "
                      "(SELECT FROM pg_temp.publish_%s p WHERE (",
                      t->name, t->name) &&
           put_columns(sql, t, "t.", 0, t->key_count) && buf_printf(sql, ") = (") &&
           put_columns(sql, t, "p.", 0, t->key_count) && buf_printf(sql, "))");
}

static bool
put_upsert(struct buf *sql, const struct published *t)
{
    return buf_printf(sql, "INSERT INTO billing.%s AS t (", t->name) &&
           put_columns(sql, t, "", 0, 0) && buf_printf(sql, ") SELECT ") &&
           put_columns(sql, t, "", 0, 0) &&
           buf_printf(sql, " FROM pg_temp.publish_%s WHERE NOT gone ON CONFLICT (", t->name) &&
           put_columns(sql, t, "", 0, t->key_count) && buf_printf(sql, ") DO UPDATE SET (") &&
           put_columns(sql, t, "", t->key_count, 0) && buf_printf(sql, ") = ROW(") &&
           put_columns(sql, t, "excluded.", t->key_count, 0) && buf_printf(sql, ") WHERE (") &&
           put_columns(sql, t, "t.", t->key_count, 0) && buf_printf(sql, ") IS DISTINCT FROM (") &&
           put_columns(sql, t, "excluded.", t->key_count, 0) && buf_printf(sql, ")");
}

const char *
publish_sql(struct buf *sql, const struct published *table, enum publish_sql which)
{
    bool ok = false;
    buf_drop(sql, sql->size_bytes);
    switch (which) {
    case PUBLISH_SQL_STAGE:
        ok = put_stage(sql, table);
        break;
    case PUBLISH_SQL_COPY:
        ok = put_copy(sql, table);
        break;
    case PUBLISH_SQL_ANALYZE:
        ok = buf_printf(sql, "ANALYZE pg_temp.publish_%s", table->name);
        break;
    case PUBLISH_SQL_DELETE_GONE:
        ok = put_delete_gone(sql, table);
        break;
    case PUBLISH_SQL_DELETE_REST:
        ok = put_delete_rest(sql, table);
        break;
    case PUBLISH_SQL_UPSERT:
        ok = put_upsert(sql, table);
        break;
    }
    return ok && buf_append(sql, "", 1) ? (const char *)sql->data : NULL;
}
