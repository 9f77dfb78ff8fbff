/*
 * ingest/stranger.h - what a peer seems to speak that does not speak the forward
 * protocol, so that the line in the journal names the mistake and its remedy.
 */
#ifndef INGEST_STRANGER_H
#define INGEST_STRANGER_H

#include "store/base/bytes.h"

/*
 * A fixed text that names HTTP, TLS or JSON, or NULL for none of them.
 *
 *   start  borrowed; the first bytes that were not understood, as many as came
 */
const char *stranger_reason(struct bytes start);

#endif
