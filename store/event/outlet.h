/*
 * store/event/outlet.h - where events go out: to an agent's log, for who does not know
 * agents.  gbill.c hands one over; ingest/agent_outlet.h is it.
 */
#ifndef STORE_EVENT_OUTLET_H
#define STORE_EVENT_OUTLET_H

#include "store/base/err.h"
#include "store/event/event.h"

struct outlet_event {
    enum event_kind kind;
    int64_t utc_ms;      /* when it happened, unless the record says so */
    struct bytes record; /* a msgpack map, with an id */
};

/*
 * How it ended: ERR_OK, all of them are on the agent's disk; else it is not known of any,
 * and sending them again under the same ids is safe.
 *
 *   err  borrowed during the call; set unless ERR_OK
 *
 * Called from a thread of the outlet's, which must not be kept waiting.
 */
typedef void outlet_done(void *context, enum err_code code, const struct err *err);

struct outlet {
    void *context; /* for send() */

    /*
     * Take events; return at once.
     *
     *   events  borrowed during the call; count >= 1
     *   done    called exactly once after ERR_OK, perhaps before send() has returned;
     *           never after an error
     *
     * Errors: ERR_PEER (no agent there), ERR_FULL (too many wait already), ERR_INPUT (no
     * such record); some of the events may have been taken all the same.
     */
    enum err_code (*send)(void *context, const struct outlet_event *events, size_t count,
                          outlet_done *done, void *done_context, struct err *err);
};

#endif
