#include "store/base/schedule.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/base/clock.h"
#include "store/base/hash.h"
#include "store/base/log.h"
#include "store/base/notify.h"

extern char **environ;

enum { RETRY_MS_MAX = 5000, SAY_AGAIN_MS = 60000, WORDS_BYTES_MAX = 4096 };

struct running {
    pid_t pid;     /* 0: not running */
    int stderr_fd; /* what the child says, in memory */
    int64_t due_ms;
    int64_t retry_ms; /* 0: the last run went well */
    int status;       /* of the last run */
    uint64_t said;    /* hash of the words last passed on, and when */
    int64_t said_ms;
};

static int
spawn(const struct schedule_job *job, int stderr_fd, pid_t *ret_pid)
{
    static char self[] = "/proc/self/exe";
    char *argv[SCHEDULE_ARGS_MAX + 2] = {self};
    for (size_t i = 0; i < SCHEDULE_ARGS_MAX && job->args[i] != NULL; i++)
        argv[i + 1] = (char *)(uintptr_t)job->args[i];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    int rc = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, stderr_fd, STDERR_FILENO);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask(&attr, &none);
    if (rc == 0)
        rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    if (rc == 0)
        rc = posix_spawn(ret_pid, self, &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static enum err_code
start(const struct schedule_job *job, struct running *r, struct err *err)
{
    r->stderr_fd = memfd_create("gbill-job", MFD_CLOEXEC);
    int rc = r->stderr_fd < 0 ? errno : spawn(job, r->stderr_fd, &r->pid);
    if (rc != 0) {
        if (r->stderr_fd >= 0)
            close(r->stderr_fd);
        r->pid = 0;
        return err_set_errno(err, rc, "cannot start gbill %s", job->args[0]);
    }
    r->due_ms = clock_monotonic_ms() + job->every_ms;
    return ERR_OK;
}

/* Each line with its priority: a child's stderr is not the journal, ours may be. */
static void
say(const char *words, size_t size_bytes, bool failed)
{
    const char *prefix = log_prefix(failed ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO);
    const char *end = words + size_bytes;
    while (words < end) {
        const char *stop = memchr(words, '\n', (size_t)(end - words));
        size_t n = (size_t)((stop != NULL ? stop : end) - words);
        fprintf(stderr, "%s%.*s\n", prefix, (int)n, words);
        words += n + 1;
    }
}

/* Pass on what a child said, but the same words once a minute only. */
static void
pass_on_words(struct running *r, bool failed)
{
    char words[WORDS_BYTES_MAX];
    ssize_t n = pread(r->stderr_fd, words, sizeof words, 0);
    close(r->stderr_fd);
    if (n <= 0)
        return;
    uint64_t hash = hash_mem(words, (size_t)n);
    if (hash == r->said && clock_monotonic_ms() - r->said_ms < SAY_AGAIN_MS)
        return;
    r->said = hash;
    r->said_ms = clock_monotonic_ms();
    say(words, (size_t)n, failed);
}

static void
finish(const struct schedule_job *job, struct running *r, int wait_status)
{
    int status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
    r->pid = 0;
    pass_on_words(r, status != 0);
    if (status == 0) {
        if (r->status != 0)
            log_line(LOG_LEVEL_INFO, "job_recovered", "job=%s", job->args[0]);
        r->retry_ms = 0;
    } else {
        r->retry_ms = r->retry_ms == 0 ? job->every_ms : r->retry_ms * 2;
        if (r->retry_ms > RETRY_MS_MAX)
            r->retry_ms = RETRY_MS_MAX;
        r->due_ms = clock_monotonic_ms() + r->retry_ms;
        if (status != r->status)
            log_line(LOG_LEVEL_WARN, "job_failed", "job=%s status=%d", job->args[0], status);
    }
    r->status = status;
}

static size_t
reap(const struct schedule_job *jobs, struct running *r, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        int wait_status;
        if (r[i].pid != 0 && waitpid(r[i].pid, &wait_status, WNOHANG) == r[i].pid)
            finish(&jobs[i], &r[i], wait_status);
        left += r[i].pid != 0;
    }
    return left;
}

/* Sleep until a child ends, a signal to stop comes (true), or until_ms. */
static bool
wait_signal(const sigset_t *set, int64_t until_ms)
{
    int64_t left = until_ms - clock_monotonic_ms();
    if (left < 0)
        left = 0;
    struct timespec timeout = {left / 1000, left % 1000 * 1000000};
    int sig = sigtimedwait(set, NULL, &timeout);
    return sig == SIGTERM || sig == SIGINT;
}

enum err_code
schedule_run(const struct schedule_job *jobs, size_t job_count, struct err *err)
{
    struct running running[SCHEDULE_JOBS_MAX] = {0};
    sigset_t set;
    bool stop = false;
    enum err_code code = ERR_OK;
    assert(job_count <= SCHEDULE_JOBS_MAX);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct notify_watchdog watchdog = notify_watchdog_start(clock_monotonic_ms());
    (void)notify_send("READY=1\nSTATUS=%zu jobs at their cadences", job_count);
    while (!stop && code == ERR_OK) {
        int64_t now = clock_monotonic_ms(), next = now + RETRY_MS_MAX;
        notify_watchdog_feed(&watchdog, now);
        if (watchdog.every_ms != 0 && watchdog.due_ms < next)
            next = watchdog.due_ms;
        for (size_t i = 0; i < job_count && code == ERR_OK; i++) {
            if (running[i].pid == 0 && running[i].due_ms <= now)
                code = start(&jobs[i], &running[i], err);
            if (running[i].pid == 0 && running[i].due_ms < next)
                next = running[i].due_ms;
        }
        stop = code == ERR_OK && wait_signal(&set, next);
        reap(jobs, running, job_count);
    }
    (void)notify_send("STOPPING=1\nSTATUS=waiting for the jobs that still run");
    while (reap(jobs, running, job_count) > 0)
        wait_signal(&set, clock_monotonic_ms() + 1000);
    return code;
}
