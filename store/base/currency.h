/*
 * store/base/currency.h - how many digits a currency's minor unit has, to ISO 4217
 * and to Stripe.
 *
 * Source: ISO 4217, list one, as of 2026; for Stripe schemas/stripe.md, "Amounts".
 */
#ifndef STORE_BASE_CURRENCY_H
#define STORE_BASE_CURRENCY_H

#include <stdbool.h>
#include <stdint.h>

/* 0, 3 or 4 for those that ISO 4217 says so of; 2 for every other code. */
int currency_minor_digits(const char *code);

/* The same of the unit that Stripe gives amounts in. */
int currency_stripe_digits(const char *code);

/*
 * Convert an amount of ISO 4217's minor units to Stripe's, and back.
 *
 *   code  ISO 4217, capital letters, NUL-terminated
 *   ret   written on success
 *
 * Returns false when the other unit cannot say it: it is no whole number there, or too large,
 * or (to Stripe) its last of three digits is not 0.
 */
bool currency_to_stripe(const char *code, int64_t minor, int64_t *ret)
    __attribute__((warn_unused_result));
bool currency_from_stripe(const char *code, int64_t amount, int64_t *ret)
    __attribute__((warn_unused_result));

#endif
