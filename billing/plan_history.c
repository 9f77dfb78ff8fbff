#include "billing/plan_history.h"

#include <jansson.h>

#include "store/base/time.h"
#include "store/tables/book.h"

static const struct bytes in_use_key = {(const uint8_t *)"plan_book", 9};

static bool
has_begun(const json_t *object, int64_t now_ms)
{
    const char *from = json_string_value(json_object_get(object, "from"));
    int64_t from_ms = INT64_MIN;
    return from == NULL || !time_parse(str_of(from), &from_ms) || from_ms <= now_ms;
}

/* The item of an array that has the same text under a key. */
static const json_t *
same_by(const json_t *array, const json_t *item, const char *key)
{
    size_t i;
    const json_t *other, *text = json_object_get(item, key);
    json_array_foreach (array, i, other) {
        const json_t *t = json_object_get(other, key);
        if ((text == NULL && t == NULL) || (text != NULL && t != NULL && json_equal(text, t)))
            return other;
    }
    return NULL;
}

static enum err_code
changed(const char *what, const json_t *id, const json_t *version, struct err *err)
{
    const char *from = json_string_value(json_object_get(version, "from"));
    return err_set(err, ERR_CONFLICT,
                   "%s \"%s\"%s%s has begun and differs from the book in use so far, which would "
                   "charge the past anew; leave it as it is and add a version with a later "
                   "\"from\"",
                   what, json_string_value(id), from != NULL ? " from " : "",
                   from != NULL ? from : "");
}

/* A version or rate that has begun must be in the other book, just so. */
static enum err_code
check_versions(const char *what, const json_t *id, const json_t *old, const json_t *new,
               int64_t now_ms, struct err *err)
{
    size_t i;
    const json_t *v;
    json_array_foreach (old, i, v) {
        const json_t *same = same_by(new, v, "from");
        if (has_begun(v, now_ms) && (same == NULL || !json_equal(v, same)))
            return changed(what, id, v, err);
    }
    return ERR_OK;
}

static enum err_code
check_plans(const json_t *old, const json_t *new, int64_t now_ms, struct err *err)
{
    size_t i;
    const json_t *plan;
    enum err_code code = ERR_OK;
    json_array_foreach (json_object_get(old, "plans"), i, plan) {
        const json_t *id = json_object_get(plan, "id");
        const json_t *same = same_by(json_object_get(new, "plans"), plan, "id");
        const json_t *c = json_object_get(plan, "currency");
        const json_t *other = json_object_get(same, "currency");
        if (same == NULL || (c != other && !json_equal(c, other)))
            return changed("plan", id, NULL, err);
        code = check_versions("plan", id, json_object_get(plan, "versions"),
                              json_object_get(same, "versions"), now_ms, err);
        if (code != ERR_OK)
            return code;
    }
    return code;
}

/* A rate is named by its currency and its date. */
static enum err_code
check_rates(const json_t *old, const json_t *new, int64_t now_ms, struct err *err)
{
    size_t i, k;
    const json_t *rate, *other;
    json_array_foreach (json_object_get(old, "rates"), i, rate) {
        bool there = false;
        json_array_foreach (json_object_get(new, "rates"), k, other)
            there = there || json_equal(rate, other);
        if (!there && has_begun(rate, now_ms))
            return changed("rate of", json_object_get(rate, "currency"), rate, err);
    }
    return ERR_OK;
}

static enum err_code
check_book(const json_t *old, const json_t *new, int64_t now_ms, struct err *err)
{
    static const char *const heads[] = {"currency", "default", "cost_currency"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        const json_t *a = json_object_get(old, heads[i]), *b = json_object_get(new, heads[i]);
        if (a != b && !json_equal(a, b))
            return err_set(err, ERR_CONFLICT,
                           "\"%s\" differs from the book in use so far, and cannot change",
                           heads[i]);
    }
    enum err_code code = check_plans(old, new, now_ms, err);
    return code == ERR_OK ? check_rates(old, new, now_ms, err) : code;
}

static enum err_code
parse(struct bytes text, json_t **ret, struct err *err)
{
    json_error_t error;
    *ret = json_loadb((const char *)text.data, text.size_bytes, 0, &error);
    return *ret != NULL ? ERR_OK
                        : err_set(err, ERR_CORRUPT, "a kept plan book is no JSON: %s", error.text);
}

enum err_code
plan_history_take(struct tables_txn *txn, const struct plan_book *book, int64_t now_ms,
                  struct err *err)
{
    struct bytes in_use, old_text, new_text;
    json_t *old = NULL, *new = NULL;
    bool used = tables_get(txn, TABLE_META, in_use_key, &in_use) &&
                in_use.size_bytes == HASH_SHA256_BYTES;
    if (used && memcmp(in_use.data, book->sha256, HASH_SHA256_BYTES) == 0)
        return ERR_OK;
    enum err_code code = book_keep(txn, book->path, book->sha256, err);
    /* What a put gave back is no longer valid. */
    used = used && code == ERR_OK && tables_get(txn, TABLE_META, in_use_key, &in_use) &&
           book_get(txn, in_use.data, &old_text) && book_get(txn, book->sha256, &new_text);
    if (used) {
        code = parse(old_text, &old, err);
        if (code == ERR_OK)
            code = parse(new_text, &new, err);
        if (code == ERR_OK)
            code = check_book(old, new, now_ms, err);
        json_decref(old);
        json_decref(new);
    }
    if (code == ERR_OK)
        code = tables_put(txn, TABLE_META, in_use_key,
                          (struct bytes){book->sha256, HASH_SHA256_BYTES}, err);
    return err_wrap(err, code, "%s", book->path);
}
