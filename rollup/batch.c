#include "rollup/batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_PRICES = 1024 };

/* (provider, model) by dictionary number -> its place in the book. */
struct batch_price {
    uint32_t provider, model; /* 0, 0: free */
    const struct price_id *id;
};

enum err_code
batch_init(struct batch *batch, const struct price_book *book,
           const uint8_t identity[HASH_SHA256_BYTES], struct err *err)
{
    *batch = (struct batch){.book = book};
    arena_init(&batch->arena, BATCH_SETTINGS_BYTES_MAX);
    hash_secret_init(batch->id_secret, identity);
    batch->prices = calloc(BATCH_PRICES, sizeof *batch->prices);
    return batch->prices != NULL ? ERR_OK : err_set(err, ERR_LIMIT, "no memory");
}

void
batch_clear(struct batch *batch)
{
    dict_clear(&batch->dict);
    arena_clear(&batch->arena);
    free(batch->items);
    dedupe_clear(&batch->dedupe);
    free(batch->prices);
    *batch = (struct batch){0};
}

void
batch_reset(struct batch *batch)
{
    batch->dedupe.count = 0;
    arena_clear(&batch->arena);
}

static enum err_code
make_room(struct batch *b, size_t more, struct err *err)
{
    size_t need = batch_count(b) + more;
    if (need <= b->room)
        return ERR_OK;
    size_t room = need < 4096 ? 4096 : need + need / 2;
    struct batch_item *items = realloc(b->items, room * sizeof *items);
    if (items == NULL)
        return err_set(err, ERR_LIMIT, "no memory for a batch of %zu events", room);
    b->items = items;
    enum err_code code = dedupe_reserve(&b->dedupe, room, err);
    if (code == ERR_OK)
        b->room = room;
    return code;
}

static const struct price_id *
price_id_of(struct batch *b, uint32_t provider, uint32_t model, const struct event_usage *u)
{
    struct batch_price *p =
        &b->prices[(provider * 0x9e3779b1u ^ model * 0x85ebca6bu) % BATCH_PRICES];
    if (p->provider != provider || p->model != model)
        *p = (struct batch_price){provider, model, price_book_find(b->book, u->provider, u->model)};
    return p->id;
}

enum err_code
batch_read_usage(struct batch *batch, struct tables_txn *txn, const struct event *event,
                 int64_t receive_utc_ms, struct batch_item *ret_item, struct err *err)
{
    const struct event_usage *u = &event->usage;
    struct batch_usage *to = &ret_item->usage;
    const struct dict_wish wishes[] = {
        {event->organization, &ret_item->organization},
        {u->project, &to->project},
        {u->user, &to->user},
        {u->type, &to->type},
        {u->provider, &to->provider},
        {u->model, &to->model},
        {u->tier, &to->tier},
    };
    ret_item->kind = EVENT_USAGE;
    ret_item->time_utc_ms = event->time_utc_ms;
    enum err_code code =
        dict_intern_all(&batch->dict, txn, wishes, sizeof wishes / sizeof wishes[0], err);
    if (code != ERR_OK)
        return code;
    memcpy(to->tokens, u->tokens, sizeof to->tokens);
    to->reasoning_tokens = u->reasoning_tokens;
    to->latency_us = u->latency_us;
    to->failed = u->failed;
    struct cost cost = cost_of_id(price_id_of(batch, to->provider, to->model, u), u,
                                  event->time_utc_ms, receive_utc_ms);
    to->state = cost.state;
    to->cost_pico = cost.cost_pico;
    return ERR_OK;
}

static enum err_code
read_setting(struct batch *b, struct tables_txn *txn, const struct event *e,
             struct batch_item *item, struct err *err)
{
    struct batch_setting *s = &item->setting;
    struct dict_wish wishes[3] = {{e->organization, &item->organization}};
    size_t count = 1;
    *s = (struct batch_setting){0};
    if (e->kind == EVENT_RESOURCE) {
        s->type = (uint8_t)e->resource.type;
        s->action = e->resource.created;
        wishes[count++] = (struct dict_wish){e->resource.resource, &s->text[0]};
    } else if (e->kind == EVENT_SUBSCRIPTION) {
        s->action = (uint8_t)e->subscription.action;
        s->time_or_amount = e->subscription.effective_ms;
        wishes[count++] = (struct dict_wish){e->subscription.plan, &s->text[0]};
        wishes[count++] = (struct dict_wish){e->subscription.currency, &s->text[1]};
    } else if (e->kind == EVENT_ADJUSTMENT) {
        s->time_or_amount = e->adjustment.amount_minor;
        wishes[count++] = (struct dict_wish){e->adjustment.currency, &s->text[0]};
        wishes[count++] = (struct dict_wish){e->adjustment.reason, &s->text[1]};
    } else if (e->kind == EVENT_BUDGET) {
        uint8_t *copy = arena_alloc(&b->arena, e->record.size_bytes);
        if (copy == NULL)
            return err_set(err, ERR_LIMIT, "settings of one batch take over %d bytes",
                           BATCH_SETTINGS_BYTES_MAX);
        memcpy(copy, e->record.data, e->record.size_bytes);
        s->record = (struct bytes){copy, e->record.size_bytes};
    }
    return dict_intern_all(&b->dict, txn, wishes, count, err);
}

static enum err_code
add_event(struct batch *b, struct tables_txn *txn, const struct event *e, uint64_t seq,
          int64_t receive_utc_ms, struct err *err)
{
    struct batch_item *item = &b->items[batch_count(b)];
    item->seq = seq;
    item->kind = e->kind;
    item->time_utc_ms = e->time_utc_ms;
    enum err_code code = e->kind == EVENT_USAGE
                             ? batch_read_usage(b, txn, e, receive_utc_ms, item, err)
                             : read_setting(b, txn, e, item, err);
    if (code != ERR_OK)
        return code;
    dedupe_add(&b->dedupe, hash_id_of(b->id_secret, e->organization, e->id), seq);
    return ERR_OK;
}

enum err_code
batch_add_frame(struct batch *batch, struct tables_txn *txn, const struct log_frame *frame,
                uint64_t after_seq, struct err *err)
{
    struct mp m = mp_of(frame->events);
    struct event event;
    struct event_defect defect;
    enum err_code code = make_room(batch, frame->event_count, err);
    for (uint32_t i = 0; code == ERR_OK && i < frame->event_count; i++) {
        uint64_t seq = frame->first_seq + i;
        if (!event_read(&m, &event, &defect))
            return err_set(err, ERR_CORRUPT, "event %" PRIu64 " cannot be read: %s", seq,
                           defect.text);
        if (seq > after_seq)
            code = add_event(batch, txn, &event, seq, frame->receive_utc_ms, err);
    }
    return code;
}
