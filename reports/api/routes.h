/*
 * reports/api/routes.h - what can be asked: one row per path and method, the bearer
 * of the key named, and the organization it is for.
 *
 * Shapes: schemas/openapi.json.  A route that has a scope never sees another
 * organization than the key's: who dispatches compares them before.
 */
#ifndef REPORTS_API_ROUTES_H
#define REPORTS_API_ROUTES_H

#include "reports/api/answer.h"
#include "reports/api/shelf.h"
#include "store/base/clock.h"

/* What the server counts of itself. */
struct api_figures {
    uint64_t requests, answers[6]; /* the latter by the first digit of the status */
    uint64_t throttled;            /* answered with 429 */
    uint64_t slow_ended;           /* connections closed for being slow */
};

struct parcel;              /* reports/api/parcel.h */
struct repeats;             /* reports/api/repeats.h */
struct post_stripe;         /* reports/api/post_stripe.h */
struct post_stripe_receipt; /* the same */

struct api_request {
    struct shelf *shelf;
    const struct clock *clock;
    const struct api_figures *figures;
    const char *organization, *key_id; /* of the key; NULL without one */
    /* A parameter of the query, NULL where it is not there. */
    const char *(*parameter)(void *context, const char *name);
    const char *(*header)(void *context, const char *name); /* the same of the head */
    void *context;
    const char *path_value;  /* what stands in the path for {…}; else empty */
    struct bytes body;       /* of a route that takes one */
    struct parcel *parcel;   /* what is put into it goes to the agent before the answer goes out */
    struct repeats *repeats; /* of all requests */
    struct post_stripe *stripe;
    struct post_stripe_receipt *receipt; /* empty; filled by post_stripe() alone */
};

/* Who calls. */
enum route_caller {
    ROUTE_PROGRAM, /* with a key where there is a scope; its body is JSON */
    ROUTE_BROWSER, /* may sign in by name and password, and names no organization */
    ROUTE_STRIPE,  /* by a signature of the body, which is bytes of any type */
};

/* A light one is answered by the server's own thread, for which all others wait. */
enum route_weight {
    ROUTE_LIGHT,
    ROUTE_HEAVY, /* on a worker */
    ROUTE_FILE,  /* the same, and the body is a file */
};

struct route {
    const char *method, *path; /* the path may end in {…}: any text without a slash */
    unsigned scope;            /* 0: for everybody */
    enum route_caller caller;
    size_t body_bytes_max; /* it may name the organization; 0: it takes no body */
    enum route_weight weight;
    enum err_code (*answer)(const struct api_request *request, struct answer *answer,
                            struct err *err);
};

enum { ROUTE_ALLOW_BYTES = 32 };

/*
 * NULL: none.
 *
 *   ret_value  what the path has for {…}; points into it
 *   ret_allow  the methods that the path has, "GET, POST"; empty: there is no such path
 */
const struct route *route_find(const char *method, const char *path, const char **ret_value,
                               char ret_allow[ROUTE_ALLOW_BYTES]);

/*
 * The key in "Authorization: Bearer KEY"; false: it is nothing of the kind.
 *
 *   header  any bytes are safe; NULL: there is none
 */
bool route_bearer(const char *header, struct str *ret) __attribute__((warn_unused_result));

/*
 * The same of "Authorization: Basic …" (RFC 7617), in which the key is the password and
 * the name is any: how a browser asks for it by itself.  Only for what is read and shown:
 * a browser sends it along with what other pages make it ask.
 *
 *   room  *ret points into it
 */
enum { ROUTE_PASSWORD_BYTES = 256 };
bool route_password(const char *header, char room[ROUTE_PASSWORD_BYTES], struct str *ret)
    __attribute__((warn_unused_result));

#endif
