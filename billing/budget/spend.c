#include "billing/budget/spend.h"

#include "store/base/currency.h"
#include "store/tables/adjustment.h"
#include "store/tables/dict.h"
#include "store/tables/usage.h"

enum { PICO_DIGITS = 12 };

money_sum
spend_minor_pico(const char *currency)
{
    money_sum pico = 1;
    for (int i = currency_minor_digits(currency); i < PICO_DIGITS; i++)
        pico *= 10;
    return pico;
}

static enum err_code
overflow(struct err *err)
{
    return err_set(err, ERR_CORRUPT,
                   "the costs of a month do not fit 127 bits of picos; run gbill rollup --rebuild");
}

static enum err_code
read_usage(struct tables_txn *txn, uint32_t organization, int32_t month, struct spend *s,
           struct err *err)
{
    struct usage_scan scan;
    uint32_t period = (uint32_t)month;
    bool fits = true;
    usage_scan_begin(&scan, txn, TABLE_MONTHLY, organization, &period);
    while (fits && usage_scan_next(&scan)) {
        fits = !__builtin_add_overflow(s->llm_pico, scan.row.cost_pico, &s->llm_pico);
        s->unpriced_calls += scan.row.unpriced_calls;
    }
    enum err_code code = usage_scan_end(&scan, err);
    return code == ERR_OK && !fits ? overflow(err) : code;
}

enum err_code
spend_read(struct tables_txn *txn, uint32_t organization, int32_t month, const char *currency,
           struct spend *ret, struct err *err)
{
    struct spend s = {0};
    struct adjustment_scan scan;
    money_sum minor_pico = spend_minor_pico(currency);
    enum err_code code = read_usage(txn, organization, month, &s, err);
    if (code != ERR_OK)
        return code;
    adjustment_scan_begin(&scan, txn, organization, month);
    while (adjustment_scan_next(&scan)) {
        if (str_is(dict_text(txn, scan.row.currency), currency))
            s.adjustment_pico += scan.row.amount_minor * minor_pico;
        else
            s.foreign++;
    }
    adjustment_scan_end(&scan);
    if (__builtin_add_overflow(s.llm_pico, s.adjustment_pico, &s.total_pico))
        return overflow(err);
    *ret = s;
    return ERR_OK;
}
