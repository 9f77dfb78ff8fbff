#include "rollup/fold.h"

#include <stdlib.h>
#include <string.h>

#include "store/tables/adjustment.h"
#include "store/tables/budget.h"
#include "store/tables/resource.h"
#include "store/tables/subscription.h"
#include "store/tables/unpriced.h"

enum { POST_GROUP = 16 };

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

static void
add_usage(struct usage_row *row, const struct batch_usage *u)
{
    row->calls++;
    row->failed_calls += u->failed;
    row->estimated_calls += u->state == COST_ESTIMATED;
    row->unpriced_calls += u->state == COST_UNPRICED;
    for (size_t i = 0; i < EVENT_CLASSES; i++)
        row->tokens[i] += u->tokens[i];
    row->reasoning_tokens += u->reasoning_tokens;
    row->latency_us += u->latency_us;
    row->cost_pico += u->cost_pico;
}

static enum balance_column
column_of(const struct batch_item *item, bool duplicate)
{
    static const enum balance_column by_state[] = {
        [COST_PRICED] = BALANCE_PRICED,
        [COST_ESTIMATED] = BALANCE_ESTIMATED,
        [COST_UNPRICED] = BALANCE_UNPRICED,
    };
    if (duplicate)
        return BALANCE_DUPLICATE;
    if (item->kind == EVENT_USAGE)
        return by_state[item->usage.state];
    return item->kind == EVENT_PAYMENT || item->kind == EVENT_VOID || item->kind == EVENT_FEEDBACK
               ? BALANCE_KEPT
               : BALANCE_SETTINGS;
}

static enum err_code
apply_setting(struct tables_txn *txn, const struct batch_item *item, struct err *err)
{
    const struct batch_setting *s = &item->setting;
    if (item->kind == EVENT_RESOURCE)
        return resource_apply(txn, item->organization, (enum event_resource_type)s->type,
                              s->text[0], s->action != 0, item->time_utc_ms, item->seq, err);
    if (item->kind == EVENT_SUBSCRIPTION) {
        struct subscription row = {
            .organization = item->organization,
            .effective_ms = s->time_or_amount,
            .seq = item->seq,
            .action = (enum event_subscription_action)s->action,
            .plan = s->text[0],
            .currency = s->text[1],
        };
        return subscription_put(txn, &row, err);
    }
    if (item->kind == EVENT_ADJUSTMENT) {
        struct adjustment row = {
            .organization = item->organization,
            .month = time_month(item->time_utc_ms),
            .seq = item->seq,
            .time_utc_ms = item->time_utc_ms,
            .amount_minor = s->time_or_amount,
            .currency = s->text[0],
            .reason = s->text[1],
        };
        return adjustment_put(txn, &row, err);
    }
    if (item->kind == EVENT_BUDGET)
        return budget_apply(txn, item->organization, item->time_utc_ms, item->seq, s->record, err);
    return ERR_OK;
}

void
fold_init(struct fold *fold)
{
    map_init(&fold->hourly, USAGE_KEY_BYTES, sizeof(struct usage_row));
    map_init(&fold->monthly, USAGE_KEY_BYTES, sizeof(struct usage_row));
    map_init(&fold->balance, 8, sizeof(struct balance));
}

void
fold_clear(struct fold *fold)
{
    map_clear(&fold->hourly);
    map_clear(&fold->monthly);
    map_clear(&fold->balance);
}

/* A value of a map that may be new. */
static enum err_code
value_at(struct map *map, const void *key, uint64_t hash, void *ret_value, struct err *err)
{
    void *value = map_at(map, key, hash);
    if (value == NULL)
        return err_set(err, ERR_LIMIT, "no memory for the sums of a transaction");
    memcpy(ret_value, &value, sizeof value);
    return ERR_OK;
}

/* An event on its way into the sums. */
struct posting {
    const struct batch_item *item;
    bool duplicate;
    uint8_t key[USAGE_KEY_BYTES];
    uint64_t hash; /* of the key in hourly */
};

static enum err_code
post_balance(struct fold *fold, const struct posting *p, struct balance *ret_sum, struct err *err)
{
    uint8_t key[8];
    struct balance *b = NULL;
    put_be32(key, p->item->organization);
    put_be32(key + 4, hour_of(p->item));
    enum err_code code = value_at(&fold->balance, key, map_hash(&fold->balance, key), &b, err);
    if (code != ERR_OK)
        return code;
    enum balance_column column = column_of(p->item, p->duplicate);
    b->events[BALANCE_ACCEPTED]++;
    b->events[column]++;
    ret_sum->events[BALANCE_ACCEPTED]++;
    ret_sum->events[column]++;
    return ERR_OK;
}

static enum err_code
post(struct fold *fold, struct tables_txn *txn, const struct posting *p, struct balance *ret_sum,
     struct err *err)
{
    const struct batch_item *item = p->item;
    enum err_code code = post_balance(fold, p, ret_sum, err);
    if (code != ERR_OK || p->duplicate)
        return code;
    if (item->kind != EVENT_USAGE)
        return apply_setting(txn, item, err);
    struct usage_row *row = NULL;
    code = value_at(&fold->hourly, p->key, p->hash, &row, err);
    if (code != ERR_OK)
        return code;
    add_usage(row, &item->usage);
    return item->usage.state == COST_UNPRICED ? unpriced_add(txn, item->seq, err) : ERR_OK;
}

/*
 * Post a few events at once: the sums are larger than the cache, and asking for
 * the memory of all before touching the first hides most of the waiting.
 */
static enum err_code
post_group(struct fold *fold, struct tables_txn *txn, struct batch *batch, size_t from,
           size_t count, struct balance *ret_sum, struct err *err)
{
    struct posting postings[POST_GROUP];
    for (size_t i = 0; i < count; i++) {
        struct posting *p = &postings[i];
        p->item = &batch->items[from + i];
        p->duplicate = batch->dedupe.duplicate[from + i] != 0;
        p->hash = 0;
        if (p->item->kind != EVENT_USAGE)
            continue;
        key_of(p->item, hour_of(p->item), p->key);
        p->hash = map_hash(&fold->hourly, p->key);
        map_prefetch_slot(&fold->hourly, p->hash);
    }
    for (size_t i = 0; i < count; i++)
        map_prefetch_entry(&fold->hourly, postings[i].hash);
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = post(fold, txn, &postings[i], ret_sum, err);
    return code;
}

/* Months are summed from the hours, of which there are fewer than events. */
static enum err_code
sum_months(struct fold *fold, struct err *err)
{
    uint32_t hour = 0, month = 0;
    for (uint32_t i = 0; i < fold->hourly.count; i++) {
        struct usage_key k = usage_key_decode(map_key(&fold->hourly, i));
        uint8_t key[USAGE_KEY_BYTES];
        if (k.period != hour || i == 0) {
            hour = k.period;
            month = (uint32_t)time_month((int64_t)hour * TIME_HOUR_MS);
        }
        k.period = month;
        usage_key_encode(&k, key);
        struct usage_row *row = NULL;
        enum err_code code =
            value_at(&fold->monthly, key, map_hash(&fold->monthly, key), &row, err);
        if (code != ERR_OK)
            return code;
        usage_row_add(row, map_value(&fold->hourly, i));
    }
    return ERR_OK;
}

static enum err_code
write_usage(struct tables_txn *txn, enum table table, const struct map *map, struct err *err)
{
    uint32_t *order = map_sorted(map);
    if (order == NULL)
        return err_set(err, ERR_LIMIT, "no memory to sort %zu rows", map->count);
    struct tables_edit edit;
    enum err_code code = tables_edit_begin(&edit, txn, table, err);
    for (size_t i = 0; code == ERR_OK && i < map->count; i++)
        code = usage_edit_add(&edit, map_key(map, order[i]), map_value(map, order[i]), err);
    tables_edit_end(&edit);
    free(order);
    return code;
}

static enum err_code
write_balance(struct tables_txn *txn, const struct map *map, struct err *err)
{
    enum err_code code = ERR_OK;
    for (uint32_t i = 0; code == ERR_OK && i < map->count; i++) {
        const uint8_t *key = map_key(map, i);
        code = balance_add(txn, get_be32(key), get_be32(key + 4), map_value(map, i), err);
    }
    return code;
}

enum err_code
fold_batch(struct fold *fold, struct batch *batch, struct tables_txn *txn, struct balance *ret_sum,
           struct err *err)
{
    enum err_code code = dedupe_batch(&batch->dedupe, txn, err);
    for (size_t i = 0; code == ERR_OK && i < batch_count(batch); i += POST_GROUP) {
        size_t left = batch_count(batch) - i;
        code = post_group(fold, txn, batch, i, left < POST_GROUP ? left : POST_GROUP, ret_sum, err);
    }
    return code;
}

enum err_code
fold_write(struct fold *fold, struct tables_txn *txn, struct err *err)
{
    enum err_code code = sum_months(fold, err);
    if (code == ERR_OK)
        code = write_usage(txn, TABLE_HOURLY, &fold->hourly, err);
    if (code == ERR_OK)
        code = write_usage(txn, TABLE_MONTHLY, &fold->monthly, err);
    if (code == ERR_OK)
        code = write_balance(txn, &fold->balance, err);
    map_reset(&fold->hourly);
    map_reset(&fold->monthly);
    map_reset(&fold->balance);
    return code;
}

enum err_code
fold_repriced(struct tables_txn *txn, const struct batch_item *item, struct err *err)
{
    uint8_t key[USAGE_KEY_BYTES];
    const struct batch_usage *u = &item->usage;
    struct usage_row more = {
        .unpriced_calls = (uint64_t)-1, /* one less, modulo 2^64 */
        .estimated_calls = u->state == COST_ESTIMATED,
        .cost_pico = u->cost_pico,
    };
    struct balance balance = {0};
    balance.events[BALANCE_UNPRICED] = (uint64_t)-1;
    balance.events[column_of(item, false)] = 1;
    key_of(item, hour_of(item), key);
    enum err_code code = usage_add(txn, TABLE_HOURLY, key, &more, err);
    key_of(item, (uint32_t)time_month(item->time_utc_ms), key);
    if (code == ERR_OK)
        code = usage_add(txn, TABLE_MONTHLY, key, &more, err);
    if (code == ERR_OK)
        code = balance_add(txn, item->organization, hour_of(item), &balance, err);
    return code == ERR_OK ? unpriced_remove(txn, item->seq, err) : code;
}
