#include "reports/pdf/pages.h"

/* The blocks from first on that stay together. */
static size_t
group_end(const struct pages_block *blocks, size_t count, size_t first, int *height)
{
    size_t end = first;
    *height = 0;
    do
        *height += blocks[end].height;
    while (blocks[end++].with_next && end < count);
    return end;
}

size_t
pages_break(const struct pages_block *blocks, size_t count, int first_room, int next_room,
            size_t *ret_starts)
{
    size_t pages = 1, i = 0;
    int left = first_room, height;
    ret_starts[0] = 0;
    while (i < count) {
        size_t end = group_end(blocks, count, i, &height);
        if (height > next_room) { /* no page can hold them: one by one */
            end = i + 1;
            height = blocks[i].height;
        }
        bool page_is_empty = i == ret_starts[pages - 1];
        if (height > left && !(page_is_empty && pages > 1)) {
            ret_starts[pages++] = i;
            left = next_room;
        }
        left -= height;
        i = end;
    }
    return pages;
}
