/*
 * store/event/event_json.h - msgpack as JSON, for people who look at the log.
 */
#ifndef STORE_EVENT_EVENT_JSON_H
#define STORE_EVENT_EVENT_JSON_H

#include <stdio.h>

#include "store/base/bytes.h"

/*
 * Write one msgpack value as JSON.  Binary, ext and invalid bytes become
 * {"hex": "…"}; texts that are not UTF-8 have their bad bytes replaced.
 *
 *   value  borrowed; any bytes are safe
 */
void event_json_write(FILE *out, struct bytes value);

#endif
