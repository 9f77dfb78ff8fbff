/*
 * reports/api/answer.h - what goes back to a client, made whole in memory.
 */
#ifndef REPORTS_API_ANSWER_H
#define REPORTS_API_ANSWER_H

#include <stdio.h>

#include "store/base/err.h"

struct answer {
    unsigned status;
    const char *type; /* of the content */
    const char *code; /* of a problem; NULL: it is none */
    unsigned retry_s; /* ask again then; 0: not said */
    FILE *out;        /* what is written here is the body */
    FILE *file;       /* NULL, or a file of its own that is the body instead */
    char *text;       /* malloc()ed; the body, once answer_end() was called */
    size_t size_bytes;
};

/* An empty answer: 200, JSON.  False without memory. */
bool answer_begin(struct answer *answer) __attribute__((warn_unused_result));

/* The body is whole; false without memory.  text is the caller's to free(). */
bool answer_end(struct answer *answer) __attribute__((warn_unused_result));
void answer_clear(struct answer *answer);

/*
 * Put a problem (RFC 9457) in place of what was written.
 *
 *   code    a fixed word for programs: "unauthorized"
 *   detail  what is wrong, in words
 *   remedy  what to do
 */
void answer_problem(struct answer *answer, unsigned status, const char *code, const char *detail,
                    const char *remedy);

/* The problem that an error is. */
void answer_error(struct answer *answer, enum err_code code, const struct err *err);

#endif
