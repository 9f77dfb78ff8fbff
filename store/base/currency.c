#include "store/base/currency.h"

#include <stddef.h>
#include <string.h>

static const struct {
    char code[4];
    int digits;
} others[] = {
    {"BHD", 3}, {"BIF", 0}, {"CLF", 4}, {"CLP", 0}, {"DJF", 0}, {"GNF", 0}, {"IQD", 3},
    {"ISK", 0}, {"JOD", 3}, {"JPY", 0}, {"KMF", 0}, {"KRW", 0}, {"KWD", 3}, {"LYD", 3},
    {"OMR", 3}, {"PYG", 0}, {"RWF", 0}, {"TND", 3}, {"UGX", 0}, {"UYI", 0}, {"UYW", 4},
    {"VND", 0}, {"VUV", 0}, {"XAF", 0}, {"XOF", 0}, {"XPF", 0},
};

int
currency_minor_digits(const char *code)
{
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(others[i].code, code) == 0)
            return others[i].digits;
    }
    return 2;
}

/* Stripe differs from ISO 4217 in these alone. */
int
currency_stripe_digits(const char *code)
{
    if (strcmp(code, "MGA") == 0)
        return 0;
    return strcmp(code, "ISK") == 0 || strcmp(code, "UGX") == 0 ? 2 : currency_minor_digits(code);
}

/* From one number of digits to another, if nothing is lost by it. */
static bool
convert(int64_t amount, int from_digits, int to_digits, int64_t *ret)
{
    int64_t to = amount;
    for (int i = from_digits; i < to_digits; i++) {
        if (__builtin_mul_overflow(to, 10, &to))
            return false;
    }
    for (int i = to_digits; i < from_digits; i++) {
        if (to % 10 != 0)
            return false;
        to /= 10;
    }
    *ret = to;
    return true;
}

bool
currency_to_stripe(const char *code, int64_t minor, int64_t *ret)
{
    int digits = currency_stripe_digits(code);
    if (digits == 3 && minor % 10 != 0)
        return false;
    return convert(minor, currency_minor_digits(code), digits, ret);
}

bool
currency_from_stripe(const char *code, int64_t amount, int64_t *ret)
{
    return convert(amount, currency_stripe_digits(code), currency_minor_digits(code), ret);
}
