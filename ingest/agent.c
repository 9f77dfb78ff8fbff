#include "ingest/agent.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest/admit.h"
#include "ingest/batch.h"
#include "ingest/commit.h"
#include "ingest/conn.h"
#include "ingest/listen.h"
#include "store/base/file.h"
#include "store/base/log.h"
#include "store/log/writer.h"

enum {
    AGENT_READ_BYTES = 256 * 1024,
    AGENT_READY_MAX = 256,
    AGENT_BATCHES = 3,                 /* filled, written, acked */
    AGENT_HAND_OVER_BYTES = 64 * 1024, /* worth a commit of its own in mid-round */
    AGENT_ALONE_BYTES = 16 * 1024,     /* at most so much is committed by the io thread itself */
    AGENT_ACCEPTS_MAX = 64,            /* in one round, so that accepting starves nobody */
    AGENT_FILES_KEPT = 32,             /* never for connections: the log opens a file a day */
};

#define AGENT_RETRY_MS ((int64_t)1000)  /* a full disk, a full table of files */
#define AGENT_STATS_MS ((int64_t)60000) /* between two lines of figures */
#define AGENT_DRAIN_MS ((int64_t)2000)  /* for clients to take their last acks */

struct agent {
    struct clock clock;
    int lock_fd, signal_fd;
    int everything_fd; /* epoll: signals, the committer, the listener, all connections */
    int control_fd;    /* epoll: all that matters while nothing may be read */
    struct listener listener;
    struct log_writer *writer;
    struct committer *committer;
    struct batch batches[AGENT_BATCHES];
    struct batch *fill; /* being filled, or NULL */
    struct batch *spare[AGENT_BATCHES];
    size_t spare_count;
    struct conn *conns;     /* open */
    struct conn *graveyard; /* closed; freed when the round is over and nothing is owed */
    struct conn *reading;   /* its bytes are being taken: it must not end meanwhile */
    size_t conn_count, conn_count_max;
    uint8_t *read_room;
    bool stop, disk_full;
    int64_t accept_again_ms; /* 0: accepting */
    bool accept_told;        /* that it is paused; once, however long it takes */
    int64_t stats_due_ms;    /* monotonic; 0: nothing to tell */
    struct admit_counts admitted;
    uint64_t accepted, rejected, cut, received_bytes;
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
    if (a->committer != NULL)
        commit_state(a->committer, &state);
    log_line(LOG_LEVEL_INFO, event,
             "connections=%" PRIu64 " open=%zu messages=%" PRIu64 " events=%" PRIu64
             " quarantined=%" PRIu64 " undeclared=%" PRIu64 " rejected=%" PRIu64 " cut=%" PRIu64
             " commits=%" PRIu64 " bytes=%" PRIu64,
             a->accepted, a->conn_count, a->admitted.messages, a->admitted.events,
             a->admitted.quarantined, a->admitted.undeclared, a->rejected, a->cut, state.commits,
             a->received_bytes);
}

/* ---- connections ---- */

static void
watch(const struct agent *a, struct conn *conn)
{
    uint32_t wants = conn_wants(conn);
    if (wants == conn->epoll_wants)
        return;
    struct epoll_event ev = {.events = wants, .data.ptr = conn};
    /* These cannot fail but for want of kernel memory; then the peer's end still wakes us. */
    (void)epoll_ctl(a->everything_fd, EPOLL_CTL_MOD, conn->fd, &ev);
    /* Acks must flow even while nothing is read. */
    ev.events = EPOLLOUT;
    if ((wants & EPOLLOUT) != (conn->epoll_wants & EPOLLOUT))
        (void)epoll_ctl(a->control_fd, (wants & EPOLLOUT) != 0 ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
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
end_conn(struct agent *a, struct conn *conn)
{
    if (conn->fd < 0)
        return;
    if (stream_is_inside(&conn->stream) && !conn->done_reading)
        a->cut++;
    log_line(LOG_LEVEL_DEBUG, "closed", "uid=%" PRIu32, conn->peer_uid);
    conn_close(conn);
    unlist(&a->conns, conn);
    enlist(&a->graveyard, conn);
    a->conn_count--;
}

static void
settle_conn(struct agent *a, struct conn *conn)
{
    if (conn->fd < 0 || conn == a->reading)
        return;
    if (conn_is_finished(conn))
        end_conn(a, conn);
    else
        watch(a, conn);
}

static void
bury(struct agent *a)
{
    for (struct conn *conn = a->graveyard; conn != NULL;) {
        struct conn *next = conn->next;
        if (conn->owed == 0) {
            unlist(&a->graveyard, conn);
            conn_free(conn);
        }
        conn = next;
    }
}

static void
pause_accepting(struct agent *a, int errno_value)
{
    struct epoll_event ev = {.events = 0, .data.ptr = &a->listener};
    (void)epoll_ctl(a->everything_fd, EPOLL_CTL_MOD, a->listener.fd, &ev);
    a->accept_again_ms = monotonic_ms() + AGENT_RETRY_MS;
    if (!a->accept_told)
        log_line(LOG_LEVEL_WARN, "accept_paused", "open=%zu reason=\"%s\"", a->conn_count,
                 strerror(errno_value));
    a->accept_told = true;
}

static void
resume_accepting(struct agent *a)
{
    if (a->accept_again_ms == 0 || monotonic_ms() < a->accept_again_ms)
        return;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &a->listener};
    (void)epoll_ctl(a->everything_fd, EPOLL_CTL_MOD, a->listener.fd, &ev);
    a->accept_again_ms = 0;
}

static void
add_conn(struct agent *a, int fd, uint32_t peer_uid)
{
    struct conn *conn = conn_new(fd, peer_uid);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = conn};
    if (conn == NULL || epoll_ctl(a->everything_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
        int e = errno;
        close(fd);
        free(conn);
        pause_accepting(a, e);
        return;
    }
    conn->epoll_wants = EPOLLIN;
    enlist(&a->conns, conn);
    a->conn_count++;
    a->accepted++;
    a->accept_told = false;
    log_line(LOG_LEVEL_DEBUG, "accepted", "uid=%" PRIu32, peer_uid);
}

static void
accept_some(struct agent *a)
{
    for (int i = 0; i < AGENT_ACCEPTS_MAX && a->accept_again_ms == 0; i++) {
        uint32_t peer_uid;
        if (a->conn_count >= a->conn_count_max) {
            pause_accepting(a, EMFILE);
            return;
        }
        int fd = listen_accept(&a->listener, &peer_uid);
        if (fd >= 0) {
            add_conn(a, fd, peer_uid);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            pause_accepting(a, errno);
        }
    }
}

/* ---- batches ---- */

static void
send_acks(struct agent *a, struct batch *batch)
{
    const struct batch_receiver *r = batch_receivers(batch);
    const uint8_t *ack = batch->acks.data;
    for (size_t i = 0, n = batch_receiver_count(batch); i < n; i++) {
        conn_send(r[i].conn, ack, r[i].size_bytes);
        ack += r[i].size_bytes;
        r[i].conn->owed--;
        settle_conn(a, r[i].conn);
    }
    batch_reset(batch);
}

/* Send the acks of all that is flushed by now. */
static void
collect(struct agent *a)
{
    struct batch *batch;
    while ((batch = commit_collect(a->committer)) != NULL) {
        send_acks(a, batch);
        a->spare[a->spare_count++] = batch;
    }
}

/* Offer what is filled, if anything is and the last offer was taken. */
static void
offer(struct agent *a)
{
    if (a->fill != NULL && !batch_is_empty(a->fill) && commit_offer(a->committer, a->fill))
        a->fill = NULL;
}

/* One client spoke, and little: flush it here and answer, before anybody else is looked at. */
static void
commit_alone(struct agent *a)
{
    if (a->fill == NULL || batch_is_empty(a->fill) || batch_bytes(a->fill) > AGENT_ALONE_BYTES)
        return;
    if (commit_now(a->committer, a->fill)) {
        a->fill = NULL;
        collect(a);
    }
}

/*
 * Have a batch to fill: go on with what was offered and not yet taken, since one
 * large commit is cheaper than two small ones, unless it is full already.
 */
static void
need_fill(struct agent *a)
{
    if (a->fill != NULL)
        return;
    a->fill = commit_withdraw(a->committer);
    if (a->fill != NULL && batch_bytes(a->fill) >= BATCH_FULL_BYTES)
        offer(a);
    if (a->fill == NULL) {
        collect(a);
        assert(a->spare_count > 0);
        a->fill = a->spare[--a->spare_count];
    }
}

/* Between two messages: give an idle committer work as soon as it is worth a flush. */
static void
hand_over(struct agent *a)
{
    if (batch_bytes(a->fill) < AGENT_HAND_OVER_BYTES || !commit_is_idle(a->committer))
        return;
    collect(a);
    if (a->spare_count == 0)
        return;
    offer(a);
    if (a->fill == NULL)
        a->fill = a->spare[--a->spare_count];
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
    const char *reason = admit_message(message, &r->from, a->fill, &a->admitted, &owed);
    r->from.conn->owed += owed;
    if (reason == NULL)
        hand_over(a);
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
            a->cut++;
        stream_clear(&conn->stream);
        conn->done_reading = true;
        conn->deaf = conn->deaf || n < 0;
        return;
    }
    a->received_bytes += (uint64_t)n;
    if (a->stats_due_ms == 0)
        a->stats_due_ms = monotonic_ms() + AGENT_STATS_MS;
    struct reading r = {a, {conn, conn->peer_uid, clock_now_ms(&a->clock)}};
    a->reading = conn;
    const char *reason =
        stream_feed(&conn->stream, (struct bytes){a->read_room, (size_t)n}, take_message, &r);
    a->reading = NULL;
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
    settle_conn(a, conn);
}

/* ---- the loop ---- */

static enum err_code
see_committer(struct agent *a, struct err *err)
{
    uint64_t counter;
    struct commit_state state;
    ssize_t n = read(commit_wake_fd(a->committer), &counter, sizeof counter);
    (void)n;
    commit_state(a->committer, &state);
    if (state.failed != ERR_OK) {
        *err = state.err;
        return state.failed;
    }
    if (state.disk_full && !a->disk_full)
        log_line(LOG_LEVEL_ERROR, "disk_full", "reason=\"%s\" retry_ms=%" PRId64, state.err.text,
                 AGENT_RETRY_MS);
    if (!state.disk_full && a->disk_full)
        log_line(LOG_LEVEL_INFO, "resumed", "open=%zu", a->conn_count);
    a->disk_full = state.disk_full;
    return ERR_OK;
}

static bool
may_read(const struct agent *a)
{
    return !a->disk_full && (a->fill == NULL || batch_bytes(a->fill) < BATCH_FULL_BYTES);
}

static int
timeout_ms(const struct agent *a)
{
    int64_t due = a->stats_due_ms, now = monotonic_ms();
    if (a->accept_again_ms != 0 && (due == 0 || a->accept_again_ms < due))
        due = a->accept_again_ms;
    if (due == 0)
        return -1;
    return due > now ? (int)(due - now) : 0;
}

static void
on_time(struct agent *a)
{
    resume_accepting(a);
    if (a->stats_due_ms == 0 || monotonic_ms() < a->stats_due_ms)
        return;
    log_figures(a, "figures");
    a->stats_due_ms = 0;
}

static enum err_code
serve(struct agent *a, const struct epoll_event *ready, struct err *err)
{
    void *what = ready->data.ptr;
    if (what == a->committer) {
        enum err_code code = see_committer(a, err);
        if (code == ERR_OK)
            collect(a);
        return code;
    }
    if (what == &a->signal_fd) {
        struct signalfd_siginfo info;
        ssize_t n = read(a->signal_fd, &info, sizeof info);
        (void)n;
        a->stop = true;
    } else if (what == &a->listener) {
        accept_some(a);
    } else {
        bool reading = may_read(a);
        if (reading)
            need_fill(a);
        serve_conn(a, what, ready->events, reading);
    }
    return ERR_OK;
}

static enum err_code
loop(struct agent *a, struct err *err)
{
    struct epoll_event ready[AGENT_READY_MAX];
    while (!a->stop) {
        offer(a);
        int from = may_read(a) ? a->everything_fd : a->control_fd;
        int n = epoll_wait(from, ready, AGENT_READY_MAX, timeout_ms(a));
        if (n < 0 && errno != EINTR)
            return err_set_errno(err, errno, "cannot wait for the sockets");
        for (int i = 0; i < n; i++) {
            enum err_code code = serve(a, &ready[i], err);
            if (code != ERR_OK)
                return code;
        }
        if (n == 1)
            commit_alone(a);
        bury(a);
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
        for (struct conn *conn = a->conns; conn != NULL; conn = conn->next)
            waiting = waiting || (conn->out.size_bytes > 0 && !conn->deaf);
        int64_t left = until - monotonic_ms();
        if (!waiting || left <= 0)
            return;
        int n = epoll_wait(a->control_fd, ready, AGENT_READY_MAX, (int)left);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr != a->committer && ready[i].data.ptr != &a->signal_fd)
                serve_conn(a, ready[i].data.ptr, ready[i].events, false);
        }
    }
}

/* Commit all that came whole and send the acks. */
static enum err_code
drain(struct agent *a, struct err *err)
{
    struct commit_state state;
    listen_close(&a->listener);
    enum err_code code = ERR_OK;
    offer(a);
    while (code == ERR_OK && !a->disk_full && a->fill != NULL && !batch_is_empty(a->fill)) {
        /* An earlier offer is still there: the committer takes it when its flush is done. */
        struct pollfd wake = {.fd = commit_wake_fd(a->committer), .events = POLLIN};
        (void)poll(&wake, 1, (int)AGENT_RETRY_MS);
        code = see_committer(a, err);
        offer(a);
    }
    commit_stop(a->committer);
    collect(a);
    commit_state(a->committer, &state);
    if (state.failed != ERR_OK) {
        *err = state.err;
        return state.failed;
    }
    flush_outs(a);
    return ERR_OK;
}

/* ---- the beginning ---- */

static enum err_code
add_to_epolls(struct agent *a, int fd, void *what, bool control, struct err *err)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(a->everything_fd, EPOLL_CTL_ADD, fd, &ev) != 0 ||
        (control && epoll_ctl(a->control_fd, EPOLL_CTL_ADD, fd, &ev) != 0))
        return err_set_errno(err, errno, "cannot watch a file descriptor");
    return ERR_OK;
}

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
    return limit.rlim_cur > AGENT_FILES_KEPT ? limit.rlim_cur - AGENT_FILES_KEPT : 1;
}

static enum err_code
socket_path(const struct agent_options *o, char path[FILE_PATH_BYTES_MAX], struct err *err)
{
    enum err_code code = o->socket == NULL ? file_path(path, o->data, "agent.sock", err) : ERR_OK;
    if (code == ERR_OK && o->socket != NULL)
        snprintf(path, FILE_PATH_BYTES_MAX, "%s", o->socket);
    return code == ERR_OK ? listen_check_path(o->socket != NULL ? o->socket : path, err) : code;
}

enum err_code
agent_check(const struct agent_options *options, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    struct stat st;
    enum err_code code = socket_path(options, path, err);
    if (code != ERR_OK)
        return code;
    if (stat(options->data, &st) == 0) {
        if (!S_ISDIR(st.st_mode))
            return err_set(err, ERR_CONFLICT, "%s is there but is not a directory", options->data);
        if (access(options->data, W_OK | X_OK) != 0)
            return err_set_errno(err, errno, "cannot write to data directory %s", options->data);
        return ERR_OK;
    }
    /* It will be made: its parent must be there. */
    size_t n = strlen(options->data);
    while (n > 1 && options->data[n - 1] == '/')
        n--;
    while (n > 0 && options->data[n - 1] != '/')
        n--;
    char parent[FILE_PATH_BYTES_MAX];
    snprintf(parent, sizeof parent, "%.*s", n > 0 ? (int)n : 1, n > 0 ? options->data : ".");
    if (access(parent, W_OK | X_OK) != 0)
        return err_set_errno(err, errno, "cannot make data directory %s in %s", options->data,
                             parent);
    return ERR_OK;
}

static enum err_code
open_files(struct agent *a, const struct agent_options *o, struct err *err)
{
    char lock[FILE_PATH_BYTES_MAX], log[FILE_PATH_BYTES_MAX], sock[FILE_PATH_BYTES_MAX];
    enum err_code code = socket_path(o, sock, err);
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
        code = listen_open(sock, &a->listener, err);
    return code;
}

static enum err_code
open_agent(struct agent *a, const struct agent_options *o, struct err *err)
{
    a->conn_count_max = raise_file_limit();
    a->read_room = malloc(AGENT_READ_BYTES);
    if (a->read_room == NULL)
        return err_set(err, ERR_LIMIT, "no memory for the read buffer");
    /* Before the socket is there: whoever could connect sees an agent that drains. */
    enum err_code code = open_signals(a, err);
    if (code == ERR_OK)
        code = open_files(a, o, err);
    if (code != ERR_OK)
        return code;
    a->everything_fd = epoll_create1(EPOLL_CLOEXEC);
    a->control_fd = epoll_create1(EPOLL_CLOEXEC);
    if (a->everything_fd < 0 || a->control_fd < 0)
        return err_set_errno(err, errno, "cannot make an epoll");
    code = commit_start(a->writer, AGENT_RETRY_MS, &a->committer, err);
    if (code == ERR_OK)
        code = add_to_epolls(a, commit_wake_fd(a->committer), a->committer, true, err);
    if (code == ERR_OK)
        code = add_to_epolls(a, a->signal_fd, &a->signal_fd, true, err);
    if (code == ERR_OK)
        code = add_to_epolls(a, a->listener.fd, &a->listener, false, err);
    return code;
}

static void
close_agent(struct agent *a)
{
    if (a->committer != NULL)
        commit_stop(a->committer);
    while (a->conns != NULL)
        end_conn(a, a->conns);
    while (a->graveyard != NULL) {
        struct conn *conn = a->graveyard;
        unlist(&a->graveyard, conn);
        conn->owed = 0; /* the batches go too */
        conn_free(conn);
    }
    for (int i = 0; i < AGENT_BATCHES; i++)
        batch_clear(&a->batches[i]);
    commit_free(a->committer);
    listen_close(&a->listener);
    log_writer_close(a->writer);
    free(a->read_room);
    const int fds[] = {a->signal_fd, a->everything_fd, a->control_fd, a->lock_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

enum err_code
agent_run(const struct agent_options *options, struct err *err)
{
    struct agent a = {.clock = options->clock,
                      .lock_fd = -1,
                      .signal_fd = -1,
                      .everything_fd = -1,
                      .control_fd = -1,
                      .listener = {.fd = -1}};
    for (int i = 0; i < AGENT_BATCHES; i++) {
        batch_init(&a.batches[i]);
        a.spare[a.spare_count++] = &a.batches[i];
    }
    enum err_code code = open_agent(&a, options, err);
    if (code == ERR_OK) {
        log_line(LOG_LEVEL_INFO, "listening", "socket=%s data=%s pid=%ld next_seq=%" PRIu64,
                 a.listener.path, options->data, (long)getpid(),
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
