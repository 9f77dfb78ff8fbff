/*
 * reports/api/post_usage.h - POST /api/billing/usage: usage events from a request's body.
 * The body: schemas/openapi.json.
 */
#ifndef REPORTS_API_POST_USAGE_H
#define REPORTS_API_POST_USAGE_H

#include "reports/api/routes.h"

enum { POST_USAGE_BYTES_MAX = 1024 * 1024 };

/*
 * Put the events of request->body into request->parcel, and the answer that holds once the
 * agent has them.  What is refused altogether has a problem for an answer, and an empty parcel.
 *
 * Errors: ERR_LIMIT (no memory), ERR_IO (no random bytes).
 */
enum err_code post_usage(const struct api_request *request, struct answer *answer,
                         struct err *err) ERR_MUST_CHECK;

#endif
