/*
 * rollup/price/price.h - the price book: what a token cost, on which day, as we knew
 * it then.
 *
 * Its bytes and every rule are in schemas/prices.md; the book itself is
 * schemas/prices.json.  Once loaded it never changes, so that any number of
 * threads may read it.
 *
 * Invariants, checked while loading: model ids and aliases are distinct within
 * a provider; every row has a price in it; the rows of a tier rise by (from,
 * recorded); the bands of a row rise by their threshold; a rate times any factors
 * of its model is a whole number of picos.
 *
 * Reading order: price.h, price_load.c (file to memory), price_row.h (one row of
 * it), price.c (look up), cost.h (one event).
 */
#ifndef ROLLUP_PRICE_PRICE_H
#define ROLLUP_PRICE_PRICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/arena.h"
#include "store/base/bytes.h"
#include "store/base/conf.h"
#include "store/base/err.h"
#include "store/base/hash.h"
#include "store/event/event.h"

/* The option of every command that prices. */
#define CONF_ROW_PRICES                                                                      \
    {                                                                                        \
        "prices", "GBILL_PRICES", CONF_TEXT, "FILE", 0, 0, GBILL_SCHEMAS_DIR "/prices.json", \
            false, "price book"                                                              \
    }

#define PRICE_NONE ((int64_t)-1)   /* no rate for this class; 0 is a price */
#define PRICE_SINCE_EVER INT64_MIN /* "from": null */
#define PRICE_NEVER INT64_MAX      /* not retracted */

/* name, the words of a response that mean it are in price_tier_find() */
#define PRICE_TIER_NAMES(X) \
    X(STANDARD, "standard") \
    X(BATCH, "batch")       \
    X(FLEX, "flex")         \
    X(PRIORITY, "priority")

enum price_tier {
#define PRICE_TIER_ENUM(name, text) PRICE_##name,
    PRICE_TIER_NAMES(PRICE_TIER_ENUM)
#undef PRICE_TIER_ENUM
        PRICE_TIERS
};

/* A row's two times: when it holds, and when we knew of it. */
struct price_when {
    int64_t from_ms;      /* PRICE_SINCE_EVER or UTC ms: valid from here on */
    int64_t recorded_ms;  /* we learned of it */
    int64_t retracted_ms; /* we learned that it is wrong; PRICE_NEVER */
};

struct price_rates {
    int64_t pico[EVENT_CLASSES]; /* of one token; >= 0 or PRICE_NONE */
};

/* What the whole request costs once its total input reaches the band. */
struct price_band {
    uint64_t first_tokens; /* the least total input inside: threshold + 1 for ">" */
    uint64_t threshold_tokens;
    bool inclusive; /* ">=" */
    struct price_rates rates;
};

/* What multiplies the rates, by a word of the event: "us", 1.1. */
enum price_dimension { PRICE_REGION, PRICE_SPEED, PRICE_DIMENSIONS };

#define PRICE_FACTOR_ONE ((int64_t)1000000)
#define PRICE_FACTOR_MAX ((int64_t)1000 * PRICE_FACTOR_ONE)

struct price_factor {
    struct str word;
    int64_t millionths; /* 1 to PRICE_FACTOR_MAX */
};

struct price_factors {
    const struct price_factor *rows;
    size_t count;
};

/* One row of the book: all that one tier of one model costs from a day on. */
struct price_row {
    struct price_when when;
    struct price_rates rates;
    const struct price_band *bands; /* rising; NULL when band_count is 0 */
    size_t band_count;
    int64_t fee_pico[EVENT_FEES]; /* of one use; >= 0 or PRICE_NONE */
    struct price_factors factors[PRICE_DIMENSIONS];
};

struct price_rows {
    const struct price_row *rows; /* rising by from, then recorded */
    size_t count;
};

/* What one organization pays instead. */
struct price_override {
    struct str organization;
    struct price_rows tiers[PRICE_TIERS];
};

struct price_model {
    struct str provider, model;
    struct price_rows tiers[PRICE_TIERS];   /* for everyone */
    const struct price_override *overrides; /* rising by organization */
    size_t override_count;
};

/* "This id means that model", from a day on. */
struct price_alias {
    struct price_when when;
    const struct price_model *model;
    const struct price_alias *next; /* of the same id; or NULL */
};

/* An id that an event may carry: a model's own, or an alias with its rows. */
struct price_id {
    struct str provider, id;
    const struct price_model *model;   /* NULL for an alias */
    const struct price_alias *aliases; /* NULL for a model */
};

struct price_book {
    struct arena arena; /* holds everything, this struct included */
    const char *path;
    uint8_t sha256[HASH_SHA256_BYTES]; /* of the file: the book's version */
    struct str currency;               /* ISO 4217, "USD" */
    const struct price_model *models;  /* in the order of the file */
    size_t model_count;
    const struct price_id *ids; /* models and aliases, in the order of the file */
    size_t id_count;
    size_t alias_count, row_count; /* rows in the file */
    const uint32_t *slots;         /* hash table of index + 1 into ids; 0 is empty */
    size_t slot_mask;
};

/*
 * Read and check a price book.
 *
 *   path      borrowed
 *   ret_book  taken by the caller: price_book_free()
 *
 * Errors: those of reading the file; ERR_CONFIG for anything that schemas/
 * prices.md does not allow (file, model, row and value are named); ERR_LIMIT
 * for a book that would take more than 64 MiB.
 */
enum err_code price_book_load(const char *path, struct price_book **ret_book,
                              struct err *err) ERR_MUST_CHECK;

/* Free a book; NULL is allowed. */
void price_book_free(struct price_book *book);

/*
 * Find what an event's provider and model name; exact, byte by byte.
 *
 * Returns NULL if the book has no such id.  The answer lives as long as the
 * book, so a caller that interns names may keep it beside the interned model.
 */
const struct price_id *price_book_find(const struct price_book *book, struct str provider,
                                       struct str model);

/*
 * The hash of an id in book->slots.  Returns false for a name that is empty or
 * longer than an event may carry: no book has it.
 */
bool price_id_hash(struct str provider, struct str id, uint64_t *ret_hash)
    __attribute__((warn_unused_result));

/*
 * The model that an id meant at event_ms, as known at receive_ms; NULL when no
 * alias row holds.  A model's own id means itself at all times.
 *
 * Source of the rule by which one of several rows is picked: schemas/prices.md,
 * "Which row".
 */
const struct price_model *price_id_model(const struct price_id *id, int64_t event_ms,
                                         int64_t receive_ms);

/* An event as a row sees it. */
struct price_query {
    struct str organization; /* empty: one without overrides */
    int64_t event_ms, receive_ms;
};

/*
 * The row of a tier that holds at event_ms, as known at receive_ms, or NULL; the
 * organization's own before everyone's.
 */
const struct price_row *price_model_row(const struct price_model *model, enum price_tier tier,
                                        const struct price_query *query);

/* The highest band of row (may be NULL) that total_input_tokens reaches, or NULL. */
const struct price_band *price_row_band(const struct price_row *row, uint64_t total_input_tokens);

/*
 * The factor of a word, in millionths, asked of row and then of other (either may
 * be NULL).  A word that no row names is 1 where it says that nothing is special:
 * "", "global", "not_available"; "standard".  Returns false for any other word.
 */
bool price_factor_find(const struct price_row *row, const struct price_row *other,
                       enum price_dimension dimension, struct str word, int64_t *ret_millionths)
    __attribute__((warn_unused_result));

/* pico times two factors in millionths; false unless it is whole and fits an int64. */
bool price_scale(int64_t pico, int64_t a_millionths, int64_t b_millionths, int64_t *ret_pico)
    __attribute__((warn_unused_result));

/*
 * What a response's service tier means for the price: "", "standard",
 * "default" and "auto" are standard, "fast" is priority.  Returns false for
 * any other word.
 *
 * Source: OpenAI's service_tier and Anthropic's usage.service_tier; schemas/
 * prices.md, "Service tiers".
 */
bool price_tier_find(struct str word, enum price_tier *ret_tier)
    __attribute__((warn_unused_result));

const char *price_tier_name(enum price_tier tier);

#endif
