#include "store/base/money.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "store/base/digits.h"

__extension__ typedef unsigned __int128 money_magnitude;

static money_magnitude
magnitude(money_sum v)
{
    return v < 0 ? (money_magnitude)0 - (money_magnitude)v : (money_magnitude)v;
}

static money_sum
power_of_ten(int exponent)
{
    money_sum p = 1;
    for (int i = 0; i < exponent; i++)
        p *= 10;
    return p;
}

bool
money_parse(struct str text, int decimals, int64_t *ret_value)
{
    assert(decimals >= 0 && decimals <= 18);
    if (text.size_bytes == 0)
        return false; /* its data may be NULL, which knows no arithmetic */
    const char *p = text.data, *end = text.data + text.size_bytes;
    bool negative = false, point = false, digit = false;
    int behind = 0;
    int64_t value = 0;
    if (*p == '-' || *p == '+')
        negative = *p++ == '-';
    for (; p < end; p++) {
        if (*p == '.' && !point && digit) {
            point = true;
            continue;
        }
        if (*p < '0' || *p > '9')
            return false;
        digit = true;
        if (point && behind == decimals) {
            if (*p != '0')
                return false;
            continue;
        }
        behind += point ? 1 : 0;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value))
            return false;
    }
    if (!digit || end[-1] == '.')
        return false;
    for (; behind < decimals; behind++) {
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    }
    *ret_value = negative ? -value : value;
    return true;
}

bool
money_add_cost(int64_t *sum_pico, uint64_t tokens, int64_t price_pico)
{
    int64_t product, sum;
    if (__builtin_mul_overflow(tokens, price_pico, &product) ||
        __builtin_add_overflow(*sum_pico, product, &sum))
        return false;
    *sum_pico = sum;
    return true;
}

money_sum
money_divide(money_sum numerator, money_sum denominator)
{
    assert(denominator > 0);
    money_magnitude n = magnitude(numerator), d = (money_magnitude)denominator;
    money_magnitude q = n / d, r = n % d;
    if (r >= d - r)
        q++;
    return numerator < 0 ? -(money_sum)q : (money_sum)q;
}

int64_t
money_round_minor(money_sum amount_pico, int minor_digits)
{
    assert(minor_digits >= 0 && minor_digits <= MONEY_MINOR_DIGITS_MAX);
    money_sum rounded = money_divide(amount_pico, power_of_ten(12 - minor_digits));
    assert(rounded >= INT64_MIN && rounded <= INT64_MAX);
    return (int64_t)rounded;
}

/* The same for what fits 64 bits, which nearly every amount does; so much cheaper to divide. */
static void
format_small(bool negative, uint64_t m, int decimals, char *text)
{
    uint64_t one = (uint64_t)power_of_ten(decimals), behind = m % one;
    if (negative)
        *text++ = '-';
    text += digits_put(text, m / one);
    if (behind > 0) {
        char digits[DIGITS_BYTES_MAX];
        size_t n = digits_put(digits, behind), zeros = (size_t)decimals - n;
        *text++ = '.';
        memset(text, '0', zeros);
        while (digits[n - 1] == '0')
            n--;
        memcpy(text + zeros, digits, n);
        text += zeros + n;
    }
    *text = '\0';
}

void
money_format(money_sum value, int decimals, char text[MONEY_TEXT_BYTES])
{
    assert(decimals >= 0 && decimals <= 18);
    if (magnitude(value) <= UINT64_MAX) {
        format_small(value < 0, (uint64_t)magnitude(value), decimals, text);
        return;
    }
    money_format_fixed(value, decimals, decimals, text);
    if (decimals == 0)
        return;
    size_t n = strlen(text);
    while (text[n - 1] == '0')
        text[--n] = '\0';
    if (text[n - 1] == '.')
        text[n - 1] = '\0';
}

void
money_format_fixed(money_sum value, int decimals, int shown, char text[MONEY_TEXT_BYTES])
{
    assert(shown >= 0 && shown <= decimals && decimals <= 18);
    money_sum kept = money_divide(value, power_of_ten(decimals - shown));
    money_magnitude m = magnitude(kept);
    char reversed[MONEY_TEXT_BYTES];
    size_t n = 0;
    int digits = 0;
    do {
        reversed[n++] = (char)('0' + (int)(m % 10));
        m /= 10;
        if (++digits == shown)
            reversed[n++] = '.';
    } while (m > 0 || digits <= shown);
    if (kept < 0)
        reversed[n++] = '-';
    for (size_t i = 0; i < n; i++)
        text[i] = reversed[n - 1 - i];
    text[n] = '\0';
}
