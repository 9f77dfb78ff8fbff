/*
 * ingest/client/ack.h - the agent's answers, {"ack": "<chunk id>"}, out of a
 * stream of foreign bytes.  Private to ingest/client.
 */
#ifndef INGEST_CLIENT_ACK_H
#define INGEST_CLIENT_ACK_H

#include "ingest/client/chunk.h"
#include "store/event/mp.h"

enum {
    ACK_STREAM_BYTES = 4096,
    ACK_BYTES_MAX = 1024, /* ours take 40 */
};

/* All zero: an empty stream. */
struct ack_stream {
    uint8_t in[ACK_STREAM_BYTES]; /* acks that have not been taken yet */
    size_t begin, end;
    struct mp_scan scan;
};

enum ack_result {
    ACK_TAKEN,
    ACK_MORE, /* more bytes are needed; the stream has room for some */
    ACK_BAD,  /* this is no ack with an id of ours; start from an empty stream */
};

/*
 * Where to receive to, and how much: at least 1 byte after ACK_MORE or on an empty
 * stream.  Then add what was received to end.
 */
uint8_t *ack_stream_room(struct ack_stream *stream, size_t *ret_room_bytes);

/* Take the next ack. */
enum ack_result ack_stream_next(struct ack_stream *stream, uint8_t ret_id[CHUNK_ID_BYTES]);

#endif
