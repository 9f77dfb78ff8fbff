/*
 * billing/consumption.h - an organization's usage over a stretch of time, by model:
 * what limits and charges look at.
 *
 * Usage is kept by whole hours; an hour belongs to the time that its beginning
 * lies in.  Whole calendar months are read from the monthly table.
 */
#ifndef BILLING_CONSUMPTION_H
#define BILLING_CONSUMPTION_H

#include "billing/plan/plan.h"
#include "store/base/list.h"
#include "store/base/money.h"
#include "store/tables/tables.h"

struct consumption_model {
    uint32_t model; /* dictionary */
    uint64_t calls, unpriced_calls;
    uint64_t input, output; /* tokens of all input and of all output classes */
    money_sum cost_pico;    /* what the providers charged */
};

struct consumption {
    struct list models; /* struct consumption_model */
    struct tables_txn *txn;
};

void consumption_init(struct consumption *consumption);
void consumption_clear(struct consumption *consumption);

/*
 * Read what was used in a span, in place of what was there.
 *
 * Errors: ERR_CORRUPT when a sum does not fit its 64 or 128 bits; ERR_LIMIT
 * without memory.
 */
enum err_code consumption_read(struct consumption *consumption, struct tables_txn *txn,
                               uint32_t organization, struct span span,
                               struct err *err) ERR_MUST_CHECK;

/* The first month of an organization that has usage; false: none. */
bool consumption_first_month(struct tables_txn *txn, uint32_t organization, int32_t *ret);

/* All models together. */
struct consumption_model consumption_sum(const struct consumption *consumption);

/*
 * AI credits, in 10^-12 of one: a token is one, or what the terms weigh its model.
 * Whole ones are rounded down by consumption_credits().
 */
money_sum consumption_credits_pico(const struct consumption *consumption,
                                   const struct plan_terms *terms);
uint64_t consumption_credits(const struct consumption *consumption, const struct plan_terms *terms);

/* What a charge counts, in 10^-12 of its unit; calls are those it was counted over. */
money_sum consumption_quantity(const struct consumption *consumption,
                               const struct plan_terms *terms, const struct plan_charge *charge,
                               uint64_t *ret_calls);

#endif
