#include "billing/plan/exact.h"

#include <assert.h>

__extension__ typedef unsigned __int128 wide;

static const wide wide_max = (wide)-1 >> 1;

struct exact
exact_of_yocto(money_sum yocto)
{
    return (struct exact){.yocto = yocto, .num = 1, .den = 1};
}

struct exact
exact_of_pico(money_sum pico)
{
    money_sum yocto;
    /* 127 bits hold 10^14 units of currency; sums of picos here are of one line. */
    bool wraps = __builtin_mul_overflow(pico, EXACT_YOCTO_PER_PICO, &yocto);
    assert(!wraps);
    return exact_of_yocto(yocto);
}

static wide
common(wide a, wide b)
{
    while (b != 0) {
        wide rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

bool
exact_scale(struct exact *e, money_sum num, money_sum den)
{
    money_sum n, d;
    assert(num >= 0 && den > 0);
    /* Across, before multiplying: so it stays as small as it can. */
    wide g = common((wide)num, (wide)e->den), h = common((wide)e->num, (wide)den);
    if (__builtin_mul_overflow(e->num / (money_sum)h, num / (money_sum)g, &n) ||
        __builtin_mul_overflow(e->den / (money_sum)g, den / (money_sum)h, &d))
        return false;
    wide k = common((wide)n, (wide)d);
    e->num = n / (money_sum)k;
    e->den = d / (money_sum)k;
    return true;
}

/* The 256 bits of a * b. */
static void
multiply(wide a, wide b, wide *ret_high, wide *ret_low)
{
    const wide low64 = ((wide)1 << 64) - 1;
    wide a0 = a & low64, a1 = a >> 64, b0 = b & low64, b1 = b >> 64;
    wide low = a0 * b0, m1 = a1 * b0, m2 = a0 * b1, high = a1 * b1;
    wide middle = (low >> 64) + (m1 & low64) + (m2 & low64);
    *ret_low = (low & low64) | middle << 64;
    *ret_high = high + (m1 >> 64) + (m2 >> 64) + (middle >> 64);
}

bool
exact_mul_div(money_sum a, money_sum b, money_sum c, money_sum *ret)
{
    assert(b >= 0 && c > 0);
    wide high, low, q = 0, d = (wide)c, rest;
    multiply(a < 0 ? (wide)0 - (wide)a : (wide)a, (wide)b, &high, &low);
    if (high >= d)
        return false;
    if (high == 0) {
        q = low / d;
    } else {
        rest = high; /* below d, which has at most 127 bits: doubling it does not wrap */
        for (int bit = 127; bit >= 0; bit--) {
            rest = rest << 1 | (low >> bit & 1);
            q <<= 1;
            if (rest >= d) {
                rest -= d;
                q |= 1;
            }
        }
    }
    if (q > wide_max)
        return false;
    *ret = a < 0 ? -(money_sum)q : (money_sum)q;
    return true;
}

bool
exact_yocto(const struct exact *e, money_sum *ret)
{
    return exact_mul_div(e->yocto, e->num, e->den, ret);
}

bool
exact_round(const struct exact *e, int minor_digits, money_sum *ret_pico, int64_t *ret_minor)
{
    assert(minor_digits >= 0 && minor_digits <= MONEY_MINOR_DIGITS_MAX);
    money_sum yocto, unit = EXACT_YOCTO_PER_PICO * MONEY_PICO_PER_UNIT;
    if (!exact_yocto(e, &yocto))
        return false;
    for (int i = 0; i < minor_digits; i++)
        unit /= 10;
    money_sum minor = money_divide(yocto, unit);
    if (minor > INT64_MAX || minor < -INT64_MAX)
        return false;
    *ret_pico = yocto / EXACT_YOCTO_PER_PICO;
    *ret_minor = (int64_t)minor;
    return true;
}
