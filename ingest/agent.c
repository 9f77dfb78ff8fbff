#include "ingest/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/admit.h"
#include "ingest/agent_check.h"
#include "ingest/clients.h"
#include "ingest/handover.h"
#include "store/base/log.h"
#include "store/log/writer.h"

enum {
    AGENT_READ_BYTES = 256 * 1024,
    AGENT_READY_MAX = 256,
};

#define AGENT_RETRY_MS ((int64_t)1000)  /* a full disk */
#define AGENT_STATS_MS ((int64_t)60000) /* between two lines of figures */
#define AGENT_DRAIN_MS ((int64_t)2000)  /* for clients to take their last acks */

struct agent {
    struct clock clock;
    int lock_fd, signal_fd;
    struct clients clients;
    struct log_writer *writer;
    struct handover handover;
    uint8_t *read_room;
    struct inflater *inflater;
    bool stop, disk_full;
    int64_t stats_due_ms; /* monotonic; 0: nothing to tell */
    struct admit_counts admitted;
    uint64_t rejected, received_bytes;
};

static int64_t
monotonic_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

/* ---- figures ---- */

static void
log_figures(struct agent *a, const char *event)
{
    struct commit_state state = {.commits = 0};
    if (a->handover.committer != NULL)
        commit_state(a->handover.committer, &state);
    log_line(LOG_LEVEL_INFO, event,
             "connections=%" PRIu64 " open=%zu messages=%" PRIu64 " events=%" PRIu64
             " quarantined=%" PRIu64 " undeclared=%" PRIu64 " rejected=%" PRIu64 " cut=%" PRIu64
             " commits=%" PRIu64 " bytes=%" PRIu64,
             a->clients.accepted, a->clients.count, a->admitted.messages, a->admitted.events,
             a->admitted.quarantined, a->admitted.undeclared, a->rejected, a->clients.cut,
             state.commits, a->received_bytes);
}

/* ---- reading ---- */

struct reading {
    struct agent *agent;
    struct admit_from from;
};

static const char *
take_message(void *context, struct bytes message)
{
    struct reading *r = context;
    struct agent *a = r->agent;
    uint32_t owed;
    const char *reason = admit_message(message, &r->from, a->handover.fill, &a->admitted, &owed);
    r->from.conn->owed += owed;
    if (reason == NULL)
        handover_between(&a->handover);
    return reason;
}

static void
reject(struct agent *a, struct conn *conn, const char *reason)
{
    a->rejected++;
    log_line(LOG_LEVEL_WARN, "rejected", "uid=%" PRIu32 " reason=\"%s\"", conn->peer_uid, reason);
    conn->done_reading = true;
    stream_clear(&conn->stream);
}

static void
read_conn(struct agent *a, struct conn *conn)
{
    ssize_t n = recv(conn->fd, a->read_room, AGENT_READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (n <= 0) {
        /* It ended its side and may still want its acks; on an error it is gone. */
        if (stream_is_inside(&conn->stream))
            a->clients.cut++;
        stream_clear(&conn->stream);
        conn->done_reading = true;
        conn->deaf = conn->deaf || n < 0;
        return;
    }
    a->received_bytes += (uint64_t)n;
    if (a->stats_due_ms == 0)
        a->stats_due_ms = monotonic_ms() + AGENT_STATS_MS;
    struct reading r = {a, {conn, conn->peer_uid, clock_now_ms(&a->clock), a->inflater}};
    a->clients.busy = conn;
    const char *reason =
        stream_feed(&conn->stream, (struct bytes){a->read_room, (size_t)n}, take_message, &r);
    a->clients.busy = NULL;
    if (reason != NULL)
        reject(a, conn, reason);
}

static void
serve_conn(struct agent *a, struct conn *conn, uint32_t events, bool may_read)
{
    if (conn->fd < 0)
        return; /* it ended earlier in this round */
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
        conn_flush(conn);
    if (may_read && (events & EPOLLIN) != 0 && (conn_wants(conn) & EPOLLIN) != 0)
        read_conn(a, conn);
    /* Both sides are down and nothing more is to be read: no ack can reach it. */
    else if ((events & (EPOLLHUP | EPOLLERR)) != 0 && conn->done_reading)
        conn->deaf = true;
    clients_settle(&a->clients, conn);
}

/* ---- the loop ---- */

static enum err_code
see_committer(struct agent *a, struct err *err)
{
    uint64_t counter;
    struct commit_state state;
    ssize_t n = read(commit_wake_fd(a->handover.committer), &counter, sizeof counter);
    (void)n;
    commit_state(a->handover.committer, &state);
    if (state.failed != ERR_OK) {
        *err = state.err;
        return state.failed;
    }
    if (state.disk_full && !a->disk_full)
        log_line(LOG_LEVEL_ERROR, "disk_full", "reason=\"%s\" retry_ms=%" PRId64, state.err.text,
                 AGENT_RETRY_MS);
    if (!state.disk_full && a->disk_full)
        log_line(LOG_LEVEL_INFO, "resumed", "open=%zu", a->clients.count);
    a->disk_full = state.disk_full;
    return ERR_OK;
}

static bool
may_read(const struct agent *a)
{
    return !a->disk_full && handover_has_room(&a->handover);
}

static int
timeout_ms(const struct agent *a)
{
    int64_t due = a->stats_due_ms, now = monotonic_ms();
    if (a->clients.accept_again_ms != 0 && (due == 0 || a->clients.accept_again_ms < due))
        due = a->clients.accept_again_ms;
    if (a->handover.settle_ms != 0 && (due == 0 || a->handover.settle_ms < due))
        due = a->handover.settle_ms;
    if (due == 0)
        return -1;
    return due > now ? (int)(due - now) : 0;
}

static void
on_time(struct agent *a)
{
    int64_t now = monotonic_ms();
    clients_on_time(&a->clients, now);
    if (a->stats_due_ms == 0 || now < a->stats_due_ms)
        return;
    log_figures(a, "figures");
    a->stats_due_ms = 0;
}

static enum err_code
serve(struct agent *a, const struct epoll_event *ready, struct err *err)
{
    void *what = ready->data.ptr;
    if (what == a->handover.committer) {
        enum err_code code = see_committer(a, err);
        if (code == ERR_OK)
            handover_collect(&a->handover);
        return code;
    }
    if (what == &a->signal_fd) {
        struct signalfd_siginfo info;
        ssize_t n = read(a->signal_fd, &info, sizeof info);
        (void)n;
        a->stop = true;
    } else if (what == &a->clients.listener) {
        clients_accept(&a->clients);
    } else {
        bool reading = may_read(a);
        if (reading)
            handover_need_fill(&a->handover);
        serve_conn(a, what, ready->events, reading);
    }
    return ERR_OK;
}

static enum err_code
loop(struct agent *a, struct err *err)
{
    struct epoll_event ready[AGENT_READY_MAX];
    while (!a->stop) {
        handover_offer(&a->handover);
        int from = may_read(a) ? a->clients.everything_fd : a->clients.control_fd;
        int n = epoll_wait(from, ready, AGENT_READY_MAX, timeout_ms(a));
        if (n < 0 && errno != EINTR)
            return err_set_errno(err, errno, "cannot wait for the sockets");
        for (int i = 0; i < n; i++) {
            enum err_code code = serve(a, &ready[i], err);
            if (code != ERR_OK)
                return code;
        }
        if (n == 1)
            handover_alone(&a->handover);
        clients_bury(&a->clients);
        if (n == 0)
            handover_settle(&a->handover, monotonic_ms());
        on_time(a);
    }
    return ERR_OK;
}

/* ---- the end ---- */

/* Clients get a moment to take the acks that their sockets had no room for. */
static void
flush_outs(struct agent *a)
{
    int64_t until = monotonic_ms() + AGENT_DRAIN_MS;
    struct epoll_event ready[AGENT_READY_MAX];
    for (;;) {
        bool waiting = false;
        for (struct conn *conn = a->clients.open; conn != NULL; conn = conn->next)
            waiting = waiting || (conn->out.size_bytes > 0 && !conn->deaf);
        int64_t left = until - monotonic_ms();
        if (!waiting || left <= 0)
            return;
        int n = epoll_wait(a->clients.control_fd, ready, AGENT_READY_MAX, (int)left);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr != a->handover.committer && ready[i].data.ptr != &a->signal_fd)
                serve_conn(a, ready[i].data.ptr, ready[i].events, false);
        }
    }
}

/* Commit all that came whole and send the acks. */
static enum err_code
drain(struct agent *a, struct err *err)
{
    struct commit_state state;
    listen_close(&a->clients.listener);
    enum err_code code = ERR_OK;
    handover_offer(&a->handover);
    while (code == ERR_OK && !a->disk_full && handover_is_filled(&a->handover)) {
        /* An earlier offer is still there: the committer takes it when its flush is done. */
        struct pollfd wake = {.fd = commit_wake_fd(a->handover.committer), .events = POLLIN};
        (void)poll(&wake, 1, (int)AGENT_RETRY_MS);
        code = see_committer(a, err);
        handover_offer(&a->handover);
    }
    commit_stop(a->handover.committer);
    handover_collect(&a->handover);
    commit_state(a->handover.committer, &state);
    if (state.failed != ERR_OK) {
        *err = state.err;
        return state.failed;
    }
    flush_outs(a);
    return ERR_OK;
}

/* ---- the beginning ---- */

static enum err_code
open_signals(struct agent *a, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    int rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
    a->signal_fd = rc == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
    if (a->signal_fd < 0)
        return err_set_errno(err, rc != 0 ? rc : errno, "cannot watch for signals");
    return ERR_OK;
}

static enum err_code
open_files(struct agent *a, const struct agent_options *o, struct err *err)
{
    char lock[FILE_PATH_BYTES_MAX], log[FILE_PATH_BYTES_MAX], sock[FILE_PATH_BYTES_MAX];
    enum err_code code = agent_socket_path(o, sock, err);
    if (code == ERR_OK)
        code = file_path(lock, o->data, "agent.lock", err);
    if (code == ERR_OK)
        code = file_path(log, o->data, "log", err);
    if (code == ERR_OK)
        code = file_make_directory(o->data, err);
    if (code == ERR_OK)
        code = file_lock(lock, "gbill-agent", &a->lock_fd, err);
    if (code == ERR_OK)
        code = log_writer_open(log, &a->writer, err);
    if (code == ERR_OK)
        code = listen_open(sock, &a->clients.listener, err);
    return code;
}

static enum err_code
open_agent(struct agent *a, const struct agent_options *o, struct err *err)
{
    struct clients *c = &a->clients;
    a->read_room = malloc(AGENT_READ_BYTES);
    a->inflater = inflater_new();
    if (a->read_room == NULL || a->inflater == NULL)
        return err_set(err, ERR_LIMIT, "no memory for the read buffer");
    /* Before the socket is there: whoever could connect sees an agent that drains. */
    enum err_code code = open_signals(a, err);
    if (code == ERR_OK)
        code = open_files(a, o, err);
    if (code == ERR_OK)
        code = clients_open(c, err);
    if (code == ERR_OK)
        code = handover_start(&a->handover, a->writer, AGENT_RETRY_MS, err);
    struct committer *committer = a->handover.committer;
    if (code == ERR_OK)
        code = clients_watch_fd(c, commit_wake_fd(committer), committer, true, err);
    if (code == ERR_OK)
        code = clients_watch_fd(c, a->signal_fd, &a->signal_fd, true, err);
    if (code == ERR_OK)
        code = clients_watch_fd(c, c->listener.fd, &c->listener, false, err);
    return code;
}

static void
close_agent(struct agent *a)
{
    handover_close(&a->handover);
    clients_close(&a->clients);
    log_writer_close(a->writer);
    inflater_free(a->inflater);
    free(a->read_room);
    if (a->signal_fd >= 0)
        close(a->signal_fd);
    if (a->lock_fd >= 0)
        close(a->lock_fd);
}

enum err_code
agent_run(const struct agent_options *options, struct err *err)
{
    struct agent a = {.clock = options->clock, .lock_fd = -1, .signal_fd = -1};
    clients_init(&a.clients);
    handover_init(&a.handover, &a.clients);
    enum err_code code = open_agent(&a, options, err);
    if (code == ERR_OK) {
        log_line(LOG_LEVEL_INFO, "listening", "socket=%s data=%s pid=%ld next_seq=%" PRIu64,
                 a.clients.listener.path, options->data, (long)getpid(),
                 log_writer_next_seq(a.writer, LOG_EVENTS));
        code = loop(&a, err);
        if (code == ERR_OK)
            code = drain(&a, err);
        log_figures(&a, code == ERR_OK ? "stopped" : "figures");
        if (code != ERR_OK)
            log_line(LOG_LEVEL_ERROR, "stopped", "reason=\"%s\"", err->text);
    }
    close_agent(&a);
    return code;
}
