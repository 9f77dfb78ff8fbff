/*
 * store/base/money.h - exact money.
 *
 * The unit inside is the pico: 10^-12 of the currency (DESIGN of gbill, Money).
 * A price per million tokens has at most six decimals, so one token costs a
 * whole number of picos.  One event's cost is an int64; sums are 128 bits wide.
 * There is no floating point here.  An amount is rounded in one place only, by
 * money_round_minor(), when it becomes an invoice line.
 */
#ifndef STORE_BASE_MONEY_H
#define STORE_BASE_MONEY_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/bytes.h"

__extension__ typedef __int128 money_sum; /* picos; wide enough never to wrap in practice */

#define MONEY_PICO_PER_UNIT ((int64_t)1000000000000)

enum {
    MONEY_TEXT_BYTES = 64,      /* room for any amount as text, NUL included */
    MONEY_MINOR_DIGITS_MAX = 4, /* ISO 4217: no currency has more */
};

/*
 * Parse a decimal such as "2.5", "-0.000001", "29" into value * 10^decimals.
 *
 *   text       borrowed; optional sign, digits, optional point and digits
 *   decimals   0 to 18: digits kept behind the point
 *   ret_value  written only on success
 *
 * Returns false if it is not a decimal, has more digits behind the point than
 * are kept (trailing zeros excepted), or does not fit 63 bits.
 */
bool money_parse(struct str text, int decimals, int64_t *ret_value)
    __attribute__((warn_unused_result));

/*
 * tokens * price + *sum into *sum.  Returns false, with *sum unchanged, where
 * the product or the sum would not fit an int64 (an event costs less than
 * 9.2 million units of currency).
 */
bool money_add_cost(int64_t *sum_pico, uint64_t tokens, int64_t price_pico)
    __attribute__((warn_unused_result));

/*
 * Round picos to the currency's minor unit, half away from zero.
 *
 *   amount_pico   any sign
 *   minor_digits  0 to MONEY_MINOR_DIGITS_MAX: 2 for USD, 0 for JPY
 *
 * Source: research of rounding conventions; DESIGN of gbill, Money.
 */
int64_t money_round_minor(money_sum amount_pico, int minor_digits);

/* numerator / denominator (> 0), rounded half away from zero. */
money_sum money_divide(money_sum numerator, money_sum denominator);

enum { MONEY_SUM_BYTES = 16 };

/* A sum as it lies in a stored row: two's complement, little-endian. */
static inline void
money_put_sum(uint8_t p[MONEY_SUM_BYTES], money_sum value)
{
    put_le64(p, (uint64_t)value);
    put_le64(p + 8, (uint64_t)(value >> 64));
}

static inline money_sum
money_get_sum(const uint8_t p[MONEY_SUM_BYTES])
{
    return (money_sum)(int64_t)get_le64(p + 8) * ((money_sum)1 << 64) + (money_sum)get_le64(p);
}

/*
 * Write an exact decimal without needless zeros: 22500 with 12 decimals is
 * "0.0000000225", 0 is "0".
 */
void money_format(money_sum value, int decimals, char text[MONEY_TEXT_BYTES]);

/* Write a decimal with exactly `shown` digits (<= decimals), rounded for show. */
void money_format_fixed(money_sum value, int decimals, int shown, char text[MONEY_TEXT_BYTES]);

#endif
