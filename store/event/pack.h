/*
 * store/event/pack.h - msgpack-c's packer writing into a struct buf.
 */
#ifndef STORE_EVENT_PACK_H
#define STORE_EVENT_PACK_H

#include <msgpack.h>

#include "store/base/buf.h"

/* For msgpack_packer_init(&packer, buf, pack_to_buf): fails when the buffer is full. */
static inline int
pack_to_buf(void *data, const char *bytes, size_t size_bytes)
{
    return buf_append(data, bytes, size_bytes) ? 0 : -1;
}

#endif
