#include "ingest/client/wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/base/clock.h"

#define NS_PER_MS ((int64_t)1000000)

enum err_code
wire_init(struct wire *wire, const char *socket_path, struct err *err)
{
    *wire = (struct wire){.fd = -1, .pause_ms = WIRE_PAUSE_MS_MIN};
    size_t path_bytes = strlen(socket_path), limit_bytes = sizeof wire->address.sun_path - 1;
    if (path_bytes > limit_bytes)
        return err_set(err, ERR_LIMIT,
                       "%s: the socket's path has %zu bytes, the kernel's limit is %zu; use a "
                       "shorter or a relative one",
                       socket_path, path_bytes, limit_bytes);
    wire->address.sun_family = AF_UNIX;
    memcpy(wire->address.sun_path, socket_path, path_bytes);
    wire->message = malloc(CHUNK_BYTES_MAX);
    return wire->message != NULL ? ERR_OK : err_set(err, ERR_IO, "out of memory for a message");
}

static void
disconnect(struct wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
    wire->message_bytes = wire->sent_bytes = 0;
    wire->in.begin = wire->in.end = 0;
    wire->in.scan = (struct mp_scan){0};
}

void
wire_clear(struct wire *wire)
{
    disconnect(wire);
    free(wire->message);
    wire->message = NULL;
}

static void __attribute__((format(printf, 2, 3))) lose(struct wire *wire, const char *fmt, ...)
{
    va_list ap;
    size_t at =
        (size_t)snprintf(wire->trouble, sizeof wire->trouble, "%s: ", wire->address.sun_path);
    va_start(ap, fmt);
    vsnprintf(wire->trouble + at, sizeof wire->trouble - at, fmt, ap);
    va_end(ap);
    disconnect(wire);
    wire->retry_at_ns = clock_monotonic_ns() + wire->pause_ms * NS_PER_MS;
    wire->pause_ms = wire->pause_ms * 2 < WIRE_PAUSE_MS_MAX ? wire->pause_ms * 2
                                                            : WIRE_PAUSE_MS_MAX;
}

/* Why nobody answers there, with the remedy. */
static void
lose_absent(struct wire *wire, int e)
{
    wire->is_denied = e == EACCES || e == EPERM;
    if (wire->is_denied)
        lose(wire, "permission denied; the agent's socket is for its user and group, run as a "
                   "member of it");
    else if (e == ENOENT || e == ECONNREFUSED || e == ENOTDIR)
        lose(wire, "no agent listens there (%s); start gbill-agent", strerror(e));
    else
        lose(wire, "cannot connect: %s", strerror(e));
}

void
wire_connect(struct wire *wire)
{
    if (wire->fd >= 0 || clock_monotonic_ns() < wire->retry_at_ns)
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        lose_absent(wire, errno);
        return;
    }
    /* A unix socket connects at once or not at all: there is no EINPROGRESS. */
    if (connect(fd, (const struct sockaddr *)&wire->address, sizeof wire->address) != 0) {
        int e = errno;
        close(fd);
        lose_absent(wire, e);
        return;
    }
    wire->fd = fd;
    wire->is_denied = false;
    wire->connects++;
}

void
wire_send(struct wire *wire)
{
    while (wire->fd >= 0 && wire_is_sending(wire)) {
        ssize_t n = send(wire->fd, wire->message + wire->sent_bytes,
                         wire->message_bytes - wire->sent_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return;
        if (n < 0) {
            lose(wire, "cannot send: %s; connecting again", strerror(errno));
            return;
        }
        wire->sent_bytes += (size_t)n;
    }
}

void
wire_accept(struct wire *wire)
{
    wire->pause_ms = WIRE_PAUSE_MS_MIN;
    wire->trouble[0] = '\0';
}

void
wire_refuse(struct wire *wire)
{
    lose(wire, "what answers there is no gbill-agent: it sent bytes that are no ack of ours");
}

/* False: nothing came, or the connection is lost. */
static bool
receive_some(struct wire *wire)
{
    size_t room_bytes;
    uint8_t *room = ack_stream_room(&wire->in, &room_bytes);
    ssize_t n;
    do
        n = recv(wire->fd, room, room_bytes, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        wire->in.end += (size_t)n;
    else if (n == 0)
        lose(wire, "the agent closed the connection; connecting again");
    else if (errno != EAGAIN)
        lose(wire, "cannot receive: %s; connecting again", strerror(errno));
    return n > 0;
}

bool
wire_receive(struct wire *wire, uint8_t ret_id[CHUNK_ID_BYTES])
{
    while (wire->fd >= 0) {
        enum ack_result result = wire->in.end > wire->in.begin ? ack_stream_next(&wire->in, ret_id)
                                                               : ACK_MORE;
        if (result == ACK_TAKEN)
            return true;
        if (result == ACK_BAD)
            wire_refuse(wire);
        else if (!receive_some(wire))
            return false;
    }
    return false;
}
