#include "store/base/utf8.h"

/*
 * How many of the left_bytes >= 1 bytes at p could be of one character, and how many it would have in
 * all (0: none begins so).
 */
static size_t
part_bytes(const uint8_t *p, size_t left_bytes, size_t *ret_whole)
{
    const uint8_t b = p[0];
    const size_t whole = b < 0x80               ? 1
                         : b < 0xc2 || b > 0xf4 ? 0
                         : b >= 0xf0            ? 4
                         : b >= 0xe0            ? 3
                                                : 2;
    uint8_t low = 0x80, high = 0xbf;
    if (b == 0xe0)
        low = 0xa0; /* overlong */
    else if (b == 0xed)
        high = 0x9f; /* surrogates */
    else if (b == 0xf0)
        low = 0x90; /* overlong */
    else if (b == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    size_t n = 1;
    while (n < whole && n < left_bytes && p[n] >= low && p[n] <= high) {
        low = 0x80;
        high = 0xbf;
        n++;
    }
    *ret_whole = whole;
    return n;
}

size_t
utf8_char_bytes(const uint8_t *p, size_t left_bytes)
{
    size_t whole;
    return left_bytes > 0 && part_bytes(p, left_bytes, &whole) == whole ? whole : 0;
}

size_t
utf8_bad_bytes(const uint8_t *p, size_t left_bytes)
{
    size_t whole;
    return part_bytes(p, left_bytes, &whole);
}

static uint64_t
eight(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* The 1 to 7 bytes at p, some of them twice. */
static uint64_t
fewer(const uint8_t *p, size_t size_bytes)
{
    uint32_t first, last;
    if (size_bytes < 4) {
        first = (uint32_t)p[0] << 16 | (uint32_t)p[size_bytes / 2] << 8 | p[size_bytes - 1];
        return 0x2020202020000000u | first;
    }
    memcpy(&first, p, sizeof first);
    memcpy(&last, p + size_bytes - sizeof last, sizeof last);
    return (uint64_t)first << 32 | last;
}

/* Whatever is in it. */
static __attribute__((noinline)) bool
any_text_ok(const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        if (end - p >= 8 && utf8_eight_plain(eight(p))) {
            p += 8;
            continue;
        }
        size_t n = utf8_char_bytes(p, (size_t)(end - p));
        if (n == 0 || *p < 0x20 || *p == 0x7f)
            return false;
        p += n;
    }
    return true;
}

/* Most texts are ASCII: those are judged with as few branches as can be, the last eight bytes as a
   word of their own whatever the length. */
bool
utf8_text_ok(const uint8_t *p, size_t size_bytes)
{
    const uint8_t *end = p + size_bytes;
    if (size_bytes >= 8) {
        while (end - p > 8 && utf8_eight_plain(eight(p)))
            p += 8;
        if (end - p <= 8 && utf8_eight_plain(eight(end - 8)))
            return true;
    } else if (size_bytes > 0 && utf8_eight_plain(fewer(p, size_bytes))) {
        return true;
    }
    return any_text_ok(p, end);
}
