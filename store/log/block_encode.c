#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/event/mp.h"
#include "store/log/block_columns.h"

/* A shape: its steps in encoder->steps. */
struct shape {
    uint32_t at, size_bytes;
};

/* A value of the event at hand, until all of it is understood. */
struct found {
    uint32_t column;
    struct block_value value;
    uint8_t id[BLOCK_ID_BYTES];
};

struct block_encoder {
    struct block_sink sink;
    struct block_column *columns; /* BLOCK_COLUMNS_MAX; memory kept from block to block */
    size_t column_count;
    struct buf steps; /* of all shapes */
    struct list shapes, shape_slots;
    struct list shape_of; /* uint64_t, of each event */
    struct buf shape;     /* of the event at hand */
    struct buf ids;       /* of all events */
    uint32_t found_count, order;
    struct found found[BLOCK_EVENT_VALUES_MAX];
};

/* The event at hand. */
struct walk {
    struct block_encoder *e;
    struct mp m;
    const uint8_t *literal; /* begin of what is not yet in the shape */
};

enum { SHAPE_SLOTS = 4 * BLOCK_SHAPES_MAX, ENCODER_BYTES_MAX = 64 * 1024 * 1024 };

#define NONE UINT32_MAX

struct block_encoder *
block_encoder_new(void)
{
    struct block_encoder *e = calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    buf_init(&e->steps, BLOCK_SHAPES_BYTES_MAX);
    buf_init(&e->shape, BLOCK_SHAPE_BYTES_MAX);
    buf_init(&e->ids, ENCODER_BYTES_MAX);
    list_init(&e->shapes, sizeof(struct shape));
    list_init(&e->shape_slots, sizeof(uint32_t));
    list_init(&e->shape_of, sizeof(uint64_t));
    e->columns = calloc(BLOCK_COLUMNS_MAX, sizeof *e->columns);
    if (!block_sink_init(&e->sink) || e->columns == NULL ||
        !list_reserve(&e->shape_slots, SHAPE_SLOTS)) {
        block_encoder_free(e);
        return NULL;
    }
    for (size_t i = 0; i < BLOCK_COLUMNS_MAX; i++) {
        list_init(&e->columns[i].values, sizeof(struct block_value));
        list_init(&e->columns[i].indexes, sizeof(uint32_t));
    }
    return e;
}

void
block_encoder_free(struct block_encoder *encoder)
{
    struct block_encoder *e = encoder;
    if (e == NULL)
        return;
    block_sink_clear(&e->sink);
    for (size_t i = 0; e->columns != NULL && i < BLOCK_COLUMNS_MAX; i++) {
        list_clear(&e->columns[i].values);
        list_clear(&e->columns[i].indexes);
    }
    free(e->columns);
    buf_clear(&e->steps);
    buf_clear(&e->shape);
    buf_clear(&e->ids);
    list_clear(&e->shapes);
    list_clear(&e->shape_slots);
    list_clear(&e->shape_of);
    free(e);
}

static uint64_t
path_of(uint64_t outer, struct bytes key)
{
    return hash_checksum((struct bytes){(const uint8_t *)&outer, sizeof outer}, key);
}

/* Put what was passed since the last column into the shape. */
static bool
put_literal(struct walk *w, const uint8_t *end)
{
    while (w->literal < end) {
        size_t n = (size_t)(end - w->literal);
        uint8_t step;
        n = n < BLOCK_STEP_COLUMN ? n : BLOCK_STEP_COLUMN;
        step = (uint8_t)(n - 1);
        if (!buf_append(&w->e->shape, &step, 1) || !buf_append(&w->e->shape, w->literal, n))
            return false;
        w->literal += n;
    }
    return true;
}

/* The column of a path and kind; a new one if need be. */
static bool
find_column(struct block_encoder *e, uint64_t path, uint8_t kind, uint32_t *ret)
{
    /* Events are alike: the column is nearly always the one behind the last found. */
    size_t from = e->found_count > 0 ? e->found[e->found_count - 1].column + 1 : 0;
    for (size_t i = 0; i < e->column_count; i++) {
        size_t at = (from + i) % e->column_count;
        if (e->columns[at].path == path && e->columns[at].kind == kind) {
            *ret = (uint32_t)at;
            return true;
        }
    }
    if (e->column_count == BLOCK_COLUMNS_MAX)
        return false;
    struct block_column *c = &e->columns[e->column_count];
    c->path = path;
    c->kind = kind;
    c->values.count = 0;
    *ret = (uint32_t)e->column_count++;
    return true;
}

/* Put a column's step into the shape and its value aside; start and end are the value's bytes. */
static bool
put_value(struct walk *w, uint64_t path, uint8_t kind, struct found found, const uint8_t *start,
          const uint8_t *end)
{
    struct block_encoder *e = w->e;
    uint8_t step[3] = {BLOCK_STEP_COLUMN};
    if (e->found_count == BLOCK_EVENT_VALUES_MAX || !put_literal(w, start) ||
        !find_column(e, path, kind, &found.column))
        return false;
    step[1] = (uint8_t)found.column;
    step[2] = (uint8_t)(found.column >> 8);
    e->found[e->found_count++] = found;
    w->literal = end;
    return buf_append(&e->shape, step, sizeof step);
}

static int
hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 16 bytes of lower-case hexadecimal, with a UUID's dashes or with none. */
static bool
read_id(const uint8_t *text, bool dashes, uint8_t id[BLOCK_ID_BYTES])
{
    for (size_t i = 0; i < BLOCK_ID_BYTES; i++) {
        if (dashes && (i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
            return false;
        int hi = hex_digit(text[0]), lo = hex_digit(text[1]);
        if (hi < 0 || lo < 0)
            return false;
        id[i] = (uint8_t)(hi << 4 | lo);
        text += 2;
    }
    return true;
}

static size_t
shortest_head(size_t text_bytes, bool is_text, bool old)
{
    return is_text && text_bytes < 32        ? 1
           : !old && text_bytes <= UINT8_MAX ? 2
           : text_bytes <= UINT16_MAX        ? 3
                                             : 5;
}

/* A text or binary value between start and end, whose bytes have been read. */
static bool
put_text(struct walk *w, uint64_t path, const struct mp_value *v, const uint8_t *start)
{
    struct found f = {0};
    const uint8_t *end = w->m.p;
    size_t head_bytes = (size_t)(v->data - start);
    bool is_text = v->type == MP_STR, old = false;
    uint8_t kind = is_text ? BLOCK_TEXT : BLOCK_BIN;
    if (head_bytes != shortest_head(v->count, is_text, false)) {
        if (!is_text || head_bytes != shortest_head(v->count, true, true))
            return false;
        old = true;
    }
    if (is_text && v->count == 36 && read_id(v->data, true, f.id))
        kind = BLOCK_UUID;
    else if (is_text && v->count == 32 && read_id(v->data, false, f.id))
        kind = BLOCK_HEX;
    f.value.text.at = (uint32_t)(v->data - w->e->sink.events.data);
    f.value.text.size_bytes = v->count;
    return put_value(w, path, (uint8_t)(kind | (old ? BLOCK_OLD_HEAD : 0)), f, start, end);
}

/* A number whose head byte goes into the shape. */
static bool
put_bits(struct walk *w, uint64_t path, size_t size_bytes, const uint8_t *start)
{
    static const uint8_t kinds[] = {
        [1] = BLOCK_BITS_8, [2] = BLOCK_BITS_16, [4] = BLOCK_BITS_32, [8] = BLOCK_BITS_64};
    struct found f = {0};
    for (size_t i = 1; i <= size_bytes; i++)
        f.value.number = f.value.number << 8 | start[i];
    return put_value(w, path, kinds[size_bytes], f, start + 1, start + 1 + size_bytes);
}

static size_t
shortest_uint(uint64_t u)
{
    return u < 0x80 ? 1 : u <= UINT8_MAX ? 2 : u <= UINT16_MAX ? 3 : u <= UINT32_MAX ? 5 : 9;
}

static size_t
shortest_negative(uint64_t less_one)
{
    return less_one < 32           ? 1
           : less_one <= INT8_MAX  ? 2
           : less_one <= INT16_MAX ? 3
           : less_one <= INT32_MAX ? 5
                                   : 9;
}

static bool
put_number(struct walk *w, uint64_t path, const struct mp_value *v, const uint8_t *start)
{
    struct found f = {0};
    size_t size_bytes = (size_t)(w->m.p - start);
    bool is_signed = *start >= 0xd0 && *start <= 0xd3;
    if (v->type == MP_UINT && !is_signed && size_bytes == shortest_uint(v->u)) {
        f.value.number = v->u;
        return put_value(w, path, BLOCK_UINT, f, start, w->m.p);
    }
    if (v->type == MP_INT) {
        f.value.number = ~(uint64_t)v->i;
        if (size_bytes == shortest_negative(f.value.number))
            return put_value(w, path, BLOCK_NEGATIVE, f, start, w->m.p);
    }
    return put_bits(w, path, size_bytes - 1, start);
}

/* One value of the event and all in it. */
static bool
walk_value(struct walk *w, uint64_t path, unsigned depth)
{
    const uint8_t *start = w->m.p;
    struct mp_value v;
    struct found f = {0};
    if (depth > MP_DEPTH_MAX || !mp_read(&w->m, &v))
        return false;
    switch (v.type) {
    case MP_NIL:
    case MP_BOOL:
        f.value.number = *start - 0xc0U;
        return put_value(w, path, BLOCK_SINGLE, f, start, w->m.p);
    case MP_UINT:
    case MP_INT:
    case MP_FLOAT:
        return put_number(w, path, &v, start);
    case MP_STR:
    case MP_BIN:
        return put_text(w, path, &v, start);
    case MP_ARRAY:
        /* The envelope's elements mean different things, those of other arrays the same. */
        for (uint32_t i = 0; i < v.count; i++) {
            uint8_t place = depth == 0 ? (uint8_t)i : UINT8_MAX;
            if (!walk_value(w, path_of(path, (struct bytes){&place, 1}), depth + 1))
                return false;
        }
        return true;
    case MP_MAP:
        for (uint32_t i = 0; i < v.count; i++) {
            const uint8_t *key = w->m.p;
            if (!mp_skip_inside(&w->m, depth + 1 < MP_DEPTH_MAX ? depth + 1 : MP_DEPTH_MAX))
                return false;
            struct bytes key_bytes = {key, (size_t)(w->m.p - key)};
            if (!walk_value(w, path_of(path, key_bytes), depth + 1))
                return false;
        }
        return true;
    case MP_EXT:
        break;
    }
    return false;
}

/* The number of the shape at hand, a new one if need be. */
static bool
find_shape(struct block_encoder *e, uint64_t *ret)
{
    struct bytes steps = {e->shape.data, e->shape.size_bytes};
    uint32_t *slots = e->shape_slots.items;
    size_t at = (size_t)hash_mem(steps.data, steps.size_bytes) % SHAPE_SLOTS;
    for (; slots[at] != NONE; at = (at + 1) % SHAPE_SLOTS) {
        const struct shape *s = (const struct shape *)e->shapes.items + slots[at];
        if (s->size_bytes == steps.size_bytes &&
            memcmp(e->steps.data + s->at, steps.data, steps.size_bytes) == 0) {
            *ret = slots[at];
            return true;
        }
    }
    struct shape s = {(uint32_t)e->steps.size_bytes, (uint32_t)steps.size_bytes};
    if (e->shapes.count == BLOCK_SHAPES_MAX || !list_add(&e->shapes, &s))
        return false;
    if (!buf_append(&e->steps, steps.data, steps.size_bytes)) {
        e->shapes.count--;
        return false;
    }
    slots[at] = (uint32_t)e->shapes.count - 1;
    *ret = slots[at];
    return true;
}

/* All values of the event at hand go to their columns. */
static bool
keep_values(struct block_encoder *e, uint32_t frame)
{
    for (uint32_t i = 0; i < e->found_count; i++) {
        struct found *f = &e->found[i];
        struct block_column *c = &e->columns[f->column];
        if (block_kind_is_id((enum block_kind)(c->kind & BLOCK_KIND_MASK))) {
            f->value.text.at = (uint32_t)e->ids.size_bytes;
            f->value.text.size_bytes = BLOCK_ID_BYTES;
            if (!buf_append(&e->ids, f->id, BLOCK_ID_BYTES))
                return false;
        }
        f->value.order = e->order++;
        f->value.frame = frame;
        if (!list_add(&c->values, &f->value))
            return false;
    }
    return true;
}

/* Begin the event at hand anew. */
static void
begin_shape(struct block_encoder *e)
{
    e->shape.size_bytes = 0;
    e->found_count = 0;
}

/*
 * Take one event apart.  What has no shape, or too many columns, is kept whole.
 *
 *   ret_ok  false: these bytes are no msgpack, or memory is short
 */
static bool
take_event(struct block_encoder *e, struct mp *m, uint32_t frame)
{
    const uint8_t *start = m->p;
    struct walk w = {.e = e, .m = *m, .literal = start};
    size_t columns = e->column_count;
    uint64_t shape = 0;
    begin_shape(e);
    bool shaped = walk_value(&w, 0, 0) && put_literal(&w, w.m.p) && find_shape(e, &shape);
    if (shaped) {
        *m = w.m;
    } else {
        if (e->column_count > columns)
            e->column_count = columns;
        if (!mp_skip(m))
            return false;
        w.literal = m->p;
        begin_shape(e);
        struct found f = {
            .value.text = {(uint32_t)(start - e->sink.events.data), (uint32_t)(m->p - start)}};
        if (!put_value(&w, 0, BLOCK_REST, f, m->p, m->p) || !find_shape(e, &shape))
            return false;
    }
    return list_add(&e->shape_of, &shape) && keep_values(e, frame);
}

static bool
take_events(struct block_encoder *e, const struct frame *frames, size_t count, struct bytes events)
{
    struct mp m = mp_of(events);
    memset(e->shape_slots.items, 0xff, SHAPE_SLOTS * sizeof(uint32_t));
    e->shapes.count = e->shape_of.count = e->column_count = 0;
    e->steps.size_bytes = e->ids.size_bytes = 0;
    e->order = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *end = m.p + frames[i].raw_bytes;
        struct mp own = {m.p, end};
        for (uint32_t n = 0; n < frames[i].event_count; n++) {
            if (!take_event(e, &own, (uint32_t)i))
                return false;
        }
        if (own.p != end)
            return false;
        m.p = end;
    }
    return true;
}

static bool
put_varint(struct buf *out, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    while (v >= 0x80) {
        bytes[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    bytes[n++] = (uint8_t)v;
    return buf_append(out, bytes, n);
}

/* The frames' numbers and times, and their chains where they are few for the events. */
static bool
put_frames(struct block_encoder *e, const struct frame *frames, size_t count, bool chains,
           struct buf *out)
{
    struct buf table;
    int64_t before = 0;
    bool ok = true;
    buf_init(&table, ENCODER_BYTES_MAX);
    for (size_t i = 0; ok && i < count; i++) {
        ok =
            put_varint(&table, frames[i].event_count) && put_varint(&table, frames[i].raw_bytes) &&
            put_varint(&table, block_zigzag((uint64_t)frames[i].receive_utc_ms - (uint64_t)before));
        before = frames[i].receive_utc_ms;
    }
    ok = ok && block_sink_section(&e->sink, (struct bytes){table.data, table.size_bytes}, out);
    table.size_bytes = 0;
    for (size_t i = 0; ok && chains && i < count; i++)
        ok = buf_append(&table, frames[i].chain, HASH_SHA256_BYTES);
    if (ok && chains)
        ok = block_sink_section(&e->sink, (struct bytes){table.data, table.size_bytes}, out);
    buf_clear(&table);
    return ok;
}

/* The shapes: of each its length and its steps. */
static bool
put_shapes(struct block_encoder *e, struct buf *out)
{
    struct buf *b = &e->sink.scratch;
    b->size_bytes = 0;
    for (size_t i = 0; i < e->shapes.count; i++) {
        const struct shape *s = (const struct shape *)e->shapes.items + i;
        if (!put_varint(b, s->size_bytes) || !buf_append(b, e->steps.data + s->at, s->size_bytes))
            return false;
    }
    return block_sink_section(&e->sink, (struct bytes){b->data, b->size_bytes}, out);
}

static bool
put_body(struct block_encoder *e, const struct frame *frames, size_t count, bool chains,
         struct buf *out)
{
    struct block_sink *s = &e->sink;
    uint8_t columns[4];
    s->table.size_bytes = s->sections.size_bytes = 0;
    s->inflated_bytes = 0;
    put_le32(columns, (uint32_t)e->column_count);
    if (!put_frames(e, frames, count, chains, out) ||
        !buf_append(&s->table, columns, sizeof columns) ||
        !block_sink_numbers(s, e->shape_of.items, e->shape_of.count))
        return false;
    for (size_t i = 0; i < e->column_count; i++) {
        if (!block_sink_column(s, e->columns, i))
            return false;
    }
    return put_shapes(e, out) &&
           block_sink_section(s, (struct bytes){s->table.data, s->table.size_bytes}, out) &&
           buf_append(out, s->sections.data, s->sections.size_bytes);
}

static void
put_head(uint8_t *h, const uint8_t *prev_chain, const struct frame *frames, size_t count,
         size_t raw_bytes, bool chains, size_t body_bytes)
{
    uint32_t events = 0;
    for (size_t i = 0; i < count; i++)
        events += frames[i].event_count;
    memset(h, 0, BLOCK_HEAD_BYTES);
    put_le32(h, BLOCK_MAGIC);
    h[4] = BLOCK_VERSION;
    h[5] = chains ? BLOCK_FLAG_CHAINS : 0;
    put_le32(h + 8, (uint32_t)count);
    put_le32(h + 12, events);
    put_le32(h + 16, (uint32_t)raw_bytes);
    put_le32(h + 20, (uint32_t)body_bytes);
    put_le64(h + 24, frames[0].first_seq);
    memcpy(h + BLOCK_BEFORE_AT, prev_chain, HASH_SHA256_BYTES);
    memcpy(h + BLOCK_AFTER_AT, frames[count - 1].chain, HASH_SHA256_BYTES);
    put_le64(h + BLOCK_CHECKED_BYTES,
             hash_checksum((struct bytes){h, BLOCK_CHECKED_BYTES},
                           (struct bytes){h + BLOCK_HEAD_BYTES, body_bytes}));
}

enum err_code
block_encode(struct block_encoder *encoder, const uint8_t prev_chain[HASH_SHA256_BYTES],
             const struct frame *frames, size_t count, struct bytes events, struct buf *out,
             bool *ret_encoded, struct err *err)
{
    struct block_encoder *e = encoder;
    static const uint8_t no_head[BLOCK_HEAD_BYTES];
    size_t start = out->size_bytes;
    assert(count > 0);
    *ret_encoded = false;
    e->sink.events = events;
    e->sink.frames = frames;
    if (events.size_bytes > BLOCK_RAW_BYTES_MAX || !take_events(e, frames, count, events))
        return ERR_OK;
    e->sink.ids = (struct bytes){e->ids.data, e->ids.size_bytes};
    /* 32 bytes a frame are nothing for hundreds of events, and double the size of one. */
    bool chains = e->shape_of.count >= count * 64;
    if (!buf_append(out, no_head, sizeof no_head) || !put_body(e, frames, count, chains, out)) {
        out->size_bytes = start;
        return err_set(err, ERR_LIMIT, "no memory for a block of %zu bytes", events.size_bytes);
    }
    size_t stored = out->size_bytes - start;
    if (stored >= events.size_bytes || events.size_bytes > stored * BLOCK_RATIO_MAX ||
        e->sink.inflated_bytes > stored * BLOCK_RATIO_MAX ||
        e->sink.inflated_bytes > BLOCK_INFLATED_BYTES_MAX) {
        out->size_bytes = start;
        return ERR_OK;
    }
    put_head(out->data + start, prev_chain, frames, count, events.size_bytes, chains,
             stored - BLOCK_HEAD_BYTES);
    *ret_encoded = true;
    return ERR_OK;
}
