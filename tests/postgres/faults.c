#include "faults.h"

#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/tables/tables.h"

static enum fault armed;
static unsigned passed, armed_at;
static PGconn *last_conn;
static char statements[64 * 1024];

PGconn *__real_PQconnectdbParams(const char *const *keys, const char *const *values, int expand);
PGconn *__wrap_PQconnectdbParams(const char *const *keys, const char *const *values, int expand);
PGresult *__real_PQexec(PGconn *conn, const char *sql);
PGresult *__wrap_PQexec(PGconn *conn, const char *sql);
PGresult *__real_PQexecParams(PGconn *conn, const char *sql, int n, const Oid *types,
                              const char *const *values, const int *lengths, const int *formats,
                              int form);
PGresult *__wrap_PQexecParams(PGconn *conn, const char *sql, int n, const Oid *types,
                              const char *const *values, const int *lengths, const int *formats,
                              int form);
int __real_PQputCopyData(PGconn *conn, const char *data, int size_bytes);
int __wrap_PQputCopyData(PGconn *conn, const char *data, int size_bytes);
int __real_PQputCopyEnd(PGconn *conn, const char *error);
int __wrap_PQputCopyEnd(PGconn *conn, const char *error);
PGresult *__real_PQgetResult(PGconn *conn);
PGresult *__wrap_PQgetResult(PGconn *conn);
void __real_PQfinish(PGconn *conn);
void __wrap_PQfinish(PGconn *conn);
enum err_code __real_tables_commit(struct tables_txn *txn, struct err *err);
enum err_code __wrap_tables_commit(struct tables_txn *txn, struct err *err);

void
faults_arm(enum fault fault, unsigned nth)
{
    armed = fault;
    armed_at = nth;
    passed = 0;
    statements[0] = '\0';
}

unsigned
faults_passed(void)
{
    return passed;
}

const char *
faults_statements(void)
{
    return statements;
}

static void
point(void)
{
    if (armed == FAULT_FULL || ++passed != armed_at)
        return;
    if (armed == FAULT_KILL)
        raise(SIGKILL);
    if (armed == FAULT_DISCONNECT && last_conn != NULL)
        shutdown(PQsocket(last_conn), SHUT_RDWR);
}

static void
keep(const char *sql)
{
    size_t used = strlen(statements);
    snprintf(statements + used, sizeof statements - used, "%.200s\n", sql);
}

PGconn *
__wrap_PQconnectdbParams(const char *const *keys, const char *const *values, int expand)
{
    point();
    last_conn = __real_PQconnectdbParams(keys, values, expand);
    return last_conn;
}

PGresult *
__wrap_PQexec(PGconn *conn, const char *sql)
{
    keep(sql);
    point();
    return __real_PQexec(conn, sql);
}

PGresult *
__wrap_PQexecParams(PGconn *conn, const char *sql, int n, const Oid *types,
                    const char *const *values, const int *lengths, const int *formats, int form)
{
    keep(sql);
    point();
    return __real_PQexecParams(conn, sql, n, types, values, lengths, formats, form);
}

int
__wrap_PQputCopyData(PGconn *conn, const char *data, int size_bytes)
{
    point();
    return __real_PQputCopyData(conn, data, size_bytes);
}

int
__wrap_PQputCopyEnd(PGconn *conn, const char *error)
{
    point();
    return __real_PQputCopyEnd(conn, error);
}

PGresult *
__wrap_PQgetResult(PGconn *conn)
{
    point();
    return __real_PQgetResult(conn);
}

void
__wrap_PQfinish(PGconn *conn)
{
    if (conn == last_conn)
        last_conn = NULL;
    __real_PQfinish(conn);
}

enum err_code
__wrap_tables_commit(struct tables_txn *txn, struct err *err)
{
    point();
    if (armed == FAULT_FULL && ++passed == armed_at) {
        tables_abort(txn);
        return err_set(err, ERR_FULL, "the disk is full");
    }
    return __real_tables_commit(txn, err);
}
