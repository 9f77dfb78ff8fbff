/*
 * store/log/quarantine.h - one quarantined event: what could not enter, and why.
 *
 * Stored form: msgpack [reason text, tag text, entry time ms, peer uid, bytes
 * bin].  The bytes are the client's record as it came, cut at
 * QUARANTINE_BYTES_MAX.
 */
#ifndef STORE_LOG_QUARANTINE_H
#define STORE_LOG_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"
#include "store/event/mp.h"

enum { QUARANTINE_BYTES_MAX = 32 * 1024 };

struct quarantined {
    struct str reason;
    struct str tag; /* as the client sent it, cut to 128 bytes */
    int64_t entry_utc_ms;
    uint32_t peer_uid;
    struct bytes record;
};

/* Append the stored form; false when out is full, which then is unchanged. */
bool quarantine_store(const struct quarantined *q, struct buf *out)
    __attribute__((warn_unused_result));

/* Read one; steps m over it.  False when the bytes are no quarantined event. */
bool quarantine_read(struct mp *m, struct quarantined *ret) __attribute__((warn_unused_result));

#endif
