/*
 * billing/chargeback/chargeback.h - split an invoice's amount over the projects,
 * users or values of a metadata key that caused it.
 *
 * Rules: billing/chargeback/DESIGN.md.
 */
#ifndef BILLING_CHARGEBACK_CHARGEBACK_H
#define BILLING_CHARGEBACK_CHARGEBACK_H

#include "rollup/map.h"
#include "rollup/price/price.h"
#include "store/base/arena.h"
#include "store/base/list.h"
#include "store/tables/chargeback.h"
#include "store/tables/dict.h"

/* What is split: an invoice, as far as it matters here. */
struct chargeback_invoice {
    uint32_t organization; /* dictionary */
    int64_t from_ms, to_ms;
    char currency[4];
    int64_t total_minor; /* of either sign */
    bool final;
};

struct chargeback_part {
    struct str value; /* empty: what has none */
    uint32_t number;  /* dictionary; of a metadata value only within this split */
    uint64_t calls, credits;
    money_sum llm_cost_pico;
    int64_t amount_minor;
};

struct chargeback {
    struct list parts; /* struct chargeback_part, largest amount first, what has no value last */
    /* Memory of it. */
    struct arena texts;
    struct map numbers; /* dictionary number -> struct chargeback_part */
    struct dict dict;
};

void chargeback_init(struct chargeback *c);
void chargeback_clear(struct chargeback *c);

/*
 * Split by project or user, from the tables.
 *
 *   c  initialized; its parts are replaced
 *
 * Errors: ERR_CORRUPT when a row cannot be read; ERR_LIMIT when there are more parts
 * than memory (256 MiB of names) or an amount is too large to split.
 */
enum err_code chargeback_split(struct chargeback *c, struct tables_txn *txn,
                               const struct chargeback_invoice *invoice,
                               enum chargeback_dimension dimension, struct err *err) ERR_MUST_CHECK;

struct chargeback_log {
    const char *data_directory;
    const struct price_book *prices;                                  /* the book of the folds */
    void (*progress)(void *context, uint64_t seq, uint64_t last_seq); /* may be NULL */
    void *context;
};

/*
 * Split by the values of a metadata key, which the tables do not keep: reads the log.
 *
 *   key  of the events' metadata map
 *
 * Errors: as chargeback_split(); those of calls_walk(); ERR_CONFLICT when the log and
 * the book give other calls or costs than the tables hold (days that are gone, another
 * book): there is then no answer.
 */
enum err_code chargeback_split_metadata(struct chargeback *c, struct tables_txn *txn,
                                        const struct chargeback_invoice *invoice, struct str key,
                                        const struct chargeback_log *log,
                                        struct err *err) ERR_MUST_CHECK;

/*
 * Give each of count parts its share of total_minor, by their llm_cost_pico; if all are
 * 0 by their credits; if those are too, all to the part without a value, or the first.
 * A negative cost counts as 0.
 *
 * Largest remainder: everyone gets the whole units of its exact share; the units left
 * go one each to those with the largest fractions, of equal ones to the lesser value by
 * its bytes.  The shares add up to total_minor; a negative total is split like its
 * contrary.
 *
 * Errors: ERR_LIMIT for amounts whose product does not fit 127 bits; ERR_LIMIT out of
 * memory.
 */
enum err_code chargeback_share(struct chargeback_part *parts, size_t count, int64_t total_minor,
                               struct err *err) ERR_MUST_CHECK;

#endif
