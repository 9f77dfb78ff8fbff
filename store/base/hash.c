#define XXH_INLINE_ALL
#include "store/base/hash.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

void
hash_hex(const uint8_t *data, size_t size_bytes, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size_bytes; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    text[2 * size_bytes] = '\0';
}

uint64_t
hash_checksum(struct bytes head, struct bytes body)
{
    XXH64_hash_t seed = XXH3_64bits(head.data, head.size_bytes);
    return XXH3_64bits_withSeed(body.data, body.size_bytes, seed);
}

struct hash_id
hash_id_of(const uint8_t secret[HASH_SECRET_BYTES], struct str organization, struct str id)
{
    /* Both are bounded to 64 bytes by the event contract; lengths keep ("a","bc") off ("ab","c"). */
    uint8_t pair[2 + 2 * 64];
    assert(organization.size_bytes <= 64 && id.size_bytes <= 64);
    pair[0] = (uint8_t)organization.size_bytes;
    pair[1] = (uint8_t)id.size_bytes;
    memcpy(pair + 2, organization.data, organization.size_bytes);
    memcpy(pair + 2 + organization.size_bytes, id.data, id.size_bytes);
    XXH128_hash_t h = XXH3_128bits_withSecret(pair, 2 + organization.size_bytes + id.size_bytes,
                                              secret, HASH_SECRET_BYTES);
    return (struct hash_id){.hi = h.high64, .lo = h.low64};
}

uint64_t
hash_mem(const void *data, size_t size_bytes)
{
    return XXH3_64bits(data, size_bytes);
}
