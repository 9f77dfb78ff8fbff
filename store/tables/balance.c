#include "store/tables/balance.h"

#include <string.h>

enum { BALANCE_KEY_BYTES = 8, BALANCE_ROW_BYTES = 8 * BALANCE_COUNT };

static void
decode_add(struct bytes value, struct balance *sum)
{
    for (size_t i = 0; i < BALANCE_COUNT; i++)
        sum->events[i] += get_le64(value.data + 8 * i);
}

enum err_code
balance_add(struct tables_txn *txn, uint32_t organization, uint32_t hour,
            const struct balance *more, struct err *err)
{
    uint8_t key[BALANCE_KEY_BYTES], row[BALANCE_ROW_BYTES];
    struct bytes k = {key, sizeof key}, old;
    struct balance sum = *more;
    put_be32(key, organization);
    put_be32(key + 4, hour);
    if (tables_get(txn, TABLE_BALANCE, k, &old))
        decode_add(old, &sum);
    for (size_t i = 0; i < BALANCE_COUNT; i++)
        put_le64(row + 8 * i, sum.events[i]);
    return tables_put(txn, TABLE_BALANCE, k, (struct bytes){row, sizeof row}, err);
}

bool
balance_first_hour(struct tables_txn *txn, uint32_t organization, uint32_t *ret)
{
    uint8_t prefix[4];
    struct bytes key;
    put_be32(prefix, organization);
    if (!tables_first_from(txn, TABLE_BALANCE, (struct bytes){prefix, sizeof prefix}, &key) ||
        get_be32(key.data) != organization)
        return false;
    *ret = get_be32(key.data + 4);
    return true;
}

struct balance
balance_total(struct tables_txn *txn)
{
    struct balance sum = {0};
    struct tables_scan scan;
    tables_scan_begin(&scan, txn, TABLE_BALANCE, (struct bytes){0});
    while (tables_scan_next(&scan))
        decode_add(scan.value, &sum);
    tables_scan_end(&scan);
    return sum;
}

bool
balance_closes(const struct balance *balance)
{
    uint64_t became = 0;
    for (int i = BALANCE_PRICED; i <= BALANCE_KEPT; i++)
        became += balance->events[i];
    return became == balance->events[BALANCE_ACCEPTED];
}

const char *
balance_column_name(enum balance_column column)
{
    static const char *const names[] = {
#define BALANCE_NAME(c, text) [BALANCE_##c] = text,
        BALANCE_COLUMNS(BALANCE_NAME)
#undef BALANCE_NAME
    };
    return names[column];
}
