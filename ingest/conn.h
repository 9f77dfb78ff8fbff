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

#include "ingest/stream.h"
#include "store/base/buf.h"

enum {
    /* A client that leaves this many bytes of acks unread is not read either. */
    CONN_UNREAD_ACKS_BYTES_MAX = 64 * 1024,
};

struct conn {
    int fd; /* -1: closed, waits for the batches that owe it something */
    uint32_t peer_uid;
    uint32_t owed;        /* receivers in batches that point here */
    uint32_t epoll_wants; /* what the kernel was last asked to watch */
    bool done_reading;    /* it ended its side, or sent rubbish */
    bool deaf;            /* it cannot be written to any more */
    struct stream stream;
    struct buf out;           /* acks that the socket had no room for */
    struct conn *prev, *next; /* in the agent's list */
};

/* Make a connection of an accepted socket, which it owns; NULL out of memory. */
struct conn *conn_new(int fd, uint32_t peer_uid);

/* Close the socket and give back all but the struct itself. */
void conn_close(struct conn *conn);

/* Free a closed connection that nothing owes anything. */
void conn_free(struct conn *conn);

/* Send bytes, or keep what the socket does not take now. */
void conn_send(struct conn *conn, const uint8_t *data, size_t size_bytes);

/* Send what was kept. */
void conn_flush(struct conn *conn);

/* The epoll events this connection waits for; 0: only its end. */
uint32_t conn_wants(const struct conn *conn);

/* Nothing more will come from it and nothing is left to send. */
bool conn_is_finished(const struct conn *conn);

#endif
