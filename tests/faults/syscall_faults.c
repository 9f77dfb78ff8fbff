/*
 * tests/faults/syscall_faults.c - every call that gbill-agent makes fails once, one
 * run of the shipped agent for each call and error.
 *
 *   syscall_faults all | some [SEED] | list
 *
 * A run without faults counts the calls.  Then, in each run, the n-th call of a kind ends
 * with an error that it can have, is cut short, or the agent is killed right before or
 * behind it.  A client speaks to it, one thing at a time, and connects anew when it is
 * cut off.  Judged are: no crash, no hang, no ack behind a failed flush, exit status and
 * a line that says why when it stops; then a new agent starts on what is there, the log
 * verifies, and every event that was ever acknowledged is in it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/base/err.h"
#include "store/log/reader.h"
#include "tests/faults/lab.h"
#include "tests/faults/plan.h"
#include "tests/ingest/wire.h"

enum {
    STEPS = 9,
    PACKED = 40,    /* events of a chunk: over 4 KiB, so compressed */
    WAIT_MS = 6000, /* for an ack, however often it takes to get it */
    TRY_MS = 2500,  /* on one connection: longer than the agent's wait on a full disk */
    STATUS_IO = 10,
    STATUS_FULL = 11,
};

/* One run. */
struct attempt {
    struct lab *lab;
    pid_t pid;
    int status; /* as waitpid() gives it, once the agent has ended */
    bool ended;
    int fd;
    bool acked[STEPS];
    unsigned seen[STEPS]; /* events of a step in the log */
    bool is_read; /* somebody holds the log open from the first ack on, beyond the agent's end */
    struct log_reader *reader;
    char wrong[ERR_TEXT_BYTES_MAX]; /* the first thing that is; "" none */
};

static void
wrong(struct attempt *a, const char *what)
{
    if (a->wrong[0] == '\0')
        snprintf(a->wrong, sizeof a->wrong, "%s", what);
}

/* Events that a step sends under the chunk id "step--N". */
static unsigned
step_events(int step)
{
    return step % 3 == 1 ? PACKED : 1;
}

static void
step_message(int step, const char *chunk, struct wire *w)
{
    char id[32];
    int64_t now_s = (int64_t)time(NULL);
    snprintf(id, sizeof id, "s%d", step);
    if (step % 3 == 1)
        wire_packed(w, now_s, id, PACKED, chunk);
    else /* every third is one for the quarantine */
        wire_message(w, "gbill.usage", now_s, step % 3 == 0 ? id : NULL, chunk);
}

static bool
has_ended(struct attempt *a)
{
    if (!a->ended && waitpid(a->pid, &a->status, WNOHANG) == a->pid)
        a->ended = true;
    return a->ended;
}

static bool
is_failed_flush(const struct lab *lab)
{
    int32_t call = lab->shim->call;
    return lab->shim->fired > 0 && lab->shim->error == EIO &&
           (call == SHIM_fdatasync || call == SHIM_fsync);
}

/* Send it until it is acked, or the agent has ended, or the time is over. */
static void
do_step(struct attempt *a, int step)
{
    struct wire w;
    char chunk[8];
    int64_t until = lab_now_ms() + WAIT_MS;
    snprintf(chunk, sizeof chunk, "step--%d", step);
    wire_init(&w);
    step_message(step, chunk, &w);
    while (!a->acked[step] && !has_ended(a) && lab_now_ms() < until) {
        if (a->fd < 0)
            a->fd = lab_dial(a->lab, 20);
        bool was_failed = is_failed_flush(a->lab);
        if (a->fd >= 0 && lab_say(a->fd, wire_bytes(&w)) && lab_hear_ack(a->fd, chunk, TRY_MS)) {
            a->acked[step] = true;
            if (was_failed || is_failed_flush(a->lab))
                wrong(a, "an ack came after a failed flush");
        } else if (a->fd >= 0) {
            close(a->fd);
            a->fd = -1;
        }
    }
    wire_clear(&w);
    if (!a->acked[step] && !has_ended(a))
        wrong(a, "no ack, and it still runs");
}

static void
hold_open(struct attempt *a)
{
    struct err err;
    if (a->is_read && a->reader == NULL && a->acked[0] &&
        log_reader_open(a->lab->log, LOG_EVENTS, 0, &a->reader, &err) != ERR_OK)
        wrong(a, err.text);
}

/* Another connection now and then: some calls are made for each. */
static void
speak(struct attempt *a)
{
    for (int step = 0; step < STEPS && !has_ended(a); step++) {
        do_step(a, step);
        hold_open(a);
        if (step % 4 == 3 && a->fd >= 0) {
            close(a->fd);
            a->fd = -1;
        }
    }
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
}

static void
stop(struct attempt *a)
{
    if (has_ended(a))
        return;
    kill(a->pid, SIGTERM);
    a->status = lab_wait(a->pid, WAIT_MS);
    a->ended = true;
    if (a->status == -1)
        wrong(a, "it did not end on SIGTERM");
}

/* ---- the judge ---- */

/* Calls whose failure, once it serves, concerns at most one client. */
static bool
may_not_stop_it(enum shim_call call)
{
    return call == SHIM_recv || call == SHIM_send || call == SHIM_accept4 || call == SHIM_read ||
           call == SHIM_write || call == SHIM_epoll_wait || call == SHIM_getsockopt ||
           call == SHIM_poll || call == SHIM_statvfs || call == SHIM_close ||
           call == SHIM_setrlimit;
}

static void
judge_end(struct attempt *a, enum shim_call call, int error)
{
    bool killed = error == SHIM_KILL_BEFORE || error == SHIM_KILL_AFTER;
    if (WIFSIGNALED(a->status) && !(killed && WTERMSIG(a->status) == SIGKILL)) {
        snprintf(a->wrong, sizeof a->wrong, "ended by signal %d", WTERMSIG(a->status));
        return;
    }
    if (killed || a->wrong[0] != '\0')
        return;
    int status = WEXITSTATUS(a->status);
    if (status > 13)
        wrong(a, "an exit status that no error has");
    if (status != 0 && may_not_stop_it(call))
        wrong(a, "stopped for an error that it can bear");
    if (status != 0 && !lab_said(a->lab, "gbill-agent: "))
        wrong(a, "stopped and did not say why");
    if (status == 0 && !a->acked[STEPS - 1])
        wrong(a, "ended well without its last ack");
    bool is_flush = call == SHIM_fdatasync || call == SHIM_fsync;
    if (is_flush && error == EIO && a->lab->shim->fired > 0 && status != STATUS_IO)
        wrong(a, "a failed flush did not end it with status 10");
    if (status == 0 && lab_said(a->lab, "event=tail_kept"))
        wrong(a, "it could not move the log's tail and ended well");
}

static void
see(void *context, struct str id)
{
    struct attempt *a = context;
    unsigned step = id.size_bytes >= 2 && id.data[0] == 's' ? (unsigned)(id.data[1] - '0') : STEPS;
    if (step < STEPS)
        a->seen[step]++;
}

/* A new agent on what is there: it must start, take an event, and end well; all acked is kept. */
static void
judge_log(struct attempt *a)
{
    struct attempt next = {.lab = a->lab, .fd = -1};
    char why[ERR_TEXT_BYTES_MAX];
    lab_disarm(a->lab);
    next.pid = lab_start_agent(a->lab);
    do_step(&next, 0);
    if (next.fd >= 0)
        close(next.fd);
    stop(&next);
    if (next.wrong[0] != '\0' || next.status != 0)
        wrong(a, "the next agent does not start, serve and end");
    else if (!lab_verify(a->lab, see, a, why))
        wrong(a, why);
    for (int step = 0; step < STEPS; step++) {
        if (step % 3 != 2 && a->acked[step] && a->seen[step] < step_events(step))
            wrong(a, "an acknowledged event is not in the log");
    }
}

/* A fault_try: one agent's life. */
static bool
attempt(uint64_t counts[], struct lab *lab, enum shim_call call, uint64_t number, int error)
{
    struct attempt a = {.lab = lab, .fd = -1};
    char name[32];
    lab_clean(lab);
    if (number > 0)
        lab_arm(lab, call, number, error, false);
    a.pid = lab_start_agent(lab);
    speak(&a);
    stop(&a);
    for (int c = 0; counts != NULL && c < SHIM_CALL_COUNT; c++)
        counts[c] = lab->shim->counts[c];
    judge_end(&a, call, error);
    judge_log(&a);
    if (a.wrong[0] == '\0')
        return true;
    fprintf(stderr, "FAIL: %s number %" PRIu64 ", %s: %s\n", lab_call_name(call), number,
            lab_error_name(error, name), a.wrong);
    lab_show_errors(lab);
    return false;
}

/*
 * Killed behind each write while another process has the log open: LMDB's lock file then
 * outlives the agent, and may know of one commit less than the log has.
 */
static bool
all_killed_beside_a_reader(void)
{
    struct lab lab;
    uint64_t counts[SHIM_CALL_COUNT];
    unsigned failures = 0;
    lab_open(&lab);
    bool ok = attempt(counts, &lab, SHIM_open, 0, 0);
    for (uint64_t n = 1; ok && n <= counts[SHIM_pwrite]; n++) {
        struct attempt a = {.lab = &lab, .fd = -1, .is_read = true};
        lab_clean(&lab);
        lab_arm(&lab, SHIM_pwrite, n, SHIM_KILL_AFTER, false);
        a.pid = lab_start_agent(&lab);
        speak(&a);
        stop(&a);
        judge_end(&a, SHIM_pwrite, SHIM_KILL_AFTER);
        judge_log(&a);
        log_reader_close(a.reader);
        if (a.wrong[0] == '\0')
            continue;
        failures++;
        fprintf(stderr, "FAIL: killed behind pwrite number %" PRIu64 ", the log being read: %s\n",
                n, a.wrong);
        lab_show_errors(&lab);
    }
    lab_close(&lab);
    return ok && failures == 0;
}

/*
 * The disk fails when the last ack is out and the tail is yet to be moved, be it because
 * nothing comes or because it is told to stop: nothing is lost, and the status tells.
 */
static bool
fails_at_the_end(struct lab *lab, enum shim_call call, int error, int status)
{
    struct attempt a = {.lab = lab, .fd = -1};
    lab_clean(lab);
    a.pid = lab_start_agent(lab);
    speak(&a);
    /* An error of the disk may be a single one; a full disk stays full. */
    lab_arm(lab, call, lab->shim->counts[call] + 1, error, error == ENOSPC);
    stop(&a);
    if (lab->shim->fired == 0)
        wrong(&a, "nothing failed: the tail had been moved");
    if (!WIFEXITED(a.status) || WEXITSTATUS(a.status) != status)
        wrong(&a, "the exit status does not tell of it");
    if (!lab_said(lab, "gbill-agent: "))
        wrong(&a, "stopped and did not say why");
    judge_log(&a);
    if (a.wrong[0] != '\0') {
        fprintf(stderr, "FAIL: %s fails at the end: %s (wait status %d)\n", lab_call_name(call),
                a.wrong, a.status);
        lab_show_errors(lab);
    }
    return a.wrong[0] == '\0';
}

static bool
all_fail_at_the_end(void)
{
    struct lab lab;
    lab_open(&lab);
    bool ok = fails_at_the_end(&lab, SHIM_fdatasync, EIO, STATUS_IO);
    ok = fails_at_the_end(&lab, SHIM_pwrite, EIO, STATUS_IO) && ok;
    ok = fails_at_the_end(&lab, SHIM_pwrite, ENOSPC, STATUS_FULL) && ok;
    lab_close(&lab);
    return ok;
}

int
main(int argc, char **argv)
{
    bool lists = argc > 1 && strcmp(argv[1], "list") == 0;
    if (!lists && !(all_fail_at_the_end() && all_killed_beside_a_reader()))
        return 1;
    return fault_main(argc, argv, "runs of the agent", attempt);
}
