#include "allowances.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include "store/tables/allowance.h"
#include "store/tables/dict.h"

void
allowances_put(const char *data, const struct allowances_row *rows, size_t count)
{
    struct err err = {.code = ERR_OK};
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct dict dict = {.used = 0};
    mkdir(data, 0700);
    cr_assert_eq(tables_open(data, TABLES_WRITE, &tables, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(tables, TABLES_WRITE, &txn, &err), ERR_OK, "%s", err.text);
    for (size_t i = 0; i < count; i++) {
        struct allowance row = {.position = rows[i].position,
                                .requests_per_minute = LIMIT_UNLIMITED,
                                .tokens_per_minute = LIMIT_UNLIMITED,
                                .weight = ALLOWANCE_WEIGHT_ONE,
                                .status = STANDING_ACTIVE,
                                .plan = str_of("small")};
        if (rows[i].organization != NULL)
            cr_assert_eq(
                dict_intern(&dict, txn, str_of(rows[i].organization), &row.organization, &err),
                ERR_OK, "%s", err.text);
        for (int d = 0; d < LIMIT_DIMENSIONS; d++) {
            row.used[d] = rows[i].used[d];
            row.limit[d] = rows[i].limit[d];
            row.upgrade[d] = str_of("large");
        }
        cr_assert_eq(allowance_put(txn, &row, &err), ERR_OK, "%s", err.text);
    }
    cr_assert_eq(dict_write(&dict.fresh, txn, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_commit(txn, &err), ERR_OK, "%s", err.text);
    tables_close(tables);
    dict_clear(&dict);
}

void
allowances_of_all(const char *data, uint64_t credits)
{
    struct allowances_row row = {.organization = NULL};
    for (int d = 0; d < LIMIT_DIMENSIONS; d++)
        row.limit[d] = d == LIMIT_AI_CREDITS ? credits : LIMIT_UNLIMITED;
    allowances_put(data, &row, 1);
}
