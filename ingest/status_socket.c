#include "ingest/status_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/base/cli.h"
#include "store/base/clock.h"

enum {
    STATUS_TEXT_BYTES_MAX = 32 * 1024,
    STATUS_ACCEPTS_MAX = 4, /* in one round: those who send events have their turn too */
};

#define STATUS_RETRY_MS ((int64_t)1000) /* when there is no descriptor left */

void
status_socket_init(struct status_socket *s)
{
    *s = (struct status_socket){.epoll_fd = -1, .listener = {.fd = -1}};
    buf_init(&s->text, STATUS_TEXT_BYTES_MAX);
    buf_init(&s->answer, STATUS_TEXT_BYTES_MAX);
}

static int
watch(const struct status_socket *s, int how, int fd, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};
    return epoll_ctl(s->epoll_fd, how, fd, &ev);
}

enum err_code
status_socket_open(struct status_socket *s, const char *path,
                   void (*gather)(void *context, struct figures *f), void *context, struct err *err)
{
    s->gather = gather;
    s->context = context;
    enum err_code code = listen_open(path, &s->listener, err);
    if (code != ERR_OK)
        return code;
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0 || watch(s, EPOLL_CTL_ADD, s->listener.fd, EPOLLIN) != 0)
        return err_set_errno(err, errno, "cannot watch the status socket");
    return ERR_OK;
}

void
status_socket_close(struct status_socket *s)
{
    for (size_t i = 0; i < s->waiting_count; i++)
        close(s->waiting[i]);
    s->waiting_count = 0;
    listen_close(&s->listener);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
    s->epoll_fd = -1;
    buf_clear(&s->text);
    buf_clear(&s->answer);
}

/* What the kernel knows of this process. */
static void
add_process(struct figures *f)
{
    struct rusage use;
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *resident = strchr(text, ' ');
    if (resident != NULL)
        f->resident_bytes = strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (getrusage(RUSAGE_SELF, &use) == 0)
        f->cpu_ns = (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000000 +
                    (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1000;
}

/* Into s->answer; without room it stays empty, and the client sees an end without an answer. */
static void
make_answer(struct status_socket *s)
{
    struct figures f = {.version = CLI_VERSION};
    add_process(&f);
    s->gather(s->context, &f);
    s->fresh = true;
    s->text.size_bytes = s->answer.size_bytes = 0;
    if (!figures_write(&f, &s->text) ||
        !buf_printf(&s->answer,
                    "HTTP/1.0 200 OK\r\n"
                    "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                    "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                    s->text.size_bytes) ||
        !buf_append(&s->answer, s->text.data, s->text.size_bytes))
        s->answer.size_bytes = 0;
}

static void
answer(struct status_socket *s, size_t which)
{
    int fd = s->waiting[which];
    if (!s->fresh)
        make_answer(s);
    ssize_t n = send(fd, s->answer.data, s->answer.size_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)n; /* it has gone, or the kernel has no memory: it can ask again */
    close(fd);
    s->waiting_count--;
    memmove(s->waiting + which, s->waiting + which + 1,
            (s->waiting_count - which) * sizeof s->waiting[0]);
}

/* Has it asked?  What it sends is thrown away, at most some of it: closing discards the rest. */
static bool
has_spoken(int fd)
{
    char rest[1024];
    bool spoken = false;
    for (int i = 0; i < 8; i++) {
        ssize_t n = recv(fd, rest, sizeof rest, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            break;
        spoken = true;
        if (n <= 0)
            break;
    }
    return spoken;
}

/* Level-triggered, a listener that cannot be served would wake us for ever. */
static void
pause_accepting(struct status_socket *s)
{
    (void)watch(s, EPOLL_CTL_MOD, s->listener.fd, 0);
    s->again_ms = clock_monotonic_ms() + STATUS_RETRY_MS;
}

static void
accept_some(struct status_socket *s)
{
    for (int i = 0; i < STATUS_ACCEPTS_MAX; i++) {
        struct listen_peer peer;
        int fd = listen_accept(&s->listener, &peer);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                pause_accepting(s);
            return;
        }
        if (s->waiting_count == STATUS_WAITING_MAX)
            answer(s, 0);
        if (watch(s, EPOLL_CTL_ADD, fd, EPOLLIN) != 0) {
            close(fd);
            continue;
        }
        s->waiting[s->waiting_count++] = fd;
    }
}

void
status_socket_serve(struct status_socket *s)
{
    s->fresh = false;
    if (s->again_ms == 0)
        accept_some(s);
    for (size_t i = 0; i < s->waiting_count;) {
        if (has_spoken(s->waiting[i]))
            answer(s, i);
        else
            i++;
    }
}

void
status_socket_on_time(struct status_socket *s, int64_t now_ms)
{
    if (s->again_ms == 0 || now_ms < s->again_ms)
        return;
    (void)watch(s, EPOLL_CTL_MOD, s->listener.fd, EPOLLIN);
    s->again_ms = 0;
}
