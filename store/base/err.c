#include "store/base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int status;
    bool retry;
} codes[] = {
#define ERR_ROW(name, status, retry, text) {#name, status, retry},
    ERR_CODES(ERR_ROW)
#undef ERR_ROW
};

/* One line: a foreign text (a path, libpq's words) must not break it. */
static void
flatten(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        text[--n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
    }
}

/* Put ": tail" behind the text, cut where the room ends. */
static void
append(struct err *err, const char *tail)
{
    size_t used = strlen(err->text), room = sizeof err->text - 1 - used;
    size_t n = strlen(tail);
    if (room < 3)
        return;
    if (n > room - 2)
        n = room - 2;
    memcpy(err->text + used, ": ", 2);
    memcpy(err->text + used + 2, tail, n);
    err->text[used + 2 + n] = '\0';
}

enum err_code
err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    assert(code != ERR_OK);
    if (err == NULL)
        return code;
    err->code = code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    flatten(err->text);
    return code;
}

enum err_code
err_wrap(struct err *err, enum err_code code, const char *fmt, ...)
{
    if (code == ERR_OK || err == NULL)
        return code;
    char inner[ERR_TEXT_BYTES_MAX];
    memcpy(inner, err->text, sizeof inner);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    flatten(err->text);
    append(err, inner);
    return code;
}

enum err_code
err_set_errno(struct err *err, int errno_value, const char *fmt, ...)
{
    enum err_code code = ERR_IO;
    if (errno_value == ENOSPC || errno_value == EDQUOT || errno_value == EFBIG)
        code = ERR_FULL;
    else if (errno_value == EACCES || errno_value == EPERM || errno_value == EROFS)
        code = ERR_DENIED;
    else if (errno_value == ENOENT)
        code = ERR_NOT_FOUND;
    if (err == NULL)
        return code;
    err->code = code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    flatten(err->text);
    append(err, strerror(errno_value));
    return code;
}

int
err_exit_status(enum err_code code)
{
    return codes[code].status;
}

const char *
err_name(enum err_code code)
{
    return codes[code].name;
}

bool
err_retry_helps(enum err_code code)
{
    return codes[code].retry;
}
