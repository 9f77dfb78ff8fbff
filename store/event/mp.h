/*
 * store/event/mp.h - a bounded reader of foreign msgpack.
 *
 * It walks bytes and builds nothing: no allocation, no recursion, depth at most
 * MP_DEPTH_MAX, no count beyond the bytes that are left.  Writing is msgpack-c's
 * job; reading is ours because a hostile header must not be able to ask for
 * memory.  Format: the msgpack specification (github.com/msgpack/msgpack).
 */
#ifndef STORE_EVENT_MP_H
#define STORE_EVENT_MP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/bytes.h"

enum { MP_DEPTH_MAX = 16 };

enum mp_type {
    MP_NIL,
    MP_BOOL,
    MP_UINT,  /* u */
    MP_INT,   /* i, negative */
    MP_FLOAT, /* f */
    MP_STR,   /* data, count bytes */
    MP_BIN,   /* data, count bytes */
    MP_EXT,   /* data, count bytes, ext_type */
    MP_ARRAY, /* count elements follow */
    MP_MAP,   /* count pairs follow */
};

struct mp_value {
    enum mp_type type;
    int8_t ext_type;
    uint32_t count;
    const uint8_t *data;
    union {
        uint64_t u;
        int64_t i;
        double f;
        bool b;
    };
};

struct mp {
    const uint8_t *p, *end;
};

static inline struct mp
mp_of(struct bytes b)
{
    /* NULL + 0 is undefined in C; an empty span may well be NULL. */
    return (struct mp){b.data, b.size_bytes > 0 ? b.data + b.size_bytes : b.data};
}

/*
 * Read one value: a scalar whole, of an array or a map only its head.
 *
 * Returns false, with m where it was, on a truncated or invalid value and on a
 * count that the bytes left cannot hold.
 */
bool mp_read_any(struct mp *m, struct mp_value *ret) __attribute__((warn_unused_result));

/*
 * mp_read() for a caller that keeps its place in a register.  Returns the place
 * behind the value, or NULL.  Most values of an event are texts and whole numbers:
 * those are read in place.
 */
static inline const uint8_t *
mp_take(const uint8_t *p, const uint8_t *end, struct mp_value *ret)
{
    size_t left = (size_t)(end - p);
    if (left == 0)
        return NULL;
    uint8_t b = p[0];
    if (b <= 0x7f) {
        ret->type = MP_UINT;
        ret->u = b;
        return p + 1;
    }
    size_t text_bytes = b & 31;
    if ((b & 0xe0) == 0xa0 && text_bytes < left) {
        ret->type = MP_STR;
        ret->count = (uint32_t)text_bytes;
        ret->data = p + 1;
        return p + 1 + text_bytes;
    }
    if (b == 0xd9 && left >= 2 && left - 2 >= p[1]) {
        ret->type = MP_STR;
        ret->count = p[1];
        ret->data = p + 2;
        return p + 2 + p[1];
    }
    if (b == 0xcd && left >= 3) {
        ret->type = MP_UINT;
        ret->u = get_be16(p + 1);
        return p + 3;
    }
    if (b == 0xcf && left >= 9) {
        ret->type = MP_UINT;
        ret->u = get_be64(p + 1);
        return p + 9;
    }
    struct mp m = {p, end};
    return mp_read_any(&m, ret) ? m.p : NULL;
}

static inline bool mp_read(struct mp *m, struct mp_value *ret) __attribute__((warn_unused_result));

static inline bool
mp_read(struct mp *m, struct mp_value *ret)
{
    const uint8_t *p = mp_take(m->p, m->end, ret);
    if (p == NULL)
        return false;
    m->p = p;
    return true;
}

/* Step over one value with all it contains; false as mp_read() or too deep. */
bool mp_skip(struct mp *m) __attribute__((warn_unused_result));

/*
 * The same for a value inside others.
 *
 *   outer_levels  arrays and maps that are open around it, <= MP_DEPTH_MAX: the
 *                 limit on depth counts from the outermost
 *
 * Returns false, with m where it was, as mp_read() or when it is too deep.
 */
bool mp_skip_inside(struct mp *m, uint32_t outer_levels) __attribute__((warn_unused_result));

/* The text of an MP_STR value. */
static inline struct str
mp_str(const struct mp_value *v)
{
    return (struct str){(const char *)v->data, v->count};
}

/*
 * A whole number, however the client wrote it: unsigned, non-negative signed, or
 * a float64 that is integral (msgpack-lite sends integers >= 2^32 so).
 */
static inline bool mp_whole(const struct mp_value *v, uint64_t *ret)
    __attribute__((warn_unused_result));
bool mp_whole_float(const struct mp_value *v, uint64_t *ret) __attribute__((warn_unused_result));

static inline bool
mp_whole(const struct mp_value *v, uint64_t *ret)
{
    if (v->type != MP_UINT)
        return mp_whole_float(v, ret);
    *ret = v->u;
    return true;
}

/*
 * A resumable scan for the end of a top-level value in a stream.  All zero is
 * the start state.  It never looks at a byte twice, so a value that comes one
 * byte a read costs no more than one that comes at once.
 */
struct mp_scan {
    uint32_t left[MP_DEPTH_MAX]; /* values still to come at each open level */
    uint32_t depth;
    bool last;       /* all heads are read; only the last payload is still to come */
    size_t at_bytes; /* where the next head is due, from the value's first byte */
};

enum mp_scan_result { MP_SCAN_WHOLE, MP_SCAN_MORE, MP_SCAN_BAD };

/*
 * Continue scanning.
 *
 *   data, size_bytes  the stream from the value's first byte on
 *   size_bytes_max    a value larger than this is bad; at most UINT32_MAX
 *   ret_size_bytes    on MP_SCAN_WHOLE the value's length, <= size_bytes
 *
 * MP_SCAN_BAD: invalid msgpack, too deep, too large; known as soon as a head says
 * so, before the payload is there.  MP_SCAN_MORE is never the answer to
 * size_bytes >= size_bytes_max, so a buffer of size_bytes_max always suffices.
 * After WHOLE and BAD, start anew from all zero.
 */
enum mp_scan_result mp_scan(struct mp_scan *scan, const uint8_t *data, size_t size_bytes,
                            size_t size_bytes_max, size_t *ret_size_bytes);

#endif
