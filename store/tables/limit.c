#include "store/tables/limit.h"

#include <assert.h>
#include <string.h>

/*
 * Key: organization u32, dimension u8.  Value: the fixed part (used u64, limit
 * u64, position u64, period start u64, period end u64, percent u32, state u8,
 * allowed u8, then the lengths of plan u8, upgrade u8 and reason u16) and the
 * three texts.
 */
enum {
    LIMIT_KEY_BYTES = 5,
    LIMIT_POSITION_AT = 16,
    LIMIT_FIXED_BYTES = 50,
    LIMIT_PLAN_BYTES_MAX = 64,
    LIMIT_REASON_BYTES_MAX = 256,
    LIMIT_ROW_BYTES_MAX = LIMIT_FIXED_BYTES + 2 * LIMIT_PLAN_BYTES_MAX + LIMIT_REASON_BYTES_MAX,
};

static const char *const dimension_names[LIMIT_DIMENSIONS] = {
    [LIMIT_PROJECTS] = "projects",
    [LIMIT_DOCUMENTS] = "documents",
    [LIMIT_AI_CREDITS] = "ai_credits",
    [LIMIT_MEMBERS] = "members",
};

static const char *const state_names[LIMIT_STATES] = {
    [LIMIT_OK] = "ok",           [LIMIT_WARNING] = "warning",   [LIMIT_CRITICAL] = "critical",
    [LIMIT_REACHED] = "reached", [LIMIT_EXCEEDED] = "exceeded", [LIMIT_PAUSED] = "paused",
};

const char *
limit_dimension_name(enum limit_dimension dimension)
{
    assert(dimension < LIMIT_DIMENSIONS);
    return dimension_names[dimension];
}

const char *
limit_state_name(enum limit_state state)
{
    assert(state < LIMIT_STATES);
    return state_names[state];
}

static void
key_encode(uint32_t organization, enum limit_dimension dimension, uint8_t key[LIMIT_KEY_BYTES])
{
    assert(dimension < LIMIT_DIMENSIONS);
    put_be32(key, organization);
    key[4] = (uint8_t)dimension;
}

static uint8_t *
put_text(uint8_t *p, struct str text)
{
    if (text.size_bytes > 0)
        memcpy(p, text.data, text.size_bytes);
    return p + text.size_bytes;
}

static size_t
row_encode(const struct limit *row, uint8_t bytes[LIMIT_ROW_BYTES_MAX])
{
    assert(row->state < LIMIT_STATES);
    assert(row->plan.size_bytes <= LIMIT_PLAN_BYTES_MAX);
    assert(row->upgrade.size_bytes <= LIMIT_PLAN_BYTES_MAX);
    assert(row->reason.size_bytes <= LIMIT_REASON_BYTES_MAX);
    put_le64(bytes, row->used);
    put_le64(bytes + 8, row->limit);
    put_le64(bytes + LIMIT_POSITION_AT, row->position);
    put_le64(bytes + 24, (uint64_t)row->period_start_ms);
    put_le64(bytes + 32, (uint64_t)row->period_end_ms);
    put_le32(bytes + 40, row->percent);
    bytes[44] = (uint8_t)row->state;
    bytes[45] = row->allowed ? 1 : 0;
    bytes[46] = (uint8_t)row->plan.size_bytes;
    bytes[47] = (uint8_t)row->upgrade.size_bytes;
    put_be16(bytes + 48, (uint16_t)row->reason.size_bytes);
    uint8_t *p = put_text(bytes + LIMIT_FIXED_BYTES, row->plan);
    p = put_text(p, row->upgrade);
    return (size_t)(put_text(p, row->reason) - bytes);
}

enum err_code
limit_put(struct tables_txn *txn, const struct limit *row, struct err *err)
{
    uint8_t key[LIMIT_KEY_BYTES], bytes[LIMIT_ROW_BYTES_MAX];
    struct bytes k = {key, sizeof key}, old;
    key_encode(row->organization, row->dimension, key);
    size_t size = row_encode(row, bytes);
    if (tables_get(txn, TABLE_LIMITS, k, &old) && old.size_bytes == size) {
        /* The position alone is no change. */
        uint64_t stored = get_le64(old.data + LIMIT_POSITION_AT);
        put_le64(bytes + LIMIT_POSITION_AT, stored);
        if (memcmp(bytes, old.data, size) == 0)
            return ERR_OK;
        put_le64(bytes + LIMIT_POSITION_AT, row->position);
    }
    return tables_put_published(txn, TABLE_LIMITS, k, (struct bytes){bytes, size}, err);
}

bool
limit_get(struct tables_txn *txn, uint32_t organization, enum limit_dimension dimension,
          struct limit *ret)
{
    uint8_t key[LIMIT_KEY_BYTES];
    struct bytes v;
    key_encode(organization, dimension, key);
    if (!tables_get(txn, TABLE_LIMITS, (struct bytes){key, sizeof key}, &v))
        return false;
    assert(v.size_bytes >= LIMIT_FIXED_BYTES);
    const uint8_t *p = v.data;
    size_t plan_bytes = p[46], upgrade_bytes = p[47], reason_bytes = get_be16(p + 48);
    assert(v.size_bytes == LIMIT_FIXED_BYTES + plan_bytes + upgrade_bytes + reason_bytes);
    const char *text = (const char *)p + LIMIT_FIXED_BYTES;
    *ret = (struct limit){
        .organization = organization,
        .dimension = dimension,
        .used = get_le64(p),
        .limit = get_le64(p + 8),
        .position = get_le64(p + LIMIT_POSITION_AT),
        .period_start_ms = (int64_t)get_le64(p + 24),
        .period_end_ms = (int64_t)get_le64(p + 32),
        .percent = get_le32(p + 40),
        .state = (enum limit_state)p[44],
        .allowed = p[45] != 0,
        .plan = {text, plan_bytes},
        .upgrade = {text + plan_bytes, upgrade_bytes},
        .reason = {text + plan_bytes + upgrade_bytes, reason_bytes},
    };
    return true;
}

void
limit_key_decode(struct bytes key, uint32_t *ret_organization, enum limit_dimension *ret_dimension)
{
    assert(key.size_bytes == LIMIT_KEY_BYTES && key.data[4] < LIMIT_DIMENSIONS);
    *ret_organization = get_be32(key.data);
    *ret_dimension = (enum limit_dimension)key.data[4];
}
