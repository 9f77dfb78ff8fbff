/*
 * billing/invoicing.h - compute one invoice: an organization, a calendar month,
 * the lines and their sum.  Reads tables, writes none.
 *
 * Rules: billing/DESIGN.md, "Invoices".
 */
#ifndef BILLING_INVOICING_H
#define BILLING_INVOICING_H

#include "billing/consumption.h"
#include "billing/timeline.h"
#include "store/base/arena.h"
#include "store/tables/invoice.h"

enum { INVOICING_PROBLEM_BYTES = 640 };

struct invoicing {
    const struct plan_book *book;
    const struct timeline *timeline; /* of the organization at hand */
    /* The answer, valid until the next invoicing_compute(). */
    struct invoice invoice; /* a draft; position, chain and price book are the caller's */
    struct buf lines;       /* struct invoice_line; texts lie in the arena */
    struct arena texts;
    int64_t *plan_seconds;     /* by plan of the book: charged so far in this month; in texts */
    int64_t adjustments_minor; /* sum of the adjustment lines */
    /* Why this must not become final; empty: nothing. */
    char problem[INVOICING_PROBLEM_BYTES];
};

void invoicing_init(struct invoicing *v, const struct plan_book *book,
                    const struct timeline *timeline);
void invoicing_clear(struct invoicing *v);

/* The lines; invoice.line_count of them. */
const struct invoice_line *invoicing_lines(const struct invoicing *v);

/* Is there anything to bill or to show: a line, or usage? */
bool invoicing_has_content(const struct invoicing *v);

/*
 * Compute the invoice of a month into v.
 *
 *   usage  the month's, all zero where there is none
 *
 * What is wrong with the organization's own data (an unknown plan in force, an
 * adjustment in another currency, an amount beyond 63 bits) is left out and said
 * in v->problem; the first one counts.
 *
 * Errors: ERR_LIMIT when the lines take more than 16 MiB.
 */
enum err_code invoicing_compute(struct invoicing *v, struct tables_txn *txn, uint32_t organization,
                                int32_t month, const struct consumption *usage,
                                struct err *err) ERR_MUST_CHECK;

#endif
