#include <criterion/criterion.h>

#include "store/base/buf.h"

Test(store_buf, holds_what_was_appended_in_order)
{
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 10000; i++) {
        unsigned char c = (unsigned char)(i % 251);
        cr_assert(buf_append(&b, &c, 1));
    }
    cr_assert_eq(b.size_bytes, 10000u);
    for (int i = 0; i < 10000; i++)
        cr_assert_eq(b.data[i], (unsigned char)(i % 251));
    buf_clear(&b);
}

Test(store_buf, never_outgrows_its_cap_however_small)
{
    static const size_t caps[] = {0, 1, 7, 100, 255, 256, 257, 1000};
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        struct buf b;
        buf_init(&b, caps[i]);
        size_t put = 0;
        while (put < 2000 && buf_append(&b, "x", 1))
            put++;
        cr_assert_eq(put, caps[i]);
        cr_assert_leq(b.room_bytes, caps[i]);
        buf_clear(&b);
    }
}

Test(store_buf, a_failed_append_leaves_the_contents)
{
    struct buf b;
    buf_init(&b, 10);
    cr_assert(buf_append(&b, "12345678", 8));
    cr_assert_not(buf_append(&b, "abc", 3));
    cr_assert_not(buf_reserve(&b, SIZE_MAX));
    cr_assert_not(buf_printf(&b, "%d", 12345));
    cr_assert_eq(b.size_bytes, 8u);
    cr_assert_arr_eq(b.data, "12345678", 8);
    buf_clear(&b);
}

Test(store_buf, printf_writes_without_counting_its_nul)
{
    struct buf b;
    buf_init(&b, 64);
    cr_assert(buf_printf(&b, "%s-%d", "a", 7));
    cr_assert(buf_printf(&b, "%s", ""));
    cr_assert_eq(b.size_bytes, 3u);
    cr_assert_arr_eq(b.data, "a-7", 3);
    buf_clear(&b);
}

Test(store_buf, dropping_keeps_the_rest)
{
    struct buf b;
    buf_init(&b, 64);
    cr_assert(buf_append(&b, "abcdef", 6));
    buf_drop(&b, 0);
    buf_drop(&b, 4);
    cr_assert_eq(b.size_bytes, 2u);
    cr_assert_arr_eq(b.data, "ef", 2);
    buf_drop(&b, 2);
    cr_assert_eq(b.size_bytes, 0u);
    buf_clear(&b);
    buf_drop(&b, 0);
    cr_assert(buf_append(&b, NULL, 0), "nothing at all may come from NULL");
}

Test(store_buf, trimming_gives_room_back_and_keeps_the_contents)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    cr_assert(buf_append(&b, "abc", 3) && buf_reserve(&b, 500000));
    buf_trim(&b, 2);
    cr_expect_geq(b.room_bytes, 500000, "it was cut below its contents");
    buf_trim(&b, 4096);
    cr_expect_eq(b.room_bytes, 4096);
    cr_expect_eq(memcmp(b.data, "abc", 3), 0);
    buf_trim(&b, 1 << 20);
    cr_expect_eq(b.room_bytes, 4096);
    buf_clear(&b);
}
