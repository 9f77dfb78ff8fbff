/*
 * reports/api/repeats.h - which requests were seen under which Idempotency-Key, so that a
 * key used for something else is told from a repeat.
 *
 * That a repeat counts once does not hang on this: its events have the same ids
 * (parcel_make_id()).  But another body under the same key would have the same ids too, and
 * not count, so what is known is kept over a restart, however it comes: in a mapped file,
 * <data>/api-repeats.  Nobody waits for the disk, so a power cut may take the newest away;
 * then gbill audit --conflicts shows what did not count.
 */
#ifndef REPORTS_API_REPEATS_H
#define REPORTS_API_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/err.h"

enum { REPEATS_SLOTS = 16384, REPEATS_WAYS = 4, REPEATS_KEY_BYTES_MAX = 255 };

#define REPEATS_LIFE_MS ((int64_t)24 * 60 * 60 * 1000)

struct repeat {
    uint64_t key[2]; /* of a SHA-256; 0, 0: nobody */
    uint64_t body[2];
    int64_t first_ms;
};

struct repeats {
    struct repeat slots[REPEATS_SLOTS]; /* in this machine's order of bytes: the whole file */
};

/*
 * Map what is known.  A file of another size is begun anew.
 *
 *   ret       of the caller until repeats_close()
 *   ret_lock  held as long; -1: another server has the file, and *ret knows only its own
 *
 * Errors: those of file_path(); ERR_DENIED, ERR_FULL, ERR_IO, ERR_LIMIT (no memory).
 */
enum err_code repeats_open(const char *data_directory, struct repeats **ret, int *ret_lock,
                           struct err *err) ERR_MUST_CHECK;

/* NULL is allowed. */
void repeats_close(struct repeats *repeats, int lock);

enum repeat_kind { REPEAT_NEW, REPEAT_SAME, REPEAT_OTHER };

/* 1 to REPEATS_KEY_BYTES_MAX visible ASCII characters. */
bool repeats_key_ok(const char *key);

/*
 * Have we seen it, within REPEATS_LIFE_MS?
 *
 *   organization, key  a key is an organization's own
 *   body               any bytes
 *   now_ms             when the request came
 *   ret                for repeats_add(); first_ms says when it came first, now_ms of a new one
 */
enum repeat_kind repeats_find(const struct repeats *repeats, const char *organization,
                              const char *key, struct bytes body, int64_t now_ms,
                              struct repeat *ret);

/* Remember a new one, in place of the oldest of REPEATS_WAYS. */
void repeats_add(struct repeats *repeats, const struct repeat *repeat);

#endif
