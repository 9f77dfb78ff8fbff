/*
 * store/base/list.h - a growing array of items of one size.
 */
#ifndef STORE_BASE_LIST_H
#define STORE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    void *items;
    size_t count, room, item_bytes;
};

/* Prepare an empty list; allocates nothing. */
void list_init(struct list *list, size_t item_bytes);
void list_clear(struct list *list); /* free; empty and usable again */

/* Room for need items in all; false out of memory, and the list is as it was. */
bool list_reserve(struct list *list, size_t need) __attribute__((warn_unused_result));

/*
 * Append a copy of one item.  item must not lie in the list.  False out of memory,
 * and the list is as it was.
 */
bool list_add(struct list *list, const void *item) __attribute__((warn_unused_result));

#endif
