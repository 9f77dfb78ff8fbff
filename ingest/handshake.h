/*
 * ingest/handshake.h - the forward protocol's shared-key handshake, version 1, the
 * server's side: HELO out, PING in, PONG out.
 *
 *   HELO  ["HELO", {"nonce": bin, "auth": "", "keepalive": true}]
 *   PING  ["PING", hostname, salt, hex(sha512(salt hostname nonce key)), user, password]
 *   PONG  ["PONG", true, "", hostname, hex(sha512(salt hostname nonce key))]
 *         ["PONG", false, reason, "", ""]
 *
 * The key never crosses the wire; digests are compared in constant time.  Users
 * and passwords are not asked for, and what a PING says of them is not looked at.
 *
 * Source: the protocol's specification v1 in fluent/fluentd's wiki.
 */
#ifndef INGEST_HANDSHAKE_H
#define INGEST_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/bytes.h"

enum {
    HANDSHAKE_NONCE_BYTES = 16,
    HANDSHAKE_DIGEST_BYTES = 128, /* hexadecimal */
    HANDSHAKE_HOST_BYTES_MAX = 64,
    HANDSHAKE_PING_BYTES_MAX = 2048, /* the whole message, with a user and password */
    HANDSHAKE_OUT_BYTES_MAX = 512,   /* any message of ours */
};

struct handshake {
    uint8_t nonce[HANDSHAKE_NONCE_BYTES];
};

/* Choose the nonce; false when the system has no random numbers. */
bool handshake_init(struct handshake *h) __attribute__((warn_unused_result));

/* Write HELO; returns its size. */
size_t handshake_helo(const struct handshake *h, uint8_t out[HANDSHAKE_OUT_BYTES_MAX]);

/* Points into the PING it was read from. */
struct handshake_ping {
    struct str hostname; /* 1 to HANDSHAKE_HOST_BYTES_MAX of A-Z a-z 0-9 . _ : - */
    struct bytes salt;
    struct str digest; /* HANDSHAKE_DIGEST_BYTES */
};

/*
 * Take a PING apart; NULL, or why it is none: a fixed text.  Safe on any bytes.
 *
 *   message  borrowed; one whole msgpack value
 */
const char *handshake_read_ping(struct bytes message, struct handshake_ping *ret)
    __attribute__((warn_unused_result));

/* hex(sha512(salt hostname nonce key)) and a NUL; false when there is no SHA-512 here. */
bool handshake_digest(struct bytes nonce, struct bytes salt, struct str hostname, struct bytes key,
                      char ret_hex[HANDSHAKE_DIGEST_BYTES + 1]) __attribute__((warn_unused_result));

/* 1 to HANDSHAKE_HOST_BYTES_MAX of A-Z a-z 0-9 . _ : - */
bool handshake_is_hostname(struct str hostname);

/* Does the peer have this key? */
bool handshake_proves(const struct handshake *h, const struct handshake_ping *ping,
                      struct bytes key);

/* Write PONG to who has the key; hostname is ours and at most HANDSHAKE_HOST_BYTES_MAX. */
size_t handshake_pong(const struct handshake *h, const struct handshake_ping *ping,
                      const char *hostname, struct bytes key, uint8_t out[HANDSHAKE_OUT_BYTES_MAX]);

/* Write PONG to who has not; reason: at most 255 bytes. */
size_t handshake_refusal(const char *reason, uint8_t out[HANDSHAKE_OUT_BYTES_MAX]);

#endif
