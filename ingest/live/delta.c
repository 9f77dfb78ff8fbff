#include "ingest/live/delta.h"

#include <stdlib.h>
#include <string.h>

bool
delta_init(struct delta *d)
{
    size_t places = (size_t)DELTA_SETS * DELTA_WAYS;
    *d = (struct delta){.keys = calloc(places, sizeof *d->keys),
                        .orgs = calloc(places, sizeof *d->orgs)};
    return d->keys != NULL && d->orgs != NULL;
}

void
delta_clear(struct delta *d)
{
    free(d->keys);
    free(d->orgs);
    *d = (struct delta){0};
}

/* The place where its set begins. */
static size_t
set_of(uint64_t key)
{
    return key % DELTA_SETS * DELTA_WAYS;
}

struct delta_org *
delta_find(const struct delta *d, uint64_t key)
{
    size_t set = set_of(key);
    for (size_t i = set; i < set + DELTA_WAYS; i++) {
        if (d->keys[i] == key)
            return &d->orgs[i];
    }
    return NULL;
}

/* Snapshots hold all of it, and nothing is reserved. */
static bool
is_spent(const struct delta *d, const struct delta_org *org)
{
    uint64_t held = 0;
    for (int i = 0; i < LIMIT_DIMENSIONS; i++)
        held |= org->held[i];
    return held == 0 &&
           (org->bucket_count == 0 || org->buckets[org->bucket_count - 1].last_seq <= d->floor_seq);
}

static bool
is_posted(const struct delta *d, const struct delta_org *org)
{
    return d->poster != NULL && poster_has(d->poster, (size_t)(org - d->orgs));
}

/* A free place, else one that is missed least.  Not always the same one: those that are only asked
   about are all spent, and would drive one another out of it. */
static struct delta_org *
find_room(const struct delta *d, uint64_t key)
{
    struct delta_org *room = NULL;
    for (uint64_t i = 0; i < DELTA_WAYS; i++) {
        size_t place = set_of(key) + (i + key / DELTA_SETS) % DELTA_WAYS;
        struct delta_org *org = &d->orgs[place];
        if (d->keys[place] == 0)
            return org;
        if (is_spent(d, org) && (room == NULL || (is_posted(d, room) && !is_posted(d, org))))
            room = org;
    }
    return room;
}

struct delta_org *
delta_take(struct delta *d, uint64_t key)
{
    struct delta_org *org = delta_find(d, key);
    if (org != NULL)
        return org;
    org = find_room(d, key);
    if (org == NULL)
        return NULL;
    if (is_posted(d, org))
        poster_remove(d->poster, (size_t)(org - d->orgs));
    memset(org, 0, sizeof *org);
    d->keys[org - d->orgs] = key;
    return org;
}

static void
drop_oldest(struct delta_org *org)
{
    org->bucket_count--;
    memmove(org->buckets, org->buckets + 1, org->bucket_count * sizeof org->buckets[0]);
}

static void
merge(struct delta_bucket *into, const struct delta_bucket *b)
{
    for (int i = 0; i < LIMIT_DIMENSIONS; i++)
        into->used[i] += b->used[i];
    into->last_ms = b->last_ms > into->last_ms ? b->last_ms : into->last_ms;
}

static struct delta_bucket *
newest(struct delta *d, struct delta_org *org, int64_t now_s)
{
    if (org->bucket_count > 0 && org->buckets[org->bucket_count - 1].begun_s == now_s)
        return &org->buckets[org->bucket_count - 1];
    while (org->bucket_count > 0 && org->buckets[0].last_seq <= d->floor_seq)
        drop_oldest(org);
    if (org->bucket_count == DELTA_BUCKETS) {
        merge(&org->buckets[1], &org->buckets[0]);
        drop_oldest(org);
    }
    struct delta_bucket *b = &org->buckets[org->bucket_count++];
    *b = (struct delta_bucket){.begun_s = now_s};
    return b;
}

struct delta_org *
delta_add(struct delta *d, const struct delta_use *use, int64_t now_s)
{
    struct delta_org *org = delta_take(d, use->key);
    if (org == NULL) {
        d->lost_seq = use->seq;
        return NULL;
    }
    struct delta_bucket *b = newest(d, org, now_s);
    b->used[use->dimension] += use->units;
    b->last_seq = use->seq;
    b->last_ms = use->time_utc_ms > b->last_ms ? use->time_utc_ms : b->last_ms;
    return org;
}

uint64_t
delta_since(const struct delta_org *org, uint64_t position, int64_t from_ms,
            enum limit_dimension dimension)
{
    uint64_t sum = 0;
    for (uint32_t i = org != NULL ? org->bucket_count : 0; i > 0; i--) {
        const struct delta_bucket *b = &org->buckets[i - 1];
        if (b->last_seq <= position)
            break; /* and so are all before it */
        if (b->last_ms >= from_ms)
            sum += b->used[dimension];
    }
    return sum;
}
