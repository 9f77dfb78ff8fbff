/* SHA-256 and what is made from it, apart: libgbill takes the other hashes and no OpenSSL. */
#include <assert.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "store/base/hash.h"

void
hash_sha256(const struct bytes *parts, size_t count, uint8_t digest[HASH_SHA256_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; ok && i < count; i++)
        ok = EVP_DigestUpdate(ctx, parts[i].data, parts[i].size_bytes) == 1;
    ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    /* SHA-256 fails only without memory or without a crypto provider. */
    assert(ok);
}

void
hash_hmac_sha256(struct bytes key, struct bytes data, uint8_t digest[HASH_SHA256_BYTES])
{
    unsigned digest_bytes = 0;
    assert(key.size_bytes > 0 && key.size_bytes <= INT_MAX);
    const unsigned char *done = HMAC(EVP_sha256(), key.data, (int)key.size_bytes, data.data,
                                     data.size_bytes, digest, &digest_bytes);
    assert(done != NULL && digest_bytes == HASH_SHA256_BYTES);
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
