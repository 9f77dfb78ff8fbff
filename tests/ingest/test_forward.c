#include "ingest/forward.h"

#include <criterion/criterion.h>

#include "ingest/stream.h"
#include "store/base/file.h"
#include "store/base/inflate.h"
#include "store/base/time.h"
#include "tests/ingest/wire.h"

static struct inflater *inflater;

static void
setup(void)
{
    inflater = inflater_new();
}

static void
teardown(void)
{
    inflater_free(inflater);
}

TestSuite(ingest_forward, .init = setup, .fini = teardown);

/* Counts what a whole stream holds. */
struct tally {
    int messages, entries, chunks;
    enum forward_mode mode;
    int64_t last_time_ms;
};

static const char *
tally_message(void *context, struct bytes message)
{
    struct tally *t = context;
    struct forward f;
    struct forward_entry e;
    const char *reason = NULL;
    enum forward_step step;
    if (forward_is_heartbeat(message))
        return NULL;
    if (!forward_open(message, &f, &reason))
        return reason;
    struct bytes plain = {NULL, 0};
    if (f.packing != FORWARD_PLAIN) {
        reason = inflater_take(inflater, f.packing == FORWARD_GZIP ? INFLATE_GZIP : INFLATE_ZSTD,
                               forward_packed(&f), &plain);
        if (reason != NULL)
            return reason;
        forward_set_plain(&f, plain);
    }
    t->messages++;
    t->mode = f.mode;
    t->chunks += f.chunk.id.size_bytes > 0;
    while ((step = forward_next(&f, &e, &reason)) == FORWARD_ENTRY) {
        t->entries++;
        t->last_time_ms = e.time_utc_ms;
    }
    return step == FORWARD_END ? NULL : reason;
}

static const char *
tally(struct bytes bytes, size_t step_bytes, struct tally *ret)
{
    struct stream s;
    const char *reason = NULL;
    *ret = (struct tally){0};
    stream_init(&s, FORWARD_MESSAGE_BYTES_MAX);
    for (size_t at = 0; reason == NULL && at < bytes.size_bytes; at += step_bytes) {
        size_t n = bytes.size_bytes - at < step_bytes ? bytes.size_bytes - at : step_bytes;
        reason = stream_feed(&s, (struct bytes){bytes.data + at, n}, tally_message, ret);
    }
    if (reason == NULL && stream_is_inside(&s))
        reason = "cut";
    stream_clear(&s);
    return reason;
}

static const struct {
    const char *name;
    enum forward_mode mode;
    int messages, entries, chunks;
} captures[] = {
    {"old-Message-ack-close1", FORWARD_MESSAGE, 2, 2, 2},
    {"old-Message-ack", FORWARD_MESSAGE, 2, 2, 2},
    {"old-Message-noack", FORWARD_MESSAGE, 2, 2, 2},
    {"old-Message-plain-close1", FORWARD_MESSAGE, 2, 2, 0},
    {"old-Message-plain", FORWARD_MESSAGE, 2, 2, 0},
    {"old-PackedForward-ack-close1", FORWARD_PACKED, 2, 2, 2},
    {"old-PackedForward-ack-closeacc", FORWARD_PACKED, 1, 1, 1},
    {"old-PackedForward-ack", FORWARD_PACKED, 2, 2, 2},
    {"old-PackedForward-noack", FORWARD_PACKED, 2, 2, 2},
    {"old-PackedForward-plain", FORWARD_PACKED, 2, 2, 2},
    {"org-Forward-ack", FORWARD_FORWARD, 2, 2, 2},
    {"org-Forward-plain", FORWARD_FORWARD, 2, 2, 0},
    {"org-Message-ack", FORWARD_MESSAGE, 2, 2, 2},
    {"org-Message-plain", FORWARD_MESSAGE, 2, 2, 0},
    {"org-PackedForward-ack-close1-retry", FORWARD_PACKED, 3, 3, 3},
    {"org-PackedForward-ack-close1", FORWARD_PACKED, 2, 2, 2},
    {"org-PackedForward-ack-closeacc", FORWARD_PACKED, 2, 2, 2},
    {"org-PackedForward-ack", FORWARD_PACKED, 2, 2, 2},
    {"org-PackedForward-noack-retry", FORWARD_PACKED, 8, 8, 8},
    {"org-PackedForward-noack", FORWARD_PACKED, 2, 2, 2},
    {"org-PackedForward-plain-close1", FORWARD_PACKED, 2, 2, 0},
    {"org-PackedForward-plain-noack", FORWARD_PACKED, 2, 2, 0},
    {"org-PackedForward-plain", FORWARD_PACKED, 2, 2, 0},
    {"py-close1", FORWARD_MESSAGE, 2, 2, 0},
    {"py-closeacc", FORWARD_MESSAGE, 1, 1, 0},
    {"py-int", FORWARD_MESSAGE, 2, 2, 0},
    {"py-nano", FORWARD_MESSAGE, 2, 2, 0},
};

static struct bytes
read_capture(const char *name)
{
    char path[FILE_PATH_BYTES_MAX];
    struct bytes bytes = {0};
    struct err err;
    snprintf(path, sizeof path, "%s/data/forward/%s.bin", GBILL_TESTS_DIR, name);
    enum err_code code = file_read(path, 65536, &bytes, &err);
    cr_assert_eq(code, ERR_OK, "%s", err.text);
    return bytes;
}

Test(ingest_forward, bytes_of_real_clients_are_read_at_any_step)
{
    static const size_t steps[] = {1, 7, 100, 65536};
    for (size_t i = 0; i < sizeof captures / sizeof captures[0]; i++) {
        struct bytes bytes = read_capture(captures[i].name);
        for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
            struct tally t;
            const char *reason = tally(bytes, steps[s], &t);
            cr_assert_null(reason, "%s: %s", captures[i].name, reason);
            cr_expect_eq(t.mode, captures[i].mode, "%s", captures[i].name);
            cr_expect_eq(t.messages, captures[i].messages, "%s", captures[i].name);
            cr_expect_eq(t.entries, captures[i].entries, "%s", captures[i].name);
            cr_expect_eq(t.chunks, captures[i].chunks, "%s", captures[i].name);
        }
        free((void *)(uintptr_t)bytes.data);
    }
}

Test(ingest_forward, compressed_chunks_of_real_clients_are_read)
{
    static const char *const names[] = {
        "old-CompressedPackedForward-ack", "old-CompressedPackedForward-plain",
        "org-CompressedPackedForward-ack", "org-CompressedPackedForward-plain"};
    for (size_t i = 0; i < 4; i++) {
        struct tally t;
        struct bytes bytes = read_capture(names[i]);
        const char *reason = tally(bytes, i + 1, &t);
        cr_assert_null(reason, "%s: %s", names[i], reason);
        cr_expect_eq(t.mode, FORWARD_PACKED, "%s", names[i]);
        cr_expect(t.messages == 2 && t.entries == 2, "%s", names[i]);
        cr_expect_geq(t.last_time_ms, 1700000000000, "%s", names[i]);
        free((void *)(uintptr_t)bytes.data);
    }
}

#define B(text)                                   \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }
#define EVENT_TIME "\x65\x53\xf1\x00\x07\x54\xd4\xc0"

Test(ingest_forward, every_shape_of_time_is_read)
{
    static const struct {
        struct bytes message;
        int64_t want_ms;
    } rows[] = {
        {B("\x93\xa1t\xce\x65\x53\xf1\x00\x80"), 1700000000000},
        {B("\x93\xa1t\xd3\x00\x00\x00\x00\x65\x53\xf1\x00\x80"), 1700000000000},
        {B("\x93\xa1t\xcb\x41\xd9\x54\xfc\x40\x00\x00\x00\x80"), 1700000000000},
        {B("\x93\xa1t\xcb\x41\xd9\x54\xfc\x40\x20\x00\x00\x80"), 1700000000500},
        {B("\x93\xa1t\xd7\x00" EVENT_TIME "\x80"), 1700000000123},
        {B("\x93\xa1t\xc7\x08\x00" EVENT_TIME "\x80"), 1700000000123},
        {B("\x92\xa1t\x91\x92\x92\xd7\x00" EVENT_TIME "\x81\xa1k\x01\x80"), 1700000000123},
        {B("\x92\xa1t\xc4\x0d\x92\x92\xd7\x00" EVENT_TIME "\x80"), -1}, /* cut */
        {B("\x92\xa1t\xc4\x0e\x92\x92\xd7\x00" EVENT_TIME "\x80\x80"), 1700000000123},
        {B("\x92\xa1t\xae\x92\x92\xd7\x00" EVENT_TIME "\x80\x80"), 1700000000123},
        {B("\x93\xa1t\xd7\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"), 0},
        {B("\x93\xa1t\xff\x80"), 0},
        {B("\x93\xa1t\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x80"), TIME_MAX_MS - 1},
        {B("\x93\xa1t\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00\x80"), TIME_MAX_MS - 1},
        {B("\x93\xa1t\xcb\xff\xf0\x00\x00\x00\x00\x00\x00\x80"), 0},
        {B("\x93\xa1t\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x80"), -1},     /* NaN */
        {B("\x93\xa1t\xd7\x00\x65\x53\xf1\x00\x3b\x9a\xca\x00\x80"), -1}, /* 10^9 ns */
        {B("\x93\xa1t\xd7\x01" EVENT_TIME "\x80"), -1},
        {B("\x93\xa1t\xd6\x00\x65\x53\xf1\x00\x80"), -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tally t;
        const char *reason = tally(rows[i].message, 65536, &t);
        if (rows[i].want_ms < 0) {
            cr_expect_not_null(reason, "row %zu", i);
            continue;
        }
        cr_assert_null(reason, "row %zu: %s", i, reason);
        cr_expect_eq(t.entries, 1, "row %zu", i);
        cr_expect_eq(t.last_time_ms, rows[i].want_ms, "row %zu: %lld", i,
                     (long long)t.last_time_ms);
    }
}

Test(ingest_forward, options_that_clients_leave_empty_are_no_error)
{
    static const struct bytes good[] = {
        B("\x93\xa1t\x01\x80"),
        B("\x94\xa1t\x01\x80\x80"),
        B("\x94\xa1t\x01\x80\xc0"),
        B("\x92\xa1t\x90"),
        B("\x93\xa1t\x90\x80"),
        B("\x93\xa1t\x90\xc0"),
        B("\x92\xa1t\xc4\x00"),
        B("\x92\xa1t\xa0"),
        B("\x93\xa1t\xa0\xc0"),
        B("\x94\xa1t\x01\x80\x81\xa5"
          "chunk\xc0"),
        B("\x94\xa1t\x01\x80\x82\xa4size\xa3"
          "abc\xa8metadata\x81\x01\x02"),
        B("\x93\xa1t\xa0\x81\xaa"
          "compressed\xa4text"),
        B("\x93\xa1t\xa0\x81\xaa"
          "compressed\xc0"),
        B("\xc0\xc0\xc0\x92\xa1t\x90\xc0"),
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct tally t;
        const char *reason = tally(good[i], 65536, &t);
        cr_expect_null(reason, "row %zu: %s", i, reason);
        cr_expect_eq(t.messages, 1, "row %zu", i);
    }
}

Test(ingest_forward, what_is_not_the_protocol_is_refused)
{
    static const struct bytes rubbish[] = {
        B("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        B("[\"t\",1,{\"a\":1}]"),
        B("{\"a\":1}"),
        B("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), /* TLS hello */
        B("\x80"),
        B("\x90"),
        B("\x91\xa1t"),
        B("\x95\xa1t\x01\x80\x80\x80"),
        B("\x93\x01\x01\x80"),          /* tag a number */
        B("\x93\xc4\x01t\x01\x80"),     /* tag a bin */
        B("\x92\xa1t\x01"),             /* Message without record */
        B("\x93\xa1t\xc0\x80"),         /* time nil */
        B("\x93\xa1t\xc3\x80"),         /* time true */
        B("\x93\xa1t\x81\x01\x02\x80"), /* time a map */
        B("\x93\xa1t\x90\x01"),         /* option a number */
        B("\x93\xa1t\x90\x90"),         /* option an array */
        B("\x94\xa1t\x90\x80\x80"),     /* Forward with four elements */
        B("\x94\xa1t\xa0\x80\x80"),
        B("\x94\xa1t\x01\x80\x81\x01\x02"), /* option key a number */
        B("\x94\xa1t\x01\x80\x81\xa5"
          "chunk\x01"),
        B("\x94\xa1t\x01\x80\x81\xa5"
          "chunk\xa0"),
        B("\x93\xa1t\xa0\x81\xaa"
          "compressed\xa6snappy"),
        B("\x93\xa1t\xa0\x81\xaa"
          "compressed\x01"),
        B("\x93\xa1t\x90\x81\xaa"
          "compressed\xa4gzip"), /* of a Forward */
        B("\x94\xa1t\x01\x80\x81\xaa"
          "compressed\xa4zstd"),            /* of a Message */
        B("\x92\xa1t\x91\x01"),             /* entry a number */
        B("\x92\xa1t\x91\x91\x01"),         /* entry without record */
        B("\x92\xa1t\x91\x93\x01\x80\x80"), /* entry with three */
        B("\x92\xa1t\xc4\x01\xc1"),
        B("\x92\xa1t\xc4\x02\x92\x01"), /* packed entry cut */
        B("\x92\xa1t\xc4\x04\x92\x01\x80\x92"),
        B("\x92\xa1t\x91\x92\x91\x01\x80"), /* [[time], record] */
        B("\xc1"),
        B("\xdd\xff\xff\xff\xff"), /* 2^32 - 1 elements */
        B("\xdf\xff\xff\xff\xff"),
        B("\xdb\xff\xff\xff\xff"),
        B("\x92\xa1t\xc6\xff\xff\xff\xff"),
        B("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01"),
    };
    for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) {
        for (size_t step = 1; step < 65536; step *= 255) {
            struct tally t;
            const char *reason = tally(rubbish[i], step, &t);
            cr_expect_not_null(reason, "row %zu is taken", i);
            cr_expect(reason == NULL || strcmp(reason, "cut") != 0, "row %zu waits for more", i);
        }
    }
}

Test(ingest_forward, an_ack_echoes_the_chunk_and_its_type)
{
    static const size_t sizes[] = {1, 24, 31, 32, 255, 256, 1024};
    uint8_t id[FORWARD_CHUNK_BYTES_MAX], out[FORWARD_ACK_BYTES_MAX];
    memset(id, 'c', sizeof id);
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        bool is_bin = i % 2 == 1;
        struct forward_chunk chunk = {{id, sizes[i / 2]}, is_bin};
        size_t n = forward_ack(&chunk, out);
        msgpack_unpacked u;
        msgpack_unpacked_init(&u);
        size_t at = 0;
        cr_assert_eq(msgpack_unpack_next(&u, (const char *)out, n, &at), MSGPACK_UNPACK_SUCCESS);
        cr_expect_eq(at, n);
        cr_assert_eq(u.data.type, MSGPACK_OBJECT_MAP);
        cr_assert_eq(u.data.via.map.size, 1);
        msgpack_object v = u.data.via.map.ptr[0].val;
        cr_expect_eq(v.type, is_bin ? MSGPACK_OBJECT_BIN : MSGPACK_OBJECT_STR);
        cr_expect_eq(v.via.str.size, sizes[i / 2]);
        cr_expect_eq(memcmp(v.via.str.ptr, id, sizes[i / 2]), 0);
        msgpack_unpacked_destroy(&u);
    }
}

Test(ingest_forward, a_chunk_id_over_the_limit_is_refused)
{
    char id[FORWARD_CHUNK_BYTES_MAX + 2];
    for (size_t n = FORWARD_CHUNK_BYTES_MAX; n <= FORWARD_CHUNK_BYTES_MAX + 1; n++) {
        memset(id, 'c', n);
        id[n] = '\0';
        struct wire w;
        struct tally t;
        wire_init(&w);
        wire_message(&w, "gbill.usage", 1, "a", id);
        const char *reason = tally(wire_bytes(&w), 65536, &t);
        cr_expect((reason == NULL) == (n == FORWARD_CHUNK_BYTES_MAX));
        wire_clear(&w);
    }
}
