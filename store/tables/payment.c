#include "store/tables/payment.h"

/*
 * Key: organization u32, seq u64.  Value: time u64, amount u64, invoice u32, status
 * u32, currency u32.
 */
enum { PAYMENT_KEY_BYTES = 12, PAYMENT_ROW_BYTES = 28 };

static struct bytes
key_of(uint8_t key[PAYMENT_KEY_BYTES], const struct payment *row)
{
    put_be32(key, row->organization);
    put_be64(key + 4, row->seq);
    return (struct bytes){key, PAYMENT_KEY_BYTES};
}

enum err_code
payment_put(struct tables_txn *txn, const struct payment *row, struct err *err)
{
    uint8_t key[PAYMENT_KEY_BYTES], value[PAYMENT_ROW_BYTES];
    put_le64(value, (uint64_t)row->time_utc_ms);
    put_le64(value + 8, (uint64_t)row->amount_minor);
    put_le32(value + 16, row->invoice);
    put_le32(value + 20, row->status);
    put_le32(value + 24, row->currency);
    return tables_put(txn, TABLE_PAYMENTS, key_of(key, row), (struct bytes){value, sizeof value},
                      err);
}

enum err_code
payment_delete(struct tables_txn *txn, const struct payment *row, struct err *err)
{
    uint8_t key[PAYMENT_KEY_BYTES];
    return tables_delete(txn, TABLE_PAYMENTS, key_of(key, row), err);
}

void
payment_scan_begin(struct payment_scan *scan, struct tables_txn *txn, uint32_t organization)
{
    uint8_t prefix[4];
    put_be32(prefix, organization);
    tables_scan_begin(&scan->scan, txn, TABLE_PAYMENTS, (struct bytes){prefix, sizeof prefix});
}

bool
payment_scan_next(struct payment_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    const uint8_t *key = scan->scan.key.data, *v = scan->scan.value.data;
    scan->row = (struct payment){
        .organization = get_be32(key),
        .seq = get_be64(key + 4),
        .time_utc_ms = (int64_t)get_le64(v),
        .amount_minor = (int64_t)get_le64(v + 8),
        .invoice = get_le32(v + 16),
        .status = get_le32(v + 20),
        .currency = get_le32(v + 24),
    };
    return true;
}

void
payment_scan_end(struct payment_scan *scan)
{
    tables_scan_end(&scan->scan);
}
