#include "ingest/tls.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tls_server {
    SSL_CTX *ctx;
};

struct tls {
    SSL *ssl;
    const char *reason;
    bool recv_waits_for_room, send_waits_for_bytes, failed;
};

/* Never ask a terminal. */
static int
no_passphrase(char *buf, int size_bytes, int is_writing, void *context)
{
    (void)buf, (void)size_bytes, (void)is_writing, (void)context;
    return 0;
}

/* What OpenSSL said, and an empty queue. */
static enum err_code
set_openssl(struct err *err, const char *what, const char *path, const char *remedy)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    enum err_code code = err_set(err, ERR_CONFIG, "%s %s: %s; %s", what, path,
                                 why != NULL ? why : "cannot be read", remedy);
    ERR_clear_error();
    return code;
}

static enum err_code
load(SSL_CTX *ctx, const char *cert, const char *key, struct err *err)
{
    if (access(cert, R_OK) != 0)
        return err_set_errno(err, errno, "cannot read TLS certificate %s", cert);
    if (access(key, R_OK) != 0)
        return err_set_errno(err, errno, "cannot read TLS key %s", key);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return set_openssl(err, "TLS certificate", cert,
                           "give a PEM file, the server's own certificate first");
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return set_openssl(err, "TLS key", key,
                           "give the certificate's own private key in PEM, without a passphrase");
    return ERR_OK;
}

enum err_code
tls_server_open(const char *cert, const char *key, struct tls_server **ret, struct err *err)
{
    struct tls_server *s = calloc(1, sizeof *s);
    if (s != NULL)
        s->ctx = SSL_CTX_new(TLS_server_method());
    if (s == NULL || s->ctx == NULL) {
        tls_server_close(s);
        return err_set(err, ERR_LIMIT, "no memory for TLS");
    }
    SSL_CTX_set_min_proto_version(s->ctx, TLS1_2_VERSION);
    /* A peer that only goes is no error; whether its message was whole the stream knows. */
    SSL_CTX_set_options(s->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(s->ctx, 0);
    SSL_CTX_set_mode(s->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(s->ctx, no_passphrase);
    enum err_code code = load(s->ctx, cert, key, err);
    if (code != ERR_OK) {
        tls_server_close(s);
        return code;
    }
    *ret = s;
    return ERR_OK;
}

void
tls_server_close(struct tls_server *server)
{
    if (server == NULL)
        return;
    SSL_CTX_free(server->ctx);
    free(server);
}

struct tls *
tls_new(struct tls_server *server, int fd)
{
    struct tls *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->ssl = SSL_new(server->ctx);
    if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1) {
        tls_free(t);
        return NULL;
    }
    SSL_set_accept_state(t->ssl);
    return t;
}

void
tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    if (t->ssl != NULL && !t->failed && SSL_is_init_finished(t->ssl))
        (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
    SSL_free(t->ssl);
    free(t);
}

static const char *
reason_of(unsigned long code)
{
    switch (ERR_GET_REASON(code)) {
    case SSL_R_HTTP_REQUEST:
        return "looks like HTTP; this listener speaks the Fluentd forward protocol inside TLS";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_UNKNOWN_PROTOCOL:
        return "no TLS 1.2 or later; this listener has a certificate: switch TLS on in the client";
    case SSL_R_NO_SHARED_CIPHER:
        return "no TLS cipher in common";
    default:
        return "TLS failed: the client does not trust the certificate, or does not speak TLS";
    }
}

/* -1 with errno; notes what is waited for. */
static ssize_t
failed(struct tls *t, int rc, bool *ret_waits, int waits_for)
{
    int e = errno, why = SSL_get_error(t->ssl, rc);
    *ret_waits = why == waits_for;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (why == SSL_ERROR_SSL && t->reason == NULL)
        t->reason = reason_of(ERR_peek_error());
    t->failed = true;
    ERR_clear_error();
    errno = why == SSL_ERROR_SYSCALL && e != 0 ? e : EPROTO;
    return -1;
}

static int
int_of(size_t size_bytes)
{
    return size_bytes < INT_MAX ? (int)size_bytes : INT_MAX;
}

ssize_t
tls_recv(struct tls *t, void *data, size_t size_bytes)
{
    uint8_t *p = data;
    size_t n = 0;
    assert(size_bytes >= TLS_RECORD_BYTES_MAX);
    if (t->failed) {
        errno = EPROTO;
        return -1;
    }
    ERR_clear_error();
    errno = 0;
    t->recv_waits_for_room = false;
    while (size_bytes - n >= TLS_RECORD_BYTES_MAX) {
        int rc = SSL_read(t->ssl, p + n, int_of(size_bytes - n));
        if (rc > 0) {
            n += (size_t)rc;
            continue;
        }
        ssize_t end = failed(t, rc, &t->recv_waits_for_room, SSL_ERROR_WANT_WRITE);
        return n > 0 ? (ssize_t)n : end; /* an end comes again with the next call */
    }
    return (ssize_t)n;
}

ssize_t
tls_send(struct tls *t, const void *data, size_t size_bytes)
{
    if (t->failed) {
        errno = EPIPE;
        return -1;
    }
    ERR_clear_error();
    errno = 0;
    t->send_waits_for_bytes = false;
    int rc = SSL_write(t->ssl, data, int_of(size_bytes));
    if (rc > 0)
        return rc;
    ssize_t end = failed(t, rc, &t->send_waits_for_bytes, SSL_ERROR_WANT_READ);
    if (end == 0)
        errno = EPIPE;
    return -1;
}

bool
tls_recv_waits_for_room(const struct tls *t)
{
    return t->recv_waits_for_room;
}

bool
tls_send_waits_for_bytes(const struct tls *t)
{
    return t->send_waits_for_bytes;
}

bool
tls_has_failed(const struct tls *t)
{
    return t->failed;
}

const char *
tls_reason(const struct tls *t)
{
    return t->reason;
}
