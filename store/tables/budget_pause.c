#include "store/tables/budget_pause.h"

#include <assert.h>
#include <string.h>

/* organization u32 -> month u32, since u64, reason. */
enum { PAUSE_KEY_BYTES = 4, PAUSE_HEAD_BYTES = 12 };

bool
budget_pause_stored(struct tables_txn *txn, uint32_t organization, struct budget_pause *ret)
{
    uint8_t key[PAUSE_KEY_BYTES];
    struct bytes v;
    put_be32(key, organization);
    if (!tables_get(txn, TABLE_BUDGET_PAUSES, (struct bytes){key, sizeof key}, &v))
        return false;
    assert(v.size_bytes >= PAUSE_HEAD_BYTES);
    *ret = (struct budget_pause){
        .organization = organization,
        .month = (int32_t)get_le32(v.data),
        .since_ms = (int64_t)get_le64(v.data + 4),
        .reason = {(const char *)v.data + PAUSE_HEAD_BYTES, v.size_bytes - PAUSE_HEAD_BYTES},
    };
    return true;
}

bool
budget_pause_get(struct tables_txn *txn, uint32_t organization, int32_t month,
                 struct budget_pause *ret)
{
    struct budget_pause row;
    if (!budget_pause_stored(txn, organization, &row) || row.month != month)
        return false;
    *ret = row;
    return true;
}

enum err_code
budget_pause_put(struct tables_txn *txn, const struct budget_pause *row, struct err *err)
{
    uint8_t key[PAUSE_KEY_BYTES], value[PAUSE_HEAD_BYTES + BUDGET_PAUSE_REASON_BYTES_MAX];
    assert(row->reason.size_bytes <= BUDGET_PAUSE_REASON_BYTES_MAX);
    put_be32(key, row->organization);
    put_le32(value, (uint32_t)row->month);
    put_le64(value + 4, (uint64_t)row->since_ms);
    memcpy(value + PAUSE_HEAD_BYTES, row->reason.data, row->reason.size_bytes);
    return tables_put(txn, TABLE_BUDGET_PAUSES, (struct bytes){key, sizeof key},
                      (struct bytes){value, PAUSE_HEAD_BYTES + row->reason.size_bytes}, err);
}

enum err_code
budget_pause_delete(struct tables_txn *txn, uint32_t organization, struct err *err)
{
    uint8_t key[PAUSE_KEY_BYTES];
    put_be32(key, organization);
    return tables_delete(txn, TABLE_BUDGET_PAUSES, (struct bytes){key, sizeof key}, err);
}
