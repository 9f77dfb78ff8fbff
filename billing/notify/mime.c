#include "billing/notify/mime.h"

#include <stdio.h>
#include <string.h>

#include "store/base/base64.h"
#include "store/base/time.h"
#include "store/base/utf8.h"

enum {
    LINE_BASE64_BYTES = 57, /* become 76 characters */
    WORD_BYTES = 42,        /* of an encoded word: 56 characters, with the frame below 75 */
};

/* Printable ASCII can stand in a header as it is; a word that looks encoded could not. */
static bool
is_plain(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < ' ' || *p > '~')
            return false;
    }
    return strstr(text, "=?") == NULL && strlen(text) < 900;
}

/* The most bytes of a text up to WORD_BYTES that end with a character. */
static size_t
word_bytes(const char *text)
{
    size_t left = strlen(text), n = 0;
    while (n < left) {
        size_t more = utf8_char_bytes((const uint8_t *)text + n, left - n);
        more = more == 0 ? 1 : more;
        if (n + more > WORD_BYTES)
            break;
        n += more;
    }
    return n;
}

static bool
put_encoded(struct buf *out, const char *text)
{
    char encoded[WORD_BYTES / 3 * 4 + 5];
    bool ok = true, first = true;
    while (ok && *text != '\0') {
        uint8_t word[WORD_BYTES];
        size_t n = word_bytes(text);
        for (size_t i = 0; i < n; i++) /* a reader that decodes must find no new line either */
            word[i] = (uint8_t)text[i] < ' ' || text[i] == 0x7f ? ' ' : (uint8_t)text[i];
        base64_encode((struct bytes){word, n}, encoded);
        ok = buf_printf(out, "%s=?UTF-8?B?%s?=", first ? "" : "\r\n ", encoded);
        first = false;
        text += n;
    }
    return ok;
}

/* "Tue, 24 Nov 2026 08:15:30 +0000" */
static bool
put_date(struct buf *out, int64_t at_ms)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct time_civil t = time_civil(at_ms);
    return buf_printf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n",
                      days[at_ms / TIME_DAY_MS % 7], t.day, months[t.month - 1], t.year, t.hour,
                      t.minute, t.second);
}

/* A name with quotes in it goes as encoded words, like one that is not ASCII. */
static bool
put_from(struct buf *out, const struct mime_mail *mail)
{
    const char *name = mail->from_name;
    if (name == NULL)
        return buf_printf(out, "From: %s\r\n", mail->from);
    if (is_plain(name) && strpbrk(name, "\"\\") == NULL)
        return buf_printf(out, "From: \"%s\" <%s>\r\n", name, mail->from);
    return buf_printf(out, "From: ") && put_encoded(out, name) &&
           buf_printf(out, " <%s>\r\n", mail->from);
}

static bool
put_headers(struct buf *out, const struct mime_mail *mail)
{
    const char *domain = strrchr(mail->from, '@');
    return put_from(out, mail) && buf_printf(out, "To: %s\r\nSubject: ", mail->to) &&
           (is_plain(mail->subject) ? buf_printf(out, "%s", mail->subject)
                                    : put_encoded(out, mail->subject)) &&
           buf_printf(out, "\r\n") && put_date(out, mail->at_ms) &&
           buf_printf(out,
                      "Message-ID: <%s%s>\r\n"
                      "Auto-Submitted: auto-generated\r\n"
                      "MIME-Version: 1.0\r\n"
                      "Content-Type: multipart/alternative; boundary=\"=_%s\"\r\n",
                      mail->id, domain != NULL ? domain : "@gbill", mail->id);
}

/* base64, so that no line of the text can be a boundary, too long, or a lone dot. */
static bool
put_part(struct buf *out, const char *boundary, const char *type, struct bytes text)
{
    char line[LINE_BASE64_BYTES / 3 * 4 + 1];
    bool ok = buf_printf(out,
                         "\r\n--=_%s\r\nContent-Type: %s; charset=utf-8\r\n"
                         "Content-Transfer-Encoding: base64\r\n\r\n",
                         boundary, type);
    for (size_t i = 0; ok && i < text.size_bytes; i += LINE_BASE64_BYTES) {
        size_t n = text.size_bytes - i;
        base64_encode((struct bytes){text.data + i, n < LINE_BASE64_BYTES ? n : LINE_BASE64_BYTES},
                      line);
        ok = buf_printf(out, "%s\r\n", line);
    }
    return ok;
}

bool
mime_put(const struct mime_mail *mail, struct buf *out)
{
    return put_headers(out, mail) && put_part(out, mail->id, "text/plain", mail->plain) &&
           put_part(out, mail->id, "text/html", mail->html) &&
           buf_printf(out, "\r\n--=_%s--\r\n", mail->id);
}
