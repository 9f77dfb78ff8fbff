/*
 * rollup/reprice.h - what would the past have cost, had we known then what the
 * price book knows today?
 *
 * Reads the log and the tables and writes nothing: a folded past never changes,
 * and who was charged wrongly is given an adjustment event.  Every counted call
 * (no duplicate, not voided) of the hours asked for is priced twice: as it was
 * folded, by the rows known when it came, and with all rows of the book.  The first
 * must come to what the tables hold, or there is no answer.
 *
 * Source of the rules: schemas/prices.md, "Pricing the past anew".
 */
#ifndef ROLLUP_REPRICE_H
#define ROLLUP_REPRICE_H

#include "rollup/price/price.h"
#include "store/base/list.h"
#include "store/base/money.h"

enum { REPRICE_ID_BYTES = 41 }; /* of an adjustment's id, NUL included */

struct reprice_options {
    const char *data_directory;
    const struct price_book *prices;  /* the book of the folds */
    const struct price_book *against; /* the book of the new costs; may be the same */
    uint32_t from_hour, to_hour; /* hours of event time since 1970, the last one not included */
    /* Called now and then with the last number read, and the last there is; may be NULL. */
    void (*progress)(void *context, uint64_t seq, uint64_t last_seq);
    void *context;
};

struct reprice_sum {
    uint64_t calls, changed; /* all; those that get another cost, or one at all, or none */
    uint64_t unpriced_folded, unpriced_new;
    money_sum folded_pico, new_pico; /* an unpriced call adds nothing */
    /*
     * What the organization was charged too little (above 0) or too much: new less
     * folded, without the calls that the next rollup prices by itself once the book
     * `against` is in place.
     */
    money_sum owed_pico;
};

/* The calls of one organization and model, of which at least one changes. */
struct reprice_row {
    struct str organization, provider, model;
    struct reprice_sum sum;
};

struct reprice_owed {
    struct str organization;
    money_sum owed_pico; /* not 0 */
};

struct reprice {
    struct arena texts;
    struct list rows; /* struct reprice_row, by the size of new less folded, largest first */
    struct list owed; /* struct reprice_owed, the same way */
    struct reprice_sum total; /* over all calls, also of what is in no row */
};

/*
 * Price the past anew.
 *
 *   options  borrowed for the call
 *   ret      filled; reprice_clear().  What came in after the tables' cursor is not in it
 *
 * Errors:
 *   ERR_NOT_FOUND  nothing has been folded yet
 *   ERR_CONFIG     the two books have different currencies
 *   ERR_CONFLICT   the tables hold other calls or costs than the log and the book
 *                  prices give: they were folded from another log, or with another
 *                  book, or a row was edited, or days of the log are gone
 *   ERR_CORRUPT, ERR_IO of log and tables; ERR_LIMIT out of memory
 */
enum err_code reprice_make(const struct reprice_options *options, struct reprice *ret,
                           struct err *err) ERR_MUST_CHECK;
void reprice_clear(struct reprice *reprice);

/*
 * The id of an organization's adjustment event: a function of the hours, the book
 * `against` and the organization, so that one which is sent again changes nothing.
 */
void reprice_adjustment_id(const struct reprice_options *options, struct str organization,
                           char id[REPRICE_ID_BYTES]);

#endif
