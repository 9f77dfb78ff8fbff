/* Products, prices and subscriptions: which plan an organization has, to be seen at Stripe. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/plan/rate.h"
#include "billing/stripe/calls_parts.h"
#include "store/base/currency.h"

enum need
calls_product(struct calls *c, const struct plan *plan, calls_object product)
{
    struct stripe_form *form = &c->next->form;
    if (!calls_name(c, "product/%.*s", STR_ARG(plan->id)))
        return NEED_ASKED;
    stripe_form_text(form, "name", plan->name);
    calls_put_key(c);
    stripe_form_text(form, "metadata[gbill_plan]", plan->id);
    enum need n = calls_need(c, true, product);
    if (n != NEED_ASK)
        return n;
    if (product[0] != '\0')
        return calls_send(c, "POST", "/v1/products/%s", product);
    calls_look(c, "/v1/products");
    return calls_send(c, "POST", "/v1/products");
}

/* A period as Stripe has it, which is three years at most. */
static bool
read_interval(const struct cycle *cycle, const char **ret_unit, int32_t *ret_count)
{
    bool years = cycle->months > 0 && cycle->months % 12 == 0;
    bool weeks = cycle->months == 0 && cycle->days % 7 == 0;
    *ret_unit = years ? "year" : cycle->months > 0 ? "month" : weeks ? "week" : "day";
    *ret_count = years               ? cycle->months / 12
                 : cycle->months > 0 ? cycle->months
                 : weeks             ? cycle->days / 7
                                     : cycle->days;
    return cycle->months <= 36 && cycle->days <= 1095;
}

/* What the flat charges come to, in Stripe's units of a currency. */
static bool
flat_amount(const struct calls *c, const struct plan *plan, const struct plan_terms *terms,
            const char *currency, int64_t at_ms, int64_t *ret)
{
    int64_t total = 0;
    for (size_t i = 0; i < terms->charge_count; i++) {
        struct exact amount;
        money_sum pico;
        int64_t minor;
        if (terms->charges[i].model != CHARGE_FLAT)
            continue;
        if (!rate_charge(&terms->charges[i], 0, 0, &amount) ||
            (strcmp(plan->currency, currency) != 0 &&
             !exact_scale(&amount, plan_rate_at(c->settings->book, currency, at_ms),
                          plan_rate_at(c->settings->book, plan->currency, at_ms))) ||
            !exact_round(&amount, currency_minor_digits(currency), &pico, &minor) ||
            __builtin_add_overflow(total, minor, &total))
            return false;
    }
    return currency_to_stripe(currency, total, ret);
}

enum need
calls_price(struct calls *c, const struct plan *plan, const struct plan_terms *terms,
            const char *currency, int64_t at_ms, calls_object price)
{
    struct stripe_form *form = &c->next->form;
    calls_object product;
    const char *unit;
    int32_t count;
    int64_t amount = 0;
    bool has_interval = read_interval(&terms->cycle, &unit, &count);
    bool has_amount = flat_amount(c, plan, terms, currency, at_ms, &amount);
    enum need n = calls_product(c, plan, product);
    price[0] = '\0';
    if (n != NEED_HAVE)
        return n;
    if (!calls_name(c, "price/%.*s/%s/%s-%" PRId32 "/%" PRId64, STR_ARG(plan->id), currency, unit,
                    count, amount))
        return NEED_ASKED;
    n = calls_need(c, false, price);
    if (n != NEED_ASK)
        return n;
    if (!has_interval)
        return calls_fail(c, "Stripe has no period of %" PRId32 " %ss", count, unit);
    if (!has_amount)
        return calls_fail(c, "Stripe has no such amount of %s", currency);
    stripe_form_text(form, "product", str_of(product));
    stripe_form_currency(form, currency);
    stripe_form_int(form, "unit_amount", amount);
    stripe_form_text(form, "recurring[interval]", str_of(unit));
    stripe_form_int(form, "recurring[interval_count]", count);
    stripe_form_text(form, "nickname", plan->name);
    calls_put_key(c);
    stripe_form_text(form, "metadata[gbill_plan]", plan->id);
    calls_look(c, "/v1/prices?product=%s", product);
    return calls_send(c, "POST", "/v1/prices");
}

/* ---- subscriptions ---- */

struct wish {
    const struct plan *plan;
    const char *price;
    int64_t cancel_s, trial_s; /* 0: none */
    int64_t anchor_s;          /* of a new one: where our period ends; 0: Stripe's own */
    bool paused;
};

/* When what is held now ends without another plan; 0: no end is known. */
static int64_t
end_s(const struct calls *c)
{
    struct timeline_walk walk;
    int64_t now_ms = c->settings->now_ms, end = 0;
    timeline_walk_begin(&walk, c->timeline, now_ms, INT64_MAX);
    if (timeline_walk_next(&walk) && walk.until_ms != INT64_MAX && walk.following != NULL &&
        walk.following->held == NULL)
        end = walk.until_ms / 1000;
    return end;
}

static void
put_wish(struct calls *c, const struct wish *w, const char *item)
{
    struct stripe_form *form = &c->next->form;
    if (item[0] != '\0')
        stripe_form_text(form, "items[0][id]", str_of(item));
    stripe_form_text(form, "items[0][price]", str_of(w->price));
    stripe_form_int(form, "items[0][quantity]", 0);
    stripe_form_text(form, "proration_behavior", str_of("none"));
    if (w->trial_s > 0)
        stripe_form_int(form, "trial_end", w->trial_s);
    if (w->cancel_s > 0)
        stripe_form_int(form, "cancel_at", w->cancel_s);
    calls_put_key(c);
    stripe_form_text(form, "metadata[gbill_organization]", c->organization);
    stripe_form_text(form, "metadata[gbill_plan]", w->plan->id);
}

/* "sub_… si_…", of one that lives; both empty of one that does not. */
static void
split(const calls_object object, calls_object id, calls_object item)
{
    size_t n = strcspn(object, " ");
    snprintf(id, sizeof(calls_object), "%.*s", (int)n, object);
    snprintf(item, sizeof(calls_object), "%s", object[n] != '\0' ? object + n + 1 : "");
}

static enum need
change_subscription(struct calls *c, const char *customer, const struct wish *w)
{
    struct stripe_form *form = &c->next->form;
    calls_object object, id, item;
    if (!calls_name(c, "subscription/%.*s", STR_ARG(c->organization)))
        return NEED_ASKED;
    put_wish(c, w, "");
    /* Not to be said of a new one; so that a paused one is changed once more. */
    if (w->paused)
        stripe_form_text(form, "pause_collection[behavior]", str_of("void"));
    enum need n = calls_need(c, true, object);
    if (n != NEED_ASK)
        return n;
    form->text.size_bytes = 0;
    split(object, id, item);
    if (id[0] == '\0') {
        stripe_form_text(form, "customer", str_of(customer));
        put_wish(c, w, "");
        if (w->anchor_s > 0)
            stripe_form_int(form, "billing_cycle_anchor", w->anchor_s);
        if (w->paused)
            memset(c->next->digest, 0, sizeof c->next->digest);
        calls_look(c, "/v1/subscriptions?customer=%s", customer);
        return calls_send(c, "POST", "/v1/subscriptions");
    }
    put_wish(c, w, item);
    if (w->cancel_s == 0)
        stripe_form_text(form, "cancel_at", str_of(""));
    if (w->paused)
        stripe_form_text(form, "pause_collection[behavior]", str_of("void"));
    else
        stripe_form_text(form, "pause_collection", str_of(""));
    return calls_send(c, "POST", "/v1/subscriptions/%s", id);
}

static enum need
end_subscription(struct calls *c)
{
    calls_object object, id, item;
    if (!calls_name(c, "subscription/%.*s", STR_ARG(c->organization)))
        return NEED_ASKED;
    enum need n = calls_need(c, true, object);
    split(object, id, item);
    if (n == NEED_ASKED || n == NEED_WAITS || n == NEED_REFUSED || id[0] == '\0')
        return n == NEED_ASK ? NEED_HAVE : n;
    return calls_send(c, "DELETE",
                      "/v1/subscriptions/%s?cancellation_details[comment]=gbill:subscription", id);
}

/*
 * Its periods there are to end with ours, so that the portal shows the same days.  Stripe takes
 * an end that lies ahead of it, and no further than a period.
 */
static int64_t
anchor_s(const struct calls *c, const struct standing *s)
{
    struct span period = cycle_period(&s->cycle, c->settings->now_ms);
    int64_t ahead_ms = period.to_ms - c->settings->clock_ms;
    bool fits = ahead_ms > 60000 && ahead_ms <= period.to_ms - period.from_ms;
    return fits && s->trial_until_ms <= c->settings->now_ms ? period.to_ms / 1000 : 0;
}

enum need
calls_subscription(struct calls *c, const char *customer)
{
    int64_t now_ms = c->settings->now_ms;
    struct standing s = timeline_at(c->timeline, now_ms);
    calls_object price;
    if (s.held == NULL || s.held == c->settings->book->default_plan)
        return end_subscription(c);
    int64_t begin_ms = cycle_period(&s.cycle, now_ms).from_ms;
    enum need n = calls_price(c, s.held, plan_terms_at(s.held, begin_ms), c->timeline->currency,
                              begin_ms, price);
    const struct wish wish = {.plan = s.held,
                              .price = price,
                              .cancel_s = end_s(c),
                              .trial_s = s.trial_until_ms > now_ms ? s.trial_until_ms / 1000 : 0,
                              .anchor_s = anchor_s(c, &s),
                              .paused = s.paused};
    return n == NEED_HAVE ? change_subscription(c, customer, &wish) : n;
}
