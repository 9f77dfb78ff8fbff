/*
 * store/event/event_parts.h - the passes of a usage event that names its iterations.
 */
#ifndef STORE_EVENT_EVENT_PARTS_H
#define STORE_EVENT_EVENT_PARTS_H

#include "store/event/event.h"

/*
 * Walk the passes of a call that names its iterations, each a call of its own for
 * the price: model and tokens are the pass's, tier, region and speed the call's.
 * Passes that the provider does not charge are left out.
 *
 *   usage  as event_parse() or event_usage_from_provider() left it; borrowed
 */
struct event_parts {
    const struct event_usage *usage;
    struct mp m;
    uint32_t left;
};

void event_parts_begin(struct event_parts *parts, const struct event_usage *usage);
bool event_parts_next(struct event_parts *parts, struct event_usage *ret);

#endif
