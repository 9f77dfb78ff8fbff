/*
 * rollup/price/price_row.h - rows of the price book, from JSON to memory.  Private to
 * the loader (price_load.c).
 *
 * Everything that is not in schemas/prices.md is refused, with the place in
 * words: where is "models[132] gpt-5.4" or longer.
 */
#ifndef ROLLUP_PRICE_PRICE_ROW_H
#define ROLLUP_PRICE_PRICE_ROW_H

#include "rollup/price/price.h"
#include "store/base/json.h"

enum {
    PRICE_BOOK_BYTES_MAX = 64 * 1024 * 1024,
    PRICE_WHERE_BYTES_MAX = 480, /* "models[132] " + a model id + " overrides[1] " + an id ... */
};

/* ERR_LIMIT: the arena is full. */
enum err_code price_full(struct err *err);

/* A text of 1 to bytes_max bytes, copied into the arena. */
enum err_code price_take_text(struct arena *arena, const json_t *object, const char *where,
                              const char *key, size_t bytes_max, struct str *ret,
                              struct err *err) ERR_MUST_CHECK;

/* "from", "recorded", "retracted" and "note" of a row or an alias. */
enum err_code price_take_when(const json_t *object, const char *where, struct price_when *ret,
                              struct err *err) ERR_MUST_CHECK;

/*
 * The array "prices" of a model or an override.
 *
 *   tiers          filled; all empty before the call
 *   ret_row_count  added to
 */
enum err_code price_take_rows(struct arena *arena, const json_t *object, const char *where,
                              struct price_rows tiers[PRICE_TIERS], size_t *ret_row_count,
                              struct err *err) ERR_MUST_CHECK;

/*
 * Check that each rate of a model times each of its factors is a whole number of
 * picos that fits 63 bits, whichever rows they come from.
 */
enum err_code price_check_factors(const struct price_model *model, const char *where,
                                  struct err *err) ERR_MUST_CHECK;

#endif
