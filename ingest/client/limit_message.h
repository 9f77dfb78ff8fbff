/*
 * ingest/client/limit_message.h - a question about limits and its answer, as bytes:
 * schemas/live.md.  Private to ingest/client.
 */
#ifndef INGEST_CLIENT_LIMIT_MESSAGE_H
#define INGEST_CLIENT_LIMIT_MESSAGE_H

#include "ingest/client/gbill_limit.h"
#include "store/base/buf.h"
#include "store/base/bytes.h"
#include "store/base/err.h"

enum { LIMIT_QUESTION_BYTES_MAX = 512, LIMIT_ANSWER_BYTES_MAX = 4096 };

/*
 * Append a question.
 *
 *   op        "check", "reserve", "release"
 *   question  its texts have at most 64 bytes
 *   hold      instead of question->hold; NULL: none
 *
 * False without memory.
 */
bool limit_message_pack(const char *op, const struct gbill_limit_question *question,
                        const char *hold, struct buf *out) __attribute__((warn_unused_result));

/*
 * Read an answer: one whole msgpack value.  Safe on any bytes.
 *
 *   ret  filled but for hold; what the answer does not tell is none or no limit
 *
 * ERR_INPUT: the agent says what is wrong with the question; ERR_PEER: this is no
 * answer to one.
 */
enum err_code limit_message_read(struct bytes answer, struct gbill_limit_answer *ret,
                                 struct err *err) ERR_MUST_CHECK;

#endif
