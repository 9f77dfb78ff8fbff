/*
 * store/base/utf8.h - is this UTF-8?  Source: RFC 3629, table of well-formed byte
 * sequences (no overlong forms, no surrogates, nothing beyond U+10FFFF).
 */
#ifndef STORE_BASE_UTF8_H
#define STORE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes the character at p takes, 1 to 4; 0 if it is not well-formed. */
size_t utf8_char_bytes(const uint8_t *p, size_t left_bytes);

#endif
