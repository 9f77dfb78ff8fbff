#include "rollup/price/price_import.h"

#include <inttypes.h>
#include <string.h>

#include "rollup/price/price_foreign.h"

#include "store/base/time.h"

/*
 * The data.json of genai-prices: an array of providers, each with models; a model has prices in US
 * dollars per million tokens, or a list of such with the day from which each holds.  The mapping is
 * schemas/prices.md, "Import".
 */

enum { MILLION_DECIMALS = 6, THOUSAND_DECIMALS = 9 };

static const struct {
    const char *key;
    enum event_class class;
} fields[] = {
    {"input_mtok", EVENT_INPUT},
    {"cache_read_mtok", EVENT_CACHE_READ},
    {"cache_write_mtok", EVENT_CACHE_WRITE},
    {"cache_write_5m_mtok", EVENT_CACHE_WRITE},
    {"cache_write_1h_mtok", EVENT_CACHE_WRITE_1H},
    {"output_mtok", EVENT_OUTPUT},
    {"input_audio_mtok", EVENT_INPUT_AUDIO},
    {"cache_audio_read_mtok", EVENT_CACHE_READ_AUDIO},
    {"output_audio_mtok", EVENT_OUTPUT_AUDIO},
    {"input_image_mtok", EVENT_INPUT_IMAGE},
    {"cache_image_read_mtok", EVENT_CACHE_READ_IMAGE},
    {"output_image_mtok", EVENT_OUTPUT_IMAGE},
};

static const struct {
    const char *key;
    enum event_fee fee;
} fees[] = {
    {"web_searches_kcount", EVENT_WEB_SEARCH},
    {"storage_searches_kcount", EVENT_FILE_SEARCH},
};

struct place {
    struct price_import *im;
    struct price_offer *offer;
};

#define SKIP(place, ...)                                                                  \
    price_import_skip_model((place)->im, (place)->offer->provider, (place)->offer->model, \
                            __VA_ARGS__)
#define NOTE(place, ...) \
    price_import_note((place)->im, (place)->offer->provider, (place)->offer->model, __VA_ARGS__)

static const char *
number_text(const json_t *value)
{
    const char *text = price_foreign_number(value);
    return text != NULL ? text : "no number";
}

/* One number into its place.  Returns false when the model must be left out. */
static bool
take_rate(const struct place *p, struct price_rates *rates, const char *key, enum event_class class,
          const json_t *value)
{
    int64_t pico = 0;
    const char *why = price_import_rate(value, MILLION_DECIMALS, &pico);
    if (why == NULL && pico == 0) {
        NOTE(p, "%s is 0, which is not told from unknown", key);
        return true;
    }
    if (why == NULL && rates->pico[class] != PRICE_NONE && rates->pico[class] != pico)
        why = "says otherwise than another member of the same meaning";
    if (why != NULL) {
        SKIP(p, "%s is %.64s, which %s", key, number_text(value), why);
        return false;
    }
    rates->pico[class] = pico;
    return true;
}

/* {"start": 200000, "price": 6}: the whole request, once its input is over start. */
static bool
take_tier(const struct place *p, struct price_sheet *sheet, const char *key, enum event_class class,
          const json_t *tier)
{
    int64_t start = 0;
    const json_t *v = json_object_get(tier, "start");
    enum price_exact exact = price_foreign_exact(v, 0, &start);
    if (exact != PRICE_EXACT_OK || start < 1 || (uint64_t)start > EVENT_COUNT_MAX) {
        SKIP(p, "%s: \"start\" of a tier is %.64s, must be 1 to %" PRIu64, key, number_text(v),
             EVENT_COUNT_MAX);
        return false;
    }
    struct price_rates *rates = price_sheet_band(sheet, (uint64_t)start, false);
    if (rates == NULL) {
        SKIP(p, "%s has more tiers than a row may have bands (%d)", key, PRICE_BANDS_MAX);
        return false;
    }
    return take_rate(p, rates, key, class, json_object_get(tier, "price"));
}

static bool
take_field(const struct place *p, struct price_sheet *sheet, const char *key,
           enum event_class class, const json_t *value)
{
    if (!json_is_object(value))
        return take_rate(p, &sheet->rates, key, class, value);
    const json_t *tiers = json_object_get(value, "tiers");
    if (!json_is_array(tiers)) {
        SKIP(p, "%s is an object without \"tiers\"", key);
        return false;
    }
    if (!take_rate(p, &sheet->rates, key, class, json_object_get(value, "base")))
        return false;
    for (size_t i = 0; i < json_array_size(tiers); i++) {
        if (!take_tier(p, sheet, key, class, json_array_get(tiers, i)))
            return false;
    }
    return true;
}

static void
take_fee(const struct place *p, struct price_sheet *sheet, size_t i, const json_t *value)
{
    int64_t pico = 0;
    const char *why = price_import_rate(value, THOUSAND_DECIMALS, &pico);
    if (why == NULL && pico == 0)
        why = "is 0, which is not told from unknown";
    if (why == NULL)
        sheet->fee_pico[fees[i].fee] = pico;
    else
        NOTE(p, "%s %s", fees[i].key, why);
}

/* Per thousand uses: charged beside the tokens, which are right without it. */
static bool
is_beside_tokens(const char *key)
{
    size_t n = strlen(key), tail = strlen("_kcount");
    return n > tail && strcmp(key + n - tail, "_kcount") == 0;
}

static bool
take_member(const struct place *p, struct price_sheet *sheet, const char *key, const json_t *value)
{
    if (json_is_null(value))
        return true;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(key, fields[i].key) == 0)
            return take_field(p, sheet, key, fields[i].class, value);
    }
    for (size_t i = 0; i < sizeof fees / sizeof fees[0]; i++) {
        if (strcmp(key, fees[i].key) == 0) {
            take_fee(p, sheet, i, value);
            return true;
        }
    }
    if (is_beside_tokens(key)) {
        NOTE(p, "%s is a fee that the book has no word for", key);
        return true;
    }
    SKIP(p, "%s (%.40s) has no class in the book; its tokens would be charged wrongly without it",
         key, json_is_object(value) ? "tiers" : number_text(value));
    return false;
}

static bool
take_sheet(const struct place *p, json_t *prices, int64_t from_ms)
{
    size_t before = p->offer->sheet_count;
    struct price_sheet *sheet = price_offer_sheet(p->offer, PRICE_STANDARD, from_ms);
    if (!json_is_object(prices) || sheet == NULL || p->offer->sheet_count == before) {
        SKIP(p, "%s",
             !json_is_object(prices) ? "\"prices\" must be an object"
             : sheet == NULL         ? "has more dated prices than an import takes"
                                     : "has two prices from the same day on");
        return false;
    }
    for (void *it = json_object_iter(prices); it != NULL; it = json_object_iter_next(prices, it)) {
        if (!take_member(p, sheet, json_object_iter_key(it), json_object_iter_value(it)))
            return false;
    }
    return true;
}

/* The day from which a price holds; other constraints cannot be carried. */
static bool
take_constraint(const struct place *p, const json_t *constraint, int64_t *ret_from_ms)
{
    *ret_from_ms = PRICE_SINCE_EVER;
    if (constraint == NULL || json_is_null(constraint))
        return true;
    const char *start = price_foreign_text(json_object_get(constraint, "start_date"));
    if (start == NULL) {
        SKIP(p, "a price has a constraint other than \"start_date\" (an hour of the day?)");
        return false;
    }
    if (!time_parse(str_of(start), ret_from_ms)) {
        SKIP(p, "\"start_date\" is \"%.40s\", which is no date", start);
        return false;
    }
    return true;
}

static bool
take_prices(const struct place *p, json_t *prices)
{
    if (!json_is_array(prices))
        return take_sheet(p, prices, PRICE_SINCE_EVER);
    for (size_t i = 0; i < json_array_size(prices); i++) {
        const json_t *conditional = json_array_get(prices, i);
        int64_t from_ms;
        if (!take_constraint(p, json_object_get(conditional, "constraint"), &from_ms) ||
            !take_sheet(p, json_object_get(conditional, "prices"), from_ms))
            return false;
    }
    return true;
}

/* An id that must be equal becomes an alias; any other clause would be a guess. */
static enum err_code
take_match(const struct place *p, json_t *clause, struct err *err)
{
    const json_t *either = json_object_get(clause, "or");
    const char *equals = price_foreign_text(json_object_get(clause, "equals"));
    enum err_code code = ERR_OK;
    if (equals != NULL)
        return price_import_alias(p->im, p->offer->provider, str_of(equals), p->offer->model, err);
    for (size_t i = 0; code == ERR_OK && i < json_array_size(either); i++)
        code = take_match(p, json_array_get(either, i), err);
    if (json_is_array(either) || clause == NULL)
        return code;
    void *it = json_object_iter(clause);
    const char *word = it != NULL ? json_object_iter_key(it) : "match";
    const char *text = it != NULL ? price_foreign_text(json_object_iter_value(it)) : NULL;
    NOTE(p, "%s \"%.80s\" matches ids by a guess; add the ids you use as aliases", word,
         text != NULL ? text : "…");
    return ERR_OK;
}

static enum err_code
take_model(struct price_import *im, struct str provider, const json_t *model, struct err *err)
{
    const char *id = price_foreign_text(json_object_get(model, "id"));
    if (id == NULL) {
        price_import_skip_model(im, provider, str_of(""), "a model must have a text \"id\"");
        return ERR_OK;
    }
    struct place p = {im, price_import_offer_new(im, provider, str_of(id))};
    if (!take_prices(&p, json_object_get(model, "prices")))
        return ERR_OK;
    enum err_code code = price_import_offer(im, p.offer, err);
    if (code == ERR_OK)
        code = take_match(&p, json_object_get(model, "match"), err);
    return code;
}

enum err_code
price_import_genai(struct price_import *im, const json_t *foreign, struct err *err)
{
    enum err_code code = ERR_OK;
    if (!json_is_array(foreign))
        return err_set(err, ERR_INPUT, "genai-prices' data must be an array of providers");
    for (size_t i = 0; code == ERR_OK && i < json_array_size(foreign); i++) {
        const json_t *provider = json_array_get(foreign, i);
        const char *id = price_foreign_text(json_object_get(provider, "id"));
        const json_t *models = json_object_get(provider, "models");
        if (id == NULL || !json_is_array(models))
            return err_set(err, ERR_INPUT,
                           "provider %zu must have a text \"id\" and an array \"models\"", i);
        struct str name = str_of(id);
        for (size_t m = 0; code == ERR_OK && m < json_array_size(models); m++) {
            if (price_import_wants(im, name))
                code = take_model(im, name, json_array_get(models, m), err);
        }
    }
    return code;
}
