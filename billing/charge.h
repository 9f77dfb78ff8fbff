/*
 * billing/charge.h - what an invoice line costs: exact picos, and minor units
 * rounded half away from zero, once.
 *
 * A part of a month is measured in whole seconds: an instant counts as the second
 * it lies in.  Parts are differences of cumulative values, so that any division
 * of a month adds up to what the undivided month would be, to the cent.
 * Source: gbill's design, Money; billing/DESIGN.md, "Proration".
 */
#ifndef BILLING_CHARGE_H
#define BILLING_CHARGE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/money.h"

struct charge {
    money_sum exact_pico;
    int64_t amount_minor;
};

/*
 * The part of a monthly fee for `seconds` behind the first before_s ones that
 * were charged for the same plan in the same month.
 *
 *   fee_pico         >= 0
 *   before_s         >= 0
 *   seconds          >= 0; before_s + seconds <= month_s
 *   month_s          > 0
 *   minor_digits     of the currency
 *
 * exact_pico is cut off to whole picos, which cannot change how it rounds.
 */
struct charge charge_fee(int64_t fee_pico, int64_t before_s, int64_t seconds, int64_t month_s,
                         int minor_digits);

/* quantity * unit_pico (>= 0).  Returns false where minor units do not fit 63 bits. */
bool charge_units(uint64_t quantity, int64_t unit_pico, int minor_digits, struct charge *ret)
    __attribute__((warn_unused_result));

/* An amount that is whole minor units already. */
struct charge charge_minor(int64_t amount_minor, int minor_digits);

#endif
