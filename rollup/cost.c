#include "rollup/cost.h"

#include <assert.h>

#include "store/base/money.h"

enum { CHAIN_MAX = 3 };

/* Where a class's rate is looked for, in this order. */
struct chain {
    const struct price_rates *rates[CHAIN_MAX];
    size_t count;
    size_t own_count; /* the first of them are the tier's own, in the request's own band */
};

static struct cost
unpriced(enum cost_reason reason, enum price_tier tier, enum event_class class)
{
    return (struct cost){.state = COST_UNPRICED, .reason = reason, .tier = tier, .class = class};
}

static bool
total_input(const struct event_usage *usage, uint64_t *ret_tokens)
{
    uint64_t total = usage->tokens[EVENT_INPUT];
    if (__builtin_add_overflow(total, usage->tokens[EVENT_CACHE_READ], &total) ||
        __builtin_add_overflow(total, usage->tokens[EVENT_CACHE_WRITE], &total) ||
        __builtin_add_overflow(total, usage->tokens[EVENT_CACHE_WRITE_1H], &total))
        return false;
    *ret_tokens = total;
    return true;
}

static void
chain_add(struct chain *chain, const struct price_rates *rates)
{
    assert(chain->count < CHAIN_MAX);
    chain->rates[chain->count++] = rates;
}

/*
 * A request in a long band must never fall to a short price because its tier's
 * row is silent about bands: then the standard tier's band is asked.
 */
static struct chain
chain_of(const struct price_row *row, const struct price_row *standard, uint64_t total)
{
    struct chain chain = {.count = 0};
    const struct price_band *own = price_row_band(row, total);
    const struct price_band *other = price_row_band(standard, total);
    bool own_reaches = other == NULL || (own != NULL && own->first_tokens >= other->first_tokens);
    if (own_reaches) {
        chain_add(&chain, own != NULL ? &own->rates : &row->rates);
        chain.own_count = 1;
    }
    if (other != NULL && other != own)
        chain_add(&chain, &other->rates);
    if (standard != NULL && (standard != row || own != NULL))
        chain_add(&chain, &standard->rates);
    return chain;
}

/* The class's rate, or PRICE_NONE; *standard says whether it is not the tier's own. */
static int64_t
chain_rate(const struct chain *chain, size_t class, bool *standard)
{
    for (size_t i = 0; i < chain->count; i++) {
        int64_t pico = chain->rates[i]->pico[class];
        if (pico != PRICE_NONE) {
            *standard = i >= chain->own_count;
            return pico;
        }
    }
    return PRICE_NONE;
}

static struct cost
add_up(const struct chain *chain, const struct event_usage *usage, enum price_tier tier)
{
    struct cost cost = {.state = usage->estimated ? COST_ESTIMATED : COST_PRICED, .tier = tier};
    for (size_t class = 0; class < EVENT_CLASSES; class ++) {
        bool standard = false;
        if (usage->tokens[class] == 0)
            continue;
        int64_t pico = chain_rate(chain, class, &standard);
        if (pico == PRICE_NONE)
            return unpriced(COST_NO_RATE, tier, (enum event_class) class);
        if (!money_add_cost(&cost.cost_pico, usage->tokens[class], pico))
            return unpriced(COST_OVERFLOW, tier, (enum event_class) class);
        if (standard)
            cost.standard_classes |= 1U << class;
    }
    return cost;
}

struct cost
cost_of_id(const struct price_id *id, const struct event_usage *usage, int64_t event_ms,
           int64_t receive_ms)
{
    enum price_tier tier = PRICE_STANDARD;
    uint64_t total;
    if (id == NULL)
        return unpriced(COST_NO_MODEL, tier, EVENT_INPUT);
    if (!price_tier_find(usage->tier, &tier))
        return unpriced(COST_UNKNOWN_TIER, tier, EVENT_INPUT);
    const struct price_model *model = price_id_model(id, event_ms, receive_ms);
    if (model == NULL)
        return unpriced(COST_NO_ALIAS, tier, EVENT_INPUT);
    const struct price_row *standard = price_model_row(model, PRICE_STANDARD, event_ms, receive_ms);
    const struct price_row *row =
        tier == PRICE_STANDARD ? standard : price_model_row(model, tier, event_ms, receive_ms);
    if (row == NULL)
        return unpriced(standard == NULL ? COST_NO_ROW : COST_NO_TIER, tier, EVENT_INPUT);
    if (!total_input(usage, &total))
        return unpriced(COST_OVERFLOW, tier, EVENT_INPUT);
    struct chain chain = chain_of(row, standard, total);
    return add_up(&chain, usage, tier);
}

struct cost
cost_of(const struct price_book *book, const struct event_usage *usage, int64_t event_ms,
        int64_t receive_ms)
{
    return cost_of_id(price_book_find(book, usage->provider, usage->model), usage, event_ms,
                      receive_ms);
}

const char *
cost_reason_text(enum cost_reason reason)
{
    static const char *const texts[] = {
#define COST_REASON_TEXT(name, text) text,
        COST_REASONS(COST_REASON_TEXT)
#undef COST_REASON_TEXT
    };
    assert(reason < COST_REASON_COUNT);
    return texts[reason];
}
