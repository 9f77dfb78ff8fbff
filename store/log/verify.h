/*
 * store/log/verify.h - read a whole stream and check all that can be checked:
 * checksums, chain, dense numbers, and that every event can be read.
 */
#ifndef STORE_LOG_VERIFY_H
#define STORE_LOG_VERIFY_H

#include "store/event/event.h"
#include "store/log/reader.h"

/* What is told while it goes; an error ends it. */
struct log_watch {
    void *context;
    /* Once, before all others: where it begins; NULL if not wanted.  Not called for an empty log. */
    void (*begin)(void *context, const struct log_begin *begin);
    /* Each event, in order; NULL if not wanted.  Not called for quarantined ones. */
    enum err_code (*event)(void *context, uint64_t seq, const struct event *event, struct err *err);
    /* Each frame that is sound, behind its events; NULL if not wanted. */
    enum err_code (*frame)(void *context, const struct log_frame *frame, struct err *err);
};

/*
 * Verify one stream from the oldest day that is kept to its end.
 *
 *   directory  <data>/log
 *
 * Errors: ERR_CORRUPT names the file and the frame or event that is not as it was
 * written; as log_reader_open() and log_reader_next(); those of watch.
 */
enum err_code log_verify(const char *directory, enum log_stream stream,
                         const struct log_watch *watch, struct err *err) ERR_MUST_CHECK;

#endif
