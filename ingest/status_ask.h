/*
 * ingest/status_ask.h - ask a running agent for its figures.
 */
#ifndef INGEST_STATUS_ASK_H
#define INGEST_STATUS_ASK_H

#include "store/base/buf.h"
#include "store/base/err.h"

enum { STATUS_ASK_TIMEOUT_MS = 5000, STATUS_ASK_BYTES_MAX = 256 * 1024 };

/*
 * Ask the status socket at path.
 *
 *   text  receives the figures' text, without HTTP's head
 *
 * Errors: ERR_PEER when nobody answers there, or not within STATUS_ASK_TIMEOUT_MS,
 * or something else; ERR_DENIED when this user may not ask; ERR_LIMIT for a path
 * or an answer that is too long.
 */
enum err_code status_ask(const char *path, struct buf *text, struct err *err) ERR_MUST_CHECK;

#endif
