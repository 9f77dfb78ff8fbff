#include "rollup/dedupe.h"

#include <stdlib.h>
#include <string.h>

enum { RADIX_BITS = 11, RADIX_BUCKETS = 1 << RADIX_BITS, RADIX_PASSES = 3 };

/* One stable pass over RADIX_BITS bits of the hash's upper half. */
static void
radix_pass(const struct dedupe_entry *from, struct dedupe_entry *to, size_t count,
           unsigned shift)
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
dedupe_batch(struct tables_txn *txn, struct dedupe_entry *entries, struct dedupe_entry *spare,
             size_t count, uint8_t *ret_duplicate, struct err *err)
{
    if (count == 0)
        return ERR_OK;
    struct dedupe_entry *sorted = sort_entries(entries, spare, count);
    struct id_entry *ids = malloc(count * sizeof *ids);
    uint32_t *index = malloc(count * sizeof *index);
    uint64_t *counted = malloc(count * sizeof *counted);
    enum err_code code = ERR_OK;
    size_t distinct = 0, fresh = 0;
    if (ids == NULL || index == NULL || counted == NULL) {
        code = err_set(err, ERR_LIMIT, "no memory to look up %zu ids", count);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        if (distinct > 0 && id_compare(ids[distinct - 1].hash, sorted[i].id.hash) == 0) {
            ret_duplicate[sorted[i].index] = 1;
            continue;
        }
        ids[distinct] = sorted[i].id;
        index[distinct++] = sorted[i].index;
    }
    ids_find(txn, ids, distinct, counted);
    for (size_t i = 0; i < distinct; i++) {
        if (counted[i] != 0)
            ret_duplicate[index[i]] = 1;
        else
            ids[fresh++] = ids[i];
    }
    code = ids_add(txn, ids, fresh, err);
out:
    free(ids);
    free(index);
    free(counted);
    return code;
}
