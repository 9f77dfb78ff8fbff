#include "rollup/price/price_foreign.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/base/file.h"

/* Each number grows by a '#' and two quotes and is at least two bytes with its comma. */
enum { QUOTED_BYTES_MAX = 3 * JSON_FILE_BYTES_MAX };

struct scan {
    const char *p, *end;
    size_t line, depth, values;
};

/* The end of a number as JSON writes it (RFC 8259, 6), or NULL: the library no longer looks. */
static const char *
number_end(const char *p, const char *end)
{
    const char *digits;
    p += p < end && *p == '-';
    if (p < end && *p == '0') {
        p++;
    } else {
        for (digits = p; p < end && *p >= '0' && *p <= '9';)
            p++;
        if (p == digits)
            return NULL;
    }
    if (p < end && *p == '.') {
        for (digits = ++p; p < end && *p >= '0' && *p <= '9';)
            p++;
        if (p == digits)
            return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        for (digits = p; p < end && *p >= '0' && *p <= '9';)
            p++;
        if (p == digits)
            return NULL;
    }
    bool ends = p == end || strchr(",]} \t\r\n", *p) != NULL;
    return ends ? p : NULL;
}

/* Behind the closing quote; a string without one ends the text, and the library says so. */
static const char *
string_end(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        p += *p == '\\' && p + 1 < end;
    return p < end ? p + 1 : end;
}

/* One step: a string, a number, or any other byte. */
static enum err_code
scan_step(struct scan *s, struct buf *quoted, struct err *err)
{
    const char *p = s->p, *next = p + 1;
    bool number = *p == '-' || (*p >= '0' && *p <= '9');
    if (*p == '"')
        next = string_end(p, s->end);
    else if (number)
        next = number_end(p, s->end);
    if (next == NULL)
        return err_set(err, ERR_INPUT, "line %zu: \"%.*s\" is no number", s->line,
                       s->end - p < 20 ? (int)(s->end - p) : 20, p);
    size_t size = (size_t)(next - p);
    if (number && size > PRICE_FOREIGN_NUMBER_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "line %zu: a number has %zu bytes, limit is %d", s->line,
                       size, PRICE_FOREIGN_NUMBER_BYTES_MAX);
    s->line += *p == '\n';
    s->values += *p == ',' || *p == '[' || *p == '{';
    s->depth += *p == '[' || *p == '{';
    s->depth -= (*p == ']' || *p == '}') && s->depth > 0;
    if (s->depth > PRICE_FOREIGN_DEPTH_MAX || s->values > PRICE_FOREIGN_VALUES_MAX)
        return err_set(err, ERR_LIMIT, "line %zu: more than %d levels or %d values", s->line,
                       PRICE_FOREIGN_DEPTH_MAX, PRICE_FOREIGN_VALUES_MAX);
    bool ok = (!number || buf_append(quoted, "\"#", 2)) && buf_append(quoted, p, size) &&
              (!number || buf_append(quoted, "\"", 1));
    s->p = next;
    return ok ? ERR_OK : err_set(err, ERR_LIMIT, "no memory for %zu bytes", quoted->size_bytes);
}

enum err_code
price_foreign_parse(struct bytes text, json_t **ret_root, struct err *err)
{
    struct buf quoted;
    json_error_t json_err;
    enum err_code code = ERR_OK;
    if (text.size_bytes > JSON_FILE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "%zu bytes, limit is %d", text.size_bytes,
                       JSON_FILE_BYTES_MAX);
    buf_init(&quoted, QUOTED_BYTES_MAX);
    struct scan s = {.p = (const char *)text.data, .line = 1};
    s.end = s.p + text.size_bytes;
    while (code == ERR_OK && s.p < s.end)
        code = scan_step(&s, &quoted, err);
    if (code == ERR_OK && quoted.size_bytes == 0)
        code = err_set(err, ERR_INPUT, "the file is empty");
    if (code == ERR_OK) {
        *ret_root = json_loadb((const char *)quoted.data, quoted.size_bytes, JSON_REJECT_DUPLICATES,
                               &json_err);
        if (*ret_root == NULL)
            code = err_set(err, ERR_INPUT, "line %d: %s", json_err.line, json_err.text);
    }
    buf_clear(&quoted);
    return code;
}

enum err_code
price_foreign_load(const char *path, json_t **ret_root, struct err *err)
{
    struct bytes text = {0};
    enum err_code code = file_read(path, JSON_FILE_BYTES_MAX, &text, err);
    if (code != ERR_OK)
        return code;
    code = err_wrap(err, price_foreign_parse(text, ret_root, err), "%s", path);
    free((void *)(uintptr_t)text.data);
    return code;
}

const char *
price_foreign_number(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && text[0] == '#' ? text + 1 : NULL;
}

const char *
price_foreign_text(const json_t *value)
{
    return price_foreign_number(value) == NULL ? json_string_value(value) : NULL;
}

/* Digits and the power of ten behind them; digits past 18 that are no zeros do not fit. */
struct decimal {
    int64_t digits;
    int power;
};

static bool
take_digit(struct decimal *d, char c, int *zeros)
{
    if (c == '0') {
        (*zeros)++;
        return true;
    }
    for (; *zeros > 0; (*zeros)--) {
        if (__builtin_mul_overflow(d->digits, 10, &d->digits))
            return false;
    }
    return !__builtin_mul_overflow(d->digits, 10, &d->digits) &&
           !__builtin_add_overflow(d->digits, c - '0', &d->digits);
}

/* Zeros are held back until a digit follows, so that 1.50 and 1000000000000000000000 fit. */
static bool
read_decimal(const char *p, struct decimal *d)
{
    int zeros = 0, behind = 0;
    bool point = false;
    long exponent = 0;
    for (; *p == '.' || (*p >= '0' && *p <= '9'); p++) {
        point = point || *p == '.';
        if (*p == '.')
            continue;
        behind += point;
        if (d->digits == 0 && *p == '0')
            continue;
        if (!take_digit(d, *p, &zeros))
            return false;
    }
    if (*p == 'e' || *p == 'E')
        exponent = strtol(p + 1, NULL, 10);
    if (exponent > 1000 || exponent < -1000)
        return false;
    d->power = (int)exponent - behind + zeros;
    return true;
}

enum price_exact
price_foreign_exact(const json_t *value, int decimals, int64_t *ret_value)
{
    assert(decimals >= 0 && decimals <= 18);
    const char *p = price_foreign_number(value);
    struct decimal d = {0, 0};
    if (p == NULL || number_end(p, p + strlen(p)) == NULL)
        return PRICE_EXACT_NO_NUMBER;
    if (*p == '-')
        return PRICE_EXACT_NEGATIVE;
    if (!read_decimal(p, &d))
        return PRICE_EXACT_TOO_FINE;
    if (d.digits == 0) {
        *ret_value = 0;
        return PRICE_EXACT_OK;
    }
    if (d.power + decimals < 0)
        return PRICE_EXACT_TOO_FINE;
    for (int i = d.power + decimals; i > 0; i--) {
        if (__builtin_mul_overflow(d.digits, 10, &d.digits))
            return PRICE_EXACT_TOO_LARGE;
    }
    *ret_value = d.digits;
    return PRICE_EXACT_OK;
}
