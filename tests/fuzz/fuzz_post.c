/*
 * What a stranger with a key may post, of any bytes: the first byte chooses the route, the
 * rest is the body.  Whatever comes, there is an answer; and what goes to the agent is what
 * the agent takes, of the key's own organization.  The same bytes as a head: a bearer, a
 * path and an Idempotency-Key are read or are none.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "reports/api/parcel.h"
#include "reports/api/post_usage.h"
#include "reports/api/repeats.h"
#include "reports/api/views.h"
#include "tests/fuzz/fuzz.h"

static struct repeats repeats;
static char text[256];

static const char *
header(void *context, const char *name)
{
    (void)context;
    return strcmp(name, "Idempotency-Key") == 0 && repeats_key_ok(text) ? text : NULL;
}

static enum err_code
take(void *context, const struct outlet_event *events, size_t count, outlet_done *done,
     void *done_context, struct err *err)
{
    (void)context, (void)done, (void)done_context, (void)err;
    for (size_t i = 0; i < count; i++) {
        struct event event;
        struct event_defect defect;
        assert(event_parse(events[i].kind, events[i].record, events[i].utc_ms, &event, &defect));
        assert(str_is(event.organization, "acme"));
    }
    return ERR_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    const struct clock clock = clock_fixed(1795651200000);
    const struct outlet outlet = {.send = take};
    struct answer answer;
    struct parcel parcel;
    struct err err;
    const char *value;
    char allow[ROUTE_ALLOW_BYTES];
    struct str bearer;
    if (size_bytes == 0 || !answer_begin(&answer))
        return 0;
    size_t head = size_bytes < sizeof text ? size_bytes : sizeof text - 1;
    memcpy(text, data, head);
    text[head] = '\0';
    (void)!route_bearer(text, &bearer);
    (void)route_find("GET", text, &value, allow);

    parcel_init(&parcel);
    const struct api_request request = {.clock = &clock,
                                        .organization = "acme",
                                        .header = header,
                                        .path_value = "",
                                        .body = {data + 1, size_bytes - 1},
                                        .parcel = &parcel,
                                        .repeats = &repeats};
    enum err_code code = data[0] % 2 == 0 ? post_usage(&request, &answer, &err)
                                          : view_budget_put(&request, &answer, &err);
    assert(code == ERR_OK);
    assert(answer.status >= 400 || parcel.items.count > 0 || answer.status == 207);
    assert(answer.status < 400 || parcel.items.count == 0);
    assert(parcel_send(&parcel, &outlet, NULL, NULL, &err) == ERR_OK);
    parcel_clear(&parcel);
    assert(answer_end(&answer) && answer.size_bytes > 0);
    answer_clear(&answer);
    return 0;
}
