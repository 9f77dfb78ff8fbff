/*
 * billing/stripe/session.h - what the commands that talk to Stripe share: its key out of the
 * environment, and where it is.
 */
#ifndef BILLING_STRIPE_SESSION_H
#define BILLING_STRIPE_SESSION_H

#include "store/base/cli.h"
#include "store/net/stripe.h"

/* clang-format off */
#define CONF_ROWS_STRIPE                                                                \
    {"stripe", STRIPE_BASE_URL_ENV, CONF_TEXT, "URL", 0, 0, STRIPE_BASE_URL_DEFAULT, false, \
     "where Stripe's API is; other than the default for tests"},                        \
    {"timeout", "STRIPE_TIMEOUT", CONF_INT, "SECONDS", 1, 600, "80", false,             \
     "for an answer of Stripe's; then the call is tried again under the same key"}

#define SESSION_HELP                                                                    \
    "The account's secret key is taken from " STRIPE_KEY_ENV ", by no option, since a command\n" \
    "line is everybody's.  What is asked of Stripe, and under which names: schemas/stripe.md.\n"
/* clang-format on */

/*
 * Make ready to ask Stripe: takes STRIPE_SECRET_KEY out of the environment.
 *
 *   conf  with CONF_ROWS_STRIPE
 *   ret   stripe_close() it
 *
 * Errors: those of secret_take() and stripe_open().
 */
enum err_code session_open(const struct conf *conf, struct stripe **ret,
                           struct err *err) ERR_MUST_CHECK;

#endif
