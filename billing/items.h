/*
 * billing/items.h - all that an organization has to be billed for, from its first
 * day to the next billing instant, whatever was billed of it before.
 *
 * An item is one charge of one plan for one billing period (or one adjustment), as
 * timeline, usage and plan book have it now.  Invoices are made of the difference
 * between items and what earlier invoices said of them (invoicing.h), so a late
 * event, a changed plan and a void all come out right by computing items again.
 *
 * Rules: billing/DESIGN.md, "Items".
 */
#ifndef BILLING_ITEMS_H
#define BILLING_ITEMS_H

#include "billing/consumption.h"
#include "billing/plan/rate.h"
#include "billing/timeline.h"
#include "store/base/arena.h"
#include "store/base/list.h"
#include "store/tables/invoice.h"

struct item {
    struct invoice_line line; /* its texts lie in the arena; corrects is 0 */
    int64_t bill_ms;          /* on an invoice that ends here or later */
    uint32_t order;           /* as it was made: decides between equal instants */
};

/*
 * What keeps the invoices that touch [from_ms, to_ms) from becoming final; with
 * to_ms INT64_MAX the first one that ends behind from_ms.
 */
struct item_problem {
    int64_t from_ms, to_ms;
    const char *text; /* in the arena */
};

struct items {
    const struct plan_book *book;
    const struct timeline *timeline; /* of the organization at hand */
    int minor_digits;
    int64_t first_ms, horizon_ms; /* the last of the instants */
    struct list list;             /* struct item, by rising bill_ms */
    struct list instants;         /* int64_t: where invoices end, rising, all behind first_ms */
    struct list problems;         /* struct item_problem */
    struct arena texts;
    struct consumption consumption;
    struct tables_txn *txn;
    uint32_t organization;
};

void items_init(struct items *items, const struct plan_book *book, const struct timeline *timeline);
void items_clear(struct items *items);

/*
 * Compute the items of an organization.
 *
 *   first_ms  when billing of it begins
 *   now_ms    the last instant is the first one behind it
 *
 * What is wrong with the organization's own data is left out and said in problems.
 *
 * Errors: ERR_LIMIT beyond the memory for one organization; those of
 * consumption_read().
 */
enum err_code items_compute(struct items *items, struct tables_txn *txn, uint32_t organization,
                            int64_t first_ms, int64_t now_ms, struct err *err) ERR_MUST_CHECK;

static inline struct item *
items_at(const struct items *items, size_t i)
{
    return (struct item *)items->list.items + i;
}

/* The parts that items_charge.c shares. */
struct items_run { /* a stretch of the timeline with one set of periods */
    int64_t from_ms, to_ms;
    struct cycle cycle, usage_cycle;
    bool open; /* nothing is known to end it */
};

enum err_code items_add(struct items *items, const struct item *item, const char *description,
                        struct err *err) ERR_MUST_CHECK;
enum err_code items_problem(struct items *items, int64_t from_ms, int64_t to_ms, const char *fmt,
                            ...) __attribute__((format(printf, 4, 5)));
enum err_code items_fees(struct items *items, const struct items_run *run,
                         struct err *err) ERR_MUST_CHECK;
enum err_code items_usage(struct items *items, const struct items_run *run,
                          struct err *err) ERR_MUST_CHECK;

#endif
