#include "ingest/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/forward.h"

/* Two batches of acks at most can come on top of what stops the reading. */
enum { CONN_OUT_BYTES_MAX = 64 * 1024 * 1024 };

void
conn_queue_push(struct conn_queue *q, struct conn *conn)
{
    conn->links[q->list] = (struct conn_link){.prev = q->last};
    if (q->last != NULL)
        q->last->links[q->list].next = conn;
    else
        q->first = conn;
    q->last = conn;
}

void
conn_queue_remove(struct conn_queue *q, struct conn *conn)
{
    struct conn_link *l = &conn->links[q->list];
    if (l->prev != NULL)
        l->prev->links[q->list].next = l->next;
    else
        q->first = l->next;
    if (l->next != NULL)
        l->next->links[q->list].prev = l->prev;
    else
        q->last = l->prev;
    *l = (struct conn_link){NULL, NULL};
}

struct conn *
conn_new(int fd)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return NULL;
    conn->fd = fd;
    stream_init(&conn->stream, FORWARD_MESSAGE_BYTES_MAX);
    buf_init(&conn->out, CONN_OUT_BYTES_MAX);
    return conn;
}

void
conn_close(struct conn *conn)
{
    tls_free(conn->tls);
    free(conn->visit);
    free(conn->ships);
    conn->tls = NULL;
    conn->visit = NULL;
    conn->ships = NULL;
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
    stream_clear(&conn->stream);
    buf_clear(&conn->out);
}

void
conn_free(struct conn *conn)
{
    assert(conn->fd < 0 && conn->owed == 0);
    free(conn);
}

ssize_t
conn_recv(struct conn *conn, void *data, size_t size_bytes)
{
    if (conn->tls != NULL)
        return tls_recv(conn->tls, data, size_bytes);
    return recv(conn->fd, data, size_bytes, MSG_DONTWAIT);
}

static ssize_t
send_some(struct conn *conn, const uint8_t *data, size_t size_bytes)
{
    if (conn->tls != NULL)
        return tls_send(conn->tls, data, size_bytes);
    return send(conn->fd, data, size_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* How many bytes the socket took. */
static size_t
send_now(struct conn *conn, const uint8_t *data, size_t size_bytes)
{
    size_t done = 0;
    while (done < size_bytes) {
        ssize_t n = send_some(conn, data + done, size_bytes - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno != EINTR) {
            conn->deaf = errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS;
            break;
        }
    }
    return done;
}

void
conn_send(struct conn *conn, const uint8_t *data, size_t size_bytes)
{
    if (conn->fd < 0 || conn->deaf)
        return;
    size_t sent = conn->out.size_bytes == 0 ? send_now(conn, data, size_bytes) : 0;
    /* Without room an ack is lost, and then the client must not wait for the next: it is cut. */
    if (!conn->deaf && !buf_append(&conn->out, data + sent, size_bytes - sent))
        conn->deaf = conn->done_reading = true;
    if (conn->deaf)
        buf_clear(&conn->out);
}

bool
conn_send_fd(struct conn *conn, const uint8_t *data, size_t size_bytes, int fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof fd)];
    } control = {.room = {0}};
    struct iovec piece = {(void *)(uintptr_t)data, size_bytes};
    struct msghdr m = {.msg_iov = &piece,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
    if (conn->fd < 0 || conn->deaf || conn->tls != NULL || conn->out.size_bytes > 0)
        return false;
    control.head = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    ssize_t n = sendmsg(conn->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return false;
    conn_send(conn, data + n, size_bytes - (size_t)n);
    return true;
}

void
conn_flush(struct conn *conn)
{
    if (conn->fd < 0 || conn->out.size_bytes == 0)
        return;
    buf_drop(&conn->out, send_now(conn, conn->out.data, conn->out.size_bytes));
    if (conn->deaf || conn->out.size_bytes == 0)
        buf_clear(&conn->out);
}

bool
conn_is_read(const struct conn *conn)
{
    return !conn->done_reading && conn->rests_in == NULL &&
           conn->out.size_bytes <= CONN_UNREAD_ACKS_BYTES_MAX;
}

uint32_t
conn_wants(const struct conn *conn)
{
    bool reads = conn_is_read(conn);
    bool writes = conn->out.size_bytes > 0;
    if (conn->tls != NULL && writes && tls_send_waits_for_bytes(conn->tls))
        return EPOLLIN;
    if (conn->tls != NULL && reads && tls_recv_waits_for_room(conn->tls))
        return EPOLLOUT;
    return (reads ? (uint32_t)EPOLLIN : 0) | (writes ? (uint32_t)EPOLLOUT : 0);
}

bool
conn_is_finished(const struct conn *conn)
{
    return conn->done_reading && (conn->deaf || (conn->owed == 0 && conn->out.size_bytes == 0));
}
