#include "store/tables/subscription.h"

/*
 * Key: organization u32, effective ms u64, seq u64.  Value: action u8, plan u32,
 * currency u32, tax percent u32, at period end u8, anchor u64, trial end u64.
 */
enum { SUBSCRIPTION_KEY_BYTES = 20, SUBSCRIPTION_ROW_BYTES = 30 };

static struct bytes
key_of(uint8_t key[SUBSCRIPTION_KEY_BYTES], const struct subscription *s)
{
    put_be32(key, s->organization);
    put_be64(key + 4, (uint64_t)s->effective_ms);
    put_be64(key + 12, s->seq);
    return (struct bytes){key, SUBSCRIPTION_KEY_BYTES};
}

enum err_code
subscription_put(struct tables_txn *txn, const struct subscription *s, struct err *err)
{
    uint8_t key[SUBSCRIPTION_KEY_BYTES], row[SUBSCRIPTION_ROW_BYTES];
    row[0] = (uint8_t)s->action;
    put_le32(row + 1, s->plan);
    put_le32(row + 5, s->currency);
    put_le32(row + 9, s->tax_percent);
    row[13] = s->at_period_end;
    put_le64(row + 14, (uint64_t)s->anchor_ms);
    put_le64(row + 22, (uint64_t)s->trial_end_ms);
    return tables_put(txn, TABLE_SUBSCRIPTIONS, key_of(key, s), (struct bytes){row, sizeof row},
                      err);
}

enum err_code
subscription_delete(struct tables_txn *txn, const struct subscription *s, struct err *err)
{
    uint8_t key[SUBSCRIPTION_KEY_BYTES];
    return tables_delete(txn, TABLE_SUBSCRIPTIONS, key_of(key, s), err);
}

void
subscription_scan_begin(struct subscription_scan *scan, struct tables_txn *txn,
                        uint32_t organization)
{
    tables_scan_organization(&scan->scan, txn, TABLE_SUBSCRIPTIONS, organization);
}

bool
subscription_scan_next(struct subscription_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    const uint8_t *key = scan->scan.key.data, *row = scan->scan.value.data;
    scan->row = (struct subscription){
        .organization = get_be32(key),
        .effective_ms = (int64_t)get_be64(key + 4),
        .seq = get_be64(key + 12),
        .action = (enum event_subscription_action)row[0],
        .plan = get_le32(row + 1),
        .currency = get_le32(row + 5),
        .tax_percent = get_le32(row + 9),
        .at_period_end = row[13] != 0,
        .anchor_ms = (int64_t)get_le64(row + 14),
        .trial_end_ms = (int64_t)get_le64(row + 22),
    };
    return true;
}

void
subscription_scan_end(struct subscription_scan *scan)
{
    tables_scan_end(&scan->scan);
}
