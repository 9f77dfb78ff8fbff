#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/items.h"
#include "billing/words.h"
#include "store/base/log.h"
#include "store/base/time.h"
#include "store/tables/dict.h"

/*
 * Fees and usage of a run.  A fee is charged for what a plan had of a period, by
 * the plan's own way of counting; all parts of one plan are one item, so cutting
 * a period into pieces and back changes no amount.  Usage of a period is one
 * quantity, and one plan answers for it: the last that was paid for.
 */

enum { DESCRIPTION_BYTES = 201, SHARES_MAX = 64 };

/* What one plan had of one period. */
struct share {
    const struct plan *plan;
    const struct plan_terms *terms;
    int64_t units; /* of the period, by terms->day_count */
    int64_t from_ms, to_ms;
};

struct shares {
    struct span period;
    struct share of[SHARES_MAX];
    size_t count;
};

static bool
is_month(struct span s)
{
    int32_t month = time_month(s.from_ms);
    return s.from_ms == time_month_start_ms(month) && s.to_ms == time_month_start_ms(month + 1);
}

static int64_t
whole_second(int64_t utc_ms)
{
    return utc_ms / 1000 * 1000;
}

static void
add_span(struct words *w, struct span s)
{
    char month[TIME_TEXT_BYTES];
    if (is_month(s)) {
        time_format_month(time_month(s.from_ms), month);
        words_add(w, "%s", month);
        return;
    }
    words_add_time(w, whole_second(s.from_ms));
    words_add(w, " to ");
    words_add_time(w, whole_second(s.to_ms));
}

static struct share *
share_of(struct shares *shares, const struct plan *plan)
{
    for (size_t i = 0; i < shares->count; i++) {
        if (shares->of[i].plan == plan)
            return &shares->of[i];
    }
    if (shares->count == SHARES_MAX)
        return NULL;
    struct share *s = &shares->of[shares->count++];
    /* The version that a period begins with holds to its end. */
    *s = (struct share){
        .plan = plan, .terms = plan_terms_at(plan, shares->period.from_ms), .from_ms = INT64_MAX};
    return s;
}

/* Is the segment followed by nothing that is paid for? */
static bool
is_abandoned(const struct timeline_walk *w)
{
    return w->to_ms == w->until_ms && w->following != NULL && !standing_pays(w->following);
}

/* Find who had how much of a period, within [from_ms, to_ms). */
static bool
find_shares(const struct items *v, struct span period, int64_t from_ms, int64_t to_ms,
            struct shares *ret)
{
    struct timeline_walk w;
    ret->period = period;
    ret->count = 0;
    timeline_walk_begin(&w, v->timeline, from_ms, to_ms);
    while (timeline_walk_next(&w)) {
        struct span part = {w.from_ms, w.to_ms};
        if (part.from_ms < w.standing.trial_until_ms)
            part.from_ms = w.standing.trial_until_ms;
        if (!standing_pays(&w.standing) || part.from_ms >= part.to_ms)
            continue;
        struct share *s = share_of(ret, w.standing.held);
        if (s == NULL)
            return false;
        s->units += cycle_units(s->terms->day_count, period, part, is_abandoned(&w));
        /* A day that ends one part and begins the next one is still one day. */
        int64_t whole = cycle_units_whole(s->terms->day_count, period);
        s->units = s->units < whole ? s->units : whole;
        if (s->from_ms > part.from_ms)
            s->from_ms = part.from_ms;
        s->to_ms = part.to_ms;
    }
    return true;
}

/* Into the organization's currency, rounded once. */
static bool
settle(const struct items *v, const struct plan *plan, struct exact *amount, struct item *item)
{
    const char *to = v->timeline->currency;
    if (strcmp(plan->currency, to) != 0 &&
        !exact_scale(amount, plan_rate_at(v->book, to, item->bill_ms),
                     plan_rate_at(v->book, plan->currency, item->bill_ms)))
        return false;
    return exact_round(amount, v->minor_digits, &item->line.exact_pico, &item->line.amount_minor);
}

static enum err_code
too_large(struct items *v, const struct item *item, struct err *err)
{
    enum err_code code =
        items_problem(v, item->line.from_ms, INT64_MAX,
                      "charge %.*s of plan %.*s does not fit 63 bits of minor units",
                      STR_ARG(item->line.charge), STR_ARG(item->line.plan));
    return code == ERR_OK ? ERR_OK : err_set(err, code, "out of memory");
}

/* ---- fees ---- */

static void
describe_fee(char text[DESCRIPTION_BYTES], const struct plan_charge *charge,
             const struct share *share, struct span period, int64_t whole)
{
    struct words w = words_of(text, DESCRIPTION_BYTES);
    bool all = share->units == whole || !charge->prorated;
    words_add(&w, "%.*s, ", STR_ARG(charge->name));
    add_span(&w, all ? period : (struct span){share->from_ms, share->to_ms});
    if (all)
        return;
    words_add(&w, ", ");
    words_add_count(&w, (uint64_t)share->units);
    words_add(&w, " of ");
    words_add_count(&w, (uint64_t)whole);
    words_add(&w, share->terms->day_count == CYCLE_SECONDS ? " s" : " days");
}

static enum err_code
add_fee(struct items *v, const struct items_run *run, const struct shares *shares,
        const struct share *share, const struct plan_charge *charge, struct err *err)
{
    char text[DESCRIPTION_BYTES];
    struct exact amount;
    struct span period = shares->period;
    int64_t whole = cycle_units_whole(share->terms->day_count, period);
    int64_t end_ms = period.to_ms < run->to_ms ? period.to_ms : run->to_ms;
    struct item item = {.line = {.kind = INVOICE_PLAN_FEE,
                                 .plan = share->plan->id,
                                 .charge = charge->id,
                                 .period_ms = period.from_ms,
                                 .quantity_pico = share->units * RATE_QUANTITY_ONE,
                                 .from_ms = share->from_ms,
                                 .to_ms = share->to_ms},
                        .bill_ms = charge->in_advance ? share->from_ms : end_ms};
    if (share->units == 0)
        return ERR_OK;
    if (!rate_charge(charge, 0, 0, &amount) ||
        (charge->prorated && !exact_scale(&amount, share->units, whole)) ||
        !settle(v, share->plan, &amount, &item))
        return too_large(v, &item, err);
    log_decision("fee",
                 "org=\"%.*s\" plan=\"%.*s\" charge=\"%.*s\" period_from_ms=%" PRId64
                 " period_to_ms=%" PRId64 " held_from_ms=%" PRId64 " held_to_ms=%" PRId64
                 " prorated=%s units=%" PRId64 " of=%" PRId64 " currency=%s amount_minor=%" PRId64,
                 STR_ARG(dict_text(v->txn, v->organization)), STR_ARG(share->plan->id),
                 STR_ARG(charge->id), period.from_ms, period.to_ms, share->from_ms, share->to_ms,
                 charge->prorated ? "yes" : "no", share->units, whole, v->timeline->currency,
                 item.line.amount_minor);
    describe_fee(text, charge, share, period, whole);
    return items_add(v, &item, text, err);
}

static enum err_code
fees_of_period(struct items *v, const struct items_run *run, struct span period, struct err *err)
{
    struct shares shares;
    int64_t from_ms = period.from_ms > run->from_ms ? period.from_ms : run->from_ms;
    int64_t to_ms = period.to_ms < run->to_ms ? period.to_ms : run->to_ms;
    if (!find_shares(v, period, from_ms, to_ms, &shares))
        return err_set(err, ERR_LIMIT, "more than %d plans in one period", SHARES_MAX);
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < shares.count; i++) {
        const struct plan_terms *terms = shares.of[i].terms;
        for (size_t c = 0; code == ERR_OK && c < terms->charge_count; c++) {
            if (terms->charges[c].model == CHARGE_FLAT)
                code = add_fee(v, run, &shares, &shares.of[i], &terms->charges[c], err);
        }
    }
    return code;
}

enum err_code
items_fees(struct items *v, const struct items_run *run, struct err *err)
{
    enum err_code code = ERR_OK;
    struct span p = cycle_period(&run->cycle, run->from_ms);
    while (code == ERR_OK && p.from_ms < run->to_ms && p.from_ms <= v->horizon_ms) {
        code = fees_of_period(v, run, p, err);
        p = cycle_period(&run->cycle, p.to_ms);
    }
    return code;
}

/* ---- usage ---- */

static void
describe_usage(char text[DESCRIPTION_BYTES], const struct share *share,
               const struct plan_charge *charge, struct span window)
{
    struct words w = words_of(text, DESCRIPTION_BYTES);
    words_add(&w, "%.*s", STR_ARG(charge->name));
    if (charge->free_pico > 0 && charge->meter != METER_COST) {
        words_add(&w, " beyond the ");
        words_add_count(&w, (uint64_t)(charge->free_pico / RATE_QUANTITY_ONE));
        words_add(&w, " of");
    } else {
        words_add(&w, " on");
    }
    words_add(&w, " the %.*s plan, ", STR_ARG(share->plan->name));
    add_span(&w, window);
}

/* LLM costs are in the price book's currency, a charge in its plan's. */
static bool
to_plan_currency(const struct items *v, const struct plan *plan, int64_t at_ms, money_sum *pico)
{
    if (strcmp(v->book->cost_currency, plan->currency) == 0)
        return true;
    return exact_mul_div(*pico, plan_rate_at(v->book, plan->currency, at_ms),
                         plan_rate_at(v->book, v->book->cost_currency, at_ms), pico);
}

static void
say_usage(const struct items *v, const struct invoice_line *line, const struct plan_charge *charge,
          money_sum quantity, uint64_t calls)
{
    char used[MONEY_TEXT_BYTES], charged[MONEY_TEXT_BYTES];
    money_format(quantity, 12, used);
    money_format(line->quantity_pico, 12, charged);
    log_line(LOG_LEVEL_DEBUG, "usage_charge",
             "org=\"%.*s\" plan=\"%.*s\" charge=\"%.*s\" from_ms=%" PRId64 " to_ms=%" PRId64
             " calls=%" PRIu64 " used=%s charged=%s currency=%s amount_minor=%" PRId64,
             STR_ARG(dict_text(v->txn, v->organization)), STR_ARG(line->plan), STR_ARG(charge->id),
             line->from_ms, line->to_ms, calls, used, charged, v->timeline->currency,
             line->amount_minor);
}

static enum err_code
add_usage(struct items *v, const struct share *share, const struct plan_charge *charge,
          struct span window, int64_t period_ms, money_sum *sum_yocto, struct err *err)
{
    char text[DESCRIPTION_BYTES];
    struct exact amount;
    money_sum charged = 0, yocto = 0;
    uint64_t calls;
    struct item item = {.line = {.kind = INVOICE_USAGE,
                                 .plan = share->plan->id,
                                 .charge = charge->id,
                                 .period_ms = period_ms,
                                 .unit_pico = charge->model == CHARGE_UNIT ? charge->price_pico : 0,
                                 .from_ms = window.from_ms,
                                 .to_ms = window.to_ms},
                        .bill_ms = window.to_ms};
    money_sum quantity = consumption_quantity(&v->consumption, share->terms, charge, &calls);
    if ((charge->meter == METER_COST &&
         !to_plan_currency(v, share->plan, window.to_ms, &quantity)) ||
        !rate_quantity(charge, quantity, &charged) ||
        !rate_charge(charge, quantity, calls, &amount) || !exact_yocto(&amount, &yocto) ||
        __builtin_add_overflow(*sum_yocto, yocto, sum_yocto) ||
        !settle(v, share->plan, &amount, &item))
        return too_large(v, &item, err);
    item.line.quantity_pico = charged;
    if (log_debugs())
        say_usage(v, &item.line, charge, quantity, calls);
    if (charged == 0 && item.line.exact_pico == 0)
        return ERR_OK;
    describe_usage(text, share, charge, window);
    return items_add(v, &item, text, err);
}

/* What is missing to the commitment, for as much of the period as the plan was held. */
static enum err_code
add_commitment(struct items *v, const struct share *share, struct span period, struct span window,
               money_sum used_yocto, struct err *err)
{
    char text[DESCRIPTION_BYTES];
    struct words w = words_of(text, sizeof text);
    money_sum committed;
    struct exact amount = exact_of_pico(share->terms->commitment_pico);
    struct item item = {.line = {.kind = INVOICE_COMMITMENT,
                                 .plan = share->plan->id,
                                 .period_ms = period.from_ms,
                                 .quantity_pico = RATE_QUANTITY_ONE,
                                 .from_ms = window.from_ms,
                                 .to_ms = window.to_ms},
                        .bill_ms = window.to_ms};
    int64_t whole = cycle_units_whole(share->terms->day_count, period);
    if (!exact_scale(&amount, share->units, whole) || !exact_yocto(&amount, &committed))
        return too_large(v, &item, err);
    if (committed <= used_yocto)
        return ERR_OK;
    amount = exact_of_yocto(committed - used_yocto);
    if (!settle(v, share->plan, &amount, &item))
        return too_large(v, &item, err);
    words_add(&w, "Committed use of the %.*s plan that was not reached, ",
              STR_ARG(share->plan->name));
    add_span(&w, window);
    return items_add(v, &item, text, err);
}

/* The last plan of the window that was paid for; false: none, or it counts nothing. */
static bool
find_answering(const struct items *v, struct span period, struct span window, struct share *ret)
{
    struct timeline_walk w;
    const struct plan *last = NULL;
    struct shares shares;
    timeline_walk_begin(&w, v->timeline, window.from_ms, window.to_ms);
    while (timeline_walk_next(&w)) {
        if (standing_pays(&w.standing) && w.standing.held != v->book->default_plan)
            last = w.standing.held;
    }
    if (last == NULL || !find_shares(v, period, window.from_ms, window.to_ms, &shares))
        return false;
    *ret = (struct share){.plan = last, .terms = plan_terms_at(last, period.from_ms)};
    for (size_t i = 0; i < shares.count; i++) {
        if (shares.of[i].plan == last)
            *ret = shares.of[i];
    }
    return plan_terms_count(ret->terms);
}

static enum err_code
usage_of_period(struct items *v, struct span period, struct span window, struct err *err)
{
    struct share share;
    money_sum used_yocto = 0;
    if (!find_answering(v, period, window, &share))
        return ERR_OK;
    enum err_code code = consumption_read(&v->consumption, v->txn, v->organization, window, err);
    for (size_t c = 0; code == ERR_OK && c < share.terms->charge_count; c++) {
        if (share.terms->charges[c].meter != METER_NONE)
            code = add_usage(v, &share, &share.terms->charges[c], window, period.from_ms,
                             &used_yocto, err);
    }
    if (code == ERR_OK && share.terms->has_commitment)
        code = add_commitment(v, &share, period, window, used_yocto, err);
    return code;
}

enum err_code
items_usage(struct items *v, const struct items_run *run, struct err *err)
{
    enum err_code code = ERR_OK;
    struct span p = cycle_period(&run->usage_cycle, run->from_ms);
    while (code == ERR_OK && p.from_ms < run->to_ms && p.from_ms < v->horizon_ms) {
        struct span window = {p.from_ms > run->from_ms ? p.from_ms : run->from_ms,
                              p.to_ms < run->to_ms ? p.to_ms : run->to_ms};
        if (window.to_ms <= v->horizon_ms)
            code = usage_of_period(v, p, window, err);
        p = cycle_period(&run->usage_cycle, p.to_ms);
    }
    return code;
}
