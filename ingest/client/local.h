/*
 * ingest/client/local.h - the agent's board (ingest/board/board.h), mapped, and answers
 * from it.  Private to ingest/client.
 *
 * Any thread may ask for an answer; none waits.  The board is foreign bytes.
 */
#ifndef INGEST_CLIENT_LOCAL_H
#define INGEST_CLIENT_LOCAL_H

#include <pthread.h>

#include "ingest/board/judge.h"
#include "ingest/client/gbill_limit.h"

struct local {
    pthread_rwlock_t lock;     /* of the map: read for an answer, written to replace it */
    const struct board *board; /* NULL: none */
    _Atomic int64_t
        want_ms; /* monotonic: not before this is the agent asked for one; 0: never yet */
};

bool local_init(struct local *local) __attribute__((warn_unused_result));
void local_clear(struct local *local, bool is_ours); /* not ours: in the child of a fork */

/*
 * Answer a check from the board.
 *
 *   question  its texts have 1 to 64 bytes
 *   ret       filled but for hold
 *
 * False: the agent is to be asked.
 */
bool local_answer(struct local *local, const struct gbill_limit_question *question,
                  int64_t now_utc_ms, int64_t now_monotonic_ms, struct gbill_limit_answer *ret);

/*
 * Is it this caller's turn to ask the agent for its board?  From the second check on,
 * once a second while there is none.
 */
bool local_wants(struct local *local, int64_t now_monotonic_ms);

/* Map the board that the agent sent; fd is closed.  What is none is left alone. */
void local_take(struct local *local, int fd);

#endif
