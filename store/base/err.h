/*
 * store/base/err.h - what can go wrong, declared once.
 *
 * Every fallible function returns an err_code and fills a struct err with one
 * line for the reader: the thing, the value, the limit, the remedy.  Whoever
 * detects an error sets it; callers only put context in front of it.  The same
 * table gives the exit status of every program.
 */
#ifndef STORE_BASE_ERR_H
#define STORE_BASE_ERR_H

#include <stdbool.h>

/* name, exit status, can a retry without a change help?, what it means */
#define ERR_CODES(X)                                                      \
    X(OK, 0, false, "success")                                            \
    X(INTERNAL, 1, false, "a bug in gbill")                               \
    X(USAGE, 2, false, "the command line is wrong")                       \
    X(CONFIG, 3, false, "a setting, price book or plan book is wrong")    \
    X(INPUT, 4, false, "input is malformed")                              \
    X(LIMIT, 5, false, "a bound was exceeded")                            \
    X(NOT_FOUND, 6, false, "the thing asked for does not exist")          \
    X(CONFLICT, 7, false, "what is stored disagrees with what was given") \
    X(BUSY, 8, true, "another process holds the lock")                    \
    X(DENIED, 9, false, "permission denied")                              \
    X(IO, 10, false, "the disk or the kernel failed")                     \
    X(FULL, 11, true, "the disk is full")                                 \
    X(CORRUPT, 12, false, "stored bytes are not what was written")        \
    X(PEER, 13, true, "the agent or Postgres cannot be reached or refused")

enum err_code {
#define ERR_ENUM(name, status, retry, text) ERR_##name,
    ERR_CODES(ERR_ENUM)
#undef ERR_ENUM
};

enum { ERR_TEXT_BYTES_MAX = 768 };

struct err {
    enum err_code code;
    char text[ERR_TEXT_BYTES_MAX]; /* one line, no newline, NUL-terminated */
};

#define ERR_MUST_CHECK __attribute__((warn_unused_result))

/*
 * Set an error: the first word on what happened.
 *
 *   err   filled; NULL is allowed and keeps only the code
 *   code  not ERR_OK
 *   fmt   printf format; longer text is cut, control characters become spaces;
 *         its arguments must not point into err (that is err_wrap's work)
 *
 * Returns code, so that "return err_set(...)" reads well.
 */
enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Put "context: " in front of an error that a callee has set.
 *
 * Returns code.  Does nothing when code is ERR_OK.
 */
enum err_code err_wrap(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Set an error from errno_value: ENOSPC, EDQUOT, EFBIG become ERR_FULL; EACCES, EPERM
 * and EROFS ERR_DENIED; ENOENT ERR_NOT_FOUND; all others ERR_IO.  The system's own
 * words are appended.
 */
enum err_code err_set_errno(struct err *err, int errno_value, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Exit status, short name ("CORRUPT") and whether a retry can help. */
int err_exit_status(enum err_code code);
const char *err_name(enum err_code code);
bool err_retry_helps(enum err_code code);

#endif
