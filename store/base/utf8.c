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

bool
utf8_text_ok(const uint8_t *p, size_t size_bytes)
{
    const uint8_t *end = p + size_bytes;
    while (p < end) {
        if (end - p >= 8 && utf8_eight_plain(p)) {
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
