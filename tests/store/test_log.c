#include <criterion/criterion.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/time.h"
#include "store/log/day.h"
#include "store/log/quarantine.h"
#include "store/log/reader.h"
#include "tests/support/temp_dir.h"

static const int64_t noon = (int64_t)20781 * 86400000 + 43200000; /* 2026-11-24T12:00Z */

static struct log_writer *
open_writer(const char *directory)
{
    struct log_writer *w;
    struct err err;
    cr_assert_eq(log_writer_open(directory, &w, &err), ERR_OK, "%s", err.text);
    return w;
}

/* A frame of count one-byte events whose bytes are `fill`. */
static void
append(struct log_writer *w, int64_t when, uint32_t count, uint8_t fill)
{
    uint8_t *bytes = malloc(count);
    struct err err;
    memset(bytes, fill, count);
    struct log_part parts[LOG_STREAMS] = {[LOG_EVENTS] = {{bytes, count}, count}};
    cr_assert_eq(log_writer_append(w, when, parts, &err), ERR_OK, "%s", err.text);
    free(bytes);
}

static struct log_reader *
open_reader(const char *directory, uint64_t after)
{
    struct log_reader *r;
    struct err err;
    cr_assert_eq(log_reader_open(directory, LOG_EVENTS, after, &r, &err), ERR_OK, "%s", err.text);
    return r;
}

static bool
next(struct log_reader *r, struct log_frame *f)
{
    struct err err;
    bool more;
    cr_assert_eq(log_reader_next(r, f, &more, &err), ERR_OK, "%s", err.text);
    return more;
}

Test(store_log, what_is_appended_is_read_back_in_order_over_days)
{
    struct temp_dir t = temp_dir_make();
    struct log_writer *w = open_writer(t.path);
    append(w, noon, 3, 'a');
    append(w, noon, 10000, 'b'); /* compressed */
    append(w, noon + TIME_DAY_MS, 2, 'c');
    append(w, noon + 3 * TIME_DAY_MS, 1, 'd');
    cr_assert_eq(log_writer_next_seq(w, LOG_EVENTS), 10007);
    struct log_reader *r = open_reader(t.path, 0);
    struct log_frame f;
    static const struct {
        uint64_t first;
        uint32_t count;
        uint8_t fill;
    } want[] = {{1, 3, 'a'}, {4, 10000, 'b'}, {10004, 2, 'c'}, {10006, 1, 'd'}};
    log_reader_check_chain(r);
    for (size_t i = 0; i < 4; i++) {
        cr_assert(next(r, &f));
        cr_assert_eq(f.first_seq, want[i].first);
        cr_assert_eq(f.event_count, want[i].count);
        cr_assert_eq(f.events.size_bytes, want[i].count);
        for (size_t b = 0; b < f.events.size_bytes; b++)
            cr_assert_eq(f.events.data[b], want[i].fill);
    }
    cr_assert_not(next(r, &f));
    append(w, noon + 3 * TIME_DAY_MS, 1, 'e');
    cr_assert(next(r, &f), "an open reader sees what is appended later");
    cr_assert_eq(f.first_seq, 10007);
    append(w, noon + 9 * TIME_DAY_MS, 1, 'f');
    cr_assert(next(r, &f), "and later days");
    log_reader_close(r);
    log_writer_close(w);
    temp_dir_remove(&t);
}

Test(store_log, a_reader_starts_at_any_position)
{
    struct temp_dir t = temp_dir_make();
    struct log_writer *w = open_writer(t.path);
    for (int day = 0; day < 3; day++) {
        append(w, noon + day * TIME_DAY_MS, 5, 'x');
        append(w, noon + day * TIME_DAY_MS, 7, 'y');
    }
    for (uint64_t after = 0; after < 36; after++) {
        struct log_reader *r = open_reader(t.path, after);
        struct log_frame f;
        cr_assert(next(r, &f), "after %lu", (unsigned long)after);
        cr_assert(f.first_seq <= after + 1 && after + 1 < f.first_seq + f.event_count,
                  "after %lu came frame %lu", (unsigned long)after, (unsigned long)f.first_seq);
        log_reader_close(r);
    }
    struct log_reader *r = open_reader(t.path, 36);
    struct log_frame f;
    cr_assert_not(next(r, &f));
    append(w, noon + 2 * TIME_DAY_MS, 4, 'z');
    cr_assert(next(r, &f));
    cr_assert_eq(f.first_seq, 37);
    log_reader_close(r);
    log_writer_close(w);
    temp_dir_remove(&t);
}

Test(store_log, reopening_goes_on_with_number_and_chain)
{
    struct temp_dir t = temp_dir_make();
    for (int i = 0; i < 5; i++) {
        struct log_writer *w = open_writer(t.path);
        append(w, noon + i / 2 * TIME_DAY_MS, 2, 'a');
        log_writer_close(w);
    }
    struct log_reader *r = open_reader(t.path, 0);
    struct log_frame f;
    log_reader_check_chain(r);
    int frames = 0;
    while (next(r, &f))
        frames++;
    cr_assert_eq(frames, 5);
    cr_assert_eq(f.first_seq, 9);
    log_reader_close(r);
    temp_dir_remove(&t);
}

Test(store_log, a_clock_that_steps_back_stays_in_the_newest_day)
{
    struct temp_dir t = temp_dir_make();
    struct log_writer *w = open_writer(t.path);
    append(w, noon, 1, 'a');
    append(w, noon - 2 * TIME_DAY_MS, 1, 'b');
    struct log_reader *r = open_reader(t.path, 0);
    struct log_frame f;
    cr_assert(next(r, &f));
    cr_assert(next(r, &f));
    cr_assert_eq(f.day, 20781);
    cr_assert_eq(f.receive_utc_ms, noon - 2 * TIME_DAY_MS);
    log_reader_close(r);
    log_writer_close(w);
    temp_dir_remove(&t);
}

Test(store_log, a_second_writer_is_refused)
{
    struct temp_dir t = temp_dir_make();
    struct log_writer *w = open_writer(t.path), *second;
    struct err err;
    pid_t child = fork();
    if (child == 0)
        _exit(log_writer_open(t.path, &second, &err) == ERR_BUSY ? 0 : 1);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    log_writer_close(w);
    temp_dir_remove(&t);
}

Test(store_log, a_day_that_was_made_but_never_used_is_taken_over)
{
    struct temp_dir t = temp_dir_make();
    struct log_writer *w = open_writer(t.path);
    append(w, noon, 1, 'a');
    log_writer_close(w);
    /* What a kill between making the file and its first commit leaves behind. */
    char path[128];
    snprintf(path, sizeof path, "%s/2026-11-25.mdb", t.path);
    MDB_env *env;
    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_open(env, path, MDB_NOSUBDIR, 0640), 0);
    mdb_env_close(env);
    w = open_writer(t.path);
    append(w, noon + TIME_DAY_MS, 1, 'b');
    struct log_reader *r = open_reader(t.path, 0);
    struct log_frame f;
    log_reader_check_chain(r);
    cr_assert(next(r, &f));
    cr_assert(next(r, &f));
    cr_assert_eq(f.first_seq, 2);
    cr_assert_eq(f.day, 20782);
    log_reader_close(r);
    log_writer_close(w);
    temp_dir_remove(&t);
}

/* Put other bytes where a frame lies, as a bad disk or a forger would. */
static void
replace_frame(const char *directory, uint64_t seq, size_t flip_at, bool mend_checksum)
{
    struct day day;
    struct err err;
    MDB_txn *txn;
    cr_assert_eq(day_open(&day, directory, 20781, true, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(mdb_txn_begin(day.env, NULL, 0, &txn), 0);
    MDB_val key = {sizeof seq, &seq}, value;
    cr_assert_eq(mdb_get(txn, day.streams[LOG_EVENTS], &key, &value), 0);
    uint8_t *copy = malloc(value.mv_size);
    memcpy(copy, value.mv_data, value.mv_size);
    copy[flip_at % value.mv_size] ^= 1;
    if (mend_checksum)
        put_le64(copy + 40, hash_checksum((struct bytes){copy, 40},
                                          (struct bytes){copy + 80, value.mv_size - 80}));
    MDB_val changed = {value.mv_size, copy};
    cr_assert_eq(mdb_put(txn, day.streams[LOG_EVENTS], &key, &changed, 0), 0);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    free(copy);
    day_close(&day);
}

static enum err_code
read_all(const char *directory, struct err *err)
{
    struct log_reader *r = open_reader(directory, 0);
    struct log_frame f;
    bool more = true;
    enum err_code code = ERR_OK;
    log_reader_check_chain(r);
    while (code == ERR_OK && more)
        code = log_reader_next(r, &f, &more, err);
    log_reader_close(r);
    return code;
}

Test(store_log, a_flipped_bit_anywhere_in_a_frame_is_reported)
{
    struct temp_dir t = temp_dir_make();
    struct err err;
    struct log_writer *w = open_writer(t.path);
    append(w, noon, 20, 'a');
    append(w, noon, 20, 'b');
    log_writer_close(w);
    for (size_t at = 0; at < 80 + 20; at++) {
        replace_frame(t.path, 1, at, false);
        enum err_code code = read_all(t.path, &err);
        cr_assert(code == ERR_CORRUPT || code == ERR_CONFLICT, "byte %zu", at);
        cr_assert_not_null(strstr(err.text, "2026-11-24.mdb"), "%s", err.text);
        cr_assert_not_null(strstr(err.text, "frame 1"), "%s", err.text);
        replace_frame(t.path, 1, at, false); /* flips it back */
        cr_assert_eq(read_all(t.path, &err), ERR_OK);
    }
    temp_dir_remove(&t);
}

Test(store_log, a_forged_frame_with_a_right_checksum_breaks_the_chain)
{
    struct temp_dir t = temp_dir_make();
    struct err err;
    struct log_writer *w = open_writer(t.path);
    append(w, noon, 20, 'a');
    append(w, noon, 20, 'b');
    log_writer_close(w);
    replace_frame(t.path, 1, 85, true);
    cr_assert_eq(read_all(t.path, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "chain"), "%s", err.text);
    temp_dir_remove(&t);
}

Test(store_log, a_missing_frame_is_a_gap)
{
    struct temp_dir t = temp_dir_make();
    struct err err;
    struct day day;
    MDB_txn *txn;
    struct log_writer *w = open_writer(t.path);
    for (int i = 0; i < 3; i++)
        append(w, noon, 2, 'a');
    log_writer_close(w);
    cr_assert_eq(day_open(&day, t.path, 20781, true, &err), ERR_OK);
    cr_assert_eq(mdb_txn_begin(day.env, NULL, 0, &txn), 0);
    uint64_t seq = 3;
    MDB_val key = {sizeof seq, &seq};
    cr_assert_eq(mdb_del(txn, day.streams[LOG_EVENTS], &key, NULL), 0);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    day_close(&day);
    cr_assert_eq(read_all(t.path, &err), ERR_CORRUPT);
    temp_dir_remove(&t);
}

Test(store_log, a_position_before_the_oldest_day_kept_is_said_so)
{
    struct temp_dir t = temp_dir_make();
    struct err err;
    struct log_reader *r;
    char path[128];
    struct log_writer *w = open_writer(t.path);
    append(w, noon, 2, 'a');
    append(w, noon + TIME_DAY_MS, 2, 'b');
    log_writer_close(w);
    snprintf(path, sizeof path, "%s/2026-11-24.mdb", t.path);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(log_reader_open(t.path, LOG_EVENTS, 0, &r, &err), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.text, "oldest"), "%s", err.text);
    struct log_frame f;
    r = open_reader(t.path, 2);
    log_reader_check_chain(r);
    cr_assert(next(r, &f), "what is kept can still be read and checked");
    log_reader_close(r);
    temp_dir_remove(&t);
}

Test(store_log, the_quarantine_is_a_stream_of_its_own)
{
    struct temp_dir t = temp_dir_make();
    struct err err;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    struct quarantined q = {.reason = {"id is missing", 13},
                            .tag = {"gbill.usage", 11},
                            .entry_utc_ms = -5,
                            .peer_uid = 1000,
                            .record = {(const uint8_t *)"\x80", 1}};
    cr_assert(quarantine_store(&q, &buf));
    struct log_writer *w = open_writer(t.path);
    struct log_part parts[LOG_STREAMS] = {[LOG_QUARANTINE] = {{buf.data, buf.size_bytes}, 1}};
    cr_assert_eq(log_writer_append(w, noon, parts, &err), ERR_OK);
    cr_assert_eq(log_writer_next_seq(w, LOG_EVENTS), 1);
    cr_assert_eq(log_writer_next_seq(w, LOG_QUARANTINE), 2);
    struct log_reader *r;
    struct log_frame f;
    cr_assert_eq(log_reader_open(t.path, LOG_QUARANTINE, 0, &r, &err), ERR_OK);
    cr_assert(next(r, &f));
    struct mp m = mp_of(f.events);
    struct quarantined back;
    cr_assert(quarantine_read(&m, &back));
    cr_assert(str_is(back.reason, "id is missing"));
    cr_assert_eq(back.entry_utc_ms, -5);
    cr_assert_eq(back.record.size_bytes, 1);
    log_reader_close(r);
    log_writer_close(w);
    buf_clear(&buf);
    temp_dir_remove(&t);
}

/* A reader that is killed within a transaction on the day file, and leaves its slot. */
static void
kill_a_reader(const char *path)
{
    int ready[2], status;
    char byte;
    cr_assert_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        MDB_env *env;
        MDB_txn *txn;
        if (mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 4) == 0 &&
            mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY, 0640) == 0 &&
            mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0 && write(ready[1], "r", 1) == 1)
            pause();
        _exit(1);
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    kill(pid, SIGKILL);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    close(ready[0]);
    close(ready[1]);
}

/* How large a day file becomes by many small appends, with a reader killed before them or not. */
static off_t
day_bytes_after_appends(bool killed_reader)
{
    enum { APPENDS = 4000 };
    struct temp_dir t = temp_dir_make_in_memory();
    char path[128];
    struct stat st;
    struct log_writer *w = open_writer(t.path);
    append(w, noon, 1, 'a');
    snprintf(path, sizeof path, "%s/2026-11-24.mdb", t.path);
    if (killed_reader)
        kill_a_reader(path);
    for (int i = 0; i < APPENDS; i++)
        append(w, noon, 100, 'b');
    log_writer_close(w);
    cr_assert_eq(stat(path, &st), 0);
    temp_dir_remove(&t);
    return st.st_size;
}

Test(store_log, a_reader_that_was_killed_does_not_make_the_file_grow)
{
    off_t alone = day_bytes_after_appends(false), beside = day_bytes_after_appends(true);
    cr_expect_leq(beside, 2 * alone + 8 * 1024 * 1024, "%lld bytes, %lld without a killed reader",
                  (long long)beside, (long long)alone);
}

/* In another process: read what is there each time that a byte comes, and answer. */
static int
follow_log(const char *path, int fd, uint64_t frames)
{
    char byte;
    struct log_frame f;
    struct log_reader *r = NULL;
    while (read(fd, &byte, 1) == 1) {
        if (r == NULL)
            r = open_reader(path, 0);
        while (next(r, &f))
            frames--;
        cr_assert_eq(write(fd, &byte, 1), 1);
    }
    log_reader_close(r);
    return frames == 0 ? 0 : 1;
}

Test(store_log, a_full_map_grows_and_readers_elsewhere_follow)
{
    enum { FRAMES = 200, FRAME_BYTES = 3000 };
    struct temp_dir t = temp_dir_make_in_memory();
    int pair[2], status;
    char byte;
    day_map_bytes = 128 * 1024;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pid_t reader = fork();
    if (reader == 0) {
        close(pair[0]);
        _exit(follow_log(t.path, pair[1], FRAMES));
    }
    close(pair[1]);
    struct log_writer *w = open_writer(t.path);
    for (int i = 0; i < FRAMES; i++) {
        append(w, noon, FRAME_BYTES, 'a');
        if (i == 0 || i == FRAMES - 1)
            cr_assert(write(pair[0], "g", 1) == 1 && read(pair[0], &byte, 1) == 1);
    }
    close(pair[0]);
    cr_assert_eq(waitpid(reader, &status, 0), reader);
    cr_expect_eq(status, 0);
    log_writer_close(w);
    /* And on after a restart, though the file is larger than a new map. */
    w = open_writer(t.path);
    append(w, noon, FRAME_BYTES, 'b');
    log_writer_close(w);
    temp_dir_remove(&t);
}
