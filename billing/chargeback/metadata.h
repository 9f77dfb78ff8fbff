/*
 * billing/chargeback/metadata.h - one value of a usage event's metadata, as text.
 */
#ifndef BILLING_CHARGEBACK_METADATA_H
#define BILLING_CHARGEBACK_METADATA_H

#include "store/base/buf.h"
#include "store/base/bytes.h"

enum { METADATA_TEXT_BYTES_MAX = 512 };

/*
 * Find it.
 *
 *   record   an event's msgpack map, as event_read() left it
 *   key      of the metadata map; exact
 *   room     where a value that is no text is written, as JSON would write it
 *   ret      a text as it is, true, 42, 0.5; empty where the event has no metadata, no
 *            such key, null or an empty text.  Points into record or room
 *
 * Returns false out of memory.
 */
bool metadata_text(struct bytes record, struct str key, struct buf *room, struct str *ret)
    __attribute__((warn_unused_result));

#endif
