/*
 * store/postgres/copy.h - rows on their way into a COPY ... FROM STDIN, text form.
 *
 * Fields are given in order, each row whole and closed with copy_row_end().
 * Rows leave in chunks, so the memory taken does not depend on their number.
 * The first error sticks: later calls do nothing, and copy_end() reports it.
 *
 * Source: PostgreSQL manual, COPY, "Text Format".
 */
#ifndef STORE_POSTGRES_COPY_H
#define STORE_POSTGRES_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"
#include "store/base/err.h"
#include "store/base/money.h"
#include "store/postgres/pg.h"
#include "store/tables/tables.h"

struct copy {
    struct pg *pg;
    struct tables_txn *txn; /* whose dictionary the numbers are of */
    const char *table;      /* for messages */
    struct buf buf;
    bool in_row;
    uint64_t rows;
    enum err_code code; /* the first error */
    struct err err;
};

/*
 * Begin: run the COPY statement.
 *
 *   copy  filled; copy_end() it, also after an error
 *   sql   COPY ... FROM STDIN
 *
 * Errors: as pg_run().
 */
enum err_code copy_begin(struct copy *copy, struct pg *pg, struct tables_txn *txn,
                         const char *table, const char *sql, struct err *err) ERR_MUST_CHECK;

void copy_null(struct copy *copy);
void copy_text(struct copy *copy, struct str text);
void copy_bool(struct copy *copy, bool value);
void copy_i64(struct copy *copy, int64_t value);
void copy_u64(struct copy *copy, uint64_t value);   /* ERR_LIMIT beyond a bigint */
void copy_pico(struct copy *copy, money_sum pico);  /* exact, for NUMERIC */
void copy_cents(struct copy *copy, money_sum pico); /* rounded half away from zero */
void copy_hex(struct copy *copy, const uint8_t *data, size_t size_bytes);
void copy_time(struct copy *copy, int64_t utc_ms);
void copy_hour(struct copy *copy, uint32_t hour);
void copy_day(struct copy *copy, int32_t day);
void copy_month(struct copy *copy, int32_t month); /* its first day */

/*
 * The text of a dictionary number.  One that is unknown is ERR_CONFLICT: the
 * tables are being folded anew.
 */
void copy_dict(struct copy *copy, uint32_t number);

void copy_row_end(struct copy *copy);

/*
 * Send what is left and wait for the server's word; the buffer is freed.
 *
 * Errors: the first one of any call; as pg_run().
 */
enum err_code copy_end(struct copy *copy, struct err *err) ERR_MUST_CHECK;

#endif
