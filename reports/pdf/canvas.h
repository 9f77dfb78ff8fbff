/*
 * reports/pdf/canvas.h - text on the pages of a PDF, by Pango and cairo.
 *
 * Lengths are in Pango's unit, 1/1024 point, as integers.
 */
#ifndef REPORTS_PDF_CANVAS_H
#define REPORTS_PDF_CANVAS_H

#include <pango/pangocairo.h>

#include "reports/pdf/sheet.h"

enum {
    CANVAS_POINT = PANGO_SCALE,
    CANVAS_WIDTH = 609563, /* A4: 210 by 297 mm */
    CANVAS_HEIGHT = 862095,
};

struct canvas_color {
    double red, green, blue;
};

struct canvas_style {
    int size; /* of the letters */
    bool bold;
    bool at_end;  /* flush right */
    int rows_max; /* what is longer ends in an ellipsis; 0: as many rows as it takes */
    struct canvas_color color;
    const char *tag; /* of the PDF's structure: "P", "TD"; NULL: none */
};

struct canvas {
    struct buf *out;
    struct pdf_missing *missing;
    cairo_surface_t *surface;
    cairo_t *cr;
    PangoFontMap *fonts;
    PangoContext *context;
    PangoLayout *layout;
    PangoFontDescription *font;
    bool measuring; /* the caller's: nothing is drawn, heights are as when it is */
};

/*
 * Begin an A4 document with the sheet's title, author and date.
 *
 *   sheet, out, missing  borrowed until canvas_close()
 *
 * Errors: ERR_NOT_FOUND when no font is installed; ERR_LIMIT without memory.  In both
 * cases the canvas is closed.
 */
enum err_code canvas_open(struct canvas *canvas, const struct pdf_sheet *sheet, struct buf *out,
                          struct pdf_missing *missing, struct err *err) ERR_MUST_CHECK;

/*
 * End the document: out has all of it.
 *
 * Errors: ERR_LIMIT when out is full or memory is.
 */
enum err_code canvas_finish(struct canvas *canvas, struct err *err) ERR_MUST_CHECK;
void canvas_close(struct canvas *canvas);

/* How wide a text is when it does not wrap. */
int canvas_text_width(struct canvas *canvas, const struct canvas_style *style, const char *text);

/* Draw a text with its upper left corner at x, y, wrapped at width; returns its height. */
int canvas_text(struct canvas *canvas, const struct canvas_style *style, const char *text, int x,
                int y, int width);

/* The same as a link; uri is plain ASCII without quotes and backslashes. */
int canvas_link(struct canvas *canvas, const struct canvas_style *style, const char *text,
                const char *uri, int x, int y, int width);

/* A horizontal line. */
void canvas_rule(struct canvas *canvas, int x, int y, int width, int thickness,
                 struct canvas_color color);

/* A text in a frame, its upper left corner at x, y. */
void canvas_badge(struct canvas *canvas, const struct canvas_style *style, const char *text, int x,
                  int y);

/* A word over the whole page, pale, as outlines: no text that a reader could copy. */
void canvas_mark(struct canvas *canvas, const char *text);

/* Parts of the PDF's structure that hold others: "Table", "TR". */
void canvas_begin(struct canvas *canvas, const char *tag);
void canvas_end(struct canvas *canvas, const char *tag);

void canvas_next_page(struct canvas *canvas);

#endif
