/*
 * billing/budget/spend.h - what an organization has spent of its budget in a
 * calendar month (UTC): what the providers charge for its calls, and its
 * adjustments of that month (a credit lowers it).
 *
 * Why so: billing/budget/DESIGN.md, "Spend".
 */
#ifndef BILLING_BUDGET_SPEND_H
#define BILLING_BUDGET_SPEND_H

#include "store/base/money.h"
#include "store/tables/tables.h"

struct spend {
    money_sum llm_pico;        /* may miss unpriced_calls */
    money_sum adjustment_pico; /* of either sign */
    money_sum total_pico;      /* both */
    uint64_t unpriced_calls;
    uint64_t foreign; /* adjustments in another currency: not in any sum */
};

/*
 * Read a month's.
 *
 *   currency  ISO 4217 of the price book, which the costs are in
 *
 * Errors: ERR_CORRUPT when a row cannot be read or a sum does not fit 127 bits.
 */
enum err_code spend_read(struct tables_txn *txn, uint32_t organization, int32_t month,
                         const char *currency, struct spend *ret, struct err *err) ERR_MUST_CHECK;

/* One minor unit of a currency in picos: 10^10 for cents. */
money_sum spend_minor_pico(const char *currency);

#endif
