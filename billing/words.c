#include "billing/words.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/base/time.h"
#include "store/tables/limit.h"

struct words
words_of(char *text, size_t room_bytes)
{
    assert(room_bytes > 0);
    text[0] = '\0';
    return (struct words){.text = text, .room_bytes = room_bytes};
}

/* Step back over the beginning of a character that was cut. */
static void
cut(struct words *w)
{
    size_t n = w->room_bytes - 1, start = n;
    while (start > 0 && ((unsigned char)w->text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0) {
        unsigned char lead = (unsigned char)w->text[start - 1];
        size_t wants = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
        if (n - (start - 1) < wants)
            n = start - 1;
    }
    w->text[n] = '\0';
    w->used_bytes = n;
}

void
words_add(struct words *w, const char *fmt, ...)
{
    va_list ap;
    size_t room = w->room_bytes - w->used_bytes;
    va_start(ap, fmt);
    int n = vsnprintf(w->text + w->used_bytes, room, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    if ((size_t)n >= room)
        cut(w);
    else
        w->used_bytes += (size_t)n;
}

void
words_add_decimal(struct words *w, const char *decimal)
{
    char text[96];
    size_t sign = decimal[0] == '-', whole = strspn(decimal + sign, "0123456789"), used = 0;
    assert(whole <= 48);
    for (size_t i = 0; i < whole; i++) {
        if (i > 0 && (whole - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = decimal[sign + i];
    }
    words_add(w, "%s%.*s%s", sign > 0 ? "-" : "", (int)used, text, decimal + sign + whole);
}

void
words_add_count(struct words *w, uint64_t count)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, count);
    words_add_decimal(w, digits);
}

void
words_add_limit(struct words *w, uint64_t limit)
{
    if (limit == LIMIT_UNLIMITED)
        words_add(w, "unlimited");
    else
        words_add_count(w, limit);
}

void
words_add_time(struct words *w, int64_t utc_ms)
{
    char text[TIME_TEXT_BYTES];
    if (utc_ms % TIME_DAY_MS == 0) {
        time_format_day(utc_ms / TIME_DAY_MS, text);
        words_add(w, "%s", text);
        return;
    }
    time_format_ms(utc_ms, text);
    words_add(w, "%.19sZ", text);
}

struct str
words_str(const struct words *w)
{
    return (struct str){w->text, w->used_bytes};
}
