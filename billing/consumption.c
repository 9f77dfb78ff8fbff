#include "billing/consumption.h"

#include "store/tables/usage.h"

static enum err_code
add(struct consumption *c, const struct usage_row *row, struct err *err)
{
    if (__builtin_add_overflow(c->credits, usage_row_credits(row), &c->credits) ||
        __builtin_add_overflow(c->llm_cost_pico, row->cost_pico, &c->llm_cost_pico))
        return err_set(err, ERR_CORRUPT,
                       "the usage of a month does not fit 64 bits of credits; "
                       "run gbill rollup --rebuild");
    c->calls += row->calls;
    c->unpriced_calls += row->unpriced_calls;
    return ERR_OK;
}

enum err_code
consumption_read(struct tables_txn *txn, uint32_t organization, int32_t month,
                 struct consumption *ret, struct err *err)
{
    struct consumption c = {.month = month};
    struct usage_scan scan;
    uint32_t period = (uint32_t)month;
    enum err_code code = ERR_OK;
    usage_scan_begin(&scan, txn, TABLE_MONTHLY, organization, &period);
    while (code == ERR_OK && usage_scan_next(&scan))
        code = add(&c, &scan.row, err);
    enum err_code end = usage_scan_end(&scan, err);
    if (code == ERR_OK)
        code = end;
    if (code == ERR_OK)
        *ret = c;
    return code;
}

enum err_code
consumption_read_all(struct tables_txn *txn, uint32_t organization, struct buf *months,
                     struct err *err)
{
    struct consumption c = {.month = -1};
    struct usage_scan scan;
    enum err_code code = ERR_OK;
    months->size_bytes = 0;
    usage_scan_begin(&scan, txn, TABLE_MONTHLY, organization, NULL);
    while (code == ERR_OK) {
        bool more = usage_scan_next(&scan);
        int32_t month = more ? (int32_t)scan.key.period : -1;
        if (month != c.month) {
            if (c.month >= 0 && !buf_append(months, &c, sizeof c))
                code = err_set(err, ERR_LIMIT, "more months of usage than fit %zu bytes",
                               months->cap_bytes);
            c = (struct consumption){.month = month};
        }
        if (!more)
            break;
        if (code == ERR_OK)
            code = add(&c, &scan.row, err);
    }
    enum err_code end = usage_scan_end(&scan, err);
    return code == ERR_OK ? end : code;
}
