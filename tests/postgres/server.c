#include "server.h"

#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/postgres/published.h"

static const char directory_variable[] = "GBILL_TEST_POSTGRES"; /* the tests are other processes */
static char directory[64] = "/tmp/gbill-postgres-XXXXXX";
static pid_t server_pid;

static void
give_up(const char *what)
{
    fprintf(stderr, "tests/postgres: %s\n", what);
    exit(1);
}

/* In the child: become postgres where we are root, die with the tests, run the server. */
static void
exec_server(const char *bin, pid_t tests_pid)
{
    char program[256], data[128], log[128];
    snprintf(program, sizeof program, "%s/postgres", bin);
    snprintf(data, sizeof data, "%s/pg/data", directory);
    snprintf(log, sizeof log, "%s/postgres.log", directory);
    if (freopen(log, "w", stderr) == NULL || dup2(fileno(stderr), STDOUT_FILENO) < 0)
        _exit(1);
    if (geteuid() == 0) {
        const struct passwd *postgres = getpwnam("postgres");
        if (postgres == NULL || setgid(postgres->pw_gid) != 0 || setuid(postgres->pw_uid) != 0)
            _exit(1);
    }
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != tests_pid || chdir("/") != 0)
        _exit(1);
    unsetenv("LD_PRELOAD");
    execl(program, program, "-D", data, (char *)NULL);
    _exit(1);
}

static void
wait_until_ready(void)
{
    for (int i = 0; i < 300; i++) {
        if (PQping(server_url("postgres")) == PQPING_OK)
            return;
        usleep(50000);
    }
    give_up("Postgres does not start; see postgres.log");
}

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
    (void)tests;
    char command[512], bin[200] = "";
    if (mkdtemp(directory) == NULL || chmod(directory, 0755) != 0)
        give_up("cannot make a temporary directory");
    setenv(directory_variable, directory, 1);
    snprintf(command, sizeof command,
             "bash -c '. \"%s/e2e/lib_postgres.sh\"; pg_init %s/pg && echo $PG_BIN'",
             GBILL_TESTS_DIR, directory);
    FILE *out = popen(command, "r");
    if (out == NULL || fgets(bin, sizeof bin, out) == NULL || pclose(out) != 0)
        give_up("cannot make a cluster");
    bin[strcspn(bin, "\n")] = '\0';
    pid_t tests_pid = getpid();
    server_pid = fork();
    if (server_pid == 0)
        exec_server(bin, tests_pid);
    wait_until_ready();
    PGconn *conn = PQconnectdb(server_url("postgres"));
    PGresult *r = PQexec(conn, "CREATE DATABASE secret");
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        give_up(PQerrorMessage(conn));
    PQclear(r);
    PQfinish(conn);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void)stats;
    char command[128];
    kill(server_pid, SIGQUIT);
    waitpid(server_pid, NULL, 0);
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (system(command) != 0)
        give_up("cannot remove the temporary directory");
}

const char *
server_url_as(const char *database, const char *user, const char *password)
{
    static char urls[8][256];
    static unsigned next;
    char *url = urls[next++ % 8];
    snprintf(url, sizeof urls[0], "postgresql://%s%s%s@/%s?host=%s/pg", user,
             password != NULL ? ":" : "", password != NULL ? password : "", database,
             getenv(directory_variable));
    return url;
}

const char *
server_url(const char *database)
{
    return server_url_as(database, "postgres", NULL);
}

static void
drop_notice(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

/* The last connection is kept: a new one costs the server a process. */
static PGconn *
must_connect(const char *url)
{
    static PGconn *conn;
    static char connected_to[256];
    if (conn != NULL && strcmp(connected_to, url) == 0 && PQstatus(conn) == CONNECTION_OK)
        return conn;
    PQfinish(conn);
    conn = PQconnectdb(url);
    snprintf(connected_to, sizeof connected_to, "%s", url);
    if (PQstatus(conn) != CONNECTION_OK)
        cr_assert_fail("%s", PQerrorMessage(conn));
    PQsetNoticeProcessor(conn, drop_notice, NULL);
    return conn;
}

const char *
server_value(const char *url, const char *sql)
{
    static char value[4096];
    PGconn *conn = must_connect(url);
    PGresult *r = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(r);
    snprintf(value, sizeof value, "%s", PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        cr_assert_fail("%s: %s", sql, PQerrorMessage(conn));
    PQclear(PQexec(conn, "DISCARD ALL"));
    return value;
}

void
server_run(const char *url, const char *sql)
{
    server_value(url, sql);
}

const char *
server_failure(const char *url, const char *before, const char *sql)
{
    static char state[8];
    PGconn *conn = must_connect(url);
    if (before != NULL)
        PQclear(PQexec(conn, before));
    PGresult *r = PQexec(conn, sql);
    const char *is = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    snprintf(state, sizeof state, "%s", is != NULL ? is : "00000");
    PQclear(r);
    PQclear(PQexec(conn, "DISCARD ALL"));
    return state;
}

void
server_create(const char *database, const char *copy_of)
{
    char sql[256];
    snprintf(sql, sizeof sql, "CREATE DATABASE %s TEMPLATE %s", database,
             copy_of != NULL ? copy_of : "template0");
    /* A session that has just ended may still be counted by the server. */
    for (int i = 0; copy_of != NULL && i < 100; i++) {
        char users[256];
        snprintf(users, sizeof users, "SELECT count(*) FROM pg_stat_activity WHERE datname = '%s'",
                 copy_of);
        if (strcmp(server_value(server_url("postgres"), users), "0") == 0)
            break;
        usleep(20000);
    }
    server_run(server_url("postgres"), sql);
}

const char *
server_digest(const char *url)
{
    char sql[4096] = "SET timezone = 'UTC'; SELECT count(*) || ' ' || "
                     "md5(coalesce(string_agg(r, E'\\n' ORDER BY r COLLATE \"C\"), '')) FROM (";
    size_t used = strlen(sql);
    for (size_t i = 0; i < PUBLISHED_COUNT; i++)
        used += (size_t)snprintf(sql + used, sizeof sql - used,
                                 "%sSELECT '%s' || t::text FROM billing.%s t",
                                 i > 0 ? " UNION ALL " : "", published[i].name, published[i].name);
    used += (size_t)snprintf(sql + used, sizeof sql - used, ") AS x(r)");
    cr_assert_lt(used, sizeof sql);
    return server_value(url, sql);
}
