/*
 * store/base/log.h - what a program says while it runs: logfmt on stderr.
 *
 * One line an event: time=… level=… event=word key=value …  Only commands and
 * the agent's loop log, and where a billing decision is made (log_decision()); the
 * layers below return errors.  Never log a secret.
 */
#ifndef STORE_BASE_LOG_H
#define STORE_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Lines below this level are not written.  Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* Is LOG_LEVEL_DEBUG written?  DEBUG_BILLING=true, or --debug where there is such an option. */
bool log_debugs(void);

/*
 * A billing decision, with what decided it, as log_line() at LOG_LEVEL_DEBUG.  While that
 * is not written its arguments are not looked at either.
 */
#define log_decision(...) (log_debugs() ? log_line(LOG_LEVEL_DEBUG, __VA_ARGS__) : (void)0)

/*
 * Write one line.
 *
 *   event  a fixed word, e.g. "listening"
 *   fmt    printf format of further key=value pairs, or "" for none
 */
void log_line(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * What to put in front of a line on stderr so that the journal knows its priority:
 * "<4>" for a warning; "" when stderr is not the journal (JOURNAL_STREAM of
 * systemd.exec(5)).  log_line() does it by itself.
 */
const char *log_prefix(enum log_level level);

#endif
