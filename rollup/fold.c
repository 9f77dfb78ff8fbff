#include "rollup/fold.h"

#include <stdlib.h>
#include <string.h>

#include "store/tables/act.h"
#include "store/tables/adjustment.h"
#include "store/tables/budget.h"
#include "store/tables/conflict.h"
#include "store/tables/feedback.h"
#include "store/tables/payment.h"
#include "store/tables/resource.h"
#include "store/tables/stripe_told.h"
#include "store/tables/subscription.h"
#include "store/tables/unpriced.h"
#include "store/tables/usage.h"

enum {
    POST_GROUP = 32,
    LOOK_AHEAD = 8,
    RECORDS_BYTES_MAX = 256 * 1024 * 1024,
    MANY_ROWS = 8192, /* from here on publish is told of organization and period alone */
};

static uint32_t
hour_of(const struct batch_item *item)
{
    return (uint32_t)(item->time_utc_ms / TIME_HOUR_MS);
}

static void
key_of(const struct batch_item *item, uint32_t period, uint8_t key[USAGE_KEY_BYTES])
{
    const struct batch_usage *u = &item->usage;
    struct usage_key k = {
        .organization = item->organization,
        .period = period,
        .project = u->project,
        .user = u->user,
        .type = u->type,
        .provider = u->provider,
        .model = u->model,
        .tier = u->tier,
    };
    usage_key_encode(&k, key);
}

void
fold_init(struct fold *fold, struct map *waiting)
{
    *fold = (struct fold){.waiting = waiting};
    sums_init(&fold->hourly);
    sums_init(&fold->monthly);
    map_init(&fold->balance, 8, sizeof(struct balance));
    arena_init(&fold->records, RECORDS_BYTES_MAX);
    list_init(&fold->texts, sizeof(struct dict_new));
    list_init(&fold->marks, sizeof(uint64_t));
    list_init(&fold->settings, sizeof(struct batch_item));
    list_init(&fold->unpriced, sizeof(uint64_t));
    list_init(&fold->conflicts, sizeof(struct conflict));
    list_init(&fold->named, sizeof(struct void_row));
    list_init(&fold->outcomes, sizeof(struct void_row));
    list_init(&fold->taken_back, sizeof(struct batch_item));
    list_init(&fold->priced_out, sizeof(uint64_t));
}

static void
drop_order(struct fold *fold)
{
    free(fold->hours);
    free(fold->months);
    fold->hours = fold->months = NULL;
}

void
fold_clear(struct fold *fold)
{
    struct list *lists[] = {&fold->marks,      &fold->settings,   &fold->unpriced,
                            &fold->conflicts,  &fold->named,      &fold->outcomes,
                            &fold->taken_back, &fold->priced_out, &fold->texts};
    sums_clear(&fold->hourly);
    sums_clear(&fold->monthly);
    map_clear(&fold->balance);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_clear(lists[i]);
    arena_clear(&fold->records);
    drop_order(fold);
    seen_clear(&fold->seen);
    ids_close(fold->ids);
    fold->ids = NULL;
}

static enum err_code
no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory for the sums of a transaction");
}

void
fold_waiting_init(struct map *waiting)
{
    map_init(waiting, sizeof(struct hash_id), sizeof(uint64_t));
}

/* Note that an event, if it comes, is voided. */
static enum err_code
await(struct map *waiting, const struct void_row *row, struct err *err)
{
    uint64_t *seq = map_at(waiting, &row->target, map_hash(waiting, &row->target));
    if (seq == NULL)
        return no_memory(err);
    *seq = row->void_seq;
    return ERR_OK;
}

enum err_code
fold_waiting_read(struct map *waiting, struct tables_txn *txn, struct err *err)
{
    struct void_scan scan;
    enum err_code code = ERR_OK;
    void_scan_begin(&scan, txn, true);
    while (code == ERR_OK && void_scan_next(&scan))
        code = await(waiting, &scan.row, err);
    void_scan_end(&scan);
    return code;
}

enum err_code
fold_begin(struct fold *fold, struct tables_txn *view, const struct fold *older, struct err *err)
{
    fold->older = older;
    ids_close(fold->ids);
    fold->ids = NULL;
    return ids_open(view, &fold->ids, err);
}

/* A value of a map that may be new. */
static enum err_code
value_at(struct map *map, const void *key, uint64_t hash, void *ret_value, struct err *err)
{
    void *value = map_at(map, key, hash);
    if (value == NULL)
        return no_memory(err);
    memcpy(ret_value, &value, sizeof value);
    return ERR_OK;
}

static enum err_code
balance_of(struct fold *fold, uint32_t organization, uint32_t hour, struct balance **ret,
           struct err *err)
{
    uint8_t key[8];
    put_be32(key, organization);
    put_be32(key + 4, hour);
    return value_at(&fold->balance, key, map_hash(&fold->balance, key), ret, err);
}

enum err_code
fold_balance(struct fold *fold, const struct batch_item *item, enum balance_column column, int sign,
             struct err *err)
{
    struct balance *b = NULL;
    enum err_code code = balance_of(fold, item->organization, hour_of(item), &b, err);
    if (code == ERR_OK)
        b->events[column] += (uint64_t)(int64_t)sign;
    return code;
}

enum err_code
fold_usage(struct fold *fold, const struct batch_item *item, int sign, struct err *err)
{
    uint8_t key[USAGE_KEY_BYTES];
    key_of(item, hour_of(item), key);
    return sums_add(&fold->hourly, key, map_hash(&fold->hourly.map, key), &item->usage, sign)
               ? ERR_OK
               : no_memory(err);
}

bool
fold_can_void(enum event_kind kind)
{
    return kind == EVENT_USAGE || kind == EVENT_SUBSCRIPTION || kind == EVENT_ADJUSTMENT ||
           kind == EVENT_PAYMENT || kind == EVENT_FEEDBACK || kind == EVENT_STRIPE;
}

/* An event on its way into the sums. */
struct posting {
    const struct batch_item *item;
    const struct id_entry *id;
    uint64_t counted; /* the mark of the event that counts in its place, or 0 */
    uint8_t key[USAGE_KEY_BYTES];
    uint64_t hash; /* of the key in hourly */
};

static enum err_code
post_duplicate(struct fold *fold, const struct posting *p, struct err *err)
{
    enum err_code code = fold_balance(fold, p->item, BALANCE_DUPLICATE, 1, err);
    if (code != ERR_OK || id_mark_same_content(p->id->mark, p->counted))
        return code;
    struct conflict c = {p->item->seq, id_mark_seq(p->counted)};
    code = fold_balance(fold, p->item, BALANCE_CONFLICT, 1, err);
    return code == ERR_OK && !list_add(&fold->conflicts, &c) ? no_memory(err) : code;
}

/* Was the event voided before it came?  Then it only balances. */
static enum err_code
post_voided(struct fold *fold, const struct posting *p, bool *ret_voided, struct err *err)
{
    uint64_t *void_seq =
        map_find(fold->waiting, &p->id->hash, map_hash(fold->waiting, &p->id->hash));
    *ret_voided = false;
    if (void_seq == NULL || *void_seq == 0)
        return ERR_OK;
    *ret_voided = fold_can_void(p->item->kind);
    struct void_row row = {.target = p->id->hash,
                           .void_seq = *void_seq,
                           .target_seq = p->item->seq,
                           .outcome = *ret_voided ? VOID_DONE : VOID_REFUSED};
    *void_seq = 0;
    if (!list_add(&fold->outcomes, &row))
        return no_memory(err);
    return *ret_voided ? fold_balance(fold, p->item, BALANCE_VOIDED, 1, err) : ERR_OK;
}

static enum err_code
post_setting(struct fold *fold, const struct posting *p, struct err *err)
{
    struct batch_item item = *p->item;
    enum err_code code = fold_balance(fold, p->item, BALANCE_SETTINGS, 1, err);
    if (code != ERR_OK)
        return code;
    if (item.kind == EVENT_VOID) {
        struct void_row row = {.target = item.setting.target, .void_seq = item.seq};
        return list_add(&fold->named, &row) ? ERR_OK : no_memory(err);
    }
    if (item.kind == EVENT_BUDGET || item.kind == EVENT_ACT || item.kind == EVENT_STRIPE) {
        struct bytes *record = &item.setting.record;
        uint8_t *copy = arena_alloc(&fold->records, record->size_bytes);
        if (copy == NULL)
            return no_memory(err);
        memcpy(copy, record->data, record->size_bytes);
        record->data = copy;
    }
    return list_add(&fold->settings, &item) ? ERR_OK : no_memory(err);
}

static enum err_code
post(struct fold *fold, const struct posting *p, struct err *err)
{
    const struct batch_item *item = p->item;
    enum err_code code = ERR_OK;
    bool voided = false;
    if (p->counted != 0)
        return post_duplicate(fold, p, err);
    if (fold->waiting->count > 0)
        code = post_voided(fold, p, &voided, err);
    if (code != ERR_OK || voided)
        return code;
    if (item->kind != EVENT_USAGE)
        return post_setting(fold, p, err);
    if (!sums_add(&fold->hourly, p->key, p->hash, &item->usage, 1))
        return no_memory(err);
    const uint64_t note = item->seq << 1 | item->usage.uncounted;
    if (item->usage.state == COST_UNPRICED && !list_add(&fold->unpriced, &note))
        return no_memory(err);
    return ERR_OK;
}

/*
 * Post a few events at once: the sums are larger than the cache, and asking for
 * the memory of all before touching the first hides most of the waiting.
 */
static enum err_code
post_group(struct fold *fold, const struct batch *batch, size_t from, size_t count, struct err *err)
{
    struct posting postings[POST_GROUP];
    const uint64_t *marks = fold->marks.items;
    for (size_t i = 0; i < count; i++) {
        struct posting *p = &postings[i];
        p->item = &batch->items[from + i];
        p->id = &batch->ids[from + i];
        p->counted = marks[from + i];
        p->hash = 0;
        if (p->item->kind != EVENT_USAGE)
            continue;
        key_of(p->item, hour_of(p->item), p->key);
        p->hash = map_hash(&fold->hourly.map, p->key);
        map_prefetch_slot(&fold->hourly.map, p->hash);
    }
    for (size_t i = 0; i < count; i++)
        map_prefetch_entry(&fold->hourly.map, postings[i].hash);
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = post(fold, &postings[i], err);
    return code;
}

enum err_code
fold_batch(struct fold *fold, const struct batch *batch, struct err *err)
{
    if (!list_reserve(&fold->marks, batch->count))
        return no_memory(err);
    const struct seen *older = fold->older != NULL ? &fold->older->seen : NULL;
    enum err_code code =
        seen_batch(&fold->seen, older, fold->ids, batch->ids, batch->count, fold->marks.items, err);
    for (size_t i = 0; code == ERR_OK && i < batch->count; i += POST_GROUP) {
        size_t left = batch->count - i;
        code = post_group(fold, batch, i, left < POST_GROUP ? left : POST_GROUP, err);
    }
    return code;
}

bool
fold_is_full(const struct fold *fold, const struct dict *dict)
{
    return fold->hourly.map.count >= FOLD_ROWS_MAX || dict->used >= FOLD_TEXTS_MAX ||
           fold->records.used_bytes >= FOLD_RECORDS_BYTES_MAX ||
           fold->settings.count + fold->unpriced.count + fold->conflicts.count + fold->named.count +
                   fold->outcomes.count >=
               FOLD_NOTES_MAX;
}

/* The last hour looked up, and the month it lies in. */
struct hour_month {
    uint32_t hour, month; /* month 0: none yet */
};

/* Add an hour's row to its month's. */
static bool
sum_month(struct fold *fold, uint32_t index, struct hour_month *last)
{
    struct usage_key k = usage_key_decode(map_key(&fold->hourly.map, index));
    uint8_t key[USAGE_KEY_BYTES];
    if (k.period != last->hour || last->month == 0)
        *last =
            (struct hour_month){k.period, (uint32_t)time_month((int64_t)k.period * TIME_HOUR_MS)};
    k.period = last->month;
    usage_key_encode(&k, key);
    return sums_add_entry(&fold->monthly, key, &fold->hourly, index);
}

/*
 * Months are summed from the hours, of which there are fewer than events, and so is
 * the balance.  In key order, where neighbours belong to the same sums.
 */
static enum err_code
sum_hours(struct fold *fold, struct err *err)
{
    const uint32_t *order = fold->hours;
    const struct map *hourly = &fold->hourly.map;
    struct hour_month last = {0};
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < hourly->count; i++) {
        if (i + LOOK_AHEAD < hourly->count)
            map_prefetch_index(hourly, order[i + LOOK_AHEAD]);
        const uint8_t *key = map_key(hourly, order[i]);
        const struct sum *sum = map_value(hourly, order[i]);
        struct balance *b = NULL;
        if (!sum_month(fold, order[i], &last))
            return no_memory(err);
        code = balance_of(fold, get_be32(key), get_be32(key + 4), &b, err);
        if (code == ERR_OK)
            sum_to_balance(sum, b);
    }
    for (uint32_t i = 0; code == ERR_OK && i < fold->balance.count; i++) {
        struct balance *b = map_value_of(&fold->balance, i);
        for (int c = BALANCE_PRICED; c <= BALANCE_SETTINGS; c++)
            b->events[BALANCE_ACCEPTED] += b->events[c];
    }
    return code;
}

static enum err_code
write_usage(struct tables_txn *txn, enum table table, const struct sums *sums,
            const uint32_t *order, struct err *err)
{
    struct tables_edit edit;
    size_t count = sums->map.count;
    enum err_code code = tables_edit_begin(&edit, txn, table, err);
    if (count > MANY_ROWS)
        edit.range_bytes = USAGE_RANGE_BYTES;
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        if (i + LOOK_AHEAD < count)
            map_prefetch_index(&sums->map, order[i + LOOK_AHEAD]);
        const struct usage_row more = sums_row(sums, order[i]);
        code = usage_edit_add(&edit, map_key(&sums->map, order[i]), &more, err);
    }
    tables_edit_end(&edit);
    return code;
}

static enum err_code
write_balance(const struct fold *fold, struct tables_txn *txn, struct balance *ret_sum,
              struct err *err)
{
    enum err_code code = ERR_OK;
    for (uint32_t i = 0; code == ERR_OK && i < fold->balance.count; i++) {
        const uint8_t *key = map_key(&fold->balance, i);
        const struct balance *b = map_value(&fold->balance, i);
        balance_sum(ret_sum, b);
        code = balance_add(txn, get_be32(key), get_be32(key + 4), b, err);
    }
    return code;
}

static struct subscription
subscription_of(const struct batch_item *item)
{
    const struct batch_setting *s = &item->setting;
    return (struct subscription){
        .organization = item->organization,
        .effective_ms = s->time_or_amount,
        .seq = item->seq,
        .action = (enum event_subscription_action)s->action,
        .plan = s->text[0],
        .currency = s->text[1],
        .tax_percent = s->text[2],
        .anchor_ms = s->anchor_ms,
        .trial_end_ms = s->trial_end_ms,
        .at_period_end = s->at_period_end,
    };
}

static struct payment
payment_of(const struct batch_item *item)
{
    const struct batch_setting *s = &item->setting;
    return (struct payment){
        .organization = item->organization,
        .seq = item->seq,
        .time_utc_ms = item->time_utc_ms,
        .amount_minor = s->time_or_amount,
        .invoice = s->text[0],
        .status = s->text[1],
        .currency = s->text[2],
    };
}

static struct feedback
feedback_of(const struct batch_item *item)
{
    return (struct feedback){
        .organization = item->organization,
        .recommendation = item->setting.text[0],
        .time_utc_ms = item->time_utc_ms,
        .seq = item->seq,
        .status = (enum recommendation_status)item->setting.action,
    };
}

static struct adjustment
adjustment_of(const struct batch_item *item)
{
    const struct batch_setting *s = &item->setting;
    return (struct adjustment){
        .organization = item->organization,
        .month = time_month(item->time_utc_ms),
        .seq = item->seq,
        .time_utc_ms = item->time_utc_ms,
        .amount_minor = s->time_or_amount,
        .currency = s->text[0],
        .reason = s->text[1],
    };
}

static struct stripe_told
stripe_told_of(const struct batch_item *item)
{
    const struct batch_setting *s = &item->setting;
    const bool is_nobodys = s->type != 0;
    return (struct stripe_told){
        .under = s->text[0] != 0 ? STRIPE_TOLD_OBJECT
                 : is_nobodys    ? STRIPE_TOLD_NOBODY
                                 : STRIPE_TOLD_ORGANIZATION,
        .parent = s->text[0] != 0 ? s->text[0] : item->organization,
        .seq = item->seq,
        .time_utc_ms = item->time_utc_ms,
        .organization = item->organization,
        .plan = s->text[1],
        .currency = s->text[2],
        .body = s->record,
    };
}

static enum err_code
write_setting(struct tables_txn *txn, const struct batch_item *item, struct err *err)
{
    const struct batch_setting *s = &item->setting;
    if (item->kind == EVENT_RESOURCE)
        return resource_apply(txn, item->organization, (enum event_resource_type)s->type,
                              s->text[0], s->action != 0, item->time_utc_ms, item->seq, err);
    if (item->kind == EVENT_SUBSCRIPTION) {
        struct subscription row = subscription_of(item);
        return subscription_put(txn, &row, err);
    }
    if (item->kind == EVENT_ADJUSTMENT) {
        struct adjustment row = adjustment_of(item);
        return adjustment_put(txn, &row, err);
    }
    if (item->kind == EVENT_PAYMENT) {
        struct payment row = payment_of(item);
        return payment_put(txn, &row, err);
    }
    if (item->kind == EVENT_FEEDBACK) {
        struct feedback row = feedback_of(item);
        return feedback_put(txn, &row, err);
    }
    if (item->kind == EVENT_ACT) {
        const struct act row = {item->time_utc_ms, item->seq, item->organization, s->uid,
                                s->record};
        return act_put(txn, &row, err);
    }
    if (item->kind == EVENT_STRIPE) {
        const struct stripe_told row = stripe_told_of(item);
        return stripe_told_put(txn, &row, err);
    }
    return budget_apply(txn, item->organization, item->time_utc_ms, item->seq, s->record, err);
}

static enum err_code
take_setting_back(struct tables_txn *txn, const struct batch_item *item, struct err *err)
{
    if (item->kind == EVENT_SUBSCRIPTION) {
        struct subscription row = subscription_of(item);
        return subscription_delete(txn, &row, err);
    }
    if (item->kind == EVENT_PAYMENT) {
        struct payment row = payment_of(item);
        return payment_delete(txn, &row, err);
    }
    if (item->kind == EVENT_FEEDBACK) {
        struct feedback row = feedback_of(item);
        return feedback_delete(txn, &row, err);
    }
    if (item->kind == EVENT_STRIPE) {
        const struct stripe_told row = stripe_told_of(item);
        return stripe_told_delete(txn, &row, err);
    }
    struct adjustment row = adjustment_of(item);
    return adjustment_delete(txn, &row, err);
}

/* All but sums and ids.  What voids take away is taken after it was put. */
static enum err_code
write_lists(const struct fold *fold, struct tables_txn *txn, struct err *err)
{
    enum err_code code = ERR_OK;
    const struct batch_item *settings = fold->settings.items, *back = fold->taken_back.items;
    const uint64_t *unpriced = fold->unpriced.items, *out = fold->priced_out.items;
    const struct conflict *conflicts = fold->conflicts.items;
    const struct void_row *outcomes = fold->outcomes.items;
    for (size_t i = 0; code == ERR_OK && i < fold->settings.count; i++)
        code = write_setting(txn, &settings[i], err);
    for (size_t i = 0; code == ERR_OK && i < fold->taken_back.count; i++)
        code = take_setting_back(txn, &back[i], err);
    for (size_t i = 0; code == ERR_OK && i < fold->unpriced.count; i++)
        code = unpriced_put(txn, unpriced[i] >> 1, (unpriced[i] & 1) != 0, err);
    for (size_t i = 0; code == ERR_OK && i < fold->priced_out.count; i++)
        code = unpriced_remove(txn, out[i], err);
    for (size_t i = 0; code == ERR_OK && i < fold->conflicts.count; i++)
        code = conflict_put(txn, &conflicts[i], err);
    for (size_t i = 0; code == ERR_OK && i < fold->outcomes.count; i++)
        code = void_put(txn, &outcomes[i], err);
    return code;
}

enum err_code
fold_seal(struct fold *fold, struct tables_txn *view, struct dict *dict, struct again *again,
          struct err *err)
{
    enum err_code code = ERR_OK;
    if (fold_has_voids(fold)) {
        code = fold_begin(fold, view, NULL, err);
        if (code == ERR_OK)
            code = fold_voids(fold, view, again, err);
    }
    const struct void_row *outcomes = fold->outcomes.items;
    for (size_t i = 0; code == ERR_OK && i < fold->outcomes.count; i++) {
        if (outcomes[i].outcome == VOID_WAITING)
            code = await(fold->waiting, &outcomes[i], err);
    }
    ids_close(fold->ids);
    fold->ids = NULL;
    list_clear(&fold->texts);
    dict_take_new(dict, &fold->texts);
    return code;
}

enum err_code
fold_prepare(struct fold *fold, struct err *err)
{
    drop_order(fold);
    enum err_code code = seen_sort(&fold->seen, err);
    if (code == ERR_OK && (fold->hours = map_sorted(&fold->hourly.map)) == NULL)
        code = no_memory(err);
    if (code == ERR_OK)
        code = sum_hours(fold, err);
    if (code == ERR_OK && (fold->months = map_sorted(&fold->monthly.map)) == NULL)
        code = no_memory(err);
    return code;
}

enum err_code
fold_write(struct fold *fold, struct tables_txn *txn, struct balance *ret_sum, struct err *err)
{
    enum err_code code = dict_write(&fold->texts, txn, err);
    if (code == ERR_OK)
        code = write_lists(fold, txn, err);
    if (code == ERR_OK)
        code = seen_write(&fold->seen, txn, err);
    if (code == ERR_OK)
        code = write_usage(txn, TABLE_HOURLY, &fold->hourly, fold->hours, err);
    if (code == ERR_OK)
        code = write_usage(txn, TABLE_MONTHLY, &fold->monthly, fold->months, err);
    return code == ERR_OK ? write_balance(fold, txn, ret_sum, err) : code;
}

void
fold_reset(struct fold *fold)
{
    struct list *lists[] = {&fold->settings, &fold->unpriced,   &fold->conflicts, &fold->named,
                            &fold->outcomes, &fold->taken_back, &fold->priced_out};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        lists[i]->count = 0;
    list_clear(&fold->texts);
    sums_reset(&fold->hourly);
    sums_reset(&fold->monthly);
    map_reset(&fold->balance);
    seen_reset(&fold->seen);
    arena_clear(&fold->records);
}

enum err_code
fold_repriced(struct tables_txn *txn, const struct batch_item *item, bool was_uncounted,
              struct err *err)
{
    uint8_t key[USAGE_KEY_BYTES];
    const struct batch_usage *u = &item->usage;
    struct usage_row more = {.cost_pico = u->cost_pico};
    struct balance balance = {0};
    bool priced = u->state != COST_UNPRICED;
    if (priced) {
        more.unpriced_calls = (uint64_t)-1; /* one less, modulo 2^64 */
        more.estimated_calls = u->state == COST_ESTIMATED;
        balance.events[BALANCE_UNPRICED] = (uint64_t)-1;
        balance.events[u->state == COST_ESTIMATED ? BALANCE_ESTIMATED : BALANCE_PRICED] = 1;
    }
    if (was_uncounted) {
        more.reasoning_tokens = u->reasoning_tokens;
        memcpy(more.tokens, u->tokens,
               (u->media ? EVENT_CLASSES : EVENT_TEXT_CLASSES) * sizeof more.tokens[0]);
    }
    key_of(item, hour_of(item), key);
    enum err_code code = usage_add(txn, TABLE_HOURLY, key, &more, err);
    key_of(item, (uint32_t)time_month(item->time_utc_ms), key);
    if (code == ERR_OK)
        code = usage_add(txn, TABLE_MONTHLY, key, &more, err);
    if (code == ERR_OK)
        code = balance_add(txn, item->organization, hour_of(item), &balance, err);
    if (code != ERR_OK)
        return code;
    return priced ? unpriced_remove(txn, item->seq, err)
                  : unpriced_put(txn, item->seq, u->uncounted, err);
}
