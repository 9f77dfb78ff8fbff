/*
 * store/event/stripe_event.h - what Stripe sends to a webhook, as an event of kind stripe.
 *
 * Of its object only the fields of schemas/stripe.md, "What Stripe tells us", are taken, as
 * scalars; so no name, address or card gets in.  The record that is made keeps every bound of
 * schemas/event.md, whatever Stripe sends: of what exceeds one
 *
 *   type, request_key   are cut (of a key its beginning counts)
 *   changed             is cut between two names
 *   any other text      is left out, since a part of an id would be another id; so are texts
 *                       with control characters and values of another type than the field's
 *
 * so that a text too long costs that field, never the event.
 *
 * Source: docs.stripe.com/api/events/object and the objects' own pages, API 2026-10-28.endive.
 */
#ifndef STORE_EVENT_STRIPE_EVENT_H
#define STORE_EVENT_STRIPE_EVENT_H

#include <jansson.h>
#include <stdbool.h>

#include "store/base/bytes.h"
#include "store/base/err.h"

enum { STRIPE_EVENT_BODY_BYTES_MAX = 256 * 1024, STRIPE_EVENT_ORGANIZATION_BYTES = 65 };

struct stripe_event {
    struct str id, type; /* in root; of the type what may be stored */
    char organization[STRIPE_EVENT_ORGANIZATION_BYTES]; /* "-": the object names none */
    int64_t created_s;
    json_t *record; /* what json_pack_record() takes: type, createdAt, object */
    json_t *root;   /* all of it */
};

/*
 * Read the body of a webhook.
 *
 *   body  any bytes are safe
 *   ret   filled on success; stripe_event_clear() it
 *
 * Errors:
 *   ERR_INPUT  no JSON, no event, no id of 1 to 64 bytes, no type, no created, no object; a
 *              thin event (v2.core.event), which has none
 *   ERR_LIMIT  more than STRIPE_EVENT_BODY_BYTES_MAX; no memory
 */
enum err_code stripe_event_read(struct bytes body, struct stripe_event *ret,
                                struct err *err) ERR_MUST_CHECK;

/* One that is empty is fine. */
void stripe_event_clear(struct stripe_event *event);

#endif
