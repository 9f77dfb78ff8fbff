/*
 * reports/dashboard/html.h - HTML and the SVG in it, written to a buffer.
 *
 * Whatever a text holds, it cannot end its element or turn its neighbours round: what is
 * markup is escaped, bytes that are no UTF-8, controls and bidirectional controls become
 * U+FFFD.  Once the buffer is full nothing more is written, and html_ok() says so.
 */
#ifndef REPORTS_DASHBOARD_HTML_H
#define REPORTS_DASHBOARD_HTML_H

#include <stdbool.h>

#include "store/base/buf.h"
#include "store/base/money.h"

struct html {
    struct buf *out; /* borrowed */
    bool full;
};

/* Markup as it is: of this program only, never of anybody's data. */
void html_put(struct html *h, const char *markup);
void html_printf(struct html *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Text, for an element's content or a quoted attribute. */
void html_text(struct html *h, const char *text);

/* A name that somebody gave, kept apart in direction from what is around it. */
void html_name(struct html *h, const char *name);       /* in HTML: <bdi> */
void html_name_plain(struct html *h, const char *name); /* in SVG and titles: FSI … PDI */

/*
 * The same, cut at a character to what fits, with "…" behind.
 *
 *   columns  wide characters take two
 */
void html_name_cut(struct html *h, const char *name, unsigned columns);

/* <time> of a day since 1970, as words_day() has it. */
void html_day(struct html *h, int64_t day, bool with_year);

static inline bool
html_ok(const struct html *h)
{
    return !h->full;
}

#endif
