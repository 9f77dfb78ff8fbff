/*
 * ingest/client/sender.h - the client's own thread: it sends what is in the spill
 * file, then what is in the queue, takes the acks, and puts the queue into the
 * spill file when the agent is away or slow.  Private to ingest/client.
 */
#ifndef INGEST_CLIENT_SENDER_H
#define INGEST_CLIENT_SENDER_H

#include "ingest/client/client.h"

/*
 * Start the thread of an otherwise finished client: all signals blocked, connected
 * if an agent is there.  ERR_IO: there is no thread.
 */
enum err_code sender_start(struct gbill *client, struct err *err) ERR_MUST_CHECK;

/*
 * Is it to be woken?  The caller holds the mutex, and calls sender_wake() if so once it
 * has released it: else the sender would wake up to wait for the mutex.
 *
 *   for_what  it is only if it sleeps for this or for less
 */
bool sender_must_wake(struct gbill *client, enum wake_for for_what)
    __attribute__((warn_unused_result));
void sender_wake(struct gbill *client);

/* End it, having put the queue into the spill file. */
void sender_end(struct gbill *client);

#endif
