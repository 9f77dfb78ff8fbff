/*
 * tests/bench/workload.h - realistic usage events: 1,000 organizations of skewed
 * size, 20 users (eight at work at a time) and 5 projects each, 12 models, UUID
 * ids.  Seeded.
 *
 * An event is a function of where the random numbers stood and of the time then,
 * so a retry of any earlier event is made by remembering those two.
 */
#ifndef TESTS_BENCH_WORKLOAD_H
#define TESTS_BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"

enum { WORKLOAD_RETRY_EVENTS = 32768 }; /* a retry comes at most so many events later */

struct workload_origin {
    uint64_t seed;
    int64_t now_ms;
};

struct workload {
    uint64_t seed;
    int64_t now_ms;    /* the caller may let it pass */
    int64_t spread_ms; /* event times lie in now - spread to now */
    unsigned duplicate_percent;
    unsigned late_percent; /* these happened an hour to three days before */
    uint64_t made;         /* events that are no retry */
    struct workload_origin origins[WORKLOAD_RETRY_EVENTS];
};

/* One call of a model, as an app would track it. */
struct workload_event {
    char id[40], organization[16], user[16], project[16];
    const char *type, *provider, *model;
    const char *tier; /* NULL: the response named none */
    int64_t time_ms;
    uint64_t input_tokens; /* not counting cached ones */
    uint64_t cached_tokens, output_tokens, latency_ms;
    bool failed;
};

/* The next random number (xorshift); seed is never 0. */
uint64_t workload_roll(uint64_t *seed);

void workload_init(struct workload *w, uint64_t seed, int64_t now_ms);

/* Make the next event. */
void workload_next(struct workload *w, struct workload_event *ret);

/* Append an event's record, a msgpack map, as a client sends it; its time goes beside it. */
void workload_record(const struct workload_event *event, struct buf *out);

/* Append a PackedForward message of `events` next events with the given chunk id. */
void workload_chunk(struct workload *w, struct buf *out, uint32_t events, const char *chunk);

/* Append a Message of the next event with the given chunk id. */
void workload_message(struct workload *w, struct buf *out, const char *chunk);

#endif
