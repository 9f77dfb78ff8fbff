#include "rollup/price/price_offer.h"

#include <string.h>

#include "store/base/money.h"
#include "store/base/time.h"

static const char *const dimension_keys[PRICE_DIMENSIONS] = {
    [PRICE_REGION] = "region",
    [PRICE_SPEED] = "speed",
};

const char *
price_dimension_name(enum price_dimension dimension)
{
    return dimension_keys[dimension];
}

static void
rates_clear(struct price_rates *rates)
{
    for (size_t c = 0; c < EVENT_CLASSES; c++)
        rates->pico[c] = PRICE_NONE;
}

struct price_sheet *
price_offer_sheet(struct price_offer *offer, enum price_tier tier, int64_t from_ms)
{
    for (size_t i = 0; i < offer->sheet_count; i++) {
        if (offer->sheets[i].tier == tier && offer->sheets[i].from_ms == from_ms)
            return &offer->sheets[i];
    }
    if (offer->sheet_count == PRICE_SHEETS_MAX)
        return NULL;
    struct price_sheet *sheet = &offer->sheets[offer->sheet_count++];
    *sheet = (struct price_sheet){.from_ms = from_ms, .tier = tier};
    rates_clear(&sheet->rates);
    for (size_t f = 0; f < EVENT_FEES; f++)
        sheet->fee_pico[f] = PRICE_NONE;
    return sheet;
}

bool
price_sheet_factor(struct price_sheet *sheet, enum price_dimension dimension, struct str word,
                   int64_t millionths)
{
    size_t *count = &sheet->factor_count[dimension];
    if (*count == PRICE_WORDS_MAX)
        return false;
    sheet->factors[dimension][(*count)++] = (struct price_factor){word, millionths};
    return true;
}

struct price_rates *
price_sheet_band(struct price_sheet *sheet, uint64_t threshold_tokens, bool inclusive)
{
    uint64_t first = threshold_tokens + (inclusive ? 0 : 1);
    size_t at = 0;
    while (at < sheet->band_count && sheet->bands[at].first_tokens < first)
        at++;
    struct price_band *band = &sheet->bands[at];
    if (at < sheet->band_count && band->first_tokens == first)
        return &band->rates;
    if (sheet->band_count == PRICE_BANDS_MAX)
        return NULL;
    memmove(band + 1, band, (sheet->band_count - at) * sizeof *band);
    *band = (struct price_band){first, threshold_tokens, inclusive, {{0}}};
    rates_clear(&band->rates);
    sheet->band_count++;
    return &band->rates;
}

static bool
has_rate(const struct price_rates *rates)
{
    size_t c = 0;
    while (c < EVENT_CLASSES && rates->pico[c] == PRICE_NONE)
        c++;
    return c < EVENT_CLASSES;
}

/* A row or a band without a rate cannot stand in a book, and without it the others mislead. */
bool
price_sheet_whole(const struct price_sheet *sheet)
{
    bool whole = has_rate(&sheet->rates);
    for (size_t i = 0; i < sheet->band_count; i++)
        whole = whole && has_rate(&sheet->bands[i].rates);
    return whole;
}

/* ---- A sheet against a row of the book. ---- */

/* What the sheet says nothing of is no difference. */
static bool
same_rates(const struct price_rates *sheet, const struct price_rates *row)
{
    for (size_t c = 0; c < EVENT_CLASSES; c++) {
        if (sheet->pico[c] != PRICE_NONE && sheet->pico[c] != row->pico[c])
            return false;
    }
    return true;
}

static bool
same_fees(const struct price_sheet *sheet, const struct price_row *row)
{
    for (size_t f = 0; f < EVENT_FEES; f++) {
        if (sheet->fee_pico[f] != PRICE_NONE && sheet->fee_pico[f] != row->fee_pico[f])
            return false;
    }
    return true;
}

static bool
has_factor(const struct price_factor *factors, size_t count, const struct price_factor *f)
{
    for (size_t i = 0; i < count; i++) {
        if (str_equal(factors[i].word, f->word))
            return factors[i].millionths == f->millionths;
    }
    return false;
}

static bool
same_factors(const struct price_sheet *sheet, const struct price_row *row)
{
    for (size_t d = 0; d < PRICE_DIMENSIONS; d++) {
        for (size_t i = 0; i < sheet->factor_count[d]; i++) {
            if (!has_factor(row->factors[d].rows, row->factors[d].count, &sheet->factors[d][i]))
                return false;
        }
    }
    return true;
}

/* No bands mean flat rates, but only of the standard tier: others fall back to its bands. */
bool
price_sheet_states_bands(const struct price_sheet *sheet)
{
    return sheet->tier == PRICE_STANDARD || sheet->band_count > 0;
}

/*
 * Neither format has an operator: 271999 stands for ">=" 272000 in one of them.  A threshold
 * that is off by one is therefore the same band, and the book's operator stands.
 */
static bool
same_bands(const struct price_sheet *sheet, const struct price_row *row, const char **ret_off)
{
    if (!price_sheet_states_bands(sheet))
        return true;
    if (sheet->band_count != row->band_count)
        return false;
    for (size_t i = 0; i < row->band_count; i++) {
        uint64_t a = sheet->bands[i].first_tokens, b = row->bands[i].first_tokens;
        if (a > b + 1 || b > a + 1 || !same_rates(&sheet->bands[i].rates, &row->bands[i].rates))
            return false;
        if (a != b)
            *ret_off = row->bands[i].inclusive ? ">=" : ">";
    }
    return true;
}

bool
price_sheet_same(const struct price_sheet *sheet, const struct price_row *row, const char **ret_off)
{
    return same_rates(&sheet->rates, &row->rates) && same_bands(sheet, row, ret_off) &&
           same_fees(sheet, row) && same_factors(sheet, row);
}

/* ---- Rows as JSON. ---- */

void
price_time_text(int64_t utc_ms, char text[TIME_TEXT_BYTES])
{
    if (utc_ms % TIME_DAY_MS == 0)
        time_format_day(utc_ms / TIME_DAY_MS, text);
    else
        time_format_ms(utc_ms, text);
}

static json_t *
from_json(int64_t from_ms)
{
    char text[TIME_TEXT_BYTES];
    if (from_ms == PRICE_SINCE_EVER)
        return json_null();
    price_time_text(from_ms, text);
    return json_string(text);
}

static bool
put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0; /* takes value, refuses NULL */
}

static json_t *
rates_json(const struct price_rates *rates)
{
    json_t *object = json_object();
    for (size_t c = 0; object != NULL && c < EVENT_CLASSES; c++) {
        char text[MONEY_TEXT_BYTES];
        if (rates->pico[c] == PRICE_NONE)
            continue;
        money_format(rates->pico[c], 6, text);
        if (!put(object, event_class_name((enum event_class)c), json_string(text))) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static bool
add_bands(json_t *row, const struct price_sheet *sheet)
{
    json_t *bands = sheet->band_count > 0 ? json_array() : NULL;
    if (sheet->band_count > 0 && !put(row, "bands", bands))
        return false;
    for (size_t i = 0; i < sheet->band_count; i++) {
        const struct price_band *b = &sheet->bands[i];
        json_t *band = json_object();
        if (json_array_append_new(bands, band) != 0 ||
            !put(band, "input_tokens", json_integer((json_int_t)b->threshold_tokens)) ||
            !put(band, "op", json_string(b->inclusive ? ">=" : ">")) ||
            !put(band, "scope", json_string("request")) ||
            !put(band, "rates", rates_json(&b->rates)))
            return false;
    }
    return true;
}

static bool
add_fees(json_t *row, const struct price_sheet *sheet)
{
    json_t *fees = NULL;
    for (size_t f = 0; f < EVENT_FEES; f++) {
        char text[MONEY_TEXT_BYTES];
        if (sheet->fee_pico[f] == PRICE_NONE)
            continue;
        if (fees == NULL) {
            fees = json_object();
            if (!put(row, "fees", fees))
                return false;
        }
        money_format(sheet->fee_pico[f], 9, text);
        if (!put(fees, event_fee_name((enum event_fee)f), json_string(text)))
            return false;
    }
    return true;
}

static bool
add_factors(json_t *row, const struct price_sheet *sheet)
{
    json_t *factors = json_object();
    for (size_t d = 0; factors != NULL && d < PRICE_DIMENSIONS; d++) {
        json_t *words = sheet->factor_count[d] > 0 ? json_object() : NULL;
        bool ok = sheet->factor_count[d] == 0 || put(factors, dimension_keys[d], words);
        for (size_t i = 0; ok && i < sheet->factor_count[d]; i++) {
            char text[MONEY_TEXT_BYTES];
            money_format(sheet->factors[d][i].millionths, 6, text);
            ok = json_object_setn_new(words, sheet->factors[d][i].word.data,
                                      sheet->factors[d][i].word.size_bytes, json_string(text)) == 0;
        }
        if (!ok) {
            json_decref(factors);
            return false;
        }
    }
    if (json_object_size(factors) > 0)
        return put(row, "factors", factors);
    json_decref(factors);
    return factors != NULL;
}

bool
price_sheet_fill(json_t *row, const struct price_sheet *sheet, int64_t from_ms,
                 const char *recorded, const char *note)
{
    return put(row, "from", from_json(from_ms)) && put(row, "recorded", json_string(recorded)) &&
           put(row, "tier", json_string(price_tier_name(sheet->tier))) &&
           put(row, "rates", rates_json(&sheet->rates)) && add_bands(row, sheet) &&
           add_fees(row, sheet) && add_factors(row, sheet) && put(row, "note", json_string(note));
}
