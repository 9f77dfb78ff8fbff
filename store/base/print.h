/*
 * store/base/print.h - results on stdout: one set of rows, four forms.
 *
 * A table for a person; CSV (RFC 4180), a JSON array of objects, or one JSON object
 * a line for a program.  All but the table stream through a buffer of their own:
 * nobody else may write to the stream between print_begin() and print_end().  A
 * table keeps its rows until print_end(), to know the widths.
 */
#ifndef STORE_BASE_PRINT_H
#define STORE_BASE_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"
#include "store/base/money.h"

enum print_form { PRINT_TABLE, PRINT_CSV, PRINT_JSON, PRINT_JSON_LINES };

enum print_kind {
    PRINT_TEXT,   /* left-aligned; a JSON string */
    PRINT_WHOLE,  /* right-aligned; a JSON number */
    PRINT_AMOUNT, /* right-aligned; a JSON string, since money must not pass a double */
};

struct print_column {
    const char *title; /* camelCase: also the JSON key and the CSV header */
    enum print_kind kind;
};

enum {
    PRINT_COLUMNS_MAX = 48,
    PRINT_TITLE_BYTES_MAX = 40,
    PRINT_BUFFER_BYTES = 32 * 1024,
};

struct print {
    FILE *out;
    enum print_form form;
    const struct print_column *columns;
    size_t column_count;
    size_t column;        /* the next cell's */
    uint64_t rows, bytes; /* so far; bytes: handed to the stream */
    int error;            /* errno of the first write that failed: what follows is dropped */
    bool defuse;          /* the caller's to set: CSV texts that a spreadsheet would run get a ' */
    struct buf cells;     /* PRINT_TABLE: NUL-separated */
    uint64_t rows_kept;   /* of them whole in cells */
    bool cut;             /* a cell found no room: the table ends before it and says so */
    size_t width[PRINT_COLUMNS_MAX];
    uint8_t key_bytes[PRINT_COLUMNS_MAX]; /* JSON: what stands before a cell: ,"title": */
    char keys[PRINT_COLUMNS_MAX][PRINT_TITLE_BYTES_MAX + 4];
    size_t used;
    char buffer[PRINT_BUFFER_BYTES];
};

/*
 * Begin.  columns is borrowed until print_end(); at most PRINT_COLUMNS_MAX, their
 * titles plain ASCII of at most PRINT_TITLE_BYTES_MAX bytes.  Give the cells row by
 * row, each row whole.
 */
void print_begin(struct print *p, FILE *out, enum print_form form,
                 const struct print_column *columns, size_t column_count);
void print_text(struct print *p, struct str text);
void print_whole(struct print *p, uint64_t value);
void print_amount(struct print *p,
                  const char *decimal); /* also for PRINT_WHOLE cells ready as text */

/* An amount in picos: exact for programs; a table shows as many digits as the currency has. */
void print_pico(struct print *p, money_sum pico, const char *currency);

/* An instant to the millisecond, RFC 3339; 0: empty, there is none. */
void print_time(struct print *p, int64_t utc_ms);

/* There is no value: empty in a table and in CSV, null in JSON. */
void print_null(struct print *p);

/* One JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void print_json_text(FILE *out, struct str text);

/* Finish and free; p->rows, p->bytes and p->error stay. */
void print_end(struct print *p);

#endif
