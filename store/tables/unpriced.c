#include "store/tables/unpriced.h"

static struct bytes
key_of(uint8_t key[8], uint64_t seq)
{
    put_be64(key, seq);
    return (struct bytes){key, 8};
}

enum err_code
unpriced_add(struct tables_txn *txn, uint64_t seq, struct err *err)
{
    uint8_t key[8];
    return tables_put(txn, TABLE_UNPRICED, key_of(key, seq), (struct bytes){key, 0}, err);
}

enum err_code
unpriced_remove(struct tables_txn *txn, uint64_t seq, struct err *err)
{
    uint8_t key[8];
    return tables_delete(txn, TABLE_UNPRICED, key_of(key, seq), err);
}

bool
unpriced_next(struct tables_txn *txn, uint64_t after_seq, uint64_t *ret_seq)
{
    uint8_t key[8];
    struct bytes found;
    if (!tables_first_from(txn, TABLE_UNPRICED, key_of(key, after_seq + 1), &found))
        return false;
    *ret_seq = get_be64(found.data);
    return true;
}
