#include "store/tables/efficiency.h"

#include <assert.h>
#include <string.h>

/*
 * Key: organization u32, to u32.
 *
 * Value: position u64, computed u64, from u32, score u8, currency 3, calls u64,
 * unpriced u64, actual, avoidable and candidate u128 each.
 */
enum { KEY_BYTES = 8, VALUE_BYTES = 88, STAMP_BYTES = 16 };

static struct bytes
key_of(uint8_t key[KEY_BYTES], const struct efficiency *row)
{
    put_be32(key, row->organization);
    put_be32(key + 4, row->to_hour);
    return (struct bytes){key, KEY_BYTES};
}

enum err_code
efficiency_put(struct tables_txn *txn, const struct efficiency *row, struct err *err)
{
    uint8_t key[KEY_BYTES], v[VALUE_BYTES];
    struct bytes k = key_of(key, row), old;
    assert(row->avoidable_pico >= 0 && row->avoidable_pico <= row->actual_pico);
    put_le64(v, row->position);
    put_le64(v + 8, (uint64_t)row->computed_ms);
    put_le32(v + 16, row->from_hour);
    v[20] = row->score;
    memcpy(v + 21, row->currency, 3);
    put_le64(v + 24, row->calls);
    put_le64(v + 32, row->unpriced_calls);
    money_put_sum(v + 40, row->actual_pico);
    money_put_sum(v + 56, row->avoidable_pico);
    money_put_sum(v + 72, row->candidate_pico);
    if (tables_get(txn, TABLE_EFFICIENCY, k, &old) && old.size_bytes == VALUE_BYTES &&
        memcmp(old.data + STAMP_BYTES, v + STAMP_BYTES, VALUE_BYTES - STAMP_BYTES) == 0)
        return ERR_OK;
    return tables_put_published(txn, TABLE_EFFICIENCY, k, (struct bytes){v, sizeof v}, err);
}

void
efficiency_decode(struct bytes key, struct bytes value, struct efficiency *ret)
{
    const uint8_t *v = value.data;
    assert(key.size_bytes == KEY_BYTES);
    *ret =
        (struct efficiency){.organization = get_be32(key.data), .to_hour = get_be32(key.data + 4)};
    if (value.size_bytes == 0)
        return;
    assert(value.size_bytes == VALUE_BYTES);
    ret->position = get_le64(v);
    ret->computed_ms = (int64_t)get_le64(v + 8);
    ret->from_hour = get_le32(v + 16);
    ret->score = v[20];
    memcpy(ret->currency, v + 21, 3);
    ret->calls = get_le64(v + 24);
    ret->unpriced_calls = get_le64(v + 32);
    ret->actual_pico = money_get_sum(v + 40);
    ret->avoidable_pico = money_get_sum(v + 56);
    ret->candidate_pico = money_get_sum(v + 72);
}

void
efficiency_scan_begin(struct efficiency_scan *scan, struct tables_txn *txn, uint32_t organization)
{
    tables_scan_organization(&scan->scan, txn, TABLE_EFFICIENCY, organization);
}

bool
efficiency_scan_next(struct efficiency_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    efficiency_decode(scan->scan.key, scan->scan.value, &scan->row);
    return true;
}

void
efficiency_scan_end(struct efficiency_scan *scan)
{
    tables_scan_end(&scan->scan);
}

bool
efficiency_last(struct tables_txn *txn, uint32_t organization, struct efficiency *ret)
{
    struct efficiency_scan scan;
    bool found = false;
    efficiency_scan_begin(&scan, txn, organization);
    while (efficiency_scan_next(&scan)) {
        *ret = scan.row;
        found = true;
    }
    efficiency_scan_end(&scan);
    return found;
}

bool
efficiency_reaches(struct tables_txn *txn, uint32_t organization, uint32_t to_hour)
{
    uint8_t key[KEY_BYTES];
    const struct efficiency row = {.organization = organization, .to_hour = to_hour};
    struct bytes found;
    return tables_first_from(txn, TABLE_EFFICIENCY, key_of(key, &row), &found) &&
           get_be32(found.data) == organization;
}
