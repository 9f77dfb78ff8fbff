#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/file.h"
#include "store/base/time.h"
#include "store/event/event.h"
#include "store/log/check.h"
#include "store/log/keep.h"
#include "store/log/quarantine.h"
#include "store/log/reader.h"
#include "store/log/root.h"
#include "store/log/seal.h"
#include "tests/support/temp_dir.h"

enum { DAY = 20781, EVENTS_FRAMES = 12 };

static const int64_t noon = DAY * (int64_t)86400000 + 43200000;

/* A stored event. */
static void
put_event(struct buf *out, uint64_t n)
{
    struct buf record;
    struct event e;
    struct event_defect defect;
    buf_init(&record, 4096);
    cr_assert(buf_printf(&record,
                         "\x83\xa2id\xaa%010" PRIu64 "\xaeorganizationId\xa5org-%c"
                         "\xa6"
                         "action\xa7"
                         "changed",
                         n, (int)('a' + n % 5)));
    cr_assert(buf_append(&record, "\xa4plan\xa3pro", 9));
    record.data[0] = 0x84;
    cr_assert(event_parse(EVENT_SUBSCRIPTION, (struct bytes){record.data, record.size_bytes},
                          noon - (int64_t)n, &e, &defect),
              "%s", defect.text);
    cr_assert(event_store(&e, out));
    buf_clear(&record);
}

static void
put_quarantined(struct buf *out, uint64_t n)
{
    struct quarantined q = {.reason = {"id is missing", 13},
                            .tag = {"gbill.usage", 11},
                            .entry_utc_ms = noon + (int64_t)n,
                            .peer_uid = 1000,
                            .record = {(const uint8_t *)"\x80", 1}};
    cr_assert(quarantine_store(&q, out));
}

/* Frames of events, and every third with something for the quarantine. */
static void
append_frames(struct log_writer *w, int64_t when, size_t frames, uint32_t events)
{
    struct buf e, q;
    struct err err;
    buf_init(&e, 8 << 20);
    buf_init(&q, 8 << 20);
    for (size_t f = 0; f < frames; f++) {
        e.size_bytes = q.size_bytes = 0;
        for (uint32_t i = 0; i < events; i++)
            put_event(&e, log_writer_next_seq(w, LOG_EVENTS) + i);
        bool bad = f % 3 == 1;
        if (bad)
            put_quarantined(&q, f);
        struct log_part parts[LOG_STREAMS] = {{{e.data, e.size_bytes}, events},
                                              {{q.data, q.size_bytes}, bad}};
        cr_assert_eq(log_writer_append(w, when + (int64_t)f, parts, &err), ERR_OK, "%s", err.text);
    }
    buf_clear(&e);
    buf_clear(&q);
}

/* A log of three days. */
static void
make_log(const char *directory, size_t frames, uint32_t events)
{
    struct log_writer *w;
    struct err err;
    cr_assert_eq(log_writer_open(directory, &w, &err), ERR_OK, "%s", err.text);
    for (int day = 0; day < 3; day++)
        append_frames(w, noon + day * TIME_DAY_MS, frames, events);
    log_writer_close(w);
}

/* A digest of all that a reader gives of both streams. */
struct content {
    uint8_t digest[HASH_SHA256_BYTES];
    uint64_t frames;
};

static enum err_code
read_content(const char *directory, struct content *ret, struct err *err)
{
    *ret = (struct content){0};
    for (int s = 0; s < LOG_STREAMS; s++) {
        struct log_reader *r;
        struct log_frame f;
        bool more = true;
        enum err_code code = log_reader_open(directory, (enum log_stream)s, 0, &r, err);
        if (code != ERR_OK)
            return code;
        while ((code = log_reader_next(r, &f, &more, err)) == ERR_OK && more) {
            uint8_t facts[24];
            put_le64(facts, f.first_seq);
            put_le64(facts + 8, f.event_count);
            put_le64(facts + 16, (uint64_t)f.receive_utc_ms);
            struct bytes parts[] = {{ret->digest, 32},
                                    {facts, 24},
                                    {f.chain, 32},
                                    f.events,
                                    {log_reader_identity(r), 32}};
            hash_sha256(parts, 5, ret->digest);
            ret->frames++;
        }
        log_reader_close(r);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static struct content
content_of(const char *directory)
{
    struct content c;
    struct err err;
    cr_assert_eq(read_content(directory, &c, &err), ERR_OK, "%s", err.text);
    return c;
}

static void
count_fault(void *context, const struct log_fault *f)
{
    char *text = context;
    snprintf(text, 512, "%s stream %d frame %" PRIu64 " lost %" PRIu64 "-%" PRIu64 ": %s", f->path,
             f->stream, f->frame, f->lost_from, f->lost_to, f->text);
}

static void
ignore_checked(void *context, const struct log_checked *c)
{
    (void)context;
    (void)c;
}

/* How many faults there are; the last one's words. */
static uint64_t
faults_of(const char *directory, char text[512])
{
    struct log_check check = {.directory = directory,
                              .threads = 1,
                              .context = text,
                              .fault = count_fault,
                              .checked = ignore_checked};
    uint64_t faults;
    struct err err;
    cr_assert_eq(log_check(&check, &faults, &err), ERR_OK, "%s", err.text);
    return faults;
}

static void
seal(const char *directory, int32_t day)
{
    struct log_sealed sealed;
    struct err err;
    cr_assert_eq(log_seal_day(directory, day, &sealed, &err), ERR_OK, "%s", err.text);
    cr_assert_not(sealed.was_sealed);
}

Test(store_seal, nothing_that_is_read_changes_and_no_root)
{
    struct temp_dir t = temp_dir_make_in_memory();
    struct log_roots before, after;
    struct err err;
    char text[512] = "";
    make_log(t.path, EVENTS_FRAMES, 50);
    struct content was = content_of(t.path);
    cr_assert_eq(was.frames, 3 * (EVENTS_FRAMES + EVENTS_FRAMES / 3));
    cr_assert_eq(log_roots_read(t.path, &before, &err), ERR_OK, "%s", err.text);
    seal(t.path, DAY + 1);
    seal(t.path, DAY);
    struct content is = content_of(t.path);
    cr_assert_eq(is.frames, was.frames);
    cr_assert_arr_eq(is.digest, was.digest, 32);
    cr_assert_eq(log_roots_read(t.path, &after, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(after.roots.count, 2);
    cr_assert_eq(memcmp(after.roots.items, before.roots.items, 2 * sizeof(struct log_root)), 0);
    cr_assert_eq(faults_of(t.path, text), 0, "%s", text);
    log_roots_clear(&before);
    log_roots_clear(&after);
    temp_dir_remove(&t);
}

Test(store_seal, a_reader_starts_at_any_position_of_a_sealed_day_and_goes_back)
{
    struct temp_dir t = temp_dir_make_in_memory();
    struct log_reader *r;
    struct log_frame f;
    struct err err;
    bool more;
    make_log(t.path, 4, 30);
    seal(t.path, DAY);
    seal(t.path, DAY + 1);
    cr_assert_eq(log_reader_open(t.path, LOG_EVENTS, 0, &r, &err), ERR_OK, "%s", err.text);
    for (uint64_t i = 0; i < 360; i++) {
        uint64_t after = i * 211 % 360;
        cr_assert_eq(log_reader_seek(r, after, &err), ERR_OK, "%s", err.text);
        cr_assert_eq(log_reader_next(r, &f, &more, &err), ERR_OK, "%s", err.text);
        cr_assert(more && f.first_seq <= after + 1 && after + 1 < f.first_seq + f.event_count,
                  "after %" PRIu64 " came %" PRIu64, after, f.first_seq);
        cr_assert_eq(f.first_seq, after / 30 * 30 + 1);
    }
    log_reader_close(r);
    temp_dir_remove(&t);
}

Test(store_seal, who_reads_a_day_is_not_disturbed_when_it_is_sealed)
{
    struct temp_dir t = temp_dir_make_in_memory();
    struct log_reader *r;
    struct log_frame f;
    struct err err;
    bool more = true;
    make_log(t.path, EVENTS_FRAMES, 20);
    cr_assert_eq(log_reader_open(t.path, LOG_EVENTS, 0, &r, &err), ERR_OK, "%s", err.text);
    log_reader_check_chain(r);
    uint64_t next = 1;
    for (int i = 0; log_reader_next(r, &f, &more, &err) == ERR_OK && more; i++) {
        cr_assert_eq(f.first_seq, next);
        next += f.event_count;
        if (i == 3)
            seal(t.path, DAY);
        if (i == 4)
            seal(t.path, DAY + 1);
    }
    cr_assert_not(more, "%s", err.text);
    cr_assert_eq(next, 3 * EVENTS_FRAMES * 20 + 1);
    log_reader_close(r);
    temp_dir_remove(&t);
}

Test(store_seal, the_newest_day_is_refused_and_a_sealed_one_left_alone)
{
    struct temp_dir t = temp_dir_make_in_memory();
    struct log_sealed sealed;
    struct err err;
    make_log(t.path, 2, 5);
    cr_assert_eq(log_seal_day(t.path, DAY + 2, &sealed, &err), ERR_CONFLICT);
    cr_assert_not_null(strstr(err.text, "not closed"), "%s", err.text);
    cr_assert_eq(log_seal_day(t.path, DAY + 7, &sealed, &err), ERR_NOT_FOUND);
    seal(t.path, DAY);
    cr_assert_eq(log_seal_day(t.path, DAY, &sealed, &err), ERR_OK);
    cr_assert(sealed.was_sealed);
    temp_dir_remove(&t);
}

Test(store_seal, a_day_that_is_not_as_it_was_written_is_not_sealed)
{
    struct temp_dir t = temp_dir_make_in_memory();
    struct log_sealed sealed;
    struct err err;
    char path[128];
    make_log(t.path, 2, 200);
    snprintf(path, sizeof path, "%s/2026-11-24.mdb", t.path);
    struct bytes file;
    cr_assert_eq(file_read(path, 1 << 24, &file, &err), ERR_OK);
    int fd = open(path, O_WRONLY);
    for (size_t at = 0; at + 200 < file.size_bytes; at++) {
        uint8_t other = file.data[at + 120] ^ 1;
        if (memcmp(file.data + at, "GBF1", 4) == 0)
            cr_assert_eq(pwrite(fd, &other, 1, (off_t)at + 120), 1);
    }
    close(fd);
    free((void *)(uintptr_t)file.data);
    cr_assert_eq(log_seal_day(t.path, DAY, &sealed, &err), ERR_CORRUPT);
    cr_assert_eq(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/2026-11-24.sealed.mdb.new", t.path);
    cr_assert_neq(access(path, F_OK), 0, "what was begun is left behind");
    temp_dir_remove(&t);
}

Test(store_seal, the_writer_goes_on_behind_a_sealed_newest_day)
{
    struct temp_dir t = temp_dir_make_in_memory();
    struct log_writer *w;
    struct err err;
    char text[512] = "", path[128];
    make_log(t.path, 2, 5);
    seal(t.path, DAY + 1);
    snprintf(path, sizeof path, "%s/2026-11-26.mdb", t.path);
    cr_assert_eq(unlink(path), 0);
    /* The newest day is lost; what of it the log's tail still has goes into a day of its own. */
    cr_assert_eq(log_writer_open(t.path, &w, &err), ERR_OK, "%s", err.text);
    append_frames(w, noon + TIME_DAY_MS, 1, 5);
    append_frames(w, noon + TIME_DAY_MS, 1, 5);
    log_writer_close(w);
    cr_assert_eq(faults_of(t.path, text), 0, "%s", text);
    cr_assert_eq(content_of(t.path).frames, 6 + 3 + 2);
    temp_dir_remove(&t);
}

/* ---- a flipped bit ---- */

/*
 * Unless all is asked for: where nothing but zeros stands for a while, one byte of
 * 128 is enough; and the sanitizers, for which each look at a file takes milliseconds,
 * see a sixteenth of what the release build sees.
 */
static bool
is_skipped(const uint8_t *file, off_t at, off_t size, unsigned bits)
{
    off_t from = at < 16 ? 0 : at - 16, to = at + 16 > size ? size : at + 16;
#ifdef __SANITIZE_ADDRESS__
    if (bits != 8 && at % 16 != 5)
        return true;
#endif
    if (bits == 8 || at % 128 == 5)
        return false;
    while (from < to && file[from] == 0)
        from++;
    return from == to;
}

/*
 * Flip one bit of each byte of a file: it is told, or what is read is what was
 * written.
 */
static void
flip_each_byte(const char *directory, const char *path, unsigned bits)
{
    struct content was = content_of(directory), is;
    struct stat st;
    struct err err;
    char text[512] = "";
    uint64_t told = 0;
    cr_assert_eq(stat(path, &st), 0);
    int fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    cr_assert_eq(faults_of(directory, text), 0, "%s", text);
    struct bytes file;
    char tail[128];
    /* Nothing new is in it, and two megabytes are much to read so many times. */
    snprintf(tail, sizeof tail, "%s/tail", directory);
    cr_assert_eq(unlink(tail), 0);
    cr_assert_eq(file_read(path, 1 << 24, &file, &err), ERR_OK, "%s", err.text);
    for (off_t at = 0; at < st.st_size; at++) {
        if (is_skipped(file.data, at, st.st_size, bits))
            continue;
        for (unsigned b = 0; b < bits; b++) {
            uint8_t byte, other;
            cr_assert_eq(pread(fd, &byte, 1, at), 1);
            other = byte ^ (uint8_t)(1U << ((bits == 8 ? b : (unsigned)at * 5) % 8));
            cr_assert_eq(pwrite(fd, &other, 1, at), 1);
            if (faults_of(directory, text) > 0) {
                told++;
            } else {
                cr_assert_eq(read_content(directory, &is, &err), ERR_OK,
                             "byte %lld is not told, and then: %s", (long long)at, err.text);
                cr_assert_arr_eq(is.digest, was.digest, 32, "byte %lld changes what is read",
                                 (long long)at);
            }
            cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
        }
    }
    free((void *)(uintptr_t)file.data);
    close(fd);
    cr_assert_gt(told, 40);
}

static unsigned
flipped_bits(void)
{
    const char *all = getenv("GBILL_TEST_ALL_BITS");
    return all != NULL ? 8 : 1;
}

static void
append_once(const char *directory, int64_t when)
{
    struct log_writer *w;
    struct err err;
    cr_assert_eq(log_writer_open(directory, &w, &err), ERR_OK, "%s", err.text);
    append_frames(w, when, 2, 4);
    log_writer_close(w);
}

Test(store_seal, a_flipped_bit_anywhere_in_a_closed_day_is_told_or_means_nothing)
{
    struct temp_dir t = temp_dir_make_in_memory();
    char path[128];
    append_once(t.path, noon);
    append_once(t.path, noon + TIME_DAY_MS);
    snprintf(path, sizeof path, "%s/2026-11-24.mdb", t.path);
    flip_each_byte(t.path, path, flipped_bits());
    temp_dir_remove(&t);
}

Test(store_seal, a_flipped_bit_anywhere_in_a_sealed_day_is_told_or_means_nothing)
{
    struct temp_dir t = temp_dir_make_in_memory();
    char path[128];
    struct log_writer *w;
    struct err err;
    cr_assert_eq(log_writer_open(t.path, &w, &err), ERR_OK, "%s", err.text);
    append_frames(w, noon, 2, 60);
    append_frames(w, noon + TIME_DAY_MS, 1, 1);
    log_writer_close(w);
    seal(t.path, DAY);
    snprintf(path, sizeof path, "%s/2026-11-24.sealed.mdb", t.path);
    flip_each_byte(t.path, path, flipped_bits());
    temp_dir_remove(&t);
}

Test(store_seal, a_flipped_bit_anywhere_in_the_newest_day_is_told_or_means_nothing)
{
    struct temp_dir t = temp_dir_make_in_memory();
    char path[128];
    append_once(t.path, noon);
    snprintf(path, sizeof path, "%s/2026-11-24.mdb", t.path);
    flip_each_byte(t.path, path, flipped_bits());
    temp_dir_remove(&t);
}

/* ---- what is told ---- */

struct faults {
    size_t count;
    struct log_fault all[16];
};

static void
keep_fault(void *context, const struct log_fault *f)
{
    struct faults *faults = context;
    if (faults->count < 16)
        faults->all[faults->count++] = *f;
}

Test(store_seal, a_damaged_frame_is_named_with_its_events_and_the_rest_is_checked)
{
    struct temp_dir t = temp_dir_make_in_memory();
    struct faults faults = {0};
    struct log_check check = {
        .directory = t.path, .context = &faults, .fault = keep_fault, .checked = ignore_checked};
    struct err err;
    struct bytes file;
    uint64_t count;
    char path[128];
    make_log(t.path, 5, 100);
    snprintf(path, sizeof path, "%s/2026-11-25.mdb", t.path);
    cr_assert_eq(file_read(path, 1 << 24, &file, &err), ERR_OK);
    int fd = open(path, O_WRONLY);
    /* Frames of 100 events: 501 begins the day; damage the bodies of 601 and 801. */
    for (size_t at = 0; at + 80 < file.size_bytes; at++) {
        const uint8_t *h = file.data + at;
        uint64_t seq = get_le64(h + 24);
        if (memcmp(h, "GBF1", 4) == 0 && (seq == 601 || seq == 801))
            cr_assert_eq(pwrite(fd, "\xff\xff\xff\xff", 4, (off_t)at + 90), 4);
    }
    close(fd);
    free((void *)(uintptr_t)file.data);
    cr_assert_eq(log_check(&check, &count, &err), ERR_OK);
    /* The body is damaged and its head tells no numbers then: the gap does. */
    bool first = false, second = false;
    for (size_t i = 0; i < faults.count; i++) {
        first = first || (faults.all[i].lost_from == 601 && faults.all[i].lost_to == 700);
        second = second || (faults.all[i].lost_from == 801 && faults.all[i].lost_to == 900);
    }
    cr_assert(first && second, "%zu faults", faults.count);
    cr_assert_eq(count, 4, "%zu faults", (size_t)count);
    /* A day that is gone is named by what it held. */
    snprintf(path, sizeof path, "%s/2026-11-25.mdb", t.path);
    cr_assert_eq(unlink(path), 0);
    faults.count = 0;
    cr_assert_eq(log_check(&check, &count, &err), ERR_OK);
    cr_assert_eq(faults.all[0].lost_from, 501);
    cr_assert_eq(faults.all[0].lost_to, 1000);
    temp_dir_remove(&t);
}

Test(store_seal, what_lies_in_the_logs_tail_is_checked_and_copied_too)
{
    struct temp_dir t = temp_dir_make_in_memory(), copy = temp_dir_make_in_memory();
    struct log_copied copied;
    struct err err;
    char text[512] = "", path[128];
    append_once(t.path, noon);
    pid_t child = fork();
    if (child == 0) {
        struct log_writer *w;
        if (log_writer_open(t.path, &w, &err) == ERR_OK)
            append_frames(w, noon, 4, 3);
        _exit(0); /* as if killed: nothing is moved into the day */
    }
    cr_assert_eq(waitpid(child, NULL, 0), child);
    struct content all = content_of(t.path), is;
    cr_assert_eq(all.frames, 3 + 5);
    cr_assert_eq(faults_of(t.path, text), 0, "%s", text);
    cr_assert_eq(log_copy(t.path, copy.path, &copied, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(copied.last_seq, 2 * 4 + 4 * 3);
    is = content_of(copy.path);
    cr_assert_arr_eq(is.digest, all.digest, 32);
    cr_assert_eq(faults_of(copy.path, text), 0, "%s", text);
    /* The second of four records: the third and fourth tell that it was one. */
    snprintf(path, sizeof path, "%s/tail", t.path);
    int fd = open(path, O_WRONLY);
    cr_assert_eq(pwrite(fd, "\xff", 1, 4096 + 130), 1);
    close(fd);
    cr_assert_eq(faults_of(t.path, text), 1, "%s", text);
    cr_assert_not_null(strstr(text, "lost 12-14: a record is damaged"), "%s", text);
    temp_dir_remove(&t);
    temp_dir_remove(&copy);
}
