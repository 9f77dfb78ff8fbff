#include "ingest/clients.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "store/base/clock.h"
#include "store/base/log.h"

enum {
    CLIENTS_ACCEPTS_MAX = 64, /* in one round, so that accepting starves nobody */
    CLIENTS_UNWATCHED = 1 << 30,
};

#define CLIENTS_RETRY_MS ((int64_t)1000) /* when the table of files is full */

void
clients_init(struct clients *c)
{
    *c = (struct clients){.everything_fd = -1,
                          .control_fd = -1,
                          .deadline_ms = CLIENTS_DEADLINE_MS,
                          .files_kept = CLIENTS_FILES_KEPT};
    c->local.listener.fd = c->remote.listener.fd = -1;
    c->open.list = c->graveyard.list = CONN_ALL;
    c->unfinished.list = c->visiting.list = CONN_UNFINISHED;
}

/* Each connection takes a file descriptor; the default limit of 1,024 is soon reached. */
static size_t
raise_file_limit(size_t kept)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    return limit.rlim_cur > kept ? limit.rlim_cur - kept : 1;
}

enum err_code
clients_open(struct clients *c, struct err *err)
{
    c->count_max = raise_file_limit(c->files_kept);
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

/* ---- one connection ---- */

static void
watch(const struct clients *c, struct conn *conn)
{
    uint32_t wants = conn_wants(conn), had = conn->epoll_wants;
    /* epoll tells of a peer's end even who asks for nothing: again and again, while it rests. */
    if (wants == 0 && conn->rests_in != NULL)
        wants = CLIENTS_UNWATCHED;
    if (wants == had)
        return;
    struct epoll_event ev = {.events = wants, .data.ptr = conn};
    /* These cannot fail but for want of kernel memory; then the peer's end still wakes us. */
    (void)epoll_ctl(c->everything_fd,
                    wants == CLIENTS_UNWATCHED ? EPOLL_CTL_DEL
                    : had == CLIENTS_UNWATCHED ? EPOLL_CTL_ADD
                                               : EPOLL_CTL_MOD,
                    conn->fd, &ev);
    /* Acks must flow even while nothing is read. */
    ev.events = EPOLLOUT;
    if ((wants & EPOLLOUT) != (had & EPOLLOUT))
        (void)epoll_ctl(c->control_fd, (wants & EPOLLOUT) != 0 ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
                        conn->fd, &ev);
    conn->epoll_wants = wants;
}

void
clients_begin(struct clients *c, struct conn *conn, int64_t now_ms)
{
    clients_finish(conn);
    conn->deadline_ms = now_ms + c->deadline_ms;
    conn->begun_bytes = conn->stream.begun.size_bytes;
    conn->unfinished_in = conn->visit != NULL ? &c->visiting : &c->unfinished;
    conn_queue_push(conn->unfinished_in, conn);
}

void
clients_finish(struct conn *conn)
{
    if (conn->unfinished_in != NULL)
        conn_queue_remove(conn->unfinished_in, conn);
    conn->unfinished_in = NULL;
}

void
clients_rest(struct conn *conn, struct conn_queue *queue)
{
    conn->rests_in = queue;
    conn_queue_push(queue, conn);
}

void
clients_wake(struct clients *c, struct conn *conn)
{
    conn_queue_remove(conn->rests_in, conn);
    conn->rests_in = NULL;
    clients_settle(c, conn);
}

void
clients_count_held(struct clients *c, struct conn *conn)
{
    c->held_bytes += conn->stream.begun.size_bytes - conn->held_bytes;
    conn->held_bytes = conn->stream.begun.size_bytes;
}

void
clients_let_in(struct clients *c, struct conn *conn, struct peer *peer)
{
    conn->peer = peer;
    free(conn->visit);
    conn->visit = NULL;
    c->waiting_count--;
    clients_finish(conn);
}

void
clients_reject(struct clients *c, struct conn *conn, const char *reason)
{
    const char *who = conn->peer != NULL ? conn->peer->name : conn->visit->who;
    c->rejected++;
    complaints_tell(&c->complaints, who, reason, clock_monotonic_ms());
    conn->done_reading = true;
    stream_clear(&conn->stream);
    clients_count_held(c, conn);
}

/* The struct stays: later events of this round, and batches, may still point at it. */
static void
end(struct clients *c, struct conn *conn)
{
    if (stream_is_inside(&conn->stream) && !conn->done_reading)
        c->cut++;
    log_line(LOG_LEVEL_DEBUG, "closed", "%s",
             conn->peer != NULL ? conn->peer->name : conn->visit->who);
    if (conn->rests_in != NULL)
        conn_queue_remove(conn->rests_in, conn);
    conn->rests_in = NULL;
    clients_finish(conn);
    if (conn->visit != NULL)
        c->waiting_count--;
    if (conn->peer != NULL)
        peers_leave(conn->peer);
    conn->peer = NULL;
    conn_close(conn);
    clients_count_held(c, conn);
    conn_queue_remove(&c->open, conn);
    conn_queue_push(&c->graveyard, conn);
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
    for (struct conn *conn = c->graveyard.first; conn != NULL;) {
        struct conn *next = conn->links[CONN_ALL].next;
        if (conn->owed == 0) {
            conn_queue_remove(&c->graveyard, conn);
            conn_free(conn);
        }
        conn = next;
    }
}

/* ---- accepting ---- */

static void
pause_accepting(struct clients *c, struct clients_door *door, const char *reason)
{
    struct epoll_event ev = {.events = 0, .data.ptr = door};
    (void)epoll_ctl(c->everything_fd, EPOLL_CTL_MOD, door->listener.fd, &ev);
    door->accept_again_ms = clock_monotonic_ms() + CLIENTS_RETRY_MS;
    if (!door->told)
        log_line(LOG_LEVEL_WARN, "accept_paused", "at=%s open=%zu reason=\"%s\"",
                 door->listener.path, c->count, reason);
    door->told = true;
}

static void
resume_accepting(struct clients *c, struct clients_door *door, int64_t now_ms)
{
    if (door->accept_again_ms == 0 || now_ms < door->accept_again_ms)
        return;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = door};
    (void)epoll_ctl(c->everything_fd, EPOLL_CTL_MOD, door->listener.fd, &ev);
    door->accept_again_ms = 0;
}

/* Who it is, or for a stranger over TCP the beginning of the handshake; NULL, or why not. */
static const char *
greet(struct clients *c, struct conn *conn, const struct listen_peer *from, bool is_tcp)
{
    const char *reason = NULL;
    int64_t now_ms = clock_monotonic_ms();
    if (!is_tcp) {
        conn->peer = peers_join_uid(&c->peers, from->uid, now_ms, &reason);
        return conn->peer != NULL ? NULL : reason;
    }
    uint8_t helo[HANDSHAKE_OUT_BYTES_MAX];
    conn->visit = calloc(1, sizeof *conn->visit);
    if (conn->visit == NULL || !handshake_init(&conn->visit->handshake))
        return "no memory or no random numbers for a handshake";
    snprintf(conn->visit->who, sizeof conn->visit->who, "from=%s", from->address);
    if (c->gate.tls != NULL) {
        conn->tls = tls_new(c->gate.tls, conn->fd);
        if (conn->tls == NULL)
            return "no memory for TLS";
    }
    stream_set_max(&conn->stream, HANDSHAKE_PING_BYTES_MAX);
    c->waiting_count++;
    clients_begin(c, conn, now_ms);
    conn_send(conn, helo, handshake_helo(&conn->visit->handshake, helo));
    return NULL;
}

/* Takes fd. */
static void
turn_away(struct clients *c, struct conn *conn, const struct listen_peer *from, bool is_tcp,
          const char *reason)
{
    char who[COMPLAINTS_WHO_BYTES];
    if (is_tcp)
        snprintf(who, sizeof who, "from=%s", from->address);
    else
        snprintf(who, sizeof who, "uid=%" PRIu32, from->uid);
    c->rejected++;
    complaints_tell(&c->complaints, who, reason, clock_monotonic_ms());
    conn_close(conn);
    conn_free(conn);
}

static void
add(struct clients *c, struct clients_door *door, int fd, const struct listen_peer *from)
{
    bool is_tcp = door->listener.is_tcp;
    struct conn *conn = conn_new(fd);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = conn};
    if (conn == NULL || epoll_ctl(c->everything_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
        const char *why = strerror(errno);
        close(fd);
        free(conn);
        c->refused++;
        pause_accepting(c, door, why);
        return;
    }
    conn->epoll_wants = EPOLLIN;
    const char *reason = greet(c, conn, from, is_tcp);
    if (reason != NULL) {
        turn_away(c, conn, from, is_tcp, reason);
        return;
    }
    conn_queue_push(&c->open, conn);
    c->count++;
    c->accepted++;
    door->told = false;
    log_line(LOG_LEVEL_DEBUG, "accepted", "%s",
             conn->peer != NULL ? conn->peer->name : conn->visit->who);
    clients_settle(c, conn);
}

void
clients_accept(struct clients *c, struct clients_door *door)
{
    for (int i = 0; i < CLIENTS_ACCEPTS_MAX && door->accept_again_ms == 0; i++) {
        struct listen_peer from;
        if (c->count >= c->count_max) {
            pause_accepting(c, door, strerror(EMFILE));
            return;
        }
        if (door->listener.is_tcp && c->waiting_count >= GATE_WAITING_MAX) {
            pause_accepting(c, door, "too many that have not shown their key yet");
            return;
        }
        int fd = listen_accept(&door->listener, &from);
        if (fd >= 0) {
            add(c, door, fd, &from);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            pause_accepting(c, door, strerror(errno));
        }
    }
}

/* ---- time ---- */

int64_t
clients_due_ms(const struct clients *c)
{
    int64_t due = clock_earlier(c->local.accept_again_ms, c->remote.accept_again_ms);
    return clock_earlier(due, complaints_due_ms(&c->complaints));
}

void
clients_on_time(struct clients *c, int64_t now_ms)
{
    resume_accepting(c, &c->local, now_ms);
    resume_accepting(c, &c->remote, now_ms);
    complaints_on_time(&c->complaints, now_ms);
}

/* ---- the end ---- */

void
clients_close_doors(struct clients *c)
{
    listen_close(&c->local.listener);
    listen_close(&c->remote.listener);
}

void
clients_close(struct clients *c)
{
    while (c->open.first != NULL)
        end(c, c->open.first);
    while (c->graveyard.first != NULL) {
        struct conn *conn = c->graveyard.first;
        conn_queue_remove(&c->graveyard, conn);
        conn->owed = 0; /* the batches go too */
        conn_free(conn);
    }
    clients_close_doors(c);
    gate_close(&c->gate);
    peers_close(&c->peers);
    if (c->everything_fd >= 0)
        close(c->everything_fd);
    if (c->control_fd >= 0)
        close(c->control_fd);
    c->everything_fd = c->control_fd = -1;
}
