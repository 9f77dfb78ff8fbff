#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/plan/load.h"
#include "store/base/currency.h"

#define PLAN_FORMAT "gbill-plans/2"

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
take_plan(struct load_at *at, struct plan *plan, struct err *err)
{
    static const char *const keys[] = {"id",       "name",          "order", "versions",
                                       "currency", "organizations", NULL};
    size_t place = strlen(at->where);
    plan->order = -1;
    memcpy(plan->currency, at->load->book->currency, sizeof plan->currency);
    enum err_code code = json_only_keys(at->object, at->where, keys, err);
    if (code == ERR_OK)
        code = load_id(at, "id", &plan->id, err);
    if (code != ERR_OK)
        return code;
    snprintf(at->where + place, sizeof at->where - place, " %.*s", STR_ARG(plan->id));
    code = load_text(at, "name", &plan->name, err);
    if (code == ERR_OK)
        code = json_get_int_opt(at->object, at->where, "order", 1, 1000000, &plan->order, err);
    if (code == ERR_OK && plan->order < 0)
        code = err_set(err, ERR_CONFIG, "%s: \"order\" is missing", at->where);
    if (code == ERR_OK)
        code = load_currency_opt(at, "currency", plan->currency, err);
    if (code == ERR_OK && plan_rate_at(at->load->book, plan->currency, 0) == 0)
        code = err_set(err, ERR_CONFIG, "%s: \"currency\" is %s, of which \"rates\" has none",
                       at->where, plan->currency);
    if (code == ERR_OK)
        code =
            load_ids_opt(at, "organizations", &plan->organizations, &plan->organization_count, err);
    return code == ERR_OK ? load_versions(at, plan, err) : code;
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
take_plans(const struct load_at *at, struct err *err)
{
    json_t *array = NULL;
    enum err_code code = json_get_array(at->object, "book", "plans", &array, err);
    if (code != ERR_OK)
        return code;
    size_t count = json_array_size(array);
    if (count == 0)
        return err_set(err, ERR_CONFIG, "\"plans\" is empty");
    if (count > PLANS_MAX)
        return err_set(err, ERR_LIMIT, "\"plans\" has %zu plans, limit is %d", count, PLANS_MAX);
    /* Read in the file's order, to name the places that a person sees. */
    struct plan *read = load_alloc(at, count * sizeof *read);
    struct plan *plans = load_alloc(at, count * sizeof *plans);
    if (read == NULL || plans == NULL)
        return load_full(err);
    for (size_t i = 0; i < count; i++) {
        struct load_at inner = load_inner(at, json_array_get(array, i), "plans", (int)i);
        code = take_plan(&inner, &read[i], err);
        if (code == ERR_OK)
            code = check_distinct(read, i, inner.where, err);
        if (code != ERR_OK)
            return code;
        insert(plans, i, read[i]);
    }
    at->load->book->plans = plans;
    at->load->book->plan_count = count;
    return ERR_OK;
}

static enum err_code
take_rate(const struct load_at *at, const struct plan_rate *before, struct plan_rate *rate,
          struct err *err)
{
    static const char *const keys[] = {"currency", "from", "rate", NULL};
    rate->from_ms = INT64_MIN;
    enum err_code code = json_only_keys(at->object, at->where, keys, err);
    if (code == ERR_OK)
        code = load_currency_opt(at, "currency", rate->currency, err);
    if (code == ERR_OK)
        code = load_time_opt(at, "from", &rate->from_ms, err);
    if (code == ERR_OK && (rate->currency[0] == '\0' || rate->from_ms == INT64_MIN))
        code = err_set(err, ERR_CONFIG, "%s: \"%s\" is missing", at->where,
                       rate->currency[0] == '\0' ? "currency" : "from");
    if (code == ERR_OK)
        code = load_decimal(at, "rate", 9, &rate->rate_nano, err);
    if (code == ERR_OK && (rate->rate_nano == 0 || rate->rate_nano > (int64_t)1000000000000000))
        code =
            err_set(err, ERR_CONFIG, "%s: \"rate\" must be above 0 and at most 1000000", at->where);
    if (code == ERR_OK && strcmp(rate->currency, at->load->book->currency) == 0)
        code = err_set(err, ERR_CONFIG, "%s: \"currency\" is the book's own", at->where);
    if (code == ERR_OK && before != NULL) {
        int order = strcmp(before->currency, rate->currency);
        if (order > 0 || (order == 0 && before->from_ms >= rate->from_ms))
            code = err_set(err, ERR_CONFIG, "%s: rates stand by currency, then by \"from\"",
                           at->where);
    }
    return code;
}

static enum err_code
take_rates(const struct load_at *at, struct err *err)
{
    json_t *array = NULL;
    const json_t *v = json_object_get(at->object, "rates");
    if (v == NULL || json_is_null(v))
        return ERR_OK;
    enum err_code code = json_get_array(at->object, "book", "rates", &array, err);
    size_t count = code == ERR_OK ? json_array_size(array) : 0;
    struct plan_rate *rates = load_alloc(at, (count + 1) * sizeof *rates);
    if (rates == NULL)
        return load_full(err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        struct load_at inner = load_inner(at, json_array_get(array, i), "rates", (int)i);
        code = take_rate(&inner, i > 0 ? &rates[i - 1] : NULL, &rates[i], err);
    }
    at->load->book->rates = rates;
    at->load->book->rate_count = count;
    return code;
}

static enum err_code
take_head(const struct load_at *at, struct err *err)
{
    static const char *const keys[] = {"format", "currency",      "minor_digits", "default",
                                       "plans",  "cost_currency", "rates",        NULL};
    const char *format = NULL;
    struct plan_book *book = at->load->book;
    struct load_at here = *at;
    int64_t digits = -1;
    snprintf(here.where, sizeof here.where, "book");
    enum err_code code = json_only_keys(at->object, "book", keys, err);
    if (code == ERR_OK)
        code = json_get_text(at->object, "book", "format", &format, err);
    if (code == ERR_OK && strcmp(format, PLAN_FORMAT) != 0)
        code = err_set(err, ERR_CONFIG,
                       "\"format\" is \"%.40s\", must be \"" PLAN_FORMAT "\" (schemas/plans.md "
                       "says how the older one is written anew)",
                       format);
    if (code == ERR_OK)
        code = load_currency_opt(&here, "currency", book->currency, err);
    if (code == ERR_OK && book->currency[0] == '\0')
        code = err_set(err, ERR_CONFIG, "\"currency\" is missing");
    if (code == ERR_OK)
        code = json_get_int_opt(at->object, "book", "minor_digits", 0, MONEY_MINOR_DIGITS_MAX,
                                &digits, err);
    if (code == ERR_OK && digits < 0)
        code = err_set(err, ERR_CONFIG, "\"minor_digits\" is missing");
    if (code == ERR_OK && digits != currency_minor_digits(book->currency))
        code = err_set(err, ERR_CONFIG, "\"minor_digits\" is %" PRId64 ", but %s has %d", digits,
                       book->currency, currency_minor_digits(book->currency));
    memcpy(book->cost_currency, PLAN_COST_CURRENCY_DEFAULT, 4);
    if (code == ERR_OK)
        code = load_currency_opt(&here, "cost_currency", book->cost_currency, err);
    return code;
}

/* LLM costs are in the price book's currency: a charge on them needs its rate. */
static enum err_code
check_costs(const struct plan_book *book, struct err *err)
{
    if (plan_rate_at(book, book->cost_currency, 0) != 0)
        return ERR_OK;
    for (size_t i = 0; i < book->plan_count; i++) {
        const struct plan *p = &book->plans[i];
        for (size_t t = 0; t < p->terms_count; t++) {
            for (size_t c = 0; c < p->terms[t].charge_count; c++) {
                if (p->terms[t].charges[c].meter == METER_COST)
                    return err_set(err, ERR_CONFIG,
                                   "plan %.*s charges by LLM cost, which is in %s; \"rates\" has "
                                   "none of it",
                                   STR_ARG(p->id), book->cost_currency);
            }
        }
    }
    return ERR_OK;
}

static enum err_code
take_default(const struct load_at *at, struct err *err)
{
    const char *id = NULL;
    struct plan_book *book = at->load->book;
    enum err_code code = json_get_text(at->object, "book", "default", &id, err);
    if (code != ERR_OK)
        return code;
    const struct plan *plan = plan_find(book, str_of(id));
    if (plan == NULL)
        return err_set(err, ERR_CONFIG, "\"default\" is \"%.64s\", which is no plan of this book",
                       id);
    if (plan->organization_count > 0)
        return err_set(err, ERR_CONFIG, "\"default\" is \"%.64s\", which is not for everybody", id);
    for (size_t i = 0; i < plan->terms_count; i++) {
        const struct cycle *cycle = &plan->terms[i].cycle;
        if (plan->terms[i].charge_count > 0 || plan->terms[i].has_commitment)
            return err_set(err, ERR_CONFIG,
                           "\"default\" is \"%.64s\", which charges something: without a "
                           "subscription nobody agreed to pay",
                           id);
        if (cycle->months != 1 || cycle->anchored || plan->terms[i].usage_cycle.months != 1)
            return err_set(err, ERR_CONFIG,
                           "\"default\" is \"%.64s\", whose period must be the calendar month", id);
    }
    book->default_plan = plan;
    return ERR_OK;
}

/* Takes root. */
static enum err_code
take_book(json_t *root, const char *path, const uint8_t sha256[HASH_SHA256_BYTES],
          struct plan_book **ret_book, struct err *err)
{
    struct arena arena;
    enum err_code code = ERR_OK;
    arena_init(&arena, LOAD_BYTES_MAX);
    struct plan_book *book = arena_alloc(&arena, sizeof *book);
    const char *own_path = arena_text(&arena, str_of(path));
    if (book == NULL || own_path == NULL) {
        code = load_full(err);
        goto out;
    }
    book->path = own_path;
    memcpy(book->sha256, sha256, HASH_SHA256_BYTES);
    struct load load = {.arena = &arena, .book = book};
    struct load_at at = {.load = &load, .object = root};
    code = take_head(&at, err);
    if (code == ERR_OK)
        code = take_rates(&at, err);
    if (code == ERR_OK)
        code = take_plans(&at, err);
    if (code == ERR_OK)
        code = take_default(&at, err);
    if (code == ERR_OK)
        code = check_costs(book, err);
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

enum err_code
plan_book_load(const char *path, struct plan_book **ret_book, struct err *err)
{
    json_t *root = NULL;
    uint8_t sha256[HASH_SHA256_BYTES];
    enum err_code code = json_file_load(path, &root, sha256, err);
    return code == ERR_OK ? take_book(root, path, sha256, ret_book, err) : code;
}

enum err_code
plan_book_read(struct bytes text, const uint8_t sha256[HASH_SHA256_BYTES],
               struct plan_book **ret_book, struct err *err)
{
    json_error_t error;
    char name[HASH_SHA256_TEXT_BYTES];
    hash_hex(sha256, HASH_SHA256_BYTES, name);
    json_t *root =
        json_loadb((const char *)text.data, text.size_bytes, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        return err_set(err, ERR_CONFIG, "plan book %s is no JSON: %s", name, error.text);
    return take_book(root, name, sha256, ret_book, err);
}
