/*
 * store/base/utf8.h - is this UTF-8?  Source: RFC 3629, table of well-formed byte
 * sequences (no overlong forms, no surrogates, nothing beyond U+10FFFF).
 */
#ifndef STORE_BASE_UTF8_H
#define STORE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many bytes the character at p takes, 1 to 4; 0 if it is not well-formed. */
size_t utf8_char_bytes(const uint8_t *p, size_t left_bytes);

/*
 * At a place that is not well-formed: how many bytes one U+FFFD stands for, at least 1.  Source: WHATWG
 * Encoding, "UTF-8 decoder"; Unicode 16, section 3.9, "maximal subpart".
 */
size_t utf8_bad_bytes(const uint8_t *p, size_t left_bytes);

/*
 * Are all eight bytes printable ASCII (0x20 to 0x7e)?  May say no for some that
 * are; never says yes for one that is not.
 */
static inline bool
utf8_eight_plain(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u, high = ones * 0x80;
    /* Bytes below 0x20 borrow into their high bit; 0x7f carries into its own. */
    return ((x | (x - ones * 0x20) | (x + ones)) & high) == 0;
}

/* Well-formed UTF-8 without the control characters U+0000 to U+001F and U+007F? */
bool utf8_text_ok(const uint8_t *p, size_t size_bytes);

#endif
