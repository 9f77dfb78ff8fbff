/*
 * store/base/clock.h - the clock is an argument.
 *
 * What depends on the time of day takes a struct clock, so a test can live
 * through a year in a millisecond.
 */
#ifndef STORE_BASE_CLOCK_H
#define STORE_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*now_utc_ms)(const struct clock *clock);
    int64_t fixed_utc_ms; /* what a fixed clock says */
};

/* The machine's clock. */
struct clock clock_system(void);

/* A clock that stands still. */
struct clock clock_fixed(int64_t utc_ms);

/* Milliseconds since 1970-01-01T00:00Z. */
static inline int64_t
clock_now_ms(const struct clock *clock)
{
    return clock->now_utc_ms(clock);
}

/* Nanoseconds of a clock that never jumps; only differences mean anything. */
int64_t clock_monotonic_ns(void);

static inline int64_t
clock_monotonic_us(void)
{
    return clock_monotonic_ns() / 1000;
}

static inline int64_t
clock_monotonic_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

/* The earlier of two times at which something is due; 0: nothing is. */
static inline int64_t
clock_earlier(int64_t a, int64_t b)
{
    return a == 0 ? b : b == 0 || a < b ? a : b;
}

#endif
