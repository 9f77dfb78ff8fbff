#include "store/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK_BYTES = 64 * 1024, ARENA_ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t size_bytes; /* of data */
    size_t used_bytes;
    size_t pad;
    uint8_t data[];
};

void
arena_init(struct arena *arena, size_t cap_bytes)
{
    *arena = (struct arena){.cap_bytes = cap_bytes};
}

void
arena_clear(struct arena *arena)
{
    struct arena_block *b = arena->blocks;
    while (b != NULL) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
    arena->blocks = NULL;
    arena->used_bytes = 0;
}

void *
arena_alloc(struct arena *arena, size_t size_bytes)
{
    if (size_bytes > arena->cap_bytes)
        return NULL;
    size_t need = (size_bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    struct arena_block *b = arena->blocks;
    if (b == NULL || b->size_bytes - b->used_bytes < need) {
        size_t left = arena->cap_bytes - arena->used_bytes;
        if (left < sizeof *b || left - sizeof *b < need)
            return NULL;
        /* A small cap, or the last stretch before it, gets a smaller block. */
        size_t data_bytes = need > ARENA_BLOCK_BYTES ? need : ARENA_BLOCK_BYTES;
        if (data_bytes > left - sizeof *b)
            data_bytes = left - sizeof *b;
        size_t total = sizeof *b + data_bytes;
        b = calloc(1, total);
        if (b == NULL)
            return NULL;
        b->size_bytes = data_bytes;
        b->next = arena->blocks;
        arena->blocks = b;
        arena->used_bytes += total;
    }
    void *p = b->data + b->used_bytes;
    b->used_bytes += need;
    return p;
}

char *
arena_text(struct arena *arena, struct str s)
{
    char *p = arena_alloc(arena, s.size_bytes + 1);
    if (p != NULL && s.size_bytes > 0)
        memcpy(p, s.data, s.size_bytes);
    return p;
}
