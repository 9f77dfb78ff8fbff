#include "ingest/collect.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ingest/ship.h"
#include "store/base/log.h"

/* A message on its way to the disk, and its answer on the way back. */
struct job {
    struct job *next;
    struct conn *conn; /* owed one by this job */
    char host[HANDSHAKE_HOST_BYTES_MAX + 1];
    struct log_origin origin;
    bool is_hello;
    int32_t day;
    struct bytes frames; /* in what follows the struct */
    size_t bytes;        /* in all */
    bool is_last;        /* nothing more is taken of the connection */
    struct buf answer;
};

struct jobs {
    struct job *first, *last;
};

struct collector {
    struct copies copies; /* the thread's */
    int64_t retry_ms;
    int wake_fd;
    bool started;
    size_t taken_bytes; /* of the io thread: handed over and not answered */
    struct conn_queue waiting;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct jobs queued, done;
    bool stop;
    struct collect_state state;
};

static void
push(struct jobs *jobs, struct job *job)
{
    job->next = NULL;
    if (jobs->last != NULL)
        jobs->last->next = job;
    else
        jobs->first = job;
    jobs->last = job;
}

static struct job *
pop(struct jobs *jobs)
{
    struct job *job = jobs->first;
    if (job == NULL)
        return NULL;
    jobs->first = job->next;
    if (jobs->first == NULL)
        jobs->last = NULL;
    return job;
}

static void
free_job(struct job *job)
{
    buf_clear(&job->answer);
    free(job);
}

static void
wake_io(struct collector *c)
{
    uint64_t one = 1;
    ssize_t n = write(c->wake_fd, &one, sizeof one);
    (void)n;
}

/* ---- the thread ---- */

/* ERR_IO of an append is the disk's and ends it all; of opening a copy it is that copy's. */
static enum err_code
apply(struct collector *c, struct job *job, struct copies_counts *counts, bool *ret_opened,
      struct err *err)
{
    struct copy *copy = NULL;
    *ret_opened = false;
    enum err_code code = copies_take(&c->copies, job->host, &job->origin, &copy, err);
    if (code == ERR_OK && !job->is_hello) {
        *ret_opened = true;
        code = copies_append(&c->copies, copy, job->day, job->frames, counts, err);
    }
    if (code == ERR_OK && !ship_put_stand(log_writer_tips(copy->writer), &job->answer))
        code = err_set(err, ERR_LIMIT, "no memory for an answer");
    return code;
}

/* Wait before the next try; false when told to stop meanwhile. */
static bool
wait_for_space(struct collector *c, const struct err *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + c->retry_ms % 1000 * 1000000;
    until.tv_sec += (time_t)(c->retry_ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
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

/* False: it has failed, or was told to stop. */
static bool
work(struct collector *c, struct job *job)
{
    struct err err = {.code = ERR_OK};
    struct copies_counts counts = c->state.counts; /* only this thread changes them */
    bool opened;
    enum err_code code = apply(c, job, &counts, &opened, &err);
    while (code == ERR_FULL) {
        if (!wait_for_space(c, &err))
            return false;
        code = apply(c, job, &counts, &opened, &err);
    }
    bool failed = code == ERR_IO && opened;
    if (code != ERR_OK) {
        log_line(LOG_LEVEL_WARN, "ship_refused", "host=%s reason=\"%s\"", job->host, err.text);
        job->is_last = true;
        job->answer.size_bytes = 0;
        if (failed || !ship_put_refused(code, err.text, &job->answer))
            job->answer.size_bytes = 0;
    }
    pthread_mutex_lock(&c->lock);
    c->state.counts = counts;
    c->state.refused += code != ERR_OK;
    c->state.disk_full = false;
    if (failed) {
        c->state.failed = code;
        c->state.err = err;
    }
    pthread_mutex_unlock(&c->lock);
    return !failed;
}

static void *
collect_main(void *context)
{
    struct collector *c = context;
    bool go_on = true;
    while (go_on) {
        pthread_mutex_lock(&c->lock);
        while (!c->stop && c->queued.first == NULL)
            pthread_cond_wait(&c->changed, &c->lock);
        struct job *job = c->stop ? NULL : pop(&c->queued);
        pthread_mutex_unlock(&c->lock);
        if (job == NULL)
            break;
        go_on = work(c, job);
        pthread_mutex_lock(&c->lock);
        push(&c->done, job);
        pthread_mutex_unlock(&c->lock);
        wake_io(c);
    }
    return NULL;
}

/* ---- the io thread ---- */

static enum err_code
start_thread(struct collector *c, struct err *err)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&c->lock, NULL);
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake_fd < 0)
        return err_set_errno(err, errno, "cannot make an eventfd");
    int rc = pthread_create(&c->thread, NULL, collect_main, c);
    c->started = rc == 0;
    return rc == 0 ? ERR_OK : err_set_errno(err, rc, "cannot start the collector thread");
}

enum err_code
collect_start(const char *data, int64_t retry_ms, struct collector **ret, struct err *err)
{
    struct collector *c = calloc(1, sizeof *c);
    if (c == NULL)
        return err_set(err, ERR_LIMIT, "no memory for the collector");
    c->retry_ms = retry_ms;
    c->waiting.list = CONN_RESTING;
    enum err_code code = copies_open(&c->copies, data, err);
    if (code == ERR_OK)
        code = start_thread(c, err);
    if (code != ERR_OK) {
        copies_close(&c->copies);
        if (c->wake_fd > 0)
            close(c->wake_fd);
        free(c);
        return code;
    }
    *ret = c;
    return ERR_OK;
}

void
collect_stop(struct collector *c)
{
    if (c == NULL || !c->started)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    c->started = false;
}

void
collect_free(struct collector *c)
{
    struct job *job;
    if (c == NULL)
        return;
    collect_stop(c);
    while ((job = pop(&c->queued)) != NULL || (job = pop(&c->done)) != NULL) {
        job->conn->owed--;
        free_job(job);
    }
    copies_close(&c->copies);
    close(c->wake_fd);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

int
collect_wake_fd(const struct collector *c)
{
    return c->wake_fd;
}

bool
collect_has_room(const struct collector *c)
{
    return c->taken_bytes <= COLLECT_QUEUE_BYTES_MAX;
}

struct conn_queue *
collect_waiting(struct collector *c)
{
    return &c->waiting;
}

/* The peer's name is "host=edge1": what the handshake proved. */
static struct str
host_of(const struct conn *conn)
{
    const char *equals = strchr(conn->peer->name, '=');
    return str_of(equals != NULL ? equals + 1 : "");
}

static const char *
take_hello(struct conn *conn, const struct ship_message *m)
{
    if (conn->ships != NULL)
        return "a second hello of gbill ship";
    if (!ship_host_ok(host_of(conn)))
        return "a log is kept under the hostname of the handshake, which must not begin with a dot";
    conn->ships = malloc(sizeof *conn->ships);
    if (conn->ships == NULL)
        return "out of memory";
    *conn->ships = m->origin;
    stream_set_max(&conn->stream, SHIP_MESSAGE_BYTES_MAX);
    return NULL;
}

const char *
collect_take(struct collector *c, struct conn *conn, struct bytes message)
{
    struct ship_message m;
    const char *reason = ship_read(message, &m);
    if (reason != NULL)
        return reason;
    if (m.kind == SHIP_HELLO)
        reason = take_hello(conn, &m);
    else if (m.kind != SHIP_FRAMES || conn->ships == NULL)
        reason = "frames of gbill ship without a hello before them";
    if (reason != NULL)
        return reason;
    struct job *job = malloc(sizeof *job + m.frames.size_bytes);
    if (job == NULL)
        return "out of memory";
    *job = (struct job){.conn = conn,
                        .origin = *conn->ships,
                        .is_hello = m.kind == SHIP_HELLO,
                        .day = m.day,
                        .bytes = sizeof *job + m.frames.size_bytes};
    snprintf(job->host, sizeof job->host, "%.*s", STR_ARG(host_of(conn)));
    buf_init(&job->answer, SHIP_ANSWER_BYTES_MAX);
    if (m.frames.size_bytes > 0)
        memcpy(job + 1, m.frames.data, m.frames.size_bytes);
    job->frames = (struct bytes){(const uint8_t *)(job + 1), m.frames.size_bytes};
    conn->owed++;
    c->taken_bytes += job->bytes;
    pthread_mutex_lock(&c->lock);
    push(&c->queued, job);
    pthread_mutex_unlock(&c->lock);
    pthread_cond_signal(&c->changed);
    return NULL;
}

void
collect_answer(struct collector *c, struct clients *clients)
{
    uint64_t counter;
    ssize_t n = read(c->wake_fd, &counter, sizeof counter);
    (void)n;
    pthread_mutex_lock(&c->lock);
    struct jobs done = c->done;
    c->done = (struct jobs){NULL, NULL};
    pthread_mutex_unlock(&c->lock);
    for (struct job *job; (job = pop(&done)) != NULL; free_job(job)) {
        struct conn *conn = job->conn;
        conn->owed--;
        c->taken_bytes -= job->bytes;
        conn_send(conn, job->answer.data, job->answer.size_bytes);
        conn->done_reading = conn->done_reading || job->is_last;
        clients_settle(clients, conn);
    }
    while (c->waiting.first != NULL && collect_has_room(c))
        clients_wake(clients, c->waiting.first);
}

void
collect_state(struct collector *c, struct collect_state *ret)
{
    pthread_mutex_lock(&c->lock);
    *ret = c->state;
    pthread_mutex_unlock(&c->lock);
}
