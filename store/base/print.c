#include "store/base/print.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "store/base/utf8.h"

enum { PRINT_TABLE_BYTES_MAX = 256 * 1024 * 1024 };

void
print_begin(struct print *p, FILE *out, enum print_form form, const struct print_column *columns,
            size_t column_count)
{
    assert(column_count > 0 && column_count <= PRINT_COLUMNS_MAX);
    *p = (struct print){.out = out, .form = form, .columns = columns, .column_count = column_count};
    buf_init(&p->cells, PRINT_TABLE_BYTES_MAX);
    for (size_t i = 0; i < column_count; i++) {
        p->width[i] = strlen(columns[i].title);
        if (form == PRINT_CSV)
            fprintf(out, "%s%s", columns[i].title, i + 1 < column_count ? "," : "\r\n");
    }
    if (form == PRINT_JSON)
        fputs("[", out);
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

static void
put_csv(FILE *out, struct str s)
{
    bool quote = false;
    for (size_t i = 0; i < s.size_bytes; i++)
        quote |= strchr("\",\r\n", s.data[i]) != NULL;
    if (!quote) {
        fwrite(s.data, 1, s.size_bytes, out);
        return;
    }
    fputc('"', out);
    for (size_t i = 0; i < s.size_bytes; i++) {
        if (s.data[i] == '"')
            fputc('"', out);
        fputc(s.data[i], out);
    }
    fputc('"', out);
}

void
print_json_text(FILE *out, struct str text)
{
    fputc('"', out);
    for (size_t i = 0; i < text.size_bytes;) {
        const uint8_t *p = (const uint8_t *)text.data + i;
        size_t n = utf8_char_bytes(p, text.size_bytes - i);
        if (n == 0)
            fputs("\\ufffd", out);
        else if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            fprintf(out, "\\u%04x", *p);
        else
            fwrite(p, 1, n, out);
        i += n == 0 ? 1 : n;
    }
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

static void
put_cell(struct print *p, struct str s, bool json_text)
{
    const struct print_column *c = &p->columns[p->column];
    bool last = p->column + 1 == p->column_count;
    switch (p->form) {
    case PRINT_TABLE:
        put_table_cell(p, s);
        break;
    case PRINT_CSV:
        put_csv(p->out, s);
        fputs(last ? "\r\n" : ",", p->out);
        break;
    case PRINT_JSON:
        if (p->column == 0)
            fputs(p->rows == 0 ? "\n{" : ",\n{", p->out);
        fprintf(p->out, "\"%s\":", c->title);
        if (json_text)
            print_json_text(p->out, s);
        else
            fwrite(s.data, 1, s.size_bytes, p->out);
        fputs(last ? "}" : ",", p->out);
        break;
    }
    p->column = last ? 0 : p->column + 1;
    p->rows += last ? 1 : 0;
}

void
print_text(struct print *p, struct str text)
{
    put_cell(p, text, true);
}

void
print_whole(struct print *p, uint64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRIu64, value);
    put_cell(p, (struct str){text, (size_t)n}, false);
}

void
print_amount(struct print *p, const char *decimal)
{
    put_cell(p, str_of(decimal), p->columns[p->column].kind != PRINT_WHOLE);
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
        fputs(p->rows == 0 ? "]\n" : "\n]\n", p->out);
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
