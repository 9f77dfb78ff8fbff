/*
 * store/base/heap.h - large pages for a job that walks through much memory.
 *
 * A fold touches some hundred megabytes of its own and LMDB's small blocks in no
 * order; with 4 KiB pages half its time goes to page faults and address
 * translation.  Linux gives 2 MiB pages where it is asked to (madvise), and
 * glibc's heap is one range that can be asked for.
 */
#ifndef STORE_BASE_HEAP_H
#define STORE_BASE_HEAP_H

#include <stddef.h>

/*
 * Let malloc() take from one range of heap of at least bytes, ask the kernel for
 * large pages there, and keep what is freed.  Address space only: memory is used
 * when it is touched.
 *
 * For a command to call once, before it allocates much.  A hint: where it has no
 * effect (another C library, a sanitizer, large pages off), nothing else changes.
 */
void heap_prefer_large_pages(size_t bytes);

/*
 * Resize an array that may become large: from a few megabytes on it is a mapping of
 * its own, in large pages where the kernel gives them, and what it leaves goes back
 * to the kernel at once.
 *
 *   block      what this call gave before, of old_bytes; NULL with 0
 *   new_bytes  0 frees it
 *
 * Returns the block, aligned to a cache line, bytes behind old_bytes as zeros; NULL
 * out of memory (the old block is as it was) and for 0.
 */
void *heap_resize(void *block, size_t old_bytes, size_t new_bytes);

/*
 * End the program because there is no memory: one line on stderr, ERR_LIMIT's status.
 *
 *   wanted  what for: "to read a JSON file"
 *
 * For jobs, which may end at any instruction, where a library or an interface has no
 * way to say it.
 */
void heap_end_out_of_memory(const char *wanted) __attribute__((noreturn));

#endif
