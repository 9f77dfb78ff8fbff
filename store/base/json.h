/*
 * store/base/json.h - JSON files (price book, plan book) through Jansson, with
 * errors that name the file and the path inside it.
 *
 * Jansson's json_t is used as it is; this file only adds the checked getters.
 */
#ifndef STORE_BASE_JSON_H
#define STORE_BASE_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/err.h"
#include "store/base/hash.h"

enum { JSON_FILE_BYTES_MAX = 16 * 1024 * 1024, JSON_PATH_BYTES_MAX = 200 };

/*
 * Read a whole JSON file; duplicate keys are refused.
 *
 *   path        borrowed
 *   ret_root    taken by the caller: json_decref()
 *   ret_sha256  filled with the hash of the file's bytes; NULL if not wanted
 *
 * Errors: ERR_NOT_FOUND, ERR_DENIED, ERR_IO for the file; ERR_CONFIG when it is
 * no JSON (line and column are named); ERR_LIMIT over JSON_FILE_BYTES_MAX.
 */
enum err_code json_file_load(const char *path, json_t **ret_root,
                             uint8_t ret_sha256[HASH_SHA256_BYTES], struct err *err) ERR_MUST_CHECK;

/*
 * Checked getters.  where says in words where the object stands
 * ("models[3] gpt-4o") and begins the message.  All errors are ERR_CONFIG.
 * The _opt forms leave *ret_x as it was when the key is absent or null.
 */
enum err_code json_get_text(const json_t *object, const char *where, const char *key,
                            const char **ret_text, struct err *err) ERR_MUST_CHECK;
enum err_code json_get_text_opt(const json_t *object, const char *where, const char *key,
                                const char **ret_text, struct err *err) ERR_MUST_CHECK;
enum err_code json_get_int_opt(const json_t *object, const char *where, const char *key,
                               int64_t min, int64_t max, int64_t *ret_value,
                               struct err *err) ERR_MUST_CHECK;
enum err_code json_get_array(const json_t *object, const char *where, const char *key,
                             json_t **ret_array, struct err *err) ERR_MUST_CHECK;
enum err_code json_get_object_opt(const json_t *object, const char *where, const char *key,
                                  json_t **ret_object, struct err *err) ERR_MUST_CHECK;

/*
 * Refuse keys that are not in allowed (NULL-terminated): a misspelt key in a
 * price book must not silently mean "no price".
 */
enum err_code json_only_keys(const json_t *object, const char *where, const char *const *allowed,
                             struct err *err) ERR_MUST_CHECK;

#endif
