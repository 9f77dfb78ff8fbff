#include "ingest/clients.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "store/base/clock.h"
#include "store/base/log.h"

enum {
    CLIENTS_ACCEPTS_MAX = 64, /* in one round, so that accepting starves nobody */
    CLIENTS_FILES_KEPT = 32,  /* never for connections: the log opens a file a day */
};

#define CLIENTS_RETRY_MS ((int64_t)1000) /* when the table of files is full */

void
clients_init(struct clients *c)
{
    *c = (struct clients){.everything_fd = -1, .control_fd = -1, .listener = {.fd = -1}};
}

/* Each connection takes a file descriptor; the default limit of 1,024 is soon reached. */
static size_t
raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    return limit.rlim_cur > CLIENTS_FILES_KEPT ? limit.rlim_cur - CLIENTS_FILES_KEPT : 1;
}

enum err_code
clients_open(struct clients *c, struct err *err)
{
    c->count_max = raise_file_limit();
    c->everything_fd = epoll_create1(EPOLL_CLOEXEC);
    c->control_fd = epoll_create1(EPOLL_CLOEXEC);
    if (c->everything_fd < 0 || c->control_fd < 0)
        return err_set_errno(err, errno, "cannot make an epoll");
    return ERR_OK;
}

enum err_code
clients_watch_fd(struct clients *c, int fd, void *what, bool control, struct err *err)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(c->everything_fd, EPOLL_CTL_ADD, fd, &ev) != 0 ||
        (control && epoll_ctl(c->control_fd, EPOLL_CTL_ADD, fd, &ev) != 0))
        return err_set_errno(err, errno, "cannot watch a file descriptor");
    return ERR_OK;
}

static void
watch(const struct clients *c, struct conn *conn)
{
    uint32_t wants = conn_wants(conn);
    if (wants == conn->epoll_wants)
        return;
    struct epoll_event ev = {.events = wants, .data.ptr = conn};
    /* These cannot fail but for want of kernel memory; then the peer's end still wakes us. */
    (void)epoll_ctl(c->everything_fd, EPOLL_CTL_MOD, conn->fd, &ev);
    /* Acks must flow even while nothing is read. */
    ev.events = EPOLLOUT;
    if ((wants & EPOLLOUT) != (conn->epoll_wants & EPOLLOUT))
        (void)epoll_ctl(c->control_fd, (wants & EPOLLOUT) != 0 ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
                        conn->fd, &ev);
    conn->epoll_wants = wants;
}

static void
unlist(struct conn **list, struct conn *conn)
{
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        *list = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
}

static void
enlist(struct conn **list, struct conn *conn)
{
    conn->prev = NULL;
    conn->next = *list;
    if (*list != NULL)
        (*list)->prev = conn;
    *list = conn;
}

/* The struct stays: later events of this round, and batches, may still point at it. */
static void
end(struct clients *c, struct conn *conn)
{
    if (stream_is_inside(&conn->stream) && !conn->done_reading)
        c->cut++;
    log_line(LOG_LEVEL_DEBUG, "closed", "uid=%" PRIu32, conn->peer_uid);
    conn_close(conn);
    unlist(&c->open, conn);
    enlist(&c->graveyard, conn);
    c->count--;
}

void
clients_settle(struct clients *c, struct conn *conn)
{
    if (conn->fd < 0 || conn == c->busy)
        return;
    if (conn_is_finished(conn))
        end(c, conn);
    else
        watch(c, conn);
}

void
clients_bury(struct clients *c)
{
    for (struct conn *conn = c->graveyard; conn != NULL;) {
        struct conn *next = conn->next;
        if (conn->owed == 0) {
            unlist(&c->graveyard, conn);
            conn_free(conn);
        }
        conn = next;
    }
}

static void
pause_accepting(struct clients *c, int errno_value)
{
    struct epoll_event ev = {.events = 0, .data.ptr = &c->listener};
    (void)epoll_ctl(c->everything_fd, EPOLL_CTL_MOD, c->listener.fd, &ev);
    c->accept_again_ms = clock_monotonic_ns() / 1000000 + CLIENTS_RETRY_MS;
    if (!c->accept_told)
        log_line(LOG_LEVEL_WARN, "accept_paused", "open=%zu reason=\"%s\"", c->count,
                 strerror(errno_value));
    c->accept_told = true;
}

void
clients_on_time(struct clients *c, int64_t now_ms)
{
    if (c->accept_again_ms == 0 || now_ms < c->accept_again_ms)
        return;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &c->listener};
    (void)epoll_ctl(c->everything_fd, EPOLL_CTL_MOD, c->listener.fd, &ev);
    c->accept_again_ms = 0;
}

static void
add(struct clients *c, int fd, uint32_t peer_uid)
{
    struct conn *conn = conn_new(fd, peer_uid);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = conn};
    if (conn == NULL || epoll_ctl(c->everything_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
        int e = errno;
        close(fd);
        free(conn);
        pause_accepting(c, e);
        return;
    }
    conn->epoll_wants = EPOLLIN;
    enlist(&c->open, conn);
    c->count++;
    c->accepted++;
    c->accept_told = false;
    log_line(LOG_LEVEL_DEBUG, "accepted", "uid=%" PRIu32, peer_uid);
}

void
clients_accept(struct clients *c)
{
    for (int i = 0; i < CLIENTS_ACCEPTS_MAX && c->accept_again_ms == 0; i++) {
        uint32_t peer_uid;
        if (c->count >= c->count_max) {
            pause_accepting(c, EMFILE);
            return;
        }
        int fd = listen_accept(&c->listener, &peer_uid);
        if (fd >= 0) {
            add(c, fd, peer_uid);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            pause_accepting(c, errno);
        }
    }
}

void
clients_close(struct clients *c)
{
    while (c->open != NULL)
        end(c, c->open);
    while (c->graveyard != NULL) {
        struct conn *conn = c->graveyard;
        unlist(&c->graveyard, conn);
        conn->owed = 0; /* the batches go too */
        conn_free(conn);
    }
    listen_close(&c->listener);
    if (c->everything_fd >= 0)
        close(c->everything_fd);
    if (c->control_fd >= 0)
        close(c->control_fd);
    c->everything_fd = c->control_fd = -1;
}
