/*
 * store/log/pages.h - read a day file's pages without LMDB, trusting no byte.
 *
 * LMDB follows what its pages say: one flipped bit in a page can lead it out of its
 * map, or silently to an older state of the file.  Whoever checks a file therefore
 * must not ask LMDB.  This reads the same format (LMDB 0.9, data version 1, 64 bits
 * little-endian) with every number checked, and accounts for every page: each is
 * used once, or free.
 *
 * Bytes that a page does not use may be anything: they mean nothing.
 */
#ifndef STORE_LOG_PAGES_H
#define STORE_LOG_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/err.h"

/* A database as its record says. */
struct pages_db {
    uint16_t flags, depth;
    uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

/* One of the file's two states; the one with the larger transaction is the newest. */
struct pages_meta {
    struct pages_db free, main;
    uint64_t map_bytes, last_page, txn;
};

struct pages {
    const uint8_t *map;
    uint64_t map_bytes, page_bytes;
    struct pages_meta meta;  /* the state that is read */
    struct pages_meta other; /* the one before it */
    uint8_t *seen;           /* a bit for each page up to the last */
};

/* Is told every entry, in order of keys, and what cannot be read. */
struct pages_visit {
    void *context;
    void (*entry)(void *context, struct bytes key, struct bytes value);
    void (*broken)(void *context, uint64_t page, const char *why);
};

/*
 * Map a file and read its newest state.
 *
 *   ret  pages_close()
 *
 * Errors: ERR_CORRUPT when the two states cannot be right; ERR_NOT_FOUND,
 * ERR_DENIED, ERR_IO, ERR_LIMIT.
 */
enum err_code pages_open(struct pages *ret, const char *path, struct err *err) ERR_MUST_CHECK;
void pages_close(struct pages *pages);

/*
 * Read the metas again, of a file that is being written to, and take the state of
 * transaction txn, which the caller has pinned.  False when it has been overwritten:
 * pin anew.
 */
bool pages_choose(struct pages *pages, uint64_t txn) __attribute__((warn_unused_result));

/* The database of that name in a state.  False when it is not there or broken. */
bool pages_find(struct pages *pages, const struct pages_meta *state, const char *name,
                struct pages_db *ret) __attribute__((warn_unused_result));

/* Walk a database, marking its pages, and check the counts of its record. */
void pages_walk(struct pages *pages, const struct pages_db *db, const struct pages_visit *visit);

/* After all databases have been walked: mark the main one and the free list; is every page there once? */
void pages_account(struct pages *pages, const struct pages_visit *visit);

/*
 * Check the pages of a file that is not written to, not what lies in its values:
 * after this LMDB may be let at it.
 *
 * Errors: as pages_open(); ERR_CORRUPT names the first page that is wrong.
 */
enum err_code pages_check(const char *path, struct err *err) ERR_MUST_CHECK;

#endif
