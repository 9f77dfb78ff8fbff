/*
 * rollup/price/price_import.h - take prices from the public files of others into a
 * book, as new rows; what stands in the book is never edited.
 *
 * Two formats are read: LiteLLM's price map and genai-prices' data file.  What
 * each of their fields becomes, and what cannot be carried over, is in schemas/
 * prices.md, "Import".  Nothing is dropped in silence: whatever is left out is
 * told to args->skipped, with the reason.
 *
 * Reading order: price_foreign.h (exact numbers), price_import.h,
 * price_offer.h (what a file says of one model), price_import_litellm.c and price_import_genai.c (a file becomes offers),
 * price_import.c (an offer becomes rows), price_write.h.
 */
#ifndef ROLLUP_PRICE_PRICE_IMPORT_H
#define ROLLUP_PRICE_PRICE_IMPORT_H

#include "rollup/price/price.h"
#include "rollup/price/price_offer.h"
#include "store/base/json.h"

#define PRICE_IMPORT_FORMATS(X) \
    X(LITELLM, "litellm")       \
    X(GENAI, "genai-prices")

enum price_import_format {
#define PRICE_IMPORT_ENUM(name, text) PRICE_IMPORT_##name,
    PRICE_IMPORT_FORMATS(PRICE_IMPORT_ENUM)
#undef PRICE_IMPORT_ENUM
};

enum { PRICE_IMPORT_SKIP_BYTES_MAX = 512 }; /* of one line for args->skipped */

struct price_import_args {
    enum price_import_format format;
    const json_t *foreign;         /* from price_foreign_load() */
    const struct price_book *book; /* what the book says today */
    json_t *root;                  /* the same book's JSON; rows are added to it */
    const char *providers;         /* "openai,anthropic"; NULL: those of the book; "all" */
    int64_t recorded_ms;           /* later than everything the book has recorded */
    void (*skipped)(void *context, const char *line);
    void *context;
};

/* Everything a file names is in one of these. */
struct price_import_result {
    size_t models_added;     /* models that the book did not have */
    size_t models_changed;   /* models of the book that got rows */
    size_t models_unchanged; /* the book says the same */
    size_t models_skipped;   /* left out, each with a line */
    size_t models_unasked;   /* of other providers */
    size_t rows_added, aliases_added;
    size_t lines; /* told to args->skipped */
};

/* The format of this name, or false. */
bool price_import_format_find(const char *name, enum price_import_format *ret_format)
    __attribute__((warn_unused_result));

/*
 * Add to args->root what the foreign file knows and the book does not.
 *
 * Which row a price becomes: schemas/prices.md, "Import".  After an error root
 * may hold a part of it: throw it away.
 *
 * Errors: ERR_INPUT when the file is not of that format; ERR_USAGE when
 * recorded_ms is not later than the book; ERR_LIMIT out of memory.
 */
enum err_code price_import_run(const struct price_import_args *args,
                               struct price_import_result *ret, struct err *err) ERR_MUST_CHECK;

/* ---- For the readers of the two formats. ---- */

struct price_import; /* one run */

/* An empty offer; it is the same memory each time. */
struct price_offer *price_import_offer_new(struct price_import *im, struct str provider,
                                           struct str model);

/* Is this provider asked for?  Counts the model as unasked if not. */
bool price_import_wants(struct price_import *im, struct str provider);

/* Tell why something of a model is left out; skip_model: all of it is. */
void price_import_note(struct price_import *im, struct str provider, struct str model,
                       const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void price_import_skip_model(struct price_import *im, struct str provider, struct str model,
                             const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * Read a number as a rate.  In words why not, or NULL: *ret_pico is written.
 *
 *   decimals  12 for the price of one, 9 of a thousand, 6 of a million
 */
const char *price_import_rate(const json_t *value, int decimals, int64_t *ret_pico);

enum err_code price_import_offer(struct price_import *im, const struct price_offer *offer,
                                 struct err *err) ERR_MUST_CHECK;

/* Remember that id means model; it becomes an alias row once all models are known. */
enum err_code price_import_alias(struct price_import *im, struct str provider, struct str id,
                                 struct str model, struct err *err) ERR_MUST_CHECK;

enum err_code price_import_litellm(struct price_import *im, const json_t *foreign,
                                   struct err *err) ERR_MUST_CHECK;
enum err_code price_import_genai(struct price_import *im, const json_t *foreign,
                                 struct err *err) ERR_MUST_CHECK;

#endif
