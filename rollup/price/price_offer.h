/*
 * rollup/price/price_offer.h - what a foreign file says of one model, in the terms of
 * the book: for each tier and day a sheet, which may become a row.
 *
 * PRICE_NONE means that the file does not state it, which is no difference from
 * any row.
 */
#ifndef ROLLUP_PRICE_PRICE_OFFER_H
#define ROLLUP_PRICE_PRICE_OFFER_H

#include "rollup/price/price.h"
#include "store/base/json.h"
#include "store/base/time.h"

enum { PRICE_SHEETS_MAX = 32, PRICE_BANDS_MAX = 8, PRICE_WORDS_MAX = 8 };

/* What one tier of a model costs from a day on, as the foreign file has it. */
struct price_sheet {
    int64_t from_ms; /* or PRICE_SINCE_EVER */
    enum price_tier tier;
    struct price_rates rates;
    struct price_band bands[PRICE_BANDS_MAX]; /* rising */
    size_t band_count;
    int64_t fee_pico[EVENT_FEES]; /* of one use, or PRICE_NONE */
    struct price_factor factors[PRICE_DIMENSIONS][PRICE_WORDS_MAX];
    size_t factor_count[PRICE_DIMENSIONS];
};

struct price_offer {
    struct str provider, model; /* alive as long as the foreign JSON */
    struct price_sheet sheets[PRICE_SHEETS_MAX];
    size_t sheet_count;
};

/* The sheet of a tier and a time, made if needed; NULL when there are too many. */
struct price_sheet *price_offer_sheet(struct price_offer *offer, enum price_tier tier,
                                      int64_t from_ms);

/* The rates of a sheet above a threshold, made if needed; NULL when there are too many. */
struct price_rates *price_sheet_band(struct price_sheet *sheet, uint64_t threshold_tokens,
                                     bool inclusive);

/* Add a factor; false when there are too many.  word lives as long as the foreign JSON. */
bool price_sheet_factor(struct price_sheet *sheet, enum price_dimension dimension, struct str word,
                        int64_t millionths) __attribute__((warn_unused_result));

/* Has it a rate, and each of its bands one?  A row without could not stand in a book. */
bool price_sheet_whole(const struct price_sheet *sheet);

/* No bands mean flat rates, but only of the standard tier: others fall back to its bands. */
bool price_sheet_states_bands(const struct price_sheet *sheet);

/*
 * Does the row say all that the sheet says?
 *
 *   ret_off  set to the row's operator where a threshold differs by one token,
 *            which is no difference; else left as it is
 */
bool price_sheet_same(const struct price_sheet *sheet, const struct price_row *row,
                      const char **ret_off);

/* Fill an empty JSON object with the row that a sheet becomes; false: out of memory. */
bool price_sheet_fill(json_t *row, const struct price_sheet *sheet, int64_t from_ms,
                      const char *recorded, const char *note) __attribute__((warn_unused_result));

/* A time as books write it: a day where it is one, else to the millisecond. */
void price_time_text(int64_t utc_ms, char text[TIME_TEXT_BYTES]);

/* "region" */
const char *price_dimension_name(enum price_dimension dimension);

#endif
