#include "ingest/conn.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/forward.h"

/* Two batches of acks at most can come on top of what stops the reading. */
enum { CONN_OUT_BYTES_MAX = 64 * 1024 * 1024 };

struct conn *
conn_new(int fd, uint32_t peer_uid)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return NULL;
    conn->fd = fd;
    conn->peer_uid = peer_uid;
    stream_init(&conn->stream, FORWARD_MESSAGE_BYTES_MAX);
    buf_init(&conn->out, CONN_OUT_BYTES_MAX);
    return conn;
}

void
conn_close(struct conn *conn)
{
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

/* How many bytes the socket took. */
static size_t
send_now(struct conn *conn, const uint8_t *data, size_t size_bytes)
{
    size_t done = 0;
    while (done < size_bytes) {
        ssize_t n = send(conn->fd, data + done, size_bytes - done, MSG_NOSIGNAL | MSG_DONTWAIT);
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

void
conn_flush(struct conn *conn)
{
    if (conn->fd < 0 || conn->out.size_bytes == 0)
        return;
    buf_drop(&conn->out, send_now(conn, conn->out.data, conn->out.size_bytes));
    if (conn->deaf || conn->out.size_bytes == 0)
        buf_clear(&conn->out);
}

uint32_t
conn_wants(const struct conn *conn)
{
    bool reads = !conn->done_reading && conn->out.size_bytes <= CONN_UNREAD_ACKS_BYTES_MAX;
    return (reads ? (uint32_t)EPOLLIN : 0) | (conn->out.size_bytes > 0 ? (uint32_t)EPOLLOUT : 0);
}

bool
conn_is_finished(const struct conn *conn)
{
    return conn->done_reading && (conn->deaf || (conn->owed == 0 && conn->out.size_bytes == 0));
}
