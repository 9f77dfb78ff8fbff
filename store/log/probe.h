/*
 * store/log/probe.h - how long this disk takes to flush: the limit that the
 * agent's acks are judged against.
 */
#ifndef STORE_LOG_PROBE_H
#define STORE_LOG_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

enum { PROBE_WRITE_BYTES = 4096, PROBE_COUNT_MAX = 100000 };

struct probe {
    int64_t p50_ns, p99_ns, max_ns;
    size_t count;
};

/*
 * Time count times pwrite() of 4 KiB + fdatasync() into a file that was
 * written full before, as a log with preallocated space would do.
 *
 *   directory  where the file is made and removed again
 *   count      1 to PROBE_COUNT_MAX
 *
 * Errors: ERR_DENIED, ERR_FULL, ERR_IO.
 */
enum err_code probe_disk(const char *directory, size_t count, struct probe *ret,
                         struct err *err) ERR_MUST_CHECK;

#endif
