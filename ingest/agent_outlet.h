/*
 * ingest/agent_outlet.h - the outlet whose events go to a gbill-agent, through libgbill.
 *
 * Events of several callers that come while the agent flushes travel together, so its
 * group commit is theirs too.  Nothing is kept on a disk of ours: what is not acknowledged
 * in time is told to who sent it, and stays in memory to be sent all the same.
 */
#ifndef INGEST_AGENT_OUTLET_H
#define INGEST_AGENT_OUTLET_H

#include "store/event/outlet.h"

struct agent_outlet;

enum { AGENT_OUTLET_WAIT_MS = 5000 };

/*
 * Open; the agent need not be there.  Two threads are started, which block all signals.
 *
 *   socket  the agent's; borrowed during the call
 *   ret     taken by the caller: agent_outlet_close()
 *
 * An answer comes after AGENT_OUTLET_WAIT_MS at the latest, or twice as long for what
 * came while others were waiting.
 *
 * Errors: those of gbill_open() without a spill file.
 */
enum err_code agent_outlet_open(const char *socket, struct agent_outlet **ret,
                                struct err *err) ERR_MUST_CHECK;

/* Who has been promised an answer gets it first.  NULL is allowed. */
void agent_outlet_close(struct agent_outlet *outlet);

/* Valid until agent_outlet_close(). */
struct outlet agent_outlet_of(struct agent_outlet *outlet);

#endif
