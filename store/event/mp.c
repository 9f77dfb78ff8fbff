#include "store/event/mp.h"

#include <assert.h>
#include <string.h>

/*
 * The head of every value: how many bytes it takes before its payload, how its
 * length is written.  One table drives both readers.
 */
enum head_kind { H_FIX, H_NUMBER, H_BYTES, H_ARRAY, H_MAP, H_BAD };

struct head {
    enum head_kind kind;
    uint32_t head_bytes; /* first byte and length field */
    uint64_t count;      /* payload bytes, or elements */
};

static uint64_t
read_be(const uint8_t *p, size_t size_bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size_bytes; i++)
        v = v << 8 | p[i];
    return v;
}

/* Where the length field follows the first byte: its width by type byte 0xc4 to 0xdf. */
static const uint8_t length_bytes[28] = {
    1, 2, 4,       /* c4 bin */
    1, 2, 4,       /* c7 ext, one type byte behind the length */
    0, 0,          /* ca cb float */
    0, 0, 0, 0,    /* cc uint */
    0, 0, 0, 0,    /* d0 int */
    0, 0, 0, 0, 0, /* d4 fixext */
    1, 2, 4,       /* d9 str */
    2, 4,          /* dc array */
    2, 4,          /* de map */
};

/* Payload of the fixed-size types 0xca to 0xd8. */
static const uint8_t fixed_bytes[15] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17};

/* False: not enough bytes for the head (of h->head_bytes). */
static bool
read_head(const uint8_t *p, size_t left_bytes, struct head *h)
{
    uint8_t b = p[0];
    *h = (struct head){H_FIX, 1, 0};
    if (b <= 0x7f || b >= 0xe0 || b == 0xc0 || b == 0xc2 || b == 0xc3)
        return true;
    if (b <= 0x8f) {
        *h = (struct head){H_MAP, 1, b & 15};
    } else if (b <= 0x9f) {
        *h = (struct head){H_ARRAY, 1, b & 15};
    } else if (b <= 0xbf) {
        *h = (struct head){H_BYTES, 1, b & 31};
    } else if (b == 0xc1) {
        h->kind = H_BAD;
    } else if (b >= 0xca && b <= 0xd8) {
        *h = (struct head){H_NUMBER, 1, fixed_bytes[b - 0xca]};
    } else {
        size_t n = length_bytes[b - 0xc4];
        h->head_bytes = (uint32_t)(1 + n);
        if (left_bytes < 1 + n)
            return false;
        h->count = read_be(p + 1, n);
        h->kind = b >= 0xde ? H_MAP : b >= 0xdc ? H_ARRAY : H_BYTES;
        if (b >= 0xc7 && b <= 0xc9)
            h->count++; /* the type byte */
    }
    return true;
}

static bool
fits(const struct head *h, size_t left_bytes)
{
    /* Every element takes at least one byte, every pair two. */
    uint64_t least = h->kind == H_MAP ? h->count * 2 : h->count;
    return h->kind != H_BAD && h->head_bytes <= left_bytes && least <= left_bytes - h->head_bytes;
}

static void
read_number(const uint8_t *p, struct mp_value *v)
{
    const uint8_t *payload = p + 1;
    uint8_t b = p[0];
    if (b == 0xca) {
        uint32_t bits = get_be32(payload);
        float f;
        memcpy(&f, &bits, sizeof f);
        v->type = MP_FLOAT;
        v->f = (double)f;
    } else if (b == 0xcb) {
        uint64_t bits = get_be64(payload);
        v->type = MP_FLOAT;
        memcpy(&v->f, &bits, sizeof v->f);
    } else if (b <= 0xcf) {
        v->type = MP_UINT;
        v->u = read_be(payload, fixed_bytes[b - 0xca]);
    } else if (b <= 0xd3) {
        size_t n = fixed_bytes[b - 0xca];
        uint64_t bits = read_be(payload, n);
        uint64_t sign = (uint64_t)1 << (8 * n - 1);
        /* Sign-extend: flip the sign bit, subtract it again. */
        v->i = (int64_t)((bits ^ sign) - sign);
        v->type = v->i < 0 ? MP_INT : MP_UINT;
    } else {
        v->type = MP_EXT;
        v->ext_type = (int8_t)p[1];
        v->data = p + 2;
        v->count = (uint32_t)fixed_bytes[b - 0xca] - 1;
    }
}

static void
read_fix(uint8_t b, struct mp_value *v)
{
    if (b <= 0x7f) {
        v->type = MP_UINT;
        v->u = b;
    } else if (b >= 0xe0) {
        v->type = MP_INT;
        v->i = (int8_t)b;
    } else if (b == 0xc0) {
        v->type = MP_NIL;
    } else {
        v->type = MP_BOOL;
        v->b = b == 0xc3;
    }
}

bool
mp_read_any(struct mp *m, struct mp_value *ret)
{
    struct head h;
    size_t left = (size_t)(m->end - m->p);
    if (left == 0 || !read_head(m->p, left, &h) || !fits(&h, left))
        return false;
    const uint8_t *p = m->p;
    uint8_t b = p[0];
    m->p += h.head_bytes;
    ret->count = (uint32_t)h.count;
    switch (h.kind) {
    case H_FIX:
        read_fix(b, ret);
        break;
    case H_NUMBER:
        read_number(p, ret);
        m->p += h.count;
        break;
    case H_BYTES:
        ret->data = m->p;
        m->p += h.count;
        ret->type = b >= 0xc4 && b <= 0xc6 ? MP_BIN : MP_STR;
        if (b >= 0xc7 && b <= 0xc9) {
            ret->type = MP_EXT;
            ret->ext_type = (int8_t)ret->data[0];
            ret->data++;
            ret->count--;
        }
        break;
    case H_ARRAY:
        ret->type = MP_ARRAY;
        break;
    case H_MAP:
        ret->type = MP_MAP;
        break;
    case H_BAD:
        break;
    }
    return true;
}

/* Read heads until the value ends, the bytes run out, or it turns out bad. */
static enum mp_scan_result
scan_heads(struct mp_scan *scan, const uint8_t *data, size_t size_bytes, size_t size_bytes_max,
           uint32_t depth_max)
{
    while (scan->at_bytes < size_bytes) {
        struct head h;
        size_t left_max = size_bytes_max - scan->at_bytes;
        if (!read_head(data + scan->at_bytes, size_bytes - scan->at_bytes, &h))
            return h.head_bytes > left_max ? MP_SCAN_BAD : MP_SCAN_MORE;
        if (!fits(&h, left_max))
            return MP_SCAN_BAD;
        scan->at_bytes += h.head_bytes;
        bool container = h.kind == H_ARRAY || h.kind == H_MAP;
        if (container && h.count > 0) {
            if (scan->depth == depth_max)
                return MP_SCAN_BAD;
            scan->left[scan->depth++] = (uint32_t)(h.kind == H_MAP ? h.count * 2 : h.count);
        } else {
            scan->at_bytes += container ? 0 : h.count;
            /* A value ended; so may the containers around it. */
            while (scan->depth > 0 && --scan->left[scan->depth - 1] == 0)
                scan->depth--;
            if (scan->depth == 0)
                return MP_SCAN_WHOLE;
        }
        if (scan->at_bytes >= size_bytes_max)
            return MP_SCAN_BAD; /* more values are due than may come */
    }
    return MP_SCAN_MORE;
}

static enum mp_scan_result
scan_on(struct mp_scan *scan, const uint8_t *data, size_t size_bytes, size_t size_bytes_max,
        uint32_t depth_max, size_t *ret_size_bytes)
{
    assert(size_bytes_max <= UINT32_MAX);
    if (!scan->last) {
        enum mp_scan_result r = scan_heads(scan, data, size_bytes, size_bytes_max, depth_max);
        if (r != MP_SCAN_WHOLE)
            return r;
        scan->last = true;
    }
    if (scan->at_bytes > size_bytes)
        return MP_SCAN_MORE;
    *ret_size_bytes = scan->at_bytes;
    return MP_SCAN_WHOLE;
}

enum mp_scan_result
mp_scan(struct mp_scan *scan, const uint8_t *data, size_t size_bytes, size_t size_bytes_max,
        size_t *ret_size_bytes)
{
    return scan_on(scan, data, size_bytes, size_bytes_max, MP_DEPTH_MAX, ret_size_bytes);
}

bool
mp_skip(struct mp *m)
{
    return mp_skip_inside(m, 0);
}

bool
mp_skip_inside(struct mp *m, uint32_t outer_levels)
{
    assert(outer_levels <= MP_DEPTH_MAX);
    struct mp_scan scan;
    scan.depth = 0; /* left[] is written before it is read: no need to clear 64 bytes */
    scan.last = false;
    scan.at_bytes = 0;
    size_t left = (size_t)(m->end - m->p), size_bytes;
    size_t max = left < UINT32_MAX ? left : UINT32_MAX;
    if (scan_on(&scan, m->p, left, max, MP_DEPTH_MAX - outer_levels, &size_bytes) != MP_SCAN_WHOLE)
        return false;
    m->p += size_bytes;
    return true;
}

bool
mp_whole_float(const struct mp_value *v, uint64_t *ret)
{
    /* 2^53: above it a float64 no longer tells neighbours apart. */
    if (v->type != MP_FLOAT || !(v->f >= 0 && v->f <= 9007199254740992.0))
        return false;
    *ret = (uint64_t)v->f;
    return (double)*ret == v->f;
}
