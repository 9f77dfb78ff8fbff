/*
 * store/tables/dict.h - the dictionary: every string of a key is a number.
 *
 * Numbers are given in the order of first appearance in the log, from 1, so a
 * rebuild gives the same ones.  0 is the empty string.
 */
#ifndef STORE_TABLES_DICT_H
#define STORE_TABLES_DICT_H

#include "store/tables/tables.h"

/*
 * A cache of text -> number for one writer, over many transactions.  All zero is
 * empty.
 */
struct dict {
    struct dict_slot *slots;
    size_t slot_count, used;
    uint32_t next; /* 0: not read yet */
    struct dict_block *blocks;
    size_t text_bytes;
};

void dict_clear(struct dict *dict);

/* A text to be numbered, and where the number goes. */
struct dict_wish {
    struct str text; /* at most 256 bytes; empty gives 0 */
    uint32_t *ret_number;
};

enum { DICT_WISHES_MAX = 8 };

/*
 * Number texts, new ones in the order of the wishes.  After an aborted
 * transaction call dict_clear(): the cache would know numbers that were never
 * stored.
 *
 *   count  at most DICT_WISHES_MAX: the texts of one event
 *
 * Errors: ERR_LIMIT out of memory, ERR_FULL, ERR_IO; abort the transaction.
 */
enum err_code dict_intern_all(struct dict *dict, struct tables_txn *txn,
                              const struct dict_wish *wishes, size_t count,
                              struct err *err) ERR_MUST_CHECK;

/* The same for one text. */
enum err_code dict_intern(struct dict *dict, struct tables_txn *txn, struct str text,
                          uint32_t *ret_number, struct err *err) ERR_MUST_CHECK;

/* The number of a text that may be unknown; false if it is. */
bool dict_find(struct tables_txn *txn, struct str text, uint32_t *ret);

/* The text of a number; points into the map as tables_get().  Unknown: empty. */
struct str dict_text(struct tables_txn *txn, uint32_t number);

#endif
