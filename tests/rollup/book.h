/*
 * tests/rollup/book.h - price books for tests, written in the test.
 */
#ifndef TESTS_ROLLUP_BOOK_H
#define TESTS_ROLLUP_BOOK_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rollup/price/price.h"
#include "store/base/time.h"

#define BOOK_HEAD "{'format':'gbill-prices/1','currency':'USD','unit':'1000000 tokens','models':["
#define BOOK_END "]}"

/* A book of one model m of provider p; give what follows 'prices':[ */
#define BOOK_OF(rows) BOOK_HEAD "{'provider':'p','model':'m','prices':[" rows "]}" BOOK_END

/* Load a book from JSON in which ' stands for ". */
static inline enum err_code
book_load_text(const char *text, struct price_book **ret_book, struct err *err)
{
    char path[] = "/tmp/gbill-book-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    FILE *f = fdopen(fd, "w");
    cr_assert_not_null(f);
    for (const char *p = text; *p != '\0'; p++)
        fputc(*p == '\'' ? '"' : *p, f);
    cr_assert_eq(fclose(f), 0);
    enum err_code code = price_book_load(path, ret_book, err);
    unlink(path);
    return code;
}

static inline struct price_book *
book_of_text(const char *text)
{
    struct price_book *book = NULL;
    struct err err = {.code = ERR_OK};
    enum err_code code = book_load_text(text, &book, &err);
    cr_assert_eq(code, ERR_OK, "%s", err.text);
    return book;
}

/* The book that is shipped. */
static inline struct price_book *
book_shipped(void)
{
    struct price_book *book = NULL;
    struct err err = {.code = ERR_OK};
    enum err_code code = price_book_load(GBILL_SCHEMAS_DIR "/prices.json", &book, &err);
    cr_assert_eq(code, ERR_OK, "%s", err.text);
    return book;
}

static inline int64_t
ms_of(const char *text)
{
    int64_t ms = 0;
    cr_assert(time_parse(str_of(text), &ms), "%s", text);
    return ms;
}

#endif
