#include "store/tables/digest.h"

#include <string.h>

#include "store/tables/ids.h"

enum { ENTRY_BYTES = 24 };

/* hash = SHA-256(hash, size, bytes). */
static void
chain(uint8_t hash[HASH_SHA256_BYTES], struct bytes b)
{
    uint8_t size[8];
    put_le64(size, b.size_bytes);
    struct bytes parts[] = {{hash, HASH_SHA256_BYTES}, {size, sizeof size}, b};
    hash_sha256(parts, 3, hash);
}

static void
digest_rows(struct tables_txn *txn, enum table table, uint8_t hash[HASH_SHA256_BYTES])
{
    struct tables_scan scan;
    tables_scan_begin(&scan, txn, table, (struct bytes){0});
    while (tables_scan_next(&scan)) {
        chain(hash, scan.key);
        chain(hash, scan.value);
    }
    tables_scan_end(&scan);
}

/* Sum and exclusive or of the entries' hashes: the same whatever their order. */
static void
digest_ids(struct tables_txn *txn, uint8_t hash[HASH_SHA256_BYTES])
{
    struct tables_scan scan;
    uint64_t sums[3] = {0};
    tables_scan_begin(&scan, txn, TABLE_IDS, (struct bytes){0});
    while (tables_scan_next(&scan)) {
        for (size_t i = 0; i + ENTRY_BYTES <= scan.value.size_bytes; i += ENTRY_BYTES) {
            uint64_t h = hash_mem(scan.value.data + i, ENTRY_BYTES);
            sums[0] += h;
            sums[1] ^= h;
            sums[2]++;
        }
    }
    tables_scan_end(&scan);
    chain(hash, (struct bytes){(const uint8_t *)sums, sizeof sums});
}

void
tables_digest(struct tables_txn *txn, uint8_t digest[HASH_SHA256_BYTES])
{
    memset(digest, 0, HASH_SHA256_BYTES);
    for (int t = 0; t < TABLE_COUNT; t++) {
        bool is_ids = tables_is_ids((enum table)t);
        if (!tables_is_fold((enum table)t) || (is_ids && t != TABLE_IDS))
            continue;
        const char *name = tables_name((enum table)t);
        chain(digest, (struct bytes){(const uint8_t *)name, strlen(name)});
        if (is_ids)
            digest_ids(txn, digest);
        else
            digest_rows(txn, (enum table)t, digest);
    }
}
