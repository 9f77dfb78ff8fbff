#include "ingest/commit.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "store/base/clock.h"
#include "store/log/append.h"
#include "store/log/frame.h"

enum {
    COMMIT_HANDS = 2,
    /* More than a flush writes in the time it takes: worth to be compressed meanwhile. */
    COMMIT_AHEAD_BYTES = 256 * 1024,
};

#define COMMIT_NOTHING SIZE_MAX

/* A batch that was taken. */
struct underway {
    struct batch *batch;
    struct log_append append;
    bool is_encoded;
};

/* A thread that does whatever is next. */
struct hand {
    struct committer *committer;
    struct frame_codec *codec;
    pthread_t thread;
    bool started;
};

struct committer {
    struct log_writer *writer;
    int64_t retry_ms;
    int wake_fd;
    struct hand hands[COMMIT_HANDS];
    atomic_size_t wants_bytes;
    pthread_mutex_t lock; /* guards all below, but for who stores or chains */
    pthread_cond_t changed;
    pthread_cond_t stopped; /* for who waits for space */
    struct batch *offered;
    struct underway queue[COMMIT_UNDERWAY]; /* in the order of the log */
    size_t first, count;
    bool chains, stores;                /* a hand does, with the lock open */
    size_t waiting;                     /* hands */
    struct batch *done[COMMIT_BATCHES]; /* oldest first */
    size_t done_count;
    bool stop;
    struct commit_state state;
    struct figures_commits figures;
    uint64_t next_seq[LOG_STREAMS];
};

static void
wake_io(struct committer *c)
{
    uint64_t one = 1;
    /* An eventfd takes any write until its counter is near 2^64; then it is readable anyway. */
    ssize_t n = write(c->wake_fd, &one, sizeof one);
    (void)n;
}

static void
parts_of(const struct batch *b, struct log_part parts[LOG_STREAMS])
{
    parts[LOG_EVENTS] = (struct log_part){{b->events.data, b->events.size_bytes}, b->event_count};
    parts[LOG_QUARANTINE] =
        (struct log_part){{b->quarantined.data, b->quarantined.size_bytes}, b->quarantined_count};
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
        rc = pthread_cond_timedwait(&c->stopped, &c->lock, &until);
    bool go_on = !c->stop;
    pthread_mutex_unlock(&c->lock);
    return go_on;
}

/* ---- with the lock held ---- */

static struct underway *
at(struct committer *c, size_t i)
{
    return &c->queue[(c->first + i) % COMMIT_UNDERWAY];
}

/*
 * May a hand take a batch of so many bytes?  A small one only when nothing is under way:
 * what comes while the disk flushes makes one batch, and that is compressed in no time.
 */
static bool
may_take(const struct committer *c, size_t size_bytes)
{
    if (c->state.failed != ERR_OK || c->chains || c->count == COMMIT_UNDERWAY)
        return false;
    return c->count == 0 || size_bytes >= COMMIT_AHEAD_BYTES;
}

static bool
offer_may_be_taken(const struct committer *c)
{
    return c->offered != NULL && may_take(c, batch_bytes(c->offered));
}

/* Another hand could do something too. */
static void
call_another(struct committer *c)
{
    if (offer_may_be_taken(c))
        pthread_cond_signal(&c->changed);
}

/* How many at the queue's front can go to the disk. */
static size_t
encoded_count(struct committer *c)
{
    size_t n = 0;
    while (n < c->count && at(c, n)->is_encoded)
        n++;
    return n;
}

/* Before the lock is opened: what an offer would have to be to be taken at once. */
static void
note_wants(struct committer *c)
{
    size_t wants = COMMIT_AHEAD_BYTES;
    if (c->waiting == 0 || c->offered != NULL || !may_take(c, wants))
        wants = COMMIT_NOTHING;
    else if (may_take(c, 0))
        wants = 0;
    atomic_store_explicit(&c->wants_bytes, wants, memory_order_relaxed);
}

static void
fail(struct committer *c, enum err_code code, const struct err *err)
{
    if (c->state.failed == ERR_OK) {
        c->state.failed = code;
        c->state.err = *err;
    }
    pthread_cond_broadcast(&c->changed);
}

static void
note_done(struct committer *c, struct batch *batch)
{
    assert(c->done_count < COMMIT_BATCHES);
    c->done[c->done_count++] = batch;
}

/* A flush of so many events, which took so long. */
static void
note_flush(struct committer *c, uint64_t events, int64_t took_ns)
{
    c->state.commits++;
    c->state.disk_full = false;
    if (events == 0)
        return; /* acks of empty chunks */
    figures_observe(&c->figures.flush_ns, FIGURES_FIRST_NS, (uint64_t)took_ns);
    figures_observe(&c->figures.events, FIGURES_FIRST_COUNT, events);
    for (int s = 0; s < LOG_STREAMS; s++)
        c->next_seq[s] = log_writer_next_seq(c->writer, (enum log_stream)s);
}

/* The queue's first count are flushed, which took so long. */
static void
note_stored(struct committer *c, size_t count, int64_t took_ns)
{
    uint64_t events = 0;
    for (size_t i = 0; i < count; i++) {
        struct batch *batch = at(c, i)->batch;
        events += (uint64_t)batch->event_count + batch->quarantined_count;
        note_done(c, batch);
    }
    c->first = (c->first + count) % COMMIT_UNDERWAY;
    c->count -= count;
    note_flush(c, events, took_ns);
}

/* ---- a hand's work; the lock is held before and after ---- */

/* Take what is on offer, and make its frames. */
static void
encode(struct hand *hand)
{
    struct committer *c = hand->committer;
    struct underway *u = at(c, c->count);
    struct log_part parts[LOG_STREAMS];
    struct err err = {.code = ERR_OK};
    u->batch = c->offered;
    u->is_encoded = false;
    parts_of(u->batch, parts);
    c->count++;
    c->offered = NULL;
    c->chains = true;
    note_wants(c);
    pthread_mutex_unlock(&c->lock);
    log_writer_chain(c->writer, u->batch->receive_utc_ms, parts, &u->append);
    pthread_mutex_lock(&c->lock);
    c->chains = false;
    call_another(c);
    note_wants(c);
    pthread_mutex_unlock(&c->lock);
    enum err_code code = log_append_encode(&u->append, hand->codec, &err);
    pthread_mutex_lock(&c->lock);
    u->is_encoded = code == ERR_OK;
    if (code != ERR_OK)
        fail(c, code, &err);
}

/* Flush the queue's first batches, of which count can be. */
static void
store(struct committer *c, size_t count)
{
    const struct log_append *appends[COMMIT_UNDERWAY];
    size_t stored = 0;
    struct err err = {.code = ERR_OK};
    for (size_t i = 0; i < count; i++)
        appends[i] = &at(c, i)->append;
    c->stores = true;
    call_another(c);
    note_wants(c);
    pthread_mutex_unlock(&c->lock);
    enum err_code code;
    int64_t began_ns;
    do {
        began_ns = clock_monotonic_ns();
        code = log_writer_store(c->writer, appends, count, &stored, &err);
    } while (code == ERR_FULL && wait_for_space(c, &err));
    int64_t took_ns = clock_monotonic_ns() - began_ns;
    pthread_mutex_lock(&c->lock);
    c->stores = false;
    if (code == ERR_OK)
        note_stored(c, stored, took_ns);
    else
        fail(c, code, &err);
}

static void *
hand_main(void *context)
{
    struct hand *hand = context;
    struct committer *c = hand->committer;
    pthread_mutex_lock(&c->lock);
    while (c->state.failed == ERR_OK) {
        size_t ready = c->stores ? 0 : encoded_count(c);
        if (ready > 0) {
            store(c, ready);
            pthread_mutex_unlock(&c->lock);
            wake_io(c);
            pthread_mutex_lock(&c->lock);
        } else if (offer_may_be_taken(c)) {
            encode(hand);
        } else if (c->stop && c->offered == NULL && c->count == 0) {
            break;
        } else {
            c->waiting++;
            note_wants(c);
            pthread_cond_wait(&c->changed, &c->lock);
            c->waiting--;
        }
    }
    pthread_cond_broadcast(&c->changed);
    note_wants(c);
    pthread_mutex_unlock(&c->lock);
    wake_io(c);
    return NULL;
}

static enum err_code
start_hand(struct hand *hand, struct committer *c, struct err *err)
{
    hand->committer = c;
    hand->codec = frame_codec_new();
    if (hand->codec == NULL)
        return err_set(err, ERR_LIMIT, "no memory for zstd");
    int rc = pthread_create(&hand->thread, NULL, hand_main, hand);
    hand->started = rc == 0;
    return rc == 0 ? ERR_OK : err_set_errno(err, rc, "cannot start a committer thread");
}

enum err_code
commit_start(struct log_writer *writer, int64_t retry_ms, struct committer **ret, struct err *err)
{
    struct committer *c = calloc(1, sizeof *c);
    if (c == NULL)
        return err_set(err, ERR_LIMIT, "no memory for the committer");
    c->writer = writer;
    c->retry_ms = retry_ms;
    for (int s = 0; s < LOG_STREAMS; s++)
        c->next_seq[s] = log_writer_next_seq(writer, (enum log_stream)s);
    for (size_t i = 0; i < COMMIT_UNDERWAY; i++)
        log_append_init(&c->queue[i].append);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->stopped, &attr);
    pthread_condattr_destroy(&attr);
    pthread_cond_init(&c->changed, NULL);
    pthread_mutex_init(&c->lock, NULL);
    enum err_code code = ERR_OK;
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake_fd < 0)
        code = err_set_errno(err, errno, "cannot make an eventfd");
    for (size_t i = 0; code == ERR_OK && i < COMMIT_HANDS; i++)
        code = start_hand(&c->hands[i], c, err);
    if (code != ERR_OK) {
        commit_stop(c);
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

size_t
commit_wants_bytes(const struct committer *c)
{
    return atomic_load_explicit(&c->wants_bytes, memory_order_relaxed);
}

bool
commit_offer(struct committer *c, struct batch *batch)
{
    pthread_mutex_lock(&c->lock);
    bool is_free = c->offered == NULL, taken = false;
    if (is_free) {
        c->offered = batch;
        taken = offer_may_be_taken(c);
        note_wants(c);
    }
    pthread_mutex_unlock(&c->lock);
    /* Without the lock, or a hand would wake only to wait for it. */
    if (taken)
        pthread_cond_signal(&c->changed);
    return is_free;
}

/* Only the caller offers, so when nothing is under way that stays so. */
static bool
have_writer(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    bool alone = c->count == 0 && c->offered == NULL && c->state.failed == ERR_OK;
    pthread_mutex_unlock(&c->lock);
    return alone;
}

static void
fail_here(struct committer *c, enum err_code code, const struct err *err)
{
    pthread_mutex_lock(&c->lock);
    fail(c, code, err);
    pthread_mutex_unlock(&c->lock);
    wake_io(c);
}

bool
commit_now(struct committer *c, struct batch *batch)
{
    struct err err = {.code = ERR_OK};
    struct log_part parts[LOG_STREAMS];
    enum err_code code = ERR_OK;
    uint64_t events = (uint64_t)batch->event_count + batch->quarantined_count;
    if (!have_writer(c))
        return false;
    parts_of(batch, parts);
    int64_t began_ns = clock_monotonic_ns();
    if (events > 0)
        code = log_writer_append(c->writer, batch->receive_utc_ms, parts, &err);
    int64_t took_ns = clock_monotonic_ns() - began_ns;
    if (code == ERR_OK) {
        pthread_mutex_lock(&c->lock);
        note_done(c, batch);
        note_flush(c, events, took_ns);
        pthread_mutex_unlock(&c->lock);
    } else if (code != ERR_FULL) {
        fail_here(c, code, &err);
    }
    return code == ERR_OK;
}

bool
commit_settle(struct committer *c)
{
    struct err err = {.code = ERR_OK};
    if (!have_writer(c))
        return false;
    enum err_code code = log_writer_settle(c->writer, &err);
    if (code != ERR_OK && code != ERR_FULL)
        fail_here(c, code, &err);
    return code == ERR_OK;
}

struct batch *
commit_withdraw(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    struct batch *batch = c->offered;
    c->offered = NULL;
    note_wants(c);
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
commit_figures(struct committer *c, struct figures_commits *ret, uint64_t ret_next_seq[LOG_STREAMS])
{
    pthread_mutex_lock(&c->lock);
    *ret = c->figures;
    memcpy(ret_next_seq, c->next_seq, sizeof c->next_seq);
    pthread_mutex_unlock(&c->lock);
}

void
commit_stop(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_broadcast(&c->changed);
    pthread_cond_signal(&c->stopped);
    pthread_mutex_unlock(&c->lock);
    for (size_t i = 0; i < COMMIT_HANDS; i++) {
        if (c->hands[i].started)
            pthread_join(c->hands[i].thread, NULL);
        c->hands[i].started = false;
    }
}

void
commit_free(struct committer *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < COMMIT_HANDS; i++) {
        assert(!c->hands[i].started);
        frame_codec_free(c->hands[i].codec);
    }
    for (size_t i = 0; i < COMMIT_UNDERWAY; i++)
        log_append_clear(&c->queue[i].append);
    if (c->wake_fd >= 0)
        close(c->wake_fd);
    pthread_cond_destroy(&c->stopped);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
