/*
 * reports/api/keys.h - the keys of the HTTP API: who may ask, for which organization,
 * and for what.
 *
 * They stand in <data>/api-keys.json, a file of their own: tables.mdb may be dropped
 * and folded anew, and no event may carry a secret.  It is replaced whole, under a
 * lock, and holds no secret but their SHA-256.  A secret is 256 random bits, so there
 * is nothing to guess: a slow hash, which makes guessing passwords dear, would only
 * make each request dear.
 *
 * A key as its holder has it: gbk_<id>_<secret>, 16 and 64 hexadecimal digits.
 */
#ifndef REPORTS_API_KEYS_H
#define REPORTS_API_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/err.h"
#include "store/base/hash.h"
#include "store/base/list.h"

enum {
    KEYS_ID_BYTES = 16,
    KEYS_SECRET_BYTES = 64,
    KEYS_TEXT_BYTES = 4 + KEYS_ID_BYTES + 1 + KEYS_SECRET_BYTES, /* without a NUL */
    KEYS_ORGANIZATION_BYTES_MAX = 64,
    KEYS_MAX = 20000,
};

/* What a key is for, or-ed. */
enum key_scope { KEY_READ = 1, KEY_WRITE = 2, KEY_ADMIN = 4 };

struct key {
    char id[KEYS_ID_BYTES + 1];
    char organization[KEYS_ORGANIZATION_BYTES_MAX + 1];
    unsigned scopes;
    int64_t created_ms, expires_ms, revoked_ms; /* the last two: 0: not */
    uint8_t hash[HASH_SHA256_BYTES];            /* of the secret's digits */
};

struct keys {
    struct list list; /* struct key, by id */
};

/*
 * Read all keys; no file is no key.
 *
 *   ret  filled, taken by the caller: keys_clear(); empty after an error
 *
 * Errors: ERR_CONFIG (the file is not what keys_create() writes), ERR_DENIED,
 * ERR_IO, ERR_LIMIT.
 */
enum err_code keys_load(const char *data_directory, struct keys *ret,
                        struct err *err) ERR_MUST_CHECK;
void keys_clear(struct keys *keys);

/* Where and when keys are changed, and who is told first. */
struct keys_change {
    const char *data_directory;
    int64_t now_ms;
    /*
     * Called when nothing but storing it is left to do, with the file locked; an error ends the
     * change, and nothing is stored.  NULL: nobody is told.
     */
    enum err_code (*witness)(void *context, const struct key *key, struct err *err);
    void *context;
};

/*
 * Make a key and store it, flushed.
 *
 *   organization  1 to KEYS_ORGANIZATION_BYTES_MAX bytes of UTF-8, as events have it
 *   scopes        at least one
 *   expires_ms    0: never
 *   ret           filled
 *   ret_text      the key itself, which is nowhere else
 *
 * Errors: ERR_USAGE (no such organization id), ERR_BUSY, ERR_LIMIT (KEYS_MAX), those
 * of the witness, keys_load() and file_replace(): no key is made.
 */
enum err_code keys_create(const struct keys_change *change, const char *organization,
                          unsigned scopes, int64_t expires_ms, struct key *ret,
                          char ret_text[KEYS_TEXT_BYTES + 1], struct err *err) ERR_MUST_CHECK;

/*
 * Take a key back.  Safe to repeat: the first time stands, and later ones have no witness.
 *
 * Errors: ERR_NOT_FOUND, and those of keys_create().
 */
enum err_code keys_revoke(const struct keys_change *change, const char *id,
                          struct err *err) ERR_MUST_CHECK;

/*
 * Whose key is it?  The time it takes does not tell how much of the secret was right.
 *
 *   text  as the client sent it; any bytes are safe
 *
 * NULL: none, or one that is revoked or over at now_ms.
 */
const struct key *keys_find(const struct keys *keys, struct str text, int64_t now_ms);

/* "read,write": any order, none twice; false for anything else, and for none. */
bool keys_scopes_parse(struct str text, unsigned *ret) __attribute__((warn_unused_result));
void keys_scopes_format(unsigned scopes, char text[32]);

#endif
