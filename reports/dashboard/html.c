#include "reports/dashboard/html.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "reports/dashboard/words.h"
#include "store/base/time.h"
#include "store/base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define FSI "\xe2\x81\xa8"         /* U+2068: what follows has a direction of its own */
#define PDI "\xe2\x81\xa9"         /* U+2069: up to here */

static void
append(struct html *h, const char *data, size_t size_bytes)
{
    h->full = h->full || !buf_append(h->out, data, size_bytes);
}

void
html_put(struct html *h, const char *markup)
{
    append(h, markup, strlen(markup));
}

void
html_printf(struct html *h, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    h->full = h->full || n < 0 || (size_t)n >= sizeof text;
    if (!h->full)
        append(h, text, (size_t)n);
}

/* Of a well-formed character of size_bytes bytes. */
static uint32_t
decode(const uint8_t *p, size_t size_bytes)
{
    static const uint8_t lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = p[0] & lead[size_bytes];
    for (size_t i = 1; i < size_bytes; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

/* C0, DEL and C1; the bidirectional controls of Unicode 15; what is no character at all. */
static bool
is_unfit(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0x200e || c == 0x200f ||
           c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0xfeff || (c >= 0xfdd0 && c <= 0xfdef) ||
           (c & 0xfffe) == 0xfffe;
}

static bool
is_wide(uint32_t c)
{
    return c >= 0x1100 &&
           (c <= 0x115f || (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
            (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) ||
            (c >= 0xff00 && c <= 0xff60) || (c >= 0xffe0 && c <= 0xffe6) ||
            (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd));
}

/* One character at p, of which left_bytes are left; returns its bytes and what is shown for it. */
static size_t
next(const char *p, size_t left_bytes, struct str *shown, unsigned *columns)
{
    size_t n = utf8_char_bytes((const uint8_t *)p, left_bytes);
    uint32_t c = n > 0 ? decode((const uint8_t *)p, n) : 0;
    *columns = n > 0 && is_wide(c) ? 2 : 1;
    *shown = n == 0 || is_unfit(c) ? str_of(REPLACEMENT)
             : c == '&'            ? str_of("&amp;")
             : c == '<'            ? str_of("&lt;")
             : c == '>'            ? str_of("&gt;")
             : c == '"'            ? str_of("&quot;")
             : c == '\''           ? str_of("&#39;")
                                   : (struct str){p, n};
    return n > 0 ? n : 1;
}

void
html_text(struct html *h, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        struct str shown;
        unsigned columns;
        size_t n = next(text, left, &shown, &columns);
        append(h, shown.data, shown.size_bytes);
        text += n;
        left -= n;
    }
}

void
html_name(struct html *h, const char *name)
{
    html_put(h, "<bdi>");
    html_text(h, name);
    html_put(h, "</bdi>");
}

void
html_name_plain(struct html *h, const char *name)
{
    html_put(h, FSI);
    html_text(h, name);
    html_put(h, PDI);
}

static unsigned
columns_of(const char *text)
{
    unsigned sum = 0;
    for (size_t left = strlen(text); left > 0;) {
        struct str shown;
        unsigned columns;
        size_t n = next(text, left, &shown, &columns);
        sum += columns;
        text += n;
        left -= n;
    }
    return sum;
}

void
html_name_cut(struct html *h, const char *name, unsigned columns)
{
    bool cut = columns_of(name) > columns;
    unsigned room = cut ? columns - 1 : columns;
    html_put(h, FSI);
    for (size_t left = strlen(name); left > 0;) {
        struct str shown;
        unsigned wide;
        size_t n = next(name, left, &shown, &wide);
        if (wide > room)
            break;
        append(h, shown.data, shown.size_bytes);
        room -= wide;
        name += n;
        left -= n;
    }
    html_put(h, cut ? "\xe2\x80\xa6" PDI : PDI);
}

void
html_day(struct html *h, int64_t day, bool with_year)
{
    char iso[TIME_TEXT_BYTES], text[WORDS_BYTES];
    time_format_day(day, iso);
    words_day(day, with_year, text);
    html_printf(h, "<time datetime=\"%s\">%s</time>", iso, text);
}
