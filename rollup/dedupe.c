#include "rollup/dedupe.h"

#include <stdlib.h>
#include <string.h>

enum { RADIX_BITS = 11, RADIX_BUCKETS = 1 << RADIX_BITS, RADIX_PASSES = 3 };

/* One stable pass over RADIX_BITS bits of the hash's upper half. */
static void
radix_pass(const struct dedupe_entry *from, struct dedupe_entry *to, size_t count, unsigned shift)
{
    size_t start[RADIX_BUCKETS] = {0};
    for (size_t i = 0; i < count; i++)
        start[from[i].id.hash.hi >> shift & (RADIX_BUCKETS - 1)]++;
    size_t sum = 0;
    for (size_t b = 0; b < RADIX_BUCKETS; b++) {
        size_t n = start[b];
        start[b] = sum;
        sum += n;
    }
    for (size_t i = 0; i < count; i++)
        to[start[from[i].id.hash.hi >> shift & (RADIX_BUCKETS - 1)]++] = from[i];
}

/*
 * By hash, equal hashes in log order.  The hash is uniform, so after the top 33
 * bits hardly two entries are out of order; insertion, stable too, mends those.
 */
static struct dedupe_entry *
sort_entries(struct dedupe_entry *entries, struct dedupe_entry *spare, size_t count)
{
    for (unsigned pass = 0; pass < RADIX_PASSES; pass++) {
        unsigned shift = 64 - RADIX_BITS * (RADIX_PASSES - pass);
        radix_pass(entries, spare, count, shift);
        struct dedupe_entry *t = entries;
        entries = spare;
        spare = t;
    }
    for (size_t i = 1; i < count; i++) {
        struct dedupe_entry e = entries[i];
        size_t j = i;
        for (; j > 0 && id_compare(e.id.hash, entries[j - 1].id.hash) < 0; j--)
            entries[j] = entries[j - 1];
        entries[j] = e;
    }
    return entries;
}

enum err_code
dedupe_reserve(struct dedupe *dedupe, size_t room, struct err *err)
{
    struct dedupe *d = dedupe;
    struct {
        void **array;
        size_t element_bytes;
    } arrays[] = {
        {(void **)&d->entries, sizeof *d->entries},     {(void **)&d->spare, sizeof *d->spare},
        {(void **)&d->distinct, sizeof *d->distinct},   {(void **)&d->counted, sizeof *d->counted},
        {(void **)&d->duplicate, sizeof *d->duplicate},
    };
    if (room <= d->room)
        return ERR_OK;
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        void *p = realloc(*arrays[i].array, room * arrays[i].element_bytes);
        if (p == NULL)
            return err_set(err, ERR_LIMIT, "no memory for the ids of %zu events", room);
        *arrays[i].array = p;
    }
    d->room = room;
    return ERR_OK;
}

void
dedupe_clear(struct dedupe *dedupe)
{
    free(dedupe->entries);
    free(dedupe->spare);
    free(dedupe->distinct);
    free(dedupe->counted);
    free(dedupe->duplicate);
    *dedupe = (struct dedupe){0};
}

enum err_code
dedupe_batch(struct dedupe *dedupe, struct tables_txn *txn, struct err *err)
{
    struct dedupe *d = dedupe;
    size_t distinct = 0, fresh = 0;
    if (d->count == 0)
        return ERR_OK;
    const struct dedupe_entry *sorted = sort_entries(d->entries, d->spare, d->count);
    /* The other array is free now: it takes the index of each distinct id. */
    struct dedupe_entry *other = sorted == d->entries ? d->spare : d->entries;
    for (size_t i = 0; i < d->count; i++) {
        if (distinct > 0 && id_compare(d->distinct[distinct - 1].hash, sorted[i].id.hash) == 0) {
            d->duplicate[sorted[i].index] = 1;
            continue;
        }
        d->distinct[distinct] = sorted[i].id;
        other[distinct++].index = sorted[i].index;
    }
    ids_find(txn, d->distinct, distinct, d->counted);
    for (size_t i = 0; i < distinct; i++) {
        if (d->counted[i] != 0)
            d->duplicate[other[i].index] = 1;
        else
            d->distinct[fresh++] = d->distinct[i];
    }
    return ids_add(txn, d->distinct, fresh, err);
}
