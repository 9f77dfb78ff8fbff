#include "rollup/map.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/hash.h"

enum { MAP_ROOM_FIRST = 1024 };

void
map_init(struct map *map, size_t key_bytes, size_t value_bytes)
{
    *map = (struct map){.key_bytes = key_bytes, .value_bytes = value_bytes};
}

void
map_clear(struct map *map)
{
    free(map->keys);
    free(map->values);
    free(map->slots);
    map_init(map, map->key_bytes, map->value_bytes);
}

void
map_reset(struct map *map)
{
    map->count = 0;
    if (map->slots != NULL)
        memset(map->slots, 0, map->slot_count * sizeof *map->slots);
}

static uint32_t *
slot_of(const struct map *map, uint32_t *slots, size_t slot_count, const void *key)
{
    size_t i = hash_mem(key, map->key_bytes) & (slot_count - 1);
    while (slots[i] != 0 && memcmp(map_key(map, slots[i] - 1), key, map->key_bytes) != 0)
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

static bool
grow(struct map *map)
{
    size_t room = map->room == 0 ? MAP_ROOM_FIRST : map->room * 2;
    uint8_t *keys = realloc(map->keys, room * map->key_bytes);
    if (keys == NULL)
        return false;
    map->keys = keys;
    uint8_t *values = realloc(map->values, room * map->value_bytes);
    if (values == NULL)
        return false;
    map->values = values;
    /* Twice as many slots as entries. */
    uint32_t *slots = calloc(room * 2, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < map->count; i++)
        *slot_of(map, slots, room * 2, map_key(map, (uint32_t)i)) = (uint32_t)i + 1;
    free(map->slots);
    map->slots = slots;
    map->slot_count = room * 2;
    map->room = room;
    return true;
}

void *
map_at(struct map *map, const void *key)
{
    if (map->count == map->room && !grow(map))
        return NULL;
    uint32_t *slot = slot_of(map, map->slots, map->slot_count, key);
    if (*slot == 0) {
        memcpy(map->keys + map->count * map->key_bytes, key, map->key_bytes);
        memset(map->values + map->count * map->value_bytes, 0, map->value_bytes);
        *slot = (uint32_t)++map->count;
    }
    return map->values + (*slot - 1) * map->value_bytes;
}

static int
compare_keys(const void *a, const void *b, void *context)
{
    const struct map *map = context;
    return memcmp(map_key(map, *(const uint32_t *)a), map_key(map, *(const uint32_t *)b),
                  map->key_bytes);
}

uint32_t *
map_sorted(const struct map *map)
{
    uint32_t *order = malloc((map->count + 1) * sizeof *order);
    if (order == NULL)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, map->count, sizeof *order, compare_keys, (void *)(uintptr_t)map);
    return order;
}
