/*
 * ingest/admit.h - one whole message of a client becomes part of a batch.
 *
 * A message is taken all or not at all: if it is not the protocol, the batch is
 * as it was.  An event in it that breaks the contract is no reason to refuse the
 * message (its sender would retry for ever): it goes to the quarantine, with the
 * defect's words, and the chunk is acked like any other.  So does an event for an
 * organization that its peer may not write for.
 */
#ifndef INGEST_ADMIT_H
#define INGEST_ADMIT_H

#include <stdint.h>

#include "ingest/batch.h"
#include "ingest/live/live.h"
#include "ingest/peers.h"
#include "store/base/bytes.h"
#include "store/base/inflate.h"

struct admit_counts {
    uint64_t messages, heartbeats, events, undeclared;
    uint64_t quarantined, quarantined_tag, quarantined_time; /* all, and two of the reasons */
};

/* Whose message it is. */
struct admit_from {
    struct conn *conn;
    const struct peer *peer; /* who sent it, and what it may */
    int64_t receive_utc_ms;
    struct inflater *inflater; /* for compressed entries; one for all connections */
    struct live *live;         /* counts what comes; NULL: nobody does */
};

/*
 * Admit a message.
 *
 *   message    borrowed; one whole msgpack value
 *   batch      filled
 *   counts     moved on success only
 *   ret_owed   set to 1 when the batch has one receiver more: from->conn must
 *              live until the batch is reset; else 0
 *
 * Returns NULL, or why the message is refused: a fixed text.  Safe on any bytes.
 */
const char *admit_message(struct bytes message, const struct admit_from *from, struct batch *batch,
                          struct admit_counts *counts, uint32_t *ret_owed)
    __attribute__((warn_unused_result));

#endif
