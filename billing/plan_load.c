#include "billing/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/base/currency.h"
#include "store/base/json.h"

#define PLAN_FORMAT "gbill-plans/1"

enum {
    BOOK_BYTES_MAX = 8 * 1024 * 1024,
    WHERE_BYTES_MAX = 128, /* "plans[999] " + an id + " limits" */
};

struct load {
    struct arena *arena;
    struct plan_book *book;
};

static enum err_code
full(struct err *err)
{
    return err_set(err, ERR_LIMIT, "the plan book takes more than %d MiB",
                   BOOK_BYTES_MAX / 1024 / 1024);
}

static enum err_code
take_text(struct load *l, const json_t *object, const char *where, const char *key, struct str *ret,
          struct err *err)
{
    const char *text = NULL;
    enum err_code code = json_get_text(object, where, key, &text, err);
    if (code != ERR_OK)
        return code;
    size_t n = strlen(text);
    if (n == 0 || n > PLAN_TEXT_BYTES_MAX)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" has %zu bytes, must have 1 to %d", where, key,
                       n, PLAN_TEXT_BYTES_MAX);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return err_set(err, ERR_CONFIG, "%s: \"%s\" has a control character at byte %zu", where,
                           key, i);
    }
    char *copy = arena_text(l->arena, (struct str){text, n});
    if (copy == NULL)
        return full(err);
    *ret = (struct str){copy, n};
    return ERR_OK;
}

/* An id stands in error lines and commands, so it is plain ASCII without spaces. */
static enum err_code
check_id(struct str id, const char *where, struct err *err)
{
    for (size_t i = 0; i < id.size_bytes; i++) {
        if (id.data[i] <= 0x20 || id.data[i] > 0x7e)
            return err_set(err, ERR_CONFIG,
                           "%s: \"id\" is \"%.*s\", must be printable ASCII without spaces", where,
                           STR_ARG(id));
    }
    return ERR_OK;
}

static enum err_code
take_amount(const json_t *object, const char *where, const char *key, int decimals, int64_t *ret,
            struct err *err)
{
    const char *text = NULL;
    enum err_code code = json_get_text(object, where, key, &text, err);
    if (code != ERR_OK)
        return code;
    if (text[0] == '+' || text[0] == '-' || !money_parse(str_of(text), decimals, ret))
        return err_set(err, ERR_CONFIG,
                       "%s: \"%s\" is \"%.40s\", must be a decimal of 0 or more with at most %d "
                       "decimals",
                       where, key, text, decimals);
    return ERR_OK;
}

static enum err_code
take_fee(const struct load *l, const json_t *object, const char *where, struct plan *plan,
         struct err *err)
{
    int64_t minor = 0, scale = MONEY_PICO_PER_UNIT;
    enum err_code code =
        take_amount(object, where, "monthly_fee", l->book->minor_digits, &minor, err);
    if (code != ERR_OK)
        return code;
    for (int i = 0; i < l->book->minor_digits; i++)
        scale /= 10;
    if (__builtin_mul_overflow(minor, scale, &plan->fee_pico))
        return err_set(err, ERR_CONFIG, "%s: \"monthly_fee\" is beyond %" PRId64 " %s", where,
                       INT64_MAX / MONEY_PICO_PER_UNIT, l->book->currency);
    return ERR_OK;
}

/* Null is unlimited, so a missing key must be an error. */
static enum err_code
take_limits(const json_t *object, const char *where, struct plan *plan, struct err *err)
{
    static const char *const keys[] = {"projects", "documents", "ai_credits", "members", NULL};
    json_t *limits = NULL;
    char inner[WHERE_BYTES_MAX + 8];
    enum err_code code = json_get_object_opt(object, where, "limits", &limits, err);
    if (code != ERR_OK)
        return code;
    if (limits == NULL)
        return err_set(err, ERR_CONFIG, "%s: \"limits\" is missing", where);
    snprintf(inner, sizeof inner, "%s limits", where);
    code = json_only_keys(limits, inner, keys, err);
    for (int d = 0; code == ERR_OK && d < LIMIT_DIMENSIONS; d++) {
        const char *key = limit_dimension_name((enum limit_dimension)d);
        int64_t value = -1;
        if (json_object_get(limits, key) == NULL)
            return err_set(err, ERR_CONFIG, "%s: \"%s\" is missing; null is unlimited", inner, key);
        code = json_get_int_opt(limits, inner, key, 0, PLAN_LIMIT_MAX, &value, err);
        plan->limits[d] = value < 0 ? LIMIT_UNLIMITED : (uint64_t)value;
    }
    return code;
}

static enum err_code
take_overage(const json_t *object, const char *where, struct plan *plan, struct err *err)
{
    static const char key[] = "overage_per_million";
    const json_t *v = json_object_get(object, key);
    if (v == NULL)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" is missing; null is a hard limit", where, key);
    if (json_is_null(v))
        return ERR_OK;
    if (plan->limits[LIMIT_AI_CREDITS] == LIMIT_UNLIMITED)
        return err_set(err, ERR_CONFIG,
                       "%s: \"%s\" must be null, since the AI credits are unlimited", where, key);
    plan->sells_overage = true;
    return take_amount(object, where, key, 6, &plan->overage_pico, err);
}

static enum err_code
check_distinct(const struct plan *plans, size_t i, const char *where, struct err *err)
{
    for (size_t k = 0; k < i; k++) {
        if (str_equal(plans[k].id, plans[i].id))
            return err_set(err, ERR_CONFIG, "%s: plans[%zu] has this id already", where, k);
        if (plans[k].order == plans[i].order)
            return err_set(err, ERR_CONFIG, "%s: \"order\" is %" PRId64 ", as that of %.*s", where,
                           plans[i].order, STR_ARG(plans[k].id));
    }
    return ERR_OK;
}

static enum err_code
take_plan(struct load *l, const json_t *object, size_t i, struct plan *plan, struct err *err)
{
    static const char *const keys[] = {"id",          "name",      "order",
                                       "monthly_fee", "limits",    "overage_per_million",
                                       "support",     "analytics", NULL};
    char where[WHERE_BYTES_MAX];
    plan->order = -1;
    snprintf(where, sizeof where, "plans[%zu]", i);
    enum err_code code = json_only_keys(object, where, keys, err);
    if (code == ERR_OK)
        code = take_text(l, object, where, "id", &plan->id, err);
    if (code == ERR_OK)
        code = check_id(plan->id, where, err);
    if (code != ERR_OK)
        return code;
    snprintf(where, sizeof where, "plans[%zu] %.*s", i, STR_ARG(plan->id));
    code = take_text(l, object, where, "name", &plan->name, err);
    if (code == ERR_OK)
        code = json_get_int_opt(object, where, "order", 1, 1000000, &plan->order, err);
    if (code == ERR_OK && plan->order < 0)
        code = err_set(err, ERR_CONFIG, "%s: \"order\" is missing", where);
    if (code == ERR_OK)
        code = take_fee(l, object, where, plan, err);
    if (code == ERR_OK)
        code = take_limits(object, where, plan, err);
    if (code == ERR_OK)
        code = take_overage(object, where, plan, err);
    if (code == ERR_OK)
        code = take_text(l, object, where, "support", &plan->support, err);
    if (code == ERR_OK)
        code = take_text(l, object, where, "analytics", &plan->analytics, err);
    return code;
}

/* Sorted by order, so that the first that helps is the smallest. */
static void
insert(struct plan *plans, size_t count, struct plan plan)
{
    size_t i = count;
    for (; i > 0 && plans[i - 1].order > plan.order; i--)
        plans[i] = plans[i - 1];
    plans[i] = plan;
}

static enum err_code
take_plans(struct load *l, const json_t *root, struct err *err)
{
    json_t *array = NULL;
    enum err_code code = json_get_array(root, "book", "plans", &array, err);
    if (code != ERR_OK)
        return code;
    size_t count = json_array_size(array);
    if (count == 0)
        return err_set(err, ERR_CONFIG, "\"plans\" is empty");
    if (count > PLANS_MAX)
        return err_set(err, ERR_LIMIT, "\"plans\" has %zu plans, limit is %d", count, PLANS_MAX);
    /* Read in the file's order, to name the places that a person sees. */
    struct plan *read = arena_alloc(l->arena, count * sizeof *read);
    struct plan *plans = arena_alloc(l->arena, count * sizeof *plans);
    if (read == NULL || plans == NULL)
        return full(err);
    for (size_t i = 0; i < count; i++) {
        char where[WHERE_BYTES_MAX];
        code = take_plan(l, json_array_get(array, i), i, &read[i], err);
        if (code != ERR_OK)
            return code;
        snprintf(where, sizeof where, "plans[%zu] %.*s", i, STR_ARG(read[i].id));
        code = check_distinct(read, i, where, err);
        if (code != ERR_OK)
            return code;
        insert(plans, i, read[i]);
    }
    l->book->plans = plans;
    l->book->plan_count = count;
    return ERR_OK;
}

static enum err_code
take_head(struct load *l, const json_t *root, struct err *err)
{
    static const char *const keys[] = {"format",  "currency", "minor_digits",
                                       "default", "plans",    NULL};
    const char *format = NULL, *currency = NULL;
    int64_t digits = -1;
    enum err_code code = json_only_keys(root, "book", keys, err);
    if (code == ERR_OK)
        code = json_get_text(root, "book", "format", &format, err);
    if (code == ERR_OK && strcmp(format, PLAN_FORMAT) != 0)
        code = err_set(err, ERR_CONFIG, "\"format\" is \"%.40s\", must be \"" PLAN_FORMAT "\"",
                       format);
    if (code == ERR_OK)
        code = json_get_text(root, "book", "currency", &currency, err);
    if (code == ERR_OK &&
        (strlen(currency) != 3 || strspn(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3))
        code = err_set(err, ERR_CONFIG,
                       "\"currency\" is \"%.40s\", must be an ISO 4217 code such as \"USD\"",
                       currency);
    if (code == ERR_OK)
        code =
            json_get_int_opt(root, "book", "minor_digits", 0, MONEY_MINOR_DIGITS_MAX, &digits, err);
    if (code == ERR_OK && digits < 0)
        code = err_set(err, ERR_CONFIG, "\"minor_digits\" is missing");
    if (code == ERR_OK && digits != currency_minor_digits(currency))
        code = err_set(err, ERR_CONFIG, "\"minor_digits\" is %" PRId64 ", but %s has %d", digits,
                       currency, currency_minor_digits(currency));
    if (code != ERR_OK)
        return code;
    memcpy(l->book->currency, currency, 4);
    l->book->minor_digits = (int)digits;
    return ERR_OK;
}

static enum err_code
take_default(struct load *l, const json_t *root, struct err *err)
{
    const char *id = NULL;
    enum err_code code = json_get_text(root, "book", "default", &id, err);
    if (code != ERR_OK)
        return code;
    const struct plan *plan = plan_find(l->book, str_of(id));
    if (plan == NULL)
        return err_set(err, ERR_CONFIG, "\"default\" is \"%.64s\", which is no plan of this book",
                       id);
    if (plan->fee_pico != 0)
        return err_set(err, ERR_CONFIG,
                       "\"default\" is \"%.64s\", whose \"monthly_fee\" is not 0: without a "
                       "subscription nobody agreed to pay it",
                       id);
    l->book->default_plan = plan;
    return ERR_OK;
}

enum err_code
plan_book_load(const char *path, struct plan_book **ret_book, struct err *err)
{
    struct arena arena;
    json_t *root = NULL;
    uint8_t sha256[HASH_SHA256_BYTES];
    enum err_code code = json_file_load(path, &root, sha256, err);
    if (code != ERR_OK)
        return code;
    arena_init(&arena, BOOK_BYTES_MAX);
    struct plan_book *book = arena_alloc(&arena, sizeof *book);
    const char *own_path = arena_text(&arena, str_of(path));
    if (book == NULL || own_path == NULL) {
        code = full(err);
        goto out;
    }
    book->path = own_path;
    memcpy(book->sha256, sha256, sizeof sha256);
    struct load load = {.arena = &arena, .book = book};
    code = take_head(&load, root, err);
    if (code == ERR_OK)
        code = take_plans(&load, root, err);
    if (code == ERR_OK)
        code = take_default(&load, root, err);
out:
    json_decref(root);
    if (code != ERR_OK) {
        arena_clear(&arena);
        return err_wrap(err, code, "%s", path);
    }
    book->arena = arena; /* moved: nothing is allocated from here on */
    *ret_book = book;
    return ERR_OK;
}
