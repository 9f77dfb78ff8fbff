#include "store/base/print.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "store/base/currency.h"
#include "store/base/digits.h"
#include "store/base/time.h"
#include "store/base/utf8.h"

enum { PRINT_TABLE_BYTES_MAX = 256 * 1024 * 1024, PICO_DIGITS = 12 };

/* What a byte of a text means to a writer of CSV or JSON. */
enum { QUOTED_IN_CSV = 1, ESCAPED_IN_JSON = 2, BEYOND_ASCII = 4 };

#define FOUR(x) x, x, x, x
#define SIXTEEN(x) FOUR(x), FOUR(x), FOUR(x), FOUR(x)
#define ESC ESCAPED_IN_JSON
#define BOTH (QUOTED_IN_CSV | ESCAPED_IN_JSON)

static const uint8_t byte_kinds[256] = {
    /* 00 to 1f, with LF and CR */
    FOUR(ESC), FOUR(ESC), ESC, ESC, BOTH, ESC, ESC, BOTH, ESC, ESC, SIXTEEN(ESC),
    /* 20 to 2f, with the quote and the comma */
    0, 0, BOTH, 0, FOUR(0), FOUR(0), QUOTED_IN_CSV, 0, 0, 0,
    /* 30 to 5b, the backslash, 5d to 7e, DEL */
    SIXTEEN(0), SIXTEEN(0), FOUR(0), FOUR(0), FOUR(0), ESC, 0, 0, 0, SIXTEEN(0), FOUR(0), FOUR(0),
    FOUR(0), 0, 0, 0, ESC,
    /* 80 to ff */
    SIXTEEN(BEYOND_ASCII), SIXTEEN(BEYOND_ASCII), SIXTEEN(BEYOND_ASCII), SIXTEEN(BEYOND_ASCII),
    SIXTEEN(BEYOND_ASCII), SIXTEEN(BEYOND_ASCII), SIXTEEN(BEYOND_ASCII), SIXTEEN(BEYOND_ASCII)};

static void
flush(struct print *p)
{
    if (p->used > 0 && p->error == 0) {
        errno = 0;
        if (fwrite(p->buffer, 1, p->used, p->out) != p->used)
            p->error = errno != 0 ? errno : EIO;
        p->bytes += p->used;
    }
    p->used = 0;
}

/* Where so many bytes may be written; add them to p->used. */
static inline char *
room(struct print *p, size_t size_bytes)
{
    if (sizeof p->buffer - p->used < size_bytes)
        flush(p);
    return p->buffer + p->used;
}

static inline void
put_bytes(struct print *p, const char *data, size_t size_bytes)
{
    while (size_bytes > sizeof p->buffer) {
        put_bytes(p, data, sizeof p->buffer);
        data += sizeof p->buffer;
        size_bytes -= sizeof p->buffer;
    }
    if (size_bytes > 0) /* an empty text may have no data */
        memcpy(room(p, size_bytes), data, size_bytes);
    p->used += size_bytes;
}

static inline void
put_byte(struct print *p, char byte)
{
    *room(p, 1) = byte;
    p->used++;
}

void
print_begin(struct print *p, FILE *out, enum print_form form, const struct print_column *columns,
            size_t column_count)
{
    assert(column_count > 0 && column_count <= PRINT_COLUMNS_MAX);
    memset(p, 0, offsetof(struct print, buffer));
    p->out = out;
    p->form = form;
    p->columns = columns;
    p->column_count = column_count;
    buf_init(&p->cells, PRINT_TABLE_BYTES_MAX);
    for (size_t i = 0; i < column_count; i++) {
        p->width[i] = strlen(columns[i].title);
        assert(p->width[i] <= PRINT_TITLE_BYTES_MAX);
        p->key_bytes[i] = (uint8_t)snprintf(p->keys[i], sizeof p->keys[i],
                                            "%c\"%s\":", i == 0 ? '{' : ',', columns[i].title);
        if (form == PRINT_CSV) {
            put_bytes(p, columns[i].title, p->width[i]);
            put_bytes(p, i + 1 < column_count ? "," : "\r\n", i + 1 < column_count ? 1 : 2);
        }
    }
    if (form == PRINT_JSON)
        put_byte(p, '[');
}

/* Columns of a terminal, not bytes: UTF-8 continuation bytes take none. */
static size_t
text_width(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.size_bytes; i++)
        n += ((unsigned char)s.data[i] & 0xc0) != 0x80;
    return n;
}

static uint8_t
kinds_of(struct str s)
{
    uint8_t kinds = 0;
    for (size_t i = 0; i < s.size_bytes; i++)
        kinds |= byte_kinds[(uint8_t)s.data[i]];
    return kinds;
}

/* Would a spreadsheet take it for a formula?  Source: OWASP, "CSV Injection". */
static bool
is_formula(struct str s)
{
    return s.size_bytes > 0 && memchr("=+-@\t\r", s.data[0], 6) != NULL;
}

static void
put_csv_text(struct print *p, struct str s)
{
    bool defuse = p->defuse && is_formula(s);
    if (!defuse && (kinds_of(s) & QUOTED_IN_CSV) == 0) {
        put_bytes(p, s.data, s.size_bytes);
        return;
    }
    put_byte(p, '"');
    if (defuse)
        put_byte(p, '\'');
    for (size_t i = 0; i < s.size_bytes; i++) {
        if (s.data[i] == '"')
            put_byte(p, '"');
        put_byte(p, s.data[i]);
    }
    put_byte(p, '"');
}

static void
put_json_text(struct print *p, struct str s)
{
    uint8_t kinds = kinds_of(s);
    if ((kinds & ESCAPED_IN_JSON) != 0 ||
        ((kinds & BEYOND_ASCII) != 0 && !utf8_text_ok((const uint8_t *)s.data, s.size_bytes))) {
        flush(p);
        print_json_text(p->out, s);
        return;
    }
    put_byte(p, '"');
    put_bytes(p, s.data, s.size_bytes);
    put_byte(p, '"');
}

static void
put_escaped(FILE *out, uint8_t byte)
{
    if (byte == '"' || byte == '\\')
        fprintf(out, "\\%c", byte);
    else if (byte < 0x20 || byte == 0x7f)
        fprintf(out, "\\u%04x", byte);
    else /* of no character */
        fputs("\\ufffd", out);
}

void
print_json_text(FILE *out, struct str text)
{
    size_t plain = 0; /* bytes before the next one, to be written as they are */
    fputc('"', out);
    for (size_t i = 0; i < text.size_bytes;) {
        const uint8_t *p = (const uint8_t *)text.data + i;
        size_t n = utf8_char_bytes(p, text.size_bytes - i);
        if (n > 0 && *p >= 0x20 && *p != 0x7f && *p != '"' && *p != '\\') {
            plain += n;
            i += n;
            continue;
        }
        fwrite(p - plain, 1, plain, out);
        put_escaped(out, *p);
        plain = 0;
        i++;
    }
    if (plain > 0)
        fwrite(text.data + text.size_bytes - plain, 1, plain, out);
    fputc('"', out);
}

static void
put_table_cell(struct print *p, struct str s)
{
    size_t width = text_width(s);
    if (width > p->width[p->column])
        p->width[p->column] = width;
    p->cut = p->cut || !buf_reserve(&p->cells, s.size_bytes + 1);
    if (p->cut)
        return;
    uint8_t *to = p->cells.data + p->cells.size_bytes;
    /* A control character must not reach the terminal; the cell ends at NUL. */
    for (size_t i = 0; i < s.size_bytes; i++)
        to[i] = (uint8_t)((unsigned char)s.data[i] < 0x20 || s.data[i] == 0x7f ? '?' : s.data[i]);
    to[s.size_bytes] = '\0';
    p->cells.size_bytes += s.size_bytes + 1;
    p->rows_kept += p->column + 1 == p->column_count ? 1 : 0;
}

/* What stands before a cell of CSV or JSON. */
static inline void
begin_cell(struct print *p)
{
    if (p->form == PRINT_CSV)
        return;
    if (p->form == PRINT_JSON && p->column == 0)
        put_bytes(p, p->rows == 0 ? "\n" : ",\n", p->rows == 0 ? 1 : 2);
    put_bytes(p, p->keys[p->column], p->key_bytes[p->column]);
}

static inline void
end_cell(struct print *p)
{
    bool last = p->column + 1 == p->column_count;
    if (p->form == PRINT_CSV)
        put_bytes(p, last ? "\r\n" : ",", last ? 2 : 1);
    else if (last && p->form != PRINT_TABLE)
        put_bytes(p, "}\n", p->form == PRINT_JSON_LINES ? 2 : 1);
    p->column = last ? 0 : p->column + 1;
    p->rows += last ? 1 : 0;
}

static void
put_cell(struct print *p, struct str s, bool json_text)
{
    if (p->form == PRINT_TABLE) {
        put_table_cell(p, s);
    } else {
        begin_cell(p);
        if (p->form == PRINT_CSV)
            put_csv_text(p, s);
        else if (json_text)
            put_json_text(p, s);
        else
            put_bytes(p, s.data, s.size_bytes);
    }
    end_cell(p);
}

void
print_text(struct print *p, struct str text)
{
    put_cell(p, text, true);
}

void
print_whole(struct print *p, uint64_t value)
{
    char text[DIGITS_BYTES_MAX];
    if (p->form == PRINT_TABLE) {
        put_table_cell(p, (struct str){text, digits_put(text, value)});
    } else {
        begin_cell(p);
        p->used += digits_put(room(p, DIGITS_BYTES_MAX), value);
    }
    end_cell(p);
}

void
print_amount(struct print *p, const char *decimal)
{
    struct str s = str_of(decimal);
    bool quoted = p->form != PRINT_CSV && p->columns[p->column].kind != PRINT_WHOLE;
    if (p->form == PRINT_TABLE) {
        put_table_cell(p, s);
    } else {
        /* Digits, a sign and a point need no quotes in CSV and are no formula. */
        begin_cell(p);
        put_bytes(p, "\"", quoted ? 1 : 0);
        put_bytes(p, s.data, s.size_bytes);
        put_bytes(p, "\"", quoted ? 1 : 0);
    }
    end_cell(p);
}

void
print_pico(struct print *p, money_sum pico, const char *currency)
{
    char text[MONEY_TEXT_BYTES];
    if (p->form == PRINT_TABLE)
        money_format_fixed(pico, PICO_DIGITS, currency_minor_digits(currency), text);
    else
        money_format(pico, PICO_DIGITS, text);
    print_amount(p, text);
}

void
print_time(struct print *p, int64_t utc_ms)
{
    char text[TIME_TEXT_BYTES] = "";
    if (utc_ms != 0)
        time_format_ms(utc_ms, text);
    print_text(p, str_of(text));
}

void
print_null(struct print *p)
{
    if (p->form == PRINT_TABLE) {
        put_table_cell(p, (struct str){"", 0});
    } else {
        begin_cell(p);
        put_bytes(p, "null", p->form == PRINT_CSV ? 0 : 4);
    }
    end_cell(p);
}

static void
put_padded(struct print *p, size_t column, const char *cell)
{
    size_t pad = p->width[column] - text_width(str_of(cell));
    bool right = p->columns[column].kind != PRINT_TEXT;
    bool last = column + 1 == p->column_count;
    fprintf(p->out, "%*s%s%*s%s", right ? (int)pad : 0, "", cell, right || last ? 0 : (int)pad, "",
            last ? "\n" : "  ");
}

void
print_end(struct print *p)
{
    assert(p->column == 0);
    if (p->form == PRINT_JSON)
        put_bytes(p, p->rows == 0 ? "]\n" : "\n]\n", p->rows == 0 ? 2 : 3);
    flush(p);
    if (p->form == PRINT_TABLE) {
        for (size_t i = 0; i < p->column_count; i++)
            put_padded(p, i, p->columns[i].title);
        const char *cell = (const char *)p->cells.data;
        for (uint64_t row = 0; row < p->rows_kept; row++) {
            for (size_t i = 0; i < p->column_count; i++) {
                put_padded(p, i, cell);
                cell += strlen(cell) + 1;
            }
        }
        if (p->cut)
            fprintf(p->out, "(cut after %" PRIu64 " of %" PRIu64 " rows: ask for CSV or JSON)\n",
                    p->rows_kept, p->rows);
    }
    buf_clear(&p->cells);
}
