/*
 * store/log/redriven.h - which quarantined events have been sent again.
 *
 * Nothing in the log is edited: <data>/redriven.jsonl has a line for each, added
 * once the agent has acknowledged it:
 *
 *   {"number":17,"at":"2026-11-24T12:00:00.000Z"}
 *
 * The file is a note for people.  That an event counts once is the fold's doing, by
 * its id: a line that is missing does no harm.
 */
#ifndef STORE_LOG_REDRIVEN_H
#define STORE_LOG_REDRIVEN_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/base/list.h"

struct redriven {
    uint64_t number; /* in the quarantine */
    int64_t at_utc_ms;
};

/*
 * Read the notes.
 *
 *   ret  struct redriven, by number; list_clear() it, also after an error
 *
 * Lines that are none are left out.  No file is no error.  Errors: ERR_DENIED,
 * ERR_IO, ERR_LIMIT.
 */
enum err_code redriven_read(const char *data_directory, struct list *ret,
                            struct err *err) ERR_MUST_CHECK;

/* When a number was last sent; false if it never was. */
bool redriven_find(const struct list *redriven, uint64_t number, int64_t *ret_at_utc_ms)
    __attribute__((warn_unused_result));

/*
 * Add notes, flushed.
 *
 *   numbers  count of them, sent at at_utc_ms
 *
 * Errors: ERR_DENIED, ERR_FULL, ERR_IO.
 */
enum err_code redriven_add(const char *data_directory, const uint64_t *numbers, size_t count,
                           int64_t at_utc_ms, struct err *err) ERR_MUST_CHECK;

#endif
