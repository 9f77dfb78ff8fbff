/*
 * store/event/event_plain.h - event_parse() in two steps, for a stream of records that
 * nobody has cut yet: most are read once, and cut by that.
 */
#ifndef STORE_EVENT_EVENT_PLAIN_H
#define STORE_EVENT_EVENT_PLAIN_H

#include "store/event/event.h"

/*
 * The short way: parse the record at the front of m if it is a plain usage event, as nearly
 * all are (event_plain.c), and step over it.
 *
 *   stored  the bytes were checked when they came in: what texts hold is not looked at again
 *
 * Returns false for anything else, right or wrong: m is then as it was and *ret undefined.
 */
bool event_parse_plain(struct mp *m, int64_t entry_utc_ms, bool stored, struct event *ret)
    __attribute__((warn_unused_result));

/* event_parse() of what the short way did not take. */
bool event_parse_general(enum event_kind kind, struct bytes record, int64_t entry_utc_ms,
                         struct event *ret, struct event_defect *defect)
    __attribute__((warn_unused_result));

#endif
