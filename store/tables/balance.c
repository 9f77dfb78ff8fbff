#include "store/tables/balance.h"

#include <string.h>

enum { BALANCE_KEY_BYTES = 8, BALANCE_ROW_BYTES = 8 * BALANCE_COUNT };

/* Where the sum over all rows stands: behind every organization. */
static const struct bytes total_key = {(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff",
                                       BALANCE_KEY_BYTES};

static struct balance
decode(struct bytes value)
{
    struct balance b;
    for (size_t i = 0; i < BALANCE_COUNT; i++)
        b.events[i] = get_le64(value.data + 8 * i);
    return b;
}

static enum err_code
add_to(struct tables_txn *txn, struct bytes key, const struct balance *more, struct err *err)
{
    uint8_t row[BALANCE_ROW_BYTES];
    struct balance sum = *more;
    struct bytes old;
    if (tables_get(txn, TABLE_BALANCE, key, &old)) {
        struct balance before = decode(old);
        balance_sum(&sum, &before);
    }
    for (size_t i = 0; i < BALANCE_COUNT; i++)
        put_le64(row + 8 * i, sum.events[i]);
    return tables_put(txn, TABLE_BALANCE, key, (struct bytes){row, sizeof row}, err);
}

enum err_code
balance_add(struct tables_txn *txn, uint32_t organization, uint32_t hour,
            const struct balance *more, struct err *err)
{
    uint8_t key[BALANCE_KEY_BYTES];
    put_be32(key, organization);
    put_be32(key + 4, hour);
    enum err_code code = add_to(txn, (struct bytes){key, sizeof key}, more, err);
    return code == ERR_OK ? add_to(txn, total_key, more, err) : code;
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
    struct bytes value;
    return tables_get(txn, TABLE_BALANCE, total_key, &value) ? decode(value) : (struct balance){0};
}

void
balance_scan_begin(struct balance_scan *scan, struct tables_txn *txn)
{
    tables_scan_begin(&scan->scan, txn, TABLE_BALANCE, (struct bytes){0});
}

bool
balance_scan_next(struct balance_scan *scan)
{
    if (!tables_scan_next(&scan->scan) ||
        memcmp(scan->scan.key.data, total_key.data, BALANCE_KEY_BYTES) == 0)
        return false;
    scan->organization = get_be32(scan->scan.key.data);
    scan->hour = get_be32(scan->scan.key.data + 4);
    scan->row = decode(scan->scan.value);
    return true;
}

void
balance_scan_end(struct balance_scan *scan)
{
    tables_scan_end(&scan->scan);
}

bool
balance_closes(const struct balance *balance)
{
    uint64_t became = 0;
    for (int i = BALANCE_PRICED; i <= BALANCE_SETTINGS; i++)
        became += balance->events[i];
    return became == balance->events[BALANCE_ACCEPTED];
}

void
balance_sum(struct balance *sum, const struct balance *more)
{
    for (size_t i = 0; i < BALANCE_COUNT; i++)
        sum->events[i] += more->events[i];
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
