#include "ingest/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/agent_check.h"
#include "ingest/clients.h"
#include "ingest/collect.h"
#include "ingest/handover.h"
#include "ingest/reader.h"
#include "ingest/status_socket.h"
#include "store/base/log.h"
#include "store/base/notify.h"
#include "store/log/writer.h"

enum { AGENT_READY_MAX = 256 };

#define AGENT_RETRY_MS ((int64_t)1000)  /* a full disk */
#define AGENT_STATS_MS ((int64_t)60000) /* between two lines of figures */
#define AGENT_DRAIN_MS ((int64_t)2000)  /* for clients to take their last acks */

/* What reading waits for. */
enum stall { STALL_NONE, STALL_COMMIT, STALL_DISK_FULL, STALL_COUNT };

struct agent {
    int lock_fd, signal_fd;
    struct clients clients;
    struct log_writer *writer;
    struct handover handover;
    struct reader reader;
    struct live live;
    struct collector *collector; /* NULL: nothing is shipped to us */
    bool collector_full;         /* as told last */
    bool stop;
    int64_t stats_due_ms; /* monotonic; 0: nothing to tell */
    uint64_t told_bytes;  /* that were received when it was told last */
    struct status_socket status;
    struct notify_watchdog watchdog;
    int64_t start_utc_ms, stall_since_ns; /* the second is monotonic */
    enum stall stall;
    uint64_t stalls[STALL_COUNT], stalled_ns[STALL_COUNT];
};

/* ---- figures ---- */

static void
log_figures(struct agent *a, const char *event)
{
    struct commit_state state = {.commits = 0};
    if (a->handover.committer != NULL)
        commit_state(a->handover.committer, &state);
    const struct admit_counts *admitted = &a->reader.admitted;
    log_line(LOG_LEVEL_INFO, event,
             "connections=%" PRIu64 " open=%zu messages=%" PRIu64 " events=%" PRIu64
             " quarantined=%" PRIu64 " undeclared=%" PRIu64 " rejected=%" PRIu64 " cut=%" PRIu64
             " commits=%" PRIu64 " bytes=%" PRIu64,
             a->clients.accepted, a->clients.count, admitted->messages, admitted->events,
             admitted->quarantined, admitted->undeclared, a->clients.rejected, a->clients.cut,
             state.commits, a->reader.received_bytes);
}

/* Reading goes on, stops, or waits for something else: count that, when it changes. */
static void
see_stall(struct agent *a, enum stall stall)
{
    if (stall == a->stall)
        return;
    int64_t now_ns = clock_monotonic_ns();
    a->stalled_ns[a->stall] += (uint64_t)(now_ns - a->stall_since_ns);
    a->stalls[stall]++;
    a->stall = stall;
    a->stall_since_ns = now_ns;
}

static void
gather(void *context, struct figures *f)
{
    struct agent *a = context;
    uint64_t next_seq[LOG_STREAMS], stalled_ns[STALL_COUNT];
    const struct admit_counts *admitted = &a->reader.admitted;
    const struct live_counts *live = &a->live.counts;
    memcpy(stalled_ns, a->stalled_ns, sizeof stalled_ns);
    stalled_ns[a->stall] += (uint64_t)(clock_monotonic_ns() - a->stall_since_ns);
    commit_figures(a->handover.committer, &f->commits, next_seq);
    f->start_time_ns = (uint64_t)a->start_utc_ms * 1000000;
    f->connections = a->clients.count;
    f->connections_max = a->clients.count_max;
    f->accepted = a->clients.accepted;
    f->refused = a->clients.refused;
    f->cut = a->clients.cut;
    f->rejected = a->clients.rejected;
    f->received_bytes = a->reader.received_bytes;
    f->messages = admitted->messages;
    f->heartbeats = admitted->heartbeats;
    f->events = admitted->events;
    f->quarantined_tag = admitted->quarantined_tag;
    f->quarantined_time = admitted->quarantined_time;
    f->quarantined_record = admitted->quarantined - admitted->quarantined_tag -
                            admitted->quarantined_time;
    f->undeclared = admitted->undeclared;
    f->live_checks = live->checks;
    f->live_reserves = live->reserves;
    f->live_refused = live->refused;
    f->live_unknown = live->unknown;
    f->live_wrong = live->wrong;
    f->holds = a->live.holds.count;
    f->holds_settled = live->settled;
    f->holds_released = live->released;
    f->holds_expired = live->expired;
    f->next_event = next_seq[LOG_EVENTS];
    f->next_quarantined = next_seq[LOG_QUARANTINE];
    f->disk_full = a->reader.disk_full;
    f->stalls_commit = a->stalls[STALL_COMMIT];
    f->stalls_disk_full = a->stalls[STALL_DISK_FULL];
    f->stalled_commit_ns = stalled_ns[STALL_COMMIT];
    f->stalled_disk_full_ns = stalled_ns[STALL_DISK_FULL];
    f->ack_ns = a->handover.ack_ns;
    if (a->collector == NULL)
        return;
    struct collect_state collected;
    collect_state(a->collector, &collected);
    f->shipped_frames = collected.counts.frames;
    f->shipped_events = collected.counts.events;
    f->shipped_quarantined = collected.counts.quarantined;
    f->shipped_duplicates = collected.counts.duplicates;
    f->shipped_refused = collected.refused;
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
    if (state.disk_full && !a->reader.disk_full) {
        (void)notify_send("STATUS=the disk is full: reading is stopped");
        log_line(LOG_LEVEL_ERROR, "disk_full", "reason=\"%s\" retry_ms=%" PRId64, state.err.text,
                 AGENT_RETRY_MS);
    }
    if (!state.disk_full && a->reader.disk_full) {
        (void)notify_send("STATUS=listening");
        log_line(LOG_LEVEL_INFO, "resumed", "open=%zu", a->clients.count);
    }
    a->reader.disk_full = state.disk_full;
    return ERR_OK;
}

static enum err_code
see_collector(struct agent *a, struct err *err)
{
    struct collect_state state;
    collect_answer(a->collector, &a->clients);
    collect_state(a->collector, &state);
    if (state.failed != ERR_OK) {
        *err = state.err;
        return state.failed;
    }
    if (state.disk_full && !a->collector_full)
        log_line(LOG_LEVEL_ERROR, "collector_full", "reason=\"%s\" retry_ms=%" PRId64,
                 state.err.text, AGENT_RETRY_MS);
    if (!state.disk_full && a->collector_full)
        log_line(LOG_LEVEL_INFO, "collector_resumed", "open=%zu", a->clients.count);
    a->collector_full = state.disk_full;
    return ERR_OK;
}

static enum stall
stall_now(const struct agent *a)
{
    if (a->reader.disk_full)
        return STALL_DISK_FULL;
    return handover_has_room(&a->handover) ? STALL_NONE : STALL_COMMIT;
}

/* For events, or until something is due. */
static int
wait_for(const struct agent *a, struct epoll_event ready[AGENT_READY_MAX])
{
    int from = reader_may_read(&a->reader) ? a->clients.everything_fd : a->clients.control_fd;
    int64_t now = clock_monotonic_us();
    int64_t due = clock_earlier(a->stats_due_ms, a->handover.settle_ms);
    due = clock_earlier(due, clock_earlier(a->status.again_ms, a->watchdog.due_ms));
    due = clock_earlier(due, live_due_ms(&a->live));
    due = clock_earlier(due, clients_due_ms(&a->clients)) * 1000;
    due = clock_earlier(due, reader_due_us(&a->reader, now));
    int64_t left = due > now ? due - now : 0;
    struct timespec timeout = {left / 1000000, left % 1000000 * 1000};
    int n = epoll_pwait2(from, ready, AGENT_READY_MAX, due != 0 ? &timeout : NULL, NULL);
    if (n < 0 && errno == ENOSYS) /* before Linux 5.11 */
        n = epoll_wait(from, ready, AGENT_READY_MAX, due != 0 ? (int)((left + 999) / 1000) : -1);
    return n;
}

static void
on_time(struct agent *a)
{
    int64_t now_us = clock_monotonic_us(), now = now_us / 1000;
    clients_on_time(&a->clients, now);
    reader_on_time(&a->reader, now_us);
    live_on_time(&a->live, now);
    status_socket_on_time(&a->status, now);
    notify_watchdog_feed(&a->watchdog, now);
    if (a->stats_due_ms == 0 && a->reader.received_bytes != a->told_bytes)
        a->stats_due_ms = now + AGENT_STATS_MS;
    if (a->stats_due_ms == 0 || now < a->stats_due_ms)
        return;
    log_figures(a, "figures");
    a->told_bytes = a->reader.received_bytes;
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
    if (a->collector != NULL && what == a->collector)
        return see_collector(a, err);
    if (what == &a->signal_fd) {
        struct signalfd_siginfo info;
        ssize_t n = read(a->signal_fd, &info, sizeof info);
        (void)n;
        a->stop = true;
    } else if (what == &a->clients.local || what == &a->clients.remote) {
        clients_accept(&a->clients, what);
    } else if (what == &a->status) {
        status_socket_serve(&a->status);
    } else {
        reader_serve(&a->reader, what, ready->events);
    }
    return ERR_OK;
}

static enum err_code
loop(struct agent *a, struct err *err)
{
    struct epoll_event ready[AGENT_READY_MAX];
    while (!a->stop) {
        handover_offer(&a->handover);
        see_stall(a, stall_now(a));
        int n = wait_for(a, ready);
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
            handover_settle(&a->handover, clock_monotonic_ms());
        on_time(a);
    }
    return ERR_OK;
}

/* ---- the end ---- */

/* Clients get a moment to take the acks that their sockets had no room for. */
static void
flush_outs(struct agent *a)
{
    int64_t until = clock_monotonic_ms() + AGENT_DRAIN_MS;
    struct epoll_event ready[AGENT_READY_MAX];
    for (;;) {
        bool waiting = false;
        for (struct conn *conn = a->clients.open.first; conn != NULL;
             conn = conn->links[CONN_ALL].next)
            waiting = waiting || (conn->out.size_bytes > 0 && !conn->deaf);
        int64_t left = until - clock_monotonic_ms();
        if (!waiting || left <= 0)
            return;
        int n = epoll_wait(a->clients.control_fd, ready, AGENT_READY_MAX, (int)left);
        for (int i = 0; i < n; i++) {
            const void *what = ready[i].data.ptr;
            if (what != a->handover.committer && what != &a->signal_fd && what != &a->status &&
                (a->collector == NULL || what != a->collector))
                reader_serve(&a->reader, ready[i].data.ptr, ready[i].events);
        }
    }
}

/*
 * The last acks did not wait for this, and what it cannot move the next start does: but whoever
 * stops the agent is to know of a disk that fails.
 */
static enum err_code
settle(struct agent *a, struct err *err)
{
    enum err_code code = log_writer_settle(a->writer, err);
    return err_wrap(err, code,
                    "all that was acknowledged is flushed, but some of it only in the log's tail, "
                    "from where the next start moves it");
}

/* Commit all that came whole and send the acks. */
static enum err_code
drain(struct agent *a, struct err *err)
{
    struct commit_state state;
    clients_close_doors(&a->clients);
    status_socket_close(&a->status);
    a->reader.is_shut = true;
    live_end(&a->live);
    enum err_code code = ERR_OK;
    collect_stop(a->collector);
    if (a->collector != NULL)
        collect_answer(a->collector, &a->clients);
    handover_offer(&a->handover);
    while (code == ERR_OK && !a->reader.disk_full && handover_is_filled(&a->handover)) {
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
    return settle(a, err);
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
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is a full disk */
    int rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
    a->signal_fd = rc == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
    if (a->signal_fd < 0)
        return err_set_errno(err, rc != 0 ? rc : errno, "cannot watch for signals");
    return ERR_OK;
}

static enum err_code
open_files(struct agent *a, const struct agent_options *o, struct err *err)
{
    char lock[FILE_PATH_BYTES_MAX], log[FILE_PATH_BYTES_MAX];
    enum err_code code = file_path(lock, o->data, "agent.lock", err);
    if (code == ERR_OK)
        code = file_path(log, o->data, "log", err);
    if (code == ERR_OK)
        code = file_make_directory(o->data, err);
    if (code == ERR_OK)
        code = file_lock(lock, "gbill-agent", &a->lock_fd, err);
    /* It reads the log, which the writer then has for itself. */
    if (code == ERR_OK)
        code = live_open(&a->live, o->data, o->clock, err);
    if (code == ERR_OK)
        code = log_writer_open(log, &a->writer, err);
    if (code == ERR_OK)
        live_start(&a->live, log_writer_next_seq(a->writer, LOG_EVENTS));
    return code;
}

/* The settings first: what is wrong in them is said before anything is made. */
static enum err_code
open_doors(struct agent *a, const struct agent_options *o, struct err *err)
{
    struct clients *c = &a->clients;
    char sock[FILE_PATH_BYTES_MAX], status[FILE_PATH_BYTES_MAX];
    enum err_code code = agent_socket_path(o, sock, err);
    if (code == ERR_OK)
        code = agent_status_path(o, status, err);
    if (code == ERR_OK)
        code = status_socket_open(&a->status, status, gather, a, err);
    if (code == ERR_OK)
        code = clients_watch_fd(c, a->status.epoll_fd, &a->status, true, err);
    if (code == ERR_OK)
        code = listen_open(sock, &c->local.listener, err);
    if (code == ERR_OK)
        code = clients_watch_fd(c, c->local.listener.fd, &c->local, false, err);
    if (code != ERR_OK || c->gate.listen == NULL)
        return code;
    code = listen_open_tcp(c->gate.listen, &c->remote.listener, err);
    if (code == ERR_OK)
        code = clients_watch_fd(c, c->remote.listener.fd, &c->remote, false, err);
    if (code == ERR_OK && c->gate.tls == NULL && !listen_is_loopback(&c->remote.listener))
        log_line(LOG_LEVEL_WARN, "plaintext",
                 "at=%s reason=\"without --tls-cert all but the shared key can be read on the "
                 "network\"",
                 c->remote.listener.path);
    return code;
}

static enum err_code
open_agent(struct agent *a, const struct agent_options *o, struct err *err)
{
    struct clients *c = &a->clients;
    enum err_code code = gate_open(&c->gate, &o->gate, err);
    if (code == ERR_OK)
        code = peers_open(&c->peers, o->peers, err);
    if (code == ERR_OK)
        code = reader_open(&a->reader, o->clock, c, &a->handover, err);
    /* Before the socket is there: whoever could connect sees an agent that drains. */
    if (code == ERR_OK)
        code = open_signals(a, err);
    if (code == ERR_OK)
        code = open_files(a, o, err);
    a->reader.live = &a->live;
    if (code == ERR_OK)
        code = clients_open(c, err);
    if (code == ERR_OK)
        code = handover_start(&a->handover, a->writer, AGENT_RETRY_MS, err);
    if (code == ERR_OK && o->collect) {
        code = collect_start(o->data, AGENT_RETRY_MS, &a->collector, err);
        a->reader.collector = a->collector;
    }
    if (code == ERR_OK && a->collector != NULL)
        code = clients_watch_fd(c, collect_wake_fd(a->collector), a->collector, true, err);
    struct committer *committer = a->handover.committer;
    if (code == ERR_OK)
        code = clients_watch_fd(c, commit_wake_fd(committer), committer, true, err);
    if (code == ERR_OK)
        code = clients_watch_fd(c, a->signal_fd, &a->signal_fd, true, err);
    if (code == ERR_OK)
        code = open_doors(a, o, err);
    return code;
}

static void
close_agent(struct agent *a)
{
    handover_close(&a->handover);
    collect_free(a->collector);
    clients_close(&a->clients);
    status_socket_close(&a->status);
    log_writer_close(a->writer);
    live_close(&a->live);
    reader_close(&a->reader);
    if (a->signal_fd >= 0)
        close(a->signal_fd);
    if (a->lock_fd >= 0)
        close(a->lock_fd);
}

enum err_code
agent_run(const struct agent_options *options, struct err *err)
{
    struct agent a = {.lock_fd = -1, .signal_fd = -1};
    clients_init(&a.clients);
    if (options->deadline_ms > 0)
        a.clients.deadline_ms = options->deadline_ms;
    if (options->collect)
        a.clients.files_kept += COPIES_OPEN_MAX * COPIES_FILES_EACH;
    status_socket_init(&a.status);
    handover_init(&a.handover, &a.clients);
    enum err_code code = open_agent(&a, options, err);
    if (code == ERR_OK) {
        log_line(LOG_LEVEL_INFO, "listening", "socket=%s%s%s%s data=%s pid=%ld next_seq=%" PRIu64,
                 a.clients.local.listener.path, a.clients.gate.listen != NULL ? " tcp=" : "",
                 a.clients.remote.listener.path, options->collect ? " collect=on" : "",
                 options->data, (long)getpid(), log_writer_next_seq(a.writer, LOG_EVENTS));
        a.start_utc_ms = clock_now_ms(&a.reader.clock);
        a.stall_since_ns = clock_monotonic_ns();
        a.watchdog = notify_watchdog_start(clock_monotonic_ms());
        (void)notify_send("READY=1\nSTATUS=listening");
        code = loop(&a, err);
        (void)notify_send("STOPPING=1\nSTATUS=%s",
                          code == ERR_OK ? "storing what came whole" : err->text);
        if (code == ERR_OK)
            code = drain(&a, err);
        log_figures(&a, code == ERR_OK ? "stopped" : "figures");
        if (code != ERR_OK)
            log_line(LOG_LEVEL_ERROR, "stopped", "reason=\"%s\"", err->text);
    }
    close_agent(&a);
    return code;
}
