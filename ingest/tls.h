/*
 * ingest/tls.h - TLS on an accepted socket, the server's side, non-blocking.
 *
 * TLS 1.2 or later, without renegotiation, compression, resumption or client
 * certificates: who the peer is says the handshake inside (ingest/handshake.h).
 */
#ifndef INGEST_TLS_H
#define INGEST_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/base/err.h"

/* A certificate and its key, for all connections. */
struct tls_server;

/*
 * Read both from PEM files.
 *
 *   cert  the certificate, and those up to the root behind it
 *   key   its private key, without a passphrase
 *
 * Errors: ERR_CONFIG (not PEM, they do not belong together, it asks for a
 * passphrase), ERR_NOT_FOUND, ERR_DENIED, ERR_LIMIT (memory).
 */
enum err_code tls_server_open(const char *cert, const char *key, struct tls_server **ret,
                              struct err *err) ERR_MUST_CHECK;
void tls_server_close(struct tls_server *server); /* accepts NULL */

struct tls;

/* TLS over fd, which stays the caller's; NULL out of memory. */
struct tls *tls_new(struct tls_server *server, int fd);
void tls_free(struct tls *tls); /* accepts NULL; tells the peer that this is the end */

/*
 * As recv() and send(): bytes, 0 at the peer's end, -1 with errno EAGAIN or
 * another when the connection has failed.  They do the TLS handshake too, each on
 * its own.
 *
 * tls_recv() takes records whole: with room for TLS_RECORD_BYTES_MAX it leaves
 * nothing behind that epoll would not tell of.
 */
enum { TLS_RECORD_BYTES_MAX = 16 * 1024 };
ssize_t tls_recv(struct tls *tls, void *data, size_t size_bytes);
ssize_t tls_send(struct tls *tls, const void *data, size_t size_bytes);

/* After EAGAIN: what the last tls_recv() or tls_send() waits for. */
bool tls_recv_waits_for_room(const struct tls *tls);  /* to write */
bool tls_send_waits_for_bytes(const struct tls *tls); /* to read */

/* It is over, though tls_recv() may have had bytes before it came to that. */
bool tls_has_failed(const struct tls *tls);

/* Why it failed: a fixed text, or NULL when the connection only broke. */
const char *tls_reason(const struct tls *tls);

#endif
