/*
 * store/postgres/published.h - which tables Postgres shows, and how a row of
 * tables.mdb becomes a row there.
 *
 * To publish one more table: a descriptor here, its columns in a new file of
 * schemas/postgres/, and tables_put_published() where it is written.
 */
#ifndef STORE_POSTGRES_PUBLISHED_H
#define STORE_POSTGRES_PUBLISHED_H

#include "store/base/bytes.h"
#include "store/postgres/copy.h"
#include "store/tables/tables.h"

enum { PUBLISHED_COLUMNS_MAX = 40 };

struct published {
    enum table table;
    const char *name;                           /* in the schema billing */
    size_t key_count;                           /* the first columns are the primary key */
    const char *columns[PUBLISHED_COLUMNS_MAX]; /* NULL-terminated */

    /* Give the key's columns; then, for a row that is there, all others. */
    void (*put_key)(struct copy *copy, struct bytes key);
    void (*put_row)(struct copy *copy, struct bytes key, struct bytes value);
};

/* In an order that suits foreign keys: what is referred to comes first. */
enum { PUBLISHED_COUNT = 15 };
extern const struct published published[PUBLISHED_COUNT];

#endif
