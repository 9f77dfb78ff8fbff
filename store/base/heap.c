#include "store/base/heap.h"

#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/base/err.h"

enum {
    LARGE_PAGE_BYTES = 2 * 1024 * 1024,
    MMAP_FROM_BYTES = 32 * 1024 * 1024,
    OWN_MAPPING_FROM_BYTES = 4 * 1024 * 1024,
    CACHE_LINE_BYTES = 64,
};

void
heap_prefer_large_pages(size_t bytes)
{
    if (bytes > INT_MAX || mallopt(M_TOP_PAD, (int)bytes) != 1)
        return;
    /* Blocks up to glibc's largest threshold come from the heap too, and it never shrinks. */
    mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    /* Threads too: arenas of their own would have small pages. */
    mallopt(M_ARENA_MAX, 1);
    uintptr_t before = (uintptr_t)sbrk(0);
    /* More than is free at the heap's end, so that the end moves now; volatile, or it is left out. */
    void *volatile block = malloc(MMAP_FROM_BYTES - LARGE_PAGE_BYTES);
    free(block);
    uintptr_t after = (uintptr_t)sbrk(0);
    uintptr_t start = (before + LARGE_PAGE_BYTES - 1) / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
    if (after > start)
        madvise((void *)start, after - start, MADV_HUGEPAGE);
}

static size_t
mapping_bytes(size_t bytes)
{
    return (bytes + LARGE_PAGE_BYTES - 1) / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
}

static void *
map_block(size_t bytes)
{
    /* One large page more than needed, so that an aligned range can be cut out. */
    size_t want = mapping_bytes(bytes), all = want + LARGE_PAGE_BYTES;
    char *p = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = (LARGE_PAGE_BYTES - (uintptr_t)p % LARGE_PAGE_BYTES) % LARGE_PAGE_BYTES;
    if (before > 0)
        munmap(p, before);
    if (all - before > want)
        munmap(p + before + want, all - before - want);
    madvise(p + before, want, MADV_HUGEPAGE);
    return p + before;
}

static void
free_block(void *block, size_t bytes)
{
    if (bytes >= OWN_MAPPING_FROM_BYTES)
        munmap(block, mapping_bytes(bytes));
    else
        free(block);
}

/* A larger mapping with the old one's pages, which move as they are; NULL out of memory. */
static void *
grow_mapping(void *block, size_t old_bytes, size_t new_bytes)
{
    void *moved = map_block(new_bytes);
    if (moved == NULL)
        return NULL;
    if (mremap(block, mapping_bytes(old_bytes), mapping_bytes(old_bytes),
               MREMAP_MAYMOVE | MREMAP_FIXED, moved) == moved)
        return moved;
    munmap(moved, mapping_bytes(new_bytes));
    return NULL;
}

static void *
new_block(size_t bytes)
{
    if (bytes >= OWN_MAPPING_FROM_BYTES)
        return map_block(bytes);
    size_t lines = (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES;
    void *block = aligned_alloc(CACHE_LINE_BYTES, lines * CACHE_LINE_BYTES);
    if (block != NULL)
        memset(block, 0, lines * CACHE_LINE_BYTES);
    return block;
}

void *
heap_resize(void *block, size_t old_bytes, size_t new_bytes)
{
    if (old_bytes >= OWN_MAPPING_FROM_BYTES && old_bytes < new_bytes)
        return grow_mapping(block, old_bytes, new_bytes);
    void *moved = new_bytes > 0 ? new_block(new_bytes) : NULL;
    if (moved == NULL && new_bytes > 0)
        return NULL;
    size_t kept = old_bytes < new_bytes ? old_bytes : new_bytes;
    if (kept > 0)
        memcpy(moved, block, kept);
    if (old_bytes > 0)
        free_block(block, old_bytes);
    return moved;
}

void
heap_end_out_of_memory(const char *wanted)
{
    fprintf(stderr, "gbill: no memory %s\n", wanted);
    exit(err_exit_status(ERR_LIMIT));
}
