/*
 * store/base/print.h - results on stdout: one set of rows, three forms.
 *
 * A table for a person, CSV (RFC 4180) or a JSON array of objects for a
 * program.  CSV and JSON stream; a table keeps its rows until print_end(), to
 * know the widths.
 */
#ifndef STORE_BASE_PRINT_H
#define STORE_BASE_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"

enum print_form { PRINT_TABLE, PRINT_CSV, PRINT_JSON };

enum print_kind {
    PRINT_TEXT,   /* left-aligned; a JSON string */
    PRINT_WHOLE,  /* right-aligned; a JSON number */
    PRINT_AMOUNT, /* right-aligned; a JSON string, since money must not pass a double */
};

struct print_column {
    const char *title; /* camelCase: also the JSON key and the CSV header */
    enum print_kind kind;
};

enum { PRINT_COLUMNS_MAX = 40 };

struct print {
    FILE *out;
    enum print_form form;
    const struct print_column *columns;
    size_t column_count;
    size_t column; /* the next cell's */
    uint64_t rows;
    struct buf cells;   /* PRINT_TABLE: NUL-separated */
    uint64_t rows_kept; /* of them whole in cells */
    bool cut;           /* a cell found no room: the table ends before it and says so */
    size_t width[PRINT_COLUMNS_MAX];
};

/*
 * Begin.  columns is borrowed until print_end(); at most PRINT_COLUMNS_MAX.
 * Give the cells row by row, each row whole.
 */
void print_begin(struct print *p, FILE *out, enum print_form form,
                 const struct print_column *columns, size_t column_count);
void print_text(struct print *p, struct str text);
void print_whole(struct print *p, uint64_t value);
void print_amount(struct print *p,
                  const char *decimal); /* also for PRINT_WHOLE cells ready as text */

/* One JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void print_json_text(FILE *out, struct str text);

/* Finish and free. */
void print_end(struct print *p);

#endif
