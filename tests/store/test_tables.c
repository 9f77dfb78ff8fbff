#include <criterion/criterion.h>

#include "store/tables/dict.h"
#include "store/tables/dirty.h"
#include "store/tables/organization.h"
#include "store/tables/subscription.h"
#include "store/tables/usage.h"
#include "tests/support/temp_dir.h"

struct fixture {
    struct temp_dir dir;
    struct tables *tables;
    struct tables_txn *txn;
};

static void
begin(struct fixture *x)
{
    struct err err;
    cr_assert_eq(tables_begin(x->tables, TABLES_WRITE, &x->txn, &err), ERR_OK, "%s", err.text);
}

static struct fixture
set_up(void)
{
    struct fixture x = {.dir = temp_dir_make()};
    struct err err;
    cr_assert_eq(tables_open(x.dir.path, TABLES_WRITE, &x.tables, &err), ERR_OK, "%s", err.text);
    begin(&x);
    return x;
}

static void
tear_down(struct fixture *x)
{
    tables_abort(x->txn);
    tables_close(x->tables);
    temp_dir_remove(&x->dir);
}

static void
commit(struct fixture *x)
{
    struct err err;
    cr_assert_eq(tables_commit(x->txn, &err), ERR_OK, "%s", err.text);
    begin(x);
}

static size_t
count_dirty(struct fixture *x, enum table table)
{
    struct dirty_scan s;
    size_t n = 0;
    dirty_scan_begin(&s, x->txn, table);
    while (dirty_scan_next(&s))
        n++;
    dirty_scan_end(&s);
    return n;
}

Test(store_tables, reading_before_anything_is_folded_says_what_to_run)
{
    struct temp_dir t = temp_dir_make();
    struct tables *tables;
    struct err err;
    cr_assert_eq(tables_open(t.path, TABLES_READ, &tables, &err), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.text, "gbill rollup"), "%s", err.text);
    temp_dir_remove(&t);
}

Test(store_tables, the_dictionary_numbers_texts_by_first_appearance)
{
    struct fixture x = set_up();
    struct dict dict = {.slots = NULL};
    struct err err;
    char text[80];
    uint32_t number;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++) {
            /* Short ones are kept inside the cache's slots, long ones beside them. */
            snprintf(text, sizeof text, "%s%d", i % 2 == 0 ? "t" : "a-rather-long-name-", i);
            cr_assert_eq(dict_intern(&dict, x.txn, str_of(text), &number, &err), ERR_OK);
            cr_assert_eq(number, (uint32_t)i + 1);
            uint64_t hash = dict_look_ahead(&dict, str_of(text));
            cr_assert_eq(dict_look_hashed(&dict, str_of(text), hash), number);
        }
        struct list fresh;
        dict_take_new(&dict, &fresh);
        cr_assert_eq(fresh.count, round == 0 ? 5000 : 0);
        cr_assert_eq(dict_write(&fresh, x.txn, &err), ERR_OK);
        list_clear(&fresh);
        dict_clear(&dict);
        commit(&x);
    }
    cr_assert_eq(dict_intern(&dict, x.txn, (struct str){0}, &number, &err), ERR_OK);
    cr_assert_eq(number, 0);
    cr_assert(str_is(dict_text(x.txn, 2), "a-rather-long-name-1"));
    cr_assert(str_is(dict_text(x.txn, 0), ""));
    cr_assert_not(dict_find(x.txn, str_of("never seen"), &number));
    dict_clear(&dict);
    tear_down(&x);
}

static struct usage_row
decoded(struct bytes bytes)
{
    struct usage_row row;
    cr_assert(usage_row_decode(bytes, &row));
    return row;
}

Test(store_tables, usage_rows_survive_their_encoding)
{
    struct usage_row row = {.calls = 1,
                            .failed_calls = 2,
                            .estimated_calls = 3,
                            .unpriced_calls = 4,
                            .tokens = {5, 6, 7, 8, 9, 10, 0, 300, UINT64_MAX, 0, 1},
                            .fees = {1, 0, 127, 128},
                            .reasoning_tokens = 10,
                            .latency_us = 11};
    static const int64_t high[] = {0, 1, -1, 123456789};
    uint8_t bytes[USAGE_ROW_BYTES_MAX];
    for (size_t i = 0; i < 4; i++) {
        row.cost_pico = (money_sum)high[i] * ((money_sum)1 << 64) + 987654321;
        size_t n = usage_row_encode(&row, bytes);
        struct usage_row back = decoded((struct bytes){bytes, n});
        cr_assert(back.cost_pico == row.cost_pico);
        cr_assert_arr_eq(back.tokens, row.tokens, sizeof row.tokens);
        cr_assert_arr_eq(back.fees, row.fees, sizeof row.fees);
        cr_assert_eq(back.calls, 1);
        cr_assert_eq(back.failed_calls, 2);
        cr_assert_eq(back.estimated_calls, 3);
        cr_assert_eq(back.unpriced_calls, 4);
        cr_assert_eq(back.reasoning_tokens, 10);
        cr_assert_eq(back.latency_us, 11);
    }
    cr_assert_eq(usage_row_encode(&(struct usage_row){0}, bytes), 4);
    cr_assert_eq(decoded((struct bytes){bytes, 4}).calls, 0);
    memset(&row, 0xff, sizeof row);
    cr_assert_eq(usage_row_encode(&row, bytes), USAGE_ROW_BYTES_MAX);
    cr_assert(decoded((struct bytes){bytes, USAGE_ROW_BYTES_MAX}).cost_pico == -1);
}

Test(store_tables, what_is_added_to_a_usage_row_can_be_taken_away_whole)
{
    struct usage_row row = {.calls = 7, .fees = {1}}, more = {.calls = 1}, back;
    uint8_t before[USAGE_ROW_BYTES_MAX], after[USAGE_ROW_BYTES_MAX];
    for (size_t i = 0; i < EVENT_CLASSES; i++)
        more.tokens[i] = 3 + i;
    for (size_t i = 0; i < EVENT_FEES; i++)
        more.fees[i] = 5 + i;
    more.failed_calls = more.estimated_calls = more.unpriced_calls = 1;
    more.reasoning_tokens = more.latency_us = 9;
    more.cost_pico = (money_sum)1 << 70;
    size_t n = usage_row_encode(&row, before);
    usage_row_add(&row, &more);
    size_t grown = usage_row_encode(&row, after);
    back = decoded((struct bytes){after, grown});
    cr_assert_eq(back.fees[EVENT_WEB_SEARCH], 6);
    cr_assert_eq(back.tokens[EVENT_OUTPUT_IMAGE], 13);
    usage_row_subtract(&row, &more);
    cr_assert_eq(usage_row_encode(&row, after), n);
    cr_assert_arr_eq(after, before, n);
}

Test(store_tables, a_usage_row_has_one_form_only)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"\x01\x00\x00", 3},         /* no head */
        {"\x01\x00\x00\x00", 4},     /* a column is missing */
        {"\x01\x00\x00\x00\x00", 5}, /* 0 is left out, not written */
        {"\x01\x00\x00\x00\x80", 5}, /* cut off */
        {"\x01\x00\x00\x00\x81\x00", 6},
        {"\x01\x00\x00\x00\x01\x01", 6}, /* a byte too many */
        {"\x00\x00\x00\x80\x01", 5},     /* a column that there is not */
        {"\x01\x00\x00\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", 14}, /* 2^64 */
    };
    struct usage_row row;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not(
            usage_row_decode((struct bytes){(const uint8_t *)bad[i].bytes, bad[i].size}, &row),
            "%zu", i);
    cr_assert_eq(decoded((struct bytes){(const uint8_t *)"\x01\x00\x00\x00\x80\x01", 6}).calls,
                 128);
}

Test(store_tables, a_changed_row_is_owed_and_an_unchanged_one_is_not)
{
    struct fixture x = set_up();
    struct err err;
    struct usage_key k = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t key[USAGE_KEY_BYTES];
    struct usage_row one = {.calls = 1, .cost_pico = 5}, none = {0};
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(x.txn, TABLE_HOURLY, key, &one, &err), ERR_OK);
    cr_assert_eq(count_dirty(&x, TABLE_HOURLY), 1);
    cr_assert_eq(count_dirty(&x, TABLE_MONTHLY), 0);
    struct dirty_scan s;
    dirty_scan_begin(&s, x.txn, TABLE_HOURLY);
    cr_assert(dirty_scan_next(&s));
    uint64_t number = s.number;
    dirty_scan_end(&s);
    cr_assert_eq(dirty_settle(x.txn, TABLE_HOURLY, (struct bytes){key, sizeof key}, number, &err),
                 ERR_OK);
    commit(&x);
    cr_assert_eq(usage_add(x.txn, TABLE_HOURLY, key, &none, &err), ERR_OK);
    cr_assert_eq(count_dirty(&x, TABLE_HOURLY), 0, "adding nothing changes nothing");
    cr_assert_eq(usage_add(x.txn, TABLE_HOURLY, key, &one, &err), ERR_OK);
    cr_assert_eq(count_dirty(&x, TABLE_HOURLY), 1);
    struct usage_scan scan;
    usage_scan_begin(&scan, x.txn, TABLE_HOURLY, 1, &k.period);
    cr_assert(usage_scan_next(&scan));
    cr_assert_eq(scan.row.calls, 2);
    cr_assert(scan.row.cost_pico == 10);
    cr_assert_eq(scan.key.tier, 8);
    cr_assert_eq(usage_scan_end(&scan, &err), ERR_OK);
    tear_down(&x);
}

Test(store_tables, a_scan_keeps_to_its_organization_and_period)
{
    struct fixture x = set_up();
    struct err err;
    uint8_t key[USAGE_KEY_BYTES];
    struct usage_row one = {.calls = 1};
    for (uint32_t org = 1; org <= 3; org++) {
        for (uint32_t period = 255; period <= 257; period++) {
            struct usage_key k = {.organization = org, .period = period};
            usage_key_encode(&k, key);
            cr_assert_eq(usage_add(x.txn, TABLE_MONTHLY, key, &one, &err), ERR_OK);
        }
    }
    static const uint32_t period = 256, other = 9;
    static const struct {
        uint32_t org;
        const uint32_t *period;
        int rows;
    } want[] = {{0, NULL, 9}, {2, NULL, 3}, {2, &period, 1}, {4, NULL, 0}, {2, &other, 0}};
    for (size_t i = 0; i < 5; i++) {
        struct usage_scan s;
        int rows = 0;
        usage_scan_begin(&s, x.txn, TABLE_MONTHLY, want[i].org, want[i].period);
        while (usage_scan_next(&s))
            rows++;
        cr_assert_eq(usage_scan_end(&s, &err), ERR_OK);
        cr_assert_eq(rows, want[i].rows);
    }
    tear_down(&x);
}

Test(store_tables, organizations_are_found_in_every_table_once)
{
    struct fixture x = set_up();
    struct err err;
    uint8_t key[USAGE_KEY_BYTES];
    struct usage_key k = {.organization = 3};
    struct usage_row one = {.calls = 1};
    struct subscription s = {.organization = 7, .plan = 1}, t = {.organization = 3, .plan = 1};
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(x.txn, TABLE_MONTHLY, key, &one, &err), ERR_OK);
    cr_assert_eq(subscription_put(x.txn, &s, &err), ERR_OK);
    cr_assert_eq(subscription_put(x.txn, &t, &err), ERR_OK);
    uint32_t org = 0, seen[4] = {0};
    size_t n = 0;
    for (; organization_next(x.txn, org, &org) && n < 4; n++)
        seen[n] = org;
    cr_assert_eq(n, 2);
    cr_assert_eq(seen[0], 3);
    cr_assert_eq(seen[1], 7);
    tear_down(&x);
}

Test(store_tables, the_map_grows_with_the_file)
{
    static const uint8_t value[4000];
    struct temp_dir dir = temp_dir_make_in_memory();
    struct err err;
    tables_map_bytes = 1024 * 1024;
    for (uint32_t i = 0; i < 2000; i++) {
        struct fixture x = {.dir = dir};
        uint8_t key[4];
        cr_assert_eq(tables_open(dir.path, TABLES_WRITE, &x.tables, &err), ERR_OK, "%s", err.text);
        begin(&x);
        for (int n = 0; n < 50; n++, i++) {
            put_be32(key, i);
            cr_assert_eq(tables_put(x.txn, TABLE_META, (struct bytes){key, sizeof key},
                                    (struct bytes){value, sizeof value}, &err),
                         ERR_OK, "%s", err.text);
        }
        cr_assert_eq(tables_commit(x.txn, &err), ERR_OK, "%s", err.text);
        tables_close(x.tables);
    }
    temp_dir_remove(&dir);
}
