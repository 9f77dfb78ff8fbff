/*
 * store/tokens/glyph.h - one character of a text: its class, and how many bytes it takes.
 *
 * Classes are those of Unicode 16.0.0 that the patterns of the tokenizers tell apart
 * (schemas/unicode.txt).
 */
#ifndef STORE_TOKENS_GLYPH_H
#define STORE_TOKENS_GLYPH_H

#include <stddef.h>
#include <stdint.h>

#include "store/tokens/encodings.h"

/* One bit each, so that a set of classes is a mask; a sign, control or unassigned character has none. */
enum glyph_class {
    GLYPH_UPPER = 1, /* Lu, Lt */
    GLYPH_LOWER = 2, /* Ll */
    GLYPH_OTHER = 4, /* Lm, Lo */
    GLYPH_MARK = 8,  /* M */
    GLYPH_NUMBER = 16,
    GLYPH_SPACE = 32, /* White_Space */
    GLYPH_LINE = 64,  /* CR or LF, which are GLYPH_SPACE too */
    GLYPH_LETTER = GLYPH_UPPER | GLYPH_LOWER | GLYPH_OTHER,
};

struct glyph {
    unsigned class;
    size_t bytes; /* 0 at the end of the text, which has no class */
};

/* The character at p, of well-formed UTF-8 that ends at end. */
static inline struct glyph
glyph_at(const struct encoding *encoding, const uint8_t *p, const uint8_t *end)
{
    if (p == end)
        return (struct glyph){0, 0};
    uint32_t c = *p;
    if (c < 0x80)
        return (struct glyph){encoding->classes[c], 1};
    size_t bytes = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    c &= 0x7fu >> bytes;
    for (size_t i = 1; i < bytes; i++)
        c = c << 6 | (p[i] & 0x3f);
    return (struct glyph){encoding->classes[(size_t)encoding->blocks[c >> 7] << 7 | (c & 127)],
                          bytes};
}

#endif
