/*
 * tests/bench/workload.h - realistic usage events: 1,000 organizations of skewed
 * size, 20 users and 5 projects each, 12 models, UUID ids.  Seeded.
 */
#ifndef TESTS_BENCH_WORKLOAD_H
#define TESTS_BENCH_WORKLOAD_H

#include <stdint.h>

#include "store/base/buf.h"

struct workload {
    uint64_t seed;
    int64_t now_ms, spread_ms; /* event times lie in now - spread to now */
    unsigned duplicate_percent;
    uint8_t last[512]; /* the record before, for a duplicate */
    size_t last_bytes;
    int64_t last_time_ms;
};

void workload_init(struct workload *w, uint64_t seed, int64_t now_ms);

/* Append the next event's record, a msgpack map, as a client sends it. */
void workload_record(struct workload *w, struct buf *out, int64_t *ret_time_ms);

/* Append a PackedForward message of `events` events with the given chunk id. */
void workload_chunk(struct workload *w, struct buf *out, uint32_t events, const char *chunk);

/* Append a Message of one event with the given chunk id. */
void workload_message(struct workload *w, struct buf *out, const char *chunk);

#endif
