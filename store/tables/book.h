/*
 * store/tables/book.h - the price and plan books that were used, whole, by the
 * SHA-256 of their bytes: an invoice names two of them, and years later they must
 * still be there to compute it again.
 */
#ifndef STORE_TABLES_BOOK_H
#define STORE_TABLES_BOOK_H

#include "store/base/hash.h"
#include "store/tables/tables.h"

/*
 * Keep a book's file unless it is kept already.
 *
 *   sha256  as the program that uses it computed it
 *
 * Errors: those of reading the file; ERR_CONFLICT when its bytes are no longer
 * those (somebody replaced it meanwhile: the next run uses the new one); ERR_FULL.
 */
enum err_code book_keep(struct tables_txn *txn, const char *path,
                        const uint8_t sha256[HASH_SHA256_BYTES], struct err *err) ERR_MUST_CHECK;

/* A kept book's bytes, which point into the map; false: it is not kept. */
bool book_get(struct tables_txn *txn, const uint8_t sha256[HASH_SHA256_BYTES], struct bytes *ret);

#endif
