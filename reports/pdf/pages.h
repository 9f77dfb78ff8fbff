/*
 * reports/pdf/pages.h - where a page ends.
 */
#ifndef REPORTS_PDF_PAGES_H
#define REPORTS_PDF_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/* Something that is not split: a line of the table, the totals, the notes. */
struct pages_block {
    int height;
    bool with_next; /* not parted from the block that follows, where a page can hold both */
};

/*
 * Lay blocks on pages, as many on each as fit.
 *
 *   first_room, next_room  height for blocks on the first page, on every other one
 *   ret_starts             count + 1 of them; the first block of each page.  A first page
 *                          on which not even one fits has none: it begins and ends at 0
 *
 * Returns how many pages, at least one.  A block higher than a whole page has one of its own.
 */
size_t pages_break(const struct pages_block *blocks, size_t count, int first_room, int next_room,
                   size_t *ret_starts);

#endif
