/*
 * bench_track SOCKET: what gbill_track() costs its caller, one by one, in three
 * conditions: now and then (each event finds the client's thread asleep), as fast as
 * it goes, and from four threads at once.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ingest/client/gbill.h"
#include "store/base/clock.h"

enum { RARE = 2000, FAST = 200000, THREADS = 4, RARE_PAUSE_NS = 500000 };

static struct gbill *client;
static uint64_t full_count;

static void
fail(const char *what, const struct gbill_err *err)
{
    fprintf(stderr, "bench_track: %s: %s\n", what, err->text);
    exit(1);
}

static int
compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A call that finds the queue full is timed too, and made again when there is room. */
static void
track(int64_t *took_ns, size_t count, long pause_ns)
{
    const struct gbill_usage usage = {.organization_id = "org-0001",
                                      .user_id = "user-000017",
                                      .project_id = "project-3",
                                      .type = "chat",
                                      .provider = "anthropic",
                                      .model = "claude-sonnet-4-5",
                                      .input_tokens = 1500,
                                      .output_tokens = 300,
                                      .cached_input_tokens = 1200,
                                      .latency_ms = 812};
    struct gbill_err err;
    for (size_t i = 0; i < count; i++) {
        int64_t before_ns = clock_monotonic_ns();
        enum gbill_code code = gbill_track(client, &usage, &err);
        took_ns[i] = clock_monotonic_ns() - before_ns;
        if (code == GBILL_FULL) {
            __atomic_fetch_add(&full_count, 1, __ATOMIC_RELAXED);
            if (gbill_wait(client, 10000, &err) != GBILL_OK)
                fail("wait", &err);
        } else if (code != GBILL_OK) {
            fail("track", &err);
        }
        if (pause_ns > 0)
            nanosleep(&(struct timespec){.tv_nsec = pause_ns}, NULL);
    }
}

static void
report(const char *how, int64_t *took_ns, size_t count)
{
    qsort(took_ns, count, sizeof *took_ns, compare);
    printf("track  %-28s p50 %6.2f us  p99 %6.2f us  p99.9 %7.2f us  worst %8.2f us\n", how,
           (double)took_ns[count / 2] / 1000, (double)took_ns[count / 100 * 99] / 1000,
           (double)took_ns[count / 1000 * 999] / 1000, (double)took_ns[count - 1] / 1000);
}

static void *
track_fast(void *took_ns)
{
    track(took_ns, FAST, 0);
    return NULL;
}

static void
flush(void)
{
    struct gbill_err err;
    if (gbill_flush(client, 30000, &err) != GBILL_OK)
        fail("flush", &err);
}

int
main(int argc, char **argv)
{
    const struct gbill_options options = {.socket_path = argc > 1 ? argv[1] : NULL,
                                          .queue_bytes = 64 * 1024 * 1024};
    int64_t *took_ns = calloc((size_t)FAST * THREADS, sizeof *took_ns);
    pthread_t threads[THREADS];
    struct gbill_err err;
    if (took_ns == NULL || gbill_open(&client, &options, &err) != GBILL_OK)
        fail("open", &err);
    track(took_ns, RARE, RARE_PAUSE_NS);
    flush();
    report("one every 0.5 ms", took_ns, RARE);
    int64_t start_ns = clock_monotonic_ns();
    track(took_ns, FAST, 0);
    flush();
    int64_t whole_ns = clock_monotonic_ns() - start_ns;
    report("one thread, without a pause", took_ns, FAST);
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, track_fast, took_ns + i * FAST);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    flush();
    report("four threads, without a pause", took_ns, (size_t)FAST * THREADS);
    printf("track  goal: p50 10 us or less; %lu calls found the queue full; one thread to the last "
           "ack: %.0f events/s\n",
           (unsigned long)full_count, FAST / ((double)whole_ns / 1e9));
    gbill_close(client);
    free(took_ns);
    return 0;
}
