/*
 * tests/postgres/server.h - one private Postgres for all tests of this folder, on a
 * unix socket in a temporary directory; a database of its own for each test.
 */
#ifndef TESTS_POSTGRES_SERVER_H
#define TESTS_POSTGRES_SERVER_H

/* The connection string of a database, as the superuser; valid until the 8th call after it. */
const char *server_url(const char *database);
const char *server_url_as(const char *database, const char *user, const char *password);

/* Make a database of this name, copied from another (NULL: empty); prints why and fails. */
void server_create(const char *database, const char *copy_of);

/* Run SQL; must succeed. */
void server_run(const char *url, const char *sql);

/* The first field of the first row; "" without rows.  Must succeed; valid until the next call. */
const char *server_value(const char *url, const char *sql);

/* The SQLSTATE of a statement that must fail, after another that must not (or NULL). */
const char *server_failure(const char *url, const char *before, const char *sql);

/* A hash over all rows of all published tables. */
const char *server_digest(const char *url);

#endif
