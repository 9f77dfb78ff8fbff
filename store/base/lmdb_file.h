/*
 * store/base/lmdb_file.h - what LMDB leaves to its user when a file is made or a disk
 * is full.  For store/log and store/tables, who own the files.
 */
#ifndef STORE_BASE_LMDB_FILE_H
#define STORE_BASE_LMDB_FILE_H

#include <lmdb.h>
#include <stddef.h>

/* How a file is made. */
struct lmdb_file_plan {
    size_t map_bytes;
    unsigned database_count_max;
    mdb_mode_t mode;
    /* Put into it what a file has from its first moment; 0, an errno or LMDB's code. */
    int (*fill)(MDB_txn *txn, void *context);
    void *context;
};

/*
 * Make an environment (MDB_NOSUBDIR) that is there whole or not at all: LMDB itself
 * writes the first pages of a new file without a flush, and cannot open what a power
 * cut makes of them.  It is made under another name, committed, and then linked to
 * path, where two makers may meet: the first wins, and both succeed.
 *
 * Returns 0 (path is there; its name is not flushed: file_sync_directory()), an errno
 * or LMDB's code.
 */
int lmdb_file_make(const char *path, const struct lmdb_file_plan *plan);

/*
 * Lay out the lock file of an environment, before it is opened.  LMDB writes to it
 * through a map, and on a full disk the kernel answers that with SIGBUS.  Only for a
 * path that this process has not open: closing a file drops LMDB's locks on it.
 *
 * Returns 0 or an errno: ENOSPC, EDQUOT; those of open().
 */
int lmdb_file_reserve_lock(const char *path, mdb_mode_t mode);

#endif
