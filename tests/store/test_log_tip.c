/*
 * Where the log ends, asked without reading it.
 */
#include "store/log/tip.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/time.h"

static char dir[64], log_dir[96];
static struct log_writer *writer;

static void
setup(void)
{
    snprintf(dir, sizeof dir, "/tmp/gbill-tip-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(log_dir, sizeof log_dir, "%s/log", dir);
}

static void
teardown(void)
{
    char command[128];
    log_writer_close(writer);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(store_log_tip, .init = setup, .fini = teardown);

static void
append(int64_t receive_utc_ms, uint32_t events, uint32_t quarantined)
{
    struct err err;
    struct log_part parts[LOG_STREAMS] = {
        [LOG_EVENTS] = {{(const uint8_t *)"events", 6}, events},
        [LOG_QUARANTINE] = {{(const uint8_t *)"q", 1}, quarantined}};
    if (writer == NULL)
        cr_assert_eq(log_writer_open(log_dir, &writer, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(log_writer_append(writer, receive_utc_ms, parts, &err), ERR_OK, "%s", err.text);
}

static struct log_tip
tip(void)
{
    struct log_tip t;
    struct err err;
    cr_assert_eq(log_tip_read(log_dir, &t, &err), ERR_OK, "%s", err.text);
    return t;
}

Test(store_log_tip, an_empty_log_begins_at_one_and_no_log_is_said)
{
    struct log_tip t;
    struct err err;
    cr_expect_eq(log_tip_read(log_dir, &t, &err), ERR_NOT_FOUND);
    cr_assert_eq(log_writer_open(log_dir, &writer, &err), ERR_OK);
    t = tip();
    cr_expect_eq(t.next_seq[LOG_EVENTS], 1);
    cr_expect_eq(t.first_seq[LOG_QUARANTINE], 1);
    cr_expect_eq(t.day_count, 0);
    cr_expect_eq(t.recent_from_utc_ms, 0);
}

Test(store_log_tip, it_has_the_ends_of_both_streams_over_all_days)
{
    const int64_t day = 20000 * TIME_DAY_MS;
    append(day + 5000, 10, 0);
    append(day + TIME_DAY_MS + 7000, 5, 2);
    append(day + 2 * TIME_DAY_MS + 9000, 1, 0);
    struct log_tip t = tip();
    cr_expect_eq(t.next_seq[LOG_EVENTS], 17);
    cr_expect_eq(t.next_seq[LOG_QUARANTINE], 3);
    cr_expect_eq(t.first_seq[LOG_EVENTS], 1);
    cr_expect_eq(t.day_count, 3);
    cr_expect_eq(t.recent_from_utc_ms, day + TIME_DAY_MS + 7000);
    cr_expect_gt(t.bytes, t.recent_bytes);
    cr_expect_gt(t.recent_bytes, 8192);
}

Test(store_log_tip, what_is_kept_begins_with_the_oldest_day_file)
{
    const int64_t day = 20000 * TIME_DAY_MS;
    char path[160];
    append(day, 10, 3);
    append(day + TIME_DAY_MS, 5, 0);
    snprintf(path, sizeof path, "%s/2024-10-04.mdb", log_dir);
    cr_assert_eq(unlink(path), 0, "%s", path);
    struct log_tip t = tip();
    cr_expect_eq(t.first_seq[LOG_EVENTS], 11);
    cr_expect_eq(t.first_seq[LOG_QUARANTINE], 4);
    cr_expect_eq(t.next_seq[LOG_EVENTS], 16);
    cr_expect_eq(t.day_count, 1);
}

Test(store_log_tip, the_oldest_event_behind_a_position_is_that_of_its_frame)
{
    const int64_t day = 20000 * TIME_DAY_MS;
    int64_t ms = -1;
    struct err err;
    append(day + 1, 10, 0);
    append(day + 2, 5, 0);
    cr_expect_eq(log_received_after(log_dir, 0, &ms, &err), ERR_OK);
    cr_expect_eq(ms, day + 1);
    cr_expect_eq(log_received_after(log_dir, 9, &ms, &err), ERR_OK);
    cr_expect_eq(ms, day + 1);
    cr_expect_eq(log_received_after(log_dir, 10, &ms, &err), ERR_OK);
    cr_expect_eq(ms, day + 2);
    cr_expect_eq(log_received_after(log_dir, 15, &ms, &err), ERR_OK);
    cr_expect_eq(ms, 0);
}
