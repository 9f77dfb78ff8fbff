/*
 * store/net/net.h - one HTTP request, one mail: the only place that knows curl.
 *
 * What every request gets: the server's certificate and name are checked, redirects
 * are not followed, proxies of the environment are not used, an answer has a largest
 * size and all of it a time limit.  Where it goes is checked when the connection is
 * made, by the address that is really used, so that no name can be made to point
 * inside.  No message and no log holds a path, a header or a body: they may be
 * secrets.
 *
 * Threads: a struct net belongs to one; the first net_open() must come before any
 * second thread.
 */
#ifndef STORE_NET_NET_H
#define STORE_NET_NET_H

#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"
#include "store/base/err.h"

struct net; /* a connection that may be used again */

struct net_options {
    int64_t connect_timeout_ms; /* > 0 */
    int64_t timeout_ms;         /* > 0; for a request as a whole, answer included */
    const char *ca_file;        /* trusted certificates; NULL: the system's */
};

/*
 * Errors: ERR_LIMIT out of memory, ERR_CONFIG when ca_file cannot be read.
 */
enum err_code net_open(const struct net_options *options, struct net **ret,
                       struct err *err) ERR_MUST_CHECK;
void net_close(struct net *net); /* NULL is fine */

/* What a caller must ask for. */
enum {
    NET_LOOPBACK_HTTP = 1, /* http://, to this machine only: for tests and local sidecars */
    NET_PRIVATE = 2,       /* addresses that are not of the public internet (address.h) */
};

enum { NET_HEADERS_MAX = 16 };

struct net_request {
    const char *method;                   /* "POST" */
    const char *url;                      /* https://…, or http:// with NET_LOOPBACK_HTTP */
    unsigned allow;                       /* NET_LOOPBACK_HTTP | NET_PRIVATE */
    const char *headers[NET_HEADERS_MAX]; /* "Name: value", NULL behind the last */
    struct bytes body;                    /* may be empty */
    size_t answer_bytes_max;
};

struct net_answer {
    long status;           /* 200 … */
    int64_t retry_after_s; /* what the header Retry-After asks for, from now; 0: nothing */
    int should_retry;      /* what Stripe-Should-Retry says: 1 true, -1 false, 0 nothing */
    struct buf body;       /* buf_clear() it */
};

/*
 * Send a request and read its answer, whatever its status.
 *
 *   ret  filled on success
 *
 * Errors:
 *   ERR_PEER    no answer: no such host, refused, cut off, too slow, a certificate that
 *               does not prove the name.  The request may have been carried out
 *   ERR_DENIED  the scheme or the address is not allowed; nothing was sent
 *   ERR_LIMIT   the answer is longer than answer_bytes_max; out of memory
 *   ERR_INPUT   the URL cannot be read, or a header breaks its line
 */
enum err_code net_http(struct net *net, const struct net_request *request, struct net_answer *ret,
                       struct err *err) ERR_MUST_CHECK;

/*
 * Several requests at one time, each over a connection of its own that is kept for the next
 * ones.  A pool belongs to one thread, as a struct net does.
 */
struct net_pool;

/* count: of connections, 1 to NET_POOL_MAX.  Errors: those of net_open(). */
enum { NET_POOL_MAX = 64 };
enum err_code net_pool_open(const struct net_options *options, size_t count, struct net_pool **ret,
                            struct err *err) ERR_MUST_CHECK;
void net_pool_close(struct net_pool *pool); /* NULL is fine */

struct net_exchange {
    struct net_request request;
    /* Filled by net_pool_run(), as net_http() has them: */
    enum err_code code;
    struct net_answer answer; /* where code is ERR_OK; buf_clear() its body */
    struct err err;           /* where it is not */
};

/* Send all and read all answers.  count: at most the pool's.  Returns when all have ended. */
void net_pool_run(struct net_pool *pool, struct net_exchange *exchanges, size_t count);

/*
 * How long to rest before another try of what may pass: first_ms, doubled for each try made,
 * at most max_ms; up to a quarter less by chance; never less than the answer's Retry-After.
 *
 *   tries          made so far, 1 or more
 *   retry_after_s  0: the answer did not say
 *   chance         any number
 *
 * Returns milliseconds.  Source: what the providers' own client libraries do.
 */
int64_t net_wait_ms(unsigned tries, int64_t first_ms, int64_t max_ms, int64_t retry_after_s,
                    uint64_t chance);

enum net_security {
    NET_STARTTLS, /* plain at first, then TLS or nothing */
    NET_TLS,      /* from the first byte */
    NET_PLAIN,
};

struct net_mail {
    const char *host;
    int64_t port;
    enum net_security security;
    const char *user, *password; /* NULL: none */
    const char *from, *to;       /* bare addresses */
    struct bytes message;        /* RFC 5322, lines ending in CR LF */
};

/*
 * Hand a mail to its server.
 *
 * Errors: as net_http(), ERR_PEER also where the server refuses (its code is named).
 * The server may be at any address: it is the operator's own.
 */
enum err_code net_mail(struct net *net, const struct net_mail *mail,
                       struct err *err) ERR_MUST_CHECK;

#endif
