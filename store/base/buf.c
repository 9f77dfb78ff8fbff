#include "store/base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST_BYTES = 256 };

void
buf_init(struct buf *buf, size_t cap_bytes)
{
    *buf = (struct buf){.cap_bytes = cap_bytes};
}

void
buf_clear(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->cap_bytes);
}

bool
buf_reserve(struct buf *buf, size_t more_bytes)
{
    if (more_bytes <= buf->room_bytes - buf->size_bytes)
        return true;
    if (more_bytes > buf->cap_bytes - buf->size_bytes)
        return false;
    size_t need = buf->size_bytes + more_bytes;
    size_t room = buf->room_bytes > 0 ? buf->room_bytes : BUF_FIRST_BYTES;
    if (room > buf->cap_bytes)
        room = buf->cap_bytes;
    while (room < need)
        room = room > buf->cap_bytes / 2 ? buf->cap_bytes : room * 2;
    uint8_t *data = realloc(buf->data, room);
    if (data == NULL)
        return false;
    buf->data = data;
    buf->room_bytes = room;
    return true;
}

void
buf_trim(struct buf *buf, size_t room_bytes)
{
    if (room_bytes == 0 || buf->room_bytes <= room_bytes || buf->size_bytes > room_bytes)
        return;
    uint8_t *data = realloc(buf->data, room_bytes);
    if (data == NULL)
        return;
    buf->data = data;
    buf->room_bytes = room_bytes;
}

bool
buf_append(struct buf *buf, const void *data, size_t size_bytes)
{
    if (size_bytes == 0)
        return true;
    if (!buf_reserve(buf, size_bytes))
        return false;
    memcpy(buf->data + buf->size_bytes, data, size_bytes);
    buf->size_bytes += size_bytes;
    return true;
}

bool
buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !buf_reserve(buf, (size_t)n + 1))
        return false;
    va_start(ap, fmt);
    vsnprintf((char *)buf->data + buf->size_bytes, (size_t)n + 1, fmt, ap);
    va_end(ap);
    buf->size_bytes += (size_t)n;
    return true;
}

void
buf_drop(struct buf *buf, size_t size_bytes)
{
    assert(size_bytes <= buf->size_bytes);
    buf->size_bytes -= size_bytes;
    if (buf->size_bytes > 0)
        memmove(buf->data, buf->data + size_bytes, buf->size_bytes);
}
