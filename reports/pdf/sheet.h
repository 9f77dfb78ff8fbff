/*
 * reports/pdf/sheet.h - an invoice on paper: its texts, and drawing them as a PDF.
 *
 * The drawing gets texts, and only measures and places them; what they say is decided in
 * reports/invoice_sheet.h.  This folder is built as gbill-pdf.so, which is loaded by the
 * one command that draws (DESIGN.md says why).
 */
#ifndef REPORTS_PDF_SHEET_H
#define REPORTS_PDF_SHEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/err.h"

enum { PDF_PARTY_LINES_MAX = 8, PDF_FACTS_MAX = 10, PDF_TOTALS_MAX = 24, PDF_NOTES_MAX = 4 };

/* All texts are UTF-8, borrowed and NUL-terminated; NULL or a count of 0: left out. */
struct pdf_party {
    const char *name;
    const char *lines[PDF_PARTY_LINES_MAX];
    size_t line_count;
    const char *email, *web; /* become links: plain ASCII without quotes and backslashes */
};

struct pdf_pair {
    const char *label, *value;
    bool strong;
};

/* One line of the invoice; it is never split over two pages. */
struct pdf_row {
    const char *description;
    const char *detail; /* under it, smaller */
    const char *quantity, *unit, *amount;
};

struct pdf_sheet {
    const char *title;   /* "Invoice 17"; also the document's */
    const char *subject; /* the document's */
    const char *status;  /* "Paid" */
    const char *mark;    /* in large letters over each page: "DRAFT" */
    const char *created; /* the document's date, "2026-12-02T00:00:00.000Z" */
    const char *font;    /* families, by comma; NULL: a plain one that is installed */
    struct pdf_party seller, customer;
    const char *amount_title; /* "Amount (USD)" */
    struct pdf_pair facts[PDF_FACTS_MAX], totals[PDF_TOTALS_MAX];
    size_t fact_count, total_count;
    const struct pdf_row *rows;
    size_t row_count;
    const char *no_rows; /* instead of them, where there are none */
    const char *notes[PDF_NOTES_MAX];
    size_t note_count;
    const char *footer, *provenance, *proof; /* at the end of each page; proof fits in one row */
};

enum { PDF_MISSING_MAX = 64 };

/* Characters that no installed font has, each once; they are drawn as boxes. */
struct pdf_missing {
    struct {
        uint32_t character;
        const char *package; /* of Debian that has a font for it; not freed */
    } of[PDF_MISSING_MAX];
    size_t count;
    bool more; /* than there is room for */
};

/*
 * Draw.  The same sheet and the same fonts give the same bytes.
 *
 *   out          the PDF is appended
 *   ret_missing  filled
 *
 * Errors: ERR_NOT_FOUND when no font at all is installed; ERR_LIMIT when out is full or
 * memory is.
 */
typedef enum err_code pdf_draw_fn(const struct pdf_sheet *sheet, struct buf *out,
                                  struct pdf_missing *ret_missing, struct err *err);
pdf_draw_fn pdf_draw;

#endif
