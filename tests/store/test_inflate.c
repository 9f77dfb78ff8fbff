#include "store/base/inflate.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "store/base/buf.h"
#include "tests/support/record.h"

enum { PACKED_BYTES_MAX = 12 * 1024 * 1024 };

static struct inflater *inflater;
static struct buf packed;

static void
setup(void)
{
    inflater = inflater_new();
    buf_init(&packed, PACKED_BYTES_MAX);
}

static void
teardown(void)
{
    inflater_free(inflater);
    buf_clear(&packed);
}

TestSuite(store_inflate, .init = setup, .fini = teardown);

static void
add_gzip(struct bytes plain, int level)
{
    z_stream z = {.next_in = plain.data, .avail_in = (uInt)plain.size_bytes};
    cr_assert_eq(deflateInit2(&z, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    uLong bound = deflateBound(&z, (uLong)plain.size_bytes);
    cr_assert(buf_reserve(&packed, bound));
    z.next_out = packed.data + packed.size_bytes;
    z.avail_out = (uInt)bound;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    packed.size_bytes += bound - z.avail_out;
    deflateEnd(&z);
}

/* As a streaming sender writes it: without the content's size in the head. */
static void
add_zstd(struct bytes plain, int window_log)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
    size_t bound = ZSTD_compressBound(plain.size_bytes);
    cr_assert(buf_reserve(&packed, bound));
    ZSTD_inBuffer in = {plain.data, plain.size_bytes, 0};
    ZSTD_outBuffer out = {packed.data + packed.size_bytes, bound, 0};
    cr_assert_eq(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
    packed.size_bytes += out.pos;
    ZSTD_freeCCtx(c);
}

static void
add(enum inflate_format format, struct bytes plain)
{
    if (format == INFLATE_GZIP)
        add_gzip(plain, 6);
    else
        add_zstd(plain, 17);
}

static const char *
take(enum inflate_format format, struct bytes *ret)
{
    return inflater_take(inflater, format, bytes_of_buf(&packed), ret);
}

static void
expect_reason(const char *reason, const char *words)
{
    cr_assert_not_null(reason, "taken; wanted: %s", words);
    cr_expect_not_null(strstr(reason, words), "\"%s\" does not say \"%s\"", reason, words);
}

/* Bytes that hardly compress. */
static uint8_t *
noise(size_t size_bytes)
{
    uint8_t *p = malloc(size_bytes);
    uint64_t state = 7;
    for (size_t i = 0; i + 8 <= size_bytes; i += 8)
        put_le64(p + i, random_next(&state));
    return p;
}

#define TEXT(s)                         \
    (struct bytes)                      \
    {                                   \
        (const uint8_t *)(s), strlen(s) \
    }

Test(store_inflate, members_and_frames_are_read_one_behind_the_other)
{
    for (unsigned format = INFLATE_GZIP; format <= INFLATE_ZSTD; format++) {
        struct bytes plain;
        packed.size_bytes = 0;
        add(format, TEXT("first, "));
        add(format, TEXT(""));
        add(format, TEXT("second, "));
        if (format == INFLATE_ZSTD)
            cr_assert(buf_append(&packed, "\x53\x2a\x4d\x18\x03\0\0\0abc", 11)); /* skippable */
        add(format, TEXT("third"));
        const char *reason = take(format, &plain);
        cr_assert_null(reason, "%s", reason);
        cr_expect(str_is((struct str){(const char *)plain.data, plain.size_bytes},
                         "first, second, third"));
        inflater_rest(inflater);
    }
}

Test(store_inflate, eight_mebibytes_pass_and_one_byte_more_does_not)
{
    uint8_t *plain = noise(INFLATE_BYTES_MAX + 8);
    for (unsigned format = INFLATE_GZIP; format <= INFLATE_ZSTD; format++) {
        for (size_t more = 0; more < 2; more++) {
            struct bytes got;
            packed.size_bytes = 0;
            struct bytes all = {plain, INFLATE_BYTES_MAX + more};
            if (format == INFLATE_GZIP)
                add_gzip(all, 1);
            else
                add(format, all);
            const char *reason = take(format, &got);
            if (more == 1) {
                expect_reason(reason, "over 8 MiB");
            } else {
                cr_assert_null(reason, "%s", reason);
                cr_expect_eq(got.size_bytes, INFLATE_BYTES_MAX);
                cr_expect_eq(memcmp(got.data, plain, INFLATE_BYTES_MAX), 0);
            }
            inflater_rest(inflater);
        }
    }
    free(plain);
}

Test(store_inflate, a_bomb_is_refused_by_name_however_it_is_cut_up)
{
    static const uint8_t zeros[2 * 1024 * 1024];
    static const struct {
        size_t member_bytes;
        int members;
        const char *words;
    } bombs[] = {
        {sizeof zeros, 1, "200 times"},      /* one member */
        {sizeof zeros / 8, 32, "200 times"}, /* many, each of them a small bomb */
    };
    for (unsigned format = INFLATE_GZIP; format <= INFLATE_ZSTD; format++) {
        for (size_t i = 0; i < 2; i++) {
            struct bytes got;
            packed.size_bytes = 0;
            for (int n = 0; n < bombs[i].members; n++)
                add(format, (struct bytes){zeros, bombs[i].member_bytes});
            expect_reason(take(format, &got), bombs[i].words);
        }
    }
    /* Its ratio is hidden behind noise, its size is not. */
    uint8_t *plain = noise(64 * 1024);
    for (unsigned format = INFLATE_GZIP; format <= INFLATE_ZSTD; format++) {
        struct bytes got;
        packed.size_bytes = 0;
        add(format, (struct bytes){plain, 64 * 1024});
        for (int n = 0; n < 5; n++)
            add(format, (struct bytes){zeros, sizeof zeros});
        expect_reason(take(format, &got), "over 8 MiB");
    }
    free(plain);
}

Test(store_inflate, a_torn_stream_is_refused_wherever_it_is_torn)
{
    for (unsigned format = INFLATE_GZIP; format <= INFLATE_ZSTD; format++) {
        struct bytes got;
        packed.size_bytes = 0;
        add(format, TEXT("what is not whole is not taken, what is not whole is not taken"));
        for (size_t n = 0; n < packed.size_bytes; n++) {
            struct bytes part = {packed.data, n};
            const char *reason = inflater_take(inflater, format, part, &got);
            expect_reason(reason, "torn");
        }
    }
}

Test(store_inflate, what_is_another_format_or_damaged_is_refused)
{
    static const struct bytes rubbish[] = {
        {(const uint8_t *)"\x78\x9c\x03\x00\x00\x00\x00\x01", 8}, /* zlib */
        {(const uint8_t *)"BZh91AY&SY\x00\x00\x00\x00", 14},
        {(const uint8_t *)"\x92\xce\x65\x53\xf1\x00\x80\x92\xce", 9},          /* not compressed */
        {(const uint8_t *)"\x27\xb5\x2f\xfd\x00\x00\x01\x00\x00\x00", 10},     /* zstd before 0.8 */
        {(const uint8_t *)"\x1f\x8b\x08\xe0\x00\x00\x00\x00\x00\x00\x00", 11}, /* reserved flags */
    };
    for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) {
        struct bytes got;
        expect_reason(inflater_take(inflater, INFLATE_GZIP, rubbish[i], &got), "no gzip");
        expect_reason(inflater_take(inflater, INFLATE_ZSTD, rubbish[i], &got), "no zstd");
    }
    for (unsigned format = INFLATE_GZIP; format <= INFLATE_ZSTD; format++) {
        struct bytes got;
        packed.size_bytes = 0;
        add(format, TEXT("good until here"));
        cr_assert(buf_append(&packed, "rubbish behind it", 17));
        expect_reason(take(format, &got), format == INFLATE_GZIP ? "no gzip" : "no zstd");
    }
    /* The last byte but four of gzip is its checksum's. */
    struct bytes got;
    packed.size_bytes = 0;
    add(INFLATE_GZIP, TEXT("checked"));
    packed.data[packed.size_bytes - 5] ^= 1;
    expect_reason(take(INFLATE_GZIP, &got), "damaged");
}

Test(store_inflate, a_zstd_window_over_8_mib_is_refused_by_name)
{
    enum { BYTES = 9 * 1024 * 1024 };
    uint8_t *plain = noise(BYTES);
    struct bytes got;
    add_zstd((struct bytes){plain, BYTES}, 24);
    expect_reason(take(INFLATE_ZSTD, &got), "window of over 8 MiB");
    packed.size_bytes = 0;
    add_zstd((struct bytes){plain, 1024 * 1024}, 23);
    cr_expect_null(take(INFLATE_ZSTD, &got));
    cr_expect_eq(got.size_bytes, 1024 * 1024);
    free(plain);
}
