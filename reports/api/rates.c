#include "reports/api/rates.h"

#include "store/base/hash.h"

enum { REQUEST_MILLI = 1000, MS_PER_S = 1000 };

void
rates_init(struct rates *rates, uint64_t per_second, uint64_t secret)
{
    rates->per_second = per_second;
    rates->secret = secret;
}

static struct rate_bucket *
find(struct rates *rates, uint64_t who, int64_t now_ms)
{
    struct rate_bucket *set = &rates->slots[who % (RATES_SLOTS / RATES_WAYS) * RATES_WAYS];
    struct rate_bucket *oldest = &set[0];
    for (int i = 0; i < RATES_WAYS; i++) {
        if (set[i].who == who)
            return &set[i];
        if (set[i].updated_ms < oldest->updated_ms)
            oldest = &set[i];
    }
    *oldest = (struct rate_bucket){who, (int64_t)rates->per_second * RATES_BURST_S * REQUEST_MILLI,
                                   now_ms};
    return oldest;
}

struct rate
rates_take(struct rates *rates, struct bytes who, int64_t now_ms)
{
    struct rate rate = {.allowed = true};
    if (rates->per_second == 0)
        return rate;
    uint64_t hash = hash_mem(who.data, who.size_bytes) ^ rates->secret;
    struct rate_bucket *b = find(rates, hash != 0 ? hash : 1, now_ms);
    int64_t full = (int64_t)rates->per_second * RATES_BURST_S * REQUEST_MILLI;
    /* A request a second is a thousandth of one a millisecond. */
    int64_t away_ms = now_ms - b->updated_ms;
    if (away_ms > RATES_BURST_S * MS_PER_S)
        away_ms = RATES_BURST_S * MS_PER_S;
    b->left_milli += away_ms * (int64_t)rates->per_second;
    if (b->left_milli > full)
        b->left_milli = full;
    b->updated_ms = now_ms;
    rate.allowed = b->left_milli >= REQUEST_MILLI;
    if (rate.allowed)
        b->left_milli -= REQUEST_MILLI;
    rate.left = (uint64_t)b->left_milli / REQUEST_MILLI;
    uint64_t missing = (uint64_t)(REQUEST_MILLI - b->left_milli % REQUEST_MILLI);
    rate.retry_s = (missing / rates->per_second + MS_PER_S - 1) / MS_PER_S;
    if (rate.retry_s == 0)
        rate.retry_s = 1;
    return rate;
}
