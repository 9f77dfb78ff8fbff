/*
 * ingest/client/wire.h - the connection to the agent: one message on its way out,
 * acks on their way in.  Private to ingest/client.
 *
 * No call waits.  What goes wrong closes the connection and is noted; the next
 * try to connect is due after a pause that doubles from WIRE_PAUSE_MS_MIN to
 * WIRE_PAUSE_MS_MAX and starts anew with an ack.
 */
#ifndef INGEST_CLIENT_WIRE_H
#define INGEST_CLIENT_WIRE_H

#include <sys/socket.h>
#include <sys/un.h>

#include "ingest/client/ack.h"
#include "store/base/err.h"

enum {
    WIRE_PAUSE_MS_MIN = 10,
    WIRE_PAUSE_MS_MAX = 1000,
    WIRE_TROUBLE_BYTES_MAX = 320,
};

struct wire {
    struct sockaddr_un address;
    int fd; /* -1: not connected */
    int64_t retry_at_ns;
    uint32_t pause_ms;
    uint64_t connects;
    bool is_denied; /* the last try to connect failed for want of permission */
    char trouble[WIRE_TROUBLE_BYTES_MAX]; /* what last went wrong; "" while all is well */
    uint8_t *message;                     /* room for CHUNK_BYTES_MAX; to be sent */
    size_t message_bytes, sent_bytes;
    struct ack_stream in;
};

/*
 * ERR_LIMIT: the path is longer than the kernel allows; ERR_IO: no memory.
 * wire_clear() it also then.
 */
enum err_code wire_init(struct wire *wire, const char *socket_path, struct err *err) ERR_MUST_CHECK;
void wire_clear(struct wire *wire);

/* Connect, if it is not connected and the time has come. */
void wire_connect(struct wire *wire);

static inline bool
wire_is_connected(const struct wire *wire)
{
    return wire->fd >= 0;
}

/* Is there a message that has not been sent whole? */
static inline bool
wire_is_sending(const struct wire *wire)
{
    return wire->sent_bytes < wire->message_bytes;
}

/* Send what the kernel takes of the message. */
void wire_send(struct wire *wire);

/* Receive what there is and take the next ack; false: none, or the connection is lost. */
bool wire_receive(struct wire *wire, uint8_t ret_id[CHUNK_ID_BYTES]);

/* The ack was one that is owed: all is well. */
void wire_accept(struct wire *wire);

/* It was none: close the connection, because of what its peer sent. */
void wire_refuse(struct wire *wire);

#endif
