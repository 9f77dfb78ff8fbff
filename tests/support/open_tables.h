/*
 * tests/support/open_tables.h - tables of its own for each test of a suite, with one write
 * transaction: TestSuite(NAME, .init = open_tables, .fini = close_tables).
 */
#ifndef TESTS_SUPPORT_OPEN_TABLES_H
#define TESTS_SUPPORT_OPEN_TABLES_H

#include <criterion/criterion.h>

#include "store/tables/tables.h"
#include "tests/support/temp_dir.h"

static struct temp_dir tables_dir;
static struct tables *tables;
static struct tables_txn *txn;
static struct err err;

static void
open_tables(void)
{
    tables_dir = temp_dir_make();
    cr_assert_eq(tables_open(tables_dir.path, TABLES_WRITE, &tables, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(tables, TABLES_WRITE, &txn, &err), ERR_OK, "%s", err.text);
}

static void
close_tables(void)
{
    tables_abort(txn);
    tables_close(tables);
    temp_dir_remove(&tables_dir);
}

#endif
