#include "rollup/price.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/base/json.h"
#include "store/base/money.h"
#include "store/base/time.h"

/*
 * A book that is half understood bills half the truth, so everything that is
 * not in schemas/prices.md is refused, with the place in words.
 */

#define PRICE_FORMAT "gbill-prices/1"
#define PRICE_UNIT "1000000 tokens"

enum {
    BOOK_BYTES_MAX = 64 * 1024 * 1024,
    WHERE_BYTES_MAX = 320, /* "models[132] " + a model id + " prices[12]" */
    MODELS_MAX = 100000,
};

struct load {
    struct arena *arena;
    struct price_book *book;
    /* The book's own arrays are const; these are the same memory. */
    struct price_model *models;
    struct price_id *ids;
    uint32_t *slots;
};

static enum err_code
full(struct err *err)
{
    return err_set(err, ERR_LIMIT, "the price book takes more than %d MiB",
                   BOOK_BYTES_MAX / 1024 / 1024);
}

static enum err_code
take_text(struct load *l, const json_t *object, const char *where, const char *key,
          size_t bytes_max, struct str *ret, struct err *err)
{
    const char *text = NULL;
    enum err_code code = json_get_text(object, where, key, &text, err);
    if (code != ERR_OK)
        return code;
    size_t n = strlen(text);
    if (n == 0 || n > bytes_max)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" has %zu bytes, must have 1 to %zu", where, key,
                       n, bytes_max);
    char *copy = arena_text(l->arena, (struct str){text, n});
    if (copy == NULL)
        return full(err);
    *ret = (struct str){copy, n};
    return ERR_OK;
}

/* A time that must be written; null only where ever_ms says what it stands for. */
static enum err_code
take_time(const json_t *object, const char *where, const char *key, const int64_t *ever_ms,
          int64_t *ret_ms, struct err *err)
{
    const json_t *v = json_object_get(object, key);
    if (v != NULL && json_is_null(v) && ever_ms != NULL) {
        *ret_ms = *ever_ms;
        return ERR_OK;
    }
    if (!json_is_string(v))
        return err_set(err, ERR_CONFIG, "%s: \"%s\" must be a date such as \"2026-11-24\"%s", where,
                       key, ever_ms != NULL ? ", or null for since ever" : "");
    const char *text = json_string_value(v);
    if (!time_parse(str_of(text), ret_ms))
        return err_set(err, ERR_CONFIG, "%s: \"%s\" is \"%.40s\", which is no date", where, key,
                       text);
    return ERR_OK;
}

static enum err_code
take_when(const json_t *object, const char *where, struct price_when *w, struct err *err)
{
    static const int64_t since_ever = PRICE_SINCE_EVER;
    w->retracted_ms = PRICE_NEVER;
    enum err_code code = take_time(object, where, "from", &since_ever, &w->from_ms, err);
    if (code == ERR_OK)
        code = take_time(object, where, "recorded", NULL, &w->recorded_ms, err);
    if (code == ERR_OK && json_object_get(object, "retracted") != NULL)
        code = take_time(object, where, "retracted", NULL, &w->retracted_ms, err);
    if (code == ERR_OK && w->retracted_ms <= w->recorded_ms)
        code = err_set(err, ERR_CONFIG, "%s: \"retracted\" must be later than \"recorded\"", where);
    const char *note = NULL;
    if (code == ERR_OK)
        code = json_get_text_opt(object, where, "note", &note, err);
    return code;
}

/* Rates are texts: a JSON number would pass through a double on its way. */
static enum err_code
take_rates(const json_t *object, const char *where, struct price_rates *ret, struct err *err)
{
    static const char *const keys[] = {"input",          "cache_read", "cache_write",
                                       "cache_write_1h", "output",     NULL};
    json_t *rates = NULL;
    char inner[WHERE_BYTES_MAX + 8];
    enum err_code code = json_get_object_opt(object, where, "rates", &rates, err);
    if (code != ERR_OK)
        return code;
    if (rates == NULL || json_object_size(rates) == 0)
        return err_set(err, ERR_CONFIG, "%s: \"rates\" is missing or empty", where);
    snprintf(inner, sizeof inner, "%s rates", where);
    code = json_only_keys(rates, inner, keys, err);
    for (size_t c = 0; code == ERR_OK && c < EVENT_CLASSES; c++) {
        const char *text = NULL;
        ret->pico[c] = PRICE_NONE;
        if (json_object_get(rates, keys[c]) == NULL)
            continue;
        code = json_get_text(rates, inner, keys[c], &text, err);
        if (code != ERR_OK)
            break;
        if (text[0] == '+' || text[0] == '-' || !money_parse(str_of(text), 6, &ret->pico[c]))
            code = err_set(err, ERR_CONFIG,
                           "%s: \"%s\" is \"%.40s\", must be a price: a decimal of 0 or more "
                           "with at most 6 decimals",
                           inner, keys[c], text);
    }
    return code;
}

static enum err_code
take_band(const json_t *object, const char *where, struct price_band *band, struct err *err)
{
    static const char *const keys[] = {"input_tokens", "op", "scope", "rates", NULL};
    const char *op = NULL, *scope = NULL;
    int64_t threshold = -1;
    enum err_code code = json_only_keys(object, where, keys, err);
    if (code == ERR_OK)
        code = json_get_int_opt(object, where, "input_tokens", 1, (int64_t)EVENT_COUNT_MAX,
                                &threshold, err);
    if (code == ERR_OK && threshold < 0)
        code = err_set(err, ERR_CONFIG, "%s: \"input_tokens\" is missing", where);
    if (code == ERR_OK)
        code = json_get_text(object, where, "op", &op, err);
    if (code == ERR_OK && strcmp(op, ">") != 0 && strcmp(op, ">=") != 0)
        code =
            err_set(err, ERR_CONFIG, "%s: \"op\" is \"%.40s\", must be \">\" or \">=\"", where, op);
    if (code == ERR_OK)
        code = json_get_text(object, where, "scope", &scope, err);
    if (code == ERR_OK && strcmp(scope, "request") != 0)
        code = err_set(err, ERR_CONFIG,
                       "%s: \"scope\" is \"%.40s\", the only one known is \"request\"", where,
                       scope);
    if (code == ERR_OK)
        code = take_rates(object, where, &band->rates, err);
    if (code != ERR_OK)
        return code;
    band->threshold_tokens = (uint64_t)threshold;
    band->inclusive = op[1] == '=';
    band->first_tokens = band->threshold_tokens + (band->inclusive ? 0 : 1);
    return ERR_OK;
}

static enum err_code
take_bands(struct load *l, const json_t *object, const char *where, struct price_row *row,
           struct err *err)
{
    json_t *array = NULL;
    char inner[WHERE_BYTES_MAX + 32];
    if (json_object_get(object, "bands") == NULL)
        return ERR_OK;
    enum err_code code = json_get_array(object, where, "bands", &array, err);
    if (code != ERR_OK)
        return code;
    size_t count = json_array_size(array);
    if (count == 0)
        return err_set(err, ERR_CONFIG, "%s: \"bands\" is empty; leave it out", where);
    struct price_band *bands = arena_alloc(l->arena, count * sizeof *bands);
    if (bands == NULL)
        return full(err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        snprintf(inner, sizeof inner, "%s bands[%zu]", where, i);
        code = take_band(json_array_get(array, i), inner, &bands[i], err);
        if (code == ERR_OK && i > 0 && bands[i].first_tokens <= bands[i - 1].first_tokens)
            code = err_set(err, ERR_CONFIG, "%s: bands must rise by their \"input_tokens\"", inner);
    }
    row->bands = bands;
    row->band_count = count;
    return code;
}

static bool
tier_of(const char *word, enum price_tier *ret)
{
    for (size_t t = 0; t < PRICE_TIERS; t++) {
        if (strcmp(word, price_tier_name((enum price_tier)t)) == 0) {
            *ret = (enum price_tier)t;
            return true;
        }
    }
    return false;
}

static enum err_code
take_row(struct load *l, const json_t *object, const char *where, struct price_row *row,
         enum price_tier *ret_tier, struct err *err)
{
    static const char *const keys[] = {"from",  "recorded", "retracted", "tier",
                                       "rates", "bands",    "note",      NULL};
    const char *tier = NULL;
    enum err_code code = json_only_keys(object, where, keys, err);
    if (code == ERR_OK)
        code = take_when(object, where, &row->when, err);
    if (code == ERR_OK)
        code = json_get_text(object, where, "tier", &tier, err);
    if (code == ERR_OK && !tier_of(tier, ret_tier))
        code = err_set(err, ERR_CONFIG,
                       "%s: \"tier\" is \"%.40s\", must be standard, batch, flex or priority",
                       where, tier);
    if (code == ERR_OK)
        code = take_rates(object, where, &row->rates, err);
    if (code == ERR_OK)
        code = take_bands(l, object, where, row, err);
    return code;
}

/* One order for every book, so that a diff shows what was added and a duplicate cannot hide. */
static enum err_code
check_order(const struct price_row *rows, size_t i, enum price_tier before, enum price_tier tier,
            const char *where, struct err *err)
{
    if (i == 0 || tier > before)
        return ERR_OK;
    const struct price_when *a = &rows[i - 1].when, *b = &rows[i].when;
    if (tier == before && a->from_ms == b->from_ms && a->recorded_ms == b->recorded_ms)
        return err_set(err, ERR_CONFIG,
                       "%s: the row before has the same tier, \"from\" and \"recorded\"", where);
    if (tier < before || b->from_ms < a->from_ms ||
        (b->from_ms == a->from_ms && b->recorded_ms < a->recorded_ms))
        return err_set(err, ERR_CONFIG,
                       "%s: rows must be sorted by tier (standard, batch, flex, priority), "
                       "\"from\" and \"recorded\"",
                       where);
    return ERR_OK;
}

static enum err_code
take_rows(struct load *l, const json_t *object, const char *where, struct price_model *model,
          struct err *err)
{
    json_t *array = NULL;
    char inner[WHERE_BYTES_MAX];
    enum err_code code = json_get_array(object, where, "prices", &array, err);
    if (code != ERR_OK)
        return code;
    size_t count = json_array_size(array);
    if (count == 0)
        return err_set(err, ERR_CONFIG, "%s: \"prices\" is empty", where);
    struct price_row *rows = arena_alloc(l->arena, count * sizeof *rows);
    if (rows == NULL)
        return full(err);
    enum price_tier before = PRICE_STANDARD;
    for (size_t i = 0; i < count; i++) {
        enum price_tier tier = PRICE_STANDARD;
        snprintf(inner, sizeof inner, "%s prices[%zu]", where, i);
        code = take_row(l, json_array_get(array, i), inner, &rows[i], &tier, err);
        if (code == ERR_OK)
            code = check_order(rows, i, before, tier, inner, err);
        if (code != ERR_OK)
            return code;
        if (model->tiers[tier].count == 0)
            model->tiers[tier].rows = &rows[i];
        model->tiers[tier].count++;
        before = tier;
    }
    l->book->row_count += count;
    return ERR_OK;
}

/* The slot that holds this id, or the empty one where it belongs. */
static uint32_t *
slot_of(const struct load *l, struct str provider, struct str id)
{
    const struct price_book *book = l->book;
    uint64_t hash = 0;
    bool fits = price_id_hash(provider, id, &hash);
    assert(fits); /* take_text() bounds both */
    size_t slot = (size_t)hash & book->slot_mask;
    for (; l->slots[slot] != 0; slot = (slot + 1) & book->slot_mask) {
        const struct price_id *have = &l->ids[l->slots[slot] - 1];
        if (str_equal(have->id, id) && str_equal(have->provider, provider))
            break;
    }
    return &l->slots[slot];
}

static struct price_id *
add_id(struct load *l, uint32_t *slot, struct str provider, struct str id)
{
    struct price_id *added = &l->ids[l->book->id_count++];
    *added = (struct price_id){.provider = provider, .id = id};
    *slot = (uint32_t)l->book->id_count;
    return added;
}

static enum err_code
take_model(struct load *l, const json_t *object, size_t i, struct err *err)
{
    static const char *const keys[] = {"provider", "model", "aliases", "prices", "note", NULL};
    struct price_model *model = &l->models[i];
    char where[WHERE_BYTES_MAX];
    const char *note = NULL;
    snprintf(where, sizeof where, "models[%zu]", i);
    enum err_code code = json_only_keys(object, where, keys, err);
    if (code == ERR_OK)
        code = take_text(l, object, where, "provider", EVENT_TEXT_BYTES_MAX, &model->provider, err);
    if (code == ERR_OK)
        code = take_text(l, object, where, "model", EVENT_MODEL_BYTES_MAX, &model->model, err);
    if (code != ERR_OK)
        return code;
    snprintf(where, sizeof where, "models[%zu] %.*s", i, STR_ARG(model->model));
    uint32_t *slot = slot_of(l, model->provider, model->model);
    if (*slot != 0)
        return err_set(err, ERR_CONFIG, "%s: provider %.*s has this model already", where,
                       STR_ARG(model->provider));
    add_id(l, slot, model->provider, model->model)->model = model;
    code = json_get_text_opt(object, where, "note", &note, err);
    if (code == ERR_OK)
        code = take_rows(l, object, where, model, err);
    return code;
}

/* Two rows of one id that no rule could tell apart. */
static enum err_code
check_alias(const struct price_id *id, const struct price_alias *alias, const char *where,
            struct err *err)
{
    for (const struct price_alias *a = id->aliases; a != NULL; a = a->next) {
        if (a->when.from_ms != alias->when.from_ms ||
            a->when.recorded_ms != alias->when.recorded_ms)
            continue;
        if (a->model == alias->model)
            return err_set(err, ERR_CONFIG, "%s: alias \"%.*s\" stands twice with the same dates",
                           where, STR_ARG(id->id));
        return err_set(err, ERR_CONFIG,
                       "%s: alias \"%.*s\" points at %.*s with the same dates already", where,
                       STR_ARG(id->id), STR_ARG(a->model->model));
    }
    return ERR_OK;
}

static enum err_code
take_alias(struct load *l, const json_t *object, const char *where, const struct price_model *model,
           struct err *err)
{
    static const char *const keys[] = {"id", "from", "recorded", "retracted", "note", NULL};
    struct str text = {0};
    struct price_alias *alias = arena_alloc(l->arena, sizeof *alias);
    if (alias == NULL)
        return full(err);
    alias->model = model;
    enum err_code code = json_only_keys(object, where, keys, err);
    if (code == ERR_OK)
        code = take_text(l, object, where, "id", EVENT_MODEL_BYTES_MAX, &text, err);
    if (code == ERR_OK)
        code = take_when(object, where, &alias->when, err);
    if (code != ERR_OK)
        return code;
    uint32_t *slot = slot_of(l, model->provider, text);
    struct price_id *id = *slot != 0 ? &l->ids[*slot - 1] : add_id(l, slot, model->provider, text);
    if (id->model != NULL)
        return err_set(err, ERR_CONFIG, "%s: \"%.*s\" is a model of its own, not an alias", where,
                       STR_ARG(text));
    code = check_alias(id, alias, where, err);
    if (code != ERR_OK)
        return code;
    alias->next = id->aliases;
    id->aliases = alias;
    l->book->alias_count++;
    return ERR_OK;
}

static enum err_code
take_aliases(struct load *l, const json_t *object, size_t i, struct err *err)
{
    const struct price_model *model = &l->models[i];
    json_t *array = NULL;
    char where[WHERE_BYTES_MAX];
    enum err_code code = ERR_OK;
    if (json_object_get(object, "aliases") == NULL)
        return ERR_OK;
    snprintf(where, sizeof where, "models[%zu] %.*s", i, STR_ARG(model->model));
    code = json_get_array(object, where, "aliases", &array, err);
    for (size_t a = 0; code == ERR_OK && a < json_array_size(array); a++) {
        snprintf(where, sizeof where, "models[%zu] %.*s aliases[%zu]", i, STR_ARG(model->model), a);
        code = take_alias(l, json_array_get(array, a), where, model, err);
    }
    return code;
}

static enum err_code
check_constant(const json_t *root, const char *key, const char *wanted, struct err *err)
{
    const char *text = NULL;
    enum err_code code = json_get_text(root, "the book", key, &text, err);
    if (code == ERR_OK && strcmp(text, wanted) != 0)
        code = err_set(err, ERR_CONFIG, "\"%s\" is \"%.40s\", this gbill reads \"%s\"", key, text,
                       wanted);
    return code;
}

static enum err_code
take_head(struct load *l, const json_t *root, json_t **ret_models, struct err *err)
{
    static const char *const keys[] = {"format", "currency", "unit", "models", "note", NULL};
    enum err_code code = json_only_keys(root, "the book", keys, err);
    if (code == ERR_OK)
        code = check_constant(root, "format", PRICE_FORMAT, err);
    if (code == ERR_OK)
        code = check_constant(root, "unit", PRICE_UNIT, err);
    if (code == ERR_OK)
        code = take_text(l, root, "the book", "currency", 3, &l->book->currency, err);
    if (code == ERR_OK && l->book->currency.size_bytes != 3)
        code = err_set(err, ERR_CONFIG, "\"currency\" is \"%s\", must be three letters (ISO 4217)",
                       l->book->currency.data);
    if (code == ERR_OK)
        code = json_get_array(root, "the book", "models", ret_models, err);
    size_t count = code == ERR_OK ? json_array_size(*ret_models) : 0;
    if (code == ERR_OK && (count == 0 || count > MODELS_MAX))
        code = err_set(err, ERR_CONFIG, "the book has %zu models, must have 1 to %d", count,
                       MODELS_MAX);
    return code;
}

/* Arrays for all that the file can name, so that nothing moves while it is read. */
static enum err_code
make_room(struct load *l, const json_t *models, struct err *err)
{
    size_t count = json_array_size(models), ids = count, slots = 16;
    for (size_t i = 0; i < count; i++)
        ids += json_array_size(json_object_get(json_array_get(models, i), "aliases"));
    while (slots < ids * 2)
        slots *= 2;
    l->models = arena_alloc(l->arena, count * sizeof *l->models);
    l->ids = arena_alloc(l->arena, ids * sizeof *l->ids);
    l->slots = arena_alloc(l->arena, slots * sizeof *l->slots);
    if (l->models == NULL || l->ids == NULL || l->slots == NULL)
        return full(err);
    l->book->models = l->models;
    l->book->model_count = count;
    l->book->ids = l->ids;
    l->book->slots = l->slots;
    l->book->slot_mask = slots - 1;
    return ERR_OK;
}

/* Models first: an alias may name an id that only a later model owns. */
static enum err_code
take_book(struct load *l, const json_t *root, struct err *err)
{
    json_t *models = NULL;
    enum err_code code = take_head(l, root, &models, err);
    if (code == ERR_OK)
        code = make_room(l, models, err);
    for (size_t i = 0; code == ERR_OK && i < json_array_size(models); i++)
        code = take_model(l, json_array_get(models, i), i, err);
    for (size_t i = 0; code == ERR_OK && i < json_array_size(models); i++)
        code = take_aliases(l, json_array_get(models, i), i, err);
    return code;
}

enum err_code
price_book_load(const char *path, struct price_book **ret_book, struct err *err)
{
    struct arena arena;
    json_t *root = NULL;
    uint8_t sha256[HASH_SHA256_BYTES];
    enum err_code code = json_file_load(path, &root, sha256, err);
    if (code != ERR_OK)
        return code;
    arena_init(&arena, BOOK_BYTES_MAX);
    struct price_book *book = arena_alloc(&arena, sizeof *book);
    const char *own_path = arena_text(&arena, str_of(path));
    if (book == NULL || own_path == NULL) {
        code = full(err);
        goto out;
    }
    book->path = own_path;
    memcpy(book->sha256, sha256, sizeof sha256);
    struct load load = {.arena = &arena, .book = book};
    code = take_book(&load, root, err);
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
