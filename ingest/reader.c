#include "ingest/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "ingest/forward.h"
#include "ingest/ship.h"
#include "ingest/stranger.h"

enum {
    READ_BYTES = 256 * 1024,
    TRICKLES_MAX = 64, /* in one round */
};

static const char too_slow[] =
    "a message was begun and not whole in time (30 s, or 2 MiB further): send it faster, or less in one";
static const char no_answer[] = "the handshake was not over in time (30 s)";

enum err_code
reader_open(struct reader *r, struct clock clock, struct clients *clients,
            struct handover *handover, struct err *err)
{
    *r = (struct reader){.clock = clock, .clients = clients, .handover = handover};
    rest_init(&r->rest, clients);
    r->room = malloc(READ_BYTES);
    r->inflater = inflater_new();
    if (r->room == NULL || r->inflater == NULL)
        return err_set(err, ERR_LIMIT, "no memory for the read buffer");
    return ERR_OK;
}

void
reader_close(struct reader *r)
{
    inflater_free(r->inflater);
    free(r->room);
    r->inflater = NULL;
    r->room = NULL;
}

bool
reader_may_read(const struct reader *r)
{
    return !r->is_shut && !r->disk_full && handover_has_room(r->handover);
}

/* ---- what comes ---- */

struct reading {
    struct reader *reader;
    struct conn *conn;
    struct admit_from from;
    struct bytes piece;
    int64_t now_us;
    bool took_one; /* a message was whole */
};

/* PING: whose connection it is from now on, or why nobody's. */
static const char *
take_ping(struct reading *r, struct bytes message)
{
    struct clients *c = r->reader->clients;
    struct conn *conn = r->conn;
    struct handshake_ping ping;
    uint8_t pong[HANDSHAKE_OUT_BYTES_MAX];
    const char *reason = handshake_read_ping(message, &ping);
    if (reason != NULL)
        return reason;
    const struct peer_rule *rule = peers_host_rule(&c->peers, ping.hostname);
    struct bytes key = rule != NULL && rule->key.size_bytes > 0 ? rule->key : c->gate.key;
    struct peer *peer = NULL;
    reason = "the peer has another shared key";
    if (handshake_proves(&conn->visit->handshake, &ping, key))
        peer = peers_join_host(&c->peers, ping.hostname, r->now_us / 1000, &reason);
    if (peer == NULL) {
        /* One answer for every reason: which hosts have a rule is nobody's business. */
        conn_send(conn, pong, handshake_refusal("shared key or host not accepted", pong));
        return reason;
    }
    size_t n = handshake_pong(&conn->visit->handshake, &ping, c->gate.hostname, key, pong);
    conn_send(conn, pong, n);
    clients_let_in(c, conn, peer);
    stream_set_max(&conn->stream, FORWARD_MESSAGE_BYTES_MAX);
    return NULL;
}

static void
set_from(struct reading *r)
{
    r->from = (struct admit_from){.conn = r->conn,
                                  .peer = r->conn->peer,
                                  .receive_utc_ms = clock_now_ms(&r->reader->clock),
                                  .inflater = r->reader->inflater,
                                  .live = r->reader->live};
}

/* A value of one byte is what text and TLS look like: what stands behind it says more. */
static const char *
name_stranger(const struct reading *r, struct bytes message, const char *reason)
{
    const uint8_t *end = r->piece.data + r->piece.size_bytes;
    if (message.size_bytes != 1 || message.data < r->piece.data || message.data >= end)
        return reason;
    const char *named = stranger_reason((struct bytes){message.data, (size_t)(end - message.data)});
    return named != NULL ? named : reason;
}

/* Only over TCP, from who has shown its key: the copy is its host's. */
static const char *
take_shipped(struct reading *r, struct bytes message)
{
    static const char no_collector[] = "this agent is no collector: start it with --collect";
    struct buf answer;
    if (r->reader->collector != NULL)
        return collect_take(r->reader->collector, r->conn, message);
    buf_init(&answer, SHIP_ANSWER_BYTES_MAX);
    if (ship_put_refused(ERR_CONFIG, no_collector, &answer))
        conn_send(r->conn, answer.data, answer.size_bytes);
    buf_clear(&answer);
    return no_collector;
}

/* The board says of every organization what a question would: so it is for peers that may ask about
   every one, and on this machine only. */
static const char *
give_board(struct reading *r, const struct question *q)
{
    const struct peer *peer = r->conn->peer;
    const struct answer a = {.allowed = true,
                             .known = true,
                             .state = "board",
                             .limit = LIMIT_UNLIMITED,
                             .requests_per_minute = LIMIT_UNLIMITED,
                             .tokens_per_minute = LIMIT_UNLIMITED};
    uint8_t out[ANSWER_BYTES_MAX];
    if (q->chunk.id.size_bytes == 0)
        return "a board is given in an answer: chunk is missing";
    if (peer->uid == PEERS_NO_UID)
        return "the board is for this machine only";
    if (peer->rule != NULL && peer->rule->orgs != NULL)
        return "the board is for peers that may write for every organization";
    int fd = live_board(r->reader->live);
    if (fd < 0 || !conn_send_fd(r->conn, out, answer_write(q, &a, out), fd))
        return "there is no board now";
    return NULL;
}

/* May the organization do it?  Answered at once, before acks that wait for the disk. */
static __attribute__((cold)) const char *
take_question(struct reading *r, struct bytes message)
{
    struct question q;
    const char *defect, *reason;
    uint8_t out[ANSWER_BYTES_MAX];
    size_t n = 0;
    if (!question_read(message, &q, &defect, &reason))
        return reason;
    if (defect == NULL && q.op == QUESTION_BOARD) {
        defect = give_board(r, &q);
        if (defect == NULL)
            return NULL;
    } else if (defect == NULL && !peers_may_write(r->conn->peer->rule, q.organization)) {
        defect = "this peer may not ask about that organization";
    }
    r->reader->live->counts.wrong += defect != NULL;
    if (defect == NULL)
        n = live_answer(r->reader->live, &q, out);
    else if (q.chunk.id.size_bytes > 0)
        n = answer_write_error(&q, defect, out);
    if (n > 0)
        conn_send(r->conn, out, n);
    return NULL;
}

static const char *
take_message(void *context, struct bytes message)
{
    struct reading *r = context;
    struct reader *reader = r->reader;
    const char *reason;
    uint32_t owed = 0;
    r->took_one = true;
    if (r->conn->visit != NULL) {
        reason = take_ping(r, message);
        set_from(r);
        return reason != NULL ? name_stranger(r, message, reason) : NULL;
    }
    if (r->conn->ships != NULL || (r->conn->peer->uid == PEERS_NO_UID && ship_is(message)))
        return take_shipped(r, message);
    if (reader->live != NULL && question_is(message))
        return take_question(r, message);
    uint64_t before = reader->admitted.events + reader->admitted.quarantined;
    reason = admit_message(message, &r->from, reader->handover->fill, &reader->admitted, &owed);
    r->conn->owed += owed;
    if (reason != NULL)
        return name_stranger(r, message, reason);
    (void)peers_charge(r->conn->peer,
                       reader->admitted.events + reader->admitted.quarantined - before,
                       r->now_us / 1000);
    handover_between(reader->handover);
    return NULL;
}

/* ---- reading ---- */

/* It ended its side and may still want its acks; on an error it is gone. */
static void
see_end(struct reader *r, struct conn *conn, bool broken)
{
    const char *reason = conn->tls != NULL ? tls_reason(conn->tls) : NULL;
    if (reason != NULL)
        clients_reject(r->clients, conn, reason);
    else if (stream_is_inside(&conn->stream))
        r->clients->cut++;
    stream_clear(&conn->stream);
    clients_count_held(r->clients, conn);
    conn->done_reading = true;
    conn->deaf = conn->deaf || broken;
}

static void
feed(struct reader *r, struct conn *conn, size_t size_bytes)
{
    struct clients *c = r->clients;
    struct reading reading = {
        .reader = r, .conn = conn, .piece = {r->room, size_bytes}, .now_us = clock_monotonic_us()};
    bool was_inside = stream_is_inside(&conn->stream);
    set_from(&reading);
    c->busy = conn;
    const char *reason = stream_feed(&conn->stream, reading.piece, take_message, &reading);
    c->busy = NULL;
    clients_count_held(c, conn);
    if (reason != NULL) {
        clients_reject(c, conn, reason);
        return;
    }
    bool inside = stream_is_inside(&conn->stream), same = was_inside && !reading.took_one;
    if (inside && !same && conn->visit == NULL)
        clients_begin(c, conn, reading.now_us / 1000);
    else if (!inside && conn->visit == NULL)
        clients_finish(conn);
    rest_after_read(&r->rest, conn, size_bytes, inside && same, reading.now_us);
    if (conn->ships != NULL && conn->rests_in == NULL && !collect_has_room(r->collector))
        clients_rest(conn, collect_waiting(r->collector));
}

/* False when there was nothing. */
static bool
read_conn(struct reader *r, struct conn *conn)
{
    ssize_t n = conn_recv(conn, r->room, rest_read_max(&r->rest, conn, READ_BYTES));
    if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (n <= 0) {
        see_end(r, conn, n < 0);
        return true;
    }
    r->received_bytes += (uint64_t)n;
    feed(r, conn, (size_t)n);
    if (conn->tls != NULL && tls_has_failed(conn->tls) && !conn->done_reading)
        see_end(r, conn, true);
    return true;
}

void
reader_serve(struct reader *r, struct conn *conn, uint32_t events)
{
    if (conn->fd < 0)
        return; /* it ended earlier in this round */
    bool reads = reader_may_read(r) && conn_is_read(conn);
    /* Over TLS each may wait for the other. */
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0 || conn->tls != NULL)
        conn_flush(conn);
    if (reads && ((events & EPOLLIN) != 0 || conn->tls != NULL)) {
        handover_need_fill(r->handover);
        if (!rest_in_debt(&r->rest, conn, clock_monotonic_us() / 1000))
            (void)read_conn(r, conn);
    } else if ((events & (EPOLLHUP | EPOLLERR)) != 0 && conn->done_reading) {
        /* Both sides are down and nothing more is to be read: no ack can reach it. */
        conn->deaf = true;
    }
    clients_settle(r->clients, conn);
}

/* ---- time ---- */

int64_t
reader_due_us(const struct reader *r, int64_t now_us)
{
    const struct conn *first = r->clients->unfinished.first, *visitor = r->clients->visiting.first;
    int64_t due = reader_may_read(r) ? rest_due_us(&r->rest, now_us) : 0;
    due = clock_earlier(due, first != NULL ? first->deadline_ms * 1000 : 0);
    return clock_earlier(due, visitor != NULL ? visitor->deadline_ms * 1000 : 0);
}

/* Its time is over: whose fault is it? */
static void
expire(struct reader *r, struct conn *conn, int64_t now_ms)
{
    const struct conn_queue *rests_in = conn->rests_in;
    bool excused = !reader_may_read(r) || conn->out.size_bytes > CONN_UNREAD_ACKS_BYTES_MAX ||
                   (rests_in != NULL && rests_in != &r->rest.trickling);
    bool advances = conn->stream.begun.size_bytes - conn->begun_bytes >= CLIENTS_PROGRESS_BYTES;
    if (conn->visit == NULL && (excused || advances)) {
        clients_begin(r->clients, conn, now_ms);
        return;
    }
    clients_reject(r->clients, conn, conn->visit != NULL ? no_answer : too_slow);
    conn->deaf = conn->deaf || conn->visit != NULL;
    clients_finish(conn);
    clients_settle(r->clients, conn);
}

/* Most of them trickle on: they are read without asking epoll whether there is anything. */
static void
read_trickling(struct reader *r, int64_t now_us)
{
    struct conn *conn;
    for (int i = 0; i < TRICKLES_MAX && reader_may_read(r); i++) {
        conn = rest_next_trickling(&r->rest, now_us);
        if (conn == NULL)
            return;
        handover_need_fill(r->handover);
        if (!conn->done_reading && !rest_in_debt(&r->rest, conn, now_us / 1000) &&
            !read_conn(r, conn))
            conn->small_reads = 0;
        clients_settle(r->clients, conn);
    }
}

void
reader_on_time(struct reader *r, int64_t now_us)
{
    struct conn *conn;
    int64_t now_ms = now_us / 1000;
    if (reader_may_read(r)) {
        read_trickling(r, now_us);
        rest_on_time(&r->rest, now_us);
    }
    while ((conn = r->clients->unfinished.first) != NULL && conn->deadline_ms <= now_ms)
        expire(r, conn, now_ms);
    while ((conn = r->clients->visiting.first) != NULL && conn->deadline_ms <= now_ms)
        expire(r, conn, now_ms);
}
