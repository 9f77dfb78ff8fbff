/*
 * Signatures of webhooks: the verdicts of Stripe's own library, one by one.  The known signature
 * is of npm's stripe 23.1.0, webhooks.generateTestHeaderString().
 */
#include "store/net/stripe_sign.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define OLD "whsec_thisOneIsReplaced0"
#define NEW "whsec_thisOneReplacesIt0"
#define BODY "{\"id\":\"evt_1\",\"object\":\"event\"}"
#define AT "1700000000"
/* HMAC-SHA-256 of AT "." BODY under OLD, under NEW */
#define V1_OLD "1215ca3bcf14a747594159918882d83ef6f72cc3fd69e6bb7576baf8596d86be"
#define V1_NEW "506b15e2834a729ab515a5501d9933b792235a57afd1f4099175d0715414813e"

static const int64_t AT_S = 1700000000;

static struct stripe_sign_secrets secrets;

static void
know(const char *text)
{
    struct err err;
    stripe_sign_clear(&secrets);
    cr_assert_eq(setenv(STRIPE_SIGN_ENV, text, 1), 0);
    cr_assert_eq(stripe_sign_take(&secrets, &err), ERR_OK, "%s", err.text);
}

static void
forget(void)
{
    stripe_sign_clear(&secrets);
}

static struct bytes
body_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static const char *
verdict_at(const char *header, const char *body, int64_t now_s)
{
    int64_t at_s;
    return stripe_sign_verdict_name(
        stripe_sign_verify(&secrets, str_of(header), body_of(body), now_s, &at_s));
}

static const char *
verdict(const char *header)
{
    return verdict_at(header, BODY, AT_S);
}

Test(store_stripe_sign, what_stripe_signed_is_signed, .fini = forget)
{
    int64_t at_s = 0;
    know(OLD);
    cr_assert_eq(
        stripe_sign_verify(&secrets, str_of("t=" AT ",v1=" V1_OLD), body_of(BODY), AT_S + 7, &at_s),
        STRIPE_SIGNED);
    cr_expect_eq(at_s, AT_S);
    know(NEW);
    cr_expect_str_eq(verdict("t=" AT ",v1=" V1_NEW), "signed");
}

Test(store_stripe_sign, ours_is_what_stripe_makes, .fini = forget)
{
    char header[STRIPE_SIGN_TEXT_BYTES];
    know(OLD "," NEW);
    stripe_sign_make(&secrets, body_of(BODY), AT_S, header);
    cr_expect_str_eq(header, "t=" AT ",v1=" V1_OLD ",v1=" V1_NEW);
}

Test(store_stripe_sign, what_is_changed_is_refused, .fini = forget)
{
    know(OLD);
    cr_expect_str_eq(verdict_at("t=" AT ",v1=" V1_OLD, BODY " ", AT_S), "mismatch");
    cr_expect_str_eq(verdict("t=1700000001,v1=" V1_OLD), "mismatch");
    cr_expect_str_eq(verdict("t=" AT ",v1=" V1_NEW), "mismatch", "another secret's");
    cr_expect_str_eq(verdict("t=" AT ",v1=" V1_OLD "0"), "mismatch");
    cr_expect_str_eq(verdict("t=" AT ",v1=0"), "mismatch");
    cr_expect_str_eq(verdict("t=" AT ",v1= " V1_OLD), "mismatch");
    cr_expect_str_eq(verdict("t=" AT ", v1=" V1_OLD), "no_v1");
    cr_expect_str_eq(verdict("t=" AT ",V1=" V1_OLD), "no_v1");
    cr_expect_str_eq(verdict("t=" AT ",v0=" V1_OLD), "no_v1", "v0 counts for nothing");
    cr_expect_str_eq(verdict("t=" AT), "no_v1");
    cr_expect_str_eq(verdict("v1=" V1_OLD), "malformed");
    cr_expect_str_eq(verdict("t=,v1=" V1_OLD), "malformed");
    cr_expect_str_eq(verdict("t=now,v1=" V1_OLD), "malformed");
    cr_expect_str_eq(verdict("t=-1,v1=" V1_OLD), "mismatch");
    cr_expect_str_eq(verdict("t=99999999999999999999999,v1=" V1_OLD), "malformed");
    cr_expect_str_eq(verdict("\xc3\xa9,t=" AT ",v1=" V1_OLD), "malformed");
    cr_expect_str_eq(verdict(""), "no_header");
    cr_expect_str_eq(verdict_at("t=" AT ",v1=" V1_OLD, "", AT_S), "no_body");
}

Test(store_stripe_sign, any_that_agrees_will_do, .fini = forget)
{
    know(OLD " \n" NEW ",");
    cr_expect_eq(secrets.count, 2);
    cr_expect_str_eq(verdict("t=" AT ",v1=" V1_OLD), "signed");
    cr_expect_str_eq(verdict("t=" AT ",v1=" V1_NEW), "signed");
    know(OLD);
    cr_expect_str_eq(verdict("t=" AT ",v1=" V1_NEW ",v1=" V1_OLD ",v0=" V1_NEW), "signed");
    cr_expect_str_eq(verdict("v1=" V1_NEW ",v1=" V1_OLD ",t=" AT), "signed");
    cr_expect_str_eq(verdict("v1=" V1_OLD ",t=" AT ",v1="), "malformed",
                     "as Stripe's library throws");
    cr_expect_str_eq(verdict("t=" AT ",v1=" V1_OLD ",v1"), "malformed");
}

Test(store_stripe_sign, time_is_read_as_javascript_reads_it, .fini = forget)
{
    know(OLD);
    cr_expect_str_eq(verdict("t= +0" AT "x,v1=" V1_OLD), "signed");
    cr_expect_str_eq(verdict("t=" AT "=1=2,v1=" V1_OLD "=3"), "signed");
    cr_expect_str_eq(verdict("t=1,t=" AT ",v1=" V1_OLD), "signed", "the last one counts");
    cr_expect_str_eq(verdict("t=" AT ",t=1,v1=" V1_OLD), "mismatch");
    cr_expect_str_eq(verdict(",,=,t=" AT ",v1=" V1_OLD ",=="), "signed");
}

Test(store_stripe_sign, is_good_for_five_minutes, .fini = forget)
{
    know(OLD);
    cr_expect_str_eq(verdict_at("t=" AT ",v1=" V1_OLD, BODY, AT_S + 300), "signed");
    cr_expect_str_eq(verdict_at("t=" AT ",v1=" V1_OLD, BODY, AT_S + 301), "stale");
    cr_expect_str_eq(verdict_at("t=" AT ",v1=" V1_OLD, BODY, AT_S - 1000000), "signed");
    cr_expect_str_eq(verdict_at("t=" AT ",v1=" V1_NEW, BODY, AT_S + 301), "mismatch",
                     "who cannot sign is not told more");
}

Test(store_stripe_sign, a_header_too_long_is_not_read, .fini = forget)
{
    static char header[STRIPE_SIGN_HEADER_BYTES_MAX + 2];
    int n = snprintf(header, sizeof header, "t=" AT ",v1=" V1_OLD ",x=");
    know(OLD);
    memset(header + n, 'x', STRIPE_SIGN_HEADER_BYTES_MAX - (size_t)n);
    cr_expect_str_eq(verdict(header), "signed");
    header[STRIPE_SIGN_HEADER_BYTES_MAX] = 'x';
    cr_expect_str_eq(verdict(header), "malformed");
}

Test(store_stripe_sign, a_secret_must_look_like_one_and_is_not_said)
{
    static const char *const wrong[] = {
        "whsec_whichIsShort",
        "sk_test_whichIsNotOfAnEndpoint",
        OLD ",which_is_none_of_that_kind",
        " , ",
        OLD "," OLD "," OLD "," OLD "," OLD "," OLD "," OLD "," OLD "," OLD,
        "whsec_with\001controlCharacters",
    };
    struct err err;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_eq(setenv(STRIPE_SIGN_ENV, wrong[i], 1), 0);
        cr_expect_eq(stripe_sign_take(&secrets, &err), ERR_CONFIG, "%s", wrong[i]);
        cr_expect_not_null(strstr(err.text, STRIPE_SIGN_ENV), "%s", err.text);
        cr_expect_null(strstr(err.text, "thisOne"), "%s", err.text);
        cr_expect_null(strstr(err.text, "which"), "%s", err.text);
        cr_expect_null(getenv(STRIPE_SIGN_ENV));
        cr_expect_null(secrets.taken.text);
    }
    cr_assert_eq(stripe_sign_take(&secrets, &err), ERR_OK, "none is set");
    cr_expect_eq(secrets.count, 0);
}
