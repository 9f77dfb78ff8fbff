/*
 * store/base/notify.h - tell the service manager how we are: systemd's protocol of
 * sd_notify(3), a datagram of lines to the socket that NOTIFY_SOCKET names.
 *
 * Without that variable nothing happens, so a program need not know who started it.
 * A manager that does not take a message within a tenth of a second goes without.
 */
#ifndef STORE_BASE_NOTIFY_H
#define STORE_BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Send one message.
 *
 *   fmt  lines as sd_notify(3) has them: "READY=1\nSTATUS=…".  An argument must not
 *        hold a newline
 *
 * Returns whether it was sent.
 */
bool notify_send(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* When the manager is to hear that we are alive; all 0: it does not want to. */
struct notify_watchdog {
    int64_t every_ms, due_ms; /* monotonic */
};

/* What WATCHDOG_USEC and WATCHDOG_PID ask for: a sign at half of that time. */
struct notify_watchdog notify_watchdog_start(int64_t now_ms);

/* Say that we are alive, if that is due.  Call it whenever due_ms is reached, or more often. */
void notify_watchdog_feed(struct notify_watchdog *watchdog, int64_t now_ms);

#endif
