#include "store/tables/log_day.h"

#include <assert.h>
#include <string.h>

#include "store/base/time.h"

/*
 * Key: identity, day u32.  Value: first and last number, quarantined and frames u64,
 * the two chains.
 */
enum { KEY_BYTES = HASH_SHA256_BYTES + 4, CHAINS_AT = 32, ROW_BYTES = 32 + 2 * HASH_SHA256_BYTES };

static struct bytes
key_of(uint8_t key[KEY_BYTES], const uint8_t identity[HASH_SHA256_BYTES], int32_t day)
{
    memcpy(key, identity, HASH_SHA256_BYTES);
    put_be32(key + HASH_SHA256_BYTES, (uint32_t)day);
    return (struct bytes){key, KEY_BYTES};
}

void
log_day_decode(struct bytes key, struct bytes value, uint8_t ret_identity[HASH_SHA256_BYTES],
               struct log_root *ret)
{
    assert(key.size_bytes == KEY_BYTES);
    memcpy(ret_identity, key.data, HASH_SHA256_BYTES);
    *ret = (struct log_root){.day = (int32_t)get_be32(key.data + HASH_SHA256_BYTES)};
    if (value.size_bytes == 0)
        return;
    assert(value.size_bytes == ROW_BYTES);
    ret->first_seq = get_le64(value.data);
    ret->last_seq = get_le64(value.data + 8);
    ret->quarantined = get_le64(value.data + 16);
    ret->frames = get_le64(value.data + 24);
    memcpy(ret->chain, value.data + CHAINS_AT, sizeof ret->chain);
}

bool
log_day_get(struct tables_txn *txn, const uint8_t identity[HASH_SHA256_BYTES], int32_t day,
            struct log_root *ret)
{
    uint8_t key[KEY_BYTES], same[HASH_SHA256_BYTES];
    struct bytes k = key_of(key, identity, day), value;
    if (!tables_get(txn, TABLE_LOG_DAYS, k, &value))
        return false;
    log_day_decode(k, value, same, ret);
    return true;
}

static enum err_code
say_differs(const struct log_root *stored, const struct log_root *root, struct err *err)
{
    char day[TIME_TEXT_BYTES], was[LOG_STREAMS][HASH_SHA256_TEXT_BYTES];
    char is[LOG_STREAMS][HASH_SHA256_TEXT_BYTES];
    time_format_day(root->day, day);
    for (int s = 0; s < LOG_STREAMS; s++) {
        hash_hex(stored->chain[s], HASH_SHA256_BYTES, was[s]);
        hash_hex(root->chain[s], HASH_SHA256_BYTES, is[s]);
    }
    return err_set(err, ERR_CORRUPT,
                   "table log_days: %s had the root %s and %s, the log now gives %s and %s: a "
                   "closed day was changed; run gbill log verify and restore it from a backup",
                   day, was[LOG_EVENTS], was[LOG_QUARANTINE], is[LOG_EVENTS], is[LOG_QUARANTINE]);
}

enum err_code
log_day_put(struct tables_txn *txn, const uint8_t identity[HASH_SHA256_BYTES],
            const struct log_root *root, struct err *err)
{
    uint8_t key[KEY_BYTES], value[ROW_BYTES];
    struct bytes k = key_of(key, identity, root->day), v = {value, sizeof value}, old;
    put_le64(value, root->first_seq);
    put_le64(value + 8, root->last_seq);
    put_le64(value + 16, root->quarantined);
    put_le64(value + 24, root->frames);
    memcpy(value + CHAINS_AT, root->chain, sizeof root->chain);
    struct log_root stored;
    if (tables_get(txn, TABLE_LOG_DAYS, k, &old) &&
        (old.size_bytes != v.size_bytes || memcmp(old.data, value, sizeof value) != 0)) {
        bool there = log_day_get(txn, identity, root->day, &stored);
        assert(there);
        return say_differs(&stored, root, err);
    }
    return tables_put_published(txn, TABLE_LOG_DAYS, k, v, err);
}
