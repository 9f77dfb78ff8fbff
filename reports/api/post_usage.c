#include "reports/api/post_usage.h"

#include <string.h>

#include "reports/api/body.h"
#include "reports/api/idempotency.h"
#include "reports/api/parcel.h"
#include "store/base/print.h"

struct batch {
    const struct api_request *request;
    const char *idempotency_key; /* NULL: none */
    int64_t at_ms;
    size_t accepted, refused;
    struct event_defect defect; /* of the last one that was refused */
    FILE *out;
};

/* Add one, or say in its result why not. */
static enum err_code
add_event(struct batch *b, size_t index, const json_t *event, struct err *err)
{
    char made[PARCEL_ID_BYTES];
    const json_t *own = json_object_get(event, "id");
    bool has_own = own != NULL && !json_is_null(own);
    struct str id = {json_string_value(own), json_string_length(own)};
    bool ok = json_is_object(event) || event_defect_set(&b->defect, "it is no JSON object");
    if (ok && has_own && id.data == NULL)
        ok = event_defect_set(&b->defect, "id is no text");
    if (ok && !has_own) {
        if (!parcel_make_id(b->idempotency_key, index, made))
            return err_set(err, ERR_IO, "the kernel gives no random bytes");
        id = str_of(made);
    }
    ok = ok && parcel_add(b->request->parcel, EVENT_USAGE, event, id, b->request->organization,
                          b->at_ms, &b->defect);
    fprintf(b->out, "%s{\"id\":", index > 0 ? "," : "");
    if (id.data != NULL)
        print_json_text(b->out, id);
    else
        fputs("null", b->out);
    fprintf(b->out, ",\"accepted\":%s,\"defect\":", ok ? "true" : "false");
    if (ok)
        fputs("null}", b->out);
    else {
        print_json_text(b->out, str_of(b->defect.text));
        fputc('}', b->out);
    }
    b->accepted += ok ? 1 : 0;
    b->refused += ok ? 0 : 1;
    return ERR_OK;
}

static enum err_code
add_all(struct batch *b, const json_t *body, struct answer *answer, struct err *err)
{
    enum err_code code = ERR_OK;
    const json_t *events = json_object_get(body, "events");
    size_t count = events != NULL ? json_array_size(events) : 1;
    if (count == 0 || count > PARCEL_EVENTS_MAX) {
        answer_problem(answer, 422, "events", "events must be an array of 1 to 1000 events",
                       "send one event as the body itself, or several as {\"events\": [...]}");
        return ERR_OK;
    }
    fputs("{\"results\":[", b->out);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = add_event(b, i, events != NULL ? json_array_get(events, i) : body, err);
    fprintf(b->out, "],\"success\":%s,\"accepted\":%zu,\"refused\":%zu}\n",
            b->refused == 0 ? "true" : "false", b->accepted, b->refused);
    if (code == ERR_OK && events == NULL && b->refused > 0)
        answer_problem(answer, 422, "event", b->defect.text, "see schemas/event.md, \"usage\"");
    else if (b->refused > 0)
        answer->status = 207;
    return code;
}

enum err_code
post_usage(const struct api_request *request, struct answer *answer, struct err *err)
{
    json_t *body;
    struct idempotency idempotency;
    enum err_code code = ERR_OK;
    if (!body_read(request->body, &body, answer))
        return ERR_OK;
    if (body_organization_ok(body, request->organization, answer) &&
        idempotency_begin(request, &idempotency, answer)) {
        /* An event without a time happened when it first came. */
        struct batch b = {.request = request,
                          .idempotency_key = idempotency.key,
                          .at_ms = idempotency.first_ms,
                          .out = answer->out};
        code = add_all(&b, body, answer, err);
        if (code == ERR_OK && b.accepted > 0)
            idempotency_take(request, &idempotency);
    }
    json_decref(body);
    return code;
}
