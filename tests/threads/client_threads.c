/*
 * Eight threads track, flush, wait and check on one client with a spill file, while
 * its agent drops the connection, falls silent and restarts.  Built and run with
 * ThreadSanitizer, which ends it when two threads meet without a lock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest/client/gbill.h"
#include "tests/ingest/fake_agent.h"

enum { THREADS = 8, EVENTS = 1500, ROUNDS = 12 };

static struct gbill *client;

static void
fail(const char *what, const char *why)
{
    fprintf(stderr, "client_threads: %s: %s\n", what, why);
    exit(1);
}

static void *
track(void *context)
{
    unsigned number = *(unsigned *)context;
    struct gbill_usage usage = {.organization_id = "acme",
                                .user_id = "u",
                                .type = "chat",
                                .provider = "openai",
                                .model = "gpt-4o-mini",
                                .input_tokens = 1};
    struct gbill_err err;
    struct gbill_check check;
    for (unsigned i = 0; i < EVENTS; i++) {
        char id[32];
        snprintf(id, sizeof id, "e-%u", number * EVENTS + i);
        usage.id = i % 2 == 0 ? id : NULL;
        while (gbill_track(client, &usage, &err) != GBILL_OK) {
            if (err.code != GBILL_FULL)
                fail("track", err.text);
            (void)!gbill_wait(client, 100, &err);
        }
        if (i % 100 == number)
            (void)!gbill_flush(client, number, &err);
        (void)!gbill_check(client, &check);
    }
    return NULL;
}

static void
trouble_the_agent(struct fake *fake)
{
    for (int i = 0; i < ROUNDS; i++) {
        usleep(10000);
        fake->drop = true;
        usleep(10000);
        fake->mode = i % 2 == 0 ? FAKE_SILENT : FAKE_ACK;
        if (i % 3 == 0) {
            fake_stop(fake);
            usleep(5000);
            fake_start(fake, FAKE_ACK);
        }
    }
    fake->mode = FAKE_ACK;
    fake->drop = true;
}

int
main(void)
{
    struct fake *fake = fake_new();
    char spill[128];
    snprintf(spill, sizeof spill, "%s/spill", fake->folder);
    const struct gbill_options options = {.socket_path = fake->path,
                                          .spill_path = spill,
                                          .queue_bytes = GBILL_QUEUE_BYTES_MIN,
                                          .chunk_events = 20};
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    struct gbill_err err;
    struct gbill_check check;
    fake_start(fake, FAKE_ACK);
    if (gbill_open(&client, &options, &err) != GBILL_OK)
        fail("open", err.text);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, track, &numbers[i]);
    }
    trouble_the_agent(fake);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    if (gbill_flush(client, 60000, &err) != GBILL_OK)
        fail("flush", err.text);
    if (gbill_check(client, &check) != GBILL_OK || check.events_acked != THREADS * EVENTS)
        fail("check", check.trouble);
    gbill_close(client);
    fake_stop(fake);
    if (fake->event_count != THREADS * EVENTS)
        fail("the agent", "it has another number of events");
    unlink(spill);
    fake_free(fake);
    printf("%d events from %d threads, each acknowledged once\n", THREADS * EVENTS, THREADS);
    return 0;
}
