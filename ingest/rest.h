/*
 * ingest/rest.h - who is not read for the moment, and when it is read again.
 *
 *   trickling  It sends a message in many tiny pieces.  A look at it after a while
 *              finds more of them at once; to wait for every piece would cost 12
 *              million system calls for a message of 6 MiB.  The while is a millisecond:
 *              a unix socket holds 278 pieces, and then their sender waits for us.
 *   roomless   The beginnings of all messages together hold their share of the
 *              memory.  The oldest of them is always read, so that it ends, or meets
 *              its deadline; the others are read again when there is room.
 *   in debt    Its peer is over its quota (ingest/peers.h).
 *
 * None of them is closed for it, and nobody else waits for it: a message that came
 * whole is taken at once, whoever rests.
 */
#ifndef INGEST_REST_H
#define INGEST_REST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/clients.h"

struct rest {
    struct clients *clients; /* borrowed */
    struct conn_queue trickling, roomless;
};

void rest_init(struct rest *rest, struct clients *clients);

/* How many bytes to read from a connection at once, at most max. */
size_t rest_read_max(const struct rest *rest, const struct conn *conn, size_t max);

/*
 * After a read: let the connection rest if it must.
 *
 *   read_bytes    how many it were
 *   same_message  it was within a message before them, and is still within it
 */
void rest_after_read(struct rest *rest, struct conn *conn, size_t read_bytes, bool same_message,
                     int64_t now_us);

/* Does its peer owe too much to be read now?  Then it rests. */
bool rest_in_debt(struct rest *rest, struct conn *conn, int64_t now_ms);

/* The next one that has rested long enough from trickling, now to be read; or NULL. */
struct conn *rest_next_trickling(struct rest *rest, int64_t now_us);

/* Monotonic; when it will be somebody's turn, by either; 0: never. */
int64_t rest_due_us(const struct rest *rest, int64_t now_us);

/* Wake those for whom there is room, or tokens, again. */
void rest_on_time(struct rest *rest, int64_t now_us);

#endif
