/*
 * billing/ledger.h - what an organization's final invoices said: how much was billed
 * of each item, what payments made of them, and what is left of credit notes.
 *
 * Rules: billing/DESIGN.md, "Payments".
 */
#ifndef BILLING_LEDGER_H
#define BILLING_LEDGER_H

#include "billing/stage.h"
#include "store/base/arena.h"
#include "store/base/list.h"
#include "store/tables/invoice.h"

/* All that was billed of one item so far. */
struct ledger_entry {
    enum invoice_line_kind kind;
    struct str plan, charge;
    int64_t period_ms;
    int64_t amount_minor;
    money_sum exact_pico;
    uint64_t number;        /* of the last invoice that billed some of it */
    int64_t from_ms, to_ms; /* as that one had it */
    bool met;               /* the caller's: its item is still there */
};

struct ledger {
    struct list invoices; /* struct invoice: the final ones, by time */
    struct list entries;  /* struct ledger_entry, sorted */
    int64_t end_ms;       /* where the last invoice ends; INT64_MIN: there is none */
    int64_t credit_minor; /* of credit notes, that no invoice has used yet */
    struct arena texts;
};

void ledger_init(struct ledger *ledger);
void ledger_clear(struct ledger *ledger);

/*
 * Read an organization's final invoices, payments and what Stripe told of them, in place of what
 * was there.
 *
 *   before_number  leave out invoices from this number on; UINT64_MAX: none
 *   notices        what cannot be applied is said here
 *   ret_problems   so many are added
 *
 * Errors: ERR_LIMIT beyond the memory for one organization.
 */
enum err_code ledger_read(struct ledger *ledger, struct tables_txn *txn, uint32_t organization,
                          uint64_t before_number, const struct stage_notices *notices,
                          uint64_t *ret_problems, struct err *err) ERR_MUST_CHECK;

/* What was billed of a line's item; NULL: nothing. */
struct ledger_entry *ledger_find(const struct ledger *ledger, const struct invoice_line *line);

static inline struct ledger_entry *
ledger_entry_at(const struct ledger *ledger, size_t i)
{
    return (struct ledger_entry *)ledger->entries.items + i;
}

#endif
