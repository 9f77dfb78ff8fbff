#include "store/base/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { NOTIFY_TEXT_BYTES_MAX = 1024, NOTIFY_WAIT_US = 100000 };

/* "/path", or "@name" of the abstract namespace; 0: neither, or too long. */
static socklen_t
address_of(const char *name, struct sockaddr_un *ret)
{
    size_t n = name != NULL ? strlen(name) : 0;
    if (n < 2 || n >= sizeof ret->sun_path || (name[0] != '/' && name[0] != '@'))
        return 0;
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, name, n);
    if (name[0] == '@')
        ret->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/' ? 1 : 0));
}

bool
notify_send(const char *fmt, ...)
{
    struct sockaddr_un address;
    const struct timeval wait = {.tv_usec = NOTIFY_WAIT_US};
    char text[NOTIFY_TEXT_BYTES_MAX];
    socklen_t size = address_of(getenv("NOTIFY_SOCKET"), &address);
    if (size == 0)
        return false;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool sent =
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
        sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, size) >= 0;
    close(fd);
    return sent;
}

/* A whole number, or 0. */
static int64_t
number_of(const char *name)
{
    const char *text = getenv(name);
    char *end;
    long long n = text != NULL ? strtoll(text, &end, 10) : 0;
    return n > 0 && *end == '\0' ? n : 0;
}

struct notify_watchdog
notify_watchdog_start(int64_t now_ms)
{
    int64_t ms = number_of("WATCHDOG_USEC") / 2000;
    bool ours = getenv("WATCHDOG_PID") == NULL || number_of("WATCHDOG_PID") == getpid();
    if (ms == 0 || !ours || getenv("NOTIFY_SOCKET") == NULL)
        return (struct notify_watchdog){0};
    return (struct notify_watchdog){ms, now_ms};
}

void
notify_watchdog_feed(struct notify_watchdog *watchdog, int64_t now_ms)
{
    if (watchdog->every_ms == 0 || now_ms < watchdog->due_ms)
        return;
    (void)notify_send("WATCHDOG=1");
    watchdog->due_ms = now_ms + watchdog->every_ms;
}
