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
};

struct api_request {
    struct shelf *shelf;
    const struct clock *clock;
    const struct api_figures *figures;
    const char *organization; /* of the key; NULL without one */
    /* A parameter of the query, NULL where it is not there. */
    const char *(*parameter)(void *context, const char *name);
    void *context;
};

struct route {
    const char *method, *path;
    unsigned scope; /* 0: for everybody */
    enum err_code (*answer)(const struct api_request *request, struct answer *answer,
                            struct err *err);
};

/* NULL: none; *ret_known: the path is one, of another method. */
const struct route *route_find(const char *method, const char *path, bool *ret_known);

/*
 * The key in "Authorization: Bearer KEY"; false: it is nothing of the kind.
 *
 *   header  any bytes are safe; NULL: there is none
 */
bool route_bearer(const char *header, struct str *ret) __attribute__((warn_unused_result));

#endif
