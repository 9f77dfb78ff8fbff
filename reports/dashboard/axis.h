/*
 * reports/dashboard/axis.h - where values lie on a picture: whole numbers all the way, in
 * ten-thousandths of its height.
 */
#ifndef REPORTS_DASHBOARD_AXIS_H
#define REPORTS_DASHBOARD_AXIS_H

#include "store/base/money.h"

enum {
    AXIS_PARTS = 10000,
    AXIS_STEPS_MAX = 5,
    AXIS_TEXT_BYTES = 80,
};

/* Ticks at bottom, bottom + step, … bottom + steps * step; one of them is 0. */
struct axis {
    money_sum bottom, step; /* step is 1, 2 or 5 times a power of ten */
    int steps;              /* 1 to AXIS_STEPS_MAX */
    int digits;             /* behind the point: values are in 10^-digits of what is labelled */
};

/*
 * The axis with the smallest step that has all values and 0.
 *
 *   least, most  of the values: within +-2^110
 *   digits       12 for picos, 0 for whole numbers
 */
struct axis axis_make(money_sum least, money_sum most, int digits);

/* How far above the bottom a value lies, 0 to AXIS_PARTS; what lies outside is put at the edge. */
int axis_place(const struct axis *axis, money_sum value);

/* part / whole of AXIS_PARTS, rounded; 0 <= part <= whole, whole > 0. */
int axis_share(money_sum part, money_sum whole);

/* The value of tick 0 to steps, in words: "0.05", "2000", "20k", "1.5M". */
void axis_label(const struct axis *axis, int tick, char text[AXIS_TEXT_BYTES]);

#endif
