/*
 * billing/invoice_print.h - an invoice for a person's terminal, or as one JSON
 * object.
 */
#ifndef BILLING_INVOICE_PRINT_H
#define BILLING_INVOICE_PRINT_H

#include <stdbool.h>
#include <stdio.h>

#include "store/tables/invoice.h"

/* Print a stored invoice of txn with its lines. */
void invoice_print(FILE *out, struct tables_txn *txn, const struct invoice *invoice, bool json);

/* An amount in minor units of the invoice's currency as a decimal. */
void invoice_print_minor(const struct invoice *invoice, int64_t amount_minor,
                         char text[MONEY_TEXT_BYTES]);

/*
 * The currency of llm_cost_pico: what the invoice's plan book says price books are in.
 * Empty where that book is not kept.
 */
void invoice_print_cost_currency(struct tables_txn *txn, const struct invoice *invoice,
                                 char ret[4]);

#endif
