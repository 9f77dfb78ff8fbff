#include "store/postgres/copy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/base/hash.h"
#include "store/base/time.h"
#include "store/tables/dict.h"

/* A chunk is sent when it has this many bytes; a row is far below the rest. */
enum { COPY_CHUNK_BYTES = 64 * 1024, COPY_BUF_BYTES_MAX = 1024 * 1024 };

/* Where the first error is kept; later ones are dropped. */
static struct err *
first_err(struct copy *copy)
{
    return copy->code == ERR_OK ? &copy->err : NULL;
}

static void
fail(struct copy *copy, enum err_code code)
{
    if (copy->code == ERR_OK)
        copy->code = code;
}

static void
put_raw(struct copy *copy, const char *data, size_t size_bytes)
{
    if (copy->code == ERR_OK && !buf_append(&copy->buf, data, size_bytes))
        fail(copy, err_set(first_err(copy), ERR_LIMIT, "%s: a row is longer than %d bytes",
                           copy->table, COPY_BUF_BYTES_MAX));
}

static void
put_separator(struct copy *copy)
{
    if (copy->in_row)
        put_raw(copy, "\t", 1);
    copy->in_row = true;
}

/* A field whose text needs no escape. */
static void
put_plain(struct copy *copy, const char *text)
{
    put_separator(copy);
    put_raw(copy, text, strlen(text));
}

enum err_code
copy_begin(struct copy *copy, struct pg *pg, struct tables_txn *txn, const char *table,
           const char *sql, struct err *err)
{
    *copy = (struct copy){.pg = pg, .txn = txn, .table = table};
    buf_init(&copy->buf, COPY_BUF_BYTES_MAX);
    copy->code = pg_run(pg, sql, "begin to copy", NULL, &copy->err);
    if (copy->code != ERR_OK)
        *err = copy->err;
    return copy->code;
}

void
copy_null(struct copy *copy)
{
    put_plain(copy, "\\N");
}

void
copy_text(struct copy *copy, struct str text)
{
    static const char special[] = "\\\t\n\r\b\f\v", letter[] = "\\tnrbfv";
    put_separator(copy);
    for (size_t i = 0, from = 0; i <= text.size_bytes; i++) {
        const char *at = i < text.size_bytes && text.data[i] != '\0' ? strchr(special, text.data[i])
                                                                     : NULL;
        if (i < text.size_bytes && at == NULL)
            continue;
        put_raw(copy, text.data + from, i - from);
        if (at != NULL) {
            char escape[2] = {'\\', letter[at - special]};
            put_raw(copy, escape, sizeof escape);
        }
        from = i + 1;
    }
}

void
copy_bool(struct copy *copy, bool value)
{
    put_plain(copy, value ? "t" : "f");
}

void
copy_i64(struct copy *copy, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    put_plain(copy, text);
}

void
copy_u64(struct copy *copy, uint64_t value)
{
    if (value > INT64_MAX) {
        fail(copy, err_set(first_err(copy), ERR_LIMIT,
                           "%s: a count is %" PRIu64 ", Postgres holds at most %" PRId64,
                           copy->table, value, INT64_MAX));
        return;
    }
    copy_i64(copy, (int64_t)value);
}

void
copy_pico(struct copy *copy, money_sum pico)
{
    char text[MONEY_TEXT_BYTES];
    money_format(pico, 12, text);
    put_plain(copy, text);
}

void
copy_cents(struct copy *copy, money_sum pico)
{
    money_sum cents = money_divide(pico, MONEY_PICO_PER_UNIT / 100);
    if (cents > INT64_MAX || cents < INT64_MIN) {
        char text[MONEY_TEXT_BYTES];
        money_format(pico, 12, text);
        fail(copy, err_set(first_err(copy), ERR_LIMIT,
                           "%s: an amount is %s, Postgres holds at most %" PRId64 " cents",
                           copy->table, text, INT64_MAX));
        return;
    }
    copy_i64(copy, (int64_t)cents);
}

void
copy_hex(struct copy *copy, const uint8_t *data, size_t size_bytes)
{
    char text[HASH_SHA256_TEXT_BYTES];
    if (size_bytes > HASH_SHA256_BYTES)
        size_bytes = HASH_SHA256_BYTES;
    hash_hex(data, size_bytes, text);
    put_plain(copy, text);
}

void
copy_time(struct copy *copy, int64_t utc_ms)
{
    char text[TIME_TEXT_BYTES];
    time_format_ms(utc_ms, text);
    put_plain(copy, text);
}

void
copy_hour(struct copy *copy, uint32_t hour)
{
    copy_time(copy, (int64_t)hour * TIME_HOUR_MS);
}

void
copy_day(struct copy *copy, int32_t day)
{
    char text[TIME_TEXT_BYTES];
    time_format_day(day, text);
    put_plain(copy, text);
}

void
copy_month(struct copy *copy, int32_t month)
{
    copy_day(copy, (int32_t)(time_month_start_ms(month) / TIME_DAY_MS));
}

void
copy_dict(struct copy *copy, uint32_t number)
{
    struct str text = dict_text(copy->txn, number);
    if (number != 0 && text.size_bytes == 0)
        fail(copy, err_set(first_err(copy), ERR_CONFLICT,
                           "%s: the dictionary has no text for number %" PRIu32
                           ": the tables are being folded anew; run gbill rollup, then publish "
                           "again",
                           copy->table, number));
    copy_text(copy, text);
}

static void
flush_rows(struct copy *copy)
{
    if (copy->code != ERR_OK || copy->buf.size_bytes == 0)
        return;
    if (PQputCopyData(pg_conn(copy->pg), (const char *)copy->buf.data, (int)copy->buf.size_bytes) !=
        1)
        fail(copy, pg_fail(copy->pg, NULL, "send rows", first_err(copy)));
    buf_drop(&copy->buf, copy->buf.size_bytes);
}

void
copy_row_end(struct copy *copy)
{
    put_raw(copy, "\n", 1);
    copy->in_row = false;
    copy->rows++;
    if (copy->buf.size_bytes >= COPY_CHUNK_BYTES)
        flush_rows(copy);
}

/* The server's word on the COPY; later results of it are only read off. */
static void
finish(struct copy *copy)
{
    PGconn *conn = pg_conn(copy->pg);
    if (PQputCopyEnd(conn, NULL) != 1) {
        fail(copy, pg_fail(copy->pg, NULL, "end the copy", first_err(copy)));
        return;
    }
    for (PGresult *r = PQgetResult(conn); r != NULL; r = PQgetResult(conn)) {
        if (PQresultStatus(r) != PGRES_COMMAND_OK)
            fail(copy, pg_fail(copy->pg, r, "copy rows", first_err(copy)));
        PQclear(r);
    }
}

enum err_code
copy_end(struct copy *copy, struct err *err)
{
    flush_rows(copy);
    if (copy->code == ERR_OK)
        finish(copy);
    buf_clear(&copy->buf);
    if (copy->code != ERR_OK && err != NULL)
        *err = copy->err;
    return err_wrap(err, copy->code, "%s", copy->table);
}
