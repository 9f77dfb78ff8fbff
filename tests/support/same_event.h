/*
 * tests/support/same_event.h - do two events that were read from the same bytes say
 * the same?
 */
#ifndef TESTS_SUPPORT_SAME_EVENT_H
#define TESTS_SUPPORT_SAME_EVENT_H

#include <string.h>

#include "store/event/event.h"

static inline bool
same_text(struct str a, struct str b)
{
    return a.size_bytes == b.size_bytes && (a.size_bytes == 0 || a.data == b.data);
}

static inline bool
same_usage(const struct event_usage *a, const struct event_usage *b)
{
    for (size_t c = 0; c < (a->media ? EVENT_CLASSES : EVENT_TEXT_CLASSES); c++) {
        if (a->tokens[c] != b->tokens[c])
            return false;
    }
    for (size_t f = 0; a->charged_uses && f < EVENT_FEES; f++) {
        if (a->fees[f] != b->fees[f])
            return false;
    }
    return same_text(a->user, b->user) && same_text(a->project, b->project) &&
           same_text(a->type, b->type) && same_text(a->provider, b->provider) &&
           same_text(a->model, b->model) && same_text(a->tier, b->tier) &&
           same_text(a->region, b->region) && same_text(a->speed, b->speed) &&
           a->reasoning_tokens == b->reasoning_tokens && a->latency_us == b->latency_us &&
           a->uncounted == b->uncounted && a->bytes[EVENT_SENT] == b->bytes[EVENT_SENT] &&
           a->bytes[EVENT_RECEIVED] == b->bytes[EVENT_RECEIVED] && a->failed == b->failed &&
           a->estimated == b->estimated && a->media == b->media &&
           a->charged_uses == b->charged_uses && a->fallback == b->fallback &&
           a->iterations.size_bytes == b->iterations.size_bytes;
}

/* Both of EVENT_USAGE. */
static inline bool
same_event(const struct event *a, const struct event *b)
{
    return a->kind == b->kind && a->peer_uid == b->peer_uid && a->time_utc_ms == b->time_utc_ms &&
           a->undeclared == b->undeclared && a->record.data == b->record.data &&
           a->record.size_bytes == b->record.size_bytes && same_text(a->id, b->id) &&
           same_text(a->organization, b->organization) && same_usage(&a->usage, &b->usage);
}

#endif
