/*
 * rollup/price/ratio.h - the ratio book in memory: how many tokens a text is to a model
 * whose tokenizer is not public, by the number of its bytes.
 *
 * A row is what was learned at one time of one model and one side of its calls: of so
 * many bytes it made so many tokens, and how far single calls were off.  Rows are only
 * ever added (schemas/ratios.md), and which of them holds for a call depends on when the
 * call was received: so an estimate is a function of the event and the book, and a grown
 * book leaves what was estimated alone.
 *
 * A book belongs to whoever loaded it and never changes; any number of threads may read it.
 */
#ifndef ROLLUP_PRICE_RATIO_H
#define ROLLUP_PRICE_RATIO_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/arena.h"
#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/base/hash.h"
#include "store/event/event.h"

enum {
    RATIO_ROWS_MAX = 50000,
    RATIO_PER_MILLE_MAX = 10000, /* an error of ten times the estimate */
};

#define RATIO_FILE_NAME "ratios.json" /* in the data directory */
#define RATIO_SUM_MAX ((int64_t)1000000000000000000)
#define RATIO_NEWEST INT64_MAX /* as a time of receipt: by what is known last */

struct ratio {
    struct str provider, model; /* the model as events name it: no aliases */
    enum event_side side;
    int64_t recorded_ms;     /* holds for what is received from here on */
    int64_t from_ms, to_ms;  /* time of the calls it was learned from, end not included */
    int64_t calls;           /* how many they were, 1 or more */
    int64_t bytes, tokens;   /* of those calls; 1 to RATIO_SUM_MAX */
    int64_t error_per_mille; /* 0 to RATIO_PER_MILLE_MAX; see ratio_tokens() */
};

struct ratio_book {
    struct arena arena;                /* holds everything, this struct included */
    uint8_t sha256[HASH_SHA256_BYTES]; /* of the file; zeros when there is none */
    const struct ratio *rows;          /* by provider, model, side, recorded; all four differ */
    size_t count;
};

/*
 * Read and check the book of a data directory; without a file it is empty.
 *
 *   ret  taken by the caller: ratio_book_free()
 *
 * Errors: those of reading the file; ERR_CONFIG for what schemas/ratios.md does not
 * allow (the row and the value are named); ERR_LIMIT over RATIO_ROWS_MAX rows.
 */
enum err_code ratio_book_load(const char *data_directory, struct ratio_book **ret,
                              struct err *err) ERR_MUST_CHECK;
enum err_code ratio_book_read(const char *path, struct ratio_book **ret,
                              struct err *err) ERR_MUST_CHECK; /* the same, of any name */
void ratio_book_free(struct ratio_book *book);                 /* NULL is allowed */

/*
 * The row that holds for a call received at receive_ms: of those recorded until then the
 * newest; where there is none, the first that was recorded later; NULL: none at all.
 *
 * Source: schemas/ratios.md, "Which row".
 */
const struct ratio *ratio_find(const struct ratio_book *book, struct str provider, struct str model,
                               enum event_side side, int64_t receive_ms);

/*
 * Estimate the tokens of a text of so many bytes: bytes x tokens / bytes of the row, to
 * the nearest, halves up; at least 1, of no bytes 0.  Of calls like those it was learned
 * from, 95 in 100 or more lie within estimate x error_per_mille / 1000 of it.
 *
 * Returns false when the estimate is above EVENT_COUNT_MAX.
 */
bool ratio_tokens(const struct ratio *ratio, uint64_t bytes, uint64_t *ret_tokens)
    __attribute__((warn_unused_result));

/*
 * Give a call the tokens of the sides that have no count.  All estimated input is
 * uncached input.  Where a side's ratio is not known, uncounted stays as it is, all
 * tokens of the call become 0, and cost_of() says COST_NO_RATIO.
 *
 *   usage  as event_read() left it; estimated is set where a side was; one without
 *          uncounted sides is left alone
 */
void ratio_estimate(const struct ratio_book *book, int64_t receive_ms, struct event_usage *usage);

/* "input" and "output": EVENT_SENT and EVENT_RECEIVED in the book. */
const char *ratio_side_name(enum event_side side);
bool ratio_side_find(struct str name, enum event_side *ret_side)
    __attribute__((warn_unused_result));

/*
 * Append to text what a file with the rows of book and more holds, for file_replace().
 *
 * Errors: ERR_LIMIT over RATIO_ROWS_MAX rows, text is full, or out of memory.
 */
enum err_code ratio_book_write(const struct ratio_book *book, const struct ratio *more,
                               size_t more_count, struct buf *text, struct err *err) ERR_MUST_CHECK;

#endif
