/*
 * store/tables/id_filter.h - "surely not in this run" in one cache line: a blocked
 * Bloom filter over id hashes.
 *
 * A filter is some number of 64-byte blocks; a hash belongs to one block
 * (by its upper half, so that sorted hashes fill blocks in order) and sets
 * FILTER_PROBES of its 512 bits (by its lower half).  With 12 bits an id about one
 * unknown id in 140 is let through (measured by the test).
 *
 * Source: Putze, Sanders, Singler, Cache-, Hash- and Space-Efficient Bloom Filters, 2007.
 */
#ifndef STORE_TABLES_ID_FILTER_H
#define STORE_TABLES_ID_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/hash.h"

enum { FILTER_BLOCK_BYTES = 64, FILTER_BITS_PER_ID = 12, FILTER_PROBES = 6 };

/* The bytes of a filter for so many ids, > 0; it begins as zeros. */
static inline size_t
filter_bytes(size_t ids)
{
    return (ids * FILTER_BITS_PER_ID / (8 * FILTER_BLOCK_BYTES) + 1) * FILTER_BLOCK_BYTES;
}

static inline size_t
filter_block(size_t bytes, struct hash_id hash)
{
    uint64_t blocks = bytes / FILTER_BLOCK_BYTES;
    return (size_t)((hash.hi >> 32) * blocks >> 32) * FILTER_BLOCK_BYTES;
}

static inline void
filter_add(uint8_t *filter, size_t bytes, struct hash_id hash)
{
    uint8_t *block = filter + filter_block(bytes, hash);
    for (unsigned i = 0; i < FILTER_PROBES; i++) {
        unsigned bit = hash.lo >> (9 * i) & 511;
        block[bit / 8] |= (uint8_t)(1U << bit % 8);
    }
}

/* All probes without a branch: where the first of them fails cannot be foretold. */
static inline bool
filter_has(struct bytes filter, struct hash_id hash)
{
    const uint8_t *block = filter.data + filter_block(filter.size_bytes, hash);
    unsigned all = 1;
    for (unsigned i = 0; i < FILTER_PROBES; i++) {
        unsigned bit = hash.lo >> (9 * i) & 511;
        all &= (unsigned)block[bit / 8] >> bit % 8;
    }
    return all != 0;
}

static inline void
filter_prefetch(struct bytes filter, struct hash_id hash)
{
    __builtin_prefetch(filter.data + filter_block(filter.size_bytes, hash));
}

#endif
