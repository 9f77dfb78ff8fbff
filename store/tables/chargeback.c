#include "store/tables/chargeback.h"

#include <assert.h>
#include <string.h>

/*
 * Key: organization u32, from u64, dimension u8, value u32.  Value: to u64, amount u64,
 * calls u64, credits u64, cost u128, currency 3, final u8.
 */
enum { KEY_BYTES = 17, RANGE_BYTES = 13, ROW_BYTES = 52 };

const char *
chargeback_dimension_name(enum chargeback_dimension dimension)
{
    static const char *const names[CHARGEBACK_DIMENSIONS] = {
        [CHARGEBACK_PROJECT] = "project", [CHARGEBACK_USER] = "user"};
    assert(dimension < CHARGEBACK_DIMENSIONS);
    return names[dimension];
}

static struct bytes
key_of(uint8_t key[KEY_BYTES], const struct chargeback_row *row)
{
    assert(row->from_ms >= 0);
    put_be32(key, row->organization);
    put_be64(key + 4, (uint64_t)row->from_ms);
    key[12] = (uint8_t)row->dimension;
    put_be32(key + RANGE_BYTES, row->value);
    return (struct bytes){key, KEY_BYTES};
}

enum err_code
chargeback_put(struct tables_txn *txn, const struct chargeback_row *row, struct err *err)
{
    uint8_t key[KEY_BYTES], v[ROW_BYTES];
    put_le64(v, (uint64_t)row->to_ms);
    put_le64(v + 8, (uint64_t)row->amount_minor);
    put_le64(v + 16, row->calls);
    put_le64(v + 24, row->credits);
    money_put_sum(v + 32, row->llm_cost_pico);
    memcpy(v + 48, row->currency, 3);
    v[51] = row->final ? 1 : 0;
    return tables_put_published(txn, TABLE_CHARGEBACK, key_of(key, row),
                                (struct bytes){v, sizeof v}, err);
}

enum err_code
chargeback_delete(struct tables_txn *txn, const struct chargeback_row *row, struct err *err)
{
    uint8_t key[KEY_BYTES];
    return tables_delete_published(txn, TABLE_CHARGEBACK, key_of(key, row), err);
}

void
chargeback_decode(struct bytes key, struct bytes value, struct chargeback_row *ret)
{
    const uint8_t *v = value.data;
    assert(key.size_bytes == KEY_BYTES && key.data[12] < CHARGEBACK_DIMENSIONS);
    *ret = (struct chargeback_row){
        .organization = get_be32(key.data),
        .from_ms = (int64_t)get_be64(key.data + 4),
        .dimension = (enum chargeback_dimension)key.data[12],
        .value = get_be32(key.data + RANGE_BYTES),
    };
    if (value.size_bytes == 0)
        return;
    assert(value.size_bytes == ROW_BYTES);
    ret->to_ms = (int64_t)get_le64(v);
    ret->amount_minor = (int64_t)get_le64(v + 8);
    ret->calls = get_le64(v + 16);
    ret->credits = get_le64(v + 24);
    ret->llm_cost_pico = money_get_sum(v + 32);
    memcpy(ret->currency, v + 48, 3);
    ret->final = v[51] != 0;
}

void
chargeback_scan_begin(struct chargeback_scan *scan, struct tables_txn *txn, uint32_t organization,
                      int64_t from_ms, enum chargeback_dimension dimension)
{
    const struct chargeback_row row = {
        .organization = organization, .from_ms = from_ms, .dimension = dimension};
    uint8_t key[KEY_BYTES];
    key_of(key, &row);
    tables_scan_begin(&scan->scan, txn, TABLE_CHARGEBACK, (struct bytes){key, RANGE_BYTES});
}

bool
chargeback_scan_next(struct chargeback_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    chargeback_decode(scan->scan.key, scan->scan.value, &scan->row);
    return true;
}

void
chargeback_scan_end(struct chargeback_scan *scan)
{
    tables_scan_end(&scan->scan);
}
