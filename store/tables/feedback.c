#include "store/tables/feedback.h"

#include <assert.h>

/* Key: organization u32, recommendation u32, time u64, seq u64.  Value: status u8. */
enum { FEEDBACK_KEY_BYTES = 24, FEEDBACK_PREFIX_BYTES = 8 };

static struct bytes
key_of(uint8_t key[FEEDBACK_KEY_BYTES], const struct feedback *row)
{
    put_be32(key, row->organization);
    put_be32(key + 4, row->recommendation);
    put_be64(key + 8, (uint64_t)row->time_utc_ms);
    put_be64(key + 16, row->seq);
    return (struct bytes){key, FEEDBACK_KEY_BYTES};
}

enum err_code
feedback_put(struct tables_txn *txn, const struct feedback *row, struct err *err)
{
    uint8_t key[FEEDBACK_KEY_BYTES], status = (uint8_t)row->status;
    return tables_put(txn, TABLE_FEEDBACK, key_of(key, row), (struct bytes){&status, 1}, err);
}

enum err_code
feedback_delete(struct tables_txn *txn, const struct feedback *row, struct err *err)
{
    uint8_t key[FEEDBACK_KEY_BYTES];
    return tables_delete(txn, TABLE_FEEDBACK, key_of(key, row), err);
}

bool
feedback_newest(struct tables_txn *txn, uint32_t organization, uint32_t recommendation,
                struct feedback *ret)
{
    const struct feedback wanted = {.organization = organization, .recommendation = recommendation};
    struct tables_scan scan;
    uint8_t prefix[FEEDBACK_KEY_BYTES];
    bool found = false;
    key_of(prefix, &wanted);
    tables_scan_begin(&scan, txn, TABLE_FEEDBACK, (struct bytes){prefix, FEEDBACK_PREFIX_BYTES});
    while (tables_scan_next(&scan)) {
        assert(scan.value.size_bytes == 1 && scan.value.data[0] < RECOMMENDATION_STATUSES);
        *ret = (struct feedback){organization, recommendation, (int64_t)get_be64(scan.key.data + 8),
                                 get_be64(scan.key.data + 16),
                                 (enum recommendation_status)scan.value.data[0]};
        found = true;
    }
    tables_scan_end(&scan);
    return found;
}
