#include <criterion/criterion.h>
#include <string.h>

#include "reports/pdf/sheet.h"

/* Fontconfig keeps 288 bytes for good, which is its own affair. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:libfontconfig\n";
}

const char *
__lsan_default_options(void)
{
    return "print_suppressions=0";
}

enum { ROWS_MAX = 500, PDF_MAX = 16 * 1024 * 1024 };

static struct pdf_row rows[ROWS_MAX];

static struct pdf_sheet
sheet_of(size_t row_count, const char *description)
{
    struct pdf_sheet s = {
        .title = "Invoice 17",
        .subject = "2026-11-01 to 2026-12-01",
        .status = "FINAL",
        .created = "2026-12-02T00:00:00Z",
        .seller = {.name = "Granted AI", .email = "a@b.example", .web = "https://b.example"},
        .customer = {.name = "acme", .lines = {"1 Main Street"}, .line_count = 1},
        .amount_title = "Amount (USD)",
        .facts = {{.label = "Date", .value = "2026-12-02"}},
        .fact_count = 1,
        .totals = {{.label = "Amount due (USD)", .value = "1.00", .strong = true}},
        .total_count = 1,
        .rows = rows,
        .row_count = row_count,
        .no_rows = "Nothing was charged.",
        .notes = {"A note."},
        .note_count = 1,
        .provenance = "Computed from log position 1.",
    };
    for (size_t i = 0; i < row_count; i++)
        rows[i] = (struct pdf_row){.description = description, .amount = "1.00"};
    return s;
}

static struct buf
draw(const struct pdf_sheet *sheet, struct pdf_missing *missing)
{
    struct buf out;
    struct err err;
    buf_init(&out, PDF_MAX);
    cr_assert_eq(pdf_draw(sheet, &out, missing, &err), ERR_OK, "%s", err.text);
    cr_assert(out.size_bytes > 8 && memcmp(out.data, "%PDF-", 5) == 0);
    return out;
}

static size_t
page_count(const struct buf *pdf)
{
    static const char word[] = "/Type /Page %";
    size_t count = 0;
    for (size_t i = 0; i + sizeof word < pdf->size_bytes; i++)
        count += memcmp(pdf->data + i, word, sizeof word - 1) == 0;
    return count;
}

Test(reports_draw, many_lines_take_many_pages_and_none_is_still_a_page)
{
    struct pdf_missing missing;
    size_t before = 0;
    for (size_t count = 0; count <= ROWS_MAX; count += 250) {
        struct pdf_sheet sheet = sheet_of(count, "Seat of the workshop");
        struct buf pdf = draw(&sheet, &missing);
        size_t pages = page_count(&pdf);
        cr_expect(count == 0 ? pages == 1 : pages > before + 4, "%zu lines: %zu pages", count,
                  pages);
        cr_expect_eq(missing.count, 0);
        before = pages;
        buf_clear(&pdf);
    }
}

Test(reports_draw, the_same_sheet_gives_the_same_bytes)
{
    struct pdf_missing missing;
    struct pdf_sheet sheet = sheet_of(60, "Łódź شركة النور, a word");
    sheet.mark = "DRAFT";
    struct buf a = draw(&sheet, &missing), b = draw(&sheet, &missing);
    cr_assert_eq(a.size_bytes, b.size_bytes);
    cr_expect(memcmp(a.data, b.data, a.size_bytes) == 0);
    sheet.created = "2026-12-03T00:00:00Z";
    struct buf c = draw(&sheet, &missing);
    cr_expect(a.size_bytes != c.size_bytes || memcmp(a.data, c.data, a.size_bytes) != 0);
    buf_clear(&a);
    buf_clear(&b);
    buf_clear(&c);
}

Test(reports_draw, a_character_without_a_font_is_named_once)
{
    struct pdf_missing missing;
    struct pdf_sheet sheet =
        sheet_of(3, "\xf3\xb0\x80\x80 and again \xf3\xb0\x80\x80"); /* private */
    struct buf pdf = draw(&sheet, &missing);
    cr_assert_eq(missing.count, 1);
    cr_expect_eq(missing.of[0].character, 0xf0000);
    cr_expect_str_eq(missing.of[0].package, "fonts-noto-core");
    cr_expect_not(missing.more);
    buf_clear(&pdf);
}

Test(reports_draw, hostile_names_are_drawn_all_the_same)
{
    static const char *const texts[] = {
        "",
        " ",
        "\xe2\x80\xae"
        "desrever",
        "a\xe2\x80\xa8"
        "b\xe2\x80\xa9"
        "c",
        "\xef\xbf\xbf\xef\xb7\x90",
        "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81",
        "\xe2\x80\x8b\xe2\x80\x8b\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
        "<b>&amp;</b> %s %n \\' \" (",
        "\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7 123 abc"};
    static char wide[4001];
    struct pdf_missing missing;
    memset(wide, 'W', sizeof wide - 1);
    for (size_t i = 0; i <= sizeof texts / sizeof texts[0]; i++) {
        const char *text = i < sizeof texts / sizeof texts[0] ? texts[i] : wide;
        struct pdf_sheet sheet = sheet_of(2, text);
        sheet.customer.name = sheet.title = sheet.facts[0].value = sheet.totals[0].label = text;
        sheet.rows = rows;
        rows[0].quantity = rows[0].unit = text;
        struct buf pdf = draw(&sheet, &missing);
        cr_expect_leq(page_count(&pdf), 8);
        buf_clear(&pdf);
    }
}

Test(reports_draw, no_room_for_the_pdf_is_an_error)
{
    struct pdf_missing missing;
    struct pdf_sheet sheet = sheet_of(1, "a");
    struct buf out;
    struct err err;
    buf_init(&out, 1000);
    cr_assert_eq(pdf_draw(&sheet, &out, &missing, &err), ERR_LIMIT);
    cr_expect_str_eq(err.text, "the PDF would have more than 1000 bytes");
    buf_clear(&out);
}
