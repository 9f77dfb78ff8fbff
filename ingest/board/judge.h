/*
 * ingest/board/judge.h - may it be done?  One judge for the agent, which asks it with
 * what it knows, and for the client, which asks it with the agent's row (board.h): the
 * same row gives the same answer.
 */
#ifndef INGEST_BOARD_JUDGE_H
#define INGEST_BOARD_JUDGE_H

#include "ingest/board/board.h"

enum { ANSWER_REASON_BYTES = 400 };

struct answer {
    bool allowed, known; /* known false: nothing can be said, the reason says why */
    const char *state;   /* "ok", "refused", "paused", "unknown", "held", "released", "none" */
    const char *plan, *upgrade;                      /* NULL: none */
    uint64_t used, held, limit;                      /* limit may be LIMIT_UNLIMITED */
    int64_t reset_ms;                                /* 0: never */
    int64_t expires_in_ms;                           /* of a hold; 0: none */
    uint64_t position;                               /* of the log, that the snapshot holds for */
    uint64_t requests_per_minute, tokens_per_minute; /* LIMIT_UNLIMITED: no limit */
    char reason[ANSWER_REASON_BYTES];
};

/*
 * Judge, as gbill limits would, of now: does the amount fit beside what is used and what is
 * reserved, every reservation with the most that it may come to?
 *
 *   amount     tokens, or things
 *   ret        plan and upgrade point into the row
 */
void judge_row(const struct board_row *row, enum limit_dimension dimension, uint64_t amount,
               struct answer *ret);

/* What an amount of tokens or things takes: credits, or things. */
uint64_t judge_units(const struct board_row *row, enum limit_dimension dimension, uint64_t amount);

/*
 * What is reserved, as it is told: of a hard limit no more than use has left of it, since all
 * reservations together may come to more (ingest/live/DESIGN.md); else all of it.
 */
uint64_t judge_held(const struct board_row *row, enum limit_dimension dimension, uint64_t used);

/* What is left of the limit; LIMIT_UNLIMITED: there is none. */
uint64_t answer_remaining(const struct answer *answer);

/* "ai", "project", "document", "member"; false: none of them. */
bool judge_action(struct str word, enum limit_dimension *ret);

#endif
