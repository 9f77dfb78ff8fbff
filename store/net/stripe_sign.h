/*
 * store/net/stripe_sign.h - is it Stripe that sent this?  The header Stripe-Signature.
 *
 * "t=SECONDS,v1=HEX[,v1=HEX...]": each v1 is HMAC-SHA-256, under a secret of the endpoint, of t, a
 * dot and the body's bytes as they came.  What else stands there (v0, which test mode adds)
 * counts for nothing.  While a secret is rolled there are two of them, so each v1 is held
 * against each secret, without the time it takes saying how much agreed.
 *
 * Source: docs.stripe.com/webhooks/signature; the verdicts are those of Webhooks.js of npm's
 * stripe 23.1.0, for any header of printable ASCII and any body without a byte order mark
 * (tests/e2e/stripe_webhook.sh).  That reads t as parseInt() does, so this does.
 */
#ifndef STORE_NET_STRIPE_SIGN_H
#define STORE_NET_STRIPE_SIGN_H

#include "store/base/bytes.h"
#include "store/base/secret.h"

#define STRIPE_SIGN_ENV "STRIPE_WEBHOOK_SECRET"
#define STRIPE_SIGN_HEADER "Stripe-Signature"

enum {
    STRIPE_SIGN_SECRETS_MAX = 8,
    STRIPE_SIGN_SECRET_BYTES_MIN = 16, /* behind whsec_ */
    STRIPE_SIGN_SECRET_BYTES_MAX = 256,
    STRIPE_SIGN_HEADER_BYTES_MAX = 4096,
    STRIPE_SIGN_TEXT_BYTES = 640,  /* a header of ours: a t, and a v1 for each secret */
    STRIPE_SIGN_TOLERANCE_S = 300, /* older ones are refused; ones of the future are not */
};

struct stripe_sign_secrets {
    struct secret taken;
    struct str each[STRIPE_SIGN_SECRETS_MAX]; /* in taken */
    size_t count;                             /* 0: none was set */
};

/*
 * Take the secrets out of the environment (store/base/secret.h): STRIPE_WEBHOOK_SECRET, one
 * whsec_…, or several by blanks or commas while one replaces the other.
 *
 *   ret  filled on success; stripe_sign_clear() it; count is 0 where the variable is not set
 *
 * Errors: ERR_CONFIG (one of them does not look like one; it is not said), those of secret_take().
 */
enum err_code stripe_sign_take(struct stripe_sign_secrets *ret, struct err *err) ERR_MUST_CHECK;
void stripe_sign_clear(struct stripe_sign_secrets *secrets);

enum stripe_sign_verdict {
    STRIPE_SIGNED,
    STRIPE_SIGN_NO_BODY,
    STRIPE_SIGN_NO_HEADER,
    STRIPE_SIGN_MALFORMED, /* no time, an empty v1, other than printable ASCII, too long */
    STRIPE_SIGN_NO_V1,
    STRIPE_SIGN_MISMATCH, /* wrong secret, changed body, changed time: none can be told from another */
    STRIPE_SIGN_STALE,
    STRIPE_SIGN_VERDICTS,
};

/* "signed", "no_body", "no_header", "malformed", "no_v1", "mismatch", "stale". */
const char *stripe_sign_verdict_name(enum stripe_sign_verdict verdict);

/*
 * Is the body signed?
 *
 *   secrets   at least one
 *   header    of STRIPE_SIGN_HEADER; any bytes are safe; empty: there is none
 *   body      as it came, any bytes
 *   now_s     seconds since 1970
 *   ret_at_s  filled when it is signed: its t
 */
enum stripe_sign_verdict stripe_sign_verify(const struct stripe_sign_secrets *secrets,
                                            struct str header, struct bytes body, int64_t now_s,
                                            int64_t *ret_at_s) __attribute__((warn_unused_result));

/*
 * Sign a body as Stripe does: the header's value, one v1 for each secret.
 *
 *   at_s  0 or more
 */
void stripe_sign_make(const struct stripe_sign_secrets *secrets, struct bytes body, int64_t at_s,
                      char ret_header[STRIPE_SIGN_TEXT_BYTES]);

#endif
