/*
 * rollup/price/price_write.h - write a price book in the house's form: one row on one
 * line, so that a diff of two books shows what was learned.
 *
 * A book is written from its JSON tree, not from struct price_book: notes and
 * whatever else stands in it come out as they went in.  The form is that of
 * schemas/prices.json, byte for byte.
 */
#ifndef ROLLUP_PRICE_PRICE_WRITE_H
#define ROLLUP_PRICE_PRICE_WRITE_H

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/base/json.h"

enum { PRICE_WRITE_BYTES_MAX = JSON_FILE_BYTES_MAX }; /* what a reader would take */

/*
 * Append the book to text.
 *
 *   root  borrowed; a book's JSON, as json_file_load() gives it
 *   text  its cap bounds the book
 *
 * Errors: ERR_LIMIT at the cap of text.
 */
enum err_code price_write_text(const json_t *root, struct buf *text,
                               struct err *err) ERR_MUST_CHECK;

/*
 * Put text where a reader finds the old book or the new one, never a part, once
 * price_book_load() takes it (file_replace() in store/base/file.h).
 *
 *   path  borrowed; a file there is replaced and gives the new one its mode
 *
 * Errors: ERR_CONFIG when text is no book; ERR_DENIED, ERR_NOT_FOUND
 * (the folder), ERR_FULL, ERR_IO, ERR_LIMIT (the path).  path is then as it was.
 */
enum err_code price_write_file(const struct buf *text, const char *path,
                               struct err *err) ERR_MUST_CHECK;

/* Is text a book that price_book_load() takes?  ERR_CONFIG if not. */
enum err_code price_write_check(const struct buf *text, struct err *err) ERR_MUST_CHECK;

#endif
