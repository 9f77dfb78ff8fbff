#include <criterion/criterion.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/time.h"
#include "store/log/day.h"
#include "store/log/reader.h"
#include "store/log/tail.h"
#include "tests/support/temp_dir.h"

static const int64_t noon = (int64_t)20781 * 86400000 + 43200000; /* 2026-11-24T12:00Z */
static struct temp_dir dir;
static struct err err;

static void
setup(void)
{
    dir = temp_dir_make();
}

static void
teardown(void)
{
    temp_dir_remove(&dir);
}

/* pread() of this program stands before the C library's and counts what it gave. */
static size_t pread_bytes;

ssize_t
pread(int fd, void *data, size_t size_bytes, off_t at)
{
    static ssize_t (*real)(int, void *, size_t, off_t);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "pread");
    ssize_t n = real(fd, data, size_bytes, at);
    pread_bytes += n > 0 ? (size_t)n : 0;
    return n;
}

TestSuite(store_tail, .init = setup, .fini = teardown);

static struct log_writer *
open_writer(void)
{
    struct log_writer *w;
    cr_assert_eq(log_writer_open(dir.path, &w, &err), ERR_OK, "%s", err.text);
    return w;
}

/* One frame of one event, size_bytes long. */
static void
append(struct log_writer *w, int64_t when, size_t size_bytes, uint8_t fill)
{
    uint8_t *bytes = malloc(size_bytes);
    for (size_t i = 0; i < size_bytes; i++)
        bytes[i] = (uint8_t)(fill + i * i * 31 + (i >> 7)); /* little to compress */
    struct log_part parts[LOG_STREAMS] = {[LOG_EVENTS] = {{bytes, size_bytes}, 1}};
    cr_assert_eq(log_writer_append(w, when, parts, &err), ERR_OK, "%s", err.text);
    free(bytes);
}

/* As kill -9 leaves it: appended, not settled. */
static void
killed_after(unsigned first, unsigned count)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct log_writer *w = open_writer();
        for (unsigned i = 0; i < count; i++)
            append(w, noon, 10, (uint8_t)(first + i));
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
}

/* Read all from the start with the chain checked: how many events; *ret_last: the last one's first byte. */
static uint64_t
count_all(uint8_t *ret_last)
{
    struct log_reader *r;
    struct log_frame f;
    bool more;
    uint64_t n = 0;
    cr_assert_eq(log_reader_open(dir.path, LOG_EVENTS, 0, &r, &err), ERR_OK, "%s", err.text);
    log_reader_check_chain(r);
    for (;;) {
        cr_assert_eq(log_reader_next(r, &f, &more, &err), ERR_OK, "%s", err.text);
        if (!more)
            break;
        cr_assert_eq(f.first_seq, n + 1);
        n += f.event_count;
        if (ret_last != NULL)
            *ret_last = f.events.data[0];
    }
    log_reader_close(r);
    return n;
}

/* Events in the day files alone. */
static uint64_t
count_settled(void)
{
    struct day day;
    struct day_tip tips[LOG_STREAMS];
    cr_assert_eq(day_open(&day, dir.path, 20781, false, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(day_tips_read(&day, tips, &err), ERR_OK, "%s", err.text);
    day_close(&day);
    return tips[LOG_EVENTS].next_seq - 1;
}

static int
open_tail_file(void)
{
    char path[FILE_PATH_BYTES_MAX];
    snprintf(path, sizeof path, "%s/tail", dir.path);
    int fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    return fd;
}

Test(store_tail, a_small_append_is_read_before_any_day_file_has_it)
{
    struct log_writer *w = open_writer();
    uint8_t last = 0;
    append(w, noon, 10, 1);
    append(w, noon, 10, 2);
    cr_expect_eq(count_settled(), 0);
    cr_expect_eq(count_all(&last), 2);
    cr_expect_eq(last, 2);
    cr_assert_eq(log_writer_settle(w, &err), ERR_OK, "%s", err.text);
    cr_expect_eq(count_settled(), 2);
    append(w, noon, 10, 3);
    cr_expect_eq(count_all(&last), 3);
    cr_expect_eq(last, 3);
    log_writer_close(w);
    cr_expect_eq(count_settled(), 3);
}

Test(store_tail, an_open_reader_follows_it_from_the_tail_into_the_day_file)
{
    struct log_writer *w = open_writer();
    struct log_reader *r;
    struct log_frame f;
    bool more;
    append(w, noon, 10, 0);
    cr_assert_eq(log_reader_open(dir.path, LOG_EVENTS, 0, &r, &err), ERR_OK);
    for (unsigned i = 1; i < 40; i++) {
        cr_assert_eq(log_reader_next(r, &f, &more, &err), ERR_OK, "%s", err.text);
        cr_assert(more);
        cr_assert_eq(f.first_seq, i);
        if (i % 7 == 0)
            cr_assert_eq(log_writer_settle(w, &err), ERR_OK);
        append(w, noon, 10, (uint8_t)i);
        if (i % 5 == 0)
            cr_assert_eq(log_writer_settle(w, &err), ERR_OK);
    }
    log_reader_close(r);
    log_writer_close(w);
}

/* A job looks for news every second, however much lies in the tail. */
Test(store_tail, a_look_at_its_end_costs_what_is_new)
{
    enum { RECORDS = 200 };
    struct log_writer *w = open_writer();
    struct log_reader *r;
    struct log_frame f;
    bool more = true;
    for (unsigned i = 0; i < RECORDS; i++)
        append(w, noon, 10, (uint8_t)i);
    cr_assert_eq(log_reader_open(dir.path, LOG_EVENTS, 0, &r, &err), ERR_OK);
    pread_bytes = 0;
    while (more)
        cr_assert_eq(log_reader_next(r, &f, &more, &err), ERR_OK, "%s", err.text);
    cr_expect_eq(f.first_seq, RECORDS);
    cr_expect_leq(pread_bytes, (RECORDS + 2) * TAIL_BLOCK_BYTES);
    for (unsigned i = 0; i < 5; i++) {
        pread_bytes = 0;
        cr_assert_eq(log_reader_next(r, &f, &more, &err), ERR_OK, "%s", err.text);
        cr_expect_not(more);
        cr_expect_eq(pread_bytes, TAIL_BLOCK_BYTES);
        append(w, noon, 9000, (uint8_t)i);
        pread_bytes = 0;
        cr_assert_eq(log_reader_next(r, &f, &more, &err), ERR_OK, "%s", err.text);
        cr_assert(more);
        cr_expect_eq(f.first_seq, RECORDS + 1 + i);
        cr_expect_leq(pread_bytes, 4 * TAIL_BLOCK_BYTES);
    }
    /* All moved: the round before still lies there, and is not read through. */
    cr_assert_eq(log_writer_settle(w, &err), ERR_OK, "%s", err.text);
    pread_bytes = 0;
    cr_assert_eq(log_reader_next(r, &f, &more, &err), ERR_OK, "%s", err.text);
    cr_expect_not(more);
    cr_expect_leq(pread_bytes, TAIL_BLOCK_BYTES);
    log_reader_close(r);
    log_writer_close(w);
}

Test(store_tail, a_reader_starts_at_a_position_within_it)
{
    struct log_writer *w = open_writer();
    struct log_reader *r;
    struct log_frame f;
    bool more;
    for (unsigned i = 0; i < 9; i++)
        append(w, noon, 10, (uint8_t)i);
    cr_assert_eq(log_reader_open(dir.path, LOG_EVENTS, 6, &r, &err), ERR_OK);
    cr_assert_eq(log_reader_next(r, &f, &more, &err), ERR_OK, "%s", err.text);
    cr_assert(more);
    cr_expect_eq(f.first_seq, 7);
    cr_assert_eq(log_reader_seek(r, 2, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(log_reader_next(r, &f, &more, &err), ERR_OK, "%s", err.text);
    cr_expect_eq(f.first_seq, 3);
    log_reader_close(r);
    log_writer_close(w);
}

Test(store_tail, what_a_killed_writer_flushed_is_taken_up_by_the_next)
{
    uint8_t last = 0;
    killed_after(1, 5);
    cr_expect_eq(count_settled(), 0);
    cr_expect_eq(count_all(&last), 5);
    killed_after(6, 2); /* behind it, without a settle between */
    cr_expect_eq(count_all(&last), 7);
    struct log_writer *w = open_writer();
    cr_expect_eq(log_writer_next_seq(w, LOG_EVENTS), 8);
    append(w, noon, 100000, 8); /* large: takes all along */
    cr_expect_eq(count_settled(), 8);
    log_writer_close(w);
    cr_expect_eq(count_all(&last), 8);
    cr_expect_eq(last, 8);
}

Test(store_tail, an_older_round_is_not_taken_for_a_new_one)
{
    uint8_t last = 0;
    struct log_writer *w = open_writer();
    for (unsigned i = 0; i < 20; i++)
        append(w, noon, 10, (uint8_t)i);
    cr_assert_eq(log_writer_settle(w, &err), ERR_OK);
    log_writer_close(w);
    cr_expect_eq(count_all(NULL), 20);
    killed_after(100, 3); /* over the first blocks of twenty */
    cr_expect_eq(count_all(&last), 23);
    cr_expect_eq(last, 102);
    w = open_writer();
    cr_expect_eq(log_writer_next_seq(w, LOG_EVENTS), 24);
    log_writer_close(w);
    cr_expect_eq(count_settled(), 23);
}

Test(store_tail, a_record_with_any_bit_flipped_ends_it)
{
    killed_after(1, 3);
    int fd = open_tail_file();
    size_t used = TAIL_HEAD_BYTES + 80 + 10; /* one frame of one event of ten bytes */
    for (size_t at = 0; at < used; at++) {
        uint8_t byte;
        off_t where = TAIL_BLOCK_BYTES + (off_t)at; /* in the second record */
        cr_assert_eq(pread(fd, &byte, 1, where), 1);
        uint8_t wrong = (uint8_t)(byte ^ (1u << (at % 8)));
        cr_assert_eq(pwrite(fd, &wrong, 1, where), 1);
        cr_assert_eq(count_all(NULL), 1, "byte %zu", at);
        cr_assert_eq(pwrite(fd, &byte, 1, where), 1);
    }
    cr_expect_eq(count_all(NULL), 3);
    /* What follows a torn record was never acked before it: the next writer goes on from there. */
    uint8_t wrong = 0;
    cr_assert_eq(pwrite(fd, &wrong, 1, TAIL_BLOCK_BYTES), 1);
    close(fd);
    struct log_writer *w = open_writer();
    cr_expect_eq(log_writer_next_seq(w, LOG_EVENTS), 2);
    append(w, noon, 10, 77);
    log_writer_close(w);
    uint8_t last = 0;
    cr_expect_eq(count_all(&last), 2);
    cr_expect_eq(last, 77);
}

Test(store_tail, the_tail_of_another_log_is_left_alone)
{
    killed_after(1, 3);
    char here[FILE_PATH_BYTES_MAX], away[FILE_PATH_BYTES_MAX];
    snprintf(here, sizeof here, "%s/tail", dir.path);
    snprintf(away, sizeof away, "%s/kept", dir.path);
    cr_assert_eq(rename(here, away), 0);
    char day[FILE_PATH_BYTES_MAX];
    snprintf(day, sizeof day, "%s/2026-11-24.mdb", dir.path);
    cr_assert_eq(unlink(day), 0);
    struct log_writer *w = open_writer();
    append(w, noon, 10, 50);
    log_writer_close(w);
    cr_assert_eq(rename(away, here), 0);
    cr_expect_eq(count_all(NULL), 1);
    w = open_writer();
    cr_expect_eq(log_writer_next_seq(w, LOG_EVENTS), 2);
    log_writer_close(w);
}

Test(store_tail, the_next_day_begins_behind_all_of_it)
{
    struct log_writer *w = open_writer();
    append(w, noon, 10, 1);
    append(w, noon, 10, 2);
    append(w, noon + TIME_DAY_MS, 10, 3);
    cr_expect_eq(count_settled(), 2);
    cr_expect_eq(count_all(NULL), 3);
    log_writer_close(w);
}

Test(store_tail, when_it_is_full_it_is_moved_by_the_append_that_finds_it_so)
{
    struct log_writer *w = open_writer();
    for (unsigned i = 0; i < TAIL_RECORDS_MAX; i++)
        append(w, noon, 10, (uint8_t)i);
    cr_expect_eq(count_settled(), 0);
    append(w, noon, 10, 1);
    cr_expect_eq(count_settled(), TAIL_RECORDS_MAX + 1);
    for (unsigned i = 0; i < 200; i++)
        append(w, noon, 15000, (uint8_t)i); /* four blocks each: full before 256 records */
    cr_expect_gt(count_settled(), TAIL_RECORDS_MAX + 1);
    cr_expect_eq(count_all(NULL), TAIL_RECORDS_MAX + 201);
    log_writer_close(w);
}

Test(store_tail, both_streams_of_an_append_are_one_record)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct log_writer *w = open_writer();
        struct log_part parts[LOG_STREAMS] = {
            [LOG_EVENTS] = {{(const uint8_t *)"events", 6}, 6},
            [LOG_QUARANTINE] = {{(const uint8_t *)"qq", 2}, 2},
        };
        cr_assert_eq(log_writer_append(w, noon, parts, &err), ERR_OK);
        parts[LOG_EVENTS].event_count = 0;
        cr_assert_eq(log_writer_append(w, noon, parts, &err), ERR_OK);
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    struct log_writer *w = open_writer();
    cr_expect_eq(log_writer_next_seq(w, LOG_EVENTS), 7);
    cr_expect_eq(log_writer_next_seq(w, LOG_QUARANTINE), 5);
    log_writer_close(w);
    struct log_reader *r;
    struct log_frame f;
    bool more;
    cr_assert_eq(log_reader_open(dir.path, LOG_QUARANTINE, 2, &r, &err), ERR_OK);
    cr_assert_eq(log_reader_next(r, &f, &more, &err), ERR_OK);
    cr_expect(more && f.first_seq == 3 && f.event_count == 2);
    log_reader_close(r);
}
