#include "store/base/clock.h"

#include <time.h>

static int64_t
system_now(const struct clock *clock)
{
    (void)clock;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t
fixed_now(const struct clock *clock)
{
    return clock->fixed_utc_ms;
}

struct clock
clock_system(void)
{
    return (struct clock){.now_utc_ms = system_now};
}

struct clock
clock_fixed(int64_t utc_ms)
{
    return (struct clock){.now_utc_ms = fixed_now, .fixed_utc_ms = utc_ms};
}

int64_t
clock_monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}
