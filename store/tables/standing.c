#include "store/tables/standing.h"

#include <assert.h>
#include <string.h>

/*
 * Key: organization u32.  Value: status u8, currency 4 bytes, bytes of plan u8, tax
 * u64, period start and end u64, usage start and end u64, trial end u64, next u64,
 * requests and tokens a minute u64, plan, next plan.
 */
enum {
    STANDING_KEY_BYTES = 4,
    STANDING_FIXED_BYTES = 78,
    STANDING_PLAN_BYTES_MAX = 64,
    STANDING_ROW_BYTES_MAX = STANDING_FIXED_BYTES + 2 * STANDING_PLAN_BYTES_MAX,
};

const char *
standing_status_name(enum standing_status status)
{
    static const char *const names[STANDING_STATUSES] = {
        [STANDING_NONE] = "none",
        [STANDING_TRIALING] = "trialing",
        [STANDING_ACTIVE] = "active",
        [STANDING_PAUSED] = "paused",
    };
    assert(status < STANDING_STATUSES);
    return names[status];
}

enum err_code
standing_put(struct tables_txn *txn, const struct standing_row *row, struct err *err)
{
    uint8_t key[STANDING_KEY_BYTES], v[STANDING_ROW_BYTES_MAX];
    assert(row->plan.size_bytes <= STANDING_PLAN_BYTES_MAX);
    assert(row->next_plan.size_bytes <= STANDING_PLAN_BYTES_MAX);
    put_be32(key, row->organization);
    v[0] = (uint8_t)row->status;
    memcpy(v + 1, row->currency, sizeof row->currency);
    v[5] = (uint8_t)row->plan.size_bytes;
    put_le64(v + 6, (uint64_t)row->tax_percent);
    put_le64(v + 14, (uint64_t)row->period_start_ms);
    put_le64(v + 22, (uint64_t)row->period_end_ms);
    put_le64(v + 30, (uint64_t)row->usage_start_ms);
    put_le64(v + 38, (uint64_t)row->usage_end_ms);
    put_le64(v + 46, (uint64_t)row->trial_end_ms);
    put_le64(v + 54, (uint64_t)row->next_ms);
    put_le64(v + 62, row->requests_per_minute);
    put_le64(v + 70, row->tokens_per_minute);
    size_t used = STANDING_FIXED_BYTES;
    memcpy(v + used, row->plan.data, row->plan.size_bytes);
    used += row->plan.size_bytes;
    if (row->next_plan.size_bytes > 0)
        memcpy(v + used, row->next_plan.data, row->next_plan.size_bytes);
    used += row->next_plan.size_bytes;
    return tables_put_published(txn, TABLE_STANDINGS, (struct bytes){key, sizeof key},
                                (struct bytes){v, used}, err);
}

bool
standing_get(struct tables_txn *txn, uint32_t organization, struct standing_row *ret)
{
    uint8_t key[STANDING_KEY_BYTES];
    struct bytes value;
    put_be32(key, organization);
    if (!tables_get(txn, TABLE_STANDINGS, (struct bytes){key, sizeof key}, &value))
        return false;
    const uint8_t *v = value.data;
    assert(value.size_bytes >= STANDING_FIXED_BYTES + (size_t)v[5]);
    const char *text = (const char *)v + STANDING_FIXED_BYTES;
    *ret = (struct standing_row){
        .organization = organization,
        .status = (enum standing_status)v[0],
        .plan = {text, v[5]},
        .next_plan = {text + v[5], value.size_bytes - STANDING_FIXED_BYTES - v[5]},
        .tax_percent = (int64_t)get_le64(v + 6),
        .period_start_ms = (int64_t)get_le64(v + 14),
        .period_end_ms = (int64_t)get_le64(v + 22),
        .usage_start_ms = (int64_t)get_le64(v + 30),
        .usage_end_ms = (int64_t)get_le64(v + 38),
        .trial_end_ms = (int64_t)get_le64(v + 46),
        .next_ms = (int64_t)get_le64(v + 54),
        .requests_per_minute = get_le64(v + 62),
        .tokens_per_minute = get_le64(v + 70),
    };
    memcpy(ret->currency, v + 1, sizeof ret->currency);
    return true;
}

uint32_t
standing_key_decode(struct bytes key)
{
    assert(key.size_bytes == STANDING_KEY_BYTES);
    return get_be32(key.data);
}
