/*
 * store/postgres/publish_state.h - how tables.mdb and a database know that they
 * belong together and how far the database follows.
 *
 * Every publish has a number that is used once: it is noted in tables.mdb
 * ("attempted") before the transaction in Postgres that writes it into
 * billing.publish_state, and noted again ("settled") with the dirty entries it
 * made good.  So a database whose version lies in settled to attempted misses
 * nothing but what is still dirty; every other database (new, restored, or not
 * the last one published to) needs all rows.
 */
#ifndef STORE_POSTGRES_PUBLISH_STATE_H
#define STORE_POSTGRES_PUBLISH_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/base/hash.h"
#include "store/postgres/pg.h"
#include "store/tables/cursor.h"
#include "store/tables/tables.h"

/* The schema that this program writes: the highest number in schemas/postgres/. */
enum { PUBLISH_SCHEMA_VERSION = 11 };

/* What tables.mdb remembers; 0 and 0 when nothing was ever published. */
struct publish_memory {
    uint64_t settled, attempted;
};

struct publish_memory publish_memory_get(struct tables_txn *txn);
enum err_code publish_memory_put(struct tables_txn *txn, const struct publish_memory *memory,
                                 struct err *err) ERR_MUST_CHECK;

/* What the database says. */
struct publish_state {
    bool known;   /* it has a row for our log; else the rest is 0 */
    bool foreign; /* it has a row for another log */
    uint64_t version, position;
    char chain[HASH_SHA256_TEXT_BYTES], price_book[HASH_SHA256_TEXT_BYTES]; /* hexadecimal */
};

/*
 * Read it, after checking the schema.
 *
 * Errors: ERR_NOT_FOUND (no schema, or an older one: run gbill migrate),
 * ERR_CONFLICT (the schema is newer than this program); as pg_run().
 */
enum err_code publish_state_get(struct pg *pg, const struct cursor *cursor,
                                struct publish_state *ret, struct err *err) ERR_MUST_CHECK;

/* Write it, as of cursor; the rows of all other logs are removed. */
enum err_code publish_state_put(struct pg *pg, const struct cursor *cursor, uint64_t version,
                                struct err *err) ERR_MUST_CHECK;

#endif
