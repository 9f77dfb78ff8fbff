#include "billing/plan/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *
charge_model_name(enum charge_model model)
{
    static const char *const names[CHARGE_MODELS] = {
        [CHARGE_FLAT] = "flat",
        [CHARGE_UNIT] = "per_unit",
        [CHARGE_GRADUATED] = "graduated",
        [CHARGE_VOLUME] = "volume",
        [CHARGE_PACKAGE] = "package",
        [CHARGE_BLOCK] = "block",
        [CHARGE_PERCENTAGE] = "percentage",
        [CHARGE_COST_PLUS] = "cost_plus",
    };
    assert(model < CHARGE_MODELS);
    return names[model];
}

const char *
charge_meter_name(enum charge_meter meter)
{
    static const char *const names[CHARGE_METERS] = {
        [METER_NONE] = "",         [METER_CREDITS] = "ai_credits", [METER_CALLS] = "calls",
        [METER_TOKENS] = "tokens", [METER_INPUT] = "input_tokens", [METER_OUTPUT] = "output_tokens",
        [METER_COST] = "llm_cost",
    };
    assert(meter < CHARGE_METERS);
    return names[meter];
}

void
plan_book_free(struct plan_book *book)
{
    if (book == NULL)
        return;
    struct arena arena = book->arena; /* the book lies in its own arena */
    arena_clear(&arena);
}

const struct plan *
plan_find(const struct plan_book *book, struct str id)
{
    for (size_t i = 0; i < book->plan_count; i++) {
        if (str_equal(book->plans[i].id, id))
            return &book->plans[i];
    }
    return NULL;
}

const struct plan_terms *
plan_terms_at(const struct plan *plan, int64_t utc_ms)
{
    size_t i = plan->terms_count - 1;
    while (i > 0 && plan->terms[i].from_ms > utc_ms)
        i--;
    return &plan->terms[i];
}

bool
plan_is_for(const struct plan *plan, struct str organization)
{
    for (size_t i = 0; i < plan->organization_count; i++) {
        if (str_equal(plan->organizations[i], organization))
            return true;
    }
    return plan->organization_count == 0;
}

bool
plan_terms_cost(const struct plan_terms *terms)
{
    for (size_t i = 0; i < terms->charge_count; i++) {
        const struct plan_charge *c = &terms->charges[i];
        if ((c->model == CHARGE_FLAT && c->price_pico > 0) ||
            (c->has_minimum && c->minimum_pico > 0) ||
            (c->tier_count > 0 && c->tiers[0].flat_pico > 0))
            return true;
    }
    return terms->has_commitment && terms->commitment_pico > 0;
}

bool
plan_terms_in_advance(const struct plan_terms *terms)
{
    for (size_t i = 0; i < terms->charge_count; i++) {
        if (terms->charges[i].in_advance)
            return true;
    }
    return false;
}

bool
plan_terms_count(const struct plan_terms *terms)
{
    for (size_t i = 0; i < terms->charge_count; i++) {
        if (terms->charges[i].meter != METER_NONE)
            return true;
    }
    return terms->has_commitment;
}

bool
plan_allows(const struct plan_terms *terms, enum limit_dimension dimension, uint64_t used)
{
    return used < terms->limits[dimension] || terms->limits[dimension] == LIMIT_UNLIMITED ||
           terms->soft[dimension];
}

const struct plan *
plan_upgrade(const struct plan_book *book, const struct plan *plan, struct str organization,
             int64_t utc_ms, enum limit_dimension dimension, uint64_t used)
{
    for (size_t i = 0; i < book->plan_count; i++) {
        const struct plan *p = &book->plans[i];
        if (p->order > plan->order && plan_is_for(p, organization) &&
            plan_allows(plan_terms_at(p, utc_ms), dimension, used))
            return p;
    }
    return NULL;
}

int64_t
plan_credit_price(const struct plan_terms *terms)
{
    for (size_t i = 0; i < terms->charge_count; i++) {
        const struct plan_charge *c = &terms->charges[i];
        if (c->meter == METER_CREDITS && c->model == CHARGE_UNIT && c->per == 1)
            return c->price_pico;
    }
    return 0;
}

int64_t
plan_rate_at(const struct plan_book *book, const char *currency, int64_t utc_ms)
{
    int64_t rate = 0;
    if (strcmp(currency, book->currency) == 0)
        return 1000000000;
    for (size_t i = 0; i < book->rate_count; i++) {
        const struct plan_rate *r = &book->rates[i];
        if (strcmp(r->currency, currency) == 0 && (rate == 0 || r->from_ms <= utc_ms))
            rate = r->rate_nano;
    }
    return rate;
}
