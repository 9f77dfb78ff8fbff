/*
 * store/postgres/pg.h - one connection to Postgres, with errors a reader can act on.
 *
 * A connection string may hold a password; no message here ever shows it, nor a
 * string that could not be taken apart.  Everything is UTF-8, UTC and addressed
 * with its schema: the session's search_path is pg_catalog alone.
 *
 * Needs a session of its own: behind a pooler, use its session mode.
 */
#ifndef STORE_POSTGRES_PG_H
#define STORE_POSTGRES_PG_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

struct pg;

/*
 * Connect.
 *
 *   database     URI or key=value string for libpq; NULL or empty: ERR_CONFIG
 *   application  application_name of the session, "gbill publish"
 *
 * Waits at most 10 s for each address, unless the string or PGCONNECT_TIMEOUT
 * say otherwise.
 *
 * Errors: ERR_CONFIG (not set, or no connection string), ERR_PEER (not reached,
 * or refused: the password, the database, too many connections).
 */
enum err_code pg_open(const char *database, const char *application, struct pg **ret,
                      struct err *err) ERR_MUST_CHECK;
void pg_close(struct pg *pg); /* what is not committed is rolled back; NULL is fine */

PGconn *pg_conn(struct pg *pg); /* for COPY */

/* Call show for every NOTICE and WARNING of the server; by default they are dropped. */
void pg_on_notice(struct pg *pg, void (*show)(const char *text));

/*
 * Run SQL without parameters.
 *
 *   doing     for the message: "create the temporary table"
 *   ret_rows  rows that the last statement touched; NULL if not wanted
 *
 * Errors, by SQLSTATE: ERR_PEER (the connection is gone, or the server refused),
 * ERR_DENIED (no privilege), ERR_NOT_FOUND (the schema billing, or a table or
 * column of it: run gbill migrate), ERR_BUSY (a lock), ERR_FULL (its disk).
 */
enum err_code pg_run(struct pg *pg, const char *sql, const char *doing, uint64_t *ret_rows,
                     struct err *err) ERR_MUST_CHECK;

/*
 * Run one statement with parameters in text form ($1 ...).
 *
 *   ret  taken by the caller: PQclear(); NULL if no rows are wanted
 *
 * Errors: as pg_run().
 */
enum err_code pg_query(struct pg *pg, const char *sql, const char *const *values,
                       size_t value_count, const char *doing, PGresult **ret,
                       struct err *err) ERR_MUST_CHECK;

/* Set err from a failed result, or from the connection's state when it is NULL. */
enum err_code pg_fail(struct pg *pg, const PGresult *result, const char *doing, struct err *err);

/*
 * Take the lock that publish and migrate share, for the life of the session.
 *
 *   wait_s  > 0: how long to wait for it, and for any lock later on
 *
 * Waiting matters: the session of a publisher that was killed lives on until the
 * server notices.
 *
 * Errors: ERR_BUSY after wait_s; as pg_run().
 */
enum err_code pg_lock(struct pg *pg, int64_t wait_s, struct err *err) ERR_MUST_CHECK;

#endif
