#include "rollup/batch.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_PRICES = 1024, BATCH_STORED_BYTES_MAX = 2 * FRAME_RAW_BYTES_MAX, WISHES_MAX = 8 };

/* (provider, model) by dictionary number -> its place in the book. */
struct batch_price {
    uint32_t provider, model; /* 0, 0: free */
    const struct price_id *id;
};

/* A text to be numbered, and the place in an item that waits for the number. */
struct batch_new {
    uint32_t item, place_bytes;
    struct str text; /* in the arena */
};

/* A text of an event, and where its number goes. */
struct wish {
    struct str text;
    uint32_t *number;
};

void
batch_init(struct batch *batch)
{
    *batch = (struct batch){0};
    buf_init(&batch->stored, BATCH_STORED_BYTES_MAX);
    arena_init(&batch->arena, BATCH_ARENA_BYTES_MAX);
}

void
batch_clear(struct batch *batch)
{
    buf_clear(&batch->stored);
    arena_clear(&batch->arena);
    free(batch->frames);
    free(batch->items);
    free(batch->ids);
    free(batch->new_texts);
    batch_init(batch);
}

void
batch_reset(struct batch *batch, uint64_t after_seq)
{
    batch->stored.size_bytes = 0;
    batch->frame_count = batch->event_count = batch->count = batch->new_count = 0;
    batch->after_seq = after_seq;
    arena_clear(&batch->arena);
}

enum err_code
batch_decoder_init(struct batch_decoder *decoder, struct err *err)
{
    *decoder = (struct batch_decoder){.codec = frame_codec_new()};
    buf_init(&decoder->room, FRAME_RAW_BYTES_MAX);
    decoder->prices = calloc(BATCH_PRICES, sizeof *decoder->prices);
    if (decoder->codec != NULL && decoder->prices != NULL)
        return ERR_OK;
    batch_decoder_clear(decoder);
    return err_set(err, ERR_LIMIT, "no memory to decode frames");
}

void
batch_decoder_clear(struct batch_decoder *decoder)
{
    frame_codec_free(decoder->codec);
    buf_clear(&decoder->room);
    free(decoder->prices);
    *decoder = (struct batch_decoder){0};
}

/* Room for need elements in an array that doubles; false out of memory. */
static bool
reserve(void *array, size_t element_bytes, size_t need, size_t *room)
{
    void *old;
    if (need <= *room)
        return true;
    size_t more = need < 64 ? 64 : need + need / 2;
    memcpy(&old, array, sizeof old);
    void *grown = realloc(old, more * element_bytes);
    if (grown == NULL)
        return false;
    memcpy(array, &grown, sizeof grown);
    *room = more;
    return true;
}

enum err_code
batch_add_frame(struct batch *batch, const struct frame *frame, struct err *err)
{
    struct batch *b = batch;
    if (!reserve(&b->frames, sizeof *b->frames, b->frame_count + 1, &b->frame_room))
        return err_set(err, ERR_LIMIT, "no memory for %zu frames", b->frame_count + 1);
    b->frames[b->frame_count++] = *frame;
    b->event_count += frame->event_count;
    return ERR_OK;
}

static enum err_code
make_room(struct batch *b, struct err *err)
{
    size_t items_room = b->room, ids_room = b->room;
    if (reserve(&b->items, sizeof *b->items, b->event_count, &items_room) &&
        reserve(&b->ids, sizeof *b->ids, b->event_count, &ids_room)) {
        b->room = items_room;
        return ERR_OK;
    }
    return err_set(err, ERR_LIMIT, "no memory for a batch of %zu events", b->event_count);
}

/* Leave a text that has no number yet for batch_resolve(). */
static bool
leave_text(struct batch *b, struct batch_item *item, const struct wish *w)
{
    if (!reserve(&b->new_texts, sizeof *b->new_texts, b->new_count + 1, &b->new_room))
        return false;
    const char *copy = arena_text(&b->arena, w->text);
    if (copy == NULL)
        return false;
    b->new_texts[b->new_count++] = (struct batch_new){
        .item = (uint32_t)(item - b->items),
        .place_bytes = (uint32_t)((const char *)w->number - (const char *)item),
        .text = {copy, w->text.size_bytes},
    };
    return true;
}

/* The dictionary of a busy platform outgrows the processor's cache: ask for all slots, then look. */
static enum err_code
look_up(struct batch *b, const struct dict *dict, struct batch_item *item,
        const struct wish *wishes, size_t count, struct err *err)
{
    uint64_t hashes[WISHES_MAX];
    for (size_t i = 0; i < count; i++)
        hashes[i] = dict_look_ahead(dict, wishes[i].text);
    for (size_t i = 0; i < count; i++) {
        *wishes[i].number = dict_look_hashed(dict, wishes[i].text, hashes[i]);
        if (*wishes[i].number == 0 && wishes[i].text.size_bytes > 0 &&
            !leave_text(b, item, &wishes[i]))
            return err_set(err, ERR_LIMIT, "new texts and settings of one batch take over %d bytes",
                           BATCH_ARENA_BYTES_MAX);
    }
    return ERR_OK;
}

static const struct price_id *
price_id_of(const struct price_book *book, struct batch_decoder *d, uint32_t provider,
            uint32_t model, const struct event_usage *u)
{
    if (provider == 0 || model == 0)
        return price_book_find(book, u->provider, u->model);
    struct batch_price *p =
        &d->prices[(provider * 0x9e3779b1u ^ model * 0x85ebca6bu) % BATCH_PRICES];
    if (p->provider != provider || p->model != model)
        *p = (struct batch_price){provider, model, price_book_find(book, u->provider, u->model)};
    return p->id;
}

static enum err_code
read_usage(struct batch *b, const struct batch_shared *shared, struct batch_decoder *d,
           const struct event *e, int64_t receive_utc_ms, struct batch_item *item, struct err *err)
{
    const struct event_usage *u = &e->usage;
    struct batch_usage *to = &item->usage;
    const struct wish wishes[] = {
        {e->organization, &item->organization},
        {u->project, &to->project},
        {u->user, &to->user},
        {u->type, &to->type},
        {u->provider, &to->provider},
        {u->model, &to->model},
        {u->tier, &to->tier},
    };
    enum err_code code =
        look_up(b, &shared->dict, item, wishes, sizeof wishes / sizeof wishes[0], err);
    memcpy(to->tokens, u->tokens, EVENT_TEXT_CLASSES * sizeof to->tokens[0]);
    if (u->media)
        memcpy(to->tokens, u->tokens, sizeof to->tokens);
    if (u->charged_uses)
        memcpy(to->fees, u->fees, sizeof to->fees);
    to->media = u->media;
    to->charged_uses = u->charged_uses;
    to->reasoning_tokens = u->reasoning_tokens;
    to->latency_us = u->latency_us;
    to->failed = u->failed;
    struct price_query query = {e->organization, e->time_utc_ms, receive_utc_ms};
    struct cost cost = cost_of_id(
        shared->book, price_id_of(shared->book, d, to->provider, to->model, u), u, &query);
    to->state = cost.state;
    to->cost_pico = cost.cost_pico;
    return code;
}

static enum err_code
read_setting(struct batch *b, const struct batch_shared *shared, const struct event *e,
             struct batch_item *item, struct err *err)
{
    struct batch_setting *s = &item->setting;
    struct wish wishes[3] = {{e->organization, &item->organization}};
    size_t count = 1;
    *s = (struct batch_setting){0};
    if (e->kind == EVENT_RESOURCE) {
        s->type = (uint8_t)e->resource.type;
        s->action = e->resource.created;
        wishes[count++] = (struct wish){e->resource.resource, &s->text[0]};
    } else if (e->kind == EVENT_SUBSCRIPTION) {
        s->action = (uint8_t)e->subscription.action;
        s->time_or_amount = e->subscription.effective_ms;
        wishes[count++] = (struct wish){e->subscription.plan, &s->text[0]};
        wishes[count++] = (struct wish){e->subscription.currency, &s->text[1]};
    } else if (e->kind == EVENT_ADJUSTMENT) {
        s->time_or_amount = e->adjustment.amount_minor;
        wishes[count++] = (struct wish){e->adjustment.currency, &s->text[0]};
        wishes[count++] = (struct wish){e->adjustment.reason, &s->text[1]};
    } else if (e->kind == EVENT_VOID) {
        s->target = hash_id_of(shared->id_secret, e->organization, e->voided.voids);
    } else if (e->kind == EVENT_BUDGET) {
        uint8_t *copy = arena_alloc(&b->arena, e->record.size_bytes);
        if (copy == NULL)
            return err_set(err, ERR_LIMIT, "settings of one batch take over %d bytes",
                           BATCH_ARENA_BYTES_MAX);
        memcpy(copy, e->record.data, e->record.size_bytes);
        s->record = (struct bytes){copy, e->record.size_bytes};
    }
    return look_up(b, &shared->dict, item, wishes, count, err);
}

static enum err_code
add_event(struct batch *b, const struct batch_shared *shared, struct batch_decoder *d,
          const struct event *e, uint64_t seq, int64_t receive_utc_ms, struct err *err)
{
    struct batch_item *item = &b->items[b->count];
    item->seq = seq;
    item->kind = e->kind;
    item->time_utc_ms = e->time_utc_ms;
    b->ids[b->count++] = (struct id_entry){
        hash_id_of(shared->id_secret, e->organization, e->id),
        id_mark(seq, hash_mem(e->record.data, e->record.size_bytes)),
    };
    return e->kind == EVENT_USAGE ? read_usage(b, shared, d, e, receive_utc_ms, item, err)
                                  : read_setting(b, shared, e, item, err);
}

static enum err_code
decode_frame(struct batch *b, const struct batch_shared *shared, struct batch_decoder *d,
             const struct frame *f, struct err *err)
{
    struct bytes events;
    struct event event;
    struct event_defect defect;
    enum err_code code = frame_events(d->codec, f, &d->room, &events, err);
    if (code != ERR_OK)
        return err_wrap(err, code, "frame %" PRIu64, f->first_seq);
    struct mp m = mp_of(events);
    for (uint32_t i = 0; code == ERR_OK && i < f->event_count; i++) {
        uint64_t seq = f->first_seq + i;
        if (!event_read(&m, &event, &defect))
            return err_set(err, ERR_CORRUPT, "event %" PRIu64 " cannot be read: %s", seq,
                           defect.text);
        if (seq > b->after_seq)
            code = add_event(b, shared, d, &event, seq, f->receive_utc_ms, err);
    }
    return code;
}

enum err_code
batch_decode(struct batch *batch, const struct batch_shared *shared, struct batch_decoder *decoder,
             struct err *err)
{
    /* The bodies stand one behind the other; where the buffer lies is known only now. */
    const uint8_t *body = batch->stored.data;
    enum err_code code = make_room(batch, err);
    for (size_t i = 0; code == ERR_OK && i < batch->frame_count; i++) {
        struct frame *f = &batch->frames[i];
        f->stored.data = body;
        body += f->stored.size_bytes;
        code = decode_frame(batch, shared, decoder, f, err);
    }
    return code;
}

enum err_code
batch_resolve(struct batch *batch, struct dict *dict, struct tables_txn *txn, struct err *err)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < batch->new_count; i++) {
        const struct batch_new *n = &batch->new_texts[i];
        uint32_t number;
        code = dict_intern(dict, txn, n->text, &number, err);
        if (code == ERR_OK)
            memcpy((char *)&batch->items[n->item] + n->place_bytes, &number, sizeof number);
    }
    batch->new_count = 0;
    return code;
}

enum err_code
batch_read_event(struct batch *batch, struct batch_shared *shared, struct batch_decoder *decoder,
                 struct tables_txn *txn, const struct event *event, uint64_t seq,
                 int64_t receive_utc_ms, struct batch_item **ret_item, struct err *err)
{
    batch_reset(batch, 0);
    batch->event_count = 1;
    enum err_code code = make_room(batch, err);
    if (code == ERR_OK)
        code = add_event(batch, shared, decoder, event, seq, receive_utc_ms, err);
    if (code == ERR_OK)
        code = batch_resolve(batch, &shared->dict, txn, err);
    if (code == ERR_OK)
        *ret_item = &batch->items[0];
    return code;
}
