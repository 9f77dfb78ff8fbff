#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "reports/dict_cache.h"
#include "reports/export.h"
#include "reports/grouping.h"
#include "store/base/json.h"
#include "store/base/time.h"
#include "store/tables/book.h"
#include "store/tables/cursor.h"

enum { PROGRESS_ROWS = 65536, PROGRESS_MS = 500 };

void
export_begin(struct export *x, const struct print_column *columns, size_t column_count)
{
    x->shown_ms = clock_monotonic_ms() + PROGRESS_MS; /* the first time after a second */
    print_begin(&x->print, x->out, x->form, columns, column_count);
    x->print.defuse = x->defuse;
}

void
export_end(struct export *x)
{
    if (x->tty)
        fputs("\r\033[K", stderr);
    print_end(&x->print);
}

static void
show_progress(struct export *x)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!x->tty || now_ms < x->shown_ms + PROGRESS_MS)
        return;
    x->shown_ms = now_ms;
    fprintf(stderr, "\r%" PRIu64 " rows, %" PRIu64 " MiB", x->print.rows, x->print.bytes >> 20);
}

bool
export_goes_on(struct export *x)
{
    if (x->print.rows % PROGRESS_ROWS == 0)
        show_progress(x);
    return x->print.error == 0;
}

void
export_currency(struct tables_txn *txn, char currency[EXPORT_CURRENCY_BYTES])
{
    struct cursor cursor = cursor_get(txn);
    struct bytes text;
    currency[0] = '\0';
    if (!book_get(txn, cursor.price_book, &text))
        return;
    json_t *root = json_loadb((const char *)text.data, text.size_bytes, 0, NULL);
    const char *code = json_string_value(json_object_get(root, "currency"));
    if (code != NULL)
        snprintf(currency, EXPORT_CURRENCY_BYTES, "%s", code);
    json_decref(root);
}

static const enum dimension names[] = {DIMENSION_ORG,  DIMENSION_PROJECT,  DIMENSION_USER,
                                       DIMENSION_TYPE, DIMENSION_PROVIDER, DIMENSION_MODEL,
                                       DIMENSION_TIER};

enum { NAMES = sizeof names / sizeof names[0] };

static size_t
columns_of(enum usage_print_kind kind, struct print_column columns[PRINT_COLUMNS_MAX])
{
    size_t n = 0;
    columns[n++] = (struct print_column){dimension_title(DIMENSION_HOUR), PRINT_TEXT};
    for (size_t i = 0; i < NAMES; i++)
        columns[n++] = (struct print_column){dimension_title(names[i]), PRINT_TEXT};
    if (kind == USAGE_PRINT_COSTS)
        columns[n++] = (struct print_column){"currency", PRINT_TEXT};
    return n + usage_print_columns(kind, columns + n);
}

struct row_printer {
    struct print *print;
    struct dict_cache *cache;
    enum usage_print_kind kind;
    char currency[EXPORT_CURRENCY_BYTES];
    uint32_t hour; /* that hour_text is of */
    char hour_text[TIME_TEXT_BYTES];
    size_t hour_bytes;
};

static void
take_hour(struct row_printer *r, uint32_t hour)
{
    time_format_hour(hour, r->hour_text);
    r->hour_bytes = strlen(r->hour_text);
    memcpy(r->hour_text + r->hour_bytes, ":00:00Z", sizeof ":00:00Z");
    r->hour_bytes += strlen(":00:00Z");
    r->hour = hour;
}

static void
print_row(struct row_printer *r, const struct usage_walk *w)
{
    if (w->key.period != r->hour || r->hour_bytes == 0)
        take_hour(r, w->key.period);
    print_text(r->print, (struct str){r->hour_text, r->hour_bytes});
    for (size_t i = 0; i < NAMES; i++)
        print_text(r->print, dict_cache_text(r->cache, dimension_of(names[i], &w->key)));
    if (r->kind == USAGE_PRINT_COSTS && r->currency[0] != '\0')
        print_text(r->print, str_of(r->currency));
    else if (r->kind == USAGE_PRINT_COSTS)
        print_null(r->print);
    usage_print_measures(r->print, r->kind, &w->row);
}

enum err_code
export_usage(struct export *x, struct tables_txn *txn, const struct usage_range *range,
             enum usage_print_kind kind, struct err *err)
{
    struct print_column columns[PRINT_COLUMNS_MAX];
    struct usage_walk walk;
    struct row_printer r = {
        .print = &x->print, .cache = dict_cache_new(txn), .kind = kind, .hour_bytes = 0};
    if (r.cache == NULL)
        return err_set(err, ERR_LIMIT, "no memory for the names of an export");
    enum err_code code = usage_walk_begin(&walk, txn, range, err);
    if (code == ERR_OK) {
        export_currency(txn, r.currency);
        export_begin(x, columns, columns_of(kind, columns));
        while (export_goes_on(x) && usage_walk_next(&walk)) {
            print_row(&r, &walk);
            x->unpriced += walk.row.unpriced_calls;
        }
        export_end(x);
    }
    enum err_code read = usage_walk_end(&walk, code == ERR_OK ? err : NULL);
    dict_cache_free(r.cache);
    return code == ERR_OK ? read : code;
}
