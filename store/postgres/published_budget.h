/*
 * store/postgres/published_budget.h - rows of budget settings, alerts and chargeback,
 * for published[].
 */
#ifndef STORE_POSTGRES_PUBLISHED_BUDGET_H
#define STORE_POSTGRES_PUBLISHED_BUDGET_H

#include "store/postgres/copy.h"

/* As put_key and put_row of struct published. */
void published_budget_key(struct copy *copy, struct bytes key);
void published_budget_row(struct copy *copy, struct bytes key, struct bytes value);
void published_alert_key(struct copy *copy, struct bytes key);
void published_alert_row(struct copy *copy, struct bytes key, struct bytes value);
void published_chargeback_key(struct copy *copy, struct bytes key);
void published_chargeback_row(struct copy *copy, struct bytes key, struct bytes value);

#endif
