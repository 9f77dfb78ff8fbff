#include "ingest/client/wire.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <unistd.h>

#include "store/base/clock.h"

#define NS_PER_MS ((int64_t)1000000)

void
wire_close(struct gbill *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->in_bytes = 0;
    client->scan = (struct mp_scan){0};
    for (size_t i = 0; i < client->sealed_count; i++)
        client->sealed[i]->sent_bytes = 0;
    client->next_to_send = 0;
}

/* Note what went wrong and when to try again; the pause doubles until an ack comes. */
static void __attribute__((format(printf, 2, 3))) lose(struct gbill *client, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(client->trouble, sizeof client->trouble, fmt, ap);
    va_end(ap);
    wire_close(client);
    client->retry_at_ns = clock_monotonic_ns() + client->backoff_ms * NS_PER_MS;
    client->backoff_ms = client->backoff_ms * 2 < GBILL_BACKOFF_MS_MAX ? client->backoff_ms * 2
                                                                       : GBILL_BACKOFF_MS_MAX;
}

static void
connect_now(struct gbill *client)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failed =
        fd < 0 ? -1
               : connect(fd, (const struct sockaddr *)&client->address, sizeof client->address);
    /* A unix socket connects at once or not at all: there is no EINPROGRESS. */
    client->connect_errno = failed == 0 ? 0 : errno;
    if (failed == 0) {
        client->fd = fd;
        client->stats.connects++;
        return;
    }
    if (fd >= 0)
        close(fd);
    lose(client, "cannot connect: %s", strerror(client->connect_errno));
}

static bool
has_unsent(const struct gbill *client)
{
    return client->next_to_send < client->sealed_count;
}

static void
send_chunks(struct gbill *client)
{
    while (client->fd >= 0 && has_unsent(client)) {
        struct chunk *chunk = client->sealed[client->next_to_send];
        ssize_t n = send(client->fd, chunk->message.data + chunk->sent_bytes,
                         chunk->message.size_bytes - chunk->sent_bytes,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return;
        if (n < 0) {
            lose(client, "cannot send: %s", strerror(errno));
            return;
        }
        if (chunk->sent_bytes == 0 && chunk->was_sent)
            client->stats.chunks_resent++;
        chunk->was_sent = true;
        chunk->sent_bytes += (size_t)n;
        if (chunk->sent_bytes == chunk->message.size_bytes)
            client->next_to_send++;
    }
}

/* Forget the chunk at index i of sealed: it is in the agent's log. */
static void
settle(struct gbill *client, size_t i)
{
    struct chunk *chunk = client->sealed[i];
    client->stats.events_acked += chunk->event_count;
    client->stats.chunks_acked++;
    client->sealed_count--;
    client->next_to_send--;
    memmove(client->sealed + i, client->sealed + i + 1,
            (client->sealed_count - i) * sizeof(struct chunk *));
    client->spare[client->spare_count++] = chunk;
    client->progress_ns = clock_monotonic_ns();
    client->backoff_ms = GBILL_BACKOFF_MS_MIN;
    client->trouble[0] = '\0';
}

/* The chunk id that {"ack": id} names; empty when the value is anything else. */
static struct str
ack_of(struct bytes value)
{
    struct mp m = mp_of(value);
    struct mp_value head, key, v;
    if (!mp_read(&m, &head) || head.type != MP_MAP)
        return (struct str){0};
    for (uint32_t i = 0; i < head.count; i++) {
        if (!mp_read(&m, &key) || key.type == MP_MAP || key.type == MP_ARRAY)
            return (struct str){0};
        struct mp peek = m;
        if (key.type == MP_STR && str_is(mp_str(&key), "ack"))
            return mp_read(&peek, &v) && (v.type == MP_STR || v.type == MP_BIN) ? mp_str(&v)
                                                                                : (struct str){0};
        if (!mp_skip(&m))
            return (struct str){0};
    }
    return (struct str){0};
}

/* Only what was sent whole over this connection can be acknowledged on it. */
static bool
take_ack(struct gbill *client, struct bytes value)
{
    struct str id = ack_of(value);
    for (size_t i = 0; i < client->next_to_send; i++) {
        if (str_is(id, client->sealed[i]->id)) {
            settle(client, i);
            return true;
        }
    }
    return false;
}

static void
take_acks(struct gbill *client)
{
    size_t at = 0, value_bytes;
    for (;;) {
        enum mp_scan_result found = mp_scan(&client->scan, client->in + at, client->in_bytes - at,
                                            WIRE_ACK_BYTES_MAX, &value_bytes);
        if (found == MP_SCAN_MORE)
            break;
        if (found == MP_SCAN_BAD ||
            !take_ack(client, (struct bytes){client->in + at, value_bytes})) {
            lose(client, "what answers there is no gbill-agent: it sent bytes that are no ack");
            return;
        }
        client->scan = (struct mp_scan){0};
        at += value_bytes;
    }
    client->in_bytes -= at;
    memmove(client->in, client->in + at, client->in_bytes);
}

static void
receive_acks(struct gbill *client)
{
    while (client->fd >= 0) {
        /* take_acks() leaves less than WIRE_ACK_BYTES_MAX, so there is always room. */
        size_t room_bytes = sizeof client->in - client->in_bytes;
        ssize_t n = recv(client->fd, client->in + client->in_bytes, room_bytes, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            lose(client, "cannot receive: %s", strerror(errno));
            return;
        }
        if (n == 0) {
            lose(client, "the agent closed the connection");
            return;
        }
        client->in_bytes += (size_t)n;
        take_acks(client);
        if ((size_t)n < room_bytes)
            return;
    }
}

/* Wait for the moment to connect. */
static void
wait_to_connect(struct gbill *client, int wait_ms)
{
    int64_t left_ns = client->retry_at_ns - clock_monotonic_ns();
    int64_t left_ms = left_ns > 0 ? (left_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
    if (left_ms > 0 && wait_ms > 0)
        poll(NULL, 0, left_ms < wait_ms ? (int)left_ms : wait_ms);
    if (client->retry_at_ns <= clock_monotonic_ns())
        connect_now(client);
}

void
wire_step(struct gbill *client, int wait_ms)
{
    assert(client->next_to_send <= client->sealed_count);
    if (client->fd < 0)
        wait_to_connect(client, wait_ms);
    send_chunks(client);
    if (client->fd < 0)
        return;
    if (wait_ms > 0) {
        struct pollfd p = {.fd = client->fd, .events = POLLIN};
        if (has_unsent(client))
            p.events |= POLLOUT;
        if (poll(&p, 1, wait_ms) <= 0)
            return;
        send_chunks(client);
    }
    receive_acks(client);
}
