#include "store/tables/act.h"

#include <string.h>

#include "store/event/event.h"

/* Key: time u64, seq u64.  Value: organization u32, uid u32, record. */
enum { ACT_KEY_BYTES = 16, ACT_HEAD_BYTES = 8 };

enum err_code
act_put(struct tables_txn *txn, const struct act *row, struct err *err)
{
    uint8_t key[ACT_KEY_BYTES], value[ACT_HEAD_BYTES + EVENT_RECORD_BYTES_MAX];
    put_be64(key, (uint64_t)row->time_utc_ms);
    put_be64(key + 8, row->seq);
    put_le32(value, row->organization);
    put_le32(value + 4, row->uid);
    memcpy(value + ACT_HEAD_BYTES, row->record.data, row->record.size_bytes);
    return tables_put(txn, TABLE_ACTS, (struct bytes){key, sizeof key},
                      (struct bytes){value, ACT_HEAD_BYTES + row->record.size_bytes}, err);
}

void
act_scan_begin(struct act_scan *scan, struct tables_txn *txn, int64_t from_utc_ms)
{
    scan->row = (struct act){.time_utc_ms = from_utc_ms};
    tables_scan_begin(&scan->scan, txn, TABLE_ACTS, (struct bytes){0});
}

bool
act_scan_next(struct act_scan *scan)
{
    uint8_t from[ACT_KEY_BYTES] = {0};
    put_be64(from, (uint64_t)scan->row.time_utc_ms);
    bool more = scan->row.record.data != NULL
                    ? tables_scan_next(&scan->scan)
                    : tables_scan_seek(&scan->scan, (struct bytes){from, sizeof from});
    if (!more)
        return false;
    const uint8_t *key = scan->scan.key.data;
    const struct bytes value = scan->scan.value;
    scan->row = (struct act){
        .time_utc_ms = (int64_t)get_be64(key),
        .seq = get_be64(key + 8),
        .organization = get_le32(value.data),
        .uid = get_le32(value.data + 4),
        .record = {value.data + ACT_HEAD_BYTES, value.size_bytes - ACT_HEAD_BYTES},
    };
    return true;
}

void
act_scan_end(struct act_scan *scan)
{
    tables_scan_end(&scan->scan);
}
