/*
 * reports/api/idempotency.h - a request's Idempotency-Key
 * (draft-ietf-httpapi-idempotency-key-header), for the routes that make events.
 */
#ifndef REPORTS_API_IDEMPOTENCY_H
#define REPORTS_API_IDEMPOTENCY_H

#include "reports/api/repeats.h"
#include "reports/api/routes.h"

struct idempotency {
    const char *key; /* NULL: none came */
    enum repeat_kind kind;
    struct repeat repeat;
    int64_t first_ms; /* when the request came first */
};

/* False: the key is none, or came with another body before; the problem is in answer. */
bool idempotency_begin(const struct api_request *request, struct idempotency *ret,
                       struct answer *answer) __attribute__((warn_unused_result));

/* The request makes events: its key is taken. */
void idempotency_take(const struct api_request *request, const struct idempotency *idempotency);

#endif
