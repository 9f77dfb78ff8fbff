/*
 * store/tables/digest.h - one hash over every row of the folded tables: equal
 * digests, equal tables.
 */
#ifndef STORE_TABLES_DIGEST_H
#define STORE_TABLES_DIGEST_H

#include "store/base/hash.h"
#include "store/tables/tables.h"

/*
 * SHA-256 over name, keys and values of every FOLD table in order.  Of the ids
 * the set of entries counts, not how they are cut into runs and chunks, which
 * depends on the size of batches.
 */
void tables_digest(struct tables_txn *txn, uint8_t digest[HASH_SHA256_BYTES]);

#endif
