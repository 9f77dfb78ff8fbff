#include "store/tables/organization.h"

#include "store/tables/stripe_told.h"

/*
 * The smallest organization above `after` in one table, by its keys' first four bytes; of
 * what Stripe told by those behind the first.
 */
static bool
next_in(struct tables_txn *txn, enum table table, uint32_t after, uint32_t *ret)
{
    struct bytes key;
    uint8_t from[5] = {STRIPE_TOLD_ORGANIZATION};
    const size_t skip = table == TABLE_STRIPE_TOLD ? 1 : 0;
    if (after == UINT32_MAX)
        return false;
    put_be32(from + skip, after + 1);
    if (!tables_first_from(txn, table, (struct bytes){from, skip + 4}, &key) ||
        (skip > 0 && key.data[0] != STRIPE_TOLD_ORGANIZATION))
        return false;
    *ret = get_be32(key.data + skip);
    return true;
}

bool
organization_next(struct tables_txn *txn, uint32_t after, uint32_t *ret)
{
    static const enum table tables[] = {
        TABLE_MONTHLY, TABLE_SUBSCRIPTIONS, TABLE_RESOURCE_COUNTS, TABLE_ADJUSTMENTS,
        TABLE_BUDGETS, TABLE_INVOICES,      TABLE_STRIPE_TOLD};
    uint32_t best = 0, organization;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (next_in(txn, tables[i], after, &organization) && (best == 0 || organization < best))
            best = organization;
    }
    if (best != 0)
        *ret = best;
    return best != 0;
}
