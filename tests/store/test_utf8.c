/*
 * utf8_text_ok() against the same said in another way: decode a character, then look at the
 * number.  All sequences of four bytes that are near a border of RFC 3629's table, at
 * several places among plain text; the text ends where its memory ends.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "store/base/utf8.h"

static const uint8_t borders[] = {0x00, 0x1f, 0x20, 0x41, 0x7e, 0x7f, 0x80, 0x8f, 0x90,
                                  0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1,
                                  0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};

enum { BORDERS = sizeof borders, ROOM = 64 };

/* Bytes of the character at p, or 0. */
static size_t
decode(const uint8_t *p, size_t left, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : (p[0] & 0xe0) == 0xc0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (n > left || (n == 4 && (p[0] & 0xf8) != 0xf0))
        return 0;
    *ret = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *ret = *ret << 6 | (p[i] & 0x3f);
    }
    return *ret < least[n] || *ret > 0x10ffff || (*ret >= 0xd800 && *ret <= 0xdfff) ? 0 : n;
}

static bool
text_ok(const uint8_t *p, size_t size_bytes)
{
    for (size_t at = 0; at < size_bytes;) {
        uint32_t c;
        size_t n = decode(p + at, size_bytes - at, &c);
        if (n == 0 || c < 0x20 || c == 0x7f)
            return false;
        at += n;
    }
    return true;
}

/* Every choice of count borders, behind before and in front of after letters. */
static unsigned
differences(uint8_t *room, size_t before, size_t count, size_t after)
{
    size_t size_bytes = before + count + after;
    uint8_t *text = room + ROOM - size_bytes;
    unsigned wrong = 0, all = 1;
    memset(text, 'a', size_bytes);
    for (size_t i = 0; i < count; i++)
        all *= BORDERS;
    for (unsigned choice = 0; choice < all; choice++) {
        unsigned rest = choice;
        for (size_t i = 0; i < count; i++, rest /= BORDERS)
            text[before + i] = borders[rest % BORDERS];
        wrong += utf8_text_ok(text, size_bytes) != text_ok(text, size_bytes);
    }
    return wrong;
}

Test(store_utf8, a_text_is_judged_as_its_characters_are_wherever_they_stand)
{
    static const size_t before[] = {0, 1, 5, 8, 13}, after[] = {0, 3, 9};
    uint8_t *room = malloc(ROOM);
    for (size_t count = 0; count <= 3; count++) {
        for (size_t b = 0; b < 17; b++) {
            for (size_t a = 0; a < 17; a++)
                cr_expect_eq(differences(room, b, count, a), 0, "%zu behind %zu before %zu", count,
                             b, a);
        }
    }
    for (size_t b = 0; b < sizeof before / sizeof before[0]; b++) {
        for (size_t a = 0; a < sizeof after / sizeof after[0]; a++)
            cr_expect_eq(differences(room, before[b], 4, after[a]), 0, "4 behind %zu before %zu",
                         before[b], after[a]);
    }
    free(room);
}
