/* SHA-256 and what is made from it, apart: libgbill takes the other hashes and no OpenSSL. */
#include <assert.h>
#include <openssl/evp.h>

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
hash_secret_init(uint8_t secret[HASH_SECRET_BYTES], const uint8_t seed[HASH_SHA256_BYTES])
{
    /* Counter mode over SHA-256: 192 bytes in six blocks. */
    for (size_t i = 0; i < HASH_SECRET_BYTES / HASH_SHA256_BYTES; i++) {
        uint8_t counter = (uint8_t)i;
        struct bytes parts[] = {{seed, HASH_SHA256_BYTES}, {&counter, 1}};
        hash_sha256(parts, 2, secret + i * HASH_SHA256_BYTES);
    }
}
