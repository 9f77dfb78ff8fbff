#include "store/postgres/pg.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "gbill" in ASCII: the key of the advisory lock. */
#define PG_LOCK_KEY "444032707692"

enum { PG_TARGET_BYTES = 256, PG_MESSAGE_BYTES = 400, PG_SQL_BYTES = 256 };

struct pg {
    PGconn *conn;
    char target[PG_TARGET_BYTES]; /* "user@host:port/database" */
    void (*show)(const char *text);
};

/*
 * A password with an unescaped @, / or : spills over into the host, the port or
 * the database name, and libpq would print it from there.  So a string that
 * looks like it is refused unseen.
 */
static bool
part_is_plausible(const PQconninfoOption *o)
{
    if (o->val == NULL || *o->val == '\0')
        return true;
    if (strcmp(o->keyword, "port") == 0)
        return o->val[strspn(o->val, "0123456789,")] == '\0';
    if (strcmp(o->keyword, "host") == 0) /* a leading @ names an abstract socket */
        return strchr(o->val + 1, '@') == NULL;
    return strcmp(o->keyword, "dbname") != 0 || strchr(o->val, '@') == NULL;
}

static enum err_code
check_database(const char *database, struct err *err)
{
    if (database == NULL || *database == '\0')
        return err_set(err, ERR_CONFIG,
                       "DATABASE_URL is not set; set it to postgresql://USER:PASSWORD@HOST:PORT/"
                       "DATABASE, or give --database");
    char *why = NULL; /* not shown: it quotes parts of the string */
    PQconninfoOption *parts = PQconninfoParse(database, &why);
    bool plausible = parts != NULL;
    for (PQconninfoOption *o = parts; plausible && o->keyword != NULL; o++)
        plausible = part_is_plausible(o);
    PQconninfoFree(parts);
    PQfreemem(why);
    if (!plausible)
        return err_set(err, ERR_CONFIG,
                       "DATABASE_URL is no connection string (not shown, it may hold a password); "
                       "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, and in the password "
                       "%%40 for @, %%2F for /, %%3A for :, %%25 for %%");
    return ERR_OK;
}

/* The last line that is no continuation, without its newline. */
static void
message_line(const char *text, char line[PG_MESSAGE_BYTES])
{
    size_t bytes = 0;
    for (const char *p = text; *p != '\0';) {
        size_t n = strcspn(p, "\n");
        if (n > 0 && *p != '\t' && *p != ' ') {
            bytes = n < PG_MESSAGE_BYTES ? n : PG_MESSAGE_BYTES - 1;
            memcpy(line, p, bytes);
        }
        p += n + (p[n] == '\n' ? 1 : 0);
    }
    line[bytes] = '\0';
}

static const char *
or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static enum err_code
connect_failed(struct pg *pg, struct err *err)
{
    char line[PG_MESSAGE_BYTES];
    const char *remedy = "is Postgres running there? check DATABASE_URL";
    if (PQconnectionNeedsPassword(pg->conn))
        remedy = "the server wants a password: put it into DATABASE_URL or ~/.pgpass";
    else if (PQconnectionUsedPassword(pg->conn))
        remedy = "check the user and the password in DATABASE_URL";
    message_line(PQerrorMessage(pg->conn), line);
    return err_set(err, ERR_PEER, "cannot connect to Postgres at %s: %s; %s", pg->target, line,
                   remedy);
}

static void
notice(void *arg, const PGresult *result)
{
    const struct pg *pg = arg;
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (pg->show != NULL && text != NULL)
        pg->show(text);
}

enum err_code
pg_open(const char *database, const char *application, struct pg **ret, struct err *err)
{
    enum err_code code = check_database(database, err);
    if (code != ERR_OK)
        return code;
    struct pg *pg = calloc(1, sizeof *pg);
    if (pg == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    /* What stands in front of dbname gives way to it; what stands behind does not. */
    const char *const keys[] = {"tcp_user_timeout",
                                "keepalives_idle",
                                "connect_timeout",
                                "dbname",
                                "client_encoding",
                                "fallback_application_name",
                                NULL};
    const char *const values[] = {"30000",  "10",   getenv("PGCONNECT_TIMEOUT") ? NULL : "10",
                                  database, "UTF8", application,
                                  NULL};
    pg->conn = PQconnectdbParams(keys, values, 1);
    if (pg->conn == NULL) {
        code = err_set(err, ERR_LIMIT, "no memory for a connection");
        goto out;
    }
    snprintf(pg->target, sizeof pg->target, "%s@%s:%s/%s", or_empty(PQuser(pg->conn)),
             or_empty(PQhost(pg->conn)), or_empty(PQport(pg->conn)), or_empty(PQdb(pg->conn)));
    if (PQstatus(pg->conn) != CONNECTION_OK) {
        code = connect_failed(pg, err);
        goto out;
    }
    PQsetNoticeReceiver(pg->conn, notice, pg);
    code = pg_run(pg,
                  "SET search_path = pg_catalog; SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; "
                  "SET standard_conforming_strings = on; SET synchronous_commit = on",
                  "set up the session", NULL, err);
out:
    if (code != ERR_OK) {
        pg_close(pg);
        return code;
    }
    *ret = pg;
    return ERR_OK;
}

void
pg_close(struct pg *pg)
{
    if (pg == NULL)
        return;
    PQfinish(pg->conn);
    free(pg);
}

PGconn *
pg_conn(struct pg *pg)
{
    return pg->conn;
}

void
pg_on_notice(struct pg *pg, void (*show)(const char *text))
{
    pg->show = show;
}

/* SQLSTATE (or its class) -> what it means here and what helps; PostgreSQL manual, appendix A. */
static const struct {
    const char *state;
    enum err_code code;
    const char *remedy;
} states[] = {
    {"3F000", ERR_NOT_FOUND, "run gbill migrate"},
    {"42P01", ERR_NOT_FOUND, "run gbill migrate"},
    {"42703", ERR_NOT_FOUND, "run gbill migrate"},
    {"42501", ERR_DENIED, "connect as the role that ran gbill migrate, or have it granted"},
    {"55P03", ERR_BUSY, "another session holds it; try again"},
    {"53100", ERR_FULL, "free space on the disk of Postgres"},
    {"25006", ERR_PEER, "this server only reads: DATABASE_URL must name the primary"},
    {"40", ERR_PEER, "try again"},
    {"57P", ERR_PEER, "nothing was changed; run it again when Postgres is back"},
    {"08", ERR_PEER, "run it again when Postgres is back"},
};

enum err_code
pg_fail(struct pg *pg, const PGresult *result, const char *doing, struct err *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (PQstatus(pg->conn) != CONNECTION_OK || state == NULL || text == NULL) {
        char line[PG_MESSAGE_BYTES];
        message_line(text != NULL ? text : PQerrorMessage(pg->conn), line);
        return err_set(err, ERR_PEER,
                       "Postgres at %s: cannot %s: %s; run it again when Postgres is back",
                       pg->target, doing, line[0] != '\0' ? line : "the connection is gone");
    }
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0)
            return err_set(err, states[i].code, "Postgres at %s: cannot %s: %s; %s", pg->target,
                           doing, text, states[i].remedy);
    }
    return err_set(err, ERR_PEER, "Postgres at %s: cannot %s: %s (SQLSTATE %s)", pg->target, doing,
                   text, state);
}

static bool
succeeded(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN;
}

enum err_code
pg_run(struct pg *pg, const char *sql, const char *doing, uint64_t *ret_rows, struct err *err)
{
    PGresult *result = PQexec(pg->conn, sql);
    enum err_code code = succeeded(result) ? ERR_OK : pg_fail(pg, result, doing, err);
    if (code == ERR_OK && ret_rows != NULL)
        *ret_rows = strtoull(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return code;
}

enum err_code
pg_query(struct pg *pg, const char *sql, const char *const *values, size_t value_count,
         const char *doing, PGresult **ret, struct err *err)
{
    PGresult *result = PQexecParams(pg->conn, sql, (int)value_count, NULL, values, NULL, NULL, 0);
    enum err_code code = succeeded(result) ? ERR_OK : pg_fail(pg, result, doing, err);
    if (code == ERR_OK && ret != NULL)
        *ret = result;
    else
        PQclear(result);
    return code;
}

enum err_code
pg_lock(struct pg *pg, int64_t wait_s, struct err *err)
{
    char sql[PG_SQL_BYTES];
    assert(wait_s > 0);
    snprintf(sql, sizeof sql,
             "SET lock_timeout = '%" PRId64 "s'; SELECT pg_advisory_lock(" PG_LOCK_KEY ")", wait_s);
    enum err_code code = pg_run(pg, sql, "take the lock of gbill", NULL, err);
    if (code == ERR_BUSY)
        return err_set(err, ERR_BUSY,
                       "Postgres at %s: another gbill publish or migrate has held its lock for "
                       "%" PRId64 " s; try again, or wait longer with --lock-wait-s",
                       pg->target, wait_s);
    return code;
}
