#include "store/base/utf8.h"

size_t
utf8_char_bytes(const uint8_t *p, size_t left_bytes)
{
    uint8_t b = left_bytes > 0 ? p[0] : 0xff;
    if (b < 0x80)
        return 1;
    size_t n = b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : 2;
    if (b < 0xc2 || b > 0xf4 || left_bytes < n)
        return 0;
    uint8_t low = 0x80, high = 0xbf;
    if (b == 0xe0)
        low = 0xa0; /* overlong */
    else if (b == 0xed)
        high = 0x9f; /* surrogates */
    else if (b == 0xf0)
        low = 0x90; /* overlong */
    else if (b == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    for (size_t i = 1; i < n; i++) {
        if (p[i] < low || p[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return n;
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
