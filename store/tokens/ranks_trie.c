/*
 * store/tokens/ranks_trie.c - lay the tokens out as a trie in one array.
 *
 * Nodes are taken breadth first, so that the upper ones, which every text passes, lie together.  A
 * node's children lie within one block of 256 units, where its base says.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/tokens/ranks.h"

enum {
    BLOCK = 256,
    BLOCKS_TRIED = 24,   /* the newest with room; older ones are as good as full */
    UNITS_MAX = 1 << 24, /* a base has 24 bits */
};

/* Tokens first to last, sorted, begin with the same depth bytes. */
struct node {
    uint32_t first, last, depth;
    uint32_t unit;   /* which its base goes into; UINT32_MAX: the root */
    uint32_t prefix; /* the longest token on the way here */
};

struct layout {
    struct ranks *ranks;
    uint32_t *sorted, sorted_count;
    struct list queue;        /* of struct node */
    uint8_t *taken, *is_base; /* by unit; UNITS_MAX of them */
    uint16_t *room;           /* free units by block */
    uint32_t block_count;
};

static const struct ranks *sorting; /* qsort() has no argument for it */

static int
compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    struct str left = {(const char *)sorting->text + sorting->tokens[x].offset_bytes,
                       ranks_token_bytes(sorting, x)};
    struct str right = {(const char *)sorting->text + sorting->tokens[y].offset_bytes,
                        ranks_token_bytes(sorting, y)};
    return str_compare(left, right);
}

static uint8_t
byte_of(const struct layout *l, uint32_t place, uint32_t depth)
{
    return l->ranks->text[l->ranks->tokens[l->sorted[place]].offset_bytes + depth];
}

static bool
add_block(struct layout *l)
{
    uint32_t count = (l->block_count + 1) * BLOCK;
    if (count > UNITS_MAX || !list_reserve(&l->ranks->units, count))
        return false;
    memset((struct encodings_unit *)l->ranks->units.items + l->ranks->units.count, 0,
           BLOCK * sizeof(struct encodings_unit));
    l->ranks->units.count = count;
    l->room[l->block_count++] = BLOCK;
    return true;
}

/* A base in the block, not yet used, with which all labels fall on free units; 0: none. */
static uint32_t
base_in(const struct layout *l, uint32_t block, const uint8_t *labels, size_t count)
{
    for (uint32_t base = block * BLOCK; base < (block + 1) * BLOCK; base++) {
        size_t i = 0;
        if (l->is_base[base])
            continue;
        while (i < count && !l->taken[base ^ labels[i]])
            i++;
        if (i == count)
            return base;
    }
    return 0;
}

static uint32_t
find_base(struct layout *l, const uint8_t *labels, size_t count)
{
    uint32_t base = 0, tried = 0;
    for (uint32_t block = l->block_count; block > 0 && base == 0 && tried < BLOCKS_TRIED; block--)
        if (l->room[block - 1] >= count) {
            base = base_in(l, block - 1, labels, count);
            tried++;
        }
    if (base == 0 && add_block(l))
        base = base_in(l, l->block_count - 1, labels, count);
    return base;
}

/* The token that ends at the node, if there is one, and what it is worth. */
static uint32_t
end_token(struct layout *l, struct node *node)
{
    uint32_t id = l->sorted[node->first];
    struct encodings_token *token = &l->ranks->tokens[id];
    if (node->depth == 0 || ranks_token_bytes(l->ranks, id) != node->depth)
        return 0;
    token->prefix_size |= node->prefix << 8;
    node->first++;
    if (token->left == ENCODINGS_NO_TOKEN)
        return (id + 1) | ENCODINGS_WHOLE;
    node->prefix = id;
    return id + 1;
}

static bool
lay_node(struct layout *l, struct node node)
{
    struct encodings_unit *units = l->ranks->units.items;
    uint8_t labels[BLOCK];
    uint32_t begins[BLOCK + 1];
    size_t count = 0;
    if (node.unit != UINT32_MAX)
        units[node.unit].token = end_token(l, &node);
    for (uint32_t i = node.first; i < node.last; i++)
        if (count == 0 || labels[count - 1] != byte_of(l, i, node.depth)) {
            labels[count] = byte_of(l, i, node.depth);
            begins[count++] = i;
        }
    begins[count] = node.last;
    if (count == 0)
        return true;
    uint32_t base = find_base(l, labels, count);
    if (base == 0)
        return false;
    units = l->ranks->units.items;
    l->is_base[base] = 1;
    if (node.unit != UINT32_MAX)
        units[node.unit].base_label |= base << 8;
    else
        l->ranks->root_base = base;
    for (size_t i = 0; i < count; i++) {
        uint32_t unit = base ^ labels[i];
        l->taken[unit] = 1;
        l->room[unit / BLOCK]--;
        units[unit].base_label = labels[i];
        struct node child = {begins[i], begins[i + 1], node.depth + 1, unit, node.prefix};
        if (!list_add(&l->queue, &child))
            return false;
    }
    return true;
}

/* A free unit's label is that of a base which nobody has, so no walk ends up there. */
static void
label_free_units(struct layout *l)
{
    struct encodings_unit *units = l->ranks->units.items;
    for (uint32_t block = 0; block < l->block_count; block++) {
        uint32_t nobody = block * BLOCK;
        if (l->room[block] == 0)
            continue;
        while (l->is_base[nobody])
            nobody++;
        assert(nobody <
               (block + 1) * BLOCK); /* fewer nodes have children here than there are units */
        for (uint32_t unit = block * BLOCK; unit < (block + 1) * BLOCK; unit++)
            if (!l->taken[unit])
                units[unit].base_label = (unit ^ nobody) & 0xff;
    }
}

enum err_code
ranks_lay_trie(struct ranks *ranks, struct err *err)
{
    struct layout l = {.ranks = ranks};
    enum err_code code = ERR_OK;
    list_init(&l.queue, sizeof(struct node));
    l.sorted = malloc(ENCODINGS_TOKENS_MAX * sizeof *l.sorted);
    l.taken = calloc(UNITS_MAX, 1);
    l.is_base = calloc(UNITS_MAX, 1);
    l.room = calloc(UNITS_MAX / BLOCK, sizeof *l.room);
    bool fits = l.sorted != NULL && l.taken != NULL && l.is_base != NULL && l.room != NULL &&
                add_block(&l);
    if (fits) {
        l.is_base[0] = 1; /* of nodes without children: nobody's child stands there */
        for (uint32_t id = 0; id < ranks->token_count; id++)
            if (ranks_token_bytes(ranks, id) > 0)
                l.sorted[l.sorted_count++] = id;
        sorting = ranks;
        qsort(l.sorted, l.sorted_count, sizeof *l.sorted, compare_ids);
        fits = list_add(&l.queue,
                        &(struct node){0, l.sorted_count, 0, UINT32_MAX, ENCODINGS_NO_TOKEN});
    }
    for (size_t i = 0; i < l.queue.count && fits; i++)
        fits = lay_node(&l, ((struct node *)l.queue.items)[i]);
    if (fits)
        label_free_units(&l);
    else
        code = err_set(err, ERR_LIMIT, "no memory for a trie of %u tokens", ranks->token_count);
    list_clear(&l.queue);
    free(l.sorted);
    free(l.taken);
    free(l.is_base);
    free(l.room);
    return code;
}
