#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"
#include "store/postgres/pg.h"

static struct pg *pg;
static struct err err;

static enum err_code
open_pg(const char *url)
{
    return pg_open(url, "test", &pg, &err);
}

static void
assert_one_line(void)
{
    cr_assert_null(strchr(err.text, '\n'), "%s", err.text);
    cr_assert_lt(strlen(err.text), 500, "%s", err.text);
}

/* The database "secret" asks for a password: here "right-one". */
static const char *
secret_url(const char *user, const char *password)
{
    char sql[256];
    static char role[48];
    snprintf(role, sizeof role, "%s_%d", user, (int)getpid());
    snprintf(sql, sizeof sql, "CREATE ROLE %s LOGIN PASSWORD 'right-one'", role);
    (void)server_failure(server_url("postgres"), NULL, sql);
    return server_url_as("secret", role, password);
}

Test(postgres_connect, a_wrong_password_is_one_line_that_does_not_show_it)
{
    cr_assert_eq(open_pg(secret_url("gbill", "hunter2-hunter2")), ERR_PEER);
    cr_assert_not_null(strstr(err.text, "password authentication failed for user \"gbill_"), "%s",
                       err.text);
    cr_assert_not_null(strstr(err.text, "check the user and the password in DATABASE_URL"));
    cr_assert_null(strstr(err.text, "hunter2"), "%s", err.text);
    assert_one_line();
}

Test(postgres_connect, the_right_password_is_let_in)
{
    cr_assert_eq(open_pg(secret_url("gbill", "right-one")), ERR_OK, "%s", err.text);
    pg_close(pg);
}

Test(postgres_connect, a_missing_password_is_asked_for)
{
    unsetenv("PGPASSWORD");
    setenv("PGPASSFILE", "/nonexistent", 1);
    cr_assert_eq(open_pg(secret_url("gbill", NULL)), ERR_PEER);
    cr_assert_not_null(strstr(err.text, "the server wants a password: put it into DATABASE_URL"),
                       "%s", err.text);
    assert_one_line();
}

Test(postgres_connect, an_absent_server_is_one_line_with_the_place)
{
    static const char *const urls[] = {
        "postgresql://me:hunter2@/db?host=/nonexistent/socket",
        "postgresql://me:hunter2@127.0.0.1:1/db",
        "host=127.0.0.1 port=1 user=me password=hunter2 dbname=db",
        "postgresql://me:hunter2@name.invalid/db",
    };
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(open_pg(urls[i]), ERR_PEER, "%s", urls[i]);
        cr_assert_not_null(strstr(err.text, "cannot connect to Postgres at me@"), "%s", err.text);
        cr_assert_not_null(strstr(err.text, "is Postgres running there?"), "%s", err.text);
        cr_assert_null(strstr(err.text, "hunter2"), "%s", err.text);
        assert_one_line();
    }
}

Test(postgres_connect, a_database_that_does_not_exist_is_named)
{
    cr_assert_eq(open_pg(server_url("no_such_database")), ERR_PEER);
    cr_assert_not_null(strstr(err.text, "database \"no_such_database\" does not exist"), "%s",
                       err.text);
    assert_one_line();
}

Test(postgres_connect, a_setting_that_is_absent_or_malformed_shows_nothing_of_itself)
{
    /* Passwords with characters that had to be escaped; libpq would print the pieces. */
    static const char *const urls[] = {
        "postgresql://me:hun@ter2@127.0.0.1:1/db",
        "postgresql://me:hun/ter2@127.0.0.1:1/db",
        "postgresql://me:12/ter2@127.0.0.1:1/db",
        "postgresql://me:hun%ter2@127.0.0.1:1/db",
        "postgresql://me:hun:ter2@h:port/db",
        "host=h password=hun ter2",
        "host=h password='hun'ter2",
        "hunter2",
        "postgresql://me@h/db?hunter2",
        "postgresql://h:hunter2/db",
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        cr_assert_eq(open_pg(urls[i]), ERR_CONFIG, "%s", urls[i]);
        cr_assert_null(strstr(err.text, "hun"), "%s: %s", urls[i], err.text);
        cr_assert_null(strstr(err.text, "ter2"), "%s: %s", urls[i], err.text);
        cr_assert_not_null(strstr(err.text, "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"));
        assert_one_line();
    }
    cr_assert_eq(open_pg(NULL), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "DATABASE_URL is not set"), "%s", err.text);
    cr_assert_eq(open_pg(""), ERR_CONFIG);
}

Test(postgres_connect, a_password_with_escapes_is_let_through)
{
    cr_assert_eq(open_pg("postgresql://me:p%40ss%2Fw%3A@127.0.0.1:1/db"), ERR_PEER);
    cr_assert_null(strstr(err.text, "ss"), "%s", err.text);
}

Test(postgres_connect, the_session_does_not_depend_on_the_role_s_settings)
{
    cr_assert_eq(open_pg(server_url("postgres")), ERR_OK, "%s", err.text);
    PGresult *r = NULL;
    cr_assert_eq(pg_query(pg,
                          "SELECT concat(current_setting('search_path'), ' ', "
                          "current_setting('timezone'), ' ', "
                          "current_setting('client_encoding'))",
                          NULL, 0, "look", &r, &err),
                 ERR_OK);
    cr_assert_str_eq(PQgetvalue(r, 0, 0), "pg_catalog UTC UTF8");
    PQclear(r);
    pg_close(pg);
}

Test(postgres_connect, a_server_that_goes_away_is_a_peer_error)
{
    cr_assert_eq(open_pg(server_url("postgres")), ERR_OK, "%s", err.text);
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d)", PQbackendPID(pg_conn(pg)));
    server_run(server_url("postgres"), sql);
    cr_assert_eq(pg_run(pg, "SELECT 1", "look", NULL, &err), ERR_PEER);
    cr_assert_not_null(strstr(err.text, "cannot look"), "%s", err.text);
    assert_one_line();
    cr_assert_eq(pg_run(pg, "SELECT 1", "look again", NULL, &err), ERR_PEER);
    assert_one_line();
    pg_close(pg);
}
