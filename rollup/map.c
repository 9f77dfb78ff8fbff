#include "rollup/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/hash.h"
#include "store/base/heap.h"

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
    heap_resize(map->entries, map->room * map->entry_bytes, 0);
    heap_resize(map->slots, map->slot_count * sizeof *map->slots, 0);
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
    /* Twice as many slots as entries. */
    struct map_slot *slots = heap_resize(NULL, 0, room * 2 * sizeof *slots);
    uint8_t *entries = slots == NULL ? NULL
                                     : heap_resize(map->entries, map->room * map->entry_bytes,
                                                   room * map->entry_bytes);
    if (entries == NULL) {
        heap_resize(slots, slots == NULL ? 0 : room * 2 * sizeof *slots, 0);
        return false;
    }
    heap_resize(map->slots, map->slot_count * sizeof *map->slots, 0);
    map->entries = entries;
    map->room = room;
    map->slots = slots;
    map->slot_count = room * 2;
    for (size_t i = 0; i < map->count; i++) {
        const uint8_t *key = map_key(map, (uint32_t)i);
        uint64_t hash = map_hash(map, key);
        *slot_of(map, slots, map->slot_count, key, hash) =
            (struct map_slot){(uint32_t)(hash >> 32), (uint32_t)i + 1};
    }
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

/* An entry being sorted. */
struct sort_item {
    uint8_t key[MAP_SORT_KEY_BYTES_MAX];
    uint32_t index;
};

/* By one byte of the key, stably. */
static void
sort_by_byte(const struct sort_item *from, struct sort_item *to, size_t count, size_t byte,
             const uint32_t counts[256])
{
    uint32_t at[256], sum = 0;
    for (size_t v = 0; v < 256; v++) {
        at[v] = sum;
        sum += counts[v];
    }
    for (size_t i = 0; i < count; i++)
        to[at[from[i].key[byte]]++] = from[i];
}

/* Last byte first; most bytes of a key of numbers are the same in all keys, and left out. */
static const struct sort_item *
sort_items(struct sort_item *items, struct sort_item *spare, size_t count, size_t key_bytes)
{
    uint32_t counts[MAP_SORT_KEY_BYTES_MAX][256] = {{0}};
    for (size_t i = 0; i < count; i++) {
        for (size_t b = 0; b < key_bytes; b++)
            counts[b][items[i].key[b]]++;
    }
    for (size_t b = key_bytes; b-- > 0;) {
        if (counts[b][items[0].key[b]] == count)
            continue;
        sort_by_byte(items, spare, count, b, counts[b]);
        struct sort_item *t = items;
        items = spare;
        spare = t;
    }
    return items;
}

uint32_t *
map_sorted(const struct map *map)
{
    size_t n = map->count;
    assert(map->key_bytes <= MAP_SORT_KEY_BYTES_MAX);
    uint32_t *order = malloc((n + 1) * sizeof *order);
    struct sort_item *items = malloc((2 * n + 1) * sizeof *items);
    if (order == NULL || items == NULL) {
        free(order);
        free(items);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(items[i].key, map_key(map, (uint32_t)i), map->key_bytes);
        items[i].index = (uint32_t)i;
    }
    const struct sort_item *sorted = n > 0 ? sort_items(items, items + n, n, map->key_bytes)
                                           : items;
    for (size_t i = 0; i < n; i++)
        order[i] = sorted[i].index;
    free(items);
    return order;
}
