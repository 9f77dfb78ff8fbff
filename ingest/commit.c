#include "ingest/commit.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { COMMIT_DONE_MAX = 4 };

struct committer {
    struct log_writer *writer;
    int64_t retry_ms;
    int wake_fd;
    bool started;
    atomic_bool idle;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct batch *offered;
    struct batch *done[COMMIT_DONE_MAX]; /* oldest first */
    size_t done_count;
    bool stop;
    struct commit_state state;
};

static void
wake_io(struct committer *c)
{
    uint64_t one = 1;
    /* An eventfd takes any write until its counter is near 2^64; then it is readable anyway. */
    ssize_t n = write(c->wake_fd, &one, sizeof one);
    (void)n;
}

static enum err_code
append(struct committer *c, const struct batch *b, struct err *err)
{
    struct log_part parts[LOG_STREAMS] = {
        [LOG_EVENTS] = {{b->events.data, b->events.size_bytes}, b->event_count},
        [LOG_QUARANTINE] = {{b->quarantined.data, b->quarantined.size_bytes}, b->quarantined_count},
    };
    if (b->event_count == 0 && b->quarantined_count == 0)
        return ERR_OK; /* acks of empty chunks */
    return log_writer_append(c->writer, b->receive_utc_ms, parts, err);
}

/* Wait before the next try; false when told to stop meanwhile. */
static bool
wait_for_space(struct committer *c, const struct err *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(c->retry_ms / 1000);
    until.tv_nsec += (long)(c->retry_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&c->lock);
    if (!c->state.disk_full) {
        c->state.disk_full = true;
        c->state.err = *err;
        wake_io(c);
    }
    int rc = 0;
    while (!c->stop && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&c->changed, &c->lock, &until);
    bool go_on = !c->stop;
    pthread_mutex_unlock(&c->lock);
    return go_on;
}

/* Until it is on the disk, or never will be. */
static enum err_code
commit(struct committer *c, const struct batch *batch, struct err *err)
{
    enum err_code code = append(c, batch, err);
    while (code == ERR_FULL && wait_for_space(c, err))
        code = append(c, batch, err);
    return code;
}

/* With the lock held: what is on offer, or NULL. */
static struct batch *
take_offer(struct committer *c)
{
    struct batch *batch = c->offered;
    c->offered = NULL;
    atomic_store_explicit(&c->idle, batch == NULL, memory_order_relaxed);
    return batch;
}

/* The next batch, or NULL when there will be none. */
static struct batch *
wait_for_offer(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    struct batch *batch = take_offer(c);
    while (batch == NULL && !c->stop) {
        pthread_cond_wait(&c->changed, &c->lock);
        batch = take_offer(c);
    }
    pthread_mutex_unlock(&c->lock);
    return batch;
}

/* Tell what became of a batch, and take the next one if it is there. */
static struct batch *
hand_back(struct committer *c, struct batch *batch, enum err_code code, const struct err *err)
{
    struct batch *next = NULL;
    pthread_mutex_lock(&c->lock);
    if (code == ERR_OK) {
        assert(c->done_count < COMMIT_DONE_MAX);
        c->done[c->done_count++] = batch;
        c->state.commits++;
        c->state.disk_full = false;
        next = take_offer(c);
    } else if (c->state.failed == ERR_OK) {
        c->state.failed = code;
        c->state.err = *err;
    }
    pthread_mutex_unlock(&c->lock);
    return next;
}

static void *
committer_main(void *context)
{
    struct committer *c = context;
    struct err err = {.code = ERR_OK};
    struct batch *batch;
    while ((batch = wait_for_offer(c)) != NULL) {
        while (batch != NULL) {
            enum err_code code = commit(c, batch, &err);
            batch = hand_back(c, batch, code, &err);
            wake_io(c);
            if (code != ERR_OK)
                return NULL;
        }
    }
    return NULL;
}

enum err_code
commit_start(struct log_writer *writer, int64_t retry_ms, struct committer **ret, struct err *err)
{
    struct committer *c = calloc(1, sizeof *c);
    if (c == NULL)
        return err_set(err, ERR_LIMIT, "no memory for the committer");
    c->writer = writer;
    c->retry_ms = retry_ms;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&c->lock, NULL);
    enum err_code code = ERR_OK;
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake_fd < 0)
        code = err_set_errno(err, errno, "cannot make an eventfd");
    if (code == ERR_OK) {
        int rc = pthread_create(&c->thread, NULL, committer_main, c);
        if (rc != 0)
            code = err_set_errno(err, rc, "cannot start the committer thread");
        c->started = rc == 0;
    }
    if (code != ERR_OK) {
        commit_free(c);
        return code;
    }
    *ret = c;
    return ERR_OK;
}

int
commit_wake_fd(const struct committer *c)
{
    return c->wake_fd;
}

bool
commit_is_idle(const struct committer *c)
{
    return atomic_load_explicit(&c->idle, memory_order_relaxed);
}

bool
commit_offer(struct committer *c, struct batch *batch)
{
    pthread_mutex_lock(&c->lock);
    bool is_free = c->offered == NULL;
    if (is_free)
        c->offered = batch;
    pthread_mutex_unlock(&c->lock);
    /* Without the lock, or the committer would wake only to wait for it. */
    if (is_free)
        pthread_cond_signal(&c->changed);
    return is_free;
}

/* Only the caller offers, so an idle committer stays idle until it is told otherwise. */
static bool
have_writer(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    bool alone = commit_is_idle(c) && c->offered == NULL && c->state.failed == ERR_OK;
    pthread_mutex_unlock(&c->lock);
    return alone;
}

bool
commit_now(struct committer *c, struct batch *batch)
{
    struct err err = {.code = ERR_OK};
    if (!have_writer(c))
        return false;
    enum err_code code = append(c, batch, &err);
    if (code == ERR_FULL)
        return false;
    hand_back(c, batch, code, &err);
    if (code != ERR_OK)
        wake_io(c);
    return code == ERR_OK;
}

bool
commit_settle(struct committer *c)
{
    struct err err = {.code = ERR_OK};
    if (!have_writer(c))
        return false;
    enum err_code code = log_writer_settle(c->writer, &err);
    if (code != ERR_OK && code != ERR_FULL) {
        hand_back(c, NULL, code, &err);
        wake_io(c);
    }
    return code == ERR_OK;
}

struct batch *
commit_withdraw(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    struct batch *batch = c->offered;
    c->offered = NULL;
    pthread_mutex_unlock(&c->lock);
    return batch;
}

struct batch *
commit_collect(struct committer *c)
{
    struct batch *batch = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->done_count > 0) {
        batch = c->done[0];
        c->done_count--;
        for (size_t i = 0; i < c->done_count; i++)
            c->done[i] = c->done[i + 1];
    }
    pthread_mutex_unlock(&c->lock);
    return batch;
}

void
commit_state(struct committer *c, struct commit_state *ret)
{
    pthread_mutex_lock(&c->lock);
    ret->failed = c->state.failed;
    ret->disk_full = c->state.disk_full;
    ret->commits = c->state.commits;
    if (ret->failed != ERR_OK || ret->disk_full)
        ret->err = c->state.err;
    pthread_mutex_unlock(&c->lock);
}

void
commit_stop(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (c->started)
        pthread_join(c->thread, NULL);
    c->started = false;
}

void
commit_free(struct committer *c)
{
    if (c == NULL)
        return;
    assert(!c->started);
    if (c->wake_fd >= 0)
        close(c->wake_fd);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
