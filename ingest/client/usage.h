/*
 * ingest/client/usage.h - a struct gbill_usage as the msgpack map of a record.
 * Private to ingest/client.
 */
#ifndef INGEST_CLIENT_USAGE_H
#define INGEST_CLIENT_USAGE_H

#include "ingest/client/gbill.h"
#include "store/base/buf.h"

/*
 * Append the record.
 *
 *   id   used instead of usage->id
 *   out  filled; on failure it holds anything
 *
 * False when out is full.  Nothing is checked here: event_parse() does that.
 */
bool usage_pack(const struct gbill_usage *usage, const char *id, struct buf *out)
    __attribute__((warn_unused_result));

#endif
