#include "store/tables/budget.h"

#include <string.h>

#include "store/event/event.h"

/* organization u32 -> time u64, seq u64, record. */
enum { BUDGET_HEAD_BYTES = 16 };

enum err_code
budget_apply(struct tables_txn *txn, uint32_t organization, int64_t time_utc_ms, uint64_t seq,
             struct bytes record, struct err *err)
{
    uint8_t key[4], row[BUDGET_HEAD_BYTES + EVENT_RECORD_BYTES_MAX];
    struct bytes k = {key, sizeof key}, old;
    put_be32(key, organization);
    if (tables_get(txn, TABLE_BUDGETS, k, &old)) {
        int64_t old_ms = (int64_t)get_le64(old.data);
        if (old_ms > time_utc_ms || (old_ms == time_utc_ms && get_le64(old.data + 8) > seq))
            return ERR_OK;
    }
    put_le64(row, (uint64_t)time_utc_ms);
    put_le64(row + 8, seq);
    memcpy(row + BUDGET_HEAD_BYTES, record.data, record.size_bytes);
    return tables_put(txn, TABLE_BUDGETS, k,
                      (struct bytes){row, BUDGET_HEAD_BYTES + record.size_bytes}, err);
}
