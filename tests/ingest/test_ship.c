/*
 * Shipping without a network: what a host's log gives, and what a copy takes of it.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "ingest/copies.h"
#include "ingest/ship.h"
#include "ingest/ship_source.h"
#include "store/base/time.h"
#include "store/log/root.h"
#include "store/log/seal.h"
#include "store/log/tip.h"
#include "tests/support/temp_dir.h"

enum { DAY = 20781 };

static const int64_t noon = DAY * TIME_DAY_MS + TIME_DAY_MS / 2;
static struct temp_dir temp;
static char log_dir[96], copy_log[128];
static struct copies copies;
static struct copies_counts counts;
static struct err err;

static void
setup(void)
{
    temp = temp_dir_make_in_memory();
    snprintf(log_dir, sizeof log_dir, "%s/log", temp.path);
    snprintf(copy_log, sizeof copy_log, "%s/hosts/edge1/log", temp.path);
    cr_assert_eq(copies_open(&copies, temp.path, &err), ERR_OK, "%s", err.text);
    counts = (struct copies_counts){.frames = 0};
}

static void
teardown(void)
{
    copies_close(&copies);
    temp_dir_remove(&temp);
}

TestSuite(ingest_ship, .init = setup, .fini = teardown);

/* One frame of each stream that is to get any; the bytes are nobody's business here. */
static void
append(struct log_writer *w, int64_t when, uint32_t events, uint32_t quarantined)
{
    static uint8_t bytes[8192];
    static uint8_t salt;
    memset(bytes, 0xc0, sizeof bytes);
    bytes[0] = ++salt;
    struct log_part parts[LOG_STREAMS] = {{{bytes, events * 600}, events},
                                          {{bytes, quarantined * 10}, quarantined}};
    cr_assert_eq(log_writer_append(w, when, parts, &err), ERR_OK, "%s", err.text);
}

static struct log_writer *
open_log(const char *directory)
{
    struct log_writer *w = NULL;
    cr_assert_eq(log_writer_open(directory, &w, &err), ERR_OK, "%s", err.text);
    return w;
}

/* Three days: both streams, the quarantine alone, both again; what is last lies in the tail. */
static void
make_log(void)
{
    struct log_writer *w = open_log(log_dir);
    for (int i = 0; i < 5; i++)
        append(w, noon + i, 10, i == 3 ? 2 : 0);
    append(w, noon + TIME_DAY_MS, 0, 3);
    for (int i = 0; i < 5; i++)
        append(w, noon + 2 * TIME_DAY_MS + i, 1 + (uint32_t)i, i == 1 ? 1 : 0);
    log_writer_close(w);
}

static struct log_origin
origin_of(const char *directory)
{
    struct log_origin origin;
    bool begun = false;
    cr_assert_eq(log_origin_read(directory, &origin, &begun, &err), ERR_OK, "%s", err.text);
    cr_assert(begun);
    return origin;
}

static struct copy *
take(const char *host, const struct log_origin *origin)
{
    struct copy *copy = NULL;
    cr_assert_eq(copies_take(&copies, host, origin, &copy, &err), ERR_OK, "%s", err.text);
    return copy;
}

/* All that the log has behind a stand, in messages of at least so many bytes. */
struct messages {
    size_t count;
    struct buf frames[64];
    int32_t days[64];
};

static struct messages
messages_from(const struct day_tip stand[LOG_STREAMS], size_t bytes_wanted)
{
    struct messages m = {.count = 0};
    struct log_origin origin = origin_of(log_dir);
    struct ship_source source;
    struct ship_load load;
    enum err_code code = ship_source_open(&source, log_dir, &origin, stand, true, &err);
    cr_assert_eq(code, ERR_OK, "%s", err.text);
    for (;; m.count++) {
        cr_assert_lt(m.count, 64);
        buf_init(&m.frames[m.count], SHIP_MESSAGE_BYTES_MAX);
        code = ship_source_next(&source, bytes_wanted, &m.frames[m.count], &load, &err);
        cr_assert_eq(code, ERR_OK, "%s", err.text);
        if (load.frames == 0)
            break;
        m.days[m.count] = load.day;
    }
    ship_source_close(&source);
    return m;
}

static void
clear(struct messages *m)
{
    for (size_t i = 0; i <= m->count; i++)
        buf_clear(&m->frames[i]);
}

static enum err_code
give(struct copy *copy, const struct messages *m, size_t i)
{
    const struct buf *b = &m->frames[i];
    return copies_append(&copies, copy, m->days[i], (struct bytes){b->data, b->size_bytes}, &counts,
                         &err);
}

static void
expect_same_roots(uint64_t closed_days)
{
    struct log_roots a, b;
    cr_assert_eq(log_roots_read(log_dir, &a, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(log_roots_read(copy_log, &b, &err), ERR_OK, "%s", err.text);
    cr_expect_eq(a.roots.count, closed_days);
    cr_assert_eq(b.roots.count, closed_days);
    cr_expect_eq(memcmp(a.identity, b.identity, sizeof a.identity), 0);
    cr_expect_eq(memcmp(a.roots.items, b.roots.items, closed_days * sizeof(struct log_root)), 0);
    log_roots_clear(&a);
    log_roots_clear(&b);
}

Test(ingest_ship, a_copy_has_the_days_and_roots_of_its_log_however_it_is_cut_into_messages)
{
    make_log();
    struct log_origin origin = origin_of(log_dir);
    for (size_t bytes = 1; bytes < 100000; bytes *= 50) {
        char host[8];
        snprintf(host, sizeof host, "edge%zu", bytes == 1 ? (size_t)1 : bytes);
        struct messages m = messages_from(origin.start, bytes);
        struct copy *copy = take(host, &origin);
        for (size_t i = 0; i < m.count; i++)
            cr_assert_eq(give(copy, &m, i), ERR_OK, "%s", err.text);
        cr_expect_eq(log_writer_tips(copy->writer)[LOG_EVENTS].next_seq, 66);
        cr_expect_eq(log_writer_tips(copy->writer)[LOG_QUARANTINE].next_seq, 7);
        clear(&m);
    }
    cr_expect_eq(counts.events, 3 * 65);
    cr_expect_eq(counts.quarantined, 3 * 6);
    expect_same_roots(2);
}

Test(ingest_ship, a_sealed_day_is_shipped_as_the_frames_it_was_made_of)
{
    make_log();
    struct log_origin origin = origin_of(log_dir);
    struct log_sealed sealed;
    cr_assert_eq(log_seal_day(log_dir, DAY, &sealed, &err), ERR_OK, "%s", err.text);
    struct copy *copy = take("edge1", &origin);
    struct messages m = messages_from(origin.start, 2000);
    for (size_t i = 0; i < m.count; i++)
        cr_assert_eq(give(copy, &m, i), ERR_OK, "%s", err.text);
    clear(&m);
    expect_same_roots(2);
}

Test(ingest_ship, what_was_shipped_before_is_not_written_again)
{
    make_log();
    struct log_origin origin = origin_of(log_dir);
    struct copy *copy = take("edge1", &origin);
    struct messages small = messages_from(origin.start, 1),
                    large = messages_from(origin.start, 1 << 20);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < small.count; i++)
            cr_assert_eq(give(copy, &small, i), ERR_OK, "%s", err.text);
    }
    /* Half of a message is new. */
    struct copy *half = take("edge2", &origin);
    cr_assert_eq(give(half, &small, 0), ERR_OK, "%s", err.text);
    for (size_t i = 0; i < large.count; i++)
        cr_assert_eq(give(half, &large, i), ERR_OK, "%s", err.text);
    cr_expect_eq(counts.frames, 2 * small.count);
    cr_expect_eq(counts.duplicates, small.count + 1);
    clear(&small);
    clear(&large);
    expect_same_roots(2);
}

Test(ingest_ship, behind_a_gap_nothing_is_stored)
{
    make_log();
    struct log_origin origin = origin_of(log_dir);
    struct copy *copy = take("edge1", &origin);
    struct messages m = messages_from(origin.start, 1);
    cr_expect_eq(give(copy, &m, 1), ERR_OK);
    cr_expect_eq(log_writer_tips(copy->writer)[LOG_EVENTS].next_seq, 1);
    cr_expect_eq(give(copy, &m, 0), ERR_OK);
    cr_expect_eq(give(copy, &m, 2), ERR_OK);
    cr_expect_eq(log_writer_tips(copy->writer)[LOG_EVENTS].next_seq, 11);
    cr_expect_eq(counts.frames, 1);
    clear(&m);
}

Test(ingest_ship, a_changed_byte_stops_the_whole_message)
{
    make_log();
    struct log_origin origin = origin_of(log_dir);
    struct copy *copy = take("edge1", &origin);
    struct messages m = messages_from(origin.start, 1 << 20);
    struct buf *b = &m.frames[0];
    for (size_t at = 0; at < b->size_bytes; at++) {
        b->data[at] ^= 4;
        enum err_code code = give(copy, &m, 0);
        const struct day_tip *tips = log_writer_tips(copy->writer);
        cr_assert(code == ERR_INPUT || code == ERR_CONFLICT, "byte %zu: %d", at, code);
        cr_assert(tips[LOG_EVENTS].next_seq == 1 && tips[LOG_QUARANTINE].next_seq == 1);
        b->data[at] ^= 4;
    }
    cr_expect_eq(give(copy, &m, 0), ERR_OK, "%s", err.text);
    clear(&m);
}

Test(ingest_ship, another_history_is_refused)
{
    make_log();
    struct log_origin origin = origin_of(log_dir);
    struct messages m = messages_from(origin.start, 1);
    struct copy *copy = take("edge1", &origin), *none = NULL;
    cr_assert_eq(give(copy, &m, 0), ERR_OK);
    cr_assert_eq(give(copy, &m, 1), ERR_OK);
    /* The second frame behind another first one: by number it is a duplicate, by chain not. */
    struct log_writer *w;
    struct log_origin other = origin;
    char other_dir[128];
    struct frame_codec *codec = frame_codec_new();
    snprintf(other_dir, sizeof other_dir, "%s/other", temp.path);
    cr_assert_eq(log_writer_open_copy(other_dir, &origin, codec, &w, &err), ERR_OK);
    uint8_t event[6000] = {9};
    struct frame frame = {
        .first_seq = 1, .event_count = 10, .raw_bytes = sizeof event, .receive_utc_ms = noon};
    frame_chain((const uint8_t[HASH_SHA256_BYTES]){0}, &frame, (struct bytes){event, sizeof event},
                frame.chain);
    struct messages forged = {.count = 1, .days = {DAY}};
    buf_init(&forged.frames[0], 1 << 20);
    buf_init(&forged.frames[1], 0);
    cr_assert(ship_put_stream(LOG_EVENTS, &forged.frames[0]));
    cr_assert_eq(
        frame_encode(codec, &frame, (struct bytes){event, sizeof event}, &forged.frames[0], &err),
        ERR_OK);
    cr_expect_eq(give(copy, &forged, 0), ERR_CONFLICT);
    cr_expect(strstr(err.text, "another history") != NULL, "%s", err.text);
    cr_expect_eq(log_writer_tips(copy->writer)[LOG_EVENTS].next_seq, 21);
    /* Another log under the same name. */
    other.identity[0] ^= 1;
    cr_expect_eq(copies_take(&copies, "edge1", &other, &none, &err), ERR_CONFLICT);
    cr_expect_null(none);
    /* A day that lies behind. */
    copy = take("edge1", &origin);
    m.days[2] = DAY - 1;
    cr_expect_eq(give(copy, &m, 2), ERR_CONFLICT);
    m.days[2] = DAY;
    cr_expect_eq(give(copy, &m, 2), ERR_OK);
    log_writer_close(w);
    frame_codec_free(codec);
    clear(&forged);
    clear(&m);
}

Test(ingest_ship, a_log_with_another_history_than_the_copy_is_not_shipped)
{
    make_log();
    struct log_origin origin = origin_of(log_dir);
    struct ship_source source;
    struct day_tip stand[LOG_STREAMS];
    memcpy(stand, origin.start, sizeof stand);
    stand[LOG_EVENTS].next_seq = 11; /* with a chain of zeros */
    cr_expect_eq(ship_source_open(&source, log_dir, &origin, stand, false, &err), ERR_CONFLICT);
    ship_source_close(&source);
    stand[LOG_EVENTS].next_seq = 12; /* within a frame */
    cr_expect_eq(ship_source_open(&source, log_dir, &origin, stand, false, &err), ERR_CONFLICT);
    ship_source_close(&source);
    stand[LOG_EVENTS].next_seq = 1000;
    cr_expect_eq(ship_source_open(&source, log_dir, &origin, stand, false, &err), ERR_CONFLICT);
    cr_expect(strstr(err.text, "has less") != NULL, "%s", err.text);
    ship_source_close(&source);
    origin.start[LOG_EVENTS].next_seq = 2000;
    cr_expect_eq(ship_source_open(&source, log_dir, &origin, stand, false, &err), ERR_NOT_FOUND);
    ship_source_close(&source);
}

Test(ingest_ship, a_day_waits_for_the_other_stream)
{
    struct log_writer *w = open_log(log_dir);
    struct ship_source source;
    struct ship_load load;
    struct buf out;
    buf_init(&out, 1 << 20);
    append(w, noon, 1, 0);
    struct log_origin origin = origin_of(log_dir);
    cr_assert_eq(ship_source_open(&source, log_dir, &origin, origin.start, false, &err), ERR_OK);
    cr_assert_eq(ship_source_next(&source, 1 << 20, &out, &load, &err), ERR_OK);
    cr_expect(load.events == 1 && load.quarantined == 0 && load.day == DAY);
    /* The events' next frame is of the next day; the quarantine still has one of this. */
    append(w, noon + 1, 0, 1);
    append(w, noon + TIME_DAY_MS, 1, 0);
    append(w, noon + TIME_DAY_MS, 0, 1);
    cr_assert_eq(ship_source_next(&source, 1 << 20, &out, &load, &err), ERR_OK);
    cr_expect(load.events == 0 && load.quarantined == 1 && load.day == DAY);
    out.size_bytes = 0;
    cr_assert_eq(ship_source_next(&source, 1 << 20, &out, &load, &err), ERR_OK);
    cr_expect(load.events == 1 && load.quarantined == 1 && load.day == DAY + 1);
    out.size_bytes = 0;
    cr_assert_eq(ship_source_next(&source, 1 << 20, &out, &load, &err), ERR_OK);
    cr_expect_eq(load.frames, 0);
    ship_source_close(&source);
    log_writer_close(w);
    buf_clear(&out);
}

Test(ingest_ship, more_hosts_than_are_open_at_one_time)
{
    make_log();
    struct log_origin origin = origin_of(log_dir);
    struct messages m = messages_from(origin.start, 1);
    for (size_t part = 0; part < 3; part++) {
        for (int i = 0; i < COPIES_OPEN_MAX + 3; i++) {
            char host[16];
            snprintf(host, sizeof host, "host-%d", i);
            cr_assert_eq(give(take(host, &origin), &m, part), ERR_OK, "%s", err.text);
        }
    }
    cr_expect_eq(counts.frames, 3 * (COPIES_OPEN_MAX + 3));
    cr_expect_eq(counts.duplicates, 0);
    clear(&m);
}

Test(ingest_ship, messages_are_read_as_they_were_written)
{
    struct buf out;
    struct ship_message m;
    struct log_origin origin = {.identity = {1, 2, 3}, .start = {{7, {9}}, {1, {0}}}};
    buf_init(&out, 4096);
    cr_assert(ship_put_hello(&origin, &out));
    cr_expect_null(ship_read((struct bytes){out.data, out.size_bytes}, &m));
    cr_expect_eq(m.kind, SHIP_HELLO);
    cr_expect_eq(memcmp(&m.origin, &origin, sizeof origin), 0);
    for (size_t n = 0; n < out.size_bytes; n++)
        cr_expect_not_null(ship_read((struct bytes){out.data, n}, &m), "%zu bytes are a hello", n);
    out.size_bytes = 0;
    cr_assert(ship_put_stand(origin.start, &out));
    cr_expect_null(ship_read((struct bytes){out.data, out.size_bytes}, &m));
    cr_expect_eq(m.kind, SHIP_STAND);
    cr_expect_eq(memcmp(m.stand, origin.start, sizeof m.stand), 0);
    out.size_bytes = 0;
    cr_assert(ship_put_refused(ERR_CONFLICT, "why", &out));
    cr_expect_null(ship_read((struct bytes){out.data, out.size_bytes}, &m));
    cr_expect(m.kind == SHIP_REFUSED && m.code == ERR_CONFLICT && str_is(m.reason, "why"));
    buf_clear(&out);
}

Test(ingest_ship, no_hostname_leads_out_of_the_directory)
{
    static const char *const bad[] = {"", ".", "..", ".hidden", "a/b", "/", "../x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not(ship_host_ok(str_of(bad[i])), "%s", bad[i]);
    cr_expect(ship_host_ok(str_of("edge1.example")));
}
