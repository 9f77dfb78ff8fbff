/*
 * store/tables/dict.h - the dictionary: every string of a key is a number.
 *
 * Numbers are given in the order of first appearance in the log, from 1, so a
 * rebuild gives the same ones.  0 is the empty string.
 */
#ifndef STORE_TABLES_DICT_H
#define STORE_TABLES_DICT_H

#include <stdatomic.h>

#include "store/base/list.h"
#include "store/tables/tables.h"

enum { DICT_TEXT_BYTES_MAX = 256 };

/*
 * A cache of text -> number.  One thread numbers texts, others may look them up
 * at the same time.  New numbers reach the table with dict_take_new() and
 * dict_write().  All zero is empty.
 */
struct dict {
    size_t used;
    _Atomic(struct dict_slots *) slots; /* the largest; smaller ones are kept for their readers */
    uint32_t next;                      /* 0: not read yet */
    struct dict_block *blocks;
    struct list fresh; /* struct dict_new: not in the table yet */
};

/* A text that was numbered; it lives as long as the cache. */
struct dict_new {
    struct str text;
    uint32_t number;
};

void dict_clear(struct dict *dict); /* no other thread may be looking */

/*
 * A text's number, if the cache has it; 0 if not, and for the empty text.  Any
 * thread, in two steps: the first asks the processor's cache for what the second
 * needs, and gives the hash for it.
 */
uint64_t dict_look_ahead(const struct dict *dict, struct str text);
uint32_t dict_look_hashed(const struct dict *dict, struct str text, uint64_t hash);

/*
 * Number a text, giving it the next number if it is new.  Reads the table, writes
 * nothing: new texts must be stored before the next cache is begun.  After an
 * aborted transaction call dict_clear(): the cache would know numbers that were
 * never stored.
 *
 *   text  at most DICT_TEXT_BYTES_MAX; empty gives 0
 *
 * Errors: ERR_LIMIT out of memory; abort the transaction.
 */
enum err_code dict_intern(struct dict *dict, struct tables_txn *txn, struct str text,
                          uint32_t *ret_number, struct err *err) ERR_MUST_CHECK;

/*
 * Hand over the texts that were numbered since the last call.
 *
 *   ret  taken: a list of struct dict_new; list_clear()
 */
void dict_take_new(struct dict *dict, struct list *ret);

/* Store texts that were new.  Errors: ERR_FULL, ERR_IO; abort the transaction. */
enum err_code dict_write(const struct list *texts, struct tables_txn *txn,
                         struct err *err) ERR_MUST_CHECK;

/* The number of a text that may be unknown; false if it is. */
bool dict_find(struct tables_txn *txn, struct str text, uint32_t *ret);

/* The text of a number; points into the map as tables_get().  Unknown: empty. */
struct str dict_text(struct tables_txn *txn, uint32_t number);

#endif
