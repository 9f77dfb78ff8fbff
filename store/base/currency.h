/*
 * store/base/currency.h - how many digits a currency's minor unit has.
 *
 * Source: ISO 4217, list one, as of 2026.
 */
#ifndef STORE_BASE_CURRENCY_H
#define STORE_BASE_CURRENCY_H

/* 0, 3 or 4 for those that ISO 4217 says so of; 2 for every other code. */
int currency_minor_digits(const char *code);

#endif
