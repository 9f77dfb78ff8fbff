#include "reports/api/repeats.h"

#include <string.h>

#include "store/base/hash.h"

bool
repeats_key_ok(const char *key)
{
    size_t size = strlen(key);
    for (size_t i = 0; i < size; i++) {
        if (key[i] <= ' ' || key[i] > '~')
            return false;
    }
    return size >= 1 && size <= REPEATS_KEY_BYTES_MAX;
}

static size_t
first_slot(const struct repeat *r)
{
    return r->key[0] % (REPEATS_SLOTS / REPEATS_WAYS) * REPEATS_WAYS;
}

enum repeat_kind
repeats_find(const struct repeats *repeats, const char *organization, const char *key,
             struct bytes body, int64_t now_ms, struct repeat *ret)
{
    uint8_t hash[HASH_SHA256_BYTES];
    struct repeat r = {.first_ms = now_ms};
    const struct bytes name[] = {{(const uint8_t *)organization, strlen(organization) + 1},
                                 {(const uint8_t *)key, strlen(key)}};
    hash_sha256(name, 2, hash);
    memcpy(r.key, hash, sizeof r.key);
    hash_sha256(&body, 1, hash);
    memcpy(r.body, hash, sizeof r.body);
    *ret = r;
    const struct repeat *set = &repeats->slots[first_slot(&r)];
    for (int i = 0; i < REPEATS_WAYS; i++) {
        if (memcmp(set[i].key, r.key, sizeof r.key) != 0 ||
            now_ms - set[i].first_ms > REPEATS_LIFE_MS)
            continue;
        ret->first_ms = set[i].first_ms;
        return memcmp(set[i].body, r.body, sizeof r.body) == 0 ? REPEAT_SAME : REPEAT_OTHER;
    }
    return REPEAT_NEW;
}

void
repeats_add(struct repeats *repeats, const struct repeat *repeat)
{
    struct repeat *set = &repeats->slots[first_slot(repeat)];
    struct repeat *oldest = &set[0];
    for (int i = 1; i < REPEATS_WAYS; i++) {
        if (set[i].first_ms < oldest->first_ms)
            oldest = &set[i];
    }
    *oldest = *repeat;
}
