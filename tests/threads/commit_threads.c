/*
 * One thread offers batches of every size to the committer, takes some back to fill them
 * on, commits small ones itself, over a midnight; all of them must come back in order, and
 * lie in the log in order, each event once.  Built and run with ThreadSanitizer, which ends
 * it when two threads meet without a lock.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest/commit.h"
#include "store/base/time.h"
#include "store/log/reader.h"
#include "tests/support/tree_remove.h"

enum { STEPS = 300, EVENT_BYTES = 64, LARGE_EVENTS = 8000, DAY = 20781 };

static struct batch batches[COMMIT_BATCHES];
static struct batch *spare[COMMIT_BATCHES];
static size_t spare_count;
static struct committer *committer;
static uint64_t filled, flushed; /* events */
static uint64_t seed = 20261129;

static void
fail(const char *what, const char *why)
{
    fprintf(stderr, "commit_threads: %s: %s\n", what, why);
    exit(1);
}

static uint64_t
roll(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

/* Events that say which they are. */
static void
fill(struct batch *b, size_t count, int64_t now_ms)
{
    if (batch_is_empty(b))
        b->receive_utc_ms = now_ms;
    for (size_t i = 0; i < count; i++) {
        uint8_t event[EVENT_BYTES] = {0};
        memcpy(event, &filled, sizeof filled);
        if (!buf_append(&b->events, event, sizeof event))
            fail("fill", "no memory");
        b->event_count++;
        filled++;
    }
}

static uint64_t
first_of(const uint8_t *events)
{
    uint64_t n;
    memcpy(&n, events, sizeof n);
    return n;
}

/* What is flushed, in the order in which it was filled. */
static void
collect(void)
{
    struct batch *b;
    struct commit_state state;
    while ((b = commit_collect(committer)) != NULL) {
        if (b->event_count > 0 && first_of(b->events.data) != flushed)
            fail("a batch came back", "out of order");
        flushed += b->event_count;
        batch_reset(b);
        spare[spare_count++] = b;
    }
    commit_state(committer, &state);
    if (state.failed != ERR_OK)
        fail("the committer", state.err.text);
}

static void
wait_and_collect(void)
{
    struct pollfd p = {commit_wake_fd(committer), POLLIN, 0};
    uint64_t n;
    if (poll(&p, 1, 10000) != 1 || read(p.fd, &n, sizeof n) != sizeof n)
        fail("wait", "nothing comes back for ten seconds");
    collect();
}

/* One to three batches, offered as fast as they are taken. */
static void
step(int64_t now_ms)
{
    struct batch *ready[3];
    size_t count = 1 + roll(3), got = 0;
    ready[0] = commit_withdraw(committer); /* to be filled on */
    got = ready[0] != NULL;
    while (got == 0 && spare_count == 0)
        wait_and_collect();
    while (got < count && spare_count > 0)
        ready[got++] = spare[--spare_count];
    for (size_t i = 0; i < got; i++)
        fill(ready[i], roll(3) == 0 ? roll(200) : roll(LARGE_EVENTS), now_ms);
    for (size_t i = 0; i < got; i++) {
        struct batch *b = ready[i];
        if (batch_is_empty(b) && !buf_append(&b->acks, "ack", 3)) /* of a chunk of nothing */
            fail("fill", "no memory");
        if (b->event_count < 100 && commit_now(committer, b))
            continue;
        while (!commit_offer(committer, b))
            collect();
    }
    collect();
    if (roll(20) == 0) {
        while (flushed < filled)
            wait_and_collect();
        if (!commit_settle(committer))
            fail("settle", "nothing is under way, and yet not now");
    }
}

/* Each event once, in order, in two days. */
static void
look(const char *directory)
{
    struct log_reader *reader;
    struct log_frame f;
    struct err err;
    bool more = true;
    uint64_t seen = 0;
    int32_t days = 0, day = 0;
    if (log_reader_open(directory, LOG_EVENTS, 0, &reader, &err) != ERR_OK)
        fail("open the log", err.text);
    log_reader_check_chain(reader);
    while (log_reader_next(reader, &f, &more, &err) == ERR_OK && more) {
        for (size_t at = 0; at < f.events.size_bytes; at += EVENT_BYTES) {
            if (first_of(f.events.data + at) != seen++)
                fail("the log", "an event is missing, twice or out of order");
        }
        days += f.day != day;
        day = f.day;
    }
    if (more)
        fail("read the log", err.text);
    if (seen != filled || days != 2)
        fail("the log", "has not all events of both days");
    log_reader_close(reader);
}

int
main(void)
{
    char directory[] = "/tmp/gbill-commit-XXXXXX";
    struct figures_commits figures;
    uint64_t next_seq[LOG_STREAMS];
    struct log_writer *writer;
    struct err err;
    if (mkdtemp(directory) == NULL)
        fail("mkdtemp", directory);
    if (log_writer_open(directory, &writer, &err) != ERR_OK ||
        commit_start(writer, 1000, &committer, &err) != ERR_OK)
        fail("start", err.text);
    for (size_t i = 0; i < COMMIT_BATCHES; i++) {
        batch_init(&batches[i]);
        spare[spare_count++] = &batches[i];
    }
    for (int i = 0; i < STEPS; i++)
        step((DAY + (i >= STEPS / 2)) * TIME_DAY_MS + i);
    commit_stop(committer);
    collect();
    commit_figures(committer, &figures, next_seq);
    if (flushed != filled || next_seq[LOG_EVENTS] != filled + 1 || figures.events.sum != filled)
        fail("the committer", "did not flush all, or miscounts");
    commit_free(committer);
    log_writer_close(writer);
    look(directory);
    for (size_t i = 0; i < COMMIT_BATCHES; i++)
        batch_clear(&batches[i]);
    printf("%llu events in %llu flushes, in order\n", (unsigned long long)filled,
           (unsigned long long)figures_count(&figures.flush_ns));
    return tree_remove(directory) == 0 ? 0 : 1;
}
