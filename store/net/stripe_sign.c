#include "store/net/stripe_sign.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "store/base/hash.h"

enum { HEX_BYTES = 2 * HASH_SHA256_BYTES, NUMBER_BYTES = 24 };

/* Beyond these JavaScript's numbers are not whole, and nobody's clock is. */
static const int64_t AT_S_MAX = 9007199254740991;

/* ---- secrets ---- */

static bool
is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_secret(struct str text)
{
    static const char prefix[] = "whsec_";
    size_t n = sizeof prefix - 1;
    bool ok = text.size_bytes >= n + STRIPE_SIGN_SECRET_BYTES_MIN &&
              text.size_bytes <= n + STRIPE_SIGN_SECRET_BYTES_MAX &&
              memcmp(text.data, prefix, n) == 0;
    for (size_t i = n; ok && i < text.size_bytes; i++)
        ok = text.data[i] > ' ' && text.data[i] <= '~';
    return ok;
}

static enum err_code
split(struct stripe_sign_secrets *s, struct err *err)
{
    const char *text = s->taken.text;
    size_t size = s->taken.size_bytes, at = 0;
    for (;;) {
        while (at < size && is_separator(text[at]))
            at++;
        if (at == size)
            break;
        size_t begin = at;
        while (at < size && !is_separator(text[at]))
            at++;
        const struct str one = {text + begin, at - begin};
        if (s->count == STRIPE_SIGN_SECRETS_MAX)
            return err_set(err, ERR_CONFIG, STRIPE_SIGN_ENV " has more than %d secrets",
                           STRIPE_SIGN_SECRETS_MAX);
        if (!is_secret(one))
            return err_set(err, ERR_CONFIG,
                           STRIPE_SIGN_ENV ": secret %zu is none: whsec_ and %d to %d printable "
                                           "characters, as Stripe shows it for the endpoint",
                           s->count + 1, STRIPE_SIGN_SECRET_BYTES_MIN,
                           STRIPE_SIGN_SECRET_BYTES_MAX);
        s->each[s->count++] = one;
    }
    return s->count > 0 || size == 0 ? ERR_OK
                                     : err_set(err, ERR_CONFIG, STRIPE_SIGN_ENV " is blank");
}

enum err_code
stripe_sign_take(struct stripe_sign_secrets *ret, struct err *err)
{
    struct stripe_sign_secrets s = {.count = 0};
    enum err_code code = secret_take(STRIPE_SIGN_ENV, &s.taken, err);
    if (code == ERR_OK)
        code = split(&s, err);
    if (code == ERR_OK)
        *ret = s;
    else
        stripe_sign_clear(&s);
    return code;
}

void
stripe_sign_clear(struct stripe_sign_secrets *secrets)
{
    secret_clear(&secrets->taken);
    secrets->count = 0;
}

/* ---- signatures ---- */

static void
sign(struct str secret, int64_t at_s, struct bytes body, char ret_hex[HEX_BYTES + 1])
{
    char head[NUMBER_BYTES];
    uint8_t digest[HASH_SHA256_BYTES];
    int n = snprintf(head, sizeof head, "%" PRId64 ".", at_s);
    const struct bytes key = {(const uint8_t *)secret.data, secret.size_bytes};
    const struct bytes parts[] = {{(const uint8_t *)head, (size_t)n}, body};
    hash_hmac_sha256(key, parts, 2, digest);
    hash_hex(digest, sizeof digest, ret_hex);
}

/* The next item of the header, "NAME=VALUE=…" without what follows a second "="; false: no more. */
static bool
next_item(struct str *rest, struct str *ret_name, struct str *ret_value)
{
    if (rest->data == NULL)
        return false;
    const char *end = rest->data + rest->size_bytes;
    const char *comma = memchr(rest->data, ',', rest->size_bytes);
    const char *stop = comma != NULL ? comma : end;
    const char *equals = memchr(rest->data, '=', (size_t)(stop - rest->data));
    const char *value = equals != NULL ? equals + 1 : stop;
    const char *second = memchr(value, '=', (size_t)(stop - value));
    *ret_name = (struct str){rest->data, (size_t)((equals != NULL ? equals : stop) - rest->data)};
    *ret_value = (struct str){value, (size_t)((second != NULL ? second : stop) - value)};
    *rest = comma != NULL ? (struct str){comma + 1, (size_t)(end - comma - 1)}
                          : (struct str){NULL, 0};
    return true;
}

/* As JavaScript's parseInt(text, 10): blanks, a sign, digits, and whatever follows. */
static bool
read_time(struct str text, int64_t *ret)
{
    size_t i = 0;
    int64_t value = 0;
    while (i < text.size_bytes && text.data[i] == ' ')
        i++;
    bool negative = i < text.size_bytes && text.data[i] == '-';
    if (negative || (i < text.size_bytes && text.data[i] == '+'))
        i++;
    size_t begin = i;
    for (; i < text.size_bytes && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        value = value * 10 + (text.data[i] - '0');
        if (value > AT_S_MAX)
            return false;
    }
    *ret = negative ? -value : value;
    return i > begin && (!negative || value > 0);
}

static enum stripe_sign_verdict
check_header(struct str header, int64_t *ret_at_s)
{
    struct str name, value, rest = header;
    bool timed = false, any = false, ok = header.size_bytes <= STRIPE_SIGN_HEADER_BYTES_MAX;
    for (size_t i = 0; ok && i < header.size_bytes; i++)
        ok = header.data[i] >= ' ' && header.data[i] <= '~';
    while (ok && next_item(&rest, &name, &value)) {
        if (str_equal(name, str_of("t"))) /* of several the last one counts */
            timed = read_time(value, ret_at_s);
        else if (str_equal(name, str_of("v1"))) {
            any = true;
            ok = value.size_bytes > 0;
        }
    }
    if (!ok || !timed)
        return STRIPE_SIGN_MALFORMED;
    return any ? STRIPE_SIGNED : STRIPE_SIGN_NO_V1;
}

/* All are compared, whichever agrees. */
static bool
any_agrees(struct str header, const char hex[HEX_BYTES + 1])
{
    struct str name, value;
    bool found = false;
    while (next_item(&header, &name, &value)) {
        if (str_equal(name, str_of("v1")) && value.size_bytes == HEX_BYTES &&
            CRYPTO_memcmp(value.data, hex, HEX_BYTES) == 0)
            found = true;
    }
    return found;
}

const char *
stripe_sign_verdict_name(enum stripe_sign_verdict verdict)
{
    static const char *const names[STRIPE_SIGN_VERDICTS] = {
        [STRIPE_SIGNED] = "signed",
        [STRIPE_SIGN_NO_BODY] = "no_body",
        [STRIPE_SIGN_NO_HEADER] = "no_header",
        [STRIPE_SIGN_MALFORMED] = "malformed",
        [STRIPE_SIGN_NO_V1] = "no_v1",
        [STRIPE_SIGN_MISMATCH] = "mismatch",
        [STRIPE_SIGN_STALE] = "stale",
    };
    return names[verdict];
}

enum stripe_sign_verdict
stripe_sign_verify(const struct stripe_sign_secrets *secrets, struct str header, struct bytes body,
                   int64_t now_s, int64_t *ret_at_s)
{
    char hex[HEX_BYTES + 1];
    int64_t at_s = 0;
    bool agrees = false;
    assert(secrets->count > 0);
    if (body.size_bytes == 0)
        return STRIPE_SIGN_NO_BODY;
    if (header.size_bytes == 0)
        return STRIPE_SIGN_NO_HEADER;
    enum stripe_sign_verdict verdict = check_header(header, &at_s);
    if (verdict != STRIPE_SIGNED)
        return verdict;
    for (size_t i = 0; i < secrets->count; i++) {
        sign(secrets->each[i], at_s, body, hex);
        agrees = any_agrees(header, hex) || agrees;
    }
    if (!agrees)
        return STRIPE_SIGN_MISMATCH;
    if (now_s - at_s > STRIPE_SIGN_TOLERANCE_S)
        return STRIPE_SIGN_STALE;
    *ret_at_s = at_s;
    return STRIPE_SIGNED;
}

void
stripe_sign_make(const struct stripe_sign_secrets *secrets, struct bytes body, int64_t at_s,
                 char ret_header[STRIPE_SIGN_TEXT_BYTES])
{
    char hex[HEX_BYTES + 1];
    size_t used = (size_t)snprintf(ret_header, STRIPE_SIGN_TEXT_BYTES, "t=%" PRId64, at_s);
    for (size_t i = 0; i < secrets->count; i++) {
        sign(secrets->each[i], at_s, body, hex);
        used += (size_t)snprintf(ret_header + used, STRIPE_SIGN_TEXT_BYTES - used, ",v1=%s", hex);
    }
}
