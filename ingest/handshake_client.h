/*
 * ingest/handshake_client.h - the client's side of ingest/handshake.h: HELO in, PING
 * out, PONG in.  Safe on any bytes.
 */
#ifndef INGEST_HANDSHAKE_CLIENT_H
#define INGEST_HANDSHAKE_CLIENT_H

#include "ingest/handshake.h"
#include "store/base/buf.h"

enum {
    HANDSHAKE_SALT_BYTES = 16,
    HANDSHAKE_NONCE_BYTES_MAX = 256, /* another server's may be longer than ours */
};

struct handshake_client {
    uint8_t salt[HANDSHAKE_SALT_BYTES];
    uint8_t nonce[HANDSHAKE_NONCE_BYTES_MAX];
    size_t nonce_bytes;
};

/*
 * Take a HELO and append the PING that answers it.
 *
 *   hostname  ours, as handshake_is_hostname() wants it
 *
 * NULL, or why not: a fixed text.
 */
const char *handshake_client_ping(struct handshake_client *h, struct bytes helo,
                                  struct str hostname, struct bytes key, struct buf *out)
    __attribute__((warn_unused_result));

/*
 * Take the PONG: does the server let us in, and has it the key too?
 *
 *   ret_said  what it says when it does not let us in; empty else
 *
 * NULL, or why not: a fixed text.
 */
const char *handshake_client_pong(const struct handshake_client *h, struct bytes pong,
                                  struct bytes key, struct str *ret_said)
    __attribute__((warn_unused_result));

#endif
