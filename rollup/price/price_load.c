#include "rollup/price/price_row.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * A book that is half understood bills half the truth, so everything that is
 * not in schemas/prices.md is refused, with the place in words.
 */

#define PRICE_FORMAT "gbill-prices/1"
#define PRICE_UNIT "1000000 tokens"

enum {
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

/* A model that only overrides price needs no rows of its own. */
static enum err_code
take_prices(struct load *l, const json_t *object, const char *where, struct price_model *model,
            struct err *err)
{
    if (json_object_get(object, "prices") == NULL && json_object_get(object, "overrides") != NULL)
        return ERR_OK;
    return price_take_rows(l->arena, object, where, model->tiers, &l->book->row_count, err);
}

static enum err_code
take_override(struct load *l, const json_t *object, const char *where,
              const struct price_override *before, struct price_override *ret, struct err *err)
{
    static const char *const keys[] = {"organization", "prices", "note", NULL};
    const char *note = NULL;
    enum err_code code = json_only_keys(object, where, keys, err);
    if (code == ERR_OK)
        code = price_take_text(l->arena, object, where, "organization", EVENT_TEXT_BYTES_MAX,
                               &ret->organization, err);
    if (code == ERR_OK && before != NULL &&
        str_compare(before->organization, ret->organization) >= 0)
        code = err_set(err, ERR_CONFIG, "%s: overrides must rise by \"organization\", each once",
                       where);
    if (code == ERR_OK)
        code = json_get_text_opt(object, where, "note", &note, err);
    if (code == ERR_OK)
        code = price_take_rows(l->arena, object, where, ret->tiers, &l->book->row_count, err);
    return code;
}

static enum err_code
take_overrides(struct load *l, const json_t *object, const char *where, struct price_model *model,
               struct err *err)
{
    json_t *array = NULL;
    char inner[PRICE_WHERE_BYTES_MAX];
    if (json_object_get(object, "overrides") == NULL)
        return ERR_OK;
    enum err_code code = json_get_array(object, where, "overrides", &array, err);
    if (code != ERR_OK)
        return code;
    size_t count = json_array_size(array);
    if (count == 0)
        return err_set(err, ERR_CONFIG, "%s: \"overrides\" is empty; leave it out", where);
    struct price_override *overrides = arena_alloc(l->arena, count * sizeof *overrides);
    if (overrides == NULL)
        return price_full(err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        snprintf(inner, sizeof inner, "%.300s overrides[%zu]", where, i);
        code = take_override(l, json_array_get(array, i), inner, i > 0 ? &overrides[i - 1] : NULL,
                             &overrides[i], err);
    }
    model->overrides = overrides;
    model->override_count = count;
    return code;
}

static enum err_code
take_model(struct load *l, const json_t *object, size_t i, struct err *err)
{
    static const char *const keys[] = {"provider",  "model", "aliases", "prices",
                                       "overrides", "note",  NULL};
    struct price_model *model = &l->models[i];
    char where[PRICE_WHERE_BYTES_MAX];
    const char *note = NULL;
    snprintf(where, sizeof where, "models[%zu]", i);
    enum err_code code = json_only_keys(object, where, keys, err);
    if (code == ERR_OK)
        code = price_take_text(l->arena, object, where, "provider", EVENT_TEXT_BYTES_MAX,
                               &model->provider, err);
    if (code == ERR_OK)
        code = price_take_text(l->arena, object, where, "model", EVENT_MODEL_BYTES_MAX,
                               &model->model, err);
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
        code = take_prices(l, object, where, model, err);
    if (code == ERR_OK)
        code = take_overrides(l, object, where, model, err);
    if (code == ERR_OK)
        code = price_check_factors(model, where, err);
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
        return price_full(err);
    alias->model = model;
    enum err_code code = json_only_keys(object, where, keys, err);
    if (code == ERR_OK)
        code = price_take_text(l->arena, object, where, "id", EVENT_MODEL_BYTES_MAX, &text, err);
    if (code == ERR_OK)
        code = price_take_when(object, where, &alias->when, err);
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
    char where[PRICE_WHERE_BYTES_MAX];
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
        code = price_take_text(l->arena, root, "the book", "currency", 3, &l->book->currency, err);
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
        return price_full(err);
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
    arena_init(&arena, PRICE_BOOK_BYTES_MAX);
    struct price_book *book = arena_alloc(&arena, sizeof *book);
    const char *own_path = arena_text(&arena, str_of(path));
    if (book == NULL || own_path == NULL) {
        code = price_full(err);
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
