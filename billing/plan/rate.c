#include "billing/plan/rate.h"

#include <assert.h>

/* sum += a * b; false on overflow. */
static bool
add_product(money_sum *sum, money_sum a, money_sum b)
{
    money_sum product;
    return !__builtin_mul_overflow(a, b, &product) && !__builtin_add_overflow(*sum, product, sum);
}

static bool
add_pico(money_sum *sum_yocto, int64_t pico)
{
    return add_product(sum_yocto, pico, EXACT_YOCTO_PER_PICO);
}

static money_sum
ceiling(money_sum value, money_sum step)
{
    return value / step + (value % step > 0 ? 1 : 0);
}

/* Whole steps of a quantity >= 0. */
static money_sum
steps_of(money_sum quantity, money_sum step, enum charge_round round)
{
    if (round == ROUND_DOWN)
        return quantity / step;
    return round == ROUND_NEAREST ? money_divide(quantity, step) : ceiling(quantity, step);
}

bool
rate_quantity(const struct plan_charge *c, money_sum quantity_pico, money_sum *ret_pico)
{
    money_sum q = quantity_pico;
    assert(q >= 0 && c->per > 0);
    if (c->round != ROUND_NONE && c->model != CHARGE_PACKAGE &&
        __builtin_mul_overflow(steps_of(q, c->per * RATE_QUANTITY_ONE, c->round), RATE_QUANTITY_ONE,
                               &q))
        return false;
    *ret_pico = q > c->free_pico ? q - c->free_pico : 0;
    return true;
}

static bool
rate_graduated(const struct plan_charge *c, money_sum q, money_sum *ret_yocto)
{
    money_sum from = 0;
    for (size_t i = 0; i < c->tier_count && (i == 0 || q > from); i++) {
        const struct charge_tier *t = &c->tiers[i];
        money_sum to = t->end_pico == CHARGE_NO_END || q < t->end_pico ? q : t->end_pico;
        if (!add_pico(ret_yocto, t->flat_pico) || !add_product(ret_yocto, to - from, t->unit_pico))
            return false;
        from = to;
        if (t->end_pico == CHARGE_NO_END || q <= t->end_pico)
            break;
    }
    return true;
}

static bool
rate_volume(const struct plan_charge *c, money_sum q, money_sum *ret_yocto)
{
    size_t i = 0;
    while (c->tiers[i].end_pico != CHARGE_NO_END && q > c->tiers[i].end_pico)
        i++;
    assert(i < c->tier_count);
    return add_pico(ret_yocto, c->tiers[i].flat_pico) &&
           add_product(ret_yocto, q, c->tiers[i].unit_pico);
}

static bool
add_blocks(money_sum *yocto, const struct charge_tier *t, money_sum q)
{
    money_sum blocks = ceiling(q, t->size * RATE_QUANTITY_ONE), amount;
    return !__builtin_mul_overflow(blocks, (money_sum)t->unit_block_pico, &amount) &&
           add_product(yocto, amount, EXACT_YOCTO_PER_PICO);
}

/* What is beyond the last tier's end is at the last tier's price. */
static bool
rate_block(const struct plan_charge *c, money_sum q, money_sum *ret_yocto)
{
    money_sum from = 0;
    for (size_t i = 0; i < c->tier_count && q > from; i++) {
        const struct charge_tier *t = &c->tiers[i];
        bool last = i + 1 == c->tier_count || t->end_pico == CHARGE_NO_END || q <= t->end_pico;
        if (c->top_tier && last)
            return add_blocks(ret_yocto, t, q);
        money_sum to = last ? q : t->end_pico;
        if (!c->top_tier && !add_blocks(ret_yocto, t, to - from))
            return false;
        from = to;
        if (last)
            break;
    }
    return true;
}

/* Picos of money: a percent (10^-8) of a pico is 10^4 yoctos. */
static bool
rate_percentage(const struct plan_charge *c, money_sum q, uint64_t calls, money_sum *ret_yocto)
{
    uint64_t charged = calls > c->free_calls ? calls - c->free_calls : 0;
    money_sum percent = c->percent + (c->model == CHARGE_COST_PLUS ? PLAN_PERCENT_WHOLE : 0);
    money_sum per_call = c->model == CHARGE_PERCENTAGE ? c->price_pico : 0, fixed;
    return add_product(ret_yocto, q,
                       percent * (EXACT_YOCTO_PER_PICO / (money_sum)PLAN_PERCENT_WHOLE)) &&
           !__builtin_mul_overflow((money_sum)charged, per_call, &fixed) &&
           add_product(ret_yocto, fixed, EXACT_YOCTO_PER_PICO);
}

static bool
rate_price(const struct plan_charge *c, money_sum q, uint64_t calls, money_sum *ret_yocto)
{
    switch (c->model) {
    case CHARGE_FLAT:
        return add_pico(ret_yocto, c->price_pico);
    case CHARGE_UNIT:
        return add_product(ret_yocto, q, c->price_pico);
    case CHARGE_GRADUATED:
        return rate_graduated(c, q, ret_yocto);
    case CHARGE_VOLUME:
        return rate_volume(c, q, ret_yocto);
    case CHARGE_PACKAGE:
        return add_product(ret_yocto, steps_of(q, c->size * RATE_QUANTITY_ONE, c->round),
                           c->price_pico * EXACT_YOCTO_PER_PICO);
    case CHARGE_BLOCK:
        return rate_block(c, q, ret_yocto);
    case CHARGE_PERCENTAGE:
    case CHARGE_COST_PLUS:
        return rate_percentage(c, q, calls, ret_yocto);
    case CHARGE_MODELS:
        break;
    }
    assert(false && "no such model");
    return false;
}

/* A bound is a whole number of picos, so comparing cut-off yoctos with it is exact. */
static bool
bound(const struct plan_charge *c, struct exact *amount)
{
    money_sum yocto;
    if (!c->has_minimum && !c->has_maximum)
        return true;
    if (!exact_yocto(amount, &yocto))
        return false;
    if (c->has_maximum && yocto > c->maximum_pico * EXACT_YOCTO_PER_PICO)
        *amount = exact_of_pico(c->maximum_pico);
    if (c->has_minimum && yocto < c->minimum_pico * EXACT_YOCTO_PER_PICO)
        *amount = exact_of_pico(c->minimum_pico);
    return true;
}

bool
rate_charge(const struct plan_charge *c, money_sum quantity_pico, uint64_t calls, struct exact *ret)
{
    money_sum q = 0, yocto = 0;
    if (c->model != CHARGE_FLAT && !rate_quantity(c, quantity_pico, &q))
        return false;
    if (!rate_price(c, q, calls, &yocto))
        return false;
    struct exact amount = exact_of_yocto(yocto);
    if (c->discount > 0 &&
        !exact_scale(&amount, PLAN_PERCENT_WHOLE - c->discount, PLAN_PERCENT_WHOLE))
        return false;
    if (!bound(c, &amount))
        return false;
    *ret = amount;
    return true;
}
