/*
 * reports/api/server.h - HTTP/1.1 in front of the routes: libmicrohttpd with poll, one
 * thread, which has all that changes.
 */
#ifndef REPORTS_API_SERVER_H
#define REPORTS_API_SERVER_H

#include <stdbool.h>

#include "store/base/clock.h"
#include "store/base/err.h"

enum { SERVER_CONNECTIONS_MAX = 10000 };

struct outlet;              /* store/event/outlet.h */
struct stripe_sign_secrets; /* store/net/stripe_sign.h */

struct server_options {
    const char *data_directory;
    int listen_fd; /* bound, listening, non-blocking; taken */
    unsigned connections_max, address_connections_max;
    unsigned timeout_s;              /* for a request to come whole, and for a pause */
    uint64_t key_rate, address_rate; /* requests a second; 0: no limit */
    const char *tls_cert, *tls_key;  /* PEM; NULL: plain */
    const struct clock *clock;
    const struct outlet *outlet; /* where events go; borrowed */
    const struct stripe_sign_secrets
        *stripe_secrets; /* of the webhook; borrowed; NULL: none is set up */
};

struct server;

/* Errors: those of shelf_open() and repeats_open(); ERR_IO, ERR_CONFIG (certificate and key do not go together). */
enum err_code server_start(const struct server_options *options, struct server **ret,
                           struct err *err) ERR_MUST_CHECK;

/* End connections that are too slow; to be called about once a second, from any thread. */
void server_tend(struct server *server);

/*
 * Take no more connections, finish what is being answered (5 s at most, and as long as the
 * outlet takes to answer), end.
 */
void server_stop(struct server *server);

#endif
