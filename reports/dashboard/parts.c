#include "reports/dashboard/parts.h"

#include <string.h>

enum { PARTS_MAX = 1000000 };

struct part_key {
    uint32_t provider, name;
};

void
parts_init(struct parts *parts)
{
    map_init(&parts->sums, sizeof(struct part_key), sizeof(struct board_sum));
}

void
parts_clear(struct parts *parts)
{
    map_clear(&parts->sums);
}

static void
add(struct board_sum *sum, const struct board_sum *more)
{
    sum->cost_pico += more->cost_pico;
    sum->calls += more->calls;
    sum->credits += more->credits;
    sum->unpriced_calls += more->unpriced_calls;
}

bool
parts_add(struct parts *parts, uint32_t provider, uint32_t name, const struct board_sum *more)
{
    const struct part_key key = {provider, name};
    struct board_sum *sum = map_at(&parts->sums, &key, map_hash(&parts->sums, &key));
    if (sum == NULL || parts->sums.count > PARTS_MAX)
        return false;
    add(sum, more);
    return true;
}

/* Of equal ones the first that was added goes first: the tables' order. */
static bool
is_dearer(const struct board_sum *a, const struct board_sum *b)
{
    return a->cost_pico != b->cost_pico ? a->cost_pico > b->cost_pico : a->credits > b->credits;
}

void
parts_rank(struct parts *parts, struct board_cut *cut)
{
    const struct map *sums = &parts->sums;
    size_t n = 0;
    memset(cut, 0, sizeof *cut);
    for (uint32_t i = 0; i < sums->count; i++) {
        const struct board_sum *sum = map_value(sums, i);
        size_t at = n;
        while (at > 0 && is_dearer(sum, map_value(sums, parts->ranked[at - 1])))
            at--;
        add(&cut->rest, sum);
        if (at == BOARD_PARTS_MAX)
            continue;
        n += n < BOARD_PARTS_MAX;
        memmove(&parts->ranked[at + 1], &parts->ranked[at], (n - at - 1) * sizeof parts->ranked[0]);
        parts->ranked[at] = i;
    }
    for (size_t i = 0; i < n; i++) {
        const struct board_sum *sum = map_value(sums, parts->ranked[i]);
        cut->parts[i].sum = *sum;
        cut->rest.cost_pico -= sum->cost_pico;
        cut->rest.calls -= sum->calls;
        cut->rest.credits -= sum->credits;
        cut->rest.unpriced_calls -= sum->unpriced_calls;
    }
    cut->part_count = n;
    cut->rest_count = sums->count - n;
}

static const struct part_key *
key_at(const struct parts *parts, size_t i)
{
    return (const struct part_key *)(const void *)map_key(&parts->sums, parts->ranked[i]);
}

uint32_t
parts_provider(const struct parts *parts, size_t i)
{
    return key_at(parts, i)->provider;
}

uint32_t
parts_name(const struct parts *parts, size_t i)
{
    return key_at(parts, i)->name;
}
