/*
 * ingest/client/wire.h - the client's state, and the one place where its bytes
 * move.  Private to ingest/client.
 *
 * A chunk is in one of three places, and moves down:
 *
 *   open      at most one, being filled
 *   sealed[]  oldest first; those before next_to_send have been sent whole over
 *             the present connection, the one at next_to_send perhaps in part
 *   spare[]   acknowledged, or never used
 *
 * Losing the connection sets next_to_send to 0: all that is sealed is sent again,
 * the same bytes under the same chunk id.  Acks may come in any order.
 */
#ifndef INGEST_CLIENT_WIRE_H
#define INGEST_CLIENT_WIRE_H

#include <sys/socket.h>
#include <sys/un.h>

#include "ingest/client/chunk.h"
#include "ingest/client/gbill.h"
#include "store/event/mp.h"

enum {
    WIRE_IN_BYTES = 4096,
    WIRE_ACK_BYTES_MAX = 1024, /* ours take 40 */
    WIRE_TROUBLE_BYTES_MAX = 160,
};

struct gbill {
    struct gbill_options options; /* defaults filled in */
    struct sockaddr_un address;
    int fd; /* -1: not connected */
    int64_t retry_at_ns;
    uint32_t backoff_ms;
    int connect_errno;                    /* of the last attempt; 0: it succeeded */
    char trouble[WIRE_TROUBLE_BYTES_MAX]; /* what last went wrong; "" while all is well */
    int64_t progress_ns;                  /* the last ack */

    struct chunk chunks[GBILL_WINDOW_CHUNKS_MAX + 1];
    struct chunk *open;
    struct chunk *sealed[GBILL_WINDOW_CHUNKS_MAX];
    size_t sealed_count, next_to_send;
    struct chunk *spare[GBILL_WINDOW_CHUNKS_MAX + 1];
    size_t spare_count;

    uint8_t in[WIRE_IN_BYTES]; /* acks that are not whole yet */
    size_t in_bytes;
    struct mp_scan scan;
    struct buf record; /* gbill_track_usage() packs into it */
    struct gbill_stats stats;
};

/*
 * Do what can be done: connect if it is time to, send, take acks.
 *
 *   wait_ms  sleep at most so long for something to happen; 0: never sleep
 *
 * Trouble is noted in client->trouble and mended by later calls.
 */
void wire_step(struct gbill *client, int wait_ms);

/* Close the connection, if there is one. */
void wire_close(struct gbill *client);

#endif
