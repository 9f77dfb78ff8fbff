#include "store/base/heap.h"

#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LARGE_PAGE_BYTES = 2 * 1024 * 1024, MMAP_FROM_BYTES = 32 * 1024 * 1024 };

void
heap_prefer_large_pages(size_t bytes)
{
    if (bytes > INT_MAX || mallopt(M_TOP_PAD, (int)bytes) != 1)
        return;
    /* Blocks up to glibc's largest threshold come from the heap too, and it never shrinks. */
    mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    uintptr_t before = (uintptr_t)sbrk(0);
    /* More than is free at the heap's end, so that the end moves now; volatile, or it is left out. */
    void *volatile block = malloc(MMAP_FROM_BYTES - LARGE_PAGE_BYTES);
    free(block);
    uintptr_t after = (uintptr_t)sbrk(0);
    uintptr_t start = (before + LARGE_PAGE_BYTES - 1) / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
    if (after > start)
        madvise((void *)start, after - start, MADV_HUGEPAGE);
}
