/*
 * billing/invoicing.h - compute an organization's open invoices: items, less what
 * earlier invoices billed of them.  Reads tables, writes none.
 *
 * Rules: billing/DESIGN.md, "Invoices".
 */
#ifndef BILLING_INVOICING_H
#define BILLING_INVOICING_H

#include "billing/items.h"
#include "billing/ledger.h"

struct invoicing {
    const struct plan_book *book;
    struct timeline timeline;
    struct items items;
    struct ledger ledger;
    /* The invoice at hand. */
    struct invoice invoice; /* a draft; position, chain and price book are the caller's */
    struct list lines;      /* struct invoice_line; texts lie in the arena */
    struct arena texts;
    const char *problem; /* why it must not become final; NULL: nothing */
    /* Where the walk over the open invoices stands. */
    size_t instant, item;
    int64_t from_ms;
    bool swept;       /* what was billed and is no more is on an invoice */
    int64_t drawn_ms; /* an invoice from here on takes corrections, as if its draft were stored */
};

void invoicing_init(struct invoicing *v, const struct plan_book *book);
void invoicing_clear(struct invoicing *v);

/*
 * Begin with an organization.
 *
 *   now_ms         the last open invoice is the one that ends behind it
 *   before_number  as for ledger_read()
 *   notices, ret_problems  as for ledger_read()
 *   ret_any        false: there is nothing to bill, ever
 *
 * Errors: those of timeline_read(), items_compute() and ledger_read().
 */
enum err_code invoicing_begin(struct invoicing *v, struct tables_txn *txn, uint32_t organization,
                              int64_t now_ms, uint64_t before_number,
                              const struct stage_notices *notices, uint64_t *ret_problems,
                              bool *ret_any, struct err *err) ERR_MUST_CHECK;

/*
 * Compute the next open invoice that has content: a line, or usage.
 *
 *   ret_more  false: there is no other
 *
 * Errors: ERR_LIMIT; those of consumption_read().
 */
enum err_code invoicing_next(struct invoicing *v, bool *ret_more, struct err *err) ERR_MUST_CHECK;

/* The lines of the invoice at hand; invoice.line_count of them. */
const struct invoice_line *invoicing_lines(const struct invoicing *v);

#endif
