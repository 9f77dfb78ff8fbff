#include "rollup/sum.h"

struct sum_rare {
    uint64_t tokens[EVENT_CLASSES - EVENT_TEXT_CLASSES], fees[EVENT_FEES];
};

_Static_assert(USAGE_KEY_BYTES + sizeof(struct sum) <= 128, "an entry takes two cache lines");

void
sums_init(struct sums *sums)
{
    map_init(&sums->map, USAGE_KEY_BYTES, sizeof(struct sum));
    list_init(&sums->rare, sizeof(struct sum_rare));
}

void
sums_clear(struct sums *sums)
{
    map_clear(&sums->map);
    list_clear(&sums->rare);
}

void
sums_reset(struct sums *sums)
{
    map_reset(&sums->map);
    sums->rare.count = 0;
}

/* The rare part of a sum, made as zeros; NULL out of memory. */
static struct sum_rare *
rare_of(struct sums *sums, struct sum *sum)
{
    if (sum->rare == 0) {
        const struct sum_rare none = {0};
        if (!list_add(&sums->rare, &none))
            return NULL;
        sum->rare = (uint32_t)sums->rare.count;
    }
    return (struct sum_rare *)sums->rare.items + sum->rare - 1;
}

static bool
add_rare(struct sums *sums, struct sum *sum, const struct batch_usage *u, uint64_t sign)
{
    struct sum_rare *r = rare_of(sums, sum);
    if (r == NULL)
        return false;
    for (size_t i = EVENT_TEXT_CLASSES; u->media && i < EVENT_CLASSES; i++)
        r->tokens[i - EVENT_TEXT_CLASSES] += sign * u->tokens[i];
    for (size_t i = 0; u->charged_uses && i < EVENT_FEES; i++)
        r->fees[i] += sign * u->fees[i];
    return true;
}

bool
sums_add(struct sums *sums, const uint8_t key[USAGE_KEY_BYTES], uint64_t hash,
         const struct batch_usage *usage, int sign)
{
    const struct batch_usage *u = usage;
    struct sum *s = map_at(&sums->map, key, hash);
    if (s == NULL)
        return false;
    uint32_t by = (uint32_t)sign;
    uint64_t wide = (uint64_t)(int64_t)sign;
    s->calls += by;
    s->failed_calls += u->failed ? by : 0;
    s->estimated_calls += u->state == COST_ESTIMATED ? by : 0;
    s->unpriced_calls += u->state == COST_UNPRICED ? by : 0;
    for (size_t i = 0; i < EVENT_TEXT_CLASSES; i++)
        s->tokens[i] += wide * u->tokens[i];
    s->reasoning_tokens += wide * u->reasoning_tokens;
    s->latency_us += wide * u->latency_us;
    s->cost_pico += sign < 0 ? -(money_sum)u->cost_pico : (money_sum)u->cost_pico;
    return (!u->media && !u->charged_uses) || add_rare(sums, s, u, wide);
}

bool
sums_add_entry(struct sums *sums, const uint8_t key[USAGE_KEY_BYTES], const struct sums *from,
               uint32_t index)
{
    const struct sum *more = map_value(&from->map, index);
    struct sum *s = map_at(&sums->map, key, map_hash(&sums->map, key));
    if (s == NULL)
        return false;
    s->calls += more->calls;
    s->failed_calls += more->failed_calls;
    s->estimated_calls += more->estimated_calls;
    s->unpriced_calls += more->unpriced_calls;
    for (size_t i = 0; i < EVENT_TEXT_CLASSES; i++)
        s->tokens[i] += more->tokens[i];
    s->reasoning_tokens += more->reasoning_tokens;
    s->latency_us += more->latency_us;
    s->cost_pico += more->cost_pico;
    if (more->rare == 0)
        return true;
    const struct sum_rare *add = (const struct sum_rare *)from->rare.items + more->rare - 1;
    struct sum_rare *r = rare_of(sums, s);
    for (size_t i = 0; r != NULL && i < EVENT_CLASSES - EVENT_TEXT_CLASSES; i++)
        r->tokens[i] += add->tokens[i];
    for (size_t i = 0; r != NULL && i < EVENT_FEES; i++)
        r->fees[i] += add->fees[i];
    return r != NULL;
}

static uint64_t
widen(uint32_t count)
{
    return (uint64_t)(int64_t)(int32_t)count;
}

void
sum_to_balance(const struct sum *sum, struct balance *balance)
{
    uint64_t estimated = widen(sum->estimated_calls), unpriced = widen(sum->unpriced_calls);
    balance->events[BALANCE_ESTIMATED] += estimated;
    balance->events[BALANCE_UNPRICED] += unpriced;
    balance->events[BALANCE_PRICED] += widen(sum->calls) - estimated - unpriced;
}

struct usage_row
sums_row(const struct sums *sums, uint32_t index)
{
    const struct sum *s = map_value(&sums->map, index);
    struct usage_row row = {
        .calls = widen(s->calls),
        .failed_calls = widen(s->failed_calls),
        .estimated_calls = widen(s->estimated_calls),
        .unpriced_calls = widen(s->unpriced_calls),
        .reasoning_tokens = s->reasoning_tokens,
        .latency_us = s->latency_us,
        .cost_pico = s->cost_pico,
    };
    for (size_t i = 0; i < EVENT_TEXT_CLASSES; i++)
        row.tokens[i] = s->tokens[i];
    if (s->rare == 0)
        return row;
    const struct sum_rare *r = (const struct sum_rare *)sums->rare.items + s->rare - 1;
    for (size_t i = EVENT_TEXT_CLASSES; i < EVENT_CLASSES; i++)
        row.tokens[i] = r->tokens[i - EVENT_TEXT_CLASSES];
    for (size_t i = 0; i < EVENT_FEES; i++)
        row.fees[i] = r->fees[i];
    return row;
}
