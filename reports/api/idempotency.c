#include "reports/api/idempotency.h"

bool
idempotency_begin(const struct api_request *request, struct idempotency *ret, struct answer *answer)
{
    int64_t now_ms = clock_now_ms(request->clock);
    *ret = (struct idempotency){.key = request->header(request->context, "Idempotency-Key"),
                                .kind = REPEAT_SAME,
                                .first_ms = now_ms};
    if (ret->key == NULL)
        return true;
    if (!repeats_key_ok(ret->key)) {
        answer_problem(answer, 400, "idempotency_key",
                       "Idempotency-Key must be 1 to 255 visible ASCII characters",
                       "use a UUID for each request, and the same one when it is sent again");
        return false;
    }
    ret->kind = repeats_find(request->repeats, request->organization, ret->key, request->body,
                             now_ms, &ret->repeat);
    ret->first_ms = ret->repeat.first_ms;
    if (ret->kind == REPEAT_OTHER)
        answer_problem(answer, 422, "idempotency_key",
                       "this Idempotency-Key came with another body before",
                       "send the same body again, or use a new key");
    return ret->kind != REPEAT_OTHER;
}

void
idempotency_take(const struct api_request *request, const struct idempotency *idempotency)
{
    if (idempotency->kind == REPEAT_NEW)
        repeats_add(request->repeats, &idempotency->repeat);
}
