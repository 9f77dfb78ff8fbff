/*
 * Appends in three steps: what many threads make must be what one would have made, byte for
 * byte, and be stored in its order over days.
 */
#include <criterion/criterion.h>
#include <unistd.h>

#include "store/base/time.h"
#include "store/log/append.h"
#include "store/log/reader.h"
#include "tests/support/temp_dir.h"

enum { APPENDS = 6, EVENTS = 5000 };

static const int64_t noon = (int64_t)20781 * 86400000 + 43200000; /* 2026-11-24T12:00Z */

static struct temp_dir temp;
static struct log_append appends[APPENDS];
static struct frame_codec *codecs[2];
static uint8_t events[APPENDS][EVENTS];

static void
setup(void)
{
    temp = temp_dir_make();
    for (size_t i = 0; i < 2; i++)
        codecs[i] = frame_codec_new();
    for (size_t i = 0; i < APPENDS; i++) {
        log_append_init(&appends[i]);
        for (size_t e = 0; e < EVENTS; e++)
            events[i][e] = (uint8_t)(e * (i + 3) % 7);
    }
}

static void
teardown(void)
{
    for (size_t i = 0; i < APPENDS; i++)
        log_append_clear(&appends[i]);
    for (size_t i = 0; i < 2; i++)
        frame_codec_free(codecs[i]);
    temp_dir_remove(&temp);
}

static struct log_writer *
open_writer(const char *name)
{
    char path[256];
    struct err err;
    struct log_writer *w;
    snprintf(path, sizeof path, "%s/%s", temp.path, name);
    cr_assert_eq(log_writer_open(path, &w, &err), ERR_OK, "%s", err.text);
    return w;
}

/* Events of both streams; the fourth append is empty, and so is nothing else. */
static void
parts_of(size_t i, struct log_part parts[LOG_STREAMS])
{
    uint32_t count = i == 3 ? 0 : EVENTS, quarantined = i % 2 == 0 && i != 3 ? 40 : 0;
    parts[LOG_EVENTS] = (struct log_part){{events[i], count}, count};
    parts[LOG_QUARANTINE] = (struct log_part){{events[i], quarantined}, quarantined};
}

/* The last two of the next day. */
static int64_t
time_of_append(size_t i)
{
    return noon + (i < 4 ? (int64_t)i : TIME_DAY_MS);
}

static void
chain(struct log_writer *w, size_t i)
{
    struct log_part parts[LOG_STREAMS];
    parts_of(i, parts);
    log_writer_chain(w, time_of_append(i), parts, &appends[i]);
}

static void
encode(size_t i, struct frame_codec *codec)
{
    struct err err;
    cr_assert_eq(log_append_encode(&appends[i], codec, &err), ERR_OK, "%s", err.text);
}

static size_t
store(struct log_writer *w, size_t first, size_t count)
{
    const struct log_append *list[APPENDS];
    struct err err;
    size_t stored = 99;
    for (size_t i = 0; i < count; i++)
        list[i] = &appends[first + i];
    cr_assert_eq(log_writer_store(w, list, count, &stored, &err), ERR_OK, "%s", err.text);
    return stored;
}

static void
compare_logs(enum log_stream stream)
{
    char one[256], other[256];
    struct err err;
    struct log_reader *a, *b;
    struct log_frame f, g;
    bool more = true, more_b;
    size_t frames = 0;
    snprintf(one, sizeof one, "%s/one", temp.path);
    snprintf(other, sizeof other, "%s/many", temp.path);
    cr_assert_eq(log_reader_open(one, stream, 0, &a, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(log_reader_open(other, stream, 0, &b, &err), ERR_OK, "%s", err.text);
    log_reader_check_chain(b);
    for (;;) {
        cr_assert_eq(log_reader_next(a, &f, &more, &err), ERR_OK, "%s", err.text);
        cr_assert_eq(log_reader_next(b, &g, &more_b, &err), ERR_OK, "%s", err.text);
        cr_assert_eq(more, more_b);
        if (!more)
            break;
        frames++;
        cr_expect_eq(f.first_seq, g.first_seq);
        cr_expect_eq(f.event_count, g.event_count);
        cr_expect_eq(f.receive_utc_ms, g.receive_utc_ms);
        cr_expect_eq(f.events.size_bytes, g.events.size_bytes);
        cr_expect_arr_eq(f.events.data, g.events.data, f.events.size_bytes);
    }
    cr_expect_eq(frames, stream == LOG_EVENTS ? APPENDS - 1 : 3);
    log_reader_close(a);
    log_reader_close(b);
}

Test(store_append, steps_of_several_appends_make_the_log_that_one_after_the_other_makes,
     .init = setup, .fini = teardown)
{
    struct log_writer *one = open_writer("one"), *many = open_writer("many");
    for (size_t i = 0; i < APPENDS; i++) {
        struct log_part parts[LOG_STREAMS];
        struct err err;
        parts_of(i, parts);
        if (i != 3)
            cr_assert_eq(log_writer_append(one, time_of_append(i), parts, &err), ERR_OK, "%s",
                         err.text);
    }
    for (size_t i = 0; i < 3; i++)
        chain(many, i);
    encode(2, codecs[1]);
    encode(0, codecs[0]);
    cr_expect_eq(store(many, 0, 1), 1);
    cr_expect_eq(log_writer_next_seq(many, LOG_EVENTS), EVENTS + 1, "only what is flushed counts");
    for (size_t i = 3; i < APPENDS; i++) {
        chain(many, i);
        encode(i, codecs[i % 2]);
    }
    encode(1, codecs[0]);
    cr_expect_eq(store(many, 1, 5), 3, "those of the next day wait");
    cr_expect_eq(store(many, 4, 2), 2);
    cr_expect_arr_eq(log_writer_tips(many), log_writer_tips(one),
                     LOG_STREAMS * sizeof(struct day_tip));
    compare_logs(LOG_EVENTS);
    compare_logs(LOG_QUARANTINE);
    log_writer_close(one);
    log_writer_close(many);
}

Test(store_append, an_append_of_nothing_is_stored_and_leaves_no_trace, .init = setup,
     .fini = teardown)
{
    struct log_writer *w = open_writer("one");
    chain(w, 3);
    encode(3, codecs[0]);
    cr_expect_eq(store(w, 3, 1), 1);
    cr_expect_eq(log_writer_next_seq(w, LOG_EVENTS), 1);
    char day[256];
    snprintf(day, sizeof day, "%s/one/2026-11-24.mdb", temp.path);
    cr_expect_neq(access(day, F_OK), 0, "no day is begun for it");
    chain(w, 0);
    encode(0, codecs[0]);
    cr_expect_eq(store(w, 0, 1), 1);
    cr_expect_eq(log_writer_next_seq(w, LOG_EVENTS), EVENTS + 1);
    log_writer_close(w);
}

Test(store_append, an_append_that_is_too_large_is_refused_and_the_next_goes_on, .init = setup,
     .fini = teardown)
{
    struct log_writer *w = open_writer("one");
    size_t size_bytes = (size_t)FRAME_RAW_BYTES_MAX + 1;
    uint8_t *huge = calloc(1, size_bytes);
    struct log_part parts[LOG_STREAMS] = {[LOG_EVENTS] = {{huge, size_bytes}, 1}};
    struct err err;
    cr_assert_eq(log_writer_append(w, noon, parts, &err), ERR_LIMIT);
    parts_of(0, parts);
    cr_assert_eq(log_writer_append(w, noon, parts, &err), ERR_OK, "%s", err.text);
    cr_expect_eq(log_writer_next_seq(w, LOG_EVENTS), EVENTS + 1);
    cr_expect_eq(log_writer_next_seq(w, LOG_QUARANTINE), 41);
    free(huge);
    log_writer_close(w);
}
