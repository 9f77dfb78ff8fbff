#include <criterion/criterion.h>
#include <errno.h>

#include "store/base/err.h"

Test(store_err, context_stands_in_front_of_what_the_callee_said)
{
    struct err err;
    enum err_code code = err_set(&err, ERR_CORRUPT, "frame %d: checksum differs", 9123);
    cr_assert_eq(err_wrap(&err, code, "log/%s", "2026-11-24.mdb"), ERR_CORRUPT);
    cr_assert_str_eq(err.text, "log/2026-11-24.mdb: frame 9123: checksum differs");
    cr_assert_eq(err.code, ERR_CORRUPT);
}

Test(store_err, wrapping_success_changes_nothing)
{
    struct err err = {.code = ERR_OK, .text = "untouched"};
    cr_assert_eq(err_wrap(&err, ERR_OK, "context"), ERR_OK);
    cr_assert_str_eq(err.text, "untouched");
}

Test(store_err, a_message_is_one_line_whatever_it_quotes)
{
    struct err err;
    err_set(&err, ERR_PEER, "libpq: %s", "FATAL: no\n\tway \x7f\x1b[31m\n");
    cr_assert_null(strpbrk(err.text, "\n\t\x7f\x1b"));
    cr_assert_str_eq(err.text, "libpq: FATAL: no  way   [31m");
}

Test(store_err, text_that_is_too_long_is_cut_and_ended)
{
    struct err err;
    char huge[2 * ERR_TEXT_BYTES_MAX];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    err_set(&err, ERR_INPUT, "%s", huge);
    cr_assert_eq(strlen(err.text), (size_t)ERR_TEXT_BYTES_MAX - 1);
    err_wrap(&err, ERR_INPUT, "%s", huge);
    cr_assert_eq(strlen(err.text), (size_t)ERR_TEXT_BYTES_MAX - 1);
    err_set(&err, ERR_INPUT, "short");
    for (int i = 0; i < 200; i++)
        err_wrap(&err, ERR_INPUT, "level %d", i);
    cr_assert_eq(strncmp(err.text, "level 199: level 198: ", 22), 0);
    cr_assert_lt(strlen(err.text), (size_t)ERR_TEXT_BYTES_MAX);
}

Test(store_err, errno_chooses_the_code)
{
    static const struct {
        int number;
        enum err_code code;
    } cases[] = {{ENOSPC, ERR_FULL},  {EDQUOT, ERR_FULL},  {EACCES, ERR_DENIED},
                 {EPERM, ERR_DENIED}, {EROFS, ERR_DENIED}, {ENOENT, ERR_NOT_FOUND},
                 {EIO, ERR_IO},       {EBADF, ERR_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err;
        cr_assert_eq(err_set_errno(&err, cases[i].number, "cannot open %s", "x"), cases[i].code);
        cr_assert_eq(strncmp(err.text, "cannot open x: ", 15), 0);
        cr_assert_gt(strlen(err.text), 15u);
    }
}

Test(store_err, without_an_err_the_code_still_comes_back)
{
    cr_assert_eq(err_set(NULL, ERR_BUSY, "x"), ERR_BUSY);
    cr_assert_eq(err_set_errno(NULL, ENOENT, "x"), ERR_NOT_FOUND);
    cr_assert_eq(err_wrap(NULL, ERR_BUSY, "x"), ERR_BUSY);
}

Test(store_err, every_failure_has_an_exit_status_of_its_own)
{
    bool taken[64] = {false};
    for (int c = ERR_OK; c <= ERR_PEER; c++) {
        int status = err_exit_status((enum err_code)c);
        cr_assert(status >= 0 && status < 64 && !taken[status], "%s", err_name((enum err_code)c));
        taken[status] = true;
    }
    cr_assert_eq(err_exit_status(ERR_OK), 0);
    cr_assert(err_retry_helps(ERR_BUSY) && !err_retry_helps(ERR_CORRUPT));
}
