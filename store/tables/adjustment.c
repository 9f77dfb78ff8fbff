#include "store/tables/adjustment.h"

/* Key: organization u32, month u32, seq u64. Value: time u64, amount u64, currency u32, reason u32. */
enum { ADJUSTMENT_KEY_BYTES = 16, ADJUSTMENT_ROW_BYTES = 24 };

static struct bytes
key_of(uint8_t key[ADJUSTMENT_KEY_BYTES], const struct adjustment *row)
{
    put_be32(key, row->organization);
    put_be32(key + 4, (uint32_t)row->month);
    put_be64(key + 8, row->seq);
    return (struct bytes){key, ADJUSTMENT_KEY_BYTES};
}

enum err_code
adjustment_put(struct tables_txn *txn, const struct adjustment *row, struct err *err)
{
    uint8_t key[ADJUSTMENT_KEY_BYTES], value[ADJUSTMENT_ROW_BYTES];
    put_le64(value, (uint64_t)row->time_utc_ms);
    put_le64(value + 8, (uint64_t)row->amount_minor);
    put_le32(value + 16, row->currency);
    put_le32(value + 20, row->reason);
    return tables_put(txn, TABLE_ADJUSTMENTS, key_of(key, row), (struct bytes){value, sizeof value},
                      err);
}

enum err_code
adjustment_delete(struct tables_txn *txn, const struct adjustment *row, struct err *err)
{
    uint8_t key[ADJUSTMENT_KEY_BYTES];
    return tables_delete(txn, TABLE_ADJUSTMENTS, key_of(key, row), err);
}

void
adjustment_scan_begin(struct adjustment_scan *scan, struct tables_txn *txn, uint32_t organization,
                      int32_t month)
{
    uint8_t prefix[8];
    put_be32(prefix, organization);
    put_be32(prefix + 4, (uint32_t)month);
    tables_scan_begin(&scan->scan, txn, TABLE_ADJUSTMENTS, (struct bytes){prefix, sizeof prefix});
}

bool
adjustment_scan_next(struct adjustment_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    const uint8_t *key = scan->scan.key.data, *v = scan->scan.value.data;
    scan->row = (struct adjustment){
        .organization = get_be32(key),
        .month = (int32_t)get_be32(key + 4),
        .seq = get_be64(key + 8),
        .time_utc_ms = (int64_t)get_le64(v),
        .amount_minor = (int64_t)get_le64(v + 8),
        .currency = get_le32(v + 16),
        .reason = get_le32(v + 20),
    };
    return true;
}

void
adjustment_scan_end(struct adjustment_scan *scan)
{
    tables_scan_end(&scan->scan);
}

bool
adjustment_month_from(struct tables_txn *txn, uint32_t organization, int32_t from, int32_t *ret)
{
    uint8_t prefix[8];
    struct bytes key;
    put_be32(prefix, organization);
    put_be32(prefix + 4, (uint32_t)from);
    if (!tables_first_from(txn, TABLE_ADJUSTMENTS, (struct bytes){prefix, sizeof prefix}, &key) ||
        get_be32(key.data) != organization)
        return false;
    *ret = (int32_t)get_be32(key.data + 4);
    return true;
}
