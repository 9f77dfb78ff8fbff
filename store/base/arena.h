/*
 * store/base/arena.h - a capped arena: memory of one unit of work.
 *
 * Allocations live until arena_reset() or arena_clear().  The cap is what the
 * unit may ever take; beyond it arena_alloc() answers NULL and the caller
 * reports ERR_LIMIT.  Single-threaded.
 */
#ifndef STORE_BASE_ARENA_H
#define STORE_BASE_ARENA_H

#include <stddef.h>

#include "store/base/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* over all blocks, headers included */
    size_t cap_bytes;
};

/* Prepare an empty arena; allocates nothing. */
void arena_init(struct arena *arena, size_t cap_bytes);

/* Give everything back; the arena is empty and usable again. */
void arena_clear(struct arena *arena);

/* size_bytes of zeroed memory aligned for any type, or NULL at the cap. */
void *arena_alloc(struct arena *arena, size_t size_bytes);

/* A NUL-terminated copy of s, or NULL at the cap. */
char *arena_text(struct arena *arena, struct str s);

#endif
