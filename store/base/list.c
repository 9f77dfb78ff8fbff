#include "store/base/list.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_ROOM_FIRST = 64 };

void
list_init(struct list *list, size_t item_bytes)
{
    *list = (struct list){.item_bytes = item_bytes};
}

void
list_clear(struct list *list)
{
    free(list->items);
    list_init(list, list->item_bytes);
}

bool
list_reserve(struct list *list, size_t need)
{
    if (need <= list->room)
        return true;
    size_t room = need < LIST_ROOM_FIRST ? LIST_ROOM_FIRST : need + need / 2;
    void *items = realloc(list->items, room * list->item_bytes);
    if (items == NULL)
        return false;
    list->items = items;
    list->room = room;
    return true;
}

bool
list_add(struct list *list, const void *item)
{
    if (!list_reserve(list, list->count + 1))
        return false;
    memcpy((char *)list->items + list->count++ * list->item_bytes, item, list->item_bytes);
    return true;
}
