#include "billing/plan/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/base/time.h"

struct load_at
load_inner(const struct load_at *at, const json_t *object, const char *key, int i)
{
    struct load_at inner = {.load = at->load, .object = object};
    const char *space = at->where[0] != '\0' ? " " : "";
    if (i < 0)
        snprintf(inner.where, sizeof inner.where, "%s%s%s", at->where, space, key);
    else
        snprintf(inner.where, sizeof inner.where, "%s%s%s[%d]", at->where, space, key, i);
    return inner;
}

enum err_code
load_full(struct err *err)
{
    return err_set(err, ERR_LIMIT, "the plan book takes more than %d MiB",
                   LOAD_BYTES_MAX / 1024 / 1024);
}

void *
load_alloc(const struct load_at *at, size_t size_bytes)
{
    return arena_alloc(at->load->arena, size_bytes);
}

static enum err_code
take_text(const struct load_at *at, const char *key, const char *text, struct str *ret,
          struct err *err)
{
    size_t n = strlen(text);
    if (n == 0 || n > PLAN_TEXT_BYTES_MAX)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" has %zu bytes, must have 1 to %d", at->where,
                       key, n, PLAN_TEXT_BYTES_MAX);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return err_set(err, ERR_CONFIG, "%s: \"%s\" has a control character at byte %zu",
                           at->where, key, i);
    }
    char *copy = arena_text(at->load->arena, (struct str){text, n});
    if (copy == NULL)
        return load_full(err);
    *ret = (struct str){copy, n};
    return ERR_OK;
}

enum err_code
load_text(const struct load_at *at, const char *key, struct str *ret, struct err *err)
{
    const char *text = NULL;
    enum err_code code = json_get_text(at->object, at->where, key, &text, err);
    return code != ERR_OK ? code : take_text(at, key, text, ret, err);
}

static enum err_code
check_id(const struct load_at *at, const char *key, struct str id, struct err *err)
{
    for (size_t i = 0; i < id.size_bytes; i++) {
        if (id.data[i] <= 0x20 || id.data[i] > 0x7e)
            return err_set(err, ERR_CONFIG,
                           "%s: \"%s\" is \"%.*s\", must be printable ASCII without spaces",
                           at->where, key, STR_ARG(id));
    }
    return ERR_OK;
}

enum err_code
load_id(const struct load_at *at, const char *key, struct str *ret, struct err *err)
{
    enum err_code code = load_text(at, key, ret, err);
    return code == ERR_OK ? check_id(at, key, *ret, err) : code;
}

enum err_code
load_ids_opt(const struct load_at *at, const char *key, const struct str **ret, size_t *ret_count,
             struct err *err)
{
    json_t *array = NULL;
    const json_t *v = json_object_get(at->object, key);
    if (v == NULL || json_is_null(v))
        return ERR_OK;
    enum err_code code = json_get_array(at->object, at->where, key, &array, err);
    size_t count = code == ERR_OK ? json_array_size(array) : 0;
    if (code == ERR_OK && count == 0)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" is empty; leave it out", at->where, key);
    struct str *ids = code == ERR_OK ? load_alloc(at, count * sizeof *ids) : NULL;
    if (code == ERR_OK && ids == NULL)
        return load_full(err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text == NULL)
            return err_set(err, ERR_CONFIG, "%s: %s[%zu] is no text", at->where, key, i);
        code = take_text(at, key, text, &ids[i], err);
    }
    if (code == ERR_OK) {
        *ret = ids;
        *ret_count = count;
    }
    return code;
}

enum err_code
load_decimal(const struct load_at *at, const char *key, int decimals, int64_t *ret, struct err *err)
{
    const char *text = NULL;
    enum err_code code = json_get_text(at->object, at->where, key, &text, err);
    if (code != ERR_OK)
        return code;
    if (text[0] == '+' || text[0] == '-' || !money_parse(str_of(text), decimals, ret))
        return err_set(err, ERR_CONFIG,
                       "%s: \"%s\" is \"%.40s\", must be a decimal of 0 or more with at most %d "
                       "decimals, below %" PRId64,
                       at->where, key, text, decimals,
                       decimals >= 12 ? INT64_MAX / MONEY_PICO_PER_UNIT : (int64_t)1000000000000);
    return ERR_OK;
}

enum err_code
load_decimal_opt(const struct load_at *at, const char *key, int decimals, int64_t *ret,
                 bool *ret_there, struct err *err)
{
    const json_t *v = json_object_get(at->object, key);
    if (v == NULL || json_is_null(v))
        return ERR_OK;
    if (ret_there != NULL)
        *ret_there = true;
    return load_decimal(at, key, decimals, ret, err);
}

enum err_code
load_percent_opt(const struct load_at *at, const char *key, int64_t most, int64_t *ret,
                 struct err *err)
{
    enum err_code code = load_decimal_opt(at, key, 6, ret, NULL, err);
    if (code == ERR_OK && *ret > most)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" is more than %" PRId64 " percent", at->where,
                       key, most / (PLAN_PERCENT_WHOLE / 100));
    return code;
}

enum err_code
load_time_opt(const struct load_at *at, const char *key, int64_t *ret, struct err *err)
{
    const char *text = NULL;
    enum err_code code = json_get_text_opt(at->object, at->where, key, &text, err);
    if (code == ERR_OK && text != NULL && !time_parse(str_of(text), ret))
        return err_set(err, ERR_CONFIG, "%s: \"%s\" is \"%.40s\", no time; write \"2026-11-01\"",
                       at->where, key, text);
    return code;
}

enum err_code
load_flag_opt(const struct load_at *at, const char *key, bool *ret, struct err *err)
{
    const json_t *v = json_object_get(at->object, key);
    if (v == NULL || json_is_null(v))
        return ERR_OK;
    if (!json_is_boolean(v))
        return err_set(err, ERR_CONFIG, "%s: \"%s\" must be true or false", at->where, key);
    *ret = json_is_true(v);
    return ERR_OK;
}

enum err_code
load_word_opt(const struct load_at *at, const char *key, const char *const *words, int *ret,
              struct err *err)
{
    const char *text = NULL;
    enum err_code code = json_get_text_opt(at->object, at->where, key, &text, err);
    if (code != ERR_OK || text == NULL)
        return code;
    char all[160] = "";
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *ret = i;
            return ERR_OK;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    return err_set(err, ERR_CONFIG, "%s: \"%s\" is \"%.40s\", must be one of %s", at->where, key,
                   text, all);
}

enum err_code
load_currency_opt(const struct load_at *at, const char *key, char ret[4], struct err *err)
{
    const char *text = NULL;
    enum err_code code = json_get_text_opt(at->object, at->where, key, &text, err);
    if (code != ERR_OK || text == NULL)
        return code;
    if (strlen(text) != 3 || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
        return err_set(err, ERR_CONFIG,
                       "%s: \"%s\" is \"%.40s\", must be an ISO 4217 code such as \"USD\"",
                       at->where, key, text);
    memcpy(ret, text, 4);
    return ERR_OK;
}
