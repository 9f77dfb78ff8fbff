/*
 * store/tables/efficiency.h - how well an organization spends: of what its calls cost,
 * the part that gbill optimize says could have been spared.
 *
 * Key: organization, last hour of the period; so one row a day, since a period ends
 * with a day.  Rows of days gone by are not changed.
 */
#ifndef STORE_TABLES_EFFICIENCY_H
#define STORE_TABLES_EFFICIENCY_H

#include "store/base/money.h"
#include "store/tables/tables.h"

struct efficiency {
    uint32_t organization;       /* dictionary */
    uint32_t from_hour, to_hour; /* to exclusive */
    uint8_t score;    /* 0 to 100: 100 x (1 - avoidable / actual), rounded; 100: no cost */
    char currency[4]; /* ISO 4217 */
    uint64_t calls, unpriced_calls;
    money_sum actual_pico;    /* what the calls cost */
    money_sum avoidable_pico; /* 0 to actual: the shares of all savings; candidates are not in it */
    money_sum candidate_pico; /* what the candidates would save, each for itself: they overlap */
    int64_t computed_ms;
    uint64_t position; /* of the log */
};

/* Store a row and note it for publishing.  One that differs in time and position only is left alone. */
enum err_code efficiency_put(struct tables_txn *txn, const struct efficiency *row,
                             struct err *err) ERR_MUST_CHECK;

/* The newest row of an organization; false: it has none. */
bool efficiency_last(struct tables_txn *txn, uint32_t organization, struct efficiency *ret);

/* Is there a row of a period that ends at to_hour or later?  One seek, however many rows there are. */
bool efficiency_reaches(struct tables_txn *txn, uint32_t organization, uint32_t to_hour);

/* What a key and value of TABLE_EFFICIENCY say, for publish; value may be empty. */
void efficiency_decode(struct bytes key, struct bytes value, struct efficiency *ret);

/* Walk one organization's rows (0: everybody's), oldest first. */
struct efficiency_scan {
    struct efficiency row;
    struct tables_scan scan;
};

void efficiency_scan_begin(struct efficiency_scan *scan, struct tables_txn *txn,
                           uint32_t organization);
bool efficiency_scan_next(struct efficiency_scan *scan);
void efficiency_scan_end(struct efficiency_scan *scan);

#endif
