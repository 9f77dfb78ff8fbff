/*
 * store/base/digits.h - whole numbers as decimal digits, for those who write
 * millions of them.
 */
#ifndef STORE_BASE_DIGITS_H
#define STORE_BASE_DIGITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DIGITS_BYTES_MAX = 20 }; /* of 2^64 - 1 */

/*
 * Write a number in decimal, without NUL.
 *
 *   to  room for DIGITS_BYTES_MAX bytes
 *
 * Returns how many bytes were written, at least one.
 */
static inline size_t
digits_put(char *to, uint64_t value)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";
    char text[DIGITS_BYTES_MAX];
    size_t at = sizeof text;
    if (value < 10) {
        *to = (char)('0' + value);
        return 1;
    }
    for (; value >= 100; value /= 100) {
        at -= 2;
        memcpy(text + at, pairs + value % 100 * 2, 2);
    }
    if (value >= 10) {
        at -= 2;
        memcpy(text + at, pairs + value * 2, 2);
    } else {
        text[--at] = (char)('0' + value);
    }
    memcpy(to, text + at, sizeof text - at);
    return sizeof text - at;
}

#endif
