/*
 * store/event/json_pack.h - JSON as msgpack: how an event that came as JSON becomes the
 * record that the agent takes.
 */
#ifndef STORE_EVENT_JSON_PACK_H
#define STORE_EVENT_JSON_PACK_H

#include <jansson.h>
#include <stdbool.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"

enum json_packed {
    JSON_PACKED,
    JSON_TOO_DEEP, /* nested deeper than depth_max */
    JSON_NO_ROOM,  /* out is full, or there is no memory */
};

/*
 * Append a value: integers stay integers, objects and arrays are kept.
 *
 *   value      borrowed
 *   depth_max  so many levels of objects and arrays may it have
 *   out        after anything but JSON_PACKED: holds part of the value
 */
enum json_packed json_pack_value(const json_t *value, int depth_max, struct buf *out)
    __attribute__((warn_unused_result));

/*
 * Append the record of an event: what the object says, but with this id and this
 * organization instead of its own; members that are null are left out, as the contract
 * has it (schemas/event.md).
 *
 *   object            borrowed; a JSON object
 *   id, organization  borrowed
 */
enum json_packed json_pack_record(const json_t *object, struct str id, struct str organization,
                                  struct buf *out) __attribute__((warn_unused_result));

#endif
