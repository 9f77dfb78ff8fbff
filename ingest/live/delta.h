/*
 * ingest/live/delta.h - what every organization used since its snapshot: sums by
 * the number in the log that they end at, in bounded memory.
 *
 * A sum may come out too large, never too small: where a snapshot's position falls
 * into a bucket, all of the bucket counts.  A bucket takes a second; of eight the
 * two oldest become one when a ninth is needed.  What all snapshots hold already
 * is forgotten.  One thread.
 */
#ifndef INGEST_LIVE_DELTA_H
#define INGEST_LIVE_DELTA_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/live/poster.h"

/* An organization's place here is its row's on the board. */
enum { DELTA_BUCKETS = 8, DELTA_WAYS = BOARD_WAYS, DELTA_SETS = BOARD_SETS };

struct delta_bucket {
    uint64_t last_seq;               /* of the log */
    int64_t last_ms;                 /* the latest time of its events */
    int64_t begun_s;                 /* monotonic */
    uint64_t used[LIMIT_DIMENSIONS]; /* tokens; things created */
};

struct delta_org {
    uint64_t held[LIMIT_DIMENSIONS];
    uint32_t bucket_count;
    struct delta_bucket buckets[DELTA_BUCKETS]; /* oldest first */
};

struct delta {
    /* DELTA_SETS sets of DELTA_WAYS.  The keys lie together, so that to look through a set is one
       line of memory, not one of each organization. */
    uint64_t *keys; /* 0: free */
    struct delta_org *orgs;
    uint64_t floor_seq;    /* every snapshot holds for this position at least */
    uint64_t lost_seq;     /* up to here something found no room; 0: nothing */
    struct poster *poster; /* borrowed; a row goes with its organization; NULL: none */
};

/* What is added to an organization. */
struct delta_use {
    uint64_t key;
    enum limit_dimension dimension;
    uint64_t units, seq;
    int64_t time_utc_ms;
};

bool delta_init(struct delta *delta) __attribute__((warn_unused_result)); /* false: no memory */
void delta_clear(struct delta *delta);

/* An organization, or NULL when nothing is known of it. */
struct delta_org *delta_find(const struct delta *delta, uint64_t key);

/* The same, made if needed; NULL when there is no room. */
struct delta_org *delta_take(struct delta *delta, uint64_t key);

/* Returns whose it is; NULL: without room the use is lost, lost_seq says so. */
struct delta_org *delta_add(struct delta *delta, const struct delta_use *use, int64_t now_s);

/* Used behind a position of the log, by events of from_ms on.  org may be NULL. */
uint64_t delta_since(const struct delta_org *org, uint64_t position, int64_t from_ms,
                     enum limit_dimension dimension);

#endif
