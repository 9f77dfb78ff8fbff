#include "store/tables/organization.h"

/* The smallest organization above `after` in one table, by its keys' first four bytes. */
static bool
next_in(struct tables_txn *txn, enum table table, uint32_t after, uint32_t *ret)
{
    struct bytes key;
    uint8_t from[4];
    if (after == UINT32_MAX)
        return false;
    put_be32(from, after + 1);
    if (!tables_first_from(txn, table, (struct bytes){from, sizeof from}, &key))
        return false;
    *ret = get_be32(key.data);
    return true;
}

bool
organization_next(struct tables_txn *txn, uint32_t after, uint32_t *ret)
{
    static const enum table tables[] = {TABLE_MONTHLY,         TABLE_SUBSCRIPTIONS,
                                        TABLE_RESOURCE_COUNTS, TABLE_ADJUSTMENTS,
                                        TABLE_BUDGETS,         TABLE_INVOICES};
    uint32_t best = 0, organization;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (next_in(txn, tables[i], after, &organization) && (best == 0 || organization < best))
            best = organization;
    }
    if (best != 0)
        *ret = best;
    return best != 0;
}
