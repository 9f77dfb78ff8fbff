#include "store/tables/budget.h"

#include <assert.h>
#include <string.h>

#include "store/event/event.h"

/* organization u32 -> time u64, seq u64, time of the first one u64, record. */
enum { BUDGET_KEY_BYTES = 4, BUDGET_HEAD_BYTES = 24 };

enum err_code
budget_apply(struct tables_txn *txn, uint32_t organization, int64_t time_utc_ms, uint64_t seq,
             struct bytes record, struct err *err)
{
    uint8_t key[BUDGET_KEY_BYTES], row[BUDGET_HEAD_BYTES + EVENT_RECORD_BYTES_MAX];
    struct bytes k = {key, sizeof key}, old;
    int64_t created_ms = time_utc_ms, old_ms = 0, old_created_ms = 0;
    put_be32(key, organization);
    bool there = tables_get(txn, TABLE_BUDGETS, k, &old);
    if (there) {
        old_ms = (int64_t)get_le64(old.data);
        old_created_ms = (int64_t)get_le64(old.data + 16);
        if (old_created_ms < created_ms)
            created_ms = old_created_ms;
    }
    if (there &&
        (old_ms > time_utc_ms || (old_ms == time_utc_ms && get_le64(old.data + 8) > seq))) {
        if (created_ms == old_created_ms)
            return ERR_OK;
        /* An older one that came late: the record that holds stays, its beginning moves. */
        time_utc_ms = old_ms;
        seq = get_le64(old.data + 8);
        record = (struct bytes){old.data + BUDGET_HEAD_BYTES, old.size_bytes - BUDGET_HEAD_BYTES};
    }
    put_le64(row, (uint64_t)time_utc_ms);
    put_le64(row + 8, seq);
    put_le64(row + 16, (uint64_t)created_ms);
    memcpy(row + BUDGET_HEAD_BYTES, record.data, record.size_bytes);
    return tables_put_published(txn, TABLE_BUDGETS, k,
                                (struct bytes){row, BUDGET_HEAD_BYTES + record.size_bytes}, err);
}

/* The record passed event_parse(); null is the same as absent. */
static void
read_record(struct bytes record, struct budget *b)
{
    struct mp m = mp_of(record);
    struct mp_value map, key, value;
    bool ok = mp_read(&m, &map) && map.type == MP_MAP;
    assert(ok);
    for (uint32_t i = 0; i < map.count; i++) {
        ok = mp_read(&m, &key);
        struct mp at = m;
        ok = ok && mp_skip(&m) && mp_read(&at, &value);
        assert(ok);
        if (key.type != MP_STR || value.type == MP_NIL)
            continue;
        struct str name = mp_str(&key);
        if (str_is(name, "monthlyBudget"))
            b->has_monthly = mp_whole(&value, &b->monthly_minor);
        if (str_is(name, "emailAlerts") && value.type == MP_BOOL)
            b->email_alerts = value.b;
        if (value.type != MP_MAP && value.type != MP_ARRAY)
            continue;
        /* From the value's head on: mp_read() stepped over the head only. */
        const uint8_t *head = key.data + key.count;
        const struct bytes span = {head, (size_t)(m.p - head)};
        if (str_is(name, "alertThresholds"))
            b->thresholds = span;
        else if (str_is(name, "spikeDetection"))
            b->spikes = span;
        else if (str_is(name, "autoLimits"))
            b->limits = span;
    }
}

bool
budget_get(struct tables_txn *txn, uint32_t organization, struct budget *ret)
{
    uint8_t key[BUDGET_KEY_BYTES];
    struct bytes v;
    put_be32(key, organization);
    if (!tables_get(txn, TABLE_BUDGETS, (struct bytes){key, sizeof key}, &v))
        return false;
    assert(v.size_bytes > BUDGET_HEAD_BYTES);
    *ret = (struct budget){.organization = organization,
                           .updated_ms = (int64_t)get_le64(v.data),
                           .seq = get_le64(v.data + 8),
                           .created_ms = (int64_t)get_le64(v.data + 16),
                           .email_alerts = true};
    read_record((struct bytes){v.data + BUDGET_HEAD_BYTES, v.size_bytes - BUDGET_HEAD_BYTES}, ret);
    return true;
}

bool
budget_next(struct tables_txn *txn, uint32_t after, uint32_t *ret)
{
    uint8_t from[BUDGET_KEY_BYTES];
    struct bytes key;
    if (after == UINT32_MAX)
        return false;
    put_be32(from, after + 1);
    if (!tables_first_from(txn, TABLE_BUDGETS, (struct bytes){from, sizeof from}, &key))
        return false;
    *ret = get_be32(key.data);
    return true;
}

uint32_t
budget_key_decode(struct bytes key)
{
    assert(key.size_bytes == BUDGET_KEY_BYTES);
    return get_be32(key.data);
}
