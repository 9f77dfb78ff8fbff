/*
 * reports/names.h - the texts of dictionary numbers, copied out and sorted.
 *
 * A report sorts by text but groups by number.  The texts are copied, so that
 * the tables' transaction can end before the first byte is printed: a reader
 * that waits for a slow terminal would keep LMDB from using freed pages again.
 * Life: names_init(), names_add() for each number, names_rank() once, look up.
 */
#ifndef REPORTS_NAMES_H
#define REPORTS_NAMES_H

#include <stdint.h>

#include "rollup/map.h"
#include "store/base/arena.h"
#include "store/base/bytes.h"
#include "store/base/err.h"
#include "store/tables/tables.h"

struct names {
    struct map by_number;
    struct arena texts;
    struct str *ranked; /* in byte order, once names_rank() has run */
};

void names_init(struct names *names);
void names_clear(struct names *names); /* free; empty and usable again */

/*
 * Know a number's text; a number known already is left alone.  0 is the empty
 * text.
 *
 * Errors: ERR_CORRUPT (the dictionary has no such number), ERR_LIMIT (no memory).
 */
enum err_code names_add(struct names *names, struct tables_txn *txn, uint32_t number,
                        struct err *err) ERR_MUST_CHECK;

/* Sort what was added.  Errors: ERR_LIMIT (no memory). */
enum err_code names_rank(struct names *names, struct err *err) ERR_MUST_CHECK;

/* The place among the sorted texts, from 0, of a number that was added. */
uint32_t names_rank_of(struct names *names, uint32_t number);

#endif
