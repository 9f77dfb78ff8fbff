#include "store/tables/allowance.h"

#include <assert.h>
#include <string.h>

/*
 * Key: organization u32.  Value: position, used[4], limit[4], period start and end,
 * requests and tokens a minute, weight, all u64 little-endian; soft as bits u8, status u8,
 * bytes of plan u8 and of each upgrade u8; the texts.
 */
enum {
    ALLOWANCE_WORDS = 1 + 2 * LIMIT_DIMENSIONS + 5,
    ALLOWANCE_SOFT_AT = ALLOWANCE_WORDS * 8,
    ALLOWANCE_TEXTS = 1 + LIMIT_DIMENSIONS,
    ALLOWANCE_FIXED_BYTES = ALLOWANCE_SOFT_AT + 2 + ALLOWANCE_TEXTS,
    ALLOWANCE_PLAN_BYTES_MAX = 64,
    ALLOWANCE_BYTES_MAX = ALLOWANCE_FIXED_BYTES + ALLOWANCE_TEXTS * ALLOWANCE_PLAN_BYTES_MAX,
};

static struct str
text_of(const struct allowance *row, int i)
{
    return i == 0 ? row->plan : row->upgrade[i - 1];
}

enum err_code
allowance_put(struct tables_txn *txn, const struct allowance *row, struct err *err)
{
    uint8_t key[4], v[ALLOWANCE_BYTES_MAX] = {0};
    uint64_t words[ALLOWANCE_WORDS] = {row->position};
    struct bytes old;
    put_be32(key, row->organization);
    memcpy(words + 1, row->used, sizeof row->used);
    memcpy(words + 1 + LIMIT_DIMENSIONS, row->limit, sizeof row->limit);
    const uint64_t rest[] = {(uint64_t)row->period_start_ms, (uint64_t)row->period_end_ms,
                             row->requests_per_minute, row->tokens_per_minute, row->weight};
    memcpy(words + 1 + 2 * LIMIT_DIMENSIONS, rest, sizeof rest);
    for (int i = 0; i < ALLOWANCE_WORDS; i++)
        put_le64(v + 8 * i, words[i]);
    for (int d = 0; d < LIMIT_DIMENSIONS; d++)
        v[ALLOWANCE_SOFT_AT] |= (uint8_t)(row->soft[d] << d);
    v[ALLOWANCE_SOFT_AT + 1] = (uint8_t)row->status;
    size_t used = ALLOWANCE_FIXED_BYTES;
    for (int i = 0; i < ALLOWANCE_TEXTS; i++) {
        struct str text = text_of(row, i);
        assert(text.size_bytes <= ALLOWANCE_PLAN_BYTES_MAX);
        v[ALLOWANCE_SOFT_AT + 2 + i] = (uint8_t)text.size_bytes;
        if (text.size_bytes > 0)
            memcpy(v + used, text.data, text.size_bytes);
        used += text.size_bytes;
    }
    struct bytes k = {key, sizeof key}, value = {v, used};
    if (tables_get(txn, TABLE_ALLOWANCES, k, &old) && old.size_bytes == used &&
        memcmp(old.data, v, used) == 0)
        return ERR_OK;
    return tables_put(txn, TABLE_ALLOWANCES, k, value, err);
}

bool
allowance_get(struct tables_txn *txn, uint32_t organization, struct allowance *ret)
{
    uint8_t key[4];
    struct bytes v;
    put_be32(key, organization);
    if (!tables_get(txn, TABLE_ALLOWANCES, (struct bytes){key, sizeof key}, &v) ||
        v.size_bytes < ALLOWANCE_FIXED_BYTES || v.data[ALLOWANCE_SOFT_AT + 1] >= STANDING_STATUSES)
        return false;
    uint64_t words[ALLOWANCE_WORDS];
    for (int i = 0; i < ALLOWANCE_WORDS; i++)
        words[i] = get_le64(v.data + 8 * i);
    const uint64_t *rest = words + 1 + 2 * LIMIT_DIMENSIONS;
    struct allowance row = {.organization = organization,
                            .position = words[0],
                            .period_start_ms = (int64_t)rest[0],
                            .period_end_ms = (int64_t)rest[1],
                            .requests_per_minute = rest[2],
                            .tokens_per_minute = rest[3],
                            .weight = rest[4],
                            .status = (enum standing_status)v.data[ALLOWANCE_SOFT_AT + 1]};
    memcpy(row.used, words + 1, sizeof row.used);
    memcpy(row.limit, words + 1 + LIMIT_DIMENSIONS, sizeof row.limit);
    for (int d = 0; d < LIMIT_DIMENSIONS; d++)
        row.soft[d] = (v.data[ALLOWANCE_SOFT_AT] >> d & 1) != 0;
    size_t at = ALLOWANCE_FIXED_BYTES;
    for (int i = 0; i < ALLOWANCE_TEXTS; i++) {
        size_t n = v.data[ALLOWANCE_SOFT_AT + 2 + i];
        if (n > v.size_bytes - at)
            return false;
        struct str text = {(const char *)v.data + at, n};
        if (i == 0)
            row.plan = text;
        else
            row.upgrade[i - 1] = text;
        at += n;
    }
    *ret = row;
    return true;
}
