#include "rollup/price/price_import.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rollup/price/price_diff.h"
#include "rollup/price/price_foreign.h"
#include "rollup/price/price_row.h"
#include "store/base/money.h"
#include "store/base/time.h"

enum { IMPORT_BYTES_MAX = 64 * 1024 * 1024 };

struct alias_offer {
    struct str provider, id, model;
    struct alias_offer *next;
};

struct price_import {
    const struct price_import_args *args;
    struct price_import_result result;
    struct arena arena;
    struct arena scratch; /* of one offer */
    struct price_offer *offer;
    struct alias_offer *aliases, **aliases_end; /* in the order of the file */
    /* provider -> id -> ... : the book's models as they grow, and what the file has named. */
    json_t *models;  /* ... -> the model's JSON */
    json_t *offered; /* ... -> the id of the model that the name means in the book */
    json_t *added;   /* ... -> the model that the alias, added in this run, means */
    size_t rows_of_model;
    char recorded[TIME_TEXT_BYTES];
};

bool
price_import_format_find(const char *name, enum price_import_format *ret_format)
{
    static const char *const names[] = {
#define PRICE_IMPORT_TEXT(format, text) [PRICE_IMPORT_##format] = text,
        PRICE_IMPORT_FORMATS(PRICE_IMPORT_TEXT)
#undef PRICE_IMPORT_TEXT
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_format = (enum price_import_format)i;
            return true;
        }
    }
    return false;
}

static enum err_code
full(struct err *err)
{
    return err_set(err, ERR_LIMIT, "the import takes more memory than it may");
}

/* ---- Two-level maps of Jansson objects. ---- */

static json_t *
map_get(const json_t *map, struct str provider, struct str id)
{
    return json_object_getn(json_object_getn(map, provider.data, provider.size_bytes), id.data,
                            id.size_bytes);
}

/* value is taken, also on failure. */
static bool
map_set(json_t *map, struct str provider, struct str id, json_t *value)
{
    json_t *ids = json_object_getn(map, provider.data, provider.size_bytes);
    if (ids == NULL) {
        ids = json_object();
        if (json_object_setn_new(map, provider.data, provider.size_bytes, ids) != 0) {
            json_decref(value);
            return false;
        }
    }
    return json_object_setn_new(ids, id.data, id.size_bytes, value) == 0;
}

static struct str
text_of(const json_t *value)
{
    return (struct str){json_string_value(value), json_string_length(value)};
}

/* ---- What is left out. ---- */

static void
tell(struct price_import *im, struct str provider, struct str model, const char *what,
     const char *fmt, va_list args)
{
    char line[PRICE_IMPORT_SKIP_BYTES_MAX], why[PRICE_IMPORT_SKIP_BYTES_MAX];
    vsnprintf(why, sizeof why, fmt, args);
    snprintf(line, sizeof line, "%s: %.*s %.*s: %s", what, STR_ARG(provider), STR_ARG(model), why);
    for (char *p = line; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    }
    im->result.lines++;
    im->args->skipped(im->args->context, line);
}

void
price_import_note(struct price_import *im, struct str provider, struct str model, const char *fmt,
                  ...)
{
    va_list args;
    va_start(args, fmt);
    tell(im, provider, model, "not carried", fmt, args);
    va_end(args);
}

void
price_import_skip_model(struct price_import *im, struct str provider, struct str model,
                        const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tell(im, provider, model, "skipped", fmt, args);
    va_end(args);
    im->result.models_skipped++;
}

static bool
in_list(const char *list, struct str word)
{
    for (const char *p = list; *p != '\0';) {
        size_t n = strcspn(p, ",");
        if (str_equal((struct str){p, n}, word))
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

bool
price_import_wants(struct price_import *im, struct str provider)
{
    const char *asked = im->args->providers;
    bool wanted = asked == NULL
                      ? json_object_getn(im->models, provider.data, provider.size_bytes) != NULL
                      : strcmp(asked, "all") == 0 || in_list(asked, provider);
    im->result.models_unasked += !wanted;
    return wanted;
}

const char *
price_import_rate(const json_t *value, int decimals, int64_t *ret_pico)
{
    int64_t pico = 0;
    switch (price_foreign_exact(value, decimals, &pico)) {
    case PRICE_EXACT_NO_NUMBER:
        return "is no number";
    case PRICE_EXACT_NEGATIVE:
        return "is negative";
    case PRICE_EXACT_TOO_FINE:
        return decimals == 6 || decimals == 12 ? "has more than six decimals per million tokens"
                                               : "has more than nine decimals per thousand uses";
    case PRICE_EXACT_TOO_LARGE:
        return "is too large";
    case PRICE_EXACT_OK:
        break;
    }
    *ret_pico = pico;
    return NULL;
}

struct price_offer *
price_import_offer_new(struct price_import *im, struct str provider, struct str model)
{
    im->offer->provider = provider;
    im->offer->model = model;
    im->offer->sheet_count = 0;
    return im->offer;
}

/* The row that replaces another replaces all of it, also what the source says nothing of. */
static void
tell_lost(struct price_import *im, const struct price_offer *offer, const struct price_sheet *sheet,
          const struct price_row *held)
{
    for (size_t c = 0; c < EVENT_CLASSES; c++) {
        char text[MONEY_TEXT_BYTES];
        if (sheet->rates.pico[c] != PRICE_NONE || held->rates.pico[c] == PRICE_NONE)
            continue;
        money_format(held->rates.pico[c], 6, text);
        price_import_note(im, offer->provider, offer->model,
                          "%s: the new row has no %s, which the source does not state and the "
                          "book had at %s",
                          price_tier_name(sheet->tier), event_class_name((enum event_class)c),
                          text);
    }
    for (size_t f = 0; f < EVENT_FEES; f++) {
        if (sheet->fee_pico[f] == PRICE_NONE && held->fee_pico[f] != PRICE_NONE)
            price_import_note(im, offer->provider, offer->model,
                              "%s: the new row has no fee for %s, which the source does not state",
                              price_tier_name(sheet->tier), event_fee_name((enum event_fee)f));
    }
    for (size_t d = 0; d < PRICE_DIMENSIONS; d++) {
        if (sheet->factor_count[d] < held->factors[d].count)
            price_import_note(im, offer->provider, offer->model,
                              "%s: the new row has fewer factors by %s than the book had",
                              price_tier_name(sheet->tier),
                              price_dimension_name((enum price_dimension)d));
    }
    if (!price_sheet_states_bands(sheet) && held->band_count > 0)
        price_import_note(im, offer->provider, offer->model,
                          "%s: the new row has no bands, which the source does not state and the "
                          "book had",
                          price_tier_name(sheet->tier));
}

/* ---- Rows. ---- */

static bool
put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0; /* takes value, refuses NULL */
}

static const char *
source_note(const struct price_import *im)
{
    return im->args->format == PRICE_IMPORT_LITELLM ? "imported from the price map of LiteLLM"
                                                    : "imported from genai-prices";
}

/* Rows of a book that was loaded: tier and from are what the loader took. */
static size_t
tier_number(const json_t *row)
{
    const char *tier = json_string_value(json_object_get(row, "tier"));
    size_t t = 0;
    while (strcmp(tier, price_tier_name((enum price_tier)t)) != 0)
        t++;
    return t;
}

static int64_t
from_number(const json_t *row)
{
    const json_t *from = json_object_get(row, "from");
    int64_t ms = PRICE_SINCE_EVER;
    bool ok = json_is_null(from) || time_parse(str_of(json_string_value(from)), &ms);
    assert(ok);
    return ms;
}

/* Behind all rows of its tier and time, which were recorded earlier. */
static enum err_code
add_row(struct price_import *im, json_t *model, const struct price_sheet *sheet, int64_t from_ms,
        struct err *err)
{
    json_t *rows = json_object_get(model, "prices"), *row = json_object();
    size_t at = 0;
    if (rows == NULL) { /* a model of the book that only has overrides */
        rows = json_array();
        if (!put(model, "prices", rows))
            rows = NULL;
    }
    for (; at < json_array_size(rows); at++) {
        const json_t *r = json_array_get(rows, at);
        size_t tier = tier_number(r);
        if (tier > sheet->tier || (tier == sheet->tier && from_number(r) > from_ms))
            break;
    }
    if (row == NULL || json_array_insert_new(rows, at, row) != 0 ||
        !price_sheet_fill(row, sheet, from_ms, im->recorded, source_note(im)))
        return full(err);
    im->rows_of_model++;
    im->result.rows_added++;
    return ERR_OK;
}

/* ---- An offer becomes rows. ---- */

/* The sheet that holds today: no other of its tier begins between it and now. */
static bool
is_current(const struct price_offer *offer, const struct price_sheet *sheet, int64_t now_ms)
{
    if (sheet->from_ms > now_ms)
        return false;
    for (size_t i = 0; i < offer->sheet_count; i++) {
        const struct price_sheet *s = &offer->sheets[i];
        if (s->tier == sheet->tier && s->from_ms > sheet->from_ms && s->from_ms <= now_ms)
            return false;
    }
    return true;
}

/* Everyone's row: what one organization pays is no business of a public file. */
static const struct price_row *
row_at(const struct price_model *model, enum price_tier tier, int64_t event_ms, int64_t known_ms)
{
    const struct price_query query = {{NULL, 0}, event_ms, known_ms};
    return price_model_row(model, tier, &query);
}

/*
 * The current sheet is compared with what holds now and corrects that row: with an older `from`
 * it would be shadowed by it for ever.  Others are compared with what held from their day on.
 */
static enum err_code
merge_sheet(struct price_import *im, json_t *model, const struct price_model *have,
            const struct price_offer *offer, const struct price_sheet *sheet, struct err *err)
{
    int64_t now_ms = im->args->recorded_ms, from_ms = sheet->from_ms;
    int64_t probe_ms = is_current(offer, sheet, now_ms) ? now_ms : from_ms;
    const struct price_row *held = have != NULL ? row_at(have, sheet->tier, probe_ms, now_ms)
                                                : NULL;
    const char *off = NULL;
    if (held != NULL && price_sheet_same(sheet, held, &off)) {
        if (off != NULL)
            price_import_note(im, offer->provider, offer->model,
                              "%s: a threshold differs by one token and no rate does; the book's "
                              "\"%s\" stands",
                              price_tier_name(sheet->tier), off);
        return ERR_OK;
    }
    if (held != NULL) {
        tell_lost(im, offer, sheet, held);
        if (held->when.from_ms > from_ms)
            from_ms = held->when.from_ms;
    }
    return add_row(im, model, sheet, from_ms, err);
}

static enum err_code
merge_sheets(struct price_import *im, json_t *model, const struct price_model *have,
             const struct price_offer *offer, struct err *err)
{
    enum err_code code = ERR_OK;
    im->rows_of_model = 0;
    for (size_t i = 0; code == ERR_OK && i < offer->sheet_count; i++)
        code = merge_sheet(im, model, have, offer, &offer->sheets[i], err);
    return code;
}

static bool
stands_before(const json_t *model, const struct price_offer *offer)
{
    struct str provider = text_of(json_object_get(model, "provider"));
    int order = strcmp(provider.data, offer->provider.data);
    if (order != 0)
        return order < 0;
    return strcmp(json_string_value(json_object_get(model, "model")), offer->model.data) < 0;
}

/* Where it belongs in a sorted book; in another, any place will do. */
static size_t
place_of(const json_t *models, const struct price_offer *offer)
{
    size_t low = 0, high = json_array_size(models);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stands_before(json_array_get(models, middle), offer))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum err_code
add_model(struct price_import *im, const struct price_offer *offer, struct err *err)
{
    json_t *models = json_object_get(im->args->root, "models"), *model = json_object();
    if (model == NULL || json_array_insert_new(models, place_of(models, offer), model) != 0 ||
        !put(model, "provider", json_stringn(offer->provider.data, offer->provider.size_bytes)) ||
        !put(model, "model", json_stringn(offer->model.data, offer->model.size_bytes)) ||
        !put(model, "prices", json_array()) ||
        !map_set(im->models, offer->provider, offer->model, json_incref(model)))
        return full(err);
    enum err_code code = merge_sheets(im, model, NULL, offer, err);
    im->result.models_added += code == ERR_OK;
    return code;
}

/* An alias of the book keeps its meaning: its price can only be told to be another. */
static enum err_code
offer_alias(struct price_import *im, const struct price_id *id, const struct price_offer *offer,
            struct err *err)
{
    int64_t now_ms = im->args->recorded_ms;
    const struct price_model *target = price_id_model(id, now_ms, now_ms);
    for (size_t i = 0; target != NULL && i < offer->sheet_count; i++) {
        const struct price_sheet *sheet = &offer->sheets[i];
        const char *off = NULL;
        if (!is_current(offer, sheet, now_ms))
            continue;
        const struct price_row *held = row_at(target, sheet->tier, now_ms, now_ms);
        if (held == NULL || !price_sheet_same(sheet, held, &off)) {
            price_import_skip_model(im, offer->provider, offer->model,
                                    "%s: its price differs from that of %.*s, of which it is an "
                                    "alias in the book",
                                    price_tier_name(sheet->tier), STR_ARG(target->model));
            return ERR_OK;
        }
    }
    if (target == NULL) {
        price_import_skip_model(im, offer->provider, offer->model,
                                "is an alias in the book that means no model today");
        return ERR_OK;
    }
    im->result.models_unchanged++;
    return map_set(im->offered, offer->provider, offer->model,
                   json_stringn(target->model.data, target->model.size_bytes))
               ? ERR_OK
               : full(err);
}

static bool
fits(struct price_import *im, const struct price_offer *offer)
{
    struct str provider = offer->provider, model = offer->model;
    if (provider.size_bytes == 0 || provider.size_bytes > EVENT_TEXT_BYTES_MAX ||
        model.size_bytes == 0 || model.size_bytes > EVENT_MODEL_BYTES_MAX) {
        price_import_skip_model(
            im, provider, model, "the names have %zu and %zu bytes, must have 1 to %d and 1 to %d",
            provider.size_bytes, model.size_bytes, EVENT_TEXT_BYTES_MAX, EVENT_MODEL_BYTES_MAX);
        return false;
    }
    if (map_get(im->offered, provider, model) != NULL) {
        price_import_skip_model(im, provider, model,
                                "the source names it twice; the first one was taken");
        return false;
    }
    if (offer->sheet_count == 0) {
        price_import_skip_model(im, provider, model, "has no price per token");
        return false;
    }
    for (size_t i = 0; i < offer->sheet_count; i++) {
        if (!price_sheet_whole(&offer->sheets[i])) {
            price_import_skip_model(im, provider, model,
                                    "%s: a price or a band of it has no rate per token",
                                    price_tier_name(offer->sheets[i].tier));
            return false;
        }
    }
    return true;
}

static struct price_row
row_of_sheet(const struct price_sheet *sheet)
{
    struct price_row row = {
        .rates = sheet->rates, .bands = sheet->bands, .band_count = sheet->band_count};
    memcpy(row.fee_pico, sheet->fee_pico, sizeof row.fee_pico);
    for (size_t d = 0; d < PRICE_DIMENSIONS; d++)
        row.factors[d] = (struct price_factors){sheet->factors[d], sheet->factor_count[d]};
    return row;
}

/*
 * A book holds no rate that a factor of its model makes a broken number of picos, whichever rows
 * the two come from: so the loader's own check is asked, of the model as it would be.
 */
static enum err_code
check_factors(struct price_import *im, const struct price_model *have,
              const struct price_offer *offer, bool *ret_ok, struct err *err)
{
    struct price_model grown = {.provider = offer->provider, .model = offer->model};
    struct err why;
    if (have != NULL)
        grown = *have;
    for (size_t t = 0; t < PRICE_TIERS; t++) {
        struct price_rows *tier = &grown.tiers[t];
        struct price_row *rows =
            arena_alloc(&im->scratch, (tier->count + offer->sheet_count) * sizeof *rows);
        if (rows == NULL)
            return full(err);
        if (tier->count > 0)
            memcpy(rows, tier->rows, tier->count * sizeof *rows);
        for (size_t i = 0; i < offer->sheet_count; i++) {
            if (offer->sheets[i].tier == t)
                rows[tier->count++] = row_of_sheet(&offer->sheets[i]);
        }
        tier->rows = rows;
    }
    *ret_ok = price_check_factors(&grown, "in the new book", &why) == ERR_OK;
    arena_clear(&im->scratch);
    if (!*ret_ok)
        price_import_skip_model(im, offer->provider, offer->model, "%s", why.text);
    return ERR_OK;
}

enum err_code
price_import_offer(struct price_import *im, const struct price_offer *offer, struct err *err)
{
    if (!fits(im, offer))
        return ERR_OK;
    const struct price_id *id = price_book_find(im->args->book, offer->provider, offer->model);
    if (id != NULL && id->model == NULL)
        return offer_alias(im, id, offer, err);
    bool ok = true;
    enum err_code code = check_factors(im, id != NULL ? id->model : NULL, offer, &ok, err);
    if (code != ERR_OK || !ok)
        return code;
    if (!map_set(im->offered, offer->provider, offer->model,
                 json_stringn(offer->model.data, offer->model.size_bytes)))
        return full(err);
    if (id == NULL)
        return add_model(im, offer, err);
    code =
        merge_sheets(im, map_get(im->models, offer->provider, offer->model), id->model, offer, err);
    im->result.models_changed += im->rows_of_model > 0;
    im->result.models_unchanged += im->rows_of_model == 0;
    return code;
}

/* ---- Aliases. ---- */

enum err_code
price_import_alias(struct price_import *im, struct str provider, struct str id, struct str model,
                   struct err *err)
{
    struct alias_offer *a = arena_alloc(&im->arena, sizeof *a);
    if (a == NULL)
        return full(err);
    *a = (struct alias_offer){provider, id, model, NULL};
    *im->aliases_end = a;
    im->aliases_end = &a->next;
    return ERR_OK;
}

static enum err_code
add_alias(struct price_import *im, json_t *model, const struct alias_offer *a, struct err *err)
{
    json_t *aliases = json_object_get(model, "aliases"), *alias = json_object();
    if (aliases == NULL) {
        /* Before the rows, as in every model of the book. */
        json_t *prices = json_incref(json_object_get(model, "prices"));
        json_object_del(model, "prices");
        aliases = json_array();
        bool ok = put(model, "aliases", aliases);
        if (prices != NULL)
            ok = put(model, "prices", prices) && ok;
        if (!ok)
            aliases = NULL;
    }
    if (alias == NULL || aliases == NULL || json_array_append_new(aliases, alias) != 0 ||
        !put(alias, "id", json_stringn(a->id.data, a->id.size_bytes)) ||
        !put(alias, "from", json_null()) || !put(alias, "recorded", json_string(im->recorded)) ||
        !put(alias, "note", json_string(source_note(im))) ||
        !map_set(im->added, a->provider, a->id, json_incref(model)))
        return full(err);
    im->result.aliases_added++;
    return ERR_OK;
}

static enum err_code
merge_alias(struct price_import *im, const struct alias_offer *a, struct err *err)
{
    const json_t *name = map_get(im->offered, a->provider, a->model);
    if (name == NULL)
        return ERR_OK; /* its model was skipped, with a line */
    struct str model = text_of(name);
    if (a->id.size_bytes == 0 || a->id.size_bytes > EVENT_MODEL_BYTES_MAX) {
        price_import_note(im, a->provider, a->model, "an alias has %zu bytes, must have 1 to %d",
                          a->id.size_bytes, EVENT_MODEL_BYTES_MAX);
        return ERR_OK;
    }
    if (str_equal(a->id, model))
        return ERR_OK;
    if (map_get(im->models, a->provider, a->id) != NULL) {
        price_import_note(im, a->provider, a->model, "alias %.*s is a model of its own in the book",
                          STR_ARG(a->id));
        return ERR_OK;
    }
    int64_t now_ms = im->args->recorded_ms;
    const struct price_id *id = price_book_find(im->args->book, a->provider, a->id);
    const struct price_model *means = id != NULL ? price_id_model(id, now_ms, now_ms) : NULL;
    const json_t *added = map_get(im->added, a->provider, a->id);
    struct str other = means != NULL ? means->model : text_of(json_object_get(added, "model"));
    if (id == NULL && added == NULL)
        return add_alias(im, map_get(im->models, a->provider, model), a, err);
    if (other.data == NULL)
        other = str_of("no model today");
    if (!str_equal(other, model))
        price_import_note(im, a->provider, a->model, "alias %.*s means %.*s already",
                          STR_ARG(a->id), STR_ARG(other));
    return ERR_OK;
}

/* ---- The run. ---- */

static enum err_code
check_recorded(struct price_import *im, struct err *err)
{
    char text[TIME_TEXT_BYTES];
    int64_t newest = price_book_newest(im->args->book);
    price_time_text(im->args->recorded_ms, im->recorded);
    if (im->args->recorded_ms > newest)
        return ERR_OK;
    price_time_text(newest, text);
    return err_set(err, ERR_USAGE,
                   "the new rows would be recorded %s, which is not later than what %s has "
                   "recorded (%s); give a later --recorded",
                   im->recorded, im->args->book->path, text);
}

static enum err_code
start(struct price_import *im, struct err *err)
{
    json_t *models = json_object_get(im->args->root, "models");
    im->models = json_object();
    im->offered = json_object();
    im->added = json_object();
    im->offer = arena_alloc(&im->arena, sizeof *im->offer);
    im->aliases_end = &im->aliases;
    if (im->models == NULL || im->offered == NULL || im->added == NULL || im->offer == NULL)
        return full(err);
    for (size_t i = 0; i < json_array_size(models); i++) {
        json_t *model = json_array_get(models, i);
        if (!map_set(im->models, text_of(json_object_get(model, "provider")),
                     text_of(json_object_get(model, "model")), json_incref(model)))
            return full(err);
    }
    return check_recorded(im, err);
}

enum err_code
price_import_run(const struct price_import_args *args, struct price_import_result *ret,
                 struct err *err)
{
    struct price_import im = {.args = args};
    arena_init(&im.arena, IMPORT_BYTES_MAX);
    arena_init(&im.scratch, IMPORT_BYTES_MAX);
    enum err_code code = start(&im, err);
    if (code == ERR_OK)
        code = args->format == PRICE_IMPORT_LITELLM ? price_import_litellm(&im, args->foreign, err)
                                                    : price_import_genai(&im, args->foreign, err);
    for (struct alias_offer *a = im.aliases; code == ERR_OK && a != NULL; a = a->next)
        code = merge_alias(&im, a, err);
    if (code == ERR_OK)
        *ret = im.result;
    json_decref(im.models);
    json_decref(im.offered);
    json_decref(im.added);
    arena_clear(&im.scratch);
    arena_clear(&im.arena);
    return code;
}
