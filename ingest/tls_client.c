#include "ingest/tls_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

struct tls_client {
    SSL_CTX *ctx;
    SSL *ssl;
};

static enum err_code
load(SSL_CTX *ctx, const char *ca_file, struct err *err)
{
    if (access(ca_file, R_OK) != 0)
        return err_set_errno(err, errno, "cannot read --tls-ca %s", ca_file);
    if (SSL_CTX_load_verify_locations(ctx, ca_file, NULL) == 1)
        return ERR_OK;
    ERR_clear_error();
    return err_set(err, ERR_CONFIG,
                   "--tls-ca %s holds no certificate: give a PEM file of the authority that "
                   "signed the collector's certificate, or that certificate itself",
                   ca_file);
}

enum err_code
tls_client_check(const char *ca_file, struct err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL)
        return err_set(err, ERR_LIMIT, "no memory for TLS");
    enum err_code code = load(ctx, ca_file, err);
    SSL_CTX_free(ctx);
    return code;
}

/* The certificate's name: of a host, or its address. */
static bool
expect(SSL *ssl, const char *host)
{
    uint8_t address[16];
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

enum err_code
tls_client_new(const char *ca_file, const char *host, int fd, struct tls_client **ret,
               struct err *err)
{
    struct tls_client *t = calloc(1, sizeof *t);
    enum err_code code = ERR_OK;
    if (t != NULL)
        t->ctx = SSL_CTX_new(TLS_client_method());
    if (t == NULL || t->ctx == NULL)
        code = err_set(err, ERR_LIMIT, "no memory for TLS");
    if (code == ERR_OK)
        code = load(t->ctx, ca_file, err);
    if (code == ERR_OK) {
        SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
        SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_mode(t->ctx,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        t->ssl = SSL_new(t->ctx);
        if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1 || !expect(t->ssl, host))
            code = err_set(err, ERR_LIMIT, "no memory for TLS");
    }
    if (code != ERR_OK) {
        tls_client_free(t);
        return code;
    }
    SSL_set_connect_state(t->ssl);
    *ret = t;
    return ERR_OK;
}

void
tls_client_free(struct tls_client *t)
{
    if (t == NULL)
        return;
    ERR_clear_error();
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    free(t);
}

enum err_code
tls_client_handshake(struct tls_client *t, short *ret_waits_for, struct err *err)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(t->ssl);
    int why = SSL_get_error(t->ssl, rc);
    *ret_waits_for = why == SSL_ERROR_WANT_READ    ? POLLIN
                     : why == SSL_ERROR_WANT_WRITE ? POLLOUT
                                                   : 0;
    if (rc == 1 || *ret_waits_for != 0)
        return ERR_OK;
    long verified = SSL_get_verify_result(t->ssl);
    if (verified != X509_V_OK)
        return err_set(err, ERR_CONFIG,
                       "the collector's certificate is not accepted: %s; see --tls-ca, and the "
                       "name in --to",
                       X509_verify_cert_error_string(verified));
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return err_set(err, ERR_PEER, "TLS fails: %s; has the collector --tls-cert?",
                   text != NULL ? text : "the connection is lost");
}

static ssize_t
failed(const struct tls_client *t, int rc, short *ret_waits_for)
{
    int e = errno, why = SSL_get_error(t->ssl, rc);
    *ret_waits_for = why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN
            : why == SSL_ERROR_SYSCALL && e != 0                      ? e
                                                                      : EPROTO;
    return -1;
}

ssize_t
tls_client_send(struct tls_client *t, struct bytes b, short *ret_waits_for)
{
    ERR_clear_error();
    errno = 0;
    int n = b.size_bytes < INT_MAX ? (int)b.size_bytes : INT_MAX;
    int rc = SSL_write(t->ssl, b.data, n);
    return rc > 0 ? rc : failed(t, rc, ret_waits_for);
}

ssize_t
tls_client_recv(struct tls_client *t, uint8_t *data, size_t size_bytes)
{
    short waits_for;
    ERR_clear_error();
    errno = 0;
    int n = size_bytes < INT_MAX ? (int)size_bytes : INT_MAX;
    int rc = SSL_read(t->ssl, data, n);
    return rc > 0 ? rc : failed(t, rc, &waits_for);
}
