#include <criterion/criterion.h>
#include <unistd.h>

#include "rollup/audit.h"
#include "rollup/job.h"
#include "store/base/file.h"
#include "store/log/quarantine.h"
#include "store/log/writer.h"
#include "store/tables/balance.h"
#include "store/tables/conflict.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "store/tables/ids.h"
#include "store/tables/log_day.h"
#include "store/tables/unpriced.h"
#include "store/tables/usage.h"
#include "store/tables/void.h"
#include "tests/support/make_event.h"
#include "tests/support/temp_dir.h"

static const int64_t noon = (int64_t)20781 * 86400000 + 43200000; /* 2026-11-24T12:00Z */

enum { NOON_HOUR = 20781 * 24 + 12, NOVEMBER = 56 * 12 + 10, FOUND_BYTES = 4096 };

static struct temp_dir dir;
static char log_directory[128], found[FOUND_BYTES];
static struct log_writer *writer;
static struct buf frame, quarantine;
static uint32_t events;

static void
use(const char *id, const char *organization, const char *model, int64_t input, int64_t when)
{
    make_usage(&frame, id, organization, model, input, 7, when);
    events++;
}

static void
flush(int64_t receive_utc_ms, uint32_t quarantined)
{
    struct err err;
    struct log_part parts[LOG_STREAMS] = {
        [LOG_EVENTS] = {{frame.data, frame.size_bytes}, events},
        [LOG_QUARANTINE] = {{quarantine.data, quarantine.size_bytes}, quarantined}};
    cr_assert_eq(log_writer_append(writer, receive_utc_ms, parts, &err), ERR_OK, "%s", err.text);
    frame.size_bytes = quarantine.size_bytes = 0;
    events = 0;
}

static void
fold(void)
{
    char book[128];
    struct err err;
    struct rollup_result r;
    snprintf(book, sizeof book, "%s/prices.json", dir.path);
    FILE *f = fopen(book, "w");
    cr_assert_not_null(f);
    fputs("{\"format\": \"gbill-prices/1\", \"currency\": \"USD\", \"unit\": \"1000000 tokens\","
          "\"models\": [{\"provider\": \"openai\", \"model\": \"m1\", \"prices\": ["
          "{\"from\": null, \"recorded\": \"2026-01-01\", \"tier\": \"standard\","
          "\"rates\": {\"input\": \"2.5\", \"output\": \"10\"}}]}]}",
          f);
    fclose(f);
    struct rollup_options o = {.data_directory = dir.path, .price_path = book};
    cr_assert_eq(rollup_run(&o, &r, &err), ERR_OK, "%s", err.text);
}

/* Two organizations, two days and months; a retry, a conflict, an unpriced and a voided event. */
static void
set_up(void)
{
    struct err err;
    dir = temp_dir_make();
    snprintf(log_directory, sizeof log_directory, "%s/log", dir.path);
    buf_init(&frame, 1 << 20);
    buf_init(&quarantine, 1 << 20);
    cr_assert_eq(log_writer_open(log_directory, &writer, &err), ERR_OK, "%s", err.text);
    use("a1", "acme", "m1", 1000, noon);
    use("a2", "acme", "m1", 2000, noon + TIME_HOUR_MS);
    use("a3", "acme", "nobody-knows", 3000, noon);
    use("a4", "acme", "m1", 4000, noon - 30 * TIME_DAY_MS);
    use("a1", "acme", "m1", 1000, noon);
    use("a2", "acme", "m1", 9999, noon + TIME_HOUR_MS);
    struct quarantined q = {.reason = str_of("no id"), .tag = str_of("gbill.usage")};
    cr_assert(quarantine_store(&q, &quarantine));
    cr_assert(quarantine_store(&q, &quarantine));
    flush(noon + 2 * TIME_HOUR_MS, 2);
    use("g1", "globex", "m1", 500, noon);
    make_stored(&frame, EVENT_VOID, noon,
                make_record(4, "id", "s", "v1", "organizationId", "s", "globex", "voids", "s", "g1",
                            "at", "i", noon));
    events++;
    flush(noon + TIME_DAY_MS, 0);
    fold();
}

static void
tear_down(void)
{
    log_writer_close(writer);
    buf_clear(&frame);
    buf_clear(&quarantine);
    temp_dir_remove(&dir);
}

TestSuite(rollup_audit, .init = set_up, .fini = tear_down);

static void
note(void *context, const char *text)
{
    size_t used = strlen(found);
    (void)context;
    snprintf(found + used, sizeof found - used, "%s\n", text);
}

/* How many numbers do not agree; `found` has their lines. */
static uint64_t
audit(bool with_log)
{
    struct tables *tables;
    struct tables_txn *txn;
    struct err err;
    uint64_t count = 0;
    found[0] = '\0';
    cr_assert_eq(tables_open(dir.path, TABLES_READ, &tables, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(tables, TABLES_READ, &txn, &err), ERR_OK);
    struct audit_options o = {
        .txn = txn, .log_directory = with_log ? log_directory : NULL, .found = note};
    cr_assert_eq(audit_run(&o, &count, &err), ERR_OK, "%s", err.text);
    tables_abort(txn);
    tables_close(tables);
    return count;
}

/* The tables, for changing a number that no job would. */
static struct tables *tables;
static struct tables_txn *txn;
static struct err err;

static void
begin(void)
{
    cr_assert_eq(tables_open(dir.path, TABLES_WRITE, &tables, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(tables, TABLES_WRITE, &txn, &err), ERR_OK);
}

static void
commit(void)
{
    cr_assert_eq(tables_commit(txn, &err), ERR_OK);
    tables_close(tables);
}

static uint32_t
number(const char *text)
{
    uint32_t n = 0;
    cr_assert(dict_find(txn, str_of(text), &n));
    return n;
}

static void
expect(uint64_t count, const char *text)
{
    cr_assert_not_null(strstr(found, text), "\"%s\" is not in:\n%s", text, found);
    cr_assert_not_null(strstr(found, "; run gbill rollup --rebuild"), "%s", found);
    uint64_t lines = 0;
    for (const char *p = found; *p != '\0'; p++)
        lines += *p == '\n';
    cr_assert_eq(lines, count, "%s", found);
}

static void
add_balance(const char *organization, uint32_t hour, enum balance_column column, uint64_t more)
{
    struct balance b = {0};
    b.events[column] = more;
    cr_assert_eq(balance_add(txn, number(organization), hour, &b, &err), ERR_OK);
}

/* The key of acme's priced calls in November, or in an hour. */
static struct usage_key
acme_key(uint32_t period)
{
    return (struct usage_key){.organization = number("acme"),
                              .period = period,
                              .user = number("u1"),
                              .type = number("chat"),
                              .provider = number("openai"),
                              .model = number("m1")};
}

static void
add_usage(enum table table, uint32_t period, struct usage_row more)
{
    uint8_t key[USAGE_KEY_BYTES];
    struct usage_key k = acme_key(period);
    struct bytes old;
    usage_key_encode(&k, key);
    cr_assert(tables_get(txn, table, (struct bytes){key, sizeof key}, &old), "no such row");
    cr_assert_eq(usage_add(txn, table, key, &more, &err), ERR_OK);
}

Test(rollup_audit, a_sound_history_agrees_with_itself_and_with_the_log)
{
    cr_assert_eq(audit(false), 0, "%s", found);
    cr_assert_eq(audit(true), 0, "%s", found);
    begin();
    struct balance total = balance_total(txn);
    const uint64_t want[BALANCE_COUNT] = {8, 3, 0, 1, 2, 1, 1, 2, 1};
    for (int c = 0; c < BALANCE_COUNT; c++)
        cr_assert_eq(total.events[c], want[c], "%s", balance_column_name((enum balance_column)c));
    commit();
}

Test(rollup_audit, events_behind_the_cursor_are_no_difference)
{
    use("a9", "acme", "m1", 1, noon);
    use("n1", "newcomer", "m1", 1, noon);
    flush(noon + TIME_DAY_MS, 0);
    cr_assert_eq(audit(true), 0, "%s", found);
}

Test(rollup_audit, a_row_of_the_balance_that_does_not_close_is_named)
{
    begin();
    add_balance("acme", NOON_HOUR, BALANCE_SETTINGS, 5);
    commit();
    cr_assert_eq(audit(false), 1);
    expect(1, "organization acme, hour 2026-11-24T12: 3 accepted, but the other columns add up "
              "to 8");
}

Test(rollup_audit, calls_in_hourly_that_the_balance_lacks_are_named)
{
    begin();
    add_usage(TABLE_HOURLY, NOON_HOUR, (struct usage_row){.calls = 1});
    commit();
    cr_assert_eq(audit(false), 2);
    expect(2, "organization acme, hour 2026-11-24T12: priced is 1 in the balance, 2 in hourly");
    expect(2, "month 2026-11, project \"\", user u1, model m1: calls is 2 in monthly, hourly adds "
              "up to 3");
}

Test(rollup_audit, an_hour_that_only_hourly_has_is_named)
{
    uint8_t key[USAGE_KEY_BYTES];
    struct usage_row row = {.calls = 1, .unpriced_calls = 1};
    begin();
    struct usage_key k = acme_key(NOON_HOUR + 5);
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(txn, TABLE_HOURLY, key, &row, &err), ERR_OK);
    k.period = NOVEMBER;
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(txn, TABLE_MONTHLY, key, &row, &err), ERR_OK);
    commit();
    cr_assert_eq(audit(false), 1);
    expect(1, "hour 2026-11-24T17: unpriced is 0 in the balance, 1 in hourly");
}

Test(rollup_audit, one_pico_in_monthly_is_named)
{
    begin();
    add_usage(TABLE_MONTHLY, NOVEMBER, (struct usage_row){.cost_pico = 1});
    commit();
    cr_assert_eq(audit(false), 1);
    expect(1, "organization acme, month 2026-11, project \"\", user u1, model m1: cost is "
              "0.007640000001 in monthly, hourly adds up to 0.00764;");
}

Test(rollup_audit, each_column_of_monthly_is_compared)
{
    for (size_t i = 0; i < EVENT_CLASSES + EVENT_FEES; i++) {
        struct usage_row one = {0}, all = {0};
        uint64_t *more = i < EVENT_CLASSES ? &one.tokens[i] : &one.fees[i - EVENT_CLASSES];
        char text[64];
        *more = 1;
        begin();
        add_usage(TABLE_MONTHLY, NOVEMBER, one);
        commit();
        cr_assert_eq(audit(false), 1, "%s", found);
        snprintf(text, sizeof text, "model m1: %s is ",
                 i < EVENT_CLASSES ? event_class_name((enum event_class)i)
                                   : event_fee_name((enum event_fee)(i - EVENT_CLASSES)));
        expect(1, text);
        usage_row_subtract(&all, &one);
        begin();
        add_usage(TABLE_MONTHLY, NOVEMBER, all);
        commit();
    }
    cr_assert_eq(audit(false), 0, "%s", found);
}

Test(rollup_audit, a_month_without_its_row_is_named)
{
    uint8_t key[USAGE_KEY_BYTES];
    begin();
    struct usage_key k = acme_key(NOVEMBER);
    usage_key_encode(&k, key);
    cr_assert_eq(tables_delete(txn, TABLE_MONTHLY, (struct bytes){key, sizeof key}, &err), ERR_OK);
    commit();
    cr_assert_gt(audit(false), 1);
    cr_assert_not_null(strstr(found, "calls is 0 in monthly, hourly adds up to 2"), "%s", found);
}

Test(rollup_audit, the_total_and_the_cursor_are_compared_with_the_rows)
{
    uint8_t row[8 * BALANCE_COUNT] = {0};
    struct bytes key = {(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff", 8}, old;
    begin();
    cr_assert(tables_get(txn, TABLE_BALANCE, key, &old));
    cr_assert_eq(old.size_bytes, sizeof row);
    memcpy(row, old.data, sizeof row);
    put_le64(row + 8 * BALANCE_SETTINGS, 4);
    cr_assert_eq(tables_put(txn, TABLE_BALANCE, key, (struct bytes){row, sizeof row}, &err),
                 ERR_OK);
    struct cursor c = cursor_get(txn);
    c.seq++;
    c.quarantine_seq--;
    cr_assert_eq(cursor_put(txn, &c, &err), ERR_OK);
    commit();
    cr_assert_eq(audit(false), 3);
    expect(3, "balance: settings over all rows: 1, but in the total kept beside them: 4");
    expect(3, "balance: accepted over all rows: 8, but the cursor stands at event: 9");
    expect(3, "quarantined over all rows: 2, but the cursor stands at quarantined event: 1");
    cr_assert_eq(audit(true), 6);
    expect(6, "log, events: the tables stand at 9, where the log, which ends at 8");
    expect(6, "log, quarantine: the tables stand at 1");
    expect(6, "quarantine, hour 2026-11-24T14: quarantined is 2 in the balance, the log has 1");
}

Test(rollup_audit, lists_that_are_too_long_are_named)
{
    struct conflict conflict = {7, 1};
    struct void_row voided = {.target = {1, 2}, .void_seq = 8, .outcome = VOID_DONE};
    struct void_row waits = {.target = {3, 4}, .void_seq = 8, .outcome = VOID_WAITING};
    struct id_entry id = {.hash = {5, 6}, .mark = id_mark(8, 0)};
    begin();
    cr_assert_eq(unpriced_put(txn, 1, false, &err), ERR_OK);
    cr_assert_eq(conflict_put(txn, &conflict, &err), ERR_OK);
    cr_assert_eq(void_put(txn, &voided, &err), ERR_OK);
    cr_assert_eq(void_put(txn, &waits, &err), ERR_OK);
    cr_assert_eq(ids_add(txn, &id, 1, &err), ERR_OK);
    commit();
    cr_assert_eq(audit(false), 4);
    expect(4, "table unpriced: rows: 2, but unpriced in the balance: 1");
    expect(4, "table conflicts: rows: 2, but conflicting in the balance: 1");
    expect(4, "table voids: events taken out: 2, but voided in the balance: 1");
    expect(4, "table id_runs: ids: 7, but accepted less duplicates in the balance: 6");
}

Test(rollup_audit, only_the_log_tells_that_an_event_stands_in_the_wrong_hour)
{
    begin();
    add_balance("globex", NOON_HOUR, BALANCE_SETTINGS, (uint64_t)-1);
    add_balance("globex", NOON_HOUR, BALANCE_ACCEPTED, (uint64_t)-1);
    add_balance("globex", NOON_HOUR + 1, BALANCE_SETTINGS, 1);
    add_balance("globex", NOON_HOUR + 1, BALANCE_ACCEPTED, 1);
    commit();
    cr_assert_eq(audit(false), 0, "%s", found);
    cr_assert_eq(audit(true), 2);
    expect(2,
           "organization globex, hour 2026-11-24T12: accepted is 1 in the balance, the log has 2");
    expect(2,
           "organization globex, hour 2026-11-24T13: accepted is 1 in the balance, the log has 0");
}

Test(rollup_audit, only_the_log_tells_that_a_row_of_the_balance_is_gone)
{
    uint8_t key[8];
    begin();
    put_be32(key, number("globex"));
    put_be32(key + 4, NOON_HOUR);
    cr_assert_eq(tables_delete(txn, TABLE_BALANCE, (struct bytes){key, sizeof key}, &err), ERR_OK);
    commit();
    audit(true);
    cr_assert_not_null(strstr(found, "globex, hour 2026-11-24T12: accepted is 0 in the balance, "
                                     "the log has 2"),
                       "%s", found);
}

Test(rollup_audit, a_root_that_the_log_does_not_give_is_named)
{
    struct log_roots roots;
    struct log_root root;
    cr_assert_eq(log_roots_read(log_directory, &roots, &err), ERR_OK);
    cr_assert_eq(roots.roots.count, 1);
    root = *(const struct log_root *)roots.roots.items;
    root.chain[LOG_QUARANTINE][5] ^= 1;
    begin();
    cr_assert_eq(log_day_put(txn, roots.identity, &root, &err), ERR_OK);
    commit();
    log_roots_clear(&roots);
    cr_assert_eq(audit(false), 0, "%s", found);
    cr_assert_eq(audit(true), 1);
    cr_assert_not_null(strstr(found, "table log_days: day 2026-11-24 has the root "), "%s", found);
}

static void
prune(const char *day)
{
    char path[FILE_PATH_BYTES_MAX];
    snprintf(path, sizeof path, "%s/%s.mdb", log_directory, day);
    cr_assert_eq(unlink(path), 0);
}

Test(rollup_audit, what_was_pruned_is_missing_in_the_log_and_nothing_else_may_be)
{
    log_writer_close(writer);
    writer = NULL;
    prune("2026-11-24"); /* six events, all of acme, and both of the quarantine */
    cr_assert_eq(audit(true), 0, "%s", found);
    begin();
    add_balance("acme", NOON_HOUR, BALANCE_SETTINGS, 1);
    add_balance("acme", NOON_HOUR, BALANCE_ACCEPTED, 1);
    commit();
    audit(true);
    cr_assert_not_null(strstr(found, "log, events: the balance has 7 more than the log, but the "
                                     "days that were pruned held 6"),
                       "%s", found);
}

/* All that is folded was pruned. */
Test(rollup_audit, a_log_that_begins_at_the_cursor_agrees)
{
    use("a9", "acme", "m1", 1, noon + 2 * TIME_DAY_MS);
    flush(noon + 2 * TIME_DAY_MS, 0);
    log_writer_close(writer);
    writer = NULL;
    prune("2026-11-24");
    prune("2026-11-25");
    cr_assert_eq(audit(true), 0, "%s", found);
}
