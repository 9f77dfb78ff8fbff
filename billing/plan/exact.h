/*
 * billing/plan/exact.h - an amount of money that is not rounded yet: a whole number
 * of yoctos (10^-24 of the currency) times a fraction.
 *
 * A price has at most twelve decimals and a quantity as many, so their product is
 * a whole number of yoctos.  What divides (percent, days of a period, rate of
 * exchange) is gathered in the fraction and divided out once, when the amount is
 * rounded for its line.
 */
#ifndef BILLING_PLAN_EXACT_H
#define BILLING_PLAN_EXACT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/money.h"

#define EXACT_YOCTO_PER_PICO ((money_sum)1000000000000)

struct exact {
    money_sum yocto;
    money_sum num, den; /* num >= 0, den > 0, without a common divisor */
};

struct exact exact_of_yocto(money_sum yocto);
struct exact exact_of_pico(money_sum pico);

/*
 * Multiply by num / den.
 *
 *   num  >= 0
 *   den  > 0
 *
 * Returns false, leaving the amount as it was, where the fraction outgrows 127 bits.
 */
bool exact_scale(struct exact *amount, money_sum num, money_sum den)
    __attribute__((warn_unused_result));

/* Whole yoctos, cut off toward zero; false where they do not fit 127 bits. */
bool exact_yocto(const struct exact *amount, money_sum *ret) __attribute__((warn_unused_result));

/*
 * Round to minor units, half away from zero, and cut off to whole picos.
 *
 *   minor_digits  of the currency, 0 to MONEY_MINOR_DIGITS_MAX
 *
 * Cutting off at a yocto first cannot change how a value rounds: half a minor unit
 * is a whole number of yoctos.  Returns false where minor units do not fit 63 bits.
 */
bool exact_round(const struct exact *amount, int minor_digits, money_sum *ret_pico,
                 int64_t *ret_minor) __attribute__((warn_unused_result));

/* a * b / c cut off toward zero, exact over 255 bits; a of any sign, b >= 0, c > 0. */
bool exact_mul_div(money_sum a, money_sum b, money_sum c, money_sum *ret)
    __attribute__((warn_unused_result));

#endif
