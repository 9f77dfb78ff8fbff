#include "store/base/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/clock.h"
#include "store/base/time.h"

static enum log_level least = LOG_LEVEL_INFO;

void
log_set_level(enum log_level level)
{
    least = level;
}

bool
log_debugs(void)
{
    return least <= LOG_LEVEL_DEBUG;
}

const char *
log_prefix(enum log_level level)
{
    static const char *const prefixes[] = {"<7>", "<6>", "<4>", "<3>"};
    const char *journal = getenv("JOURNAL_STREAM");
    char ours[64];
    struct stat st;
    if (journal == NULL || fstat(2, &st) != 0)
        return "";
    /* Children inherit the variable, but may write elsewhere. */
    snprintf(ours, sizeof ours, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    if (strcmp(journal, ours) != 0)
        return "";
    return prefixes[level];
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
    fprintf(stderr, "%stime=%s level=%s event=%s%s%s\n", log_prefix(level), when, names[level],
            event, pairs[0] != '\0' ? " " : "", pairs);
}
