#include "store/tables/alert.h"

#include <assert.h>
#include <string.h>

#include "store/base/hash.h"

/*
 * Key: organization u32, month u32, number u32.  Value: kind u8, has budget u8, length
 * of the name u8, currency 3, percent u32, budget u64, spend u128, forecast u128, at
 * u64, position u64, name.
 */
enum {
    ALERT_KEY_BYTES = 12,
    ALERT_FIXED_BYTES = 66,
    ALERT_ROW_BYTES_MAX = ALERT_FIXED_BYTES + ALERT_NAME_BYTES_MAX,
};

static const char *const kind_names[ALERT_KIND_COUNT] = {
#define ALERT_NAME(name, text) [ALERT_##name] = text,
    ALERT_KINDS(ALERT_NAME)
#undef ALERT_NAME
};

const char *
alert_kind_name(enum alert_kind kind)
{
    assert(kind < ALERT_KIND_COUNT);
    return kind_names[kind];
}

static struct bytes
key_of(uint8_t key[ALERT_KEY_BYTES], uint32_t organization, int32_t month, uint32_t number)
{
    put_be32(key, organization);
    put_be32(key + 4, (uint32_t)month);
    put_be32(key + 8, number);
    return (struct bytes){key, ALERT_KEY_BYTES};
}

enum err_code
alert_put(struct tables_txn *txn, const struct alert *row, struct err *err)
{
    uint8_t key[ALERT_KEY_BYTES], v[ALERT_ROW_BYTES_MAX];
    size_t name_bytes = strlen(row->name);
    assert(row->kind < ALERT_KIND_COUNT && name_bytes <= ALERT_NAME_BYTES_MAX);
    v[0] = (uint8_t)row->kind;
    v[1] = row->has_budget ? 1 : 0;
    v[2] = (uint8_t)name_bytes;
    memcpy(v + 3, row->currency, 3);
    put_le32(v + 6, row->percent);
    put_le64(v + 10, row->budget_minor);
    money_put_sum(v + 18, row->spend_pico);
    money_put_sum(v + 34, row->forecast_pico);
    put_le64(v + 50, (uint64_t)row->at_ms);
    put_le64(v + 58, row->position);
    memcpy(v + ALERT_FIXED_BYTES, row->name, name_bytes);
    return tables_put_published(txn, TABLE_BUDGET_ALERTS,
                                key_of(key, row->organization, row->month, row->number),
                                (struct bytes){v, ALERT_FIXED_BYTES + name_bytes}, err);
}

static void
row_decode(struct bytes key, struct bytes value, struct alert *ret)
{
    const uint8_t *v = value.data;
    assert(value.size_bytes >= ALERT_FIXED_BYTES &&
           value.size_bytes == (size_t)ALERT_FIXED_BYTES + v[2] && v[2] <= ALERT_NAME_BYTES_MAX);
    *ret = (struct alert){
        .kind = (enum alert_kind)v[0],
        .has_budget = v[1] != 0,
        .percent = get_le32(v + 6),
        .budget_minor = get_le64(v + 10),
        .spend_pico = money_get_sum(v + 18),
        .forecast_pico = money_get_sum(v + 34),
        .at_ms = (int64_t)get_le64(v + 50),
        .position = get_le64(v + 58),
    };
    memcpy(ret->currency, v + 3, 3);
    memcpy(ret->name, v + ALERT_FIXED_BYTES, v[2]);
    alert_key_decode(key, &ret->organization, &ret->month, &ret->number);
}

bool
alert_get(struct tables_txn *txn, uint32_t organization, int32_t month, uint32_t number,
          struct alert *ret)
{
    uint8_t key[ALERT_KEY_BYTES];
    struct bytes k = key_of(key, organization, month, number), v;
    if (!tables_get(txn, TABLE_BUDGET_ALERTS, k, &v))
        return false;
    row_decode(k, v, ret);
    return true;
}

void
alert_id(struct str organization, int32_t month, uint32_t number, char id[ALERT_ID_BYTES])
{
    uint8_t numbers[8], digest[HASH_SHA256_BYTES];
    put_be32(numbers, (uint32_t)month);
    put_be32(numbers + 4, number);
    const struct bytes parts[] = {
        {(const uint8_t *)"budget", 6},
        {numbers, sizeof numbers},
        {(const uint8_t *)organization.data, organization.size_bytes},
    };
    hash_sha256(parts, sizeof parts / sizeof parts[0], digest);
    hash_hex(digest, (ALERT_ID_BYTES - 1) / 2, id);
}

void
alert_key_decode(struct bytes key, uint32_t *ret_organization, int32_t *ret_month,
                 uint32_t *ret_number)
{
    assert(key.size_bytes == ALERT_KEY_BYTES);
    *ret_organization = get_be32(key.data);
    *ret_month = (int32_t)get_be32(key.data + 4);
    *ret_number = get_be32(key.data + 8);
}

void
alert_scan_begin(struct alert_scan *scan, struct tables_txn *txn, uint32_t organization)
{
    uint8_t prefix[4];
    put_be32(prefix, organization);
    tables_scan_begin(&scan->scan, txn, TABLE_BUDGET_ALERTS, (struct bytes){prefix, sizeof prefix});
}

bool
alert_scan_next(struct alert_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    row_decode(scan->scan.key, scan->scan.value, &scan->row);
    return true;
}

void
alert_scan_end(struct alert_scan *scan)
{
    tables_scan_end(&scan->scan);
}
