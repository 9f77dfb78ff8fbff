#include "reports/names.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/tables/dict.h"

/* A million ids of 64 bytes, the arena's rounding included, and room to spare. */
enum { NAMES_TEXT_BYTES_MAX = 256 * 1024 * 1024 };

struct name {
    struct str text;
    uint32_t rank;
};

/* NULL out of memory. */
static struct name *
name_at(struct names *names, uint64_t number)
{
    return map_at(&names->by_number, &number, map_hash(&names->by_number, &number));
}

void
names_init(struct names *names)
{
    *names = (struct names){.ranked = NULL};
    map_init(&names->by_number, sizeof(uint64_t), sizeof(struct name));
    arena_init(&names->texts, NAMES_TEXT_BYTES_MAX);
}

void
names_clear(struct names *names)
{
    map_clear(&names->by_number);
    arena_clear(&names->texts);
    free(names->ranked);
    names_init(names);
}

enum err_code
names_add(struct names *names, struct tables_txn *txn, uint32_t number, struct err *err)
{
    size_t known = names->by_number.count;
    struct name *name = name_at(names, number);
    if (name == NULL)
        return err_set(err, ERR_LIMIT, "no memory for %zu names; ask for one --org", known);
    if (names->by_number.count == known)
        return ERR_OK;
    struct str text = dict_text(txn, number);
    if (number != 0 && text.size_bytes == 0)
        return err_set(err, ERR_CORRUPT,
                       "usage names text %u, which the dictionary has not; run gbill rollup "
                       "--rebuild",
                       number);
    const char *copy = arena_text(&names->texts, text);
    if (copy == NULL)
        return err_set(err, ERR_LIMIT,
                       "the names of this report take more than %d MiB; ask for one --org or name "
                       "fewer columns in --by",
                       NAMES_TEXT_BYTES_MAX / (1024 * 1024));
    name->text = (struct str){copy, text.size_bytes};
    return ERR_OK;
}

static int
compare(const void *a, const void *b, void *context)
{
    const struct map *map = context;
    const struct name *x = map_value(map, *(const uint32_t *)a);
    const struct name *y = map_value(map, *(const uint32_t *)b);
    size_t n = x->text.size_bytes < y->text.size_bytes ? x->text.size_bytes : y->text.size_bytes;
    int order = memcmp(x->text.data, y->text.data, n);
    return order != 0 ? order
                      : (x->text.size_bytes > y->text.size_bytes) -
                            (x->text.size_bytes < y->text.size_bytes);
}

static uint64_t
number_at(const struct map *map, uint32_t index)
{
    uint64_t number;
    memcpy(&number, map_key(map, index), sizeof number);
    return number;
}

enum err_code
names_rank(struct names *names, struct err *err)
{
    const struct map *map = &names->by_number;
    assert(names->ranked == NULL);
    uint32_t *order = malloc((map->count + 1) * sizeof *order);
    names->ranked = malloc((map->count + 1) * sizeof *names->ranked);
    if (order == NULL || names->ranked == NULL) {
        free(order);
        return err_set(err, ERR_LIMIT, "no memory to sort %zu names; ask for one --org",
                       map->count);
    }
    for (uint32_t i = 0; i < map->count; i++)
        order[i] = i;
    qsort_r(order, map->count, sizeof *order, compare, &names->by_number);
    for (uint32_t rank = 0; rank < map->count; rank++) {
        struct name *name = name_at(names, number_at(map, order[rank]));
        name->rank = rank;
        names->ranked[rank] = name->text;
    }
    free(order);
    return ERR_OK;
}

uint32_t
names_rank_of(struct names *names, uint32_t number)
{
    size_t known = names->by_number.count;
    const struct name *name = name_at(names, number);
    assert(name != NULL && names->by_number.count == known);
    return name->rank;
}
