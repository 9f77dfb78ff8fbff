/*
 * store/tables/organization.h - which organizations there are.
 */
#ifndef STORE_TABLES_ORGANIZATION_H
#define STORE_TABLES_ORGANIZATION_H

#include "store/tables/tables.h"

/*
 * The organization with the smallest dictionary number above `after` that has
 * usage, a subscription, a resource, an adjustment, a budget or an invoice, or that
 * Stripe told of; false when there is none.
 *
 *   for (uint32_t org = 0; organization_next(txn, org, &org);) …
 */
bool organization_next(struct tables_txn *txn, uint32_t after, uint32_t *ret);

#endif
