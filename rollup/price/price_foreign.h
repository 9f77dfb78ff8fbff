/*
 * rollup/price/price_foreign.h - other people's price files: JSON whose numbers stay
 * text.
 *
 * Such files write prices as JSON numbers (1.25e-07).  A JSON library would hand
 * them over as doubles; here each number is put between quotes, behind a '#',
 * before the library sees it, and read as the decimal that stands in the file.
 *
 * Bounds: JSON_FILE_BYTES_MAX bytes, PRICE_FOREIGN_DEPTH_MAX levels,
 * PRICE_FOREIGN_VALUES_MAX values, PRICE_FOREIGN_NUMBER_BYTES_MAX bytes a number.
 */
#ifndef ROLLUP_PRICE_PRICE_FOREIGN_H
#define ROLLUP_PRICE_PRICE_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/err.h"
#include "store/base/json.h"

enum {
    PRICE_FOREIGN_DEPTH_MAX = 32,
    PRICE_FOREIGN_VALUES_MAX = 1000000,
    PRICE_FOREIGN_NUMBER_BYTES_MAX = 64,
};

/*
 * Read a file, or the bytes of one; duplicate keys are refused.
 *
 *   ret_root  taken by the caller: json_decref()
 *
 * Errors: those of reading a file; ERR_INPUT when it is no JSON (the line is
 * named); ERR_LIMIT past a bound above.
 */
enum err_code price_foreign_load(const char *path, json_t **ret_root,
                                 struct err *err) ERR_MUST_CHECK;
enum err_code price_foreign_parse(struct bytes text, json_t **ret_root,
                                  struct err *err) ERR_MUST_CHECK;

/* The text of a number as the file has it, or NULL: value (may be NULL) is no number. */
const char *price_foreign_number(const json_t *value);

/* A text that is no number, or NULL. */
const char *price_foreign_text(const json_t *value);

enum price_exact {
    PRICE_EXACT_OK,
    PRICE_EXACT_NO_NUMBER,
    PRICE_EXACT_NEGATIVE,
    PRICE_EXACT_TOO_FINE, /* digits behind the last one that is kept */
    PRICE_EXACT_TOO_LARGE,
};

/*
 * A number times 10^decimals, exactly.
 *
 *   value      borrowed; from price_foreign_parse(); may be NULL
 *   decimals   0 to 18
 *   ret_value  >= 0; written only on PRICE_EXACT_OK
 */
enum price_exact price_foreign_exact(const json_t *value, int decimals, int64_t *ret_value)
    __attribute__((warn_unused_result));

#endif
