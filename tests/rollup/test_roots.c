#include <criterion/criterion.h>
#include <unistd.h>

#include "rollup/roots.h"
#include "store/log/day.h"
#include "store/log/quarantine.h"
#include "store/log/verify.h"
#include "store/tables/log_day.h"
#include "tests/support/make_event.h"
#include "tests/support/temp_dir.h"

static const int64_t midnight = (int64_t)20781 * 86400000; /* 2026-11-24 */

static struct temp_dir dir;
static char log_directory[128], file[128];
static struct log_writer *writer;
static struct buf events, quarantine;
static struct roots_result result;
static struct err err;

static void
set_up(void)
{
    dir = temp_dir_make();
    snprintf(log_directory, sizeof log_directory, "%s/log", dir.path);
    snprintf(file, sizeof file, "%s/roots.jsonl", dir.path);
    buf_init(&events, 1 << 20);
    buf_init(&quarantine, 1 << 20);
    cr_assert_eq(log_writer_open(log_directory, &writer, &err), ERR_OK, "%s", err.text);
}

static void
tear_down(void)
{
    roots_result_clear(&result);
    log_writer_close(writer);
    buf_clear(&events);
    buf_clear(&quarantine);
    temp_dir_remove(&dir);
}

TestSuite(rollup_roots, .init = set_up, .fini = tear_down);

/* One frame on a day after the 24th, with so many events and quarantined ones. */
static void
receive(int day, uint32_t event_count, uint32_t quarantined)
{
    static unsigned n;
    int64_t now = midnight + day * TIME_DAY_MS;
    struct quarantined q = {.reason = str_of("no id"), .tag = str_of("gbill.usage")};
    events.size_bytes = quarantine.size_bytes = 0;
    for (uint32_t i = 0; i < event_count; i++) {
        char id[16];
        snprintf(id, sizeof id, "e%u", n++);
        make_usage(&events, id, "acme", "m1", 1, 1, now);
    }
    for (uint32_t i = 0; i < quarantined; i++)
        cr_assert(quarantine_store(&q, &quarantine));
    struct log_part parts[LOG_STREAMS] = {
        [LOG_EVENTS] = {{events.data, events.size_bytes}, event_count},
        [LOG_QUARANTINE] = {{quarantine.data, quarantine.size_bytes}, quarantined}};
    cr_assert_eq(log_writer_append(writer, now, parts, &err), ERR_OK, "%s", err.text);
}

static enum err_code
run(void)
{
    struct roots_options o = {.data_directory = dir.path};
    roots_result_clear(&result);
    return roots_run(&o, &result, &err);
}

static void
must_run(uint64_t days, uint64_t added)
{
    cr_assert_eq(run(), ERR_OK, "%s", err.text);
    cr_assert_eq(result.roots.roots.count, days);
    cr_assert_eq(result.added, added);
}

static const struct log_root *
root(size_t i)
{
    return (const struct log_root *)result.roots.roots.items + i;
}

static void
read_file(char text[4096])
{
    struct bytes b;
    cr_assert_eq(file_read(file, 4095, &b, &err), ERR_OK, "%s", err.text);
    memcpy(text, b.data, b.size_bytes + 1);
    free((void *)(uintptr_t)b.data);
}

static void
write_file(const char *text)
{
    FILE *f = fopen(file, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

static void
make_tables(void)
{
    struct tables *tables;
    cr_assert_eq(tables_open(dir.path, TABLES_WRITE, &tables, &err), ERR_OK, "%s", err.text);
    tables_close(tables);
}

/* The chain of a stream at the end of a day, as reading the whole log gives it. */
struct day_chain {
    int32_t day;
    uint8_t chain[HASH_SHA256_BYTES];
};

static enum err_code
see_frame(void *context, const struct log_frame *frame, struct err *e)
{
    struct day_chain *c = context;
    (void)e;
    if (frame->day <= c->day)
        memcpy(c->chain, frame->chain, HASH_SHA256_BYTES);
    return ERR_OK;
}

Test(rollup_roots, a_day_has_its_root_when_the_next_one_has_begun)
{
    receive(0, 3, 0);
    receive(0, 2, 1);
    must_run(0, 0);
    cr_assert_neq(access(file, F_OK), 0, "no file for no roots");
    receive(1, 1, 0);
    must_run(1, 1);
    cr_assert_eq(root(0)->day, 20781);
    cr_assert_eq(root(0)->first_seq, 1);
    cr_assert_eq(root(0)->last_seq, 5);
    cr_assert_eq(log_root_events(root(0)), 5);
    cr_assert_eq(root(0)->quarantined, 1);
    cr_assert_eq(root(0)->frames, 3);
    must_run(1, 0);
}

Test(rollup_roots, the_chains_are_those_of_reading_the_whole_log)
{
    receive(0, 3, 2);
    receive(0, 2, 0);
    receive(1, 0, 1);
    receive(3, 4, 0);
    receive(4, 1, 0);
    must_run(3, 3);
    for (size_t i = 0; i < 3; i++) {
        for (int s = 0; s < LOG_STREAMS; s++) {
            struct day_chain c = {.day = root(i)->day};
            struct log_watch watch = {.context = &c, .frame = see_frame};
            cr_assert_eq(log_verify(log_directory, (enum log_stream)s, &watch, &err), ERR_OK);
            cr_assert_arr_eq(c.chain, root(i)->chain[s], HASH_SHA256_BYTES);
        }
    }
    /* Only something quarantined on the 25th; nothing on the 26th. */
    cr_assert_eq(root(1)->day, 20782);
    cr_assert_eq(root(1)->last_seq, root(1)->first_seq - 1);
    cr_assert_eq(root(2)->day, 20784);
}

Test(rollup_roots, the_file_has_a_json_line_for_each_day_and_grows)
{
    char before[4096], after[4096], want[1024], chain[2][HASH_SHA256_TEXT_BYTES];
    receive(0, 5, 1);
    receive(1, 7, 0);
    must_run(1, 1);
    hash_hex(root(0)->chain[LOG_EVENTS], HASH_SHA256_BYTES, chain[0]);
    hash_hex(root(0)->chain[LOG_QUARANTINE], HASH_SHA256_BYTES, chain[1]);
    snprintf(want, sizeof want,
             "{\"day\":\"2026-11-24\",\"chain\":\"%s\",\"quarantineChain\":\"%s\",\"firstSeq\":1,"
             "\"lastSeq\":5,\"events\":5,\"quarantined\":1,\"frames\":2}\n",
             chain[0], chain[1]);
    read_file(before);
    cr_assert_str_eq(before, want);
    receive(2, 1, 0);
    must_run(2, 1);
    read_file(after);
    cr_assert_eq(strncmp(after, before, strlen(before)), 0);
    cr_assert_not_null(strstr(after, "\n{\"day\":\"2026-11-25\""));
}

Test(rollup_roots, another_root_in_the_file_is_an_error_that_names_day_and_both)
{
    char text[4096], before[4096];
    receive(0, 5, 0);
    receive(1, 7, 0);
    receive(2, 1, 0);
    must_run(2, 2);
    read_file(text);
    char *second = strstr(text, "2026-11-25") + strlen("2026-11-25\",\"chain\":\"");
    char was = *second;
    *second = was == 'f' ? '0' : 'f';
    write_file(text);
    receive(3, 1, 0);
    cr_assert_eq(run(), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "the root of 2026-11-25 is {"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "but the log gives {\"day\":\"2026-11-25\""), "%s",
                       err.text);
    read_file(before);
    cr_assert_str_eq(before, text, "an error leaves the file alone");
}

Test(rollup_roots, a_day_that_the_log_lost_is_an_error_but_old_days_may_go)
{
    char path[160];
    for (int day = 0; day < 4; day++)
        receive(day, 1, 0);
    must_run(3, 3);
    log_writer_close(writer);
    writer = NULL;
    /* The oldest may be dropped; one of those behind it may not, nor the newest. */
    snprintf(path, sizeof path, "%s/2026-11-24.mdb", log_directory);
    cr_assert_eq(unlink(path), 0);
    must_run(2, 0);
    snprintf(path, sizeof path, "%s/2026-11-27.mdb", log_directory);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(run(), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "has a root of 2026-11-26, but the log has no such closed"),
                       "%s", err.text);
}

Test(rollup_roots, a_gap_between_two_days_is_an_error)
{
    char path[160];
    for (int day = 0; day < 3; day++)
        receive(day, 1, 0);
    log_writer_close(writer);
    writer = NULL;
    snprintf(path, sizeof path, "%s/2026-11-25.mdb", log_directory);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(run(), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "2026-11-26.mdb: begins at 3, the day before ended at 1"),
                       "%s", err.text);
}

Test(rollup_roots, lines_that_are_no_roots_are_refused)
{
    receive(0, 1, 0);
    receive(1, 1, 0);
    write_file("{\"day\":\"yesterday!\"}\n");
    cr_assert_eq(run(), ERR_INPUT);
    cr_assert_not_null(strstr(err.text, "roots.jsonl: line 1 is not the root"), "%s", err.text);
    write_file("{\"day\":\"2026-11-20\"}\n{\"day\":\"2026-11-20\"}\n");
    cr_assert_eq(run(), ERR_INPUT);
    cr_assert_not_null(strstr(err.text, "line 2"), "%s", err.text);
}

Test(rollup_roots, the_tables_get_them_too_and_keep_them)
{
    struct tables *tables;
    struct tables_txn *txn;
    struct log_root stored;
    receive(0, 5, 1);
    receive(1, 1, 0);
    must_run(1, 1); /* nothing folded yet: the file alone */
    make_tables();
    must_run(1, 0);
    cr_assert_eq(tables_open(dir.path, TABLES_WRITE, &tables, &err), ERR_OK);
    cr_assert_eq(tables_begin(tables, TABLES_WRITE, &txn, &err), ERR_OK);
    cr_assert(log_day_get(txn, result.roots.identity, 20781, &stored));
    cr_assert_eq(memcmp(&stored, root(0), sizeof stored), 0);
    /* As if the log had been another one when it was published. */
    cr_assert_eq(tables_count(txn, TABLE_LOG_DAYS), 1);
    struct tables_scan scan;
    uint8_t key[64], value[128];
    tables_scan_begin(&scan, txn, TABLE_LOG_DAYS, (struct bytes){0});
    cr_assert(tables_scan_next(&scan));
    struct bytes k = {key, scan.key.size_bytes}, v = {value, scan.value.size_bytes};
    memcpy(key, scan.key.data, k.size_bytes);
    memcpy(value, scan.value.data, v.size_bytes);
    tables_scan_end(&scan);
    value[v.size_bytes - 1] ^= 1;
    cr_assert_eq(tables_put(txn, TABLE_LOG_DAYS, k, v, &err), ERR_OK);
    cr_assert_eq(tables_commit(txn, &err), ERR_OK);
    tables_close(tables);
    cr_assert_eq(run(), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "table log_days: 2026-11-24 had the root "), "%s",
                       err.text);
}

Test(rollup_roots, a_day_file_that_never_got_a_frame_has_no_root)
{
    struct day day;
    struct day_tip tips[LOG_STREAMS];
    receive(0, 1, 0);
    log_writer_close(writer);
    cr_assert_eq(day_open(&day, log_directory, 20781, true, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(day_tips_read(&day, tips, &err), ERR_OK);
    uint8_t identity[HASH_SHA256_BYTES];
    memcpy(identity, day.identity, sizeof identity);
    day_close(&day);
    cr_assert_eq(day_create(&day, log_directory, 20782, identity, tips, &err), ERR_OK);
    day_close(&day);
    cr_assert_eq(log_writer_open(log_directory, &writer, &err), ERR_OK, "%s", err.text);
    receive(2, 1, 0);
    must_run(1, 1);
    cr_assert_eq(root(0)->day, 20781);
}

Test(rollup_roots, without_a_log_it_says_so)
{
    struct roots_options o = {.data_directory = "/nonexistent"};
    roots_result_clear(&result);
    cr_assert_eq(roots_run(&o, &result, &err), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.text, "no log here yet"), "%s", err.text);
}
