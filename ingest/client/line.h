/*
 * ingest/client/line.h - a connection over which one question is asked at a time,
 * by the thread that wants the answer.  Private to ingest/client.
 *
 * No call waits beyond its deadline.  On any failure the connection is closed, since
 * a late answer must not be taken for the next one.
 */
#ifndef INGEST_CLIENT_LINE_H
#define INGEST_CLIENT_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ingest/client/limit_message.h"
#include "store/base/err.h"

/*
 * Connect.
 *
 * ERR_DENIED: not for this user; ERR_PEER: nobody listens, or not in time; ERR_IO:
 * no descriptor.
 */
enum err_code line_dial(const struct sockaddr_un *address, int64_t deadline_ns, int *ret_fd,
                        struct err *err) ERR_MUST_CHECK;

/*
 * Send a question and receive its answer, one whole msgpack value.
 *
 *   room          LIMIT_ANSWER_BYTES_MAX bytes; the answer lies there
 *   ret_fd        NULL: none is wanted; else -1 before, and the caller's if one came, also
 *                 on failure
 *   ret_was_lost  on failure: the peer had closed the connection, so it may be the
 *                 end of an agent before this one
 *
 * ERR_PEER: lost, not in time, or an answer that is none.  fd is closed then.
 */
enum err_code line_ask(int fd, struct bytes question, int64_t deadline_ns,
                       uint8_t room[LIMIT_ANSWER_BYTES_MAX], struct bytes *ret_answer, int *ret_fd,
                       bool *ret_was_lost, struct err *err) ERR_MUST_CHECK;

#endif
