#include "store/tables/cursor.h"

#include <string.h>

enum { CURSOR_BYTES = 24 + 3 * HASH_SHA256_BYTES };

static const struct bytes cursor_key = {(const uint8_t *)"cursor", 6};
static const struct bytes ratio_key = {(const uint8_t *)"ratios", 6};

struct cursor
cursor_get(struct tables_txn *txn)
{
    struct cursor c = {0};
    struct bytes v;
    if (!tables_get(txn, TABLE_CURSOR, cursor_key, &v) || v.size_bytes != CURSOR_BYTES)
        return c;
    c.seq = get_le64(v.data);
    c.quarantine_seq = get_le64(v.data + 8);
    c.receive_utc_ms = (int64_t)get_le64(v.data + 16);
    memcpy(c.chain, v.data + 24, HASH_SHA256_BYTES);
    memcpy(c.price_book, v.data + 24 + HASH_SHA256_BYTES, HASH_SHA256_BYTES);
    memcpy(c.log_identity, v.data + 24 + 2 * HASH_SHA256_BYTES, HASH_SHA256_BYTES);
    if (tables_get(txn, TABLE_CURSOR, ratio_key, &v) && v.size_bytes == HASH_SHA256_BYTES)
        memcpy(c.ratio_book, v.data, HASH_SHA256_BYTES);
    return c;
}

enum err_code
cursor_put(struct tables_txn *txn, const struct cursor *cursor, struct err *err)
{
    static const uint8_t none[HASH_SHA256_BYTES];
    uint8_t v[CURSOR_BYTES];
    put_le64(v, cursor->seq);
    put_le64(v + 8, cursor->quarantine_seq);
    put_le64(v + 16, (uint64_t)cursor->receive_utc_ms);
    memcpy(v + 24, cursor->chain, HASH_SHA256_BYTES);
    memcpy(v + 24 + HASH_SHA256_BYTES, cursor->price_book, HASH_SHA256_BYTES);
    memcpy(v + 24 + 2 * HASH_SHA256_BYTES, cursor->log_identity, HASH_SHA256_BYTES);
    enum err_code code =
        tables_put(txn, TABLE_CURSOR, cursor_key, (struct bytes){v, sizeof v}, err);
    const struct bytes ratio_book = {cursor->ratio_book, HASH_SHA256_BYTES};
    if (code != ERR_OK || memcmp(cursor->ratio_book, none, sizeof none) == 0)
        return code;
    return tables_put(txn, TABLE_CURSOR, ratio_key, ratio_book, err);
}
