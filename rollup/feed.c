#include "rollup/feed.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_PER_THREAD = 4 };

/* Where a batch stands; they go round in this order. */
enum state { FREE, FILLED, TAKEN, DECODED };

struct slot {
    struct batch batch;
    enum state state;
    enum err_code code; /* of decoding */
    struct err err;
};

struct worker {
    struct feed *feed;
    struct batch_decoder decoder;
    pthread_t thread;
};

struct feed {
    struct log_reader *reader;
    const struct batch_shared *shared;
    uint64_t after_seq, until_seq;
    size_t batch_events;
    bool ended;              /* the reader came to the log's end, or failed */
    enum err_code read_code; /* of the reader; given when all before it is */
    struct err read_err;
    unsigned threads;
    unsigned started; /* workers[1 .. started]; workers[0] is the caller */
    size_t slot_count, oldest, used;
    struct slot *slots;
    pthread_mutex_t lock; /* guards the slots' states and stop */
    pthread_cond_t filled, decoded;
    bool stop;
    struct worker workers[];
};

/* Decode a slot that was taken.  Called without the lock. */
static void
decode(struct feed *f, struct slot *s, struct batch_decoder *decoder)
{
    s->code = batch_decode(&s->batch, f->shared, decoder, &s->err);
    pthread_mutex_lock(&f->lock);
    s->state = DECODED;
    pthread_cond_broadcast(&f->decoded);
    pthread_mutex_unlock(&f->lock);
}

/* The oldest batch that nobody has taken yet, now taken; NULL when there is none. */
static struct slot *
take(struct feed *f)
{
    for (size_t i = 0; i < f->used; i++) {
        struct slot *s = &f->slots[(f->oldest + i) % f->slot_count];
        if (s->state == FILLED) {
            s->state = TAKEN;
            return s;
        }
    }
    return NULL;
}

static void *
work(void *argument)
{
    struct worker *w = argument;
    struct feed *f = w->feed;
    pthread_mutex_lock(&f->lock);
    while (!f->stop) {
        struct slot *s = take(f);
        if (s == NULL) {
            pthread_cond_wait(&f->filled, &f->lock);
            continue;
        }
        pthread_mutex_unlock(&f->lock);
        decode(f, s, &w->decoder);
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

enum err_code
feed_open(struct log_reader *reader, const struct batch_shared *shared, uint64_t after_seq,
          uint64_t until_seq, size_t batch_events, unsigned threads, struct feed **ret,
          struct err *err)
{
    struct feed *f = calloc(1, sizeof *f + threads * sizeof f->workers[0]);
    if (f == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    f->reader = reader;
    f->shared = shared;
    f->after_seq = after_seq;
    f->until_seq = until_seq;
    f->batch_events = batch_events;
    f->threads = threads;
    f->slot_count = threads == 1 ? 1 : (size_t)threads * SLOTS_PER_THREAD;
    f->slots = calloc(f->slot_count, sizeof *f->slots);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->filled, NULL);
    pthread_cond_init(&f->decoded, NULL);
    enum err_code code = f->slots == NULL ? err_set(err, ERR_LIMIT, "no memory for batches")
                                          : ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < f->slot_count; i++)
        batch_init(&f->slots[i].batch);
    if (code == ERR_OK)
        code = batch_decoder_init(&f->workers[0].decoder, err);
    if (code != ERR_OK) {
        feed_close(f);
        return code;
    }
    *ret = f;
    return ERR_OK;
}

void
feed_close(struct feed *feed)
{
    struct feed *f = feed;
    if (f == NULL)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_broadcast(&f->filled);
    pthread_mutex_unlock(&f->lock);
    for (unsigned i = 1; i <= f->started; i++)
        pthread_join(f->workers[i].thread, NULL);
    for (unsigned i = 0; i < f->threads; i++)
        batch_decoder_clear(&f->workers[i].decoder);
    for (size_t i = 0; f->slots != NULL && i < f->slot_count; i++)
        batch_clear(&f->slots[i].batch);
    free(f->slots);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->filled);
    pthread_cond_destroy(&f->decoded);
    free(f);
}

/*
 * The other threads, once there is more than one batch to decode: a job that runs
 * every second for a few events must not pay for them.  Without them all is slower
 * but the same, so a system that has no thread to give is no error.
 */
static void
start_workers(struct feed *f)
{
    struct err ignored;
    while (f->started + 1 < f->threads) {
        struct worker *w = &f->workers[f->started + 1];
        w->feed = f;
        if (batch_decoder_init(&w->decoder, &ignored) != ERR_OK)
            return;
        if (pthread_create(&w->thread, NULL, work, w) != 0) {
            batch_decoder_clear(&w->decoder);
            f->threads = f->started + 1;
            return;
        }
        f->started++;
    }
}

/* Read frames into one free slot.  False at the log's end and on an error. */
static bool
fill(struct feed *f, struct batch *b)
{
    batch_reset(b, f->after_seq);
    while (b->event_count < f->batch_events && !f->ended) {
        struct frame frame;
        bool more;
        f->read_code = log_reader_next_stored(f->reader, &b->stored, &frame, &more, &f->read_err);
        if (f->read_code == ERR_OK && more)
            f->read_code = batch_add_frame(b, &frame, &f->read_err);
        f->ended = f->read_code != ERR_OK || !more ||
                   (f->until_seq != 0 && frame.first_seq + frame.event_count > f->until_seq);
        if (f->read_code != ERR_OK || !more)
            break;
    }
    return b->event_count > 0;
}

static void
fill_slots(struct feed *f)
{
    while (f->used < f->slot_count && !f->ended) {
        struct slot *s = &f->slots[(f->oldest + f->used) % f->slot_count];
        if (!fill(f, &s->batch))
            return;
        pthread_mutex_lock(&f->lock);
        s->state = FILLED;
        f->used++;
        pthread_cond_signal(&f->filled);
        pthread_mutex_unlock(&f->lock);
        if (f->used > 1)
            start_workers(f);
    }
}

/* Decode with the others until this one is decoded. */
static void
wait_for(struct feed *f, const struct slot *wanted)
{
    pthread_mutex_lock(&f->lock);
    while (wanted->state != DECODED) {
        struct slot *s = take(f);
        if (s == NULL) {
            pthread_cond_wait(&f->decoded, &f->lock);
            continue;
        }
        pthread_mutex_unlock(&f->lock);
        decode(f, s, &f->workers[0].decoder);
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
}

enum err_code
feed_next(struct feed *feed, struct batch **ret_batch, struct err *err)
{
    struct feed *f = feed;
    fill_slots(f);
    *ret_batch = NULL;
    if (f->used == 0) {
        if (f->read_code != ERR_OK)
            *err = f->read_err;
        return f->read_code;
    }
    struct slot *oldest = &f->slots[f->oldest];
    wait_for(f, oldest);
    if (oldest->code != ERR_OK) {
        *err = oldest->err;
        return oldest->code;
    }
    *ret_batch = &oldest->batch;
    return ERR_OK;
}

void
feed_release(struct feed *feed)
{
    struct feed *f = feed;
    pthread_mutex_lock(&f->lock);
    f->slots[f->oldest].state = FREE;
    f->oldest = (f->oldest + 1) % f->slot_count;
    f->used--;
    pthread_mutex_unlock(&f->lock);
}

void
feed_settle(struct feed *feed)
{
    for (size_t i = 0; i < feed->used; i++)
        wait_for(feed, &feed->slots[(feed->oldest + i) % feed->slot_count]);
}

struct batch_decoder *
feed_decoder(struct feed *feed)
{
    return &feed->workers[0].decoder;
}
