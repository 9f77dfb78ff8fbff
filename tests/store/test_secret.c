/*
 * A secret is in one place once it was taken.
 */
#include "store/base/secret.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define NAME "GBILL_TEST_SECRET"
#define VALUE "sk_test_thisIsOnlyASecretOfTests"

Test(store_secret, is_taken_out_of_the_environment)
{
    struct secret secret;
    struct err err;
    static char set[] = NAME "=" VALUE;
    cr_assert_eq(putenv(set), 0); /* as execve() gives it: these bytes are the environment's */
    cr_assert_eq(secret_take(NAME, &secret, &err), ERR_OK, "%s", err.text);
    cr_expect_str_eq(secret.text, VALUE);
    cr_expect_eq(secret.size_bytes, strlen(VALUE));
    cr_expect_null(getenv(NAME));
    for (size_t i = sizeof NAME; i < sizeof set; i++)
        cr_expect_eq(set[i], '\0');
    secret_clear(&secret);
    cr_expect_null(secret.text);
    secret_clear(&secret);
    secret_clear(NULL);
    cr_assert_eq(secret_take(NAME, &secret, &err), ERR_OK);
    cr_expect_null(secret.text);
}

Test(store_secret, of_a_name_that_is_there_twice_both_go)
{
    struct secret secret;
    struct err err;
    static char first[] = NAME "=" VALUE, second[] = NAME "=" VALUE, longer[] = NAME "S=stays";
    static char *both[] = {first, longer, second, NULL};
    environ = both;
    cr_assert_eq(secret_take(NAME, &secret, &err), ERR_OK);
    cr_expect_str_eq(first, NAME "=");
    cr_expect_str_eq(second, NAME "=");
    cr_expect_str_eq(getenv(NAME "S"), "stays");
    cr_expect_null(getenv(NAME));
    secret_clear(&secret);
}

Test(store_secret, who_took_one_leaves_no_core)
{
    struct secret secret;
    struct err err;
    struct rlimit limit;
    cr_assert_eq(setenv(NAME, VALUE, 1), 0);
    cr_assert_eq(secret_take(NAME, &secret, &err), ERR_OK);
    cr_assert_eq(getrlimit(RLIMIT_CORE, &limit), 0);
    cr_expect_eq(limit.rlim_cur, 0);
    cr_expect_eq(limit.rlim_max, 0);
    cr_expect_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    secret_clear(&secret);
}

Test(store_secret, none_changes_nothing)
{
    struct secret secret;
    struct err err;
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    cr_assert_eq(unsetenv(NAME), 0);
    cr_assert_eq(secret_take(NAME, &secret, &err), ERR_OK);
    cr_expect_null(secret.text);
    cr_assert_eq(setenv(NAME, "", 1), 0);
    cr_assert_eq(secret_take(NAME, &secret, &err), ERR_OK);
    cr_expect_null(secret.text);
    cr_expect_null(getenv(NAME));
    cr_expect_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), dumpable);
}

Test(store_secret, one_too_long_is_refused_without_being_said)
{
    struct secret secret;
    struct err err;
    static char value[SECRET_BYTES_MAX + 2];
    memset(value, 'k', SECRET_BYTES_MAX + 1);
    cr_assert_eq(setenv(NAME, value, 1), 0);
    cr_expect_eq(secret_take(NAME, &secret, &err), ERR_CONFIG);
    cr_expect_str_eq(err.text, NAME " has 4097 bytes, limit is 4096");
    cr_expect_not_null(getenv(NAME));
}
