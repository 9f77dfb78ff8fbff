#include "store/base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "store/base/clock.h"
#include "store/base/time.h"

static enum log_level least = LOG_LEVEL_INFO;

void
log_set_level(enum log_level level)
{
    least = level;
}

void
log_line(enum log_level level, const char *event, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (level < least)
        return;
    struct clock clock = clock_system();
    char when[TIME_TEXT_BYTES], pairs[1024];
    time_format_ms(clock_now_ms(&clock), when);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(pairs, sizeof pairs, fmt, ap);
    va_end(ap);
    /* A foreign text must not be able to forge a line. */
    for (char *p = pairs; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    }
    /* One call, so that lines of two threads do not mix. */
    fprintf(stderr, "time=%s level=%s event=%s%s%s\n", when, names[level], event,
            pairs[0] != '\0' ? " " : "", pairs);
}
