#include "rollup/price/cost.h"

#include <assert.h>
#include <inttypes.h>

#include "store/base/log.h"
#include "store/base/money.h"
#include "store/event/event_parts.h"

enum { CHAIN_MAX = 3 };

/* Where a class's rate is looked for, in this order. */
struct chain {
    const struct price_rates *rates[CHAIN_MAX];
    size_t count;
    size_t own_count; /* the first of them are the tier's own, in the request's own band */
};

static struct cost
unpriced(enum cost_reason reason, enum price_tier tier)
{
    return (struct cost){.state = COST_UNPRICED, .reason = reason, .tier = tier};
}

static bool
total_input(const struct event_usage *usage, uint64_t *ret_tokens)
{
    const uint64_t *n = usage->tokens;
    uint64_t total = n[EVENT_INPUT];
    if (__builtin_add_overflow(total, n[EVENT_CACHE_READ], &total) ||
        __builtin_add_overflow(total, n[EVENT_CACHE_WRITE], &total) ||
        __builtin_add_overflow(total, n[EVENT_CACHE_WRITE_1H], &total))
        return false;
    if (usage->media && (__builtin_add_overflow(total, n[EVENT_INPUT_AUDIO], &total) ||
                         __builtin_add_overflow(total, n[EVENT_CACHE_READ_AUDIO], &total) ||
                         __builtin_add_overflow(total, n[EVENT_INPUT_IMAGE], &total) ||
                         __builtin_add_overflow(total, n[EVENT_CACHE_READ_IMAGE], &total)))
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
static void
chain_init(struct chain *chain, const struct price_row *row, const struct price_row *standard,
           uint64_t total)
{
    const struct price_band *own = price_row_band(row, total);
    const struct price_band *other = price_row_band(standard, total);
    bool own_reaches = other == NULL || (own != NULL && own->first_tokens >= other->first_tokens);
    chain->count = 0;
    chain->own_count = own_reaches ? 1 : 0;
    if (own_reaches)
        chain_add(chain, own != NULL ? &own->rates : &row->rates);
    if (other != NULL && other != own)
        chain_add(chain, &other->rates);
    if (standard != NULL && (standard != row || own != NULL))
        chain_add(chain, &standard->rates);
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

/* Region and speed, by which every rate is multiplied. */
static enum cost_reason
factors_of(const struct price_row *row, const struct price_row *standard,
           const struct event_usage *usage, int64_t ret[PRICE_DIMENSIONS])
{
    if (!price_factor_find(row, standard, PRICE_REGION, usage->region, &ret[PRICE_REGION]))
        return COST_NO_REGION;
    if (!price_factor_find(row, standard, PRICE_SPEED, usage->speed, &ret[PRICE_SPEED]))
        return COST_NO_SPEED;
    return COST_NONE;
}

static void
add_tokens(struct cost *cost, const struct chain *chain, const struct event_usage *usage,
           const int64_t factors[PRICE_DIMENSIONS])
{
    bool plain = factors[PRICE_REGION] == PRICE_FACTOR_ONE &&
                 factors[PRICE_SPEED] == PRICE_FACTOR_ONE;
    size_t classes = usage->media ? EVENT_CLASSES : EVENT_TEXT_CLASSES;
    for (size_t class = 0; class < classes; class ++) {
        bool standard = false;
        if (usage->tokens[class] == 0)
            continue;
        int64_t pico = chain_rate(chain, class, &standard);
        if (pico == PRICE_NONE) {
            *cost = unpriced(COST_NO_RATE, cost->tier);
            cost->class = (enum event_class) class;
            return;
        }
        if (!plain && !price_scale(pico, factors[PRICE_REGION], factors[PRICE_SPEED], &pico))
            assert(false && "checked when the book was loaded");
        if (!money_add_cost(&cost->cost_pico, usage->tokens[class], pico)) {
            *cost = unpriced(COST_OVERFLOW, cost->tier);
            return;
        }
        if (standard)
            cost->standard_classes |= 1U << class;
    }
}

/* Fees are by the use: no band and no factor changes them. */
static void
add_fees(struct cost *cost, const struct price_row *row, const struct price_row *standard,
         const struct event_usage *usage)
{
    for (size_t f = 0; f < EVENT_FEES; f++) {
        if (usage->fees[f] == 0)
            continue;
        int64_t pico = row->fee_pico[f];
        if (pico == PRICE_NONE && standard != NULL)
            pico = standard->fee_pico[f];
        if (pico == PRICE_NONE) {
            *cost = unpriced(COST_NO_FEE, cost->tier);
            cost->fee = (enum event_fee)f;
            return;
        }
        if (!money_add_cost(&cost->cost_pico, usage->fees[f], pico)) {
            *cost = unpriced(COST_OVERFLOW, cost->tier);
            return;
        }
    }
}

/* Which price it was, and what the pass had of it. */
static void
say_price(const struct event_usage *u, const struct price_query *query, const struct price_row *row,
          uint64_t input, const struct cost *cost)
{
    log_line(LOG_LEVEL_DEBUG, "priced",
             "org=\"%.*s\" at_ms=%" PRId64
             " provider=\"%.*s\" model=\"%.*s\" tier=\"%.*s\" region=\"%.*s\" "
             "speed=\"%.*s\" price_from_ms=%" PRId64 " all_input=%" PRIu64 " input=%" PRIu64
             " cache_read=%" PRIu64 " cache_write=%" PRIu64 " cache_write_1h=%" PRIu64
             " output=%" PRIu64 " media=%d fees=%d cost_pico=%" PRId64 " reason=\"%s\"",
             STR_ARG(query->organization), query->event_ms, STR_ARG(u->provider), STR_ARG(u->model),
             STR_ARG(u->tier), STR_ARG(u->region), STR_ARG(u->speed), row->when.from_ms, input,
             u->tokens[EVENT_INPUT], u->tokens[EVENT_CACHE_READ], u->tokens[EVENT_CACHE_WRITE],
             u->tokens[EVENT_CACHE_WRITE_1H], u->tokens[EVENT_OUTPUT], u->media, u->charged_uses,
             cost->cost_pico, cost_reason_text(cost->reason));
}

static struct cost
say_unpriced(const struct event_usage *u, const struct price_query *query, enum cost_reason reason,
             enum price_tier tier)
{
    log_decision("unpriced",
                 "org=\"%.*s\" at_ms=%" PRId64
                 " provider=\"%.*s\" model=\"%.*s\" tier=\"%.*s\" reason=\"%s\"",
                 STR_ARG(query->organization), query->event_ms, STR_ARG(u->provider),
                 STR_ARG(u->model), STR_ARG(u->tier), cost_reason_text(reason));
    return unpriced(reason, tier);
}

/*
 * What the row charges.  Chain and cost are filled where they stay: a copy of what
 * was just written piece by piece waits for the writes, and an event has two of them.
 */
static struct cost
charge(const struct price_row *row, const struct price_row *standard,
       const struct event_usage *usage, const struct price_query *query, enum price_tier tier,
       const int64_t factors[PRICE_DIMENSIONS])
{
    struct cost cost = {.state = usage->estimated ? COST_ESTIMATED : COST_PRICED, .tier = tier};
    struct chain chain;
    uint64_t total;
    if (!total_input(usage, &total)) {
        cost = unpriced(COST_OVERFLOW, tier);
        return cost;
    }
    chain_init(&chain, row, standard, total);
    add_tokens(&cost, &chain, usage, factors);
    if (cost.state != COST_UNPRICED && usage->charged_uses)
        add_fees(&cost, row, standard, usage);
    if (log_debugs())
        say_price(usage, query, row, total, &cost);
    return cost;
}

/* One pass of one model. */
static struct cost
cost_of_pass(const struct price_id *id, const struct event_usage *usage,
             const struct price_query *query)
{
    enum price_tier tier = PRICE_STANDARD;
    int64_t factors[PRICE_DIMENSIONS];
    if (id == NULL)
        return say_unpriced(usage, query, COST_NO_MODEL, tier);
    if (!price_tier_find(usage->tier, &tier))
        return say_unpriced(usage, query, COST_UNKNOWN_TIER, tier);
    const struct price_model *model = price_id_model(id, query->event_ms, query->receive_ms);
    if (model == NULL)
        return say_unpriced(usage, query, COST_NO_ALIAS, tier);
    const struct price_row *standard = price_model_row(model, PRICE_STANDARD, query);
    const struct price_row *row = tier == PRICE_STANDARD ? standard
                                                         : price_model_row(model, tier, query);
    if (row == NULL)
        return say_unpriced(usage, query, standard == NULL ? COST_NO_ROW : COST_NO_TIER, tier);
    enum cost_reason reason = factors_of(row, standard, usage, factors);
    if (reason != COST_NONE)
        return say_unpriced(usage, query, reason, tier);
    return charge(row, standard, usage, query, tier, factors);
}

/* The uses are the call's, the tokens its iterations'. */
static struct cost
cost_of_iterations(const struct price_book *book, const struct price_id *id,
                   const struct event_usage *usage, const struct price_query *query)
{
    struct event_usage call = *usage, part;
    struct event_parts parts;
    for (size_t c = 0; c < EVENT_CLASSES; c++)
        call.tokens[c] = 0;
    struct cost sum = cost_of_pass(id, &call, query);
    event_parts_begin(&parts, usage);
    while (sum.state != COST_UNPRICED && event_parts_next(&parts, &part)) {
        const struct price_id *part_id = str_equal(part.model, usage->model)
                                             ? id
                                             : price_book_find(book, part.provider, part.model);
        struct cost cost = cost_of_pass(part_id, &part, query);
        if (cost.state == COST_UNPRICED)
            return cost;
        if (__builtin_add_overflow(sum.cost_pico, cost.cost_pico, &sum.cost_pico))
            return unpriced(COST_OVERFLOW, sum.tier);
        sum.standard_classes |= cost.standard_classes;
    }
    return sum;
}

struct cost
cost_of_id(const struct price_book *book, const struct price_id *id,
           const struct event_usage *usage, const struct price_query *query)
{
    if (usage->uncounted != 0)
        return unpriced(COST_NO_RATIO, PRICE_STANDARD);
    return usage->iterations.size_bytes > 0 ? cost_of_iterations(book, id, usage, query)
                                            : cost_of_pass(id, usage, query);
}

struct cost
cost_of(const struct price_book *book, const struct event_usage *usage,
        const struct price_query *query)
{
    return cost_of_id(book, price_book_find(book, usage->provider, usage->model), usage, query);
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
