/*
 * store/base/hash.h - the three hashes, each with its use.
 *
 * SHA-256 (OpenSSL) where a stranger must be able to check: the frame chain and
 * the names of the books.  XXH3-64 for checksums against accidents.  XXH3-128
 * under a per-log secret for event ids, where speed counts and a client must not
 * be able to construct collisions.
 */
#ifndef STORE_BASE_HASH_H
#define STORE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/bytes.h"

enum {
    HASH_SHA256_BYTES = 32,
    HASH_SHA256_TEXT_BYTES = 65, /* hexadecimal and NUL */
    HASH_SECRET_BYTES = 192,     /* XXH3's default secret length */
};

/* SHA-256 of the concatenation of count spans. */
void hash_sha256(const struct bytes *parts, size_t count, uint8_t digest[HASH_SHA256_BYTES]);

/* HMAC-SHA-256 (RFC 2104) of the concatenation of count spans: signatures of webhooks.  key is not empty. */
void hash_hmac_sha256(struct bytes key, const struct bytes *parts, size_t count,
                      uint8_t digest[HASH_SHA256_BYTES]);

/* Lower-case hexadecimal of size_bytes bytes; text has room for 2 * size_bytes + 1. */
void hash_hex(const uint8_t *data, size_t size_bytes, char *text);

/* XXH3-64 of two spans, the second hashed with the first as its seed. */
uint64_t hash_checksum(struct bytes head, struct bytes body);

struct hash_id {
    uint64_t hi, lo; /* compare hi first */
};

/* A secret for hash_id_of(), made from any 32 bytes. */
void hash_secret_init(uint8_t secret[HASH_SECRET_BYTES], const uint8_t seed[HASH_SHA256_BYTES]);

/* The 128-bit keyed hash of (organization, id); the pair is hashed unambiguously. */
struct hash_id hash_id_of(const uint8_t secret[HASH_SECRET_BYTES], struct str organization,
                          struct str id);

/* XXH3-64: for tables in memory, and to tell a retry's content from another (store/tables/ids.h). */
uint64_t hash_mem(const void *data, size_t size_bytes);

#endif
