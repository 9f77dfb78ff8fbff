/*
 * reports/api/rates.h - how often may one ask: a token bucket for each key, or address.
 *
 * A bucket holds as many requests as come in RATES_BURST_S seconds and fills evenly.
 * The table has a fixed size; when a set of it is full, the bucket that was not used for
 * longest makes room, so that who is forgotten begins with a full one.
 */
#ifndef REPORTS_API_RATES_H
#define REPORTS_API_RATES_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/bytes.h"

enum { RATES_SLOTS = 16384, RATES_WAYS = 8, RATES_BURST_S = 10, RATES_MAX = 1000000 };

struct rate_bucket {
    uint64_t who;       /* 0: nobody */
    int64_t left_milli; /* thousandths of a request */
    int64_t updated_ms;
};

struct rates {
    uint64_t per_second; /* 0: no limit */
    uint64_t secret;     /* so that nobody can choose whose bucket to push out */
    struct rate_bucket slots[RATES_SLOTS];
};

/* What was found; of a table without a limit only allowed, which is true. */
struct rate {
    bool allowed;
    uint64_t left;    /* requests, now */
    uint64_t retry_s; /* until there is one more, at least 1 */
};

/* per_second <= RATES_MAX; the rest is zero already. */
void rates_init(struct rates *rates, uint64_t per_second, uint64_t secret);

/*
 * One more request.
 *
 *   who     any bytes, not empty
 *   now_ms  monotonic
 */
struct rate rates_take(struct rates *rates, struct bytes who, int64_t now_ms);

#endif
