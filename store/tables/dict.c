#include "store/tables/dict.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/hash.h"

enum {
    DICT_SLOTS_FIRST = 1024,
    DICT_BLOCK_BYTES = 64 * 1024,
    DICT_INLINE_BYTES = 14,
};

/* 32 bytes: half a cache line, with the whole text if it is short. */
struct dict_slot {
    _Atomic uint32_t number; /* 0: free; set last, so that a reader sees the rest */
    uint32_t hash;           /* low half, to skip most comparisons */
    uint16_t text_bytes;
    char inlined[DICT_INLINE_BYTES];
    const char *text; /* in a block; NULL when inlined */
};

_Static_assert(sizeof(struct dict_slot) == 32, "half a cache line");

struct dict_slots {
    struct dict_slots *smaller;
    size_t count;
    struct dict_slot slots[];
};

struct dict_block {
    struct dict_block *next;
    size_t used_bytes;
    char text[DICT_BLOCK_BYTES];
};

void
dict_clear(struct dict *dict)
{
    struct dict_block *b = dict->blocks;
    while (b != NULL) {
        struct dict_block *next = b->next;
        free(b);
        b = next;
    }
    struct dict_slots *s = atomic_load(&dict->slots);
    while (s != NULL) {
        struct dict_slots *smaller = s->smaller;
        free(s);
        s = smaller;
    }
    list_clear(&dict->fresh);
    *dict = (struct dict){.slots = NULL};
}

/* NULL out of memory. */
static char *
keep_text(struct dict *dict, struct str text)
{
    struct dict_block *b = dict->blocks;
    if (b == NULL || DICT_BLOCK_BYTES - b->used_bytes < text.size_bytes) {
        b = malloc(sizeof *b);
        if (b == NULL)
            return NULL;
        b->next = dict->blocks;
        b->used_bytes = 0;
        dict->blocks = b;
    }
    char *p = b->text + b->used_bytes;
    memcpy(p, text.data, text.size_bytes);
    b->used_bytes += text.size_bytes;
    return p;
}

static struct str
slot_text(const struct dict_slot *s)
{
    return (struct str){s->text != NULL ? s->text : s->inlined, s->text_bytes};
}

static size_t
slot_index(uint64_t hash, size_t slot_count)
{
    return (size_t)(hash >> 32) & (slot_count - 1);
}

/* The text's slot, or the free one where it belongs. */
static const struct dict_slot *
slot_of(const struct dict_slots *s, uint64_t hash, struct str text, uint32_t *ret_number)
{
    for (size_t i = slot_index(hash, s->count);; i = (i + 1) & (s->count - 1)) {
        const struct dict_slot *slot = &s->slots[i];
        *ret_number = atomic_load_explicit(&slot->number, memory_order_acquire);
        if (*ret_number == 0 || (slot->hash == (uint32_t)hash && str_equal(slot_text(slot), text)))
            return slot;
    }
}

/* Twice the slots; readers go on in the smaller ones until they look again. */
static bool
grow(struct dict *dict)
{
    struct dict_slots *old = atomic_load(&dict->slots);
    size_t count = old == NULL ? DICT_SLOTS_FIRST : old->count * 2;
    struct dict_slots *s = calloc(1, sizeof *s + count * sizeof s->slots[0]);
    if (s == NULL)
        return false;
    s->smaller = old;
    s->count = count;
    for (size_t i = 0; old != NULL && i < old->count; i++) {
        struct dict_slot *slot = &old->slots[i];
        struct str text = slot_text(slot);
        uint32_t number;
        if (slot->number != 0) {
            const struct dict_slot *to =
                slot_of(s, hash_mem(text.data, text.size_bytes), text, &number);
            memcpy(&s->slots[to - s->slots], slot, sizeof *slot);
        }
    }
    atomic_store_explicit(&dict->slots, s, memory_order_release);
    return true;
}

uint64_t
dict_look_ahead(const struct dict *dict, struct str text)
{
    const struct dict_slots *s = atomic_load_explicit(&dict->slots, memory_order_acquire);
    uint64_t hash = hash_mem(text.data, text.size_bytes);
    if (s != NULL)
        __builtin_prefetch(&s->slots[slot_index(hash, s->count)]);
    return hash;
}

uint32_t
dict_look_hashed(const struct dict *dict, struct str text, uint64_t hash)
{
    const struct dict_slots *s = atomic_load_explicit(&dict->slots, memory_order_acquire);
    uint32_t number = 0;
    if (s != NULL && text.size_bytes > 0)
        slot_of(s, hash, text, &number);
    return number;
}

static struct bytes
text_key(struct str text)
{
    return (struct bytes){(const uint8_t *)text.data, text.size_bytes};
}

/* Put a text that the cache does not have into it, numbering it if the table has not. */
static bool
add_text(struct dict *dict, struct tables_txn *txn, struct str text, uint64_t hash,
         uint32_t *ret_number)
{
    struct dict_slots *slots = atomic_load(&dict->slots);
    if ((slots == NULL || (dict->used + 1) * 2 >= slots->count) && !grow(dict))
        return false;
    slots = atomic_load(&dict->slots);
    if (dict->next == 0) {
        dict->next = (uint32_t)tables_count(txn, TABLE_DICT) + 1;
        list_init(&dict->fresh, sizeof(struct dict_new));
    }
    uint32_t number = dict->next, free_number;
    bool stored = dict_find(txn, text, &number);
    const char *kept = NULL;
    if (!stored || text.size_bytes > DICT_INLINE_BYTES) {
        struct dict_new fresh = {{kept = keep_text(dict, text), text.size_bytes}, number};
        if (kept == NULL || (!stored && !list_add(&dict->fresh, &fresh)))
            return false;
        dict->next += !stored;
    }
    struct dict_slot *slot = &slots->slots[slot_of(slots, hash, text, &free_number) - slots->slots];
    slot->hash = (uint32_t)hash;
    slot->text_bytes = (uint16_t)text.size_bytes;
    if (text.size_bytes <= DICT_INLINE_BYTES)
        memcpy(slot->inlined, text.data, text.size_bytes);
    else
        slot->text = kept;
    atomic_store_explicit(&slot->number, number, memory_order_release);
    dict->used++;
    *ret_number = number;
    return true;
}

enum err_code
dict_intern(struct dict *dict, struct tables_txn *txn, struct str text, uint32_t *ret_number,
            struct err *err)
{
    assert(text.size_bytes <= DICT_TEXT_BYTES_MAX);
    uint64_t hash = hash_mem(text.data, text.size_bytes);
    *ret_number = dict_look_hashed(dict, text, hash);
    if (*ret_number != 0 || text.size_bytes == 0 || add_text(dict, txn, text, hash, ret_number))
        return ERR_OK;
    return err_set(err, ERR_LIMIT, "no memory for the dictionary's cache");
}

void
dict_take_new(struct dict *dict, struct list *ret)
{
    *ret = dict->fresh;
    list_init(&dict->fresh, sizeof(struct dict_new));
}

enum err_code
dict_write(const struct list *texts, struct tables_txn *txn, struct err *err)
{
    const struct dict_new *fresh = texts->items;
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < texts->count; i++) {
        uint8_t value[4], key[4];
        put_le32(value, fresh[i].number);
        put_be32(key, fresh[i].number);
        struct bytes text = text_key(fresh[i].text);
        code = tables_put(txn, TABLE_DICT, text, (struct bytes){value, 4}, err);
        if (code == ERR_OK)
            code = tables_put(txn, TABLE_DICT_TEXT, (struct bytes){key, 4}, text, err);
    }
    return code;
}

bool
dict_find(struct tables_txn *txn, struct str text, uint32_t *ret)
{
    struct bytes value;
    if (text.size_bytes == 0) {
        *ret = 0;
        return true;
    }
    if (!tables_get(txn, TABLE_DICT, text_key(text), &value))
        return false;
    *ret = get_le32(value.data);
    return true;
}

struct str
dict_text(struct tables_txn *txn, uint32_t number)
{
    uint8_t key[4];
    struct bytes value;
    put_be32(key, number);
    if (number == 0 || !tables_get(txn, TABLE_DICT_TEXT, (struct bytes){key, 4}, &value))
        return (struct str){"", 0};
    return (struct str){(const char *)value.data, value.size_bytes};
}
