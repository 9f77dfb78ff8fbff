/*
 * ingest/tls_client.h - TLS 1.2 or later on a connected socket, the client's side,
 * non-blocking.  The server's certificate and its name are always checked.
 */
#ifndef INGEST_TLS_CLIENT_H
#define INGEST_TLS_CLIENT_H

#include <stdint.h>
#include <sys/types.h>

#include "store/base/bytes.h"
#include "store/base/err.h"

/* Can the file of trusted certificates (PEM) be read?  ERR_CONFIG, ERR_NOT_FOUND, ERR_DENIED. */
enum err_code tls_client_check(const char *ca_file, struct err *err) ERR_MUST_CHECK;

struct tls_client;

/*
 * TLS over fd, which stays the caller's.
 *
 *   ca_file  whoever one of these has signed is trusted, and nobody else
 *   host     a name or an address: the certificate must be for it
 *
 * Errors: as tls_client_check(); ERR_LIMIT.
 */
enum err_code tls_client_new(const char *ca_file, const char *host, int fd, struct tls_client **ret,
                             struct err *err) ERR_MUST_CHECK;
void tls_client_free(struct tls_client *tls); /* accepts NULL */

/*
 * Go on with the handshake.
 *
 *   ret_waits_for  POLLIN or POLLOUT: call again then; 0: it is done
 *
 * Errors: ERR_CONFIG when the certificate is not trusted or not for the host;
 * ERR_PEER for any other failure.
 */
enum err_code tls_client_handshake(struct tls_client *tls, short *ret_waits_for,
                                   struct err *err) ERR_MUST_CHECK;

/*
 * As send() and recv(): bytes, 0 at the peer's end, -1 with errno EAGAIN or another when
 * the connection has failed.  After EAGAIN of tls_client_send() *ret_waits_for says what
 * it waits for, and it must be called again with the same bytes in front.
 */
ssize_t tls_client_send(struct tls_client *tls, struct bytes bytes, short *ret_waits_for);
ssize_t tls_client_recv(struct tls_client *tls, uint8_t *data, size_t size_bytes);

#endif
