#include "reports/pdf/canvas.h"

#include <cairo-pdf.h>
#include <stdio.h>

/* Liberation and Noto have the metrics of what invoices are set in; DejaVu is nearly everywhere. */
#define FAMILIES "Noto Sans,Liberation Sans,DejaVu Sans,sans-serif"

static double
points(int length)
{
    return (double)length / CANVAS_POINT;
}

/* Unicode's noncharacters are well-formed UTF-8, but cairo refuses them.  g_free() it. */
static char *
drawable(const char *text)
{
    GString *out = g_string_new(NULL);
    for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        bool noncharacter = (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef);
        g_string_append_unichar(out, noncharacter ? 0xfffd : c);
    }
    return g_string_free(out, FALSE);
}

/* ---- the document ---- */

static cairo_status_t
append(void *context, const unsigned char *data, unsigned size_bytes)
{
    return buf_append(context, data, size_bytes) ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static void
set_metadata(struct canvas *v, cairo_pdf_metadata_t key, const char *value)
{
    char *text = drawable(value);
    cairo_pdf_surface_set_metadata(v->surface, key, text);
    g_free(text);
}

static void
describe(struct canvas *v, const struct pdf_sheet *sheet)
{
    set_metadata(v, CAIRO_PDF_METADATA_TITLE, sheet->title);
    set_metadata(v, CAIRO_PDF_METADATA_SUBJECT, sheet->subject);
    set_metadata(v, CAIRO_PDF_METADATA_CREATOR, "gbill");
    set_metadata(v, CAIRO_PDF_METADATA_CREATE_DATE, sheet->created);
    if (sheet->seller.name != NULL)
        set_metadata(v, CAIRO_PDF_METADATA_AUTHOR, sheet->seller.name);
}

/* Neither the screen's settings nor the user's language may move a letter. */
static void
set_context(struct canvas *v, const char *families)
{
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(v->context, options);
    cairo_font_options_destroy(options);
    pango_cairo_context_set_resolution(v->context, 72);
    pango_context_set_language(v->context, pango_language_from_string("en"));
    pango_context_set_base_dir(v->context, PANGO_DIRECTION_LTR);
    pango_context_set_round_glyph_positions(v->context, FALSE);
    v->font = pango_font_description_new();
    pango_font_description_set_family(v->font, families);
}

static void
set_layout(struct canvas *v)
{
    PangoAttrList *attributes = pango_attr_list_new();
    v->layout = pango_layout_new(v->context);
    /* Figures of one width; no ligatures, which some readers do not take apart again. */
    pango_attr_list_insert(attributes, pango_attr_font_features_new("tnum=1, liga=0, clig=0"));
    /* An id that is too long for its row gets no letter that is not its own. */
    pango_attr_list_insert(attributes, pango_attr_insert_hyphens_new(FALSE));
    pango_layout_set_attributes(v->layout, attributes);
    pango_attr_list_unref(attributes);
    pango_layout_set_wrap(v->layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_single_paragraph_mode(v->layout, TRUE);
    pango_layout_set_spacing(v->layout, CANVAS_POINT);
}

enum err_code
canvas_open(struct canvas *v, const struct pdf_sheet *sheet, struct buf *out,
            struct pdf_missing *missing, struct err *err)
{
    *v = (struct canvas){.out = out, .missing = missing, .fonts = pango_cairo_font_map_new()};
    v->surface = cairo_pdf_surface_create_for_stream(append, out, points(CANVAS_WIDTH),
                                                     points(CANVAS_HEIGHT));
    v->cr = cairo_create(v->surface);
    if (cairo_status(v->cr) != CAIRO_STATUS_SUCCESS) {
        canvas_close(v);
        return err_set(err, ERR_LIMIT, "no memory for a PDF");
    }
    describe(v, sheet);
    v->context = pango_font_map_create_context(v->fonts);
    set_context(v, sheet->font != NULL ? sheet->font : FAMILIES);
    set_layout(v);
    pango_layout_set_text(v->layout, "0", -1);
    if (pango_layout_get_unknown_glyphs_count(v->layout) == 0)
        return ERR_OK;
    canvas_close(v);
    return err_set(err, ERR_NOT_FOUND,
                   "no font is installed; apt-get install fonts-dejavu-core, or fonts-noto-core "
                   "and fonts-noto-cjk for more scripts");
}

enum err_code
canvas_finish(struct canvas *v, struct err *err)
{
    cairo_status_t drawn = cairo_status(v->cr);
    cairo_surface_finish(v->surface);
    cairo_status_t written = cairo_surface_status(v->surface);
    if (drawn == CAIRO_STATUS_SUCCESS)
        drawn = written;
    if (drawn == CAIRO_STATUS_SUCCESS)
        return ERR_OK;
    return drawn == CAIRO_STATUS_WRITE_ERROR
               ? err_set(err, ERR_LIMIT, "the PDF would have more than %zu bytes",
                         v->out->cap_bytes)
               : err_set(err, ERR_LIMIT, "cairo: %s", cairo_status_to_string(drawn));
}

void
canvas_close(struct canvas *v)
{
    g_clear_object(&v->layout);
    g_clear_object(&v->context);
    if (v->font != NULL)
        pango_font_description_free(v->font);
    if (v->cr != NULL)
        cairo_destroy(v->cr);
    if (v->surface != NULL)
        cairo_surface_destroy(v->surface);
    g_clear_object(&v->fonts);
    *v = (struct canvas){0};
}

/* ---- characters without a font ---- */

static const char *
package_of(gunichar c)
{
    switch (g_unichar_get_script(c)) {
    case G_UNICODE_SCRIPT_HAN:
    case G_UNICODE_SCRIPT_HIRAGANA:
    case G_UNICODE_SCRIPT_KATAKANA:
    case G_UNICODE_SCRIPT_HANGUL:
    case G_UNICODE_SCRIPT_BOPOMOFO:
        return "fonts-noto-cjk";
    default:
        break;
    }
    if ((c >= 0x3000 && c <= 0x303f) || (c >= 0xff00 && c <= 0xffef))
        return "fonts-noto-cjk"; /* punctuation that no script owns */
    return c >= 0x1f000 && c <= 0x1faff ? "fonts-noto-color-emoji" : "fonts-noto-core";
}

static void
note_missing(struct pdf_missing *m, gunichar c)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->of[i].character == c)
            return;
    }
    if (m->count == PDF_MISSING_MAX) {
        m->more = true;
        return;
    }
    m->of[m->count].character = c;
    m->of[m->count++].package = package_of(c);
}

static void
find_missing(struct canvas *v)
{
    if (pango_layout_get_unknown_glyphs_count(v->layout) == 0)
        return;
    for (GSList *l = pango_layout_get_lines_readonly(v->layout); l != NULL; l = l->next) {
        for (GSList *r = ((PangoLayoutLine *)l->data)->runs; r != NULL; r = r->next) {
            const PangoGlyphString *glyphs = ((PangoLayoutRun *)r->data)->glyphs;
            for (int i = 0; i < glyphs->num_glyphs; i++) {
                PangoGlyph g = glyphs->glyphs[i].glyph;
                if ((g & PANGO_GLYPH_UNKNOWN_FLAG) != 0)
                    note_missing(v->missing, g & ~PANGO_GLYPH_UNKNOWN_FLAG);
            }
        }
    }
}

/* ---- text ---- */

static void
set_text(struct canvas *v, const struct canvas_style *style, const char *text, int width)
{
    pango_font_description_set_absolute_size(v->font, style->size);
    pango_font_description_set_weight(v->font,
                                      style->bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(v->layout, v->font);
    pango_layout_set_width(v->layout, width);
    pango_layout_set_height(v->layout, style->rows_max > 0 ? -style->rows_max : -1);
    pango_layout_set_ellipsize(v->layout, style->rows_max > 0 && width >= 0 ? PANGO_ELLIPSIZE_END
                                                                            : PANGO_ELLIPSIZE_NONE);
    char *letters = drawable(text);
    pango_layout_set_text(v->layout, letters, -1);
    g_free(letters);
    /* In a paragraph from right to left Pango swaps left and right; an Arabic name shall stand where
     * all others do. */
    bool swapped = pango_layout_get_direction(v->layout, 0) == PANGO_DIRECTION_RTL;
    pango_layout_set_alignment(v->layout,
                               style->at_end != swapped ? PANGO_ALIGN_RIGHT : PANGO_ALIGN_LEFT);
}

static int
layout_height(struct canvas *v)
{
    int height;
    pango_layout_get_size(v->layout, NULL, &height);
    return height;
}

int
canvas_text_width(struct canvas *v, const struct canvas_style *style, const char *text)
{
    int width;
    set_text(v, style, text, -1);
    pango_layout_get_size(v->layout, &width, NULL);
    return width;
}

static void
set_color(struct canvas *v, struct canvas_color color)
{
    cairo_set_source_rgb(v->cr, color.red, color.green, color.blue);
}

int
canvas_text(struct canvas *v, const struct canvas_style *style, const char *text, int x, int y,
            int width)
{
    set_text(v, style, text, width);
    if (v->measuring)
        return layout_height(v);
    find_missing(v);
    if (style->tag != NULL)
        canvas_begin(v, style->tag);
    set_color(v, style->color);
    cairo_move_to(v->cr, points(x), points(y));
    pango_cairo_show_layout(v->cr, v->layout);
    if (style->tag != NULL)
        canvas_end(v, style->tag);
    return layout_height(v);
}

int
canvas_link(struct canvas *v, const struct canvas_style *style, const char *text, const char *uri,
            int x, int y, int width)
{
    char attributes[512];
    if (v->measuring)
        return canvas_text(v, style, text, x, y, width);
    snprintf(attributes, sizeof attributes, "uri='%s'", uri);
    cairo_tag_begin(v->cr, CAIRO_TAG_LINK, attributes);
    int height = canvas_text(v, style, text, x, y, width);
    cairo_tag_end(v->cr, CAIRO_TAG_LINK);
    return height;
}

/* ---- the rest ---- */

void
canvas_rule(struct canvas *v, int x, int y, int width, int thickness, struct canvas_color color)
{
    if (v->measuring)
        return;
    set_color(v, color);
    cairo_rectangle(v->cr, points(x), points(y), points(width), points(thickness));
    cairo_fill(v->cr);
}

void
canvas_badge(struct canvas *v, const struct canvas_style *style, const char *text, int x, int y)
{
    int width = canvas_text_width(v, style, text), across = 6 * CANVAS_POINT;
    int height = canvas_text(v, style, text, x + across, y + 2 * CANVAS_POINT, -1);
    if (v->measuring)
        return;
    cairo_set_line_width(v->cr, 0.8);
    cairo_rectangle(v->cr, points(x), points(y), points(width + 2 * across),
                    points(height + 4 * CANVAS_POINT));
    cairo_stroke(v->cr);
}

void
canvas_mark(struct canvas *v, const char *text)
{
    const struct canvas_style style = {.size = 100 * CANVAS_POINT, .bold = true};
    int width = canvas_text_width(v, &style, text), height = layout_height(v);
    double scale = points(CANVAS_WIDTH) * 0.9 / points(width);
    cairo_save(v->cr);
    cairo_translate(v->cr, points(CANVAS_WIDTH) / 2, points(CANVAS_HEIGHT) / 2);
    cairo_rotate(v->cr, -0.9);
    cairo_scale(v->cr, scale, scale);
    cairo_move_to(v->cr, -points(width) / 2, -points(height) / 2);
    cairo_set_source_rgb(v->cr, 0.94, 0.94, 0.94);
    pango_cairo_layout_path(v->cr, v->layout);
    cairo_fill(v->cr);
    cairo_restore(v->cr);
}

void
canvas_begin(struct canvas *v, const char *tag)
{
    if (!v->measuring)
        cairo_tag_begin(v->cr, tag, NULL);
}

void
canvas_end(struct canvas *v, const char *tag)
{
    if (!v->measuring)
        cairo_tag_end(v->cr, tag);
}

void
canvas_next_page(struct canvas *v)
{
    cairo_show_page(v->cr);
}
