#include "store/base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/file.h"
#include "store/base/heap.h"

/*
 * jansson 2.14 frees what it never had when it is out of memory while it begins to read.
 * Only jobs read JSON, and a job may end at any instruction: it ends here, and says why.
 */
static void *
allocate_or_end(size_t size)
{
    void *block = malloc(size);
    if (block == NULL)
        heap_end_out_of_memory("to read a JSON file");
    return block;
}

enum err_code
json_file_load(const char *path, json_t **ret_root, uint8_t ret_sha256[HASH_SHA256_BYTES],
               struct err *err)
{
    struct bytes text = {0};
    enum err_code code = file_read(path, JSON_FILE_BYTES_MAX, &text, err);
    if (code != ERR_OK)
        return code;
    json_error_t json_err;
    json_set_alloc_funcs(allocate_or_end, free);
    json_t *root =
        json_loadb((const char *)text.data, text.size_bytes, JSON_REJECT_DUPLICATES, &json_err);
    if (root == NULL)
        code = err_set(err, ERR_CONFIG, "%s:%d:%d: %s", path, json_err.line, json_err.column,
                       json_err.text);
    else if (ret_sha256 != NULL)
        hash_sha256(&text, 1, ret_sha256);
    free((void *)(uintptr_t)text.data);
    if (code == ERR_OK)
        *ret_root = root;
    return code;
}

static enum err_code
wrong_type(const char *where, const char *key, const json_t *value, const char *wanted,
           struct err *err)
{
    static const char *const names[] = {"an object", "an array", "a text", "a number",
                                        "a number",  "true",     "false",  "null"};
    return err_set(err, ERR_CONFIG, "%s: \"%s\" is %s, must be %s", where, key,
                   value == NULL ? "missing" : names[json_typeof(value)], wanted);
}

enum err_code
json_get_text(const json_t *object, const char *where, const char *key, const char **ret_text,
              struct err *err)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_string(v))
        return wrong_type(where, key, v, "a text", err);
    *ret_text = json_string_value(v);
    return ERR_OK;
}

enum err_code
json_get_text_opt(const json_t *object, const char *where, const char *key, const char **ret_text,
                  struct err *err)
{
    const json_t *v = json_object_get(object, key);
    if (v == NULL || json_is_null(v))
        return ERR_OK;
    return json_get_text(object, where, key, ret_text, err);
}

enum err_code
json_get_int_opt(const json_t *object, const char *where, const char *key, int64_t min, int64_t max,
                 int64_t *ret_value, struct err *err)
{
    const json_t *v = json_object_get(object, key);
    if (v == NULL || json_is_null(v))
        return ERR_OK;
    if (!json_is_integer(v))
        return wrong_type(where, key, v, "a whole number", err);
    int64_t value = json_integer_value(v);
    if (value < min || value > max)
        return err_set(err, ERR_CONFIG,
                       "%s: \"%s\" is %" PRId64 ", must lie in %" PRId64 " to %" PRId64, where, key,
                       value, min, max);
    *ret_value = value;
    return ERR_OK;
}

enum err_code
json_get_array(const json_t *object, const char *where, const char *key, json_t **ret_array,
               struct err *err)
{
    json_t *v = json_object_get(object, key);
    if (!json_is_array(v))
        return wrong_type(where, key, v, "an array", err);
    *ret_array = v;
    return ERR_OK;
}

enum err_code
json_get_object_opt(const json_t *object, const char *where, const char *key, json_t **ret_object,
                    struct err *err)
{
    json_t *v = json_object_get(object, key);
    if (v == NULL || json_is_null(v))
        return ERR_OK;
    if (!json_is_object(v))
        return wrong_type(where, key, v, "an object", err);
    *ret_object = v;
    return ERR_OK;
}

enum err_code
json_only_keys(const json_t *object, const char *where, const char *const *allowed, struct err *err)
{
    if (!json_is_object(object))
        return err_set(err, ERR_CONFIG, "%s: must be an object", where);
    /* Jansson's iterators take a non-const object but do not change it. */
    json_t *o = (json_t *)(uintptr_t)object;
    for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it)) {
        const char *key = json_object_iter_key(it);
        size_t i = 0;
        while (allowed[i] != NULL && strcmp(allowed[i], key) != 0)
            i++;
        if (allowed[i] == NULL)
            return err_set(err, ERR_CONFIG, "%s: unknown key \"%s\"", where, key);
    }
    return ERR_OK;
}
