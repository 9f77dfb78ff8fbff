#include "store/tables/dirty.h"

#include <assert.h>
#include <string.h>

/*
 * Key: table u8, then the row's own key or the beginning of a range's.  Value:
 * transaction number u64, and for a range one byte more.  tables.c writes the
 * entries: tables_put_published(), tables_delete_published(), tables_edit_put().
 */
enum { DIRTY_KEY_BYTES_MAX = 128, DIRTY_VALUE_BYTES = 8, DIRTY_RANGE_VALUE_BYTES = 9 };

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
    assert(scan->scan.value.size_bytes >= DIRTY_VALUE_BYTES);
    scan->range = scan->scan.value.size_bytes == DIRTY_RANGE_VALUE_BYTES;
    scan->key = (struct bytes){scan->scan.key.data + 1, scan->scan.key.size_bytes - 1};
    scan->number = get_le64(scan->scan.value.data);
    return true;
}

void
dirty_scan_end(struct dirty_scan *scan)
{
    tables_scan_end(&scan->scan);
}

void
owed_scan_begin(struct owed_scan *scan, struct tables_txn *txn, enum table table)
{
    *scan = (struct owed_scan){.txn = txn, .table = table};
    dirty_scan_begin(&scan->entries, txn, table);
}

static void
enter_range(struct owed_scan *s, struct bytes prefix)
{
    assert(prefix.size_bytes <= sizeof s->range);
    memcpy(s->range, prefix.data, prefix.size_bytes);
    s->range_bytes = prefix.size_bytes;
    s->in_range = true;
    tables_scan_begin(&s->rows, s->txn, s->table, prefix);
}

/* Was the row walked with its range?  A range's entry comes before those of its rows. */
static bool
was_in_range(const struct owed_scan *s, struct bytes key)
{
    return s->range_bytes > 0 && key.size_bytes >= s->range_bytes &&
           memcmp(key.data, s->range, s->range_bytes) == 0;
}

bool
owed_scan_next(struct owed_scan *scan)
{
    struct owed_scan *s = scan;
    for (;;) {
        if (s->in_range && tables_scan_next(&s->rows)) {
            s->key = s->rows.key;
            s->value = s->rows.value;
            return s->there = true;
        }
        if (s->in_range)
            tables_scan_end(&s->rows);
        s->in_range = false;
        if (!dirty_scan_next(&s->entries))
            return false;
        if (s->entries.range) {
            enter_range(s, s->entries.key);
            continue;
        }
        s->key = s->entries.key;
        s->there = tables_get(s->txn, s->table, s->key, &s->value);
        if (!s->there || !was_in_range(s, s->key))
            return true;
    }
}

void
owed_scan_end(struct owed_scan *scan)
{
    if (scan->in_range)
        tables_scan_end(&scan->rows);
    dirty_scan_end(&scan->entries);
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
    assert(stored.size_bytes >= DIRTY_VALUE_BYTES);
    if (get_le64(stored.data) != number)
        return ERR_OK; /* changed since it was read: still owed */
    return tables_delete(txn, TABLE_DIRTY, k, err);
}
