#include "billing/stripe/session.h"

#include <stdlib.h>

#include "store/base/secret.h"

enum err_code
session_open(const struct conf *conf, struct stripe **ret, struct err *err)
{
    struct secret secret = {0};
    const char *base = conf_text(conf, "stripe");
    enum err_code code = secret_take(STRIPE_KEY_ENV, &secret, err);
    /* Stripe's own is asked for by no URL, so that nothing but the internet is allowed. */
    if (code == ERR_OK)
        code = stripe_open(secret.text, getenv(STRIPE_PUBLISHABLE_ENV),
                           strcmp(base, STRIPE_BASE_URL_DEFAULT) == 0 ? NULL : base,
                           conf_int(conf, "timeout") * 1000, ret, err);
    secret_clear(&secret);
    return code;
}
