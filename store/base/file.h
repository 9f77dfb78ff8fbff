/*
 * store/base/file.h - whole files, the data directory, and lock files.
 */
#ifndef STORE_BASE_FILE_H
#define STORE_BASE_FILE_H

#include <stdio.h>

#include "store/base/bytes.h"
#include "store/base/err.h"

enum { FILE_PATH_BYTES_MAX = 512 };

/*
 * Read a whole regular file.
 *
 *   bytes_max  files over it are refused
 *   ret_text   taken by the caller: free() its data; one NUL stands behind it
 *
 * Errors: ERR_NOT_FOUND, ERR_DENIED, ERR_IO; ERR_INPUT when it is no regular file;
 * ERR_LIMIT over bytes_max.
 */
enum err_code file_read(const char *path, size_t bytes_max, struct bytes *ret_text,
                        struct err *err) ERR_MUST_CHECK;

/*
 * Put text into a file in one step, flushed: a reader, or a kill at any moment,
 * finds the old file or the new one.  <path>.new is used meanwhile.
 *
 *   mode  of a new file; one that is there gives its own
 *
 * Errors: ERR_DENIED, ERR_NOT_FOUND (the directory), ERR_FULL, ERR_IO: the old file
 * is as it was; ERR_LIMIT for a path that is too long.
 */
enum err_code file_replace(const char *path, unsigned mode, struct bytes text,
                           struct err *err) ERR_MUST_CHECK;

/*
 * A file that is written little by little and appears whole or not at all:
 * file_draft_begin(), write to out, then file_draft_keep() or file_draft_drop().
 * What is no regular file (/dev/null, a pipe) is written to as it is.
 */
struct file_draft {
    FILE *out;
    const char *path;               /* borrowed */
    char made[FILE_PATH_BYTES_MAX]; /* <path>.new; empty: path itself is written to */
};

/*
 * Begin a draft.
 *
 *   mode  of a new file; one that is there gives its own
 *
 * Errors: ERR_DENIED, ERR_NOT_FOUND (the directory), ERR_CONFLICT (path is a
 * directory), ERR_FULL, ERR_IO, ERR_LIMIT for a path that is too long: nothing is
 * left behind.
 */
enum err_code file_draft_begin(struct file_draft *draft, const char *path, unsigned mode,
                               struct err *err) ERR_MUST_CHECK;

/*
 * Flush it and give it its name.  Errors: ERR_FULL, ERR_DENIED, ERR_IO: what was
 * written is gone, the old file is as it was.
 */
enum err_code file_draft_keep(struct file_draft *draft, struct err *err) ERR_MUST_CHECK;

/* Take away what was written; a draft that was kept, or is all zero, is left alone. */
void file_draft_drop(struct file_draft *draft);

/* Flush a directory, so that a name made or changed in it stays.  ERR_DENIED, ERR_IO. */
enum err_code file_sync_directory(const char *directory, struct err *err) ERR_MUST_CHECK;

/*
 * Join directory and name into path.  ERR_LIMIT over FILE_PATH_BYTES_MAX.
 */
enum err_code file_path(char path[FILE_PATH_BYTES_MAX], const char *directory, const char *name,
                        struct err *err) ERR_MUST_CHECK;

/* How many bytes more fit where path lies; UINT64_MAX when the system does not say. */
uint64_t file_free_bytes(const char *path);

/*
 * Make a directory (mode 0750) if it is not there; its parent must be.  A new one's
 * name is flushed: what is flushed in it would else be gone with it after a power cut.
 *
 * Errors: ERR_DENIED, ERR_NOT_FOUND (the parent), ERR_CONFLICT (there is
 * something else of that name), ERR_FULL, ERR_IO.
 */
enum err_code file_make_directory(const char *path, struct err *err) ERR_MUST_CHECK;

/*
 * Take the exclusive lock on a lock file, which is made if needed and never
 * removed; the lock goes with the process, whatever ends it.
 *
 *   who     what holds it, for the message: "gbill-agent"
 *   ret_fd  keep open while the lock is needed; close() releases it
 *
 * Errors: ERR_BUSY when another process holds it (its pid is named);
 * ERR_DENIED, ERR_NOT_FOUND, ERR_FULL, ERR_IO for the file.
 */
enum err_code file_lock(const char *path, const char *who, int *ret_fd,
                        struct err *err) ERR_MUST_CHECK;

#endif
