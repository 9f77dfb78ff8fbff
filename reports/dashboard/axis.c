#include "reports/dashboard/axis.h"

#include <assert.h>
#include <stdio.h>

enum { DIGITS_MAX = 18 }; /* of money_format() */

/* The next of 1, 2, 5, 10, 20, 50, … */
static money_sum
next_step(money_sum step)
{
    money_sum power = 1;
    while (step / power >= 10)
        power *= 10;
    return step / power == 2 ? 5 * power : 2 * step;
}

static money_sum
floor_divide(money_sum value, money_sum step)
{
    return value >= 0 ? value / step : -((-value + step - 1) / step);
}

struct axis
axis_make(money_sum least, money_sum most, int digits)
{
    least = least < 0 ? least : 0;
    most = most > 0 ? most : 0;
    struct axis axis = {.step = 1, .digits = digits};
    for (int i = 0; least == most && i < digits; i++)
        axis.step *= 10;
    money_sum low, high;
    for (;; axis.step = next_step(axis.step)) {
        low = floor_divide(least, axis.step);
        high = -floor_divide(-most, axis.step);
        if (high - low <= AXIS_STEPS_MAX)
            break;
    }
    axis.bottom = low * axis.step;
    axis.steps = high > low ? (int)(high - low) : 1;
    return axis;
}

int
axis_share(money_sum part, money_sum whole)
{
    assert(part >= 0 && part <= whole && whole > 0);
    while (whole > INT64_MAX) {
        whole /= 2;
        part /= 2;
    }
    return (int)money_divide(part * AXIS_PARTS, whole);
}

int
axis_place(const struct axis *axis, money_sum value)
{
    money_sum height = axis->steps * axis->step, above = value - axis->bottom;
    return axis_share(above < 0 ? 0 : above > height ? height : above, height);
}

void
axis_label(const struct axis *axis, int tick, char text[AXIS_TEXT_BYTES])
{
    static const char *const units[] = {"", "k", "M", "bn"};
    char decimal[MONEY_TEXT_BYTES];
    money_sum value = axis->bottom + tick * axis->step, most = axis->steps * axis->step;
    money_sum one = 1;
    int unit = 0;
    for (int i = 0; i < axis->digits; i++)
        one *= 10;
    /* 2,000 is as short as 2k; from 10,000 on the letter is. */
    for (; unit < 3 && most / one >= (unit == 0 ? 10000 : 1000); unit++)
        one *= 1000;
    /* Picos of billions have more digits than fit, and the last ones are all 0. */
    int digits = axis->digits + 3 * unit;
    for (; digits > DIGITS_MAX; digits--)
        value /= 10;
    money_format(value, digits, decimal);
    snprintf(text, AXIS_TEXT_BYTES, "%s%s", decimal, value != 0 ? units[unit] : "");
}
