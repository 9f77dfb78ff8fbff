#include "rollup/batch.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "store/event/stripe_object.h"
#include "store/tables/recommendation.h"
#include "store/tables/stripe_told.h"

enum {
    BATCH_PRICES = 1024,
    BATCH_STORED_BYTES_MAX = 2 * FRAME_RAW_BYTES_MAX,
    WISHES_MAX = 7,
    READ_GROUP = 8
};

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
    uint64_t hash; /* dict_look_ahead()'s */
    uint32_t *number;
};

/* An event that was read, on its way to being an item. */
struct reading {
    struct event event;
    struct batch_item *item;
    struct wish wishes[WISHES_MAX];
    size_t wish_count;
    char currency[3]; /* of what Stripe told: a wish's text */
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

static void
wish(struct reading *r, struct str text, uint32_t *number)
{
    r->wishes[r->wish_count++] = (struct wish){.text = text, .number = number};
}

static void
wish_texts_of_usage(struct reading *r)
{
    const struct event_usage *u = &r->event.usage;
    struct batch_usage *to = &r->item->usage;
    wish(r, u->project, &to->project);
    wish(r, u->user, &to->user);
    wish(r, u->type, &to->type);
    wish(r, u->provider, &to->provider);
    wish(r, u->model, &to->model);
    wish(r, u->tier, &to->tier);
}

/* Stripe writes "usd"; what is no such code is left out. */
static struct str
capitals(struct reading *r, struct str currency)
{
    if (currency.size_bytes != sizeof r->currency)
        return (struct str){0};
    for (size_t i = 0; i < sizeof r->currency; i++) {
        char c = currency.data[i];
        r->currency[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    return (struct str){r->currency, sizeof r->currency};
}

static void
wish_texts_of_stripe(struct reading *r)
{
    const struct event_stripe *e = &r->event.stripe;
    uint32_t *text = r->item->setting.text;
    struct str plan = stripe_object_plan(e->type, e->object);
    wish(r, stripe_object_parent(e->type, e->object), &text[0]);
    wish(r, plan, &text[1]);
    if (plan.size_bytes > 0)
        wish(r, capitals(r, stripe_object_text(e->object, "currency")), &text[2]);
}

static void
wish_texts_of_setting(struct reading *r)
{
    const struct event *e = &r->event;
    uint32_t *text = r->item->setting.text;
    r->item->setting = (struct batch_setting){0};
    if (e->kind == EVENT_RESOURCE) {
        wish(r, e->resource.resource, &text[0]);
    } else if (e->kind == EVENT_SUBSCRIPTION) {
        wish(r, e->subscription.plan, &text[0]);
        wish(r, e->subscription.currency, &text[1]);
        wish(r, e->subscription.tax_percent, &text[2]);
    } else if (e->kind == EVENT_ADJUSTMENT) {
        wish(r, e->adjustment.currency, &text[0]);
        wish(r, e->adjustment.reason, &text[1]);
    } else if (e->kind == EVENT_PAYMENT) {
        wish(r, e->payment.invoice, &text[0]);
        wish(r, e->payment.status, &text[1]);
        wish(r, e->payment.currency, &text[2]);
    } else if (e->kind == EVENT_FEEDBACK) {
        wish(r, e->feedback.recommendation, &text[0]);
    } else if (e->kind == EVENT_STRIPE) {
        wish_texts_of_stripe(r);
    }
}

static enum err_code
look_up(struct batch *b, const struct dict *dict, const struct reading *r, struct err *err)
{
    for (size_t i = 0; i < r->wish_count; i++) {
        const struct wish *w = &r->wishes[i];
        *w->number = dict_look_hashed(dict, w->text, w->hash);
        if (*w->number == 0 && w->text.size_bytes > 0 && !leave_text(b, r->item, w))
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

static void
take_usage(const struct batch_shared *shared, struct batch_decoder *d, struct event *e,
           int64_t receive_utc_ms, struct batch_usage *to)
{
    struct event_usage *u = &e->usage;
    ratio_estimate(shared->ratios, receive_utc_ms, u);
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
    to->uncounted = u->uncounted != 0;
    struct price_query query = {e->organization, e->time_utc_ms, receive_utc_ms};
    struct cost cost = cost_of_id(
        shared->book, price_id_of(shared->book, d, to->provider, to->model, u), u, &query);
    to->state = cost.state;
    to->cost_pico = cost.cost_pico;
}

static enum err_code
take_setting(struct batch *b, const struct batch_shared *shared, const struct event *e,
             struct batch_setting *s, struct err *err)
{
    if (e->kind == EVENT_RESOURCE) {
        s->type = (uint8_t)e->resource.type;
        s->action = e->resource.created;
    } else if (e->kind == EVENT_SUBSCRIPTION) {
        s->action = (uint8_t)e->subscription.action;
        s->time_or_amount = e->subscription.effective_ms;
        s->anchor_ms = e->subscription.anchor_ms;
        s->trial_end_ms = e->subscription.trial_end_ms;
        s->at_period_end = e->subscription.at_period_end;
    } else if (e->kind == EVENT_ADJUSTMENT) {
        s->time_or_amount = e->adjustment.amount_minor;
    } else if (e->kind == EVENT_PAYMENT) {
        s->time_or_amount = e->payment.amount_minor;
    } else if (e->kind == EVENT_FEEDBACK) {
        enum recommendation_status status;
        bool known = recommendation_status_find(e->feedback.status, &status);
        assert(known); /* event_read() knows no other */
        s->action = (uint8_t)status;
    } else if (e->kind == EVENT_VOID) {
        s->target = hash_id_of(shared->id_secret, e->organization, e->voided.voids);
    } else {
        bool is_stripe = e->kind == EVENT_STRIPE; /* else a budget, an act */
        size_t size_bytes = is_stripe ? stripe_told_pack_bytes(e) : e->record.size_bytes;
        uint8_t *copy = arena_alloc(&b->arena, size_bytes);
        if (copy == NULL)
            return err_set(err, ERR_LIMIT, "settings of one batch take over %d bytes",
                           BATCH_ARENA_BYTES_MAX);
        if (is_stripe)
            stripe_told_pack(e, copy);
        else
            memcpy(copy, e->record.data, size_bytes);
        s->uid = e->peer_uid;
        s->type = str_is(e->organization, "-");
        s->record = (struct bytes){copy, size_bytes};
    }
    return ERR_OK;
}

/* Give the event that was read its item, and ask the cache for what finish() will look up. */
static void
begin_item(struct batch *b, const struct batch_shared *shared, struct reading *r, uint64_t seq)
{
    const struct event *e = &r->event;
    r->item = &b->items[b->count];
    r->item->seq = seq;
    r->item->kind = e->kind;
    r->item->time_utc_ms = e->time_utc_ms;
    b->ids[b->count++] = (struct id_entry){
        hash_id_of(shared->id_secret, e->organization, e->id),
        id_mark(seq, hash_mem(e->record.data, e->record.size_bytes)),
    };
    r->wish_count = 0;
    wish(r, e->organization, &r->item->organization);
    if (e->kind == EVENT_USAGE)
        wish_texts_of_usage(r);
    else
        wish_texts_of_setting(r);
    for (size_t i = 0; i < r->wish_count; i++)
        r->wishes[i].hash = dict_look_ahead(&shared->dict, r->wishes[i].text);
}

static enum err_code
finish_item(struct batch *b, const struct batch_shared *shared, struct batch_decoder *d,
            struct reading *r, int64_t receive_utc_ms, struct err *err)
{
    enum err_code code = look_up(b, &shared->dict, r, err);
    if (code != ERR_OK)
        return code;
    if (r->event.kind != EVENT_USAGE)
        return take_setting(b, shared, &r->event, &r->item->setting, err);
    take_usage(shared, d, &r->event, receive_utc_ms, &r->item->usage);
    return ERR_OK;
}

/*
 * The dictionary of a busy platform outgrows the processor's cache: a few events are
 * read, and their texts asked for, before the first one's are looked up.
 */
static enum err_code
decode_group(struct batch *b, const struct batch_shared *shared, struct batch_decoder *d,
             struct mp *m, const struct frame *f, uint32_t from, uint32_t count, struct err *err)
{
    struct reading readings[READ_GROUP];
    struct event_defect defect;
    size_t used = 0;
    for (uint32_t i = from; i < from + count; i++) {
        uint64_t seq = f->first_seq + i;
        if (!event_read(m, &readings[used].event, &defect))
            return err_set(err, ERR_CORRUPT, "event %" PRIu64 " cannot be read: %s", seq,
                           defect.text);
        if (seq > b->after_seq)
            begin_item(b, shared, &readings[used++], seq);
    }
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < used; i++)
        code = finish_item(b, shared, d, &readings[i], f->receive_utc_ms, err);
    return code;
}

static enum err_code
decode_frame(struct batch *b, const struct batch_shared *shared, struct batch_decoder *d,
             const struct frame *f, struct err *err)
{
    struct bytes events;
    enum err_code code = frame_events(d->codec, f, &d->room, &events, err);
    if (code != ERR_OK)
        return err_wrap(err, code, "frame %" PRIu64, f->first_seq);
    struct mp m = mp_of(events);
    for (uint32_t i = 0; code == ERR_OK && i < f->event_count; i += READ_GROUP) {
        uint32_t left = f->event_count - i;
        code = decode_group(b, shared, d, &m, f, i, left < READ_GROUP ? left : READ_GROUP, err);
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
    struct reading r = {.event = *event};
    batch_reset(batch, 0);
    batch->event_count = 1;
    enum err_code code = make_room(batch, err);
    if (code == ERR_OK) {
        begin_item(batch, shared, &r, seq);
        code = finish_item(batch, shared, decoder, &r, receive_utc_ms, err);
    }
    if (code == ERR_OK)
        code = batch_resolve(batch, &shared->dict, txn, err);
    if (code == ERR_OK)
        *ret_item = &batch->items[0];
    return code;
}
