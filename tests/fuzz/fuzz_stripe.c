/*
 * What comes to a webhook, of any bytes: the first line is the header, the rest the body.
 * A header either agrees or does not, and no byte of it is believed; what is signed by us
 * agrees.  A body is no event, or becomes one that the agent takes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/event/event.h"
#include "store/event/json_pack.h"
#include "store/event/stripe_event.h"
#include "store/net/stripe_sign.h"
#include "tests/fuzz/fuzz.h"

static void
check_signature(struct str header, struct bytes body)
{
    static struct stripe_sign_secrets secrets;
    static char secret[] = "whsec_forNothingButFuzzing";
    char ours[STRIPE_SIGN_TEXT_BYTES];
    int64_t at_s = 0;
    secrets.each[0] = str_of(secret);
    secrets.count = 1;
    enum stripe_sign_verdict verdict =
        stripe_sign_verify(&secrets, header, body, 1796000000, &at_s);
    assert(stripe_sign_verdict_name(verdict) != NULL);
    assert(verdict != STRIPE_SIGNED || at_s >= 1796000000 - STRIPE_SIGN_TOLERANCE_S);
    stripe_sign_make(&secrets, body, 1796000000, ours);
    assert(body.size_bytes == 0 ||
           stripe_sign_verify(&secrets, str_of(ours), body, 1796000000, &at_s) == STRIPE_SIGNED);
}

static void
check_event(struct bytes body)
{
    struct stripe_event e;
    struct err err;
    struct event event;
    struct event_defect defect;
    struct buf record;
    if (stripe_event_read(body, &e, &err) != ERR_OK)
        return;
    buf_init(&record, EVENT_RECORD_BYTES_MAX);
    assert(json_pack_record(e.record, e.id, str_of(e.organization), &record) == JSON_PACKED);
    assert(event_parse(EVENT_STRIPE, (struct bytes){record.data, record.size_bytes}, 0, &event,
                       &defect));
    assert(str_is(event.organization, e.organization) && str_equal(event.id, e.id));
    buf_clear(&record);
    stripe_event_clear(&e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    const uint8_t *line = size_bytes > 0 ? memchr(data, '\n', size_bytes) : NULL;
    size_t head = line != NULL ? (size_t)(line - data) : size_bytes;
    const struct bytes body = {data + head + (line != NULL ? 1 : 0),
                               size_bytes - head - (line != NULL ? 1 : 0)};
    check_signature((struct str){(const char *)data, head}, body);
    check_event(body);
    return 0;
}
