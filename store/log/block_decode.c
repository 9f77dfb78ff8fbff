#include "store/log/block_read.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/*
 * Sections are inflated into one buffer, whose size the section heads give before
 * a byte is allocated; then the columns are found in them (block_events.c goes on).
 *
 * Every count is checked against what is there: numbers are as many as the shapes
 * ask for, and a plane has exactly one byte for each.
 */

enum {
    SPELT_SLACK_BYTES = BLOCK_SLACK_BYTES + BLOCK_UUID_TEXT_BYTES + BLOCK_TEXT_HEAD_BYTES_MAX,
};

/* What is not yet read of the body's sections, or of one. */
struct input {
    struct block_decoder *d;
    const uint8_t *p, *end;
};

void
block_init(struct block *block)
{
    *block = (struct block){0};
    list_init(&block->frames, sizeof(struct frame));
}

void
block_clear(struct block *block)
{
    struct block_decoder *d = block->decoder;
    if (d != NULL) {
        ZSTD_freeDCtx(d->zstd);
        buf_clear(&d->inflated);
        buf_clear(&d->spelt);
        list_clear(&d->texts);
        list_clear(&d->heads);
        list_clear(&d->steps);
        list_clear(&d->followers);
        buf_clear(&d->pieces);
        free(d);
    }
    list_clear(&block->frames);
    block_init(block);
}

static struct block_decoder *
decoder_new(void)
{
    static const char digits[] = "0123456789abcdef";
    struct block_decoder *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    d->zstd = ZSTD_createDCtx();
    if (d->zstd == NULL) {
        free(d);
        return NULL;
    }
    buf_init(&d->inflated, BLOCK_INFLATED_BYTES_MAX);
    buf_init(&d->spelt, BLOCK_RAW_BYTES_MAX + SPELT_SLACK_BYTES);
    buf_init(&d->pieces, BLOCK_SHAPES_BYTES_MAX + BLOCK_SLACK_BYTES);
    list_init(&d->texts, sizeof(struct read_text));
    list_init(&d->heads, sizeof(struct read_head));
    list_init(&d->steps, sizeof(struct read_step));
    list_init(&d->followers, sizeof(uint32_t));
    if (!list_reserve(&d->followers, 1)) { /* pointed at even while there are none */
        ZSTD_freeDCtx(d->zstd);
        free(d);
        return NULL;
    }
    for (size_t i = 0; i < 256; i++) {
        d->hex[i][0] = digits[i >> 4];
        d->hex[i][1] = digits[i & 15];
    }
    return d;
}

bool
block_is(struct bytes stored)
{
    return stored.size_bytes >= 4 && get_le32(stored.data) == BLOCK_MAGIC;
}

/* ---- sections ---- */

/* Step over a section and say how it lies there. */
static bool
next_section(struct input *in, uint8_t *ret_how, struct bytes *ret_stored, size_t *ret_inflated)
{
    if ((size_t)(in->end - in->p) < BLOCK_SECTION_HEAD_BYTES)
        return false;
    const uint8_t *h = in->p;
    size_t stored = get_le32(h + 1), inflated = get_le32(h + 5);
    in->p += BLOCK_SECTION_HEAD_BYTES;
    if (stored > (size_t)(in->end - in->p) || h[0] > BLOCK_SECTION_ZSTD ||
        (h[0] == BLOCK_SECTION_PLAIN && stored != inflated))
        return false;
    *ret_how = h[0];
    *ret_stored = (struct bytes){in->p, stored};
    *ret_inflated = inflated;
    in->p += stored;
    return true;
}

/* Room for all compressed sections, if they are no bomb. */
static enum err_code
reserve_sections(struct input in, struct err *err)
{
    size_t total = 0, inflated, body = (size_t)(in.end - in.p);
    struct bytes stored;
    uint8_t how;
    while (in.p < in.end) {
        if (!next_section(&in, &how, &stored, &inflated))
            return err_set(err, ERR_CORRUPT, "its sections are not whole");
        total += how == BLOCK_SECTION_ZSTD ? inflated : 0;
    }
    if (total > BLOCK_INFLATED_BYTES_MAX || total > (body + BLOCK_HEAD_BYTES) * BLOCK_RATIO_MAX)
        return err_set(err, ERR_CORRUPT, "its sections would have %zu bytes, too many for %zu",
                       total, body);
    in.d->inflated.size_bytes = 0;
    return buf_reserve(&in.d->inflated, total)
               ? ERR_OK
               : err_set(err, ERR_LIMIT, "no memory for a block of %zu bytes", total);
}

static bool
read_section(struct input *in, struct bytes *ret)
{
    struct bytes stored;
    size_t inflated;
    uint8_t how;
    struct buf *out = &in->d->inflated;
    if (!next_section(in, &how, &stored, &inflated))
        return false;
    if (how == BLOCK_SECTION_PLAIN) {
        *ret = stored;
        return true;
    }
    if (inflated > out->room_bytes - out->size_bytes)
        return false;
    uint8_t *to = out->data + out->size_bytes;
    if (ZSTD_decompressDCtx(in->d->zstd, to, inflated, stored.data, stored.size_bytes) != inflated)
        return false;
    out->size_bytes += inflated;
    *ret = (struct bytes){to, inflated};
    return true;
}

/* ---- numbers ---- */

static bool
take(struct input *table, size_t size_bytes, const uint8_t **ret)
{
    if ((size_t)(table->end - table->p) < size_bytes)
        return false;
    *ret = table->p;
    table->p += size_bytes;
    return true;
}

static bool
read_numbers(struct input *table, struct input *sections, uint64_t count, struct read_numbers *ret)
{
    const uint8_t *p;
    struct bytes plane;
    if (!take(table, 10, &p) || p[0] >= BLOCK_TRANSFORMS || p[1] > BLOCK_PLANES_MAX)
        return false;
    *ret = (struct read_numbers){.transform = (enum block_transform)p[0],
                                 .width = p[1],
                                 .base = get_le64(p + 2),
                                 .count = (size_t)count};
    for (unsigned i = 0; i < ret->width; i++) {
        if (!read_section(sections, &plane) || plane.size_bytes != count)
            return false;
        ret->planes[i] = plane.data;
    }
    return true;
}

static bool
read_varint(struct bytes *in, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 10 && i < in->size_bytes; i++) {
        v |= (uint64_t)(in->data[i] & 0x7f) << (7 * i);
        if (in->data[i] < 0x80) {
            in->data += i + 1;
            in->size_bytes -= i + 1;
            *ret = v;
            return true;
        }
    }
    return false;
}

/* ---- frames ---- */

static bool
read_frames(struct block *b, struct input *in, uint32_t count, size_t raw_bytes)
{
    struct bytes table, chains = {0};
    uint64_t seq = b->first_seq, events, raw, step, raw_left = raw_bytes;
    int64_t receive = 0;
    if (!read_section(in, &table) || (b->has_chains && !read_section(in, &chains)))
        return false;
    /* Three bytes each at least, so that the count costs no more than was given. */
    if (count == 0 || count > table.size_bytes / 3 ||
        (b->has_chains && chains.size_bytes / HASH_SHA256_BYTES != count))
        return false;
    if (!read_room(in->d, list_reserve(&b->frames, count)))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!read_varint(&table, &events) || !read_varint(&table, &raw) ||
            !read_varint(&table, &step) || events == 0 || raw == 0 || raw > raw_left ||
            events > b->first_seq + b->event_count - seq)
            return false;
        raw_left -= raw;
        receive = (int64_t)((uint64_t)receive + block_unzigzag(step));
        struct frame f = {.first_seq = seq,
                          .event_count = (uint32_t)events,
                          .raw_bytes = (uint32_t)raw,
                          .receive_utc_ms = receive};
        if (chains.data != NULL)
            memcpy(f.chain, chains.data + (size_t)i * HASH_SHA256_BYTES, HASH_SHA256_BYTES);
        if (!list_add(&b->frames, &f))
            return false;
        seq += events;
    }
    return seq == b->first_seq + b->event_count && table.size_bytes == 0 && raw_left == 0;
}

/* ---- shapes ---- */

/* Turn a shape's steps into pieces, if they are whole and their columns are there. */
static bool
read_shape(struct block_decoder *d, struct bytes steps, struct read_shape *s)
{
    size_t values = 0, at = 0;
    *s = (struct read_shape){.steps_at = d->steps.count};
    while (at < steps.size_bytes) {
        struct read_step step = {d->pieces.data + d->pieces.size_bytes, 0, BLOCK_NO_COLUMN};
        for (; at < steps.size_bytes && steps.data[at] < BLOCK_STEP_COLUMN;) {
            size_t n = (size_t)steps.data[at++] + 1;
            if (n > steps.size_bytes - at || !buf_append(&d->pieces, steps.data + at, n))
                return false;
            step.size_bytes = (uint16_t)(step.size_bytes + n);
            at += n;
        }
        if (at < steps.size_bytes) {
            if (steps.data[at] != BLOCK_STEP_COLUMN || steps.size_bytes - at < 3 ||
                ++values > BLOCK_EVENT_VALUES_MAX)
                return false;
            step.column = (uint16_t)(steps.data[at + 1] | steps.data[at + 2] << 8);
            if (step.column >= d->column_count)
                return false;
            at += 3;
        }
        if (!read_room(d, list_add(&d->steps, &step)))
            return false;
    }
    s->step_count = d->steps.count - s->steps_at;
    return true;
}

static bool
read_shapes(struct block_decoder *d, struct bytes all)
{
    uint64_t size;
    d->shape_count = d->steps.count = 0;
    d->pieces.size_bytes = 0;
    /* Once and for all: the pieces are pointed at. */
    if (all.size_bytes > BLOCK_SHAPES_BYTES_MAX ||
        !read_room(d, buf_reserve(&d->pieces, BLOCK_SHAPES_BYTES_MAX + BLOCK_SLACK_BYTES)))
        return false;
    while (all.size_bytes > 0) {
        if (d->shape_count == BLOCK_SHAPES_MAX || !read_varint(&all, &size) || size == 0 ||
            size > BLOCK_SHAPE_BYTES_MAX || size > all.size_bytes ||
            !read_shape(d, (struct bytes){all.data, (size_t)size}, &d->shapes[d->shape_count]))
            return false;
        d->shape_count++;
        all.data += size;
        all.size_bytes -= (size_t)size;
    }
    return true;
}

/* How many values each column has follows from the events' shapes. */
static bool
count_values(struct block_decoder *d, uint32_t events, size_t raw_bytes)
{
    uint64_t total = 0;
    struct read_numbers n = d->shape_of;
    for (uint32_t i = 0; i < events; i++) {
        uint64_t which = read_next_number(&n, 0);
        if (which >= d->shape_count)
            return false;
        d->shapes[which].events++;
    }
    for (size_t s = 0; s < d->shape_count; s++) {
        const struct read_shape *shape = &d->shapes[s];
        const struct read_step *steps = (const struct read_step *)d->steps.items + shape->steps_at;
        for (size_t i = 0; i < shape->step_count; i++) {
            if (steps[i].column == BLOCK_NO_COLUMN)
                continue;
            d->columns[steps[i].column].count += shape->events;
            total += shape->events;
        }
    }
    /* Each value is a byte of its event at least. */
    return total <= raw_bytes;
}

/* ---- columns ---- */

/* The sorted texts of a column, spelt in full and with their heads. */
static bool
read_texts(struct block_decoder *d, struct read_column *c, struct input *table,
           struct input *sections)
{
    struct read_numbers shared, rest;
    struct bytes bytes;
    const uint8_t *last = NULL;
    uint8_t id[BLOCK_ID_BYTES];
    size_t last_bytes = 0;
    c->texts_at = d->texts.count;
    if (!read_numbers(table, sections, c->distinct, &shared) ||
        !read_numbers(table, sections, c->distinct, &rest) || !read_section(sections, &bytes) ||
        !read_room(d, list_reserve(&d->texts, d->texts.count + c->distinct)))
        return false;
    bool is_id = block_kind_is_id(c->kind);
    for (uint32_t i = 0; i < c->distinct; i++) {
        uint64_t same = read_next_number(&shared, 0), more = read_next_number(&rest, 0);
        size_t room = d->spelt.room_bytes - BLOCK_SLACK_BYTES - d->spelt.size_bytes;
        if (same > last_bytes || more > bytes.size_bytes ||
            same + more + BLOCK_UUID_TEXT_BYTES + BLOCK_TEXT_HEAD_BYTES_MAX > room ||
            (is_id && same + more != BLOCK_ID_BYTES))
            return false;
        /* In order and different: so there are no more of them than their bytes allow. */
        if (i > 0 && (more == 0 || (same < last_bytes && bytes.data[0] <= last[same])))
            return false;
        uint8_t *start = d->spelt.data + d->spelt.size_bytes;
        size_t size = is_id ? (c->kind == BLOCK_UUID ? BLOCK_UUID_TEXT_BYTES : BLOCK_HEX_TEXT_BYTES)
                            : (size_t)(same + more);
        uint8_t *text = block_text_head_put(start, size, c);
        uint8_t *to = is_id ? id : text;
        if (same > 0 && !is_id)
            memcpy(to, last, same);
        if (more > 0)
            memcpy(to + same, bytes.data, more);
        bytes.data += more;
        bytes.size_bytes -= (size_t)more;
        last = to;
        last_bytes = (size_t)(same + more);
        if (is_id)
            block_id_put(d, text, id, c->kind);
        size_t put = (size_t)(text - start) + size;
        struct read_text spelt = {.size_bytes = (uint32_t)put};
        if (put <= sizeof spelt.text)
            memcpy(spelt.text, start, put);
        else
            spelt.data = start;
        d->spelt.size_bytes += put;
        if (!list_add(&d->texts, &spelt))
            return false;
    }
    return bytes.size_bytes == 0;
}

static bool
read_sorted(struct block_decoder *d, struct read_column *c, struct input *table,
            struct input *sections)
{
    const uint8_t *p;
    size_t self = (size_t)(c - d->columns);
    if (!take(table, 6, &p))
        return false;
    c->distinct = get_le32(p);
    c->leader = (uint32_t)(p[4] | p[5] << 8);
    c->now = BLOCK_NONE;
    c->newest = 0;
    if (c->distinct > c->count || !read_texts(d, c, table, sections) ||
        !read_numbers(table, sections, c->count, &c->numbers))
        return false;
    if (c->leader == BLOCK_NO_LEADER)
        return true;
    if (c->leader >= self || d->columns[c->leader].coding != BLOCK_SORTED ||
        d->columns[c->leader].distinct > c->count || !take(table, 4, &p))
        return false;
    uint32_t fresh = get_le32(p);
    c->heads_at = d->heads.count;
    struct read_head empty = {0, 0, 0};
    for (uint32_t i = 0; i <= d->columns[c->leader].distinct; i++) {
        if (!read_room(d, list_add(&d->heads, &empty)))
            return false;
    }
    return fresh <= c->count && read_numbers(table, sections, fresh, &c->fresh);
}

static bool
read_plain(struct read_column *c, struct input *table, struct input *sections)
{
    struct bytes bytes;
    bool is_id = block_kind_is_id(c->kind);
    if (!is_id && !read_numbers(table, sections, c->count, &c->numbers))
        return false;
    if (!read_section(sections, &bytes) || (is_id && bytes.size_bytes != c->count * BLOCK_ID_BYTES))
        return false;
    c->bytes = bytes.data;
    c->bytes_left = bytes.size_bytes;
    return true;
}

static bool
read_column(struct block_decoder *d, struct read_column *c, struct input *table,
            struct input *sections)
{
    const uint8_t *p;
    if (!take(table, 1, &p))
        return false;
    uint8_t kind = *p & BLOCK_KIND_MASK;
    if (kind >= BLOCK_KINDS || (*p & ~(BLOCK_KIND_MASK | BLOCK_OLD_HEAD)) != 0)
        return false;
    c->kind = (enum block_kind)kind;
    c->old_head = (*p & BLOCK_OLD_HEAD) != 0;
    if (block_kind_is_number(c->kind)) {
        c->coding = BLOCK_PLAIN;
        return read_numbers(table, sections, c->count, &c->numbers);
    }
    if (!take(table, 1, &p) || *p >= BLOCK_CODINGS)
        return false;
    c->coding = (enum block_coding) * p;
    if (c->coding == BLOCK_SORTED)
        return read_sorted(d, c, table, sections);
    if (c->coding == BLOCK_PLAIN)
        return read_plain(c, table, sections);
    for (size_t i = 0; i < BLOCK_ID_BYTES; i++) {
        struct bytes plane;
        if (!block_kind_is_id(c->kind) || !read_section(sections, &plane) ||
            plane.size_bytes != c->count)
            return false;
        c->split[i] = plane.data;
    }
    return true;
}

/* All sections behind the frames. */
static bool
read_columns(struct block *b, struct input *in, size_t raw_bytes)
{
    struct block_decoder *d = b->decoder;
    struct bytes shapes, described;
    const uint8_t *p;
    d->texts.count = d->heads.count = d->followers.count = 0;
    d->spelt.size_bytes = 0;
    if (!read_section(in, &shapes) || !read_section(in, &described))
        return false;
    struct input table = {d, described.data, described.data + described.size_bytes};
    if (!take(&table, 4, &p) || get_le32(p) > BLOCK_COLUMNS_MAX)
        return false;
    d->column_count = get_le32(p);
    memset(d->columns, 0, d->column_count * sizeof d->columns[0]);
    if (!read_shapes(d, shapes) || !read_numbers(&table, in, b->event_count, &d->shape_of) ||
        !count_values(d, b->event_count, raw_bytes) ||
        !read_room(d, buf_reserve(&d->spelt, raw_bytes + SPELT_SLACK_BYTES)))
        return false;
    for (size_t i = 0; i < d->column_count; i++) {
        if (!read_column(d, &d->columns[i], &table, in))
            return false;
    }
    return table.p == table.end && in->p == in->end;
}

/* ---- the block ---- */

enum err_code
block_span_read(struct bytes stored, struct block_span *ret, struct err *err)
{
    struct frame f;
    if (!block_is(stored)) {
        enum err_code code = frame_decode(stored, &f, err);
        if (code == ERR_OK)
            *ret = (struct block_span){f.first_seq, f.event_count};
        return code;
    }
    if (stored.size_bytes < BLOCK_HEAD_BYTES)
        return err_set(err, ERR_CORRUPT, "not a block");
    *ret = (struct block_span){get_le64(stored.data + 24), get_le32(stored.data + 12)};
    return ERR_OK;
}

static enum err_code
check_head(struct bytes stored, struct err *err)
{
    const uint8_t *h = stored.data;
    if (!block_is(stored) || stored.size_bytes < BLOCK_HEAD_BYTES)
        return err_set(err, ERR_CORRUPT, "not a block");
    if (h[4] != BLOCK_VERSION)
        return err_set(err, ERR_CONFLICT, "block version is %d, this gbill reads %d", h[4],
                       BLOCK_VERSION);
    struct bytes body = {h + BLOCK_HEAD_BYTES, stored.size_bytes - BLOCK_HEAD_BYTES};
    uint64_t raw = get_le32(h + 16), events = get_le32(h + 12);
    if (get_le32(h + 20) != body.size_bytes)
        return err_set(err, ERR_CORRUPT, "body has %zu bytes, head says %u", body.size_bytes,
                       get_le32(h + 20));
    if (get_le64(h + BLOCK_CHECKED_BYTES) !=
        hash_checksum((struct bytes){h, BLOCK_CHECKED_BYTES}, body))
        return err_set(err, ERR_CORRUPT, "checksum differs");
    if (events == 0 || events > raw || raw > BLOCK_RAW_BYTES_MAX ||
        raw > stored.size_bytes * BLOCK_RATIO_MAX)
        return err_set(err, ERR_CORRUPT, "head says %" PRIu64 " events in %" PRIu64 " bytes",
                       events, raw);
    return ERR_OK;
}

static enum err_code
contradiction(const struct block *b, struct err *err)
{
    return b->decoder->no_memory ? err_set(err, ERR_LIMIT, "no memory to read a block")
                                 : err_set(err, ERR_CORRUPT, "its columns contradict each other");
}

static enum err_code
open_block(struct block *b, struct bytes stored, struct err *err)
{
    const uint8_t *h = stored.data;
    size_t raw_bytes = get_le32(h + 16);
    if (b->decoder == NULL)
        b->decoder = decoder_new();
    if (b->decoder == NULL)
        return err_set(err, ERR_LIMIT, "no memory to read blocks");
    b->decoder->no_memory = false;
    b->first_seq = get_le64(h + 24);
    b->event_count = get_le32(h + 12);
    b->stored_bytes = stored.size_bytes;
    b->has_chains = (h[5] & BLOCK_FLAG_CHAINS) != 0;
    memcpy(b->before, h + BLOCK_BEFORE_AT, HASH_SHA256_BYTES);
    memcpy(b->after, h + BLOCK_AFTER_AT, HASH_SHA256_BYTES);
    struct input in = {b->decoder, h + BLOCK_HEAD_BYTES, h + stored.size_bytes};
    enum err_code code = reserve_sections(in, err);
    if (code != ERR_OK)
        return code;
    return read_frames(b, &in, get_le32(h + 8), raw_bytes) && read_columns(b, &in, raw_bytes)
               ? ERR_OK
               : contradiction(b, err);
}

void
block_forget(struct block *block)
{
    block->frames.count = block->given = 0;
    block->event_count = 0;
}

enum err_code
block_open(struct block *block, struct bytes stored, struct err *err)
{
    block_forget(block);
    enum err_code code = check_head(stored, err);
    if (code == ERR_OK)
        code = open_block(block, stored, err);
    if (code != ERR_OK)
        block_forget(block);
    return code;
}

enum err_code
block_next(struct block *block, struct buf *out, struct frame *ret, struct err *err)
{
    struct block *b = block;
    assert(b->given < b->frames.count);
    struct frame *f = (struct frame *)b->frames.items + b->given;
    size_t start = out->size_bytes;
    bool last = b->given + 1 == b->frames.count;
    bool ok = block_events_put(b->decoder, f, out);
    if (ok) {
        f->stored = (struct bytes){out->data + start, f->raw_bytes};
        if (!b->has_chains)
            frame_chain(b->given > 0 ? f[-1].chain : b->before, f, f->stored, f->chain);
        ok = !last || (memcmp(f->chain, b->after, HASH_SHA256_BYTES) == 0 &&
                       block_events_are_used_up(b->decoder));
    }
    if (!ok) {
        out->size_bytes = start;
        enum err_code code = contradiction(b, err);
        block_forget(b);
        return code;
    }
    b->given++;
    *ret = *f;
    return ERR_OK;
}
