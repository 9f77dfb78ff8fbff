#include "billing/charge.h"

#include <assert.h>

static int64_t
minor_pico(int minor_digits)
{
    assert(minor_digits >= 0 && minor_digits <= MONEY_MINOR_DIGITS_MAX);
    int64_t p = MONEY_PICO_PER_UNIT;
    for (int i = 0; i < minor_digits; i++)
        p /= 10;
    return p;
}

/*
 * Cut off, not rounded: half a minor unit is a whole number of picos, so a value
 * is below it exactly when its whole picos are.  Rounding twice could carry.
 */
static money_sum
fee_upto(int64_t fee_pico, int64_t seconds, int64_t month_s)
{
    return (money_sum)fee_pico * seconds / month_s;
}

struct charge
charge_fee(int64_t fee_pico, int64_t before_s, int64_t seconds, int64_t month_s, int minor_digits)
{
    assert(fee_pico >= 0 && before_s >= 0 && seconds >= 0);
    assert(month_s > 0 && before_s + seconds <= month_s);
    money_sum before = fee_upto(fee_pico, before_s, month_s);
    money_sum after = fee_upto(fee_pico, before_s + seconds, month_s);
    return (struct charge){.exact_pico = after - before,
                           .amount_minor = money_round_minor(after, minor_digits) -
                                           money_round_minor(before, minor_digits)};
}

bool
charge_units(uint64_t quantity, int64_t unit_pico, int minor_digits, struct charge *ret)
{
    assert(unit_pico >= 0);
    /* A minor unit less than what fits, for the rounding. */
    money_sum most = (money_sum)(INT64_MAX - 1) * minor_pico(minor_digits);
    if (unit_pico > 0 && (money_sum)quantity > most / unit_pico)
        return false;
    ret->exact_pico = (money_sum)quantity * unit_pico;
    ret->amount_minor = money_round_minor(ret->exact_pico, minor_digits);
    return true;
}

struct charge
charge_minor(int64_t amount_minor, int minor_digits)
{
    return (struct charge){.exact_pico = (money_sum)amount_minor * minor_pico(minor_digits),
                           .amount_minor = amount_minor};
}
