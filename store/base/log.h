/*
 * store/base/log.h - what a program says while it runs: logfmt on stderr.
 *
 * One line an event: time=… level=… event=word key=value …  Only commands and
 * the agent's loop log; the layers below return errors.  Never log a secret.
 */
#ifndef STORE_BASE_LOG_H
#define STORE_BASE_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Lines below this level are not written.  Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

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
