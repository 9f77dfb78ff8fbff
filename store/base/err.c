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
    int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof err->text)
        snprintf(err->text + used, sizeof err->text - used, ": %s", inner);
    return code;
}

enum err_code
err_set_errno(struct err *err, int errno_value, const char *fmt, ...)
{
    enum err_code code = ERR_IO;
    if (errno_value == ENOSPC || errno_value == EDQUOT)
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
    int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof err->text)
        snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(errno_value));
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
