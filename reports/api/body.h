/*
 * reports/api/body.h - the JSON that came with a request.
 */
#ifndef REPORTS_API_BODY_H
#define REPORTS_API_BODY_H

#include <jansson.h>
#include <stdbool.h>

#include "reports/api/answer.h"
#include "store/base/bytes.h"

enum { BODY_DEPTH_MAX = 32 };

/*
 * Read a body: one JSON object, of at most BODY_DEPTH_MAX levels, no name twice.
 *
 *   body    any bytes are safe
 *   ret     taken by the caller: json_decref()
 *   answer  filled with the problem on failure
 */
bool body_read(struct bytes body, json_t **ret, struct answer *answer)
    __attribute__((warn_unused_result));

/*
 * May it be? A body, or an event in it, names the key's own organization or none; false:
 * the problem is in answer.
 */
bool body_organization_ok(const json_t *object, const char *organization, struct answer *answer)
    __attribute__((warn_unused_result));

#endif
