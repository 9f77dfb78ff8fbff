#include "rollup/price/price_row.h"

#include <stdio.h>
#include <string.h>

#include "store/base/money.h"
#include "store/base/time.h"

/* Factors of one model that differ, in one dimension, 1 included. */
enum { PRICE_FACTORS_MAX = 16 };

enum err_code
price_full(struct err *err)
{
    return err_set(err, ERR_LIMIT, "the price book takes more than %d MiB",
                   PRICE_BOOK_BYTES_MAX / 1024 / 1024);
}

enum err_code
price_take_text(struct arena *arena, const json_t *object, const char *where, const char *key,
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
    char *copy = arena_text(arena, (struct str){text, n});
    if (copy == NULL)
        return price_full(err);
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

enum err_code
price_take_when(const json_t *object, const char *where, struct price_when *w, struct err *err)
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

/* Prices are texts: a JSON number would pass through a double on its way. */
static enum err_code
take_price(const json_t *object, const char *where, const char *key, int decimals, int64_t *ret,
           struct err *err)
{
    const char *text = NULL;
    enum err_code code = json_get_text(object, where, key, &text, err);
    if (code == ERR_OK &&
        (text[0] == '+' || text[0] == '-' || !money_parse(str_of(text), decimals, ret)))
        code = err_set(err, ERR_CONFIG,
                       "%s: \"%s\" is \"%.40s\", must be a price: a decimal of 0 or more "
                       "with at most %d decimals",
                       where, key, text, decimals);
    return code;
}

static enum err_code
take_rates(const json_t *object, const char *where, struct price_rates *ret, struct err *err)
{
    const char *keys[EVENT_CLASSES + 1] = {NULL};
    json_t *rates = NULL;
    char inner[PRICE_WHERE_BYTES_MAX + 8];
    for (size_t c = 0; c < EVENT_CLASSES; c++)
        keys[c] = event_class_name((enum event_class)c);
    enum err_code code = json_get_object_opt(object, where, "rates", &rates, err);
    if (code != ERR_OK)
        return code;
    if (rates == NULL || json_object_size(rates) == 0)
        return err_set(err, ERR_CONFIG, "%s: \"rates\" is missing or empty", where);
    snprintf(inner, sizeof inner, "%s rates", where);
    code = json_only_keys(rates, inner, keys, err);
    for (size_t c = 0; code == ERR_OK && c < EVENT_CLASSES; c++) {
        ret->pico[c] = PRICE_NONE;
        if (json_object_get(rates, keys[c]) != NULL)
            code = take_price(rates, inner, keys[c], 6, &ret->pico[c], err);
    }
    return code;
}

/* Fees are per 1000 uses, so nine decimals are a whole number of picos for one. */
static enum err_code
take_fees(const json_t *object, const char *where, int64_t fee_pico[EVENT_FEES], struct err *err)
{
    const char *keys[EVENT_FEES + 1] = {NULL};
    json_t *fees = NULL;
    char inner[PRICE_WHERE_BYTES_MAX + 8];
    for (size_t f = 0; f < EVENT_FEES; f++) {
        keys[f] = event_fee_name((enum event_fee)f);
        fee_pico[f] = PRICE_NONE;
    }
    enum err_code code = json_get_object_opt(object, where, "fees", &fees, err);
    if (code != ERR_OK || fees == NULL)
        return code;
    snprintf(inner, sizeof inner, "%s fees", where);
    code = json_only_keys(fees, inner, keys, err);
    for (size_t f = 0; code == ERR_OK && f < EVENT_FEES; f++) {
        if (json_object_get(fees, keys[f]) != NULL)
            code = take_price(fees, inner, keys[f], 9, &fee_pico[f], err);
    }
    return code;
}

static enum err_code
take_factor(struct arena *arena, const char *word, const json_t *value, const char *where,
            struct price_factor *ret, struct err *err)
{
    size_t n = strlen(word);
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (n == 0 || n > EVENT_TEXT_BYTES_MAX)
        return err_set(err, ERR_CONFIG, "%s: a word has %zu bytes, must have 1 to %d", where, n,
                       EVENT_TEXT_BYTES_MAX);
    if (text[0] == '+' || text[0] == '-' || !money_parse(str_of(text), 6, &ret->millionths) ||
        ret->millionths == 0 || ret->millionths > PRICE_FACTOR_MAX)
        return err_set(
            err, ERR_CONFIG,
            "%s: \"%s\" must be a factor: a text such as \"1.1\", above 0, at most 1000, "
            "with at most 6 decimals",
            where, word);
    char *copy = arena_text(arena, (struct str){word, n});
    if (copy == NULL)
        return price_full(err);
    ret->word = (struct str){copy, n};
    return ERR_OK;
}

static enum err_code
take_dimension(struct arena *arena, const json_t *factors, const char *where, const char *key,
               struct price_factors *ret, struct err *err)
{
    json_t *words = NULL, *value;
    const char *word;
    char inner[PRICE_WHERE_BYTES_MAX + 32];
    enum err_code code = json_get_object_opt(factors, where, key, &words, err);
    if (code != ERR_OK || words == NULL)
        return code;
    snprintf(inner, sizeof inner, "%s %s", where, key);
    struct price_factor *rows = arena_alloc(arena, (json_object_size(words) + 1) * sizeof *rows);
    if (rows == NULL)
        return price_full(err);
    json_object_foreach (words, word, value) {
        code = take_factor(arena, word, value, inner, &rows[ret->count], err);
        if (code != ERR_OK)
            return code;
        ret->count++;
    }
    ret->rows = rows;
    return ERR_OK;
}

static enum err_code
take_factors(struct arena *arena, const json_t *object, const char *where, struct price_row *row,
             struct err *err)
{
    static const char *const keys[] = {"region", "speed", NULL};
    json_t *factors = NULL;
    char inner[PRICE_WHERE_BYTES_MAX + 16];
    enum err_code code = json_get_object_opt(object, where, "factors", &factors, err);
    if (code != ERR_OK || factors == NULL)
        return code;
    snprintf(inner, sizeof inner, "%s factors", where);
    code = json_only_keys(factors, inner, keys, err);
    for (size_t d = 0; code == ERR_OK && d < PRICE_DIMENSIONS; d++)
        code = take_dimension(arena, factors, inner, keys[d], &row->factors[d], err);
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
take_bands(struct arena *arena, const json_t *object, const char *where, struct price_row *row,
           struct err *err)
{
    json_t *array = NULL;
    char inner[PRICE_WHERE_BYTES_MAX + 32];
    if (json_object_get(object, "bands") == NULL)
        return ERR_OK;
    enum err_code code = json_get_array(object, where, "bands", &array, err);
    if (code != ERR_OK)
        return code;
    size_t count = json_array_size(array);
    if (count == 0)
        return err_set(err, ERR_CONFIG, "%s: \"bands\" is empty; leave it out", where);
    struct price_band *bands = arena_alloc(arena, count * sizeof *bands);
    if (bands == NULL)
        return price_full(err);
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
take_row(struct arena *arena, const json_t *object, const char *where, struct price_row *row,
         enum price_tier *ret_tier, struct err *err)
{
    static const char *const keys[] = {"from",  "recorded", "retracted", "tier", "rates",
                                       "bands", "fees",     "factors",   "note", NULL};
    const char *tier = NULL;
    enum err_code code = json_only_keys(object, where, keys, err);
    if (code == ERR_OK)
        code = price_take_when(object, where, &row->when, err);
    if (code == ERR_OK)
        code = json_get_text(object, where, "tier", &tier, err);
    if (code == ERR_OK && !tier_of(tier, ret_tier))
        code = err_set(err, ERR_CONFIG,
                       "%s: \"tier\" is \"%.40s\", must be standard, batch, flex or priority",
                       where, tier);
    if (code == ERR_OK)
        code = take_rates(object, where, &row->rates, err);
    if (code == ERR_OK)
        code = take_bands(arena, object, where, row, err);
    if (code == ERR_OK)
        code = take_fees(object, where, row->fee_pico, err);
    if (code == ERR_OK)
        code = take_factors(arena, object, where, row, err);
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

enum err_code
price_take_rows(struct arena *arena, const json_t *object, const char *where,
                struct price_rows tiers[PRICE_TIERS], size_t *ret_row_count, struct err *err)
{
    json_t *array = NULL;
    char inner[PRICE_WHERE_BYTES_MAX + 32];
    enum err_code code = json_get_array(object, where, "prices", &array, err);
    if (code != ERR_OK)
        return code;
    size_t count = json_array_size(array);
    if (count == 0)
        return err_set(err, ERR_CONFIG, "%s: \"prices\" is empty", where);
    struct price_row *rows = arena_alloc(arena, count * sizeof *rows);
    if (rows == NULL)
        return price_full(err);
    enum price_tier before = PRICE_STANDARD;
    for (size_t i = 0; i < count; i++) {
        enum price_tier tier = PRICE_STANDARD;
        snprintf(inner, sizeof inner, "%s prices[%zu]", where, i);
        code = take_row(arena, json_array_get(array, i), inner, &rows[i], &tier, err);
        if (code == ERR_OK)
            code = check_order(rows, i, before, tier, inner, err);
        if (code != ERR_OK)
            return code;
        if (tiers[tier].count == 0)
            tiers[tier].rows = &rows[i];
        tiers[tier].count++;
        before = tier;
    }
    *ret_row_count += count;
    return ERR_OK;
}

/* The factors of one dimension that any row of a model may apply: all of them, and 1. */
struct factor_set {
    int64_t millionths[PRICE_FACTORS_MAX];
    size_t count;
};

static bool
set_add(struct factor_set *set, const struct price_rows tiers[PRICE_TIERS],
        enum price_dimension dimension)
{
    for (size_t t = 0; t < PRICE_TIERS; t++) {
        for (size_t r = 0; r < tiers[t].count; r++) {
            const struct price_factors *f = &tiers[t].rows[r].factors[dimension];
            for (size_t i = 0; i < f->count; i++) {
                size_t have = 0;
                while (have < set->count && set->millionths[have] != f->rows[i].millionths)
                    have++;
                if (have == PRICE_FACTORS_MAX)
                    return false;
                set->millionths[have] = f->rows[i].millionths;
                set->count += have == set->count;
            }
        }
    }
    return true;
}

static enum err_code
check_rates(const struct price_rates *rates, const struct factor_set sets[PRICE_DIMENSIONS],
            const char *where, struct err *err)
{
    for (size_t c = 0; c < EVENT_CLASSES; c++) {
        for (size_t i = 0; rates->pico[c] > 0 && i < sets[0].count; i++) {
            for (size_t j = 0; j < sets[1].count; j++) {
                int64_t pico;
                if (price_scale(rates->pico[c], sets[0].millionths[i], sets[1].millionths[j],
                                &pico))
                    continue;
                char text[MONEY_TEXT_BYTES];
                money_format(rates->pico[c], 6, text);
                return err_set(err, ERR_CONFIG,
                               "%s: the rate %s of %s times its factors is no whole number of "
                               "picos a token; give that case a model or row of its own",
                               where, text, event_class_name((enum event_class)c));
            }
        }
    }
    return ERR_OK;
}

static enum err_code
check_tiers(const struct price_rows tiers[PRICE_TIERS],
            const struct factor_set sets[PRICE_DIMENSIONS], const char *where, struct err *err)
{
    enum err_code code = ERR_OK;
    for (size_t t = 0; code == ERR_OK && t < PRICE_TIERS; t++) {
        for (size_t r = 0; code == ERR_OK && r < tiers[t].count; r++) {
            const struct price_row *row = &tiers[t].rows[r];
            code = check_rates(&row->rates, sets, where, err);
            for (size_t b = 0; code == ERR_OK && b < row->band_count; b++)
                code = check_rates(&row->bands[b].rates, sets, where, err);
        }
    }
    return code;
}

enum err_code
price_check_factors(const struct price_model *model, const char *where, struct err *err)
{
    struct factor_set sets[PRICE_DIMENSIONS];
    for (size_t d = 0; d < PRICE_DIMENSIONS; d++) {
        sets[d] = (struct factor_set){{PRICE_FACTOR_ONE}, 1};
        bool fits = set_add(&sets[d], model->tiers, (enum price_dimension)d);
        for (size_t o = 0; fits && o < model->override_count; o++)
            fits = set_add(&sets[d], model->overrides[o].tiers, (enum price_dimension)d);
        if (!fits)
            return err_set(err, ERR_CONFIG, "%s: more than %d different factors", where,
                           PRICE_FACTORS_MAX - 1);
    }
    enum err_code code = check_tiers(model->tiers, sets, where, err);
    for (size_t o = 0; code == ERR_OK && o < model->override_count; o++)
        code = check_tiers(model->overrides[o].tiers, sets, where, err);
    return code;
}
