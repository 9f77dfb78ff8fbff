#include "store/tables/dict.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/hash.h"

enum {
    DICT_TEXT_BYTES_MAX = 256,
    DICT_SLOTS_FIRST = 1024,
    DICT_BLOCK_BYTES = 64 * 1024,
    DICT_INLINE_BYTES = 14,
};

/* Beyond this the cache starts over; the table knows everything anyway. */
enum { DICT_CACHE_ENTRIES_MAX = 1 << 20 };

/* 32 bytes: half a cache line, with the whole text if it is short. */
struct dict_slot {
    uint32_t number; /* 0: free */
    uint32_t hash;   /* low half, to skip most comparisons */
    uint16_t text_bytes;
    char inlined[DICT_INLINE_BYTES];
    const char *text; /* in a block; NULL when inlined */
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
    free(dict->slots);
    *dict = (struct dict){0};
}

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

static struct dict_slot *
slot_of(struct dict_slot *slots, size_t count, uint64_t hash, struct str text)
{
    size_t i = slot_index(hash, count);
    while (slots[i].number != 0 &&
           !(slots[i].hash == (uint32_t)hash && str_equal(slot_text(&slots[i]), text)))
        i = (i + 1) & (count - 1);
    return &slots[i];
}

static bool
grow(struct dict *dict)
{
    size_t count = dict->slot_count == 0 ? DICT_SLOTS_FIRST : dict->slot_count * 2;
    struct dict_slot *slots = calloc(count, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < dict->slot_count; i++) {
        struct dict_slot *s = &dict->slots[i];
        struct str text = slot_text(s);
        if (s->number != 0)
            *slot_of(slots, count, hash_mem(text.data, text.size_bytes), text) = *s;
    }
    free(dict->slots);
    dict->slots = slots;
    dict->slot_count = count;
    return true;
}

static struct bytes
text_key(struct str text)
{
    return (struct bytes){(const uint8_t *)text.data, text.size_bytes};
}

_Static_assert(sizeof(struct dict_slot) == 32, "half a cache line");

/* The number from the table, given there if the text is new. */
static enum err_code
number_of(struct dict *dict, struct tables_txn *txn, struct str text, uint32_t *ret,
          struct err *err)
{
    if (dict_find(txn, text, ret))
        return ERR_OK;
    if (dict->next == 0)
        dict->next = (uint32_t)tables_count(txn, TABLE_DICT) + 1;
    uint8_t number[4], text_number[4];
    put_le32(number, dict->next);
    put_be32(text_number, dict->next);
    enum err_code code =
        tables_put(txn, TABLE_DICT, text_key(text), (struct bytes){number, 4}, err);
    if (code == ERR_OK)
        code =
            tables_put(txn, TABLE_DICT_TEXT, (struct bytes){text_number, 4}, text_key(text), err);
    if (code == ERR_OK)
        *ret = dict->next++;
    return code;
}

static enum err_code
intern_one(struct dict *dict, struct tables_txn *txn, struct str text, uint64_t hash,
           uint32_t *ret_number, struct err *err)
{
    struct dict_slot *slot = slot_of(dict->slots, dict->slot_count, hash, text);
    if (slot->number == 0) {
        uint32_t number;
        enum err_code code = number_of(dict, txn, text, &number, err);
        if (code != ERR_OK)
            return code;
        struct dict_slot filled = {
            .number = number, .hash = (uint32_t)hash, .text_bytes = (uint16_t)text.size_bytes};
        if (text.size_bytes <= DICT_INLINE_BYTES)
            memcpy(filled.inlined, text.data, text.size_bytes);
        else if ((filled.text = keep_text(dict, text)) == NULL)
            return err_set(err, ERR_LIMIT, "no memory for the dictionary's cache");
        *slot = filled;
        dict->used++;
    }
    *ret_number = slot->number;
    return ERR_OK;
}

enum err_code
dict_intern(struct dict *dict, struct tables_txn *txn, struct str text, uint32_t *ret_number,
            struct err *err)
{
    const struct dict_wish wish = {text, ret_number};
    return dict_intern_all(dict, txn, &wish, 1, err);
}

enum err_code
dict_intern_all(struct dict *dict, struct tables_txn *txn, const struct dict_wish *wishes,
                size_t count, struct err *err)
{
    uint64_t hashes[DICT_WISHES_MAX] = {0};
    enum err_code code = ERR_OK;
    assert(count <= DICT_WISHES_MAX);
    if (dict->used >= DICT_CACHE_ENTRIES_MAX)
        dict_clear(dict);
    if ((dict->used + count) * 2 >= dict->slot_count && !grow(dict))
        return err_set(err, ERR_LIMIT, "no memory for the dictionary's cache");
    /* The cache of a busy platform outgrows the processor's: ask for all slots, then look. */
    for (size_t i = 0; i < count; i++) {
        struct str text = wishes[i].text;
        assert(text.size_bytes <= DICT_TEXT_BYTES_MAX);
        if (text.size_bytes == 0)
            continue;
        hashes[i] = hash_mem(text.data, text.size_bytes);
        __builtin_prefetch(&dict->slots[slot_index(hashes[i], dict->slot_count)]);
    }
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        if (wishes[i].text.size_bytes == 0)
            *wishes[i].ret_number = 0;
        else
            code = intern_one(dict, txn, wishes[i].text, hashes[i], wishes[i].ret_number, err);
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
