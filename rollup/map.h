/*
 * rollup/map.h - sums of one batch in memory: fixed-size key -> fixed-size value.
 *
 * An open-addressing hash table over two arrays.  Values start as zero.  Used
 * for the usage rows, the balance and nothing that lives longer than a batch.
 */
#ifndef ROLLUP_MAP_H
#define ROLLUP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
    size_t key_bytes, value_bytes;
    uint8_t *keys, *values; /* count of each, in order of first use */
    uint32_t *slots;        /* index + 1, or 0 */
    size_t count, room, slot_count;
};

void map_init(struct map *map, size_t key_bytes, size_t value_bytes);
void map_clear(struct map *map); /* free; empty and usable again */
void map_reset(struct map *map); /* empty, keeps its memory */

/*
 * The value of a key, made as zeros if it is new.  NULL out of memory.  Valid
 * until the next map_at().
 */
void *map_at(struct map *map, const void *key);

/*
 * The entries' indexes in key order (memcmp), for writing them to a table.
 * Returns NULL out of memory; else count numbers, taken by the caller: free().
 */
uint32_t *map_sorted(const struct map *map);

static inline const uint8_t *
map_key(const struct map *map, uint32_t index)
{
    return map->keys + index * map->key_bytes;
}

static inline const void *
map_value(const struct map *map, uint32_t index)
{
    return map->values + index * map->value_bytes;
}

#endif
