#include "ingest/ship_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/gate.h"
#include "ingest/handshake_client.h"
#include "ingest/tls_client.h"
#include "store/base/clock.h"
#include "store/event/mp.h"

enum {
    CONNECT_MS = 10000, /* and the handshake */
    SEND_MS = 60000,    /* for the peer to take anything at all */
    TURN_MS = 500,      /* how late a stop is seen */
    /* HELO, PONG or an answer; more than one may have come. */
    IN_BYTES_MAX = 4 * SHIP_ANSWER_BYTES_MAX,
};

struct ship_wire {
    const struct ship_wire_options *options;
    int fd;
    struct tls_client *tls; /* NULL: plain */
    struct buf in;
    size_t taken_bytes; /* of in: the message given last */
};

enum err_code
ship_wire_check(const struct ship_wire_options *o, struct err *err)
{
    char host[GATE_HOST_BYTES], port[GATE_PORT_BYTES];
    if (!gate_address(o->to, host, port))
        return err_set(err, ERR_CONFIG,
                       "--to is \"%s\", must be HOST:PORT, such as collector.example:24224 or "
                       "[2001:db8::1]:24224",
                       o->to);
    if (!handshake_is_hostname(str_of(o->host)) || !ship_host_ok(str_of(o->host)))
        return err_set(err, ERR_CONFIG,
                       "the host's name is \"%s\", must be 1 to %d letters, digits and . _ : - "
                       "and not begin with a dot: give another with --host",
                       o->host, HANDSHAKE_HOST_BYTES_MAX);
    return o->tls_ca != NULL ? tls_client_check(o->tls_ca, err) : ERR_OK;
}

/* Wait for a descriptor, in turns; false when the time is over or it is told to stop. */
static bool
wait_for(const struct ship_wire *w, short events, int64_t until_ms)
{
    for (;;) {
        int64_t left = until_ms - clock_monotonic_ms();
        if (left <= 0 || *w->options->stop)
            return false;
        struct pollfd p = {.fd = w->fd, .events = events};
        int n = poll(&p, 1, left < TURN_MS ? (int)left : TURN_MS);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

static enum err_code
give_up(const struct ship_wire *w, const char *doing, struct err *err)
{
    if (*w->options->stop)
        return err_set(err, ERR_PEER, "told to stop");
    return err_set(err, ERR_PEER, "%s: %s: it does not answer", w->options->to, doing);
}

/* ---- connecting ---- */

static bool
connect_to(struct ship_wire *w, const struct addrinfo *at, int *ret_errno)
{
    int on = 1, idle_s = 60, every_s = 15;
    socklen_t size = sizeof *ret_errno;
    w->fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (w->fd < 0) {
        *ret_errno = errno;
        return false;
    }
    *ret_errno = connect(w->fd, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
    if (*ret_errno == EINPROGRESS) {
        *ret_errno = ETIMEDOUT;
        if (wait_for(w, POLLOUT, clock_monotonic_ms() + CONNECT_MS))
            (void)getsockopt(w->fd, SOL_SOCKET, SO_ERROR, ret_errno, &size);
    }
    if (*ret_errno != 0) {
        close(w->fd);
        w->fd = -1;
        return false;
    }
    (void)setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* A peer that has gone without a word is found out while nothing is to be sent, too. */
    (void)setsockopt(w->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(w->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(w->fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
    return true;
}

static enum err_code
connect_any(struct ship_wire *w, const char *host, const char *port, struct err *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *all = NULL;
    int why = 0, rc = getaddrinfo(host, port, &hints, &all);
    if (rc != 0)
        return err_set(err, ERR_PEER, "%s: %s", w->options->to, gai_strerror(rc));
    for (const struct addrinfo *at = all; at != NULL && w->fd < 0 && !*w->options->stop;
         at = at->ai_next)
        (void)connect_to(w, at, &why);
    freeaddrinfo(all);
    return w->fd >= 0
               ? ERR_OK
               : err_set(err, ERR_PEER, "%s: cannot connect: %s", w->options->to, strerror(why));
}

static enum err_code
start_tls(struct ship_wire *w, const char *host, struct err *err)
{
    int64_t until = clock_monotonic_ms() + CONNECT_MS;
    enum err_code code = tls_client_new(w->options->tls_ca, host, w->fd, &w->tls, err);
    while (code == ERR_OK) {
        short waits_for = 0;
        code = tls_client_handshake(w->tls, &waits_for, err);
        if (code != ERR_OK || waits_for == 0)
            break;
        if (!wait_for(w, waits_for, until))
            return give_up(w, "TLS", err);
    }
    return err_wrap(err, code, "%s", w->options->to);
}

/* ---- bytes ---- */

static ssize_t
send_some(struct ship_wire *w, struct bytes b, short *ret_waits_for)
{
    *ret_waits_for = POLLOUT;
    if (w->tls != NULL)
        return tls_client_send(w->tls, b, ret_waits_for);
    return send(w->fd, b.data, b.size_bytes, MSG_NOSIGNAL);
}

enum err_code
ship_wire_send(struct ship_wire *w, struct bytes b, struct err *err)
{
    while (b.size_bytes > 0) {
        short waits_for;
        ssize_t n = send_some(w, b, &waits_for);
        if (n > 0)
            b = (struct bytes){b.data + n, b.size_bytes - (size_t)n};
        else if (n < 0 && errno == EINTR)
            continue;
        else if (n == 0 || errno != EAGAIN)
            return err_set(err, ERR_PEER, "%s: the connection is lost: %s", w->options->to,
                           n == 0 ? "closed" : strerror(errno));
        else if (!wait_for(w, waits_for, clock_monotonic_ms() + SEND_MS))
            return give_up(w, "sending", err);
    }
    return ERR_OK;
}

/* The next whole value of what came; false: not whole yet. */
static enum err_code
next_value(struct ship_wire *w, struct bytes *ret, bool *ret_any, struct err *err)
{
    struct mp_scan scan = {.depth = 0};
    size_t whole = 0;
    *ret_any = false;
    if (w->in.size_bytes == 0)
        return ERR_OK;
    enum mp_scan_result r = mp_scan(&scan, w->in.data, w->in.size_bytes, w->in.cap_bytes, &whole);
    if (r == MP_SCAN_BAD)
        return err_set(err, ERR_PEER, "%s: what it sends is not the forward protocol%s",
                       w->options->to,
                       w->tls == NULL ? "; has it a certificate? Then give --tls-ca" : "");
    *ret_any = r == MP_SCAN_WHOLE;
    *ret = (struct bytes){w->in.data, whole};
    w->taken_bytes = *ret_any ? whole : 0;
    return ERR_OK;
}

/* What is there, without waiting. */
static enum err_code
receive_value(struct ship_wire *w, struct bytes *ret, bool *ret_any, struct err *err)
{
    buf_drop(&w->in, w->taken_bytes);
    w->taken_bytes = 0;
    for (;;) {
        enum err_code code = next_value(w, ret, ret_any, err);
        if (code != ERR_OK || *ret_any)
            return code;
        size_t room = w->in.cap_bytes - w->in.size_bytes;
        if (!buf_reserve(&w->in, room))
            return err_set(err, ERR_LIMIT, "no memory for an answer");
        uint8_t *at = w->in.data + w->in.size_bytes;
        ssize_t n = w->tls != NULL ? tls_client_recv(w->tls, at, room) : recv(w->fd, at, room, 0);
        if (n > 0)
            w->in.size_bytes += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            return ERR_OK;
        else if (n == 0 || errno != EINTR)
            return err_set(err, ERR_PEER, "%s: the connection is lost: %s", w->options->to,
                           n == 0 ? "closed by the collector" : strerror(errno));
    }
}

static enum err_code
await_value(struct ship_wire *w, struct bytes *ret, struct err *err)
{
    int64_t until = clock_monotonic_ms() + CONNECT_MS;
    for (;;) {
        bool any;
        enum err_code code = receive_value(w, ret, &any, err);
        if (code != ERR_OK || any)
            return code;
        if (!wait_for(w, POLLIN, until))
            return give_up(w, "the handshake", err);
    }
}

enum err_code
ship_wire_receive(struct ship_wire *w, struct ship_message *ret, bool *ret_any, struct err *err)
{
    struct bytes value;
    enum err_code code = receive_value(w, &value, ret_any, err);
    if (code != ERR_OK || !*ret_any)
        return code;
    const char *reason = ship_read(value, ret);
    return reason == NULL ? ERR_OK : err_set(err, ERR_PEER, "%s: %s", w->options->to, reason);
}

/* ---- the beginning and the end ---- */

static enum err_code
shake_hands(struct ship_wire *w, struct err *err)
{
    struct handshake_client h;
    struct bytes value;
    struct str said;
    struct buf ping;
    const struct ship_wire_options *o = w->options;
    buf_init(&ping, HANDSHAKE_PING_BYTES_MAX);
    enum err_code code = await_value(w, &value, err);
    if (code == ERR_OK) {
        const char *reason = handshake_client_ping(&h, value, str_of(o->host), o->key, &ping);
        if (reason != NULL)
            code = err_set(err, ERR_PEER, "%s: %s", o->to, reason);
    }
    if (code == ERR_OK)
        code = ship_wire_send(w, (struct bytes){ping.data, ping.size_bytes}, err);
    buf_clear(&ping);
    if (code == ERR_OK)
        code = await_value(w, &value, err);
    if (code != ERR_OK)
        return code;
    const char *reason = handshake_client_pong(&h, value, o->key, &said);
    if (reason != NULL)
        return err_set(err, ERR_DENIED, "%s: %s%s%.*s", o->to, reason,
                       said.size_bytes > 0 ? ": " : "", STR_ARG(said));
    return ERR_OK;
}

enum err_code
ship_wire_open(const struct ship_wire_options *options, struct ship_wire **ret, struct err *err)
{
    char host[GATE_HOST_BYTES], port[GATE_PORT_BYTES];
    struct ship_wire *w = calloc(1, sizeof *w);
    if (w == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    w->options = options;
    w->fd = -1;
    buf_init(&w->in, IN_BYTES_MAX);
    enum err_code code = ERR_OK;
    if (!gate_address(options->to, host, port))
        code = ship_wire_check(options, err);
    if (code == ERR_OK)
        code = connect_any(w, host, port, err);
    if (code == ERR_OK && options->tls_ca != NULL)
        code = start_tls(w, host, err);
    if (code == ERR_OK)
        code = shake_hands(w, err);
    if (code != ERR_OK) {
        ship_wire_close(w);
        return code;
    }
    *ret = w;
    return ERR_OK;
}

void
ship_wire_close(struct ship_wire *w)
{
    if (w == NULL)
        return;
    tls_client_free(w->tls);
    if (w->fd >= 0)
        close(w->fd);
    buf_clear(&w->in);
    free(w);
}

int
ship_wire_fd(const struct ship_wire *w)
{
    return w->fd;
}
