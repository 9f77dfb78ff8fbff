#include "reports/optimize/plan_choice.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/plan/rate.h"
#include "store/base/time.h"
#include "store/tables/resource.h"

enum { PICO_DIGITS = 12 };

static const char formula[] =
    "for each of the last three months: fees + commitment + what the plan charges for what was "
    "used; the plan with the least sum, if it is at least 10 % less and less in each of the last "
    "two months";

/* What a plan would have charged. */
struct charged {
    money_sum months[PLAN_CHOICE_MONTHS]; /* picos, the oldest first */
    money_sum sum;
};

struct look {
    struct plan_choice *choice;
    struct tables_txn *txn;
    uint32_t organization;
    int32_t first_month;
    const struct plan *present;
};

void
plan_choice_init(struct plan_choice *choice, const struct plan_book *book)
{
    choice->book = book;
    timeline_init(&choice->timeline, book);
    consumption_init(&choice->consumption);
}

void
plan_choice_clear(struct plan_choice *choice)
{
    timeline_clear(&choice->timeline);
    consumption_clear(&choice->consumption);
}

/* Would the plan's hard limits have allowed it? */
static bool
allows(const struct look *l, const struct plan_terms *terms)
{
    const uint64_t used[LIMIT_DIMENSIONS] = {
        [LIMIT_PROJECTS] = resource_count(l->txn, l->organization, EVENT_PROJECT),
        [LIMIT_DOCUMENTS] = resource_count(l->txn, l->organization, EVENT_DOCUMENT),
        [LIMIT_MEMBERS] = resource_count(l->txn, l->organization, EVENT_MEMBER),
        [LIMIT_AI_CREDITS] = consumption_credits(&l->choice->consumption, terms),
    };
    for (int d = 0; d < LIMIT_DIMENSIONS; d++)
        if (!terms->soft[d] && used[d] > terms->limits[d])
            return false;
    return true;
}

/* A charge of one month; consumption is the month's. */
static bool
charge_month(const struct look *l, const struct plan *plan, const struct plan_terms *terms,
             const struct plan_charge *charge, int64_t end_ms, money_sum *ret_yocto)
{
    const struct plan_book *book = l->choice->book;
    struct exact amount;
    uint64_t calls = 0;
    money_sum quantity = 0;
    if (charge->model != CHARGE_FLAT)
        quantity = consumption_quantity(&l->choice->consumption, terms, charge, &calls);
    if (charge->meter == METER_COST && strcmp(book->cost_currency, plan->currency) != 0 &&
        !exact_mul_div(quantity, plan_rate_at(book, plan->currency, end_ms),
                       plan_rate_at(book, book->cost_currency, end_ms), &quantity))
        return false;
    if (!rate_charge(charge, quantity, calls, &amount) ||
        (charge->model == CHARGE_FLAT && !exact_scale(&amount, 1, terms->cycle.months)))
        return false;
    return exact_yocto(&amount, ret_yocto);
}

/* False: it is not to be compared (other periods), would not have allowed it, or is too large. */
static bool
rate_month(const struct look *l, const struct plan *plan, int32_t month, money_sum *ret_pico)
{
    int64_t end_ms = time_month_start_ms(month + 1);
    const struct plan_terms *terms = plan_terms_at(plan, time_month_start_ms(month));
    money_sum fees = 0, usage = 0, yocto;
    if (terms->cycle.months == 0 || terms->usage_cycle.months != 1)
        return false;
    for (size_t c = 0; c < terms->charge_count; c++) {
        const struct plan_charge *charge = &terms->charges[c];
        if (!charge_month(l, plan, terms, charge, end_ms, &yocto))
            return false;
        *(charge->model == CHARGE_FLAT ? &fees : &usage) += yocto;
    }
    if (terms->has_commitment && usage < terms->commitment_pico * EXACT_YOCTO_PER_PICO)
        usage = terms->commitment_pico * EXACT_YOCTO_PER_PICO;
    *ret_pico = (fees + usage) / EXACT_YOCTO_PER_PICO;
    return true;
}

/* The month's charges of every plan; ok[i] turns false for one that does not serve. */
static void
rate_plans(const struct look *l, int m, struct charged *charged, bool *ok)
{
    const struct plan_book *book = l->choice->book;
    for (size_t i = 0; i < book->plan_count; i++) {
        const struct plan *plan = &book->plans[i];
        money_sum pico = 0;
        ok[i] = ok[i] && rate_month(l, plan, l->first_month + m, &pico) &&
                (plan == l->present ||
                 allows(l, plan_terms_at(plan, time_month_start_ms(l->first_month + m))));
        charged[i].months[m] = pico;
        charged[i].sum += pico;
    }
}

static bool
is_cheaper(const struct charged *a, const struct charged *present)
{
    for (int m = PLAN_CHOICE_MONTHS - PLAN_CHOICE_CHEAPER_MONTHS; m < PLAN_CHOICE_MONTHS; m++)
        if (a->months[m] >= present->months[m])
            return false;
    return a->sum * 100 <= present->sum * PLAN_CHOICE_PERCENT;
}

/* ---- in words ---- */

static json_t *
months_of(const struct look *l, const struct charged *charged)
{
    json_t *object = json_object();
    char month[TIME_TEXT_BYTES], amount[MONEY_TEXT_BYTES];
    for (int m = 0; m < PLAN_CHOICE_MONTHS; m++) {
        time_format_month(l->first_month + m, month);
        money_format(charged->months[m], PICO_DIGITS, amount);
        json_object_set_new(object, month, json_string(amount));
    }
    return object;
}

static enum err_code
write_row(const struct look *l, const struct plan *best, const struct charged *charged,
          const struct charged *best_charged, struct advice *advice, struct recommendation *row,
          struct err *err)
{
    char saving[MONEY_TEXT_BYTES], month[MONEY_TEXT_BYTES];
    const struct plan *now = l->present;
    struct str *texts = row->texts;
    money_format(row->saving_pico, PICO_DIGITS, saving);
    money_format(money_divide(row->saving_pico, PLAN_CHOICE_MONTHS), PICO_DIGITS, month);
    enum err_code code =
        advice_text(advice, &texts[RECOMMENDATION_SUBJECT], err, "%.*s", STR_ARG(best->id));
    if (code == ERR_OK)
        code = advice_text(advice, &texts[RECOMMENDATION_TITLE], err,
                           "Change from the %.*s to the %.*s plan", STR_ARG(now->name),
                           STR_ARG(best->name));
    if (code == ERR_OK)
        code = advice_text(advice, &texts[RECOMMENDATION_DESCRIPTION], err, "%s",
                           "It would have charged less for the last three months, and allowed all "
                           "that was used.");
    if (code == ERR_OK)
        code = advice_json(advice,
                           json_pack("{s:s, s:s, s:s, s:b}", "currency", row->currency, "saving",
                                     saving, "savingPerMonth", month, "candidate", 0),
                           &texts[RECOMMENDATION_IMPACT], err);
    if (code == ERR_OK)
        code = advice_json(
            advice,
            json_pack("{s:[s], s:s%}", "steps",
                      "Send a subscription event with the new plan; effective at the end of the "
                      "period, nothing is charged twice.",
                      "plan", best->id.data, best->id.size_bytes),
            &texts[RECOMMENDATION_IMPLEMENTATION], err);
    if (code == ERR_OK)
        code = advice_json(
            advice,
            json_pack("{s:s, s:i, s:s%, s:o, s:o}", "formula", formula, "confidencePercent",
                      row->confidence_percent, "presentPlan", now->id.data, now->id.size_bytes,
                      "charged", months_of(l, charged), "wouldCharge", months_of(l, best_charged)),
            &texts[RECOMMENDATION_EVIDENCE], err);
    return code;
}

static enum err_code
add_row(const struct look *l, const struct advice_basis *basis, const struct plan *best,
        const struct charged *present, const struct charged *charged, struct advice *advice,
        struct err *err)
{
    struct recommendation row = {
        .organization = l->organization,
        .type = RECOMMENDATION_PLAN,
        .priority = advice_priority(present->sum - charged->sum, present->sum),
        .confidence_percent = 90,
        .from_hour = (uint32_t)(time_month_start_ms(l->first_month) / TIME_HOUR_MS),
        .to_hour =
            (uint32_t)(time_month_start_ms(l->first_month + PLAN_CHOICE_MONTHS) / TIME_HOUR_MS),
        .cost_pico = present->sum,
        .saving_pico = present->sum - charged->sum,
        .created_ms = basis->now_ms,
        .position = basis->position,
    };
    snprintf(row.currency, sizeof row.currency, "%s", l->present->currency);
    enum err_code code = write_row(l, best, present, charged, advice, &row, err);
    if (code != ERR_OK)
        return code;
    recommendation_id_of(dict_text(l->txn, l->organization), row.type,
                         row.texts[RECOMMENDATION_SUBJECT], row.id);
    return list_add(&advice->rows, &row) ? ERR_OK
                                         : err_set(err, ERR_LIMIT, "no memory for recommendations");
}

/* ---- all ---- */

/* Rate all plans and pick; charged and ok have a place for each plan. */
static enum err_code
choose(struct look *l, const struct advice_basis *basis, struct charged *charged, bool *ok,
       struct advice *advice, struct err *err)
{
    const struct plan_book *book = l->choice->book;
    struct str organization = dict_text(l->txn, l->organization);
    size_t present = (size_t)(l->present - book->plans), best = present;
    for (size_t i = 0; i < book->plan_count; i++)
        ok[i] = i == present || (plan_is_for(&book->plans[i], organization) &&
                                 strcmp(book->plans[i].currency, l->present->currency) == 0);
    for (int m = 0; m < PLAN_CHOICE_MONTHS; m++) {
        const struct span month = {time_month_start_ms(l->first_month + m),
                                   time_month_start_ms(l->first_month + m + 1)};
        enum err_code code =
            consumption_read(&l->choice->consumption, l->txn, l->organization, month, err);
        if (code != ERR_OK)
            return code;
        rate_plans(l, m, charged, ok);
    }
    if (!ok[present])
        return ERR_OK;
    for (size_t i = 0; i < book->plan_count; i++)
        if (ok[i] && charged[i].sum < charged[best].sum &&
            is_cheaper(&charged[i], &charged[present]))
            best = i;
    return best == present ? ERR_OK
                           : add_row(l, basis, &book->plans[best], &charged[present],
                                     &charged[best], advice, err);
}

enum err_code
plan_choice_make(struct plan_choice *choice, struct tables_txn *txn,
                 const struct advice_basis *basis, struct advice *advice, struct err *err)
{
    struct look l = {.choice = choice, .txn = txn, .organization = basis->organization};
    int32_t first;
    l.first_month = time_month(basis->now_ms) - PLAN_CHOICE_MONTHS;
    if (!consumption_first_month(txn, basis->organization, &first) || first > l.first_month)
        return ERR_OK;
    enum err_code code = timeline_read(&choice->timeline, txn, basis->organization, err);
    if (code != ERR_OK)
        return code;
    const struct standing standing = timeline_at(&choice->timeline, basis->now_ms);
    if (!standing_pays(&standing))
        return ERR_OK;
    l.present = standing.held;
    struct charged *charged = calloc(choice->book->plan_count, sizeof *charged);
    bool *ok = calloc(choice->book->plan_count, sizeof *ok);
    code = charged == NULL || ok == NULL
               ? err_set(err, ERR_LIMIT, "no memory for the charges of %zu plans",
                         choice->book->plan_count)
               : choose(&l, basis, charged, ok, advice, err);
    free(charged);
    free(ok);
    return code;
}
