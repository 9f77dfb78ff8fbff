#include "store/tables/dirty.h"

#include <assert.h>
#include <string.h>

/*
 * Key: table u8, then the row's own key.  Value: transaction number u64.
 * tables_put_published() and tables_delete_published() write the entries.
 */
enum { DIRTY_KEY_BYTES_MAX = 128, DIRTY_VALUE_BYTES = 8 };

void
dirty_scan_begin(struct dirty_scan *scan, struct tables_txn *txn, enum table table)
{
    uint8_t prefix[1] = {(uint8_t)table};
    *scan = (struct dirty_scan){0};
    tables_scan_begin(&scan->scan, txn, TABLE_DIRTY, (struct bytes){prefix, sizeof prefix});
}

bool
dirty_scan_next(struct dirty_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    assert(scan->scan.value.size_bytes == DIRTY_VALUE_BYTES);
    scan->key = (struct bytes){scan->scan.key.data + 1, scan->scan.key.size_bytes - 1};
    scan->number = get_le64(scan->scan.value.data);
    return true;
}

void
dirty_scan_end(struct dirty_scan *scan)
{
    tables_scan_end(&scan->scan);
}

enum err_code
dirty_settle(struct tables_txn *txn, enum table table, struct bytes key, uint64_t number,
             struct err *err)
{
    uint8_t dirty_key[DIRTY_KEY_BYTES_MAX];
    struct bytes k = {dirty_key, key.size_bytes + 1}, stored;
    assert(key.size_bytes < sizeof dirty_key);
    dirty_key[0] = (uint8_t)table;
    memcpy(dirty_key + 1, key.data, key.size_bytes);
    if (!tables_get(txn, TABLE_DIRTY, k, &stored))
        return ERR_OK;
    assert(stored.size_bytes == DIRTY_VALUE_BYTES);
    if (get_le64(stored.data) != number)
        return ERR_OK; /* changed since it was read: still owed */
    return tables_delete(txn, TABLE_DIRTY, k, err);
}
