/*
 * ingest/conn.h - one client's connection: what it has sent so far of a message,
 * and the acks it has not read yet.
 *
 * A connection outlives its socket while a batch still owes it an ack (owed):
 * the batch points at it.  It belongs to the io thread alone.
 */
#ifndef INGEST_CONN_H
#define INGEST_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ingest/gate.h"
#include "ingest/stream.h"
#include "ingest/tls.h"
#include "store/base/buf.h"

enum {
    /* A client that leaves this many bytes of acks unread is not read either. */
    CONN_UNREAD_ACKS_BYTES_MAX = 64 * 1024,
};

struct conn;
struct peer;       /* ingest/peers.h */
struct log_origin; /* store/log/writer.h */

/* A connection may be in one queue of each sort at a time. */
enum conn_list {
    CONN_ALL,        /* open, or in the graveyard */
    CONN_UNFINISHED, /* within a message or the handshake: has a deadline */
    CONN_RESTING,    /* not read meanwhile */
    CONN_LISTS
};

struct conn_link {
    struct conn *prev, *next;
};

/* First in, first out.  All zero but list is empty. */
struct conn_queue {
    struct conn *first, *last;
    enum conn_list list;
};

struct conn {
    int fd;                           /* -1: closed, waits for the batches that owe it something */
    uint32_t owed;                    /* receivers in batches that point here */
    uint32_t epoll_wants;             /* what the kernel was last asked to watch */
    bool done_reading;                /* it ended its side, or sent rubbish */
    bool deaf;                        /* it cannot be written to any more */
    uint8_t small_reads;              /* in a row, within one message */
    struct peer *peer;                /* NULL: it has not shown its key yet */
    struct gate_visit *visit;         /* owned; NULL: it may send events */
    struct tls *tls;                  /* owned; NULL: plain */
    struct log_origin *ships;         /* owned; the log that it ships; NULL: it sends events */
    size_t held_bytes;                /* of its stream, as clients counted them */
    struct conn_queue *unfinished_in; /* NULL: between two messages */
    int64_t deadline_ms;              /* monotonic; if unfinished */
    size_t begun_bytes;               /* what its message had when the deadline was set */
    int64_t rests_until_us;           /* if it rests for trickling */
    struct conn_queue *rests_in;      /* NULL: it is read */
    struct stream stream;
    struct buf out; /* acks that the socket had no room for */
    struct conn_link links[CONN_LISTS];
};

/* At the end; from wherever it is in the queue. */
void conn_queue_push(struct conn_queue *queue, struct conn *conn);
void conn_queue_remove(struct conn_queue *queue, struct conn *conn);

/* Make a connection of an accepted socket, which it owns; NULL out of memory. */
struct conn *conn_new(int fd);

/* Close the socket and give back all but the struct itself. */
void conn_close(struct conn *conn);

/* Free a closed connection that nothing owes anything. */
void conn_free(struct conn *conn);

/*
 * As recv(), through TLS if there is: bytes, 0 at the end of its side, -1 with errno
 * (EAGAIN: nothing now).  At least TLS_RECORD_BYTES_MAX of room.
 */
ssize_t conn_recv(struct conn *conn, void *data, size_t size_bytes);

/* Send bytes, or keep what the socket does not take now. */
void conn_send(struct conn *conn, const uint8_t *data, size_t size_bytes);

/*
 * Send bytes with a descriptor, which stays the caller's, over a unix socket.  False:
 * not now, and nothing is sent.
 */
bool conn_send_fd(struct conn *conn, const uint8_t *data, size_t size_bytes, int fd);

/* Send what was kept. */
void conn_flush(struct conn *conn);

/* May it be read, as far as it itself goes? */
bool conn_is_read(const struct conn *conn);

/* The epoll events this connection waits for; 0: only its end. */
uint32_t conn_wants(const struct conn *conn);

/* Nothing more will come from it and nothing is left to send. */
bool conn_is_finished(const struct conn *conn);

#endif
