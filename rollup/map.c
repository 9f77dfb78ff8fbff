#include "rollup/map.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/bytes.h"
#include "store/base/hash.h"

enum { MAP_ROOM_FIRST = 1024, MAP_ALIGN = 16 };

static size_t
aligned(size_t bytes)
{
    return (bytes + MAP_ALIGN - 1) / MAP_ALIGN * MAP_ALIGN;
}

void
map_init(struct map *map, size_t key_bytes, size_t value_bytes)
{
    *map = (struct map){
        .key_bytes = key_bytes,
        .value_at = aligned(key_bytes),
        .entry_bytes = aligned(key_bytes) + aligned(value_bytes),
    };
}

void
map_clear(struct map *map)
{
    free(map->entries);
    free(map->slots);
    map->entries = NULL;
    map->slots = NULL;
    map->count = map->room = map->slot_count = 0;
}

void
map_reset(struct map *map)
{
    map->count = 0;
    if (map->slots != NULL)
        memset(map->slots, 0, map->slot_count * sizeof *map->slots);
}

uint64_t
map_hash(const struct map *map, const void *key)
{
    return hash_mem(key, map->key_bytes);
}

static struct map_slot *
slot_of(const struct map *map, struct map_slot *slots, size_t slot_count, const void *key,
        uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    size_t i = hash & (slot_count - 1);
    while (slots[i].entry != 0 && (slots[i].tag != tag || memcmp(map_key(map, slots[i].entry - 1),
                                                                 key, map->key_bytes) != 0))
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

static bool
grow(struct map *map)
{
    size_t room = map->room == 0 ? MAP_ROOM_FIRST : map->room * 2;
    uint8_t *entries = realloc(map->entries, room * map->entry_bytes);
    if (entries == NULL)
        return false;
    map->entries = entries;
    /* Twice as many slots as entries. */
    struct map_slot *slots = calloc(room * 2, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < map->count; i++) {
        const uint8_t *key = map_key(map, (uint32_t)i);
        uint64_t hash = map_hash(map, key);
        *slot_of(map, slots, room * 2, key, hash) =
            (struct map_slot){(uint32_t)(hash >> 32), (uint32_t)i + 1};
    }
    free(map->slots);
    map->slots = slots;
    map->slot_count = room * 2;
    map->room = room;
    return true;
}

void *
map_at(struct map *map, const void *key, uint64_t hash)
{
    if (map->count == map->room && !grow(map))
        return NULL;
    struct map_slot *slot = slot_of(map, map->slots, map->slot_count, key, hash);
    if (slot->entry == 0) {
        uint8_t *entry = map->entries + map->count * map->entry_bytes;
        memset(entry, 0, map->entry_bytes);
        memcpy(entry, key, map->key_bytes);
        *slot = (struct map_slot){(uint32_t)(hash >> 32), (uint32_t)++map->count};
    }
    return map->entries + (slot->entry - 1) * map->entry_bytes + map->value_at;
}

void *
map_find(const struct map *map, const void *key, uint64_t hash)
{
    if (map->count == 0)
        return NULL;
    const struct map_slot *slot = slot_of(map, map->slots, map->slot_count, key, hash);
    return slot->entry == 0 ? NULL
                            : map->entries + (slot->entry - 1) * map->entry_bytes + map->value_at;
}

/* An entry being sorted, with the first 32 bytes of its key as numbers. */
struct sort_item {
    uint64_t key[4];
    uint32_t index;
};

static int
compare_items(const void *a, const void *b, void *context)
{
    const struct sort_item *x = a, *y = b;
    const struct map *map = context;
    for (size_t i = 0; i < 4; i++) {
        if (x->key[i] != y->key[i])
            return x->key[i] < y->key[i] ? -1 : 1;
    }
    return memcmp(map_key(map, x->index), map_key(map, y->index), map->key_bytes);
}

uint32_t *
map_sorted(const struct map *map)
{
    uint32_t *order = malloc((map->count + 1) * sizeof *order);
    struct sort_item *items = malloc((map->count + 1) * sizeof *items);
    if (order == NULL || items == NULL) {
        free(order);
        free(items);
        return NULL;
    }
    for (size_t i = 0; i < map->count; i++) {
        const uint8_t *key = map_key(map, (uint32_t)i);
        items[i] = (struct sort_item){.index = (uint32_t)i};
        for (size_t k = 0; k < 4 && k < map->key_bytes / 8; k++)
            items[i].key[k] = get_be64(key + 8 * k);
    }
    qsort_r(items, map->count, sizeof *items, compare_items, (void *)(uintptr_t)map);
    for (size_t i = 0; i < map->count; i++)
        order[i] = items[i].index;
    free(items);
    return order;
}
