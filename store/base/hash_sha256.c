/* SHA-256 and what is made from it, apart: libgbill takes the other hashes and no OpenSSL. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <assert.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "store/base/hash.h"

/*
 * OpenSSL's older functions on purpose: the newer ones allocate, also within OpenSSL,
 * which does not bear to be out of memory everywhere.  These cannot fail.
 */
void
hash_sha256(const struct bytes *parts, size_t count, uint8_t digest[HASH_SHA256_BYTES])
{
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    for (size_t i = 0; i < count; i++)
        SHA256_Update(&ctx, parts[i].data, parts[i].size_bytes);
    SHA256_Final(digest, &ctx);
}

void
hash_secret_init(uint8_t secret[HASH_SECRET_BYTES], const uint8_t seed[HASH_SHA256_BYTES])
{
    /* Counter mode over SHA-256: 192 bytes in six blocks. */
    for (size_t i = 0; i < HASH_SECRET_BYTES / HASH_SHA256_BYTES; i++) {
        uint8_t counter = (uint8_t)i;
        struct bytes parts[] = {{seed, HASH_SHA256_BYTES}, {&counter, 1}};
        hash_sha256(parts, 2, secret + i * HASH_SHA256_BYTES);
    }
}

void
hash_hmac_sha256(struct bytes key, const struct bytes *parts, size_t count,
                 uint8_t digest[HASH_SHA256_BYTES])
{
    unsigned digest_bytes = 0;
    assert(key.size_bytes > 0 && key.size_bytes <= INT_MAX);
    HMAC_CTX *ctx = HMAC_CTX_new();
    bool ok = ctx != NULL &&
              HMAC_Init_ex(ctx, key.data, (int)key.size_bytes, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; ok && i < count; i++)
        ok = HMAC_Update(ctx, parts[i].data, parts[i].size_bytes) == 1;
    ok = ok && HMAC_Final(ctx, digest, &digest_bytes) == 1;
    assert(ok && digest_bytes == HASH_SHA256_BYTES);
    HMAC_CTX_free(ctx);
}
