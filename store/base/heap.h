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

#endif
