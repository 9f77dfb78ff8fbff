/* The server, asked over a socket while its workers are held inside a long question. */
#include <criterion/criterion.h>
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "reports/api/door.h"
#include "reports/api/server.h"
#include "reports/api/views.h"
#include "reports/api/workers.h"
#include "store/tables/dict.h"
#include "store/tables/limit.h"
#include "tests/reports/fixture.h"

enum {
    EXPORTS = WORKERS_THREADS + 2, /* the last two wait for a worker */
    EXPORT_BYTES = 8 * 1024 * 1024,
    GIVE_UP_S = 30 /* a wait as long is a failure, however busy the machine */
};

static sem_t entered, go;

/* Between routes.c and view_export(): reads as it does, and is not done before it is told so. */
enum err_code __wrap_view_export(const struct api_request *request, struct answer *answer,
                                 struct err *err);
enum err_code
__wrap_view_export(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct tables_txn *txn = NULL;
    enum err_code code = shelf_begin(request->shelf, &txn, err);
    sem_post(&entered);
    sem_wait(&go);
    shelf_end(request->shelf, txn);
    answer->file = tmpfile();
    if (code != ERR_OK)
        return code;
    return answer->file != NULL && ftruncate(fileno(answer->file), EXPORT_BYTES) == 0
               ? ERR_OK
               : err_set(err, ERR_IO, "no file");
}

static void
wait_for_a_worker(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += GIVE_UP_S;
    cr_assert_eq(sem_timedwait(&entered, &until), 0, "no other worker takes an export");
}

static char key[KEYS_TEXT_BYTES + 1], socket_path[96];

static int
ask(const char *path)
{
    char head[512];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const struct timeval give_up = {.tv_sec = GIVE_UP_S};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", socket_path);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &give_up, sizeof give_up), 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&a, sizeof a), 0);
    int n = snprintf(head, sizeof head,
                     "GET %s?organizationId=acme HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                     "Authorization: Bearer %s\r\n\r\n",
                     path, key);
    cr_assert_eq(send(fd, head, (size_t)n, MSG_NOSIGNAL), n);
    return fd;
}

static void
limits_are_answered(const char *meanwhile)
{
    char text[4096];
    size_t size = 0;
    ssize_t n;
    int fd = ask("/api/billing/limits");
    while ((n = recv(fd, text + size, sizeof text - 1 - size, 0)) > 0)
        size += (size_t)n;
    close(fd);
    text[size] = '\0';
    cr_assert_eq(n, 0, "GET limits has no answer while %s", meanwhile);
    cr_assert(strncmp(text, "HTTP/1.1 200 ", 13) == 0, "%s", text);
    cr_assert(strstr(text, "\"allowed\":true}\n") != NULL, "%s", text);
}

static struct clock system_clock;

static struct server *
serve(struct fixture *x)
{
    struct err err;
    struct key made;
    struct server *server;
    char name[128];
    system_clock = clock_system();
    bool open;
    uint32_t number;
    fixture_add(x, &(struct calls){.when = "2026-11-24T08:00Z"});
    cr_assert(dict_find(x->txn, str_of("acme"), &number));
    for (int d = 0; d < LIMIT_DIMENSIONS; d++) {
        const struct limit row = {.organization = number,
                                  .dimension = (enum limit_dimension)d,
                                  .limit = LIMIT_UNLIMITED,
                                  .percent = LIMIT_PERCENT_NONE,
                                  .allowed = true,
                                  .plan = str_of("team")};
        cr_assert_eq(limit_put(x->txn, &row, &err), ERR_OK, "%s", err.text);
    }
    fixture_commit(x);
    const struct keys_change change = {.data_directory = x->dir.path, .now_ms = 1000};
    cr_assert_eq(keys_create(&change, "acme", KEY_READ, 0, &made, key, &err), ERR_OK, "%s",
                 err.text);
    snprintf(socket_path, sizeof socket_path, "%s/api.sock", x->dir.path);
    struct server_options options = {.data_directory = x->dir.path,
                                     .connections_max = 64,
                                     .address_connections_max = 64,
                                     .timeout_s = 10 * GIVE_UP_S,
                                     .clock = &system_clock};
    cr_assert_eq(door_open(socket_path, &options.listen_fd, name, &open, &err), ERR_OK, "%s",
                 err.text);
    cr_assert_eq(server_start(&options, &server, &err), ERR_OK, "%s", err.text);
    return server;
}

Test(reports_server, a_light_question_waits_for_no_heavy_one_and_for_no_slow_reader)
{
    static char text[64 * 1024];
    int exports[EXPORTS];
    struct fixture x = fixture_make();
    struct server *server = serve(&x);
    sem_init(&entered, 0, 0);
    sem_init(&go, 0, 0);
    limits_are_answered("nothing else is asked");
    for (int i = 0; i < EXPORTS; i++)
        exports[i] = ask("/api/billing/usage/export");
    for (int i = 0; i < WORKERS_THREADS; i++)
        wait_for_a_worker();
    for (int i = 0; i < 2 * WORKERS_THREADS; i++)
        limits_are_answered("every worker is inside an export");
    /* Their answers are under way, and nobody takes more than the first bytes. */
    for (int i = 0; i < EXPORTS; i++)
        sem_post(&go);
    for (int i = 0; i < EXPORTS; i++) {
        cr_assert_eq(recv(exports[i], text, 13, MSG_WAITALL), 13, "export %d has no answer", i);
        cr_assert(strncmp(text, "HTTP/1.1 200 ", 13) == 0);
    }
    for (int i = 0; i < 2 * WORKERS_THREADS; i++)
        limits_are_answered("exports are not being read");
    for (int i = 0; i < EXPORTS; i++) {
        size_t rest = 0;
        for (ssize_t n; (n = recv(exports[i], text, sizeof text, 0)) > 0;)
            rest += (size_t)n;
        cr_assert_gt(rest, EXPORT_BYTES, "export %d is cut off", i);
        close(exports[i]);
    }
    server_stop(server);
    fixture_end(&x);
}
