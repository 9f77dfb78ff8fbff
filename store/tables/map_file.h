/*
 * store/tables/map_file.h - a part of a large value, read from the tables' file
 * instead of through LMDB's map.
 *
 * The first look into a page through a map costs a page fault, and in a virtual machine with
 * shadow page tables over a microsecond, which no prefetch hides.  Who looks at one place each
 * of many pages does better by pread(2), out of the same page cache.
 */
#ifndef STORE_TABLES_MAP_FILE_H
#define STORE_TABLES_MAP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/tables/tables.h"

/* Values of so many bytes lie on pages of their own. */
enum { MAP_FILE_VALUE_BYTES = 32 * 1024 };

struct map_file {
    int fd; /* the transaction's, borrowed */
    const uint8_t *base;
    size_t size_bytes; /* of the map; 0: nothing can be read so */
};

/*
 * Find out where the map lies, by a value of the transaction of MAP_FILE_VALUE_BYTES or
 * more.  Valid until the next write in the transaction.
 *
 * Source: LMDB 0.9, lmdb.h, mdb.c "struct MDB_page" (store/log/pages.c reads it too): 16 bytes
 * of head that begin with its number; a large value follows them.
 */
struct map_file map_file_of(struct tables_txn *txn, struct bytes value);

/*
 * Read what a value has at a place.
 *
 *   at  within a value of the transaction
 *   to  room for size_bytes
 *
 * Returns false where it is to be read through the map: it is no part of the file yet, or the
 * read failed.
 */
bool map_file_read(const struct map_file *file, const uint8_t *at, size_t size_bytes, void *to);

#endif
