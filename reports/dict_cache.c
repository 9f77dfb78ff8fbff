#include "reports/dict_cache.h"

#include <stdlib.h>

struct dict_cache *
dict_cache_new(struct tables_txn *txn)
{
    /* All zero: number 0 is the empty text. */
    struct dict_cache *cache = calloc(1, sizeof *cache);
    if (cache != NULL)
        cache->txn = txn;
    return cache;
}

void
dict_cache_free(struct dict_cache *cache)
{
    free(cache);
}
