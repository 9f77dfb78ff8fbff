/*
 * tests/rollup/version.h - a book together with its JSON, written in the test.
 */
#ifndef TESTS_ROLLUP_VERSION_H
#define TESTS_ROLLUP_VERSION_H

#include "rollup/price/price_diff.h"
#include "tests/rollup/book.h"

/* From JSON in which ' stands for ". */
static inline struct price_version
version_of_text(const char *text)
{
    struct price_version version;
    struct err err = {.code = ERR_OK};
    char path[] = "/tmp/gbill-book-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    FILE *f = fdopen(fd, "w");
    cr_assert_not_null(f);
    for (const char *p = text; *p != '\0'; p++)
        fputc(*p == '\'' ? '"' : *p, f);
    cr_assert_eq(fclose(f), 0);
    enum err_code code = price_version_load(path, &version, &err);
    unlink(path);
    cr_assert_eq(code, ERR_OK, "%s", err.text);
    return version;
}

/* Every change as a line: "row added|p|m|prices standard|input 1". */
struct told {
    char text[16384];
    struct price_diff diff;
};

static inline void
told_append(void *context, const struct price_change *change)
{
    struct told *told = context;
    size_t used = strlen(told->text);
    snprintf(told->text + used, sizeof told->text - used, "%s|%.*s|%s|%s\n",
             price_change_name(change->kind), STR_ARG(change->model), change->row, change->text);
}

static inline void
told_of(struct told *told, const struct price_version *before, const struct price_version *after)
{
    struct err err = {.code = ERR_OK};
    told->text[0] = '\0';
    cr_assert_eq(price_diff_run(before, after, told_append, told, &told->diff, &err), ERR_OK, "%s",
                 err.text);
}

#endif
