#include "store/tokens/split.h"

#include <stdbool.h>

#include "store/tokens/glyph.h"

static const uint8_t *
skip(const struct encoding *encoding, const uint8_t *p, const uint8_t *end, unsigned mask)
{
    struct glyph g;
    while ((g = glyph_at(encoding, p, end)).class & mask)
        p += g.bytes;
    return p;
}

/* Signs: what is no letter, number or space; not the end. */
static const uint8_t *
skip_signs(const struct encoding *encoding, const uint8_t *p, const uint8_t *end)
{
    struct glyph g;
    while ((g = glyph_at(encoding, p, end)).bytes > 0 &&
           (g.class & (GLYPH_LETTER | GLYPH_NUMBER | GLYPH_SPACE)) == 0)
        p += g.bytes;
    return p;
}

/* 's 't 're 've 'm 'll 'd at p: its end, else p. */
static const uint8_t *
contraction(const uint8_t *p, const uint8_t *end, bool any_case)
{
    const uint8_t fold = any_case ? 0x20 : 0;
    if (end - p < 2 || *p != '\'')
        return p;
    uint8_t a = p[1] | fold;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return p + 2;
    if (end - p < 3)
        return p;
    uint8_t b = p[2] | fold;
    if (((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l'))
        return p + 3;
    /* The long s (U+017F) is an s to whoever ignores case. */
    return any_case && p[1] == 0xc5 && p[2] == 0xbf ? p + 3 : p;
}

/* \s*[\r\n]+ (if lines) | \s+(?!\S) | \s+ */
static const uint8_t *
spaces(const struct encoding *encoding, const uint8_t *p, const uint8_t *end, bool lines)
{
    const uint8_t *line = NULL, *last = p, *at = p;
    for (struct glyph g; (g = glyph_at(encoding, at, end)).class & GLYPH_SPACE; at += g.bytes) {
        last = at;
        if (g.class & GLYPH_LINE)
            line = at + g.bytes;
    }
    if (lines && line != NULL)
        return line;
    return at == end || last == p ? at : last;
}

/* \p{N}{1,3} */
static const uint8_t *
three_digits(const struct encoding *encoding, const uint8_t *p, const uint8_t *end)
{
    struct glyph g;
    for (int i = 0; i < 3 && (g = glyph_at(encoding, p, end)).class & GLYPH_NUMBER; i++)
        p += g.bytes;
    return p;
}

/* ' ?[^\s\p{L}\p{N}]+', of which next is the part behind the space; p if there are no signs. */
static const uint8_t *
signs(const struct encoding *encoding, const uint8_t *p, const uint8_t *next, const uint8_t *end)
{
    const uint8_t *from = *p == ' ' ? next : p, *to = skip_signs(encoding, from, end);
    return to > from ? to : p;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static const uint8_t *
next_gpt2(const struct encoding *encoding, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *to = contraction(p, end, false);
    if (to > p)
        return to;
    const uint8_t *from = *p == ' ' ? p + 1 : p;
    struct glyph g = glyph_at(encoding, from, end);
    if (g.class & GLYPH_LETTER)
        return skip(encoding, from + g.bytes, end, GLYPH_LETTER);
    if (g.class & GLYPH_NUMBER)
        return skip(encoding, from + g.bytes, end, GLYPH_NUMBER);
    if (g.bytes > 0 && (g.class & GLYPH_SPACE) == 0)
        return skip_signs(encoding, from + g.bytes, end);
    return spaces(encoding, p, end, false);
}

/*
 * (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
 * | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 */
static const uint8_t *
next_cl100k(const struct encoding *encoding, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *to = contraction(p, end, true);
    if (to > p)
        return to;
    struct glyph g = glyph_at(encoding, p, end);
    const uint8_t *next = p + g.bytes;
    if (g.class & GLYPH_LETTER)
        return skip(encoding, next, end, GLYPH_LETTER);
    if (g.class & GLYPH_NUMBER)
        return three_digits(encoding, p, end);
    if ((g.class & GLYPH_LINE) == 0 && glyph_at(encoding, next, end).class & GLYPH_LETTER)
        return skip(encoding, next, end, GLYPH_LETTER);
    if ((to = signs(encoding, p, next, end)) == p)
        return spaces(encoding, p, end, true);
    while (to < end && (*to == '\r' || *to == '\n'))
        to++;
    return to;
}

/*
 * With A = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], B = [\p{Ll}\p{Lm}\p{Lo}\p{M}]: the end of A*B+ at p, or p.
 * Where no lower case follows A*, it gives back as far as its last character that is a B too.
 *
 *   ret_upper  the end of A+ B*, for when that is wanted instead
 */
static const uint8_t *
word(const struct encoding *encoding, const uint8_t *p, const uint8_t *end,
     const uint8_t **ret_upper)
{
    const unsigned both = GLYPH_OTHER | GLYPH_MARK;
    const uint8_t *shared = p;
    struct glyph g;
    while ((g = glyph_at(encoding, p, end)).class & (GLYPH_UPPER | both)) {
        p += g.bytes;
        if (g.class & both)
            shared = p;
    }
    *ret_upper = p;
    return g.class & GLYPH_LOWER ? skip(encoding, p + g.bytes, end, GLYPH_LOWER | both) : shared;
}

/*
 * [^\r\n\p{L}\p{N}]?A*B+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?A+B*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
 * |\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
 */
static const uint8_t *
next_o200k(const struct encoding *encoding, const uint8_t *p, const uint8_t *end)
{
    struct glyph g = glyph_at(encoding, p, end);
    const uint8_t *next = p + g.bytes, *upper, *to;
    if (g.class & GLYPH_NUMBER)
        return three_digits(encoding, p, end);
    if ((g.class & GLYPH_LINE) == 0) {
        const uint8_t *from = g.class & GLYPH_LETTER ? p : next;
        if ((to = word(encoding, from, end, &upper)) > from)
            return contraction(to, end, true);
        if (g.class & GLYPH_MARK) /* a mark before nothing but upper case is a word of its own */
            return contraction(next, end, true);
        if (upper > from)
            return contraction(upper, end, true);
    }
    if ((to = signs(encoding, p, next, end)) == p)
        return spaces(encoding, p, end, true);
    while (to < end && (*to == '\r' || *to == '\n' || *to == '/'))
        to++;
    return to;
}

const uint8_t *
split_next(const struct encoding *encoding, const uint8_t *p, const uint8_t *end)
{
    switch (encoding->rule) {
    case SPLIT_GPT2:
        return next_gpt2(encoding, p, end);
    case SPLIT_CL100K:
        return next_cl100k(encoding, p, end);
    default:
        return next_o200k(encoding, p, end);
    }
}
