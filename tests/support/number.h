/*
 * tests/support/number.h - a text's number in the dictionary of a table under test,
 * stored at once.
 */
#ifndef TESTS_SUPPORT_NUMBER_H
#define TESTS_SUPPORT_NUMBER_H

#include <criterion/criterion.h>

#include "store/tables/dict.h"

static inline uint32_t
number_text(struct dict *dict, struct tables_txn *txn, const char *text)
{
    struct list fresh;
    struct err err;
    uint32_t number;
    cr_assert_eq(dict_intern(dict, txn, str_of(text), &number, &err), ERR_OK, "%s", err.text);
    dict_take_new(dict, &fresh);
    cr_assert_eq(dict_write(&fresh, txn, &err), ERR_OK, "%s", err.text);
    list_clear(&fresh);
    return number;
}

#endif
