/*
 * reports/api/parcel.h - the events that one request makes, on their way to the agent.
 */
#ifndef REPORTS_API_PARCEL_H
#define REPORTS_API_PARCEL_H

#include <jansson.h>

#include "store/base/buf.h"
#include "store/base/list.h"
#include "store/event/outlet.h"

enum { PARCEL_EVENTS_MAX = 1000, PARCEL_ID_BYTES = 41 };

struct parcel {
    struct buf records;
    struct list items; /* struct parcel_item, of parcel.c */
};

void parcel_init(struct parcel *parcel);
void parcel_clear(struct parcel *parcel);

/*
 * Add an event, if the agent would take it.
 *
 *   object        borrowed; its own id and organizationId are not looked at
 *   id            borrowed
 *   organization  the key's
 *   now_ms        the event's time, unless it says so, and what that is held against
 *   defect        written on failure: nothing was added
 */
bool parcel_add(struct parcel *parcel, enum event_kind kind, const json_t *object, struct str id,
                const char *organization, int64_t now_ms, struct event_defect *defect)
    __attribute__((warn_unused_result));

/*
 * The id of an event that brings none: of the organization's Idempotency-Key and the
 * event's place in the request, so that the same request again is the same events; or
 * random, where there is no such key.
 *
 *   idempotency_key  NULL: none
 *
 * False: the kernel gives no random bytes.
 */
bool parcel_make_id(const char *idempotency_key, size_t index, char ret_id[PARCEL_ID_BYTES])
    __attribute__((warn_unused_result));

/* Hand all of it over; as outlet_send() of store/event/outlet.h.  Dead afterwards but for parcel_clear(). */
enum err_code parcel_send(const struct parcel *parcel, const struct outlet *outlet,
                          outlet_done *done, void *done_context, struct err *err) ERR_MUST_CHECK;

#endif
