#include "store/tables/conflict.h"

enum err_code
conflict_put(struct tables_txn *txn, const struct conflict *row, struct err *err)
{
    uint8_t key[8], value[8];
    put_be64(key, row->seq);
    put_le64(value, row->first_seq);
    return tables_put(txn, TABLE_CONFLICTS, (struct bytes){key, sizeof key},
                      (struct bytes){value, sizeof value}, err);
}

void
conflict_scan_begin(struct conflict_scan *scan, struct tables_txn *txn)
{
    tables_scan_begin(&scan->scan, txn, TABLE_CONFLICTS, (struct bytes){0});
}

bool
conflict_scan_next(struct conflict_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    scan->row = (struct conflict){get_be64(scan->scan.key.data), get_le64(scan->scan.value.data)};
    return true;
}

void
conflict_scan_end(struct conflict_scan *scan)
{
    tables_scan_end(&scan->scan);
}
