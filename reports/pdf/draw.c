#include <stdio.h>
#include <stdlib.h>

#include "reports/pdf/canvas.h"
#include "reports/pdf/pages.h"
#include "reports/pdf/sheet.h"

#define PT CANVAS_POINT

enum {
    LEFT = 56 * PT,
    TOP = 52 * PT,
    BOTTOM = 40 * PT,
    INNER = CANVAS_WIDTH - 2 * LEFT,
    PARTY_WIDTH = 215 * PT,
    PARTY_X = LEFT + INNER - PARTY_WIDTH,
    LABEL_WIDTH = 78 * PT,
    GAP = 12 * PT, /* between columns */
    PAD = 4 * PT,  /* above and below a row */
    AMOUNT_MAX = 120 * PT,
    TOTALS_WIDTH = 300 * PT,
    TOTAL_AMOUNT_WIDTH = 130 * PT,
    PAGE_LABEL_WIDTH = 80 * PT,
    HEAD_ROOM = 26 * PT, /* the line on top of the pages that follow */
};

#define INK              \
    {                    \
        0.10, 0.10, 0.12 \
    }
#define GRAY             \
    {                    \
        0.40, 0.40, 0.44 \
    }
#define PALE             \
    {                    \
        0.82, 0.82, 0.85 \
    }
static const struct canvas_color ink = INK, pale = PALE;

static const struct canvas_style
    title = {.size = 20 * PT, .bold = true, .rows_max = 2, .color = INK, .tag = "H1"},
    badge = {.size = 8 * PT, .bold = true, .color = GRAY, .tag = "P"},
    label = {.size = 15 * PT / 2, .color = GRAY, .tag = "P"},
    name = {.size = 10 * PT, .bold = true, .rows_max = 4, .color = INK, .tag = "P"},
    party_line = {.size = 17 * PT / 2, .rows_max = 2, .color = INK, .tag = "P"},
    value = {.size = 17 * PT / 2, .rows_max = 2, .color = INK, .tag = "P"},
    running = {.size = 8 * PT, .rows_max = 1, .color = GRAY},
    running_end = {.size = 8 * PT, .rows_max = 1, .at_end = true, .color = GRAY},
    column = {.size = 15 * PT / 2, .bold = true, .color = GRAY, .tag = "TH"},
    column_end = {.size = 15 * PT / 2, .bold = true, .at_end = true, .color = GRAY, .tag = "TH"},
    description = {.size = 17 * PT / 2, .color = INK},
    cell_end = {.size = 17 * PT / 2, .at_end = true, .color = INK, .tag = "TD"},
    detail = {.size = 15 * PT / 2, .color = GRAY},
    total = {.size = 17 * PT / 2, .color = INK, .tag = "TD"},
    total_end = {.size = 17 * PT / 2, .at_end = true, .color = INK, .tag = "TD"},
    strong = {.size = 10 * PT, .bold = true, .color = INK, .tag = "TD"},
    strong_end = {.size = 10 * PT, .bold = true, .at_end = true, .color = INK, .tag = "TD"},
    note = {.size = 8 * PT, .color = GRAY, .tag = "P"}, foot = {.size = 7 * PT, .color = GRAY},
    foot_end = {.size = 7 * PT, .at_end = true, .color = GRAY};

/* The columns of the table; a width of 0: no line has anything in it. */
struct columns {
    int description, quantity, unit, amount; /* widths */
};

struct drawing {
    struct canvas canvas;
    const struct pdf_sheet *sheet;
    struct columns columns;
    int table_head;     /* height of the line that names the columns */
    size_t table_count; /* blocks of the table */
    size_t page, page_count;
};

static int
larger(int a, int b)
{
    return a > b ? a : b;
}

/* ---- the head of the first page ---- */

static int
draw_party(struct drawing *d, const struct pdf_party *p, const char *heading, int x, int y)
{
    struct canvas *c = &d->canvas;
    char uri[256];
    if (p->name == NULL)
        return y;
    if (heading != NULL)
        y += canvas_text(c, &label, heading, x, y, PARTY_WIDTH) + 2 * PT;
    y += canvas_text(c, &name, p->name, x, y, PARTY_WIDTH) + 2 * PT;
    for (size_t i = 0; i < p->line_count; i++)
        y += canvas_text(c, &party_line, p->lines[i], x, y, PARTY_WIDTH) + PT;
    if (p->email != NULL) {
        snprintf(uri, sizeof uri, "mailto:%s", p->email);
        y += canvas_link(c, &party_line, p->email, uri, x, y, PARTY_WIDTH) + PT;
    }
    if (p->web != NULL)
        y += canvas_link(c, &party_line, p->web, p->web, x, y, PARTY_WIDTH) + PT;
    return y;
}

static int
draw_facts(struct drawing *d, int x, int y)
{
    for (size_t i = 0; i < d->sheet->fact_count; i++) {
        const struct pdf_pair *f = &d->sheet->facts[i];
        int label_height =
            canvas_text(&d->canvas, &label, f->label, x, y + PT, LABEL_WIDTH - GAP / 2);
        int value_height = canvas_text(&d->canvas, &value, f->value, x + LABEL_WIDTH, y,
                                       PARTY_WIDTH - LABEL_WIDTH);
        y += larger(label_height, value_height) + 2 * PT;
    }
    return y;
}

/* Returns where it ends. */
static int
draw_head(struct drawing *d)
{
    struct canvas *c = &d->canvas;
    int y = TOP + canvas_text(c, &title, d->sheet->title, LEFT, TOP, PARTY_X - LEFT - GAP) + 6 * PT;
    canvas_badge(c, &badge, d->sheet->status, LEFT + PT / 2, y);
    int seller_end = draw_party(d, &d->sheet->seller, NULL, PARTY_X, TOP);
    y = larger(y + 22 * PT, seller_end) + 22 * PT;
    int customer_end = draw_party(d, &d->sheet->customer, "Billed to", LEFT, y);
    int facts_end = draw_facts(d, PARTY_X, y);
    return larger(customer_end, facts_end) + 24 * PT;
}

/* ---- the table ---- */

static int
widest(struct drawing *d, const char *heading, size_t column_offset)
{
    int width = 0;
    for (size_t i = 0; i < d->sheet->row_count; i++) {
        const char *text = *(const char *const *)((const char *)&d->sheet->rows[i] + column_offset);
        if (text != NULL)
            width = larger(width, canvas_text_width(&d->canvas, &cell_end, text));
    }
    if (width == 0)
        return 0;
    width = larger(width, canvas_text_width(&d->canvas, &column_end, heading)) + PT;
    return width < AMOUNT_MAX ? width : AMOUNT_MAX;
}

static void
measure_columns(struct drawing *d)
{
    struct columns *c = &d->columns;
    c->quantity = widest(d, "Quantity", offsetof(struct pdf_row, quantity));
    c->unit = widest(d, "Unit price", offsetof(struct pdf_row, unit));
    c->amount =
        larger(widest(d, d->sheet->amount_title, offsetof(struct pdf_row, amount)), 60 * PT);
    c->description = INNER - c->amount - GAP - (c->quantity > 0 ? c->quantity + GAP : 0) -
                     (c->unit > 0 ? c->unit + GAP : 0);
}

/* From the left: quantity, unit price, amount.  Returns the height of the highest. */
static int
draw_numbers(struct drawing *d, const struct canvas_style *style, const struct pdf_row *row, int y)
{
    const struct columns *c = &d->columns;
    const int widths[] = {c->quantity, c->unit, c->amount};
    const char *const texts[] = {row->quantity, row->unit, row->amount};
    int x = LEFT + c->description, height = 0;
    for (size_t i = 0; i < 3; i++) {
        if (widths[i] == 0)
            continue;
        x += GAP;
        height = larger(height, canvas_text(&d->canvas, style, texts[i] != NULL ? texts[i] : "", x,
                                            y, widths[i]));
        x += widths[i];
    }
    return height;
}

static int
draw_table_head(struct drawing *d, int y)
{
    const struct pdf_row heads = {
        .quantity = "Quantity", .unit = "Unit price", .amount = d->sheet->amount_title};
    struct canvas *c = &d->canvas;
    canvas_begin(c, "TR");
    int height = canvas_text(c, &column, "Description", LEFT, y + PAD, d->columns.description);
    height = larger(height, draw_numbers(d, &column_end, &heads, y + PAD)) + 2 * PAD;
    canvas_end(c, "TR");
    canvas_rule(c, LEFT, y + height - PT, INNER, PT, ink);
    return height;
}

static int
draw_row(struct drawing *d, const struct pdf_row *row, int y)
{
    struct canvas *c = &d->canvas;
    int width = d->columns.description, height = 0;
    canvas_begin(c, "TR");
    canvas_begin(c, "TD");
    height += canvas_text(c, &description, row->description, LEFT, y + PAD, width);
    if (row->detail != NULL)
        height += PT + canvas_text(c, &detail, row->detail, LEFT, y + PAD + height + PT, width);
    canvas_end(c, "TD");
    height = larger(height, draw_numbers(d, &cell_end, row, y + PAD)) + 2 * PAD;
    canvas_end(c, "TR");
    canvas_rule(c, LEFT, y + height - PT / 2, INNER, PT / 2, pale);
    return height;
}

/* ---- what stands below the table ---- */

static int
draw_total(struct drawing *d, const struct pdf_pair *p, int y)
{
    struct canvas *c = &d->canvas;
    int x = LEFT + INNER - TOTALS_WIDTH, pad = (p->strong ? 4 : 2) * PT;
    canvas_begin(c, "TR");
    int a = canvas_text(c, p->strong ? &strong : &total, p->label, x, y + pad,
                        TOTALS_WIDTH - TOTAL_AMOUNT_WIDTH);
    int b = canvas_text(c, p->strong ? &strong_end : &total_end, p->value,
                        LEFT + INNER - TOTAL_AMOUNT_WIDTH, y + pad, TOTAL_AMOUNT_WIDTH);
    canvas_end(c, "TR");
    if (p->strong)
        canvas_rule(c, x, y, TOTALS_WIDTH, PT / 2, ink);
    return larger(a, b) + 2 * pad;
}

static int
draw_totals(struct drawing *d, int y)
{
    int height = 8 * PT;
    canvas_begin(&d->canvas, "Table");
    for (size_t i = 0; i < d->sheet->total_count; i++)
        height += draw_total(d, &d->sheet->totals[i], y + height);
    canvas_end(&d->canvas, "Table");
    return height;
}

static int
draw_notes(struct drawing *d, int y)
{
    int height = 18 * PT;
    if (d->sheet->note_count == 0)
        return 0;
    for (size_t i = 0; i < d->sheet->note_count; i++)
        height += canvas_text(&d->canvas, &note, d->sheet->notes[i], LEFT, y + height, INNER) +
                  5 * PT;
    return height;
}

/* ---- what stands on each page ---- */

static int
draw_foot(struct drawing *d, int y)
{
    struct canvas *c = &d->canvas;
    char page[64];
    int height = 6 * PT;
    if (d->sheet->footer != NULL)
        height += canvas_text(c, &foot, d->sheet->footer, LEFT, y + height, INNER) + 3 * PT;
    height += canvas_text(c, &foot, d->sheet->provenance, LEFT, y + height, INNER) + PT;
    snprintf(page, sizeof page, "Page %zu of %zu", d->page + 1, d->page_count);
    if (d->sheet->proof != NULL)
        canvas_text(c, &foot, d->sheet->proof, LEFT, y + height, INNER - PAGE_LABEL_WIDTH - GAP);
    return height + canvas_text(c, &foot_end, page, LEFT + INNER - PAGE_LABEL_WIDTH, y + height,
                                PAGE_LABEL_WIDTH);
}

static void
draw_running_head(struct drawing *d)
{
    struct canvas *c = &d->canvas;
    if (d->sheet->customer.name != NULL)
        canvas_text(c, &running_end, d->sheet->customer.name, PARTY_X, TOP, PARTY_WIDTH);
    canvas_text(c, &running, d->sheet->title, LEFT, TOP, PARTY_X - LEFT - GAP);
}

/* ---- the pages ---- */

/*
 * The blocks are the lines of the table (or the word that there are none), the totals and
 * the notes.  Returns the block's height.
 */
static int
draw_block(struct drawing *d, size_t i, int y)
{
    const struct pdf_row none = {.description = d->sheet->no_rows};
    if (i < d->table_count)
        return draw_row(d, d->sheet->row_count > 0 ? &d->sheet->rows[i] : &none, y);
    return i == d->table_count ? draw_totals(d, y) : draw_notes(d, y);
}

static void
draw_page(struct drawing *d, size_t from, size_t to, int y)
{
    bool table = from < to && from < d->table_count;
    if (table) {
        canvas_begin(&d->canvas, "Table");
        draw_table_head(d, y);
    }
    y += d->table_head;
    for (size_t i = from; i < to; i++) {
        if (table && i == d->table_count)
            canvas_end(&d->canvas, "Table");
        y += draw_block(d, i, y);
    }
    if (table && to <= d->table_count)
        canvas_end(&d->canvas, "Table");
}

static void
draw_pages(struct drawing *d, size_t block_count, const size_t *starts, int body_y, int foot_y)
{
    for (d->page = 0; d->page < d->page_count; d->page++) {
        size_t end = d->page + 1 < d->page_count ? starts[d->page + 1] : block_count;
        /* The foot's line comes first: cairo 1.16 fails on a page that begins with an emoji in a tag. */
        canvas_rule(&d->canvas, LEFT, foot_y, INNER, PT / 2, pale);
        if (d->sheet->mark != NULL)
            canvas_mark(&d->canvas, d->sheet->mark);
        if (d->page == 0)
            draw_head(d);
        else
            draw_running_head(d);
        draw_page(d, starts[d->page], end, d->page == 0 ? body_y : TOP + HEAD_ROOM);
        draw_foot(d, foot_y);
        canvas_next_page(&d->canvas);
    }
}

/* Everything is measured first: page 1 says how many pages there are. */
static void
lay_out(struct drawing *d, struct pages_block *blocks, size_t *starts)
{
    size_t count = d->table_count + 2;
    d->canvas.measuring = true;
    measure_columns(d);
    int body_y = draw_head(d), foot_y = CANVAS_HEIGHT - BOTTOM - draw_foot(d, 0);
    d->table_head = draw_table_head(d, 0);
    for (size_t i = 0; i < count; i++)
        blocks[i] = (struct pages_block){.height = draw_block(d, i, 0),
                                         .with_next = i + 1 == d->table_count};
    int end_y = foot_y - 8 * PT - d->table_head;
    d->page_count = pages_break(blocks, count, end_y - body_y, end_y - TOP - HEAD_ROOM, starts);
    d->canvas.measuring = false;
    draw_pages(d, count, starts, body_y, foot_y);
}

enum err_code
pdf_draw(const struct pdf_sheet *sheet, struct buf *out, struct pdf_missing *ret_missing,
         struct err *err)
{
    struct drawing d = {.sheet = sheet, .table_count = sheet->row_count > 0 ? sheet->row_count : 1};
    size_t block_count = d.table_count + 2;
    struct pages_block *blocks = calloc(block_count, sizeof *blocks);
    size_t *starts = calloc(block_count + 1, sizeof *starts);
    enum err_code code = ERR_OK;
    *ret_missing = (struct pdf_missing){0};
    if (blocks == NULL || starts == NULL)
        code = err_set(err, ERR_LIMIT, "no memory for %zu lines", sheet->row_count);
    if (code == ERR_OK)
        code = canvas_open(&d.canvas, sheet, out, ret_missing, err);
    if (code == ERR_OK) {
        lay_out(&d, blocks, starts);
        code = canvas_finish(&d.canvas, err);
        canvas_close(&d.canvas);
    }
    free(starts);
    free(blocks);
    return code;
}
