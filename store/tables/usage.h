/*
 * store/tables/usage.h - the tables hourly and monthly: usage by organization,
 * period, project, user, type, provider, model and service tier.
 *
 * Both have the same key and row; a period is an hour number (hours since 1970)
 * in hourly, a month number (months since January 1970) in monthly.  For every
 * key without its period, the monthly row is the sum of the hourly ones.
 */
#ifndef STORE_TABLES_USAGE_H
#define STORE_TABLES_USAGE_H

#include "store/base/money.h"
#include "store/event/event.h"
#include "store/tables/tables.h"

/* All are dictionary numbers but period. */
struct usage_key {
    uint32_t organization, period, project, user, type, provider, model, tier;
};

/* Sums over the calls of a key.  What most calls have none of comes last. */
struct usage_row {
    uint64_t calls;            /* all, whatever their state */
    uint64_t failed_calls;     /* those whose status said so */
    uint64_t estimated_calls;  /* priced from counts the app made */
    uint64_t unpriced_calls;   /* no price known: not in cost_pico, but in tokens */
    uint64_t reasoning_tokens; /* part of tokens[EVENT_OUTPUT] */
    uint64_t latency_us;
    money_sum cost_pico;
    uint64_t tokens[EVENT_CLASSES];
    uint64_t fees[EVENT_FEES]; /* uses charged by the piece */
};

/*
 * A row's bytes: 4 bytes little-endian with a bit for each of USAGE_ROW_COLUMNS
 * that is not 0, then those columns, each in 7-bit groups from the lowest on, the
 * high bit set on all but the last.  Columns in order: calls, failed, estimated,
 * unpriced, reasoning, latency, cost (low 64 bits, then high), tokens by class,
 * fees.  A row has one form only, so equal rows are equal bytes.
 */
enum {
    USAGE_RANGE_BYTES = 8, /* of a key: organization and period */
    USAGE_KEY_BYTES = 32,
    USAGE_ROW_COLUMNS = 8 + EVENT_CLASSES + EVENT_FEES,
    USAGE_ROW_BYTES_MAX = 4 + 10 * USAGE_ROW_COLUMNS,
};

void usage_key_encode(const struct usage_key *key, uint8_t bytes[USAGE_KEY_BYTES]);
struct usage_key usage_key_decode(const uint8_t bytes[USAGE_KEY_BYTES]);

/* The columns of a row, in the order of its bytes, and what each is called. */
enum { USAGE_COLUMN_COST = 6, USAGE_COLUMN_COST_HIGH };

void usage_row_columns(const struct usage_row *row, uint64_t columns[USAGE_ROW_COLUMNS]);
const char *usage_row_column_name(size_t column);

/* Returns how many bytes were written. */
size_t usage_row_encode(const struct usage_row *row, uint8_t bytes[USAGE_ROW_BYTES_MAX]);

/* Returns false for bytes that usage_row_encode() does not write. */
bool usage_row_decode(struct bytes bytes, struct usage_row *ret)
    __attribute__((warn_unused_result));

/*
 * Decode a row of hourly or monthly; ERR_CORRUPT names the table and the remedy.
 */
enum err_code usage_row_read(enum table table, struct bytes bytes, struct usage_row *ret,
                             struct err *err) ERR_MUST_CHECK;

/* row += more.  Counts wrap after 2^64, which no log reaches. */
void usage_row_add(struct usage_row *row, const struct usage_row *more);

/* row -= less, modulo 2^64 as well: the difference may wait to be added to a larger row. */
void usage_row_subtract(struct usage_row *row, const struct usage_row *less);

/* Has it no calls?  Such a row is not stored. */
bool usage_row_is_empty(const struct usage_row *row);

/* Input and output tokens of all classes: one AI credit each. */
uint64_t usage_row_credits(const struct usage_row *row);

/*
 * Add to a row, which is made if needed, and note it for publishing.
 *
 *   table  TABLE_HOURLY or TABLE_MONTHLY
 */
enum err_code usage_add(struct tables_txn *txn, enum table table,
                        const uint8_t key[USAGE_KEY_BYTES], const struct usage_row *more,
                        struct err *err) ERR_MUST_CHECK;

/* The same for many rows in key order; begin with TABLE_HOURLY or TABLE_MONTHLY. */
enum err_code usage_edit_add(struct tables_edit *edit, const uint8_t key[USAGE_KEY_BYTES],
                             const struct usage_row *more, struct err *err) ERR_MUST_CHECK;

/*
 * Walk rows in key order: all of them (organization 0), one organization's, or
 * one organization's of one period.
 */
struct usage_scan {
    struct usage_key key;
    struct usage_row row;
    struct tables_scan scan;
    enum err_code code; /* of a row that cannot be read */
    struct err err;
    enum table table;
};

void usage_scan_begin(struct usage_scan *scan, struct tables_txn *txn, enum table table,
                      uint32_t organization, const uint32_t *period);
bool usage_scan_next(struct usage_scan *scan);

/* ERR_CORRUPT when it ended at a row that cannot be read, else ERR_OK. */
enum err_code usage_scan_end(struct usage_scan *scan, struct err *err) ERR_MUST_CHECK;

/*
 * Read a time of --from or --to as an hour number.
 *
 *   option    "--from", for the message
 *   text      what time_parse() takes
 *   ret_hour  written only on success
 *
 * Errors: ERR_USAGE (no time, or not on a full hour: usage is kept by hours).
 */
enum err_code usage_hour_parse(const char *option, const char *text, uint32_t *ret_hour,
                               struct err *err) ERR_MUST_CHECK;

#endif
