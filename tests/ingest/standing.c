#include "tests/ingest/standing.h"

int64_t __real_clock_monotonic_ns(void);
int64_t __wrap_clock_monotonic_ns(void);

int64_t standing_ns;

int64_t
__wrap_clock_monotonic_ns(void)
{
    return standing_ns != 0 ? standing_ns : __real_clock_monotonic_ns();
}

int64_t
standing_true_ns(void)
{
    return __real_clock_monotonic_ns();
}
