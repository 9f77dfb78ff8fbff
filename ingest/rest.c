#include "ingest/rest.h"

#include "store/base/clock.h"

enum {
    SMALL_READ_BYTES = 4096,
    SMALL_READS_MAX = 16,             /* in a row, before it counts as trickling */
    WAKES_MAX = 64,                   /* in one round */
    HELD_BYTES_MAX = 8 * 1024 * 1024, /* all messages that are not whole, but the oldest */
    ROOMLESS_READ_BYTES = TLS_RECORD_BYTES_MAX, /* beyond that, a piece at a time */
};

/* Longer than a sender takes to fill the socket: as long as both work on its queue at once, each
   piece costs both of them three times as much. */
#define TRICKLE_US ((int64_t)1000)

void
rest_init(struct rest *rest, struct clients *clients)
{
    *rest = (struct rest){.clients = clients};
    rest->trickling.list = rest->roomless.list = CONN_RESTING;
}

static bool
has_room(const struct rest *rest)
{
    return rest->clients->held_bytes <= HELD_BYTES_MAX;
}

size_t
rest_read_max(const struct rest *rest, const struct conn *conn, size_t max)
{
    if (has_room(rest))
        return max;
    /* To its end, but not far into the next one. */
    size_t missing = conn == rest->clients->unfinished.first ? stream_missing(&conn->stream) : 0;
    if (missing < ROOMLESS_READ_BYTES)
        return ROOMLESS_READ_BYTES;
    return missing < max ? missing : max;
}

void
rest_after_read(struct rest *rest, struct conn *conn, size_t read_bytes, bool same_message,
                int64_t now_us)
{
    struct clients *c = rest->clients;
    bool small = same_message && read_bytes < SMALL_READ_BYTES;
    if (!small)
        conn->small_reads = 0;
    else if (conn->small_reads < SMALL_READS_MAX)
        conn->small_reads++;
    if (stream_is_inside(&conn->stream) && !has_room(rest) && conn != c->unfinished.first) {
        clients_rest(conn, &rest->roomless);
    } else if (conn->small_reads == SMALL_READS_MAX) {
        conn->rests_until_us = now_us + TRICKLE_US;
        clients_rest(conn, &rest->trickling);
    }
}

bool
rest_in_debt(struct rest *rest, struct conn *conn, int64_t now_ms)
{
    struct peer *p = conn->peer;
    if (p == NULL || p->milli_tokens >= 0 || peers_charge(p, 0, now_ms))
        return false;
    /* Its message is not to blame, nor to be waited for as the oldest. */
    if (conn->unfinished_in != NULL)
        clients_begin(rest->clients, conn, now_ms);
    clients_rest(conn, &p->resting);
    return true;
}

static bool
may_wake_roomless(const struct rest *rest)
{
    const struct conn *oldest = rest->clients->unfinished.first;
    return rest->roomless.first != NULL &&
           (has_room(rest) || (oldest != NULL && oldest->rests_in == &rest->roomless));
}

struct conn *
rest_next_trickling(struct rest *rest, int64_t now_us)
{
    struct conn *conn = rest->trickling.first;
    if (conn == NULL || conn->rests_until_us > now_us)
        return NULL;
    conn_queue_remove(&rest->trickling, conn);
    conn->rests_in = NULL;
    return conn;
}

int64_t
rest_due_us(const struct rest *rest, int64_t now_us)
{
    const struct peers *peers = &rest->clients->peers;
    int64_t due = 0;
    if (may_wake_roomless(rest))
        due = now_us;
    if (rest->trickling.first != NULL)
        due = clock_earlier(due, rest->trickling.first->rests_until_us);
    for (const struct peer *p = peers->has_quotas ? peers->all : NULL; p != NULL; p = p->next) {
        if (p->resting.first != NULL)
            due = clock_earlier(due, peers_ready_ms(p) * 1000);
    }
    return due;
}

static void
wake_roomless(struct rest *rest)
{
    struct clients *c = rest->clients;
    struct conn *oldest = c->unfinished.first;
    if (oldest != NULL && oldest->rests_in == &rest->roomless)
        clients_wake(c, oldest);
    for (int i = 0; i < WAKES_MAX && rest->roomless.first != NULL && has_room(rest); i++)
        clients_wake(c, rest->roomless.first);
}

void
rest_on_time(struct rest *rest, int64_t now_us)
{
    struct clients *c = rest->clients;
    wake_roomless(rest);
    for (struct peer *p = c->peers.has_quotas ? c->peers.all : NULL; p != NULL; p = p->next) {
        if (p->resting.first == NULL || !peers_charge(p, 0, now_us / 1000))
            continue;
        while (p->resting.first != NULL)
            clients_wake(c, p->resting.first);
    }
}
