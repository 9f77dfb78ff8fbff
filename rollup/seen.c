#include "rollup/seen.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/heap.h"

enum {
    SEEN_ROOM_FIRST = 1024,
    LOOK_AHEAD = 24,
    INDEX_BITS = 24, /* of a slot; the others are of the hash, to skip most comparisons */
    BUCKET_BITS = 11,
    BUCKETS = 1 << BUCKET_BITS,
    SORT_FEW = 64,
};

#define INDEX_MASK (((uint32_t)1 << INDEX_BITS) - 1)
/* In a mark: this id is a run's, or the transaction before's. */
#define IN_A_RUN ((uint64_t)1 << 63)

static void
drop_sorted(struct seen *seen)
{
    heap_resize(seen->sorted, seen->sorted_room * sizeof *seen->sorted, 0);
    seen->sorted = NULL;
    seen->sorted_count = seen->sorted_room = 0;
}

void
seen_clear(struct seen *seen)
{
    heap_resize(seen->entries, seen->room * sizeof *seen->entries, 0);
    heap_resize(seen->slots, seen->slot_count * sizeof *seen->slots, 0);
    drop_sorted(seen);
    free(seen->marks);
    *seen = (struct seen){0};
}

void
seen_reset(struct seen *seen)
{
    seen->count = 0;
    if (seen->slots != NULL)
        memset(seen->slots, 0, seen->slot_count * sizeof *seen->slots);
}

/* The slot's place comes from bits that neither sort nor filter begin with. */
static size_t
slot_index(struct hash_id hash, size_t slot_count)
{
    return (size_t)(hash.lo >> 8) & (slot_count - 1);
}

static uint32_t
tag_of(struct hash_id hash)
{
    return (uint32_t)hash.lo << INDEX_BITS;
}

/* The hash's slot, or the free one where it belongs. */
static uint32_t *
slot_of(const struct seen *s, struct hash_id hash)
{
    uint32_t tag = tag_of(hash);
    for (size_t i = slot_index(hash, s->slot_count);; i = (i + 1) & (s->slot_count - 1)) {
        uint32_t slot = s->slots[i];
        if (slot == 0 || ((slot & ~INDEX_MASK) == tag &&
                          id_compare(s->entries[(slot & INDEX_MASK) - 1].hash, hash) == 0))
            return &s->slots[i];
    }
}

static bool
reserve(struct seen *s, size_t more)
{
    size_t need = s->count + more, room = s->room == 0 ? SEEN_ROOM_FIRST : s->room;
    if (need <= s->room)
        return true;
    while (room < need)
        room *= 2;
    uint32_t *slots = heap_resize(NULL, 0, room * 2 * sizeof *slots);
    struct id_entry *entries =
        slots == NULL ? NULL
                      : heap_resize(s->entries, s->room * sizeof *entries, room * sizeof *entries);
    if (entries == NULL) {
        heap_resize(slots, slots == NULL ? 0 : room * 2 * sizeof *slots, 0);
        return false;
    }
    heap_resize(s->slots, s->slot_count * sizeof *s->slots, 0);
    s->entries = entries;
    s->slots = slots;
    s->slot_count = room * 2;
    s->room = room;
    for (size_t i = 0; i < s->count; i++)
        *slot_of(s, entries[i].hash) = tag_of(entries[i].hash) | (uint32_t)(i + 1);
    return true;
}

/* Those of the transaction first; what is new to it stands behind the others. */
static void
look_among_seen(struct seen *s, const struct id_entry *events, size_t count, uint64_t *ret_marks)
{
    for (size_t i = 0; i < count; i++) {
        if (i + LOOK_AHEAD < count)
            __builtin_prefetch(&s->slots[slot_index(events[i + LOOK_AHEAD].hash, s->slot_count)],
                               1);
        uint32_t *slot = slot_of(s, events[i].hash);
        ret_marks[i] = 0;
        if (*slot != 0) {
            ret_marks[i] = s->entries[(*slot & INDEX_MASK) - 1].mark & ~IN_A_RUN;
            continue;
        }
        s->entries[s->count++] = events[i];
        *slot = tag_of(events[i].hash) | (uint32_t)s->count;
    }
}

uint64_t
seen_find(const struct seen *seen, struct hash_id hash)
{
    if (seen->count == 0)
        return 0;
    uint32_t slot = *slot_of(seen, hash);
    return slot != 0 ? seen->entries[(slot & INDEX_MASK) - 1].mark & ~IN_A_RUN : 0;
}

/* What the transaction before knows of the new ones; 0: nothing. */
static void
look_among_older(const struct seen *older, const struct id_entry *events, size_t count,
                 uint64_t *ret_marks)
{
    bool any = older != NULL && older->count > 0;
    for (size_t i = 0; i < count; i++) {
        if (any && i + LOOK_AHEAD < count)
            __builtin_prefetch(
                &older->slots[slot_index(events[i + LOOK_AHEAD].hash, older->slot_count)]);
        ret_marks[i] = any ? seen_find(older, events[i].hash) : 0;
    }
}

enum err_code
seen_batch(struct seen *seen, const struct seen *older, struct ids *ids,
           const struct id_entry *events, size_t count, uint64_t *ret_marks, struct err *err)
{
    struct seen *s = seen;
    if (count > s->marks_room) {
        uint64_t *marks = realloc(s->marks, count * sizeof *marks);
        if (marks == NULL)
            return err_set(err, ERR_LIMIT, "no memory for the ids of %zu events", count);
        s->marks = marks;
        s->marks_room = count;
    }
    if (!reserve(s, count))
        return err_set(err, ERR_LIMIT, "no memory for %zu ids", s->count + count);
    size_t before = s->count;
    look_among_seen(s, events, count, ret_marks);
    size_t fresh = s->count - before;
    if (fresh == 0)
        return ERR_OK;
    uint64_t first_seq = id_mark_seq(s->entries[before].mark);
    look_among_older(older, s->entries + before, fresh, s->marks);
    ids_find(ids, s->entries + before, fresh, s->marks);
    /* Both lists are in log order: walk them together. */
    for (size_t i = 0, f = 0; i < count; i++) {
        if (ret_marks[i] == 0) {
            ret_marks[i] = s->marks[f];
            if (s->marks[f] != 0)
                s->entries[before + f].mark = s->marks[f] | IN_A_RUN;
            f++;
        } else if (id_mark_seq(ret_marks[i]) >= first_seq) {
            /* A second one of this batch: the first may be a duplicate itself. */
            ret_marks[i] = s->entries[(*slot_of(s, events[i].hash) & INDEX_MASK) - 1].mark &
                           ~IN_A_RUN;
        }
    }
    return ERR_OK;
}

static size_t
digit_of(const struct id_entry *e, unsigned shift)
{
    return (size_t)(e->hash.hi >> shift) & (BUCKETS - 1);
}

/* Entries that are nearly sorted, or few. */
static void
sort_by_insertion(struct id_entry *e, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct id_entry t = e[i];
        size_t j = i;
        for (; j > 0 && id_compare(t.hash, e[j - 1].hash) < 0; j--)
            e[j] = e[j - 1];
        e[j] = t;
    }
}

/* Where each bucket begins, from its count; *ends afterwards is where it ends. */
static void
begin_buckets(size_t counts[BUCKETS], size_t ends[BUCKETS])
{
    size_t sum = 0;
    for (size_t b = 0; b < BUCKETS; b++) {
        size_t n = counts[b];
        counts[b] = sum;
        ends[b] = sum += n;
    }
}

/* One bucket of the first digit by its second; the rest of the hash decides hardly anything. */
static void
sort_bucket(struct id_entry *e, size_t count, struct id_entry *spare)
{
    size_t at[BUCKETS] = {0}, ends[BUCKETS];
    for (size_t i = 0; i < count; i++)
        at[digit_of(&e[i], 64 - 2 * BUCKET_BITS)]++;
    begin_buckets(at, ends);
    memcpy(spare, e, count * sizeof *e);
    for (size_t i = 0; i < count; i++)
        e[at[digit_of(&spare[i], 64 - 2 * BUCKET_BITS)]++] = spare[i];
    sort_by_insertion(e, count);
}

static bool
is_new(const struct id_entry *e)
{
    return (e->mark & IN_A_RUN) == 0;
}

/*
 * Radix sort of the new ones into e, which has room for all: by the first digit on
 * their way there, and a bucket of it then fits the cache.  False out of memory.
 */
static bool
sort_new(const struct id_entry *from, size_t count, struct id_entry *e, size_t *ret_count)
{
    size_t at[BUCKETS] = {0}, ends[BUCKETS], largest = 0;
    for (size_t i = 0; i < count; i++)
        at[digit_of(&from[i], 64 - BUCKET_BITS)] += is_new(&from[i]);
    for (size_t b = 0; b < BUCKETS; b++)
        largest = at[b] > largest ? at[b] : largest;
    struct id_entry *spare = largest > SORT_FEW ? malloc(largest * sizeof *spare) : NULL;
    if (largest > SORT_FEW && spare == NULL)
        return false;
    begin_buckets(at, ends);
    for (size_t i = 0; i < count; i++) {
        if (is_new(&from[i]))
            e[at[digit_of(&from[i], 64 - BUCKET_BITS)]++] = from[i];
    }
    for (size_t b = 0, begin = 0; b < BUCKETS; begin = ends[b++]) {
        if (ends[b] - begin <= SORT_FEW)
            sort_by_insertion(e + begin, ends[b] - begin);
        else
            sort_bucket(e + begin, ends[b] - begin, spare);
    }
    free(spare);
    *ret_count = ends[BUCKETS - 1];
    return true;
}

enum err_code
seen_sort(struct seen *seen, struct err *err)
{
    /* A copy, since the next transaction looks its ids up in the original. */
    drop_sorted(seen);
    seen->sorted = heap_resize(NULL, 0, (seen->count + 1) * sizeof *seen->sorted);
    if (seen->sorted == NULL)
        return err_set(err, ERR_LIMIT, "no memory to sort %zu ids", seen->count);
    seen->sorted_room = seen->count + 1;
    return sort_new(seen->entries, seen->count, seen->sorted, &seen->sorted_count)
               ? ERR_OK
               : err_set(err, ERR_LIMIT, "no memory to sort %zu ids", seen->count);
}

enum err_code
seen_write(struct seen *seen, struct tables_txn *txn, struct err *err)
{
    enum err_code code = ids_add(txn, seen->sorted, seen->sorted_count, err);
    drop_sorted(seen);
    return code;
}
