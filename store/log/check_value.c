#include "store/log/check_value.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/event/event.h"
#include "store/log/quarantine.h"

/* Below this a second thread costs more than it brings. */
enum { ALONE_BYTES = 256 * 1024, FRAME_CHAIN_AT = 48, BLOCK_AFTER_AT = 64 };

struct worker {
    struct checker *checker;
    struct frame_codec *codec;
    struct buf room;
    struct block block;
    pthread_t thread;
};

struct checker {
    unsigned threads;
    struct check_value *values;
    size_t count;
    atomic_size_t next;
    struct worker workers[];
};

struct checker *
checker_new(unsigned threads)
{
    struct checker *c = calloc(1, sizeof *c + threads * sizeof c->workers[0]);
    if (c == NULL)
        return NULL;
    c->threads = threads;
    for (unsigned i = 0; i < threads; i++) {
        struct worker *w = &c->workers[i];
        w->checker = c;
        w->codec = frame_codec_new();
        buf_init(&w->room, FRAME_RAW_BYTES_MAX);
        block_init(&w->block);
        if (w->codec == NULL) {
            checker_free(c);
            return NULL;
        }
    }
    return c;
}

void
checker_free(struct checker *checker)
{
    if (checker == NULL)
        return;
    for (unsigned i = 0; i < checker->threads; i++) {
        frame_codec_free(checker->workers[i].codec);
        buf_clear(&checker->workers[i].room);
        block_clear(&checker->workers[i].block);
    }
    free(checker);
}

const uint8_t *
check_value_chain(struct bytes stored)
{
    size_t at = block_is(stored) ? BLOCK_AFTER_AT : FRAME_CHAIN_AT;
    return stored.size_bytes >= at + HASH_SHA256_BYTES ? stored.data + at : NULL;
}

/* Do the frame's bytes hold exactly its events? */
static enum err_code
check_events(const struct frame *frame, struct bytes events, enum log_stream stream,
             struct err *err)
{
    struct mp m = mp_of(events);
    for (uint32_t i = 0; i < frame->event_count; i++) {
        struct event e;
        struct quarantined q;
        struct event_defect defect = {"not a quarantined event"};
        bool ok = stream == LOG_EVENTS ? event_read(&m, &e, &defect) : quarantine_read(&m, &q);
        if (!ok)
            return err_set(err, ERR_CORRUPT, "event %" PRIu64 ": %s", frame->first_seq + i,
                           defect.text);
    }
    return m.p == m.end
               ? ERR_OK
               : err_set(err, ERR_CORRUPT, "bytes follow its %u events", frame->event_count);
}

/* A frame against the chain before it; prev_chain becomes its own. */
static enum err_code
check_frame(const struct frame *f, struct bytes events, const struct check_value *v,
            const uint8_t *prev_chain, struct err *err)
{
    uint8_t chain[HASH_SHA256_BYTES];
    if (prev_chain != NULL) {
        frame_chain(prev_chain, f, events, chain);
        if (memcmp(chain, f->chain, sizeof chain) != 0)
            return err_set(err, ERR_CORRUPT,
                           "the chain is broken: it does not follow the frame before");
    }
    return check_events(f, events, v->stream, err);
}

static enum err_code
check_one_frame(struct worker *w, struct check_value *v, struct err *err)
{
    struct frame f;
    struct bytes events;
    enum err_code code = frame_decode(v->stored, &f, err);
    if (code != ERR_OK)
        return code;
    v->can_tell = true;
    v->first_seq = f.first_seq;
    v->event_count = f.event_count;
    v->frames = 1;
    v->raw_bytes = f.raw_bytes;
    memcpy(v->chain, f.chain, sizeof v->chain);
    code = frame_events(w->codec, &f, &w->room, &events, err);
    return code == ERR_OK ? check_frame(&f, events, v, v->prev_chain, err) : code;
}

static enum err_code
check_block(struct worker *w, struct check_value *v, struct err *err)
{
    struct block *b = &w->block;
    const uint8_t *before = v->prev_chain;
    enum err_code code = block_open(b, v->stored, err);
    if (code != ERR_OK)
        return code;
    v->can_tell = true;
    v->first_seq = b->first_seq;
    v->event_count = b->event_count;
    v->frames = b->frames.count;
    memcpy(v->chain, b->after, sizeof v->chain);
    if (before != NULL && memcmp(before, b->before, sizeof b->before) != 0)
        return err_set(err, ERR_CORRUPT, "the chain is broken: it does not follow what is before");
    before = b->before;
    while (code == ERR_OK && b->given < b->frames.count) {
        struct frame f;
        v->bad_frame = ((const struct frame *)b->frames.items)[b->given].first_seq;
        w->room.size_bytes = 0;
        code = block_next(b, &w->room, &f, err);
        if (code != ERR_OK)
            break;
        /* Without stored chains block_next() has made this one from the one before, and the last is
         * the head's. */
        code = check_frame(&f, f.stored, v, b->has_chains ? before : NULL, err);
        v->raw_bytes += f.raw_bytes;
        before = ((const struct frame *)b->frames.items)[b->given - 1].chain;
    }
    return code;
}

static void
check(struct worker *w, struct check_value *v)
{
    struct err err;
    v->bad_frame = v->key;
    enum err_code code = block_is(v->stored) ? check_block(w, v, &err)
                                             : check_one_frame(w, v, &err);
    if (code == ERR_OK && v->first_seq != v->key)
        code = err_set(&err, ERR_CORRUPT, "is stored under the number %" PRIu64, v->key);
    v->sound = code == ERR_OK;
    if (code != ERR_OK)
        snprintf(v->text, sizeof v->text, "%s", err.text);
}

static void *
work(void *argument)
{
    struct worker *w = argument;
    struct checker *c = w->checker;
    for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < c->count;)
        check(w, &c->values[i]);
    return NULL;
}

void
checker_run(struct checker *checker, struct check_value *values, size_t count)
{
    struct checker *c = checker;
    size_t bytes = 0;
    unsigned started = 1;
    for (size_t i = 0; i < count; i++)
        bytes += values[i].stored.size_bytes;
    c->values = values;
    c->count = count;
    atomic_store(&c->next, 0);
    /* A system that has no thread to give makes it slower, nothing else. */
    while (bytes > ALONE_BYTES && started < c->threads && started < count &&
           pthread_create(&c->workers[started].thread, NULL, work, &c->workers[started]) == 0)
        started++;
    work(&c->workers[0]);
    while (started > 1)
        pthread_join(c->workers[--started].thread, NULL);
}
