#include <criterion/criterion.h>
#include <stdint.h>

#include "store/base/heap.h"

/* Sizes on both sides of where a block becomes a mapping of its own (4 MiB). */
Test(store_heap, a_block_keeps_what_it_holds_through_every_size_and_the_rest_is_zero)
{
    static const size_t sizes[] = {1,       64,       100,     1 << 20, 4 << 20, (4 << 20) + 1,
                                   9 << 20, 64 << 20, 5 << 20, 2 << 20, 300,     16 << 20,
                                   0,       7};
    uint8_t *block = NULL;
    size_t bytes = 0, filled = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        block = heap_resize(block, bytes, sizes[i]);
        bytes = sizes[i];
        cr_assert_eq(block == NULL, bytes == 0);
        cr_assert_eq((uintptr_t)block % 64, 0);
        filled = filled < bytes ? filled : bytes;
        for (size_t at = 0; at < bytes; at += at < 4096 ? 1 : 4093)
            cr_assert_eq(block[at], at < filled ? (uint8_t)(at * 7 + 1) : 0, "size %zu, byte %zu",
                         bytes, at);
        for (size_t at = 0; at < bytes; at++)
            block[at] = (uint8_t)(at * 7 + 1);
        filled = bytes;
    }
    heap_resize(block, bytes, 0);
}
