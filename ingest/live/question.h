/*
 * ingest/live/question.h - a question about limits and its answer, as bytes:
 * schemas/live.md.
 *
 * A question is a message of the forward protocol with the tag gbill.live and one
 * entry; the answer is one map.  Nothing is allocated; a struct question points
 * into the message.
 */
#ifndef INGEST_LIVE_QUESTION_H
#define INGEST_LIVE_QUESTION_H

#include "ingest/board/judge.h"
#include "ingest/forward.h"

enum question_op {
    QUESTION_CHECK,
    QUESTION_RESERVE,
    QUESTION_RELEASE,
    QUESTION_BOARD,
    QUESTION_OPS
};

enum { QUESTION_LIFE_MS = 60 * 1000, QUESTION_LIFE_MS_MAX = 60 * 60 * 1000 };

struct question {
    enum question_op op;
    enum limit_dimension dimension;
    struct str organization, hold; /* empty: board has neither, check no hold */
    uint64_t amount;               /* tokens, or things; at least 1 */
    uint64_t bound;                /* of a reservation: the most it may come to; at least amount */
    int64_t life_ms;               /* of a reservation */
    struct forward_chunk chunk;    /* size 0: no answer is wanted */
};

/* Is it a question?  Looks at the first bytes only: one that is may be a wrong one. */
bool question_is(struct bytes message);

/*
 * Read one.  Safe on any bytes.
 *
 *   ret         chunk is also set where the record is wrong
 *   ret_defect  NULL, or what is wrong with the record: a fixed text for the answer
 *
 * False with *ret_reason: it is not the forward protocol, its connection is to be closed.
 */
bool question_read(struct bytes message, struct question *ret, const char **ret_defect,
                   const char **ret_reason) __attribute__((warn_unused_result));

enum { ANSWER_BYTES_MAX = FORWARD_ACK_BYTES_MAX + 2048 };

/* Write an answer; returns its size. */
size_t answer_write(const struct question *question, const struct answer *answer,
                    uint8_t out[ANSWER_BYTES_MAX]);

/* The same of a question that is wrong. */
size_t answer_write_error(const struct question *question, const char *defect,
                          uint8_t out[ANSWER_BYTES_MAX]);

#endif
