#include <string.h>

#include "store/log/block_read.h"

/*
 * The events are written one by one: their shape's own bytes, and the next value of
 * each column that it names.  The counts have been checked, so no column runs out.
 */

enum { NUMBER_BYTES_MAX = 9, FOLLOWERS_FIRST = 4 };

uint8_t *
block_id_put(const struct block_decoder *d, uint8_t *to, const uint8_t *id, enum block_kind kind)
{
    bool dashes = kind == BLOCK_UUID;
    for (size_t i = 0; i < BLOCK_ID_BYTES; i++) {
        if (dashes && (i == 4 || i == 6 || i == 8 || i == 10))
            *to++ = '-';
        memcpy(to, d->hex[id[i]], 2);
        to += 2;
    }
    return to;
}

uint8_t *
block_text_head_put(uint8_t *to, size_t size_bytes, const struct read_column *c)
{
    bool is_text = c->kind != BLOCK_BIN;
    if (is_text && size_bytes < 32) {
        *to++ = (uint8_t)(0xa0 | size_bytes);
    } else if (size_bytes <= UINT8_MAX && !c->old_head) {
        *to++ = is_text ? 0xd9 : 0xc4;
        *to++ = (uint8_t)size_bytes;
    } else if (size_bytes <= UINT16_MAX) {
        *to++ = is_text ? 0xda : 0xc5;
        put_be16(to, (uint16_t)size_bytes);
        to += 2;
    } else {
        *to++ = is_text ? 0xdb : 0xc6;
        put_be32(to, (uint32_t)size_bytes);
        to += 4;
    }
    return to;
}

/* Another follower behind a leader's text. */
static bool
add_follower(struct block_decoder *d, struct read_head *head, uint32_t index)
{
    if (head->count == head->room) {
        size_t at = d->followers.count;
        uint16_t room = head->room > 0 ? (uint16_t)(2 * head->room) : FOLLOWERS_FIRST;
        if (head->count >= BLOCK_FOLLOWERS_MAX ||
            !read_room(d, list_reserve(&d->followers, at + room)))
            return false;
        uint32_t *all = d->followers.items;
        if (head->count > 0)
            memcpy(all + at, all + head->at, head->count * sizeof *all);
        d->followers.count = at + room;
        head->at = (uint32_t)at;
        head->room = room;
    }
    ((uint32_t *)d->followers.items)[head->at + head->count++] = index;
    return true;
}

/* Which text a code means behind the leader's last one: one seen there before, or the next new. */
static bool
follow(struct block_decoder *d, struct read_column *c, uint64_t code, uint64_t *ret_index)
{
    const struct read_column *leader = &d->columns[c->leader];
    struct read_head *head = (struct read_head *)d->heads.items + c->heads_at +
                             (leader->now != BLOCK_NONE ? leader->now : leader->distinct);
    const uint32_t *seen = (const uint32_t *)d->followers.items + head->at;
    if (code < head->count) {
        *ret_index = seen[code];
        return true;
    }
    if (code > head->count || c->fresh.at == c->fresh.count)
        return false;
    uint32_t before = head->count > 0 ? seen[head->count - 1] : c->newest;
    uint64_t index = before + block_unzigzag(read_next_number(&c->fresh, 0));
    if (index >= c->distinct || !add_follower(d, head, (uint32_t)index))
        return false;
    c->newest = (uint32_t)index;
    *ret_index = index;
    return true;
}

/* A sorted column's next text. */
static uint8_t *
put_sorted(struct block_decoder *d, struct read_column *c, uint8_t *to, const uint8_t *end)
{
    uint64_t index = read_next_number(&c->numbers, 0);
    if (c->leader != BLOCK_NO_LEADER && !follow(d, c, index, &index))
        return NULL;
    if (index >= c->distinct)
        return NULL;
    c->now = (uint32_t)index;
    const struct read_text *t = (const struct read_text *)d->texts.items + c->texts_at + index;
    return t->size_bytes <= (size_t)(end - to) ? read_copy(to, read_text_data(t), t->size_bytes)
                                               : NULL;
}

/* The next id of a column in which they do not repeat. */
static uint8_t *
put_id(struct block_decoder *d, struct read_column *c, uint8_t *to, const uint8_t *end)
{
    uint8_t id[BLOCK_ID_BYTES];
    size_t at = c->numbers.at++;
    size_t size = c->kind == BLOCK_UUID ? BLOCK_UUID_TEXT_BYTES : BLOCK_HEX_TEXT_BYTES;
    if (size + BLOCK_TEXT_HEAD_BYTES_MAX > (size_t)(end - to))
        return NULL;
    to = block_text_head_put(to, size, c);
    if (c->coding == BLOCK_PLAIN)
        return block_id_put(d, to, c->bytes + at * BLOCK_ID_BYTES, c->kind);
    for (size_t i = 0; i < BLOCK_ID_BYTES; i++)
        id[i] = c->split[i][at];
    return block_id_put(d, to, id, c->kind);
}

/* The next text of a column in which they do not repeat. */
static uint8_t *
put_plain(struct read_column *c, uint8_t *to, const uint8_t *end)
{
    uint64_t size = read_next_number(&c->numbers, 0);
    if (size > c->bytes_left || size + BLOCK_TEXT_HEAD_BYTES_MAX > (size_t)(end - to))
        return NULL;
    if (c->kind != BLOCK_REST)
        to = block_text_head_put(to, size, c);
    if (size > 0)
        memcpy(to, c->bytes, size);
    c->bytes += size;
    c->bytes_left -= (size_t)size;
    return to + size;
}

/* u in the fewest bytes that hold every number up to `most`, behind the first of their four tags. */
static uint8_t *
put_sized(uint8_t *to, uint8_t tag, uint64_t u, uint64_t most)
{
    if (most <= UINT8_MAX) {
        *to++ = tag;
        *to++ = (uint8_t)u;
    } else if (most <= UINT16_MAX) {
        *to++ = (uint8_t)(tag + 1);
        put_be16(to, (uint16_t)u);
        to += 2;
    } else if (most <= UINT32_MAX) {
        *to++ = (uint8_t)(tag + 2);
        put_be32(to, (uint32_t)u);
        to += 4;
    } else {
        *to++ = (uint8_t)(tag + 3);
        put_be64(to, u);
        to += 8;
    }
    return to;
}

static uint8_t *
put_uint(uint8_t *to, uint64_t u)
{
    if (u >= 0x80)
        return put_sized(to, 0xcc, u, u);
    *to = (uint8_t)u;
    return to + 1;
}

/* -1 - less_one, which takes a bit more than less_one does: its sign. */
static uint8_t *
put_negative(uint8_t *to, uint64_t less_one)
{
    uint64_t u = ~less_one;
    if (less_one >= 32)
        return put_sized(to, 0xd0, u, less_one <= INT64_MAX ? less_one << 1 : UINT64_MAX);
    *to = (uint8_t)u;
    return to + 1;
}

/* A number as the column's kind has it; at most 9 bytes. */
static uint8_t *
put_number(uint8_t *to, enum block_kind kind, uint64_t u)
{
    if (kind == BLOCK_UINT)
        return put_uint(to, u);
    if (kind == BLOCK_NEGATIVE)
        return put_negative(to, u);
    if (kind == BLOCK_SINGLE || kind == BLOCK_BITS_8) {
        *to = (uint8_t)(kind == BLOCK_SINGLE ? u + 0xc0 : u);
        return to + 1;
    }
    if (kind == BLOCK_BITS_16) {
        put_be16(to, (uint16_t)u);
        return to + 2;
    }
    if (kind == BLOCK_BITS_32) {
        put_be32(to, (uint32_t)u);
        return to + 4;
    }
    put_be64(to, u);
    return to + 8;
}

/* A column's next value at `to`; NULL when it is broken or there is no room for it. */
static inline uint8_t *
put_value(struct block_decoder *d, struct read_column *c, int64_t receive_utc_ms, uint8_t *to,
          const uint8_t *end)
{
    if (c->kind == BLOCK_UINT && end - to >= NUMBER_BYTES_MAX)
        return put_uint(to, read_next_number(&c->numbers, receive_utc_ms));
    if (c->coding == BLOCK_SORTED)
        return put_sorted(d, c, to, end);
    if (block_kind_is_id(c->kind))
        return put_id(d, c, to, end);
    if (!block_kind_is_number(c->kind))
        return put_plain(c, to, end);
    return end - to >= NUMBER_BYTES_MAX
               ? put_number(to, c->kind, read_next_number(&c->numbers, receive_utc_ms))
               : NULL;
}

static uint8_t *
put_event(struct block_decoder *d, const struct read_shape *s, int64_t receive_utc_ms, uint8_t *to,
          const uint8_t *end)
{
    const struct read_step *step = (const struct read_step *)d->steps.items + s->steps_at;
    for (size_t i = 0; i < s->step_count; i++, step++) {
        if (step->size_bytes > end - to)
            return NULL;
        to = read_copy(to, step->bytes, step->size_bytes);
        if (step->column == BLOCK_NO_COLUMN)
            continue;
        to = put_value(d, &d->columns[step->column], receive_utc_ms, to, end);
        if (to == NULL)
            return NULL;
    }
    return to;
}

bool
block_events_put(struct block_decoder *d, const struct frame *frame, struct buf *out)
{
    if (!read_room(d, buf_reserve(out, frame->raw_bytes + 2 * BLOCK_SLACK_BYTES)))
        return false;
    /* Values are put where the largest would fit: so much more room than they take. */
    uint8_t *start = out->data + out->size_bytes, *to = start;
    const uint8_t *end = start + frame->raw_bytes + BLOCK_SLACK_BYTES;
    for (uint32_t n = 0; to != NULL && n < frame->event_count; n++) {
        uint64_t which = read_next_number(&d->shape_of, 0);
        to = put_event(d, &d->shapes[which], frame->receive_utc_ms, to, end);
    }
    if (to == NULL || to != start + frame->raw_bytes)
        return false;
    out->size_bytes += frame->raw_bytes;
    return true;
}

bool
block_events_are_used_up(const struct block_decoder *d)
{
    for (size_t i = 0; i < d->column_count; i++) {
        const struct read_column *c = &d->columns[i];
        if ((c->bytes_left > 0 && !block_kind_is_id(c->kind)) || c->fresh.at != c->fresh.count)
            return false;
    }
    return true;
}
