#include "billing/plan.h"

#include <stdlib.h>

void
plan_book_free(struct plan_book *book)
{
    if (book == NULL)
        return;
    struct arena arena = book->arena; /* the book lies in its own arena */
    arena_clear(&arena);
}

const struct plan *
plan_find(const struct plan_book *book, struct str id)
{
    for (size_t i = 0; i < book->plan_count; i++) {
        if (str_equal(book->plans[i].id, id))
            return &book->plans[i];
    }
    return NULL;
}

bool
plan_allows(const struct plan *plan, enum limit_dimension dimension, uint64_t used)
{
    return used < plan->limits[dimension] || plan->limits[dimension] == LIMIT_UNLIMITED ||
           (dimension == LIMIT_AI_CREDITS && plan->sells_overage);
}

const struct plan *
plan_upgrade(const struct plan_book *book, const struct plan *plan, enum limit_dimension dimension,
             uint64_t used)
{
    for (size_t i = 0; i < book->plan_count; i++) {
        if (book->plans[i].order > plan->order && plan_allows(&book->plans[i], dimension, used))
            return &book->plans[i];
    }
    return NULL;
}
