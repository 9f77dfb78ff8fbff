/*
 * reports/dict_cache.h - texts of dictionary numbers for one transaction, without
 * a search for each.
 *
 * Direct-mapped, so its memory does not grow; a text points into LMDB's map and is
 * valid as long as the reading transaction.
 */
#ifndef REPORTS_DICT_CACHE_H
#define REPORTS_DICT_CACHE_H

#include "store/tables/dict.h"

enum { DICT_CACHE_SLOTS = 32768 }; /* a power of two; 24 bytes each */

struct dict_cache {
    struct tables_txn *txn;
    struct dict_cache_slot {
        uint32_t number;
        struct str text;
    } slots[DICT_CACHE_SLOTS];
};

/* Returns NULL out of memory. */
struct dict_cache *dict_cache_new(struct tables_txn *txn);
void dict_cache_free(struct dict_cache *cache);

/* As dict_text(). */
static inline struct str
dict_cache_text(struct dict_cache *cache, uint32_t number)
{
    struct dict_cache_slot *slot = &cache->slots[number % DICT_CACHE_SLOTS];
    if (slot->number != number) {
        slot->number = number;
        slot->text = dict_text(cache->txn, number);
    }
    return slot->text;
}

#endif
