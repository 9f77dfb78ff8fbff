/*
 * rollup/map.h - sums of one batch in memory: fixed-size key -> fixed-size value.
 *
 * An open-addressing hash table over an array of entries.  Values start as zero.  Used
 * for the usage rows, the balance and nothing that lives longer than a batch.
 */
#ifndef ROLLUP_MAP_H
#define ROLLUP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint32_t tag;   /* of the hash, to skip most comparisons */
    uint32_t entry; /* index + 1, or 0 */
};

struct map {
    size_t key_bytes, value_at, entry_bytes;
    uint8_t *entries; /* key and value beside each other, in order of first use */
    struct map_slot *slots;
    size_t count, room, slot_count;
};

/* key_bytes >= 8; values are aligned for any type. */
void map_init(struct map *map, size_t key_bytes, size_t value_bytes);
void map_clear(struct map *map); /* free; empty and usable again */
void map_reset(struct map *map); /* empty, keeps its memory */

/* The hash of a key, for the calls below. */
uint64_t map_hash(const struct map *map, const void *key);

/*
 * The value of a key, made as zeros if it is new.  NULL out of memory.  Valid
 * until the next map_at().
 */
void *map_at(struct map *map, const void *key, uint64_t hash);

/* The value of a key, or NULL if it has none. */
void *map_find(const struct map *map, const void *key, uint64_t hash);

/* Ask the cache for what map_at() will need: first the slot, some time later the entry. */
static inline void
map_prefetch_slot(const struct map *map, uint64_t hash)
{
    if (map->slot_count > 0)
        __builtin_prefetch(&map->slots[hash & (map->slot_count - 1)]);
}

static inline void
map_prefetch_index(const struct map *map, uint32_t index)
{
    const uint8_t *p = map->entries + index * map->entry_bytes;
    __builtin_prefetch(p, 1);
    __builtin_prefetch(p + 64, 1);
}

static inline void
map_prefetch_entry(const struct map *map, uint64_t hash)
{
    if (map->slot_count == 0)
        return;
    uint32_t entry = map->slots[hash & (map->slot_count - 1)].entry;
    if (entry != 0)
        map_prefetch_index(map, entry - 1);
}

enum { MAP_SORT_KEY_BYTES_MAX = 32 };

/*
 * The entries' indexes in key order (memcmp), for writing them to a table.
 * Keys have at most MAP_SORT_KEY_BYTES_MAX bytes.  Returns NULL out of memory; else count numbers, taken by the caller: free().
 */
uint32_t *map_sorted(const struct map *map);

static inline const uint8_t *
map_key(const struct map *map, uint32_t index)
{
    return map->entries + index * map->entry_bytes;
}

static inline void *
map_value_of(struct map *map, uint32_t index)
{
    return map->entries + index * map->entry_bytes + map->value_at;
}

static inline const void *
map_value(const struct map *map, uint32_t index)
{
    return map->entries + index * map->entry_bytes + map->value_at;
}

#endif
