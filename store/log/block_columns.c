#include "store/log/block_columns.h"

#include <stdlib.h>
#include <string.h>

/*
 * Numbers are cut into planes, one for each byte, since zstd's entropy stage codes
 * bytes: what is random in a number fills whole planes, which are stored as they
 * are, and what is not has planes of its own.
 *
 * A text that follows from another of its event (a user from its organization) is
 * coded as its place among those seen behind that one: the leader.  Which column
 * leads is found by trying.
 */

enum {
    SINK_BYTES_MAX = 64 * 1024 * 1024,
    LEADERS_TRIED_MAX = 8,
    LEVEL = 9,
    LEVEL_FEW = 19, /* of planes with few different bytes: a tenth smaller than at 9 */
};

#define NONE UINT32_MAX

/* A text, and where its different ones stand in the hash table. */
struct text {
    const uint8_t *data;
    uint32_t size_bytes, number;
};

struct link {
    uint32_t index, next;
};

/* What was seen behind one of the leader's texts, in order. */
struct head {
    uint32_t first, last, count;
};

bool
block_sink_init(struct block_sink *sink)
{
    *sink = (struct block_sink){.zstd = ZSTD_createCCtx()};
    buf_init(&sink->table, SINK_BYTES_MAX);
    buf_init(&sink->sections, SINK_BYTES_MAX);
    buf_init(&sink->scratch, SINK_BYTES_MAX);
    buf_init(&sink->packed, SINK_BYTES_MAX);
    list_init(&sink->numbers, sizeof(uint64_t));
    list_init(&sink->codes, sizeof(uint64_t));
    list_init(&sink->fresh, sizeof(uint64_t));
    list_init(&sink->slots, sizeof(uint32_t));
    list_init(&sink->texts, sizeof(struct text));
    list_init(&sink->links, sizeof(struct link));
    list_init(&sink->heads, sizeof(struct head));
    return sink->zstd != NULL;
}

void
block_sink_clear(struct block_sink *sink)
{
    ZSTD_freeCCtx(sink->zstd);
    buf_clear(&sink->table);
    buf_clear(&sink->sections);
    buf_clear(&sink->scratch);
    buf_clear(&sink->packed);
    list_clear(&sink->numbers);
    list_clear(&sink->codes);
    list_clear(&sink->fresh);
    list_clear(&sink->slots);
    list_clear(&sink->texts);
    list_clear(&sink->links);
    list_clear(&sink->heads);
}

static bool
put_section(struct block_sink *sink, struct bytes data, int level, struct buf *out)
{
    uint8_t head[BLOCK_SECTION_HEAD_BYTES];
    struct bytes stored = data;
    head[0] = BLOCK_SECTION_PLAIN;
    sink->packed.size_bytes = 0;
    if (data.size_bytes > 0) {
        if (!buf_reserve(&sink->packed, ZSTD_compressBound(data.size_bytes)))
            return false;
        size_t n = ZSTD_compressCCtx(sink->zstd, sink->packed.data, sink->packed.room_bytes,
                                     data.data, data.size_bytes, level);
        if (!ZSTD_isError(n) && n < data.size_bytes) {
            head[0] = BLOCK_SECTION_ZSTD;
            stored = (struct bytes){sink->packed.data, n};
            sink->inflated_bytes += data.size_bytes;
        }
    }
    put_le32(head + 1, (uint32_t)stored.size_bytes);
    put_le32(head + 5, (uint32_t)data.size_bytes);
    return buf_append(out, head, sizeof head) && buf_append(out, stored.data, stored.size_bytes);
}

bool
block_sink_section(struct block_sink *sink, struct bytes data, struct buf *out)
{
    return put_section(sink, data, LEVEL, out);
}

/* log2(x) in 1/256, straight between powers of two: good enough to compare. */
static uint64_t
log2_256(uint64_t x)
{
    unsigned top = 63U - (unsigned)__builtin_clzll(x);
    uint64_t below = x - ((uint64_t)1 << top);
    return top * 256U + (top >= 8 ? below >> (top - 8) : below << (8 - top));
}

static unsigned
width_of(uint64_t max)
{
    return max == 0 ? 0 : (71U - (unsigned)__builtin_clzll(max)) / 8;
}

/* What the bytes of a plane cost by their frequency, in 1/256 bit. */
static uint64_t
plane_cost(const uint32_t seen[256], size_t count)
{
    uint64_t cost = 0;
    for (size_t b = 0; b < 256; b++) {
        if (seen[b] > 0)
            cost += seen[b] * (log2_256(count) - log2_256(seen[b]));
    }
    return cost;
}

/* What numbers[i] - base costs likewise. */
static uint64_t
cost_of(const uint64_t *numbers, size_t count, uint64_t base, unsigned width)
{
    uint64_t cost = 0;
    for (unsigned plane = 0; plane < width; plane++) {
        uint32_t seen[256] = {0};
        for (size_t i = 0; i < count; i++)
            seen[(numbers[i] - base) >> (8 * plane) & 0xff]++;
        cost += plane_cost(seen, count);
    }
    return cost;
}

struct form {
    enum block_transform transform;
    unsigned width;
    uint64_t base, cost;
};

static void
apply(enum block_transform transform, const uint64_t *numbers, size_t count,
      const struct block_value *values, const struct frame *frames, uint64_t *out)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t before = transform == BLOCK_RECEIVED
                              ? (uint64_t)frames[values[i].frame].receive_utc_ms
                          : i > 0 ? numbers[i - 1]
                                  : 0;
        out[i] = transform == BLOCK_AS_IS      ? numbers[i]
                 : transform == BLOCK_RECEIVED ? block_zigzag(before - numbers[i])
                                               : block_zigzag(numbers[i] - before);
    }
}

static struct form
form_of(enum block_transform transform, const uint64_t *numbers, size_t count)
{
    uint64_t min = count > 0 ? numbers[0] : 0, max = min;
    for (size_t i = 1; i < count; i++) {
        min = numbers[i] < min ? numbers[i] : min;
        max = numbers[i] > max ? numbers[i] : max;
    }
    struct form f = {.transform = transform, .width = width_of(max - min), .base = min};
    f.cost = cost_of(numbers, count, f.base, f.width);
    return f;
}

/* values: of these numbers, to tell their frames; NULL: they have none. */
static bool
choose_form(struct block_sink *sink, const uint64_t *numbers, size_t count,
            const struct block_value *values, struct form *ret)
{
    *ret = form_of(BLOCK_AS_IS, numbers, count);
    if (ret->width == 0)
        return true;
    if (!list_reserve(&sink->numbers, count))
        return false;
    for (int t = BLOCK_STEP; t < BLOCK_TRANSFORMS; t++) {
        if (t == BLOCK_RECEIVED && values == NULL)
            continue;
        apply((enum block_transform)t, numbers, count, values, sink->frames, sink->numbers.items);
        struct form f = form_of((enum block_transform)t, sink->numbers.items, count);
        if (f.cost < ret->cost)
            *ret = f;
    }
    return true;
}

static bool
put_numbers(struct block_sink *sink, const uint64_t *numbers, size_t count,
            const struct block_value *values)
{
    struct form form;
    uint8_t described[10];
    if (!choose_form(sink, numbers, count, values, &form) || !list_reserve(&sink->numbers, count))
        return false;
    described[0] = (uint8_t)form.transform;
    described[1] = (uint8_t)form.width;
    put_le64(described + 2, form.base);
    if (!buf_append(&sink->table, described, sizeof described))
        return false;
    uint64_t *x = sink->numbers.items;
    apply(form.transform, numbers, count, values, sink->frames, x);
    for (unsigned plane = 0; plane < form.width; plane++) {
        sink->scratch.size_bytes = 0;
        if (!buf_reserve(&sink->scratch, count))
            return false;
        uint32_t seen[256] = {0};
        for (size_t i = 0; i < count; i++) {
            sink->scratch.data[i] = (uint8_t)((x[i] - form.base) >> (8 * plane));
            seen[sink->scratch.data[i]]++;
        }
        /* Over 7 bits a byte there is nothing to find, only time to lose. */
        int level = plane_cost(seen, count) / 256 < count * 7 ? LEVEL_FEW : LEVEL;
        if (!put_section(sink, (struct bytes){sink->scratch.data, count}, level, &sink->sections))
            return false;
    }
    return true;
}

bool
block_sink_numbers(struct block_sink *sink, const uint64_t *numbers, size_t count)
{
    return put_numbers(sink, numbers, count, NULL);
}

static struct bytes
text_of(const struct block_sink *sink, const struct block_column *c, size_t i)
{
    const struct block_value *v = (const struct block_value *)c->values.items + i;
    bool is_id = block_kind_is_id((enum block_kind)(c->kind & BLOCK_KIND_MASK));
    return (struct bytes){(is_id ? sink->ids.data : sink->events.data) + v->text.at,
                          v->text.size_bytes};
}

static int
compare_texts(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    return str_compare((struct str){(const char *)x->data, x->size_bytes},
                       (struct str){(const char *)y->data, y->size_bytes});
}

/*
 * The different texts of a column into sink->texts, in order, and which each value
 * is into its indexes.  *ret_sorted is false when there are too many for that.
 */
static bool
sort_texts(struct block_sink *sink, struct block_column *c, bool *ret_sorted)
{
    size_t count = c->values.count, room = 64, limit = count / 2;
    *ret_sorted = false;
    while (room < 2 * count)
        room *= 2;
    sink->texts.count = 0;
    if (!list_reserve(&sink->slots, room) || !list_reserve(&c->indexes, count))
        return false;
    uint32_t *slots = sink->slots.items, *indexes = c->indexes.items;
    memset(slots, 0xff, room * sizeof *slots);
    for (size_t i = 0; i < count; i++) {
        struct bytes t = text_of(sink, c, i);
        size_t at = (size_t)hash_mem(t.data, t.size_bytes) & (room - 1);
        struct text *texts = sink->texts.items;
        while (slots[at] != NONE && (texts[slots[at]].size_bytes != t.size_bytes ||
                                     memcmp(texts[slots[at]].data, t.data, t.size_bytes) != 0))
            at = (at + 1) & (room - 1);
        if (slots[at] == NONE) {
            struct text text = {t.data, (uint32_t)t.size_bytes, (uint32_t)sink->texts.count};
            if (sink->texts.count >= limit)
                return true;
            if (!list_add(&sink->texts, &text))
                return false;
            slots[at] = text.number;
        }
        indexes[i] = slots[at];
    }
    struct text *texts = sink->texts.items;
    c->distinct = (uint32_t)sink->texts.count;
    qsort(texts, c->distinct, sizeof *texts, compare_texts);
    for (uint32_t i = 0; i < c->distinct; i++)
        slots[texts[i].number] = i;
    for (size_t i = 0; i < count; i++)
        indexes[i] = slots[indexes[i]];
    *ret_sorted = true;
    return true;
}

/* The sorted texts: how much each shares with the one before, and the rest of it. */
static bool
put_texts(struct block_sink *sink)
{
    const struct text *texts = sink->texts.items;
    size_t count = sink->texts.count;
    if (!list_reserve(&sink->codes, count) || !list_reserve(&sink->fresh, count))
        return false;
    uint64_t *shared = sink->codes.items, *rest = sink->fresh.items;
    for (size_t i = 0; i < count; i++) {
        uint32_t n = 0;
        while (i > 0 && n < texts[i].size_bytes && n < texts[i - 1].size_bytes &&
               texts[i].data[n] == texts[i - 1].data[n])
            n++;
        shared[i] = n;
        rest[i] = texts[i].size_bytes - n;
    }
    if (!block_sink_numbers(sink, shared, count) || !block_sink_numbers(sink, rest, count))
        return false;
    sink->scratch.size_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!buf_append(&sink->scratch, texts[i].data + shared[i], rest[i]))
            return false;
    }
    return block_sink_section(sink, (struct bytes){sink->scratch.data, sink->scratch.size_bytes},
                              &sink->sections);
}

/*
 * Code a column by its leader into sink->codes and sink->fresh.  *ret_coded is
 * false when too many different texts follow one of the leader's.
 */
static bool
follow(struct block_sink *sink, const struct block_column *c, const struct block_column *leader,
       bool *ret_coded)
{
    size_t count = c->values.count, at = 0;
    *ret_coded = false;
    sink->links.count = sink->codes.count = sink->fresh.count = 0;
    if (!list_reserve(&sink->heads, (size_t)leader->distinct + 1) ||
        !list_reserve(&sink->codes, count) || !list_reserve(&sink->fresh, count))
        return false;
    struct head *heads = sink->heads.items;
    for (size_t i = 0; i <= leader->distinct; i++)
        heads[i] = (struct head){NONE, NONE, 0};
    const struct block_value *mine = c->values.items, *others = leader->values.items;
    const uint32_t *indexes = c->indexes.items, *leading = leader->indexes.items;
    uint64_t *codes = sink->codes.items, *fresh = sink->fresh.items;
    uint32_t newest = 0;
    for (size_t i = 0; i < count; i++) {
        while (at < leader->values.count && others[at].order < mine[i].order)
            at++;
        struct head *head = &heads[at > 0 ? leading[at - 1] : leader->distinct];
        struct link *links = sink->links.items;
        uint32_t l = head->first, code = 0;
        for (; l != NONE && links[l].index != indexes[i]; l = links[l].next)
            code++;
        codes[i] = code;
        if (l != NONE)
            continue;
        if (head->count == BLOCK_FOLLOWERS_MAX)
            return true;
        uint32_t before = head->count > 0 ? links[head->last].index : newest;
        fresh[sink->fresh.count++] = block_zigzag((uint64_t)indexes[i] - before);
        newest = indexes[i];
        struct link link = {indexes[i], NONE};
        if (!list_add(&sink->links, &link))
            return false;
        links = sink->links.items;
        uint32_t last = (uint32_t)sink->links.count - 1;
        if (head->count++ > 0)
            links[head->last].next = last;
        else
            head->first = last;
        head->last = last;
    }
    sink->codes.count = count;
    *ret_coded = true;
    return true;
}

static bool
cost_of_list(struct block_sink *sink, const struct list *list, uint64_t *ret)
{
    struct form form;
    if (!choose_form(sink, list->items, list->count, NULL, &form))
        return false;
    *ret += form.cost;
    return true;
}

/* The indexes as they are, as numbers in sink->codes. */
static bool
lead_itself(struct block_sink *sink, const struct block_column *c)
{
    if (!list_reserve(&sink->codes, c->values.count))
        return false;
    const uint32_t *indexes = c->indexes.items;
    uint64_t *codes = sink->codes.items;
    for (size_t i = 0; i < c->values.count; i++)
        codes[i] = indexes[i];
    sink->codes.count = c->values.count;
    return true;
}

static bool
find_leader(struct block_sink *sink, const struct block_column *columns, size_t which,
            size_t *ret_leader)
{
    const struct block_column *c = &columns[which];
    uint64_t best = 0;
    *ret_leader = BLOCK_NO_LEADER;
    if (!lead_itself(sink, c) || !cost_of_list(sink, &sink->codes, &best))
        return false;
    for (size_t i = which, tried = 0; i-- > 0 && tried < LEADERS_TRIED_MAX && c->distinct > 1;) {
        uint64_t cost = 0;
        bool coded;
        if (columns[i].distinct < 2 || columns[i].distinct > c->values.count)
            continue;
        tried++;
        if (!follow(sink, c, &columns[i], &coded))
            return false;
        if (!coded)
            continue;
        if (!cost_of_list(sink, &sink->codes, &cost) || !cost_of_list(sink, &sink->fresh, &cost))
            return false;
        if (cost < best) {
            best = cost;
            *ret_leader = i;
        }
    }
    return true;
}

static bool
put_sorted(struct block_sink *sink, const struct block_column *columns, size_t which)
{
    const struct block_column *c = &columns[which];
    uint8_t described[6];
    size_t leader;
    bool coded;
    if (!find_leader(sink, columns, which, &leader))
        return false;
    put_le32(described, c->distinct);
    described[4] = (uint8_t)leader;
    described[5] = (uint8_t)(leader >> 8);
    if (!buf_append(&sink->table, described, sizeof described) || !put_texts(sink))
        return false;
    if (leader == BLOCK_NO_LEADER)
        return lead_itself(sink, c) &&
               block_sink_numbers(sink, sink->codes.items, sink->codes.count);
    if (!follow(sink, c, &columns[leader], &coded) ||
        !block_sink_numbers(sink, sink->codes.items, sink->codes.count))
        return false;
    put_le32(described, (uint32_t)sink->fresh.count);
    return buf_append(&sink->table, described, 4) &&
           block_sink_numbers(sink, sink->fresh.items, sink->fresh.count);
}

/* Texts one behind the other, with their lengths unless all are ids. */
static bool
put_plain(struct block_sink *sink, const struct block_column *c)
{
    size_t count = c->values.count;
    bool is_id = block_kind_is_id((enum block_kind)(c->kind & BLOCK_KIND_MASK));
    if (!is_id) {
        if (!list_reserve(&sink->codes, count))
            return false;
        uint64_t *sizes = sink->codes.items;
        for (size_t i = 0; i < count; i++)
            sizes[i] = text_of(sink, c, i).size_bytes;
        if (!block_sink_numbers(sink, sizes, count))
            return false;
    }
    sink->scratch.size_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        struct bytes t = text_of(sink, c, i);
        if (!buf_append(&sink->scratch, t.data, t.size_bytes))
            return false;
    }
    return block_sink_section(sink, (struct bytes){sink->scratch.data, sink->scratch.size_bytes},
                              &sink->sections);
}

static bool
put_split(struct block_sink *sink, const struct block_column *c)
{
    size_t count = c->values.count;
    for (size_t byte = 0; byte < BLOCK_ID_BYTES; byte++) {
        sink->scratch.size_bytes = 0;
        if (!buf_reserve(&sink->scratch, count))
            return false;
        for (size_t i = 0; i < count; i++)
            sink->scratch.data[i] = text_of(sink, c, i).data[byte];
        if (!block_sink_section(sink, (struct bytes){sink->scratch.data, count}, &sink->sections))
            return false;
    }
    return true;
}

/* Ids that do not repeat: rows find retries, planes find what is alike in all. */
static bool
put_ids(struct block_sink *sink, const struct block_column *c, uint8_t *coding)
{
    size_t start = sink->sections.size_bytes;
    uint64_t inflated = sink->inflated_bytes;
    if (!put_split(sink, c))
        return false;
    size_t split_bytes = sink->sections.size_bytes - start;
    sink->sections.size_bytes = start;
    sink->inflated_bytes = inflated;
    if (!put_plain(sink, c))
        return false;
    if (sink->sections.size_bytes - start <= split_bytes)
        return true;
    sink->sections.size_bytes = start;
    sink->inflated_bytes = inflated;
    *coding = BLOCK_SPLIT;
    return put_split(sink, c);
}

bool
block_sink_column(struct block_sink *sink, struct block_column *columns, size_t which)
{
    struct block_column *c = &columns[which];
    enum block_kind kind = (enum block_kind)(c->kind & BLOCK_KIND_MASK);
    size_t count = c->values.count;
    uint8_t described[2] = {c->kind, BLOCK_PLAIN};
    bool sorted = false;
    c->distinct = 0;
    if (block_kind_is_number(kind)) {
        if (!buf_append(&sink->table, described, 1) || !list_reserve(&sink->codes, count))
            return false;
        const struct block_value *values = c->values.items;
        uint64_t *numbers = sink->codes.items;
        for (size_t i = 0; i < count; i++)
            numbers[i] = values[i].number;
        return put_numbers(sink, numbers, count, values);
    }
    if (kind != BLOCK_REST && !sort_texts(sink, c, &sorted))
        return false;
    size_t coding_at = sink->table.size_bytes + 1;
    described[1] = sorted ? BLOCK_SORTED : BLOCK_PLAIN;
    if (!buf_append(&sink->table, described, sizeof described))
        return false;
    if (sorted)
        return put_sorted(sink, columns, which);
    if (!block_kind_is_id(kind))
        return put_plain(sink, c);
    uint8_t coding = BLOCK_PLAIN;
    bool ok = put_ids(sink, c, &coding);
    sink->table.data[coding_at] = coding;
    return ok;
}
