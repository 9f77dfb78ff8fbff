#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/tables/dirty.h"

static char directory[] = "/tmp/gbill-dirty-XXXXXX";
static struct tables *tables;
static struct tables_txn *txn;
static struct err err;

static void
begin(enum tables_mode mode)
{
    cr_assert_eq(tables_begin(tables, mode, &txn, &err), ERR_OK, "%s", err.text);
}

static void
commit(void)
{
    cr_assert_eq(tables_commit(txn, &err), ERR_OK, "%s", err.text);
    txn = NULL;
}

static void
open_tables(void)
{
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(tables_open(directory, TABLES_WRITE, &tables, &err), ERR_OK, "%s", err.text);
}

static void
close_tables(void)
{
    char command[128];
    tables_abort(txn);
    tables_close(tables);
    snprintf(command, sizeof command, "rm -r '%s'", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(store_dirty, .init = open_tables, .fini = close_tables);

static struct bytes
b(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void
put(enum table table, const char *key, const char *value)
{
    cr_assert_eq(tables_put_published(txn, table, b(key), b(value), &err), ERR_OK);
}

static void
settle(enum table table, const char *key, uint64_t number)
{
    cr_assert_eq(dirty_settle(txn, table, b(key), number, &err), ERR_OK);
}

/* The keys owed of a table, each followed by a blank. */
static const char *
owed(enum table table)
{
    static char text[256];
    struct dirty_scan scan;
    size_t n = 0;
    for (dirty_scan_begin(&scan, txn, table); dirty_scan_next(&scan); n++) {
        memcpy(text + n, scan.key.data, scan.key.size_bytes);
        n += scan.key.size_bytes;
        text[n] = ' ';
    }
    dirty_scan_end(&scan);
    text[n] = '\0';
    return text;
}

static uint64_t
number_of(enum table table)
{
    struct dirty_scan scan;
    dirty_scan_begin(&scan, txn, table);
    cr_assert(dirty_scan_next(&scan));
    uint64_t number = scan.number;
    dirty_scan_end(&scan);
    return number;
}

Test(store_dirty, a_changed_row_is_owed_once_and_only_by_its_table)
{
    begin(TABLES_WRITE);
    put(TABLE_HOURLY, "k", "1");
    put(TABLE_HOURLY, "k", "2");
    put(TABLE_HOURLY, "j", "1");
    put(TABLE_MONTHLY, "m", "1");
    cr_assert_str_eq(owed(TABLE_HOURLY), "j k ");
    cr_assert_str_eq(owed(TABLE_MONTHLY), "m ");
    cr_assert_str_eq(owed(TABLE_LIMITS), "");
}

Test(store_dirty, a_row_put_again_with_the_same_bytes_is_not_owed)
{
    begin(TABLES_WRITE);
    put(TABLE_HOURLY, "k", "1");
    settle(TABLE_HOURLY, "k", tables_txn_number(txn));
    put(TABLE_HOURLY, "k", "1");
    cr_assert_str_eq(owed(TABLE_HOURLY), "");
}

Test(store_dirty, a_deleted_row_is_owed)
{
    begin(TABLES_WRITE);
    put(TABLE_HOURLY, "k", "1");
    settle(TABLE_HOURLY, "k", tables_txn_number(txn));
    cr_assert_eq(tables_delete_published(txn, TABLE_HOURLY, b("k"), &err), ERR_OK);
    cr_assert_str_eq(owed(TABLE_HOURLY), "k ");
}

Test(store_dirty, the_number_is_that_of_the_last_changing_transaction)
{
    begin(TABLES_WRITE);
    put(TABLE_HOURLY, "k", "1");
    uint64_t first = tables_txn_number(txn);
    commit();
    begin(TABLES_READ);
    cr_assert_eq(number_of(TABLE_HOURLY), first);
    cr_assert_eq(tables_txn_number(txn), first, "a reader has the number of what it sees");
    tables_abort(txn);
    begin(TABLES_WRITE);
    put(TABLE_HOURLY, "k", "2");
    cr_assert_gt(number_of(TABLE_HOURLY), first);
}

Test(store_dirty, a_row_that_changed_since_it_was_read_stays_owed)
{
    begin(TABLES_WRITE);
    put(TABLE_HOURLY, "k", "1");
    commit();
    begin(TABLES_READ);
    uint64_t read = number_of(TABLE_HOURLY);
    tables_abort(txn);
    begin(TABLES_WRITE);
    put(TABLE_HOURLY, "k", "2");
    commit();
    begin(TABLES_WRITE);
    settle(TABLE_HOURLY, "k", read);
    cr_assert_str_eq(owed(TABLE_HOURLY), "k ");
    settle(TABLE_HOURLY, "k", number_of(TABLE_HOURLY));
    cr_assert_str_eq(owed(TABLE_HOURLY), "");
}

Test(store_dirty, settling_what_is_not_owed_or_another_table_s_key_changes_nothing)
{
    begin(TABLES_WRITE);
    put(TABLE_HOURLY, "k", "1");
    settle(TABLE_MONTHLY, "k", tables_txn_number(txn));
    settle(TABLE_HOURLY, "kk", tables_txn_number(txn));
    settle(TABLE_HOURLY, "", tables_txn_number(txn));
    cr_assert_str_eq(owed(TABLE_HOURLY), "k ");
}

static void
edit(struct tables_edit *e, const char *key, const char *value)
{
    tables_edit_find(e, b(key));
    cr_assert_eq(value != NULL ? tables_edit_put(e, b(key), b(value), &err)
                               : tables_edit_delete(e, b(key), &err),
                 ERR_OK);
}

/* "key=value key=value …" of all rows owed; "-" for one that is gone. */
static void
check_owed(enum table table, const char *want)
{
    char text[256] = "";
    size_t n = 0;
    struct owed_scan scan;
    owed_scan_begin(&scan, txn, table);
    while (owed_scan_next(&scan)) {
        struct bytes v = scan.there ? scan.value : b("-");
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s=%.*s", n > 0 ? " " : "",
                              (int)scan.key.size_bytes, (const char *)scan.key.data,
                              (int)v.size_bytes, (const char *)v.data);
    }
    owed_scan_end(&scan);
    cr_assert_str_eq(text, want);
}

Test(store_dirty, many_rows_are_owed_by_range_each_row_once)
{
    struct tables_edit e;
    begin(TABLES_WRITE);
    put(TABLE_HOURLY, "aa1", "1");
    put(TABLE_HOURLY, "bb1", "1");
    put(TABLE_HOURLY, "bb9", "1");
    put(TABLE_HOURLY, "cc1", "1");
    put(TABLE_HOURLY, "dd1", "1");
    uint64_t first = tables_txn_number(txn);
    commit();
    begin(TABLES_WRITE);
    settle(TABLE_HOURLY, "aa1", first);
    settle(TABLE_HOURLY, "cc1", first);
    cr_assert_eq(tables_edit_begin(&e, txn, TABLE_HOURLY, &err), ERR_OK);
    e.range_bytes = 2;
    edit(&e, "aa1", "1"); /* as it was: no range */
    edit(&e, "bb1", "2");
    edit(&e, "bb2", "2");
    edit(&e, "bb9", NULL);
    edit(&e, "dd1", "1");
    edit(&e, "dd2", "3");
    tables_edit_end(&e);
    uint64_t second = tables_txn_number(txn);
    check_owed(TABLE_HOURLY, "bb1=2 bb2=2 bb9=- dd1=1 dd2=3");
    commit();
    begin(TABLES_WRITE);
    settle(TABLE_HOURLY, "bb", second);
    settle(TABLE_HOURLY, "bb1", first);
    settle(TABLE_HOURLY, "dd", first); /* changed since: stays owed */
    check_owed(TABLE_HOURLY, "bb9=- dd1=1 dd2=3");
    commit();
}
