#include <criterion/criterion.h>

#include "store/base/arena.h"

Test(store_arena, memory_is_zeroed_and_aligned_whatever_was_asked_before)
{
    struct arena a;
    arena_init(&a, 1024 * 1024);
    for (size_t size = 1; size < 300; size++) {
        unsigned char *p = arena_alloc(&a, size);
        cr_assert_not_null(p);
        cr_assert_eq((uintptr_t)p % _Alignof(max_align_t), 0u);
        for (size_t i = 0; i < size; i++)
            cr_assert_eq(p[i], 0);
        memset(p, 0xff, size);
    }
    arena_clear(&a);
}

Test(store_arena, the_cap_holds_and_is_reached)
{
    for (size_t cap = 100; cap < 400000; cap = cap * 3 / 2) {
        struct arena a;
        arena_init(&a, cap);
        size_t got = 0;
        while (arena_alloc(&a, 48) != NULL)
            got += 48;
        cr_assert_leq(a.used_bytes, cap);
        /* Block heads and the last odd stretch may be lost, no more. */
        cr_assert_gt(got + 48 + 32 * (cap / 65536 + 2), cap - cap / 20 - 64, "cap %zu got %zu", cap,
                     got);
        arena_clear(&a);
    }
}

Test(store_arena, more_than_the_cap_is_refused_and_harmless)
{
    struct arena a;
    arena_init(&a, 4096);
    cr_assert_null(arena_alloc(&a, 4097));
    cr_assert_null(arena_alloc(&a, SIZE_MAX));
    cr_assert_null(arena_alloc(&a, SIZE_MAX - 7));
    cr_assert_not_null(arena_alloc(&a, 1000));
    arena_clear(&a);
    cr_assert_eq(a.used_bytes, 0u);
    cr_assert_not_null(arena_alloc(&a, 4000));
    arena_clear(&a);
}

Test(store_arena, a_large_piece_does_not_disturb_small_ones)
{
    struct arena a;
    arena_init(&a, 1024 * 1024);
    char *small = arena_text(&a, (struct str){"ab", 2});
    char *large = arena_alloc(&a, 300000);
    char *next = arena_text(&a, (struct str){NULL, 0});
    cr_assert(small != NULL && large != NULL && next != NULL);
    memset(large, 'x', 300000);
    cr_assert_str_eq(small, "ab");
    cr_assert_str_eq(next, "");
    arena_clear(&a);
}

Test(store_arena, clearing_an_empty_arena_is_fine)
{
    struct arena a;
    arena_init(&a, 0);
    cr_assert_null(arena_alloc(&a, 1));
    arena_clear(&a);
    arena_clear(&a);
}
