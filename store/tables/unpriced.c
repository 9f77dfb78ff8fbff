#include "store/tables/unpriced.h"

static struct bytes
key_of(uint8_t key[8], uint64_t seq)
{
    put_be64(key, seq);
    return (struct bytes){key, 8};
}

/* The value: nothing, or one byte where the tokens are not known either. */
enum err_code
unpriced_put(struct tables_txn *txn, uint64_t seq, bool uncounted, struct err *err)
{
    static const uint8_t mark[] = {1};
    uint8_t key[8];
    return tables_put(txn, TABLE_UNPRICED, key_of(key, seq), (struct bytes){mark, uncounted}, err);
}

bool
unpriced_is_uncounted(struct tables_txn *txn, uint64_t seq)
{
    uint8_t key[8];
    struct bytes value;
    return tables_get(txn, TABLE_UNPRICED, key_of(key, seq), &value) && value.size_bytes > 0;
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
