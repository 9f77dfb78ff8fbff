#include "billing/told.h"

#include <stdlib.h>

enum { RANKS_MAX = 9, RANK_OF_TYPE = 16 };

/* Of each sort the statuses in the order they come in; a status that is not there comes first. */
static const char *const statuses[][RANKS_MAX] = {
    [STRIPE_OTHER] = {NULL},
    [STRIPE_INVOICE] = {"draft", "open", "uncollectible", "paid", "void"},
    [STRIPE_INVOICE_PAYMENT] = {"open", "canceled", "paid"},
    [STRIPE_REFUND] = {"pending", "requires_action", "succeeded", "failed", "canceled"},
    [STRIPE_CHARGE] = {NULL},
    [STRIPE_DISPUTE] = {"warning_needs_response", "warning_under_review", "warning_closed",
                        "needs_response", "under_review", "prevented", "won", "lost"},
    [STRIPE_SUBSCRIPTION] = {"incomplete", "trialing", "active", "past_due", "unpaid", "paused",
                             "incomplete_expired", "canceled"},
    [STRIPE_CHECKOUT] = {"open", "complete", "expired"},
};

static int64_t
rank_of(enum stripe_sort sort, const struct stripe_told *row)
{
    struct str status = stripe_object_text(row->object, "status");
    int64_t rank = 0;
    /* A charge keeps its status: what grows is what was refunded of it. */
    if (sort == STRIPE_CHARGE)
        return stripe_object_whole(row->object, "amount_refunded");
    for (int i = 0; i < RANKS_MAX && statuses[sort][i] != NULL; i++) {
        if (str_is(status, statuses[sort][i]))
            rank = i + 1;
    }
    /* A subscription is often born and changed in one second, with one status. */
    if (str_is(row->type, "customer.subscription.deleted"))
        return rank + 2 * RANK_OF_TYPE;
    return str_is(row->type, "customer.subscription.created") ? rank : rank + RANK_OF_TYPE;
}

bool
told_gather(struct list *facts, struct tables_txn *txn, enum stripe_told_under under,
            uint32_t parent, unsigned sorts)
{
    struct stripe_told_scan scan;
    bool ok = true;
    stripe_told_scan_begin(&scan, txn, under, parent);
    while (ok && stripe_told_scan_next(&scan)) {
        struct told_fact fact = {.row = scan.row, .sort = stripe_sort_of(scan.row.type)};
        if ((sorts >> fact.sort & 1) == 0)
            continue;
        fact.object = stripe_object_text(fact.row.object, "id");
        fact.rank = rank_of(fact.sort, &fact.row);
        ok = fact.object.size_bytes == 0 || list_add(facts, &fact);
    }
    stripe_told_scan_end(&scan);
    return ok;
}

int
told_compare(const struct told_fact *a, const struct told_fact *b)
{
    if (a->row.time_utc_ms != b->row.time_utc_ms)
        return a->row.time_utc_ms < b->row.time_utc_ms ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return str_compare(a->row.id, b->row.id);
}

/* ---- subscriptions ---- */

static int
by_time(const void *a, const void *b)
{
    const struct told_change *x = a, *y = b;
    int order = told_compare(&x->fact, &y->fact);
    return order != 0 ? order : (x->action > y->action) - (x->action < y->action);
}

static bool
add(struct list *ret, const struct told_fact *fact, enum told_action action)
{
    struct told_change change = {
        .fact = *fact, .action = action, .until_ms = fact->row.time_utc_ms};
    int64_t at_s = stripe_object_whole(fact->row.object, "cancel_at");
    /* What ends at an instant is not cancelled in the period that begins there. */
    if (action == TOLD_ENDS && at_s > 0 && at_s < TIME_MAX_MS / 1000 &&
        at_s * 1000 - 1 > change.until_ms)
        change.until_ms = at_s * 1000 - 1;
    return list_add(ret, &change);
}

/* What an update says: of one that changes several things each. */
static bool
add_update(struct list *ret, const struct told_fact *fact)
{
    const struct bytes o = fact->row.object;
    struct str changed = stripe_object_text(o, "changed");
    bool ends = stripe_object_true(o, "cancel_at_period_end") ||
                stripe_object_whole(o, "cancel_at") > 0;
    bool paused = stripe_object_text(o, "pause").size_bytes > 0;
    if (stripe_list_has(changed, "items") && !add(ret, fact, TOLD_PLAN))
        return false;
    if (stripe_list_has(changed, "pause_collection") &&
        !add(ret, fact, paused ? TOLD_PAUSED : TOLD_RESUMED))
        return false;
    return !(stripe_list_has(changed, "cancel_at") ||
             stripe_list_has(changed, "cancel_at_period_end")) ||
           add(ret, fact, ends ? TOLD_ENDS : TOLD_GOES_ON);
}

static bool
add_changes(struct list *ret, const struct told_fact *fact)
{
    static const struct {
        const char *type;
        enum told_action action;
    } types[] = {{"customer.subscription.created", TOLD_PLAN},
                 {"customer.subscription.paused", TOLD_PAUSED},
                 {"customer.subscription.resumed", TOLD_RESUMED},
                 {"customer.subscription.deleted", TOLD_CANCELLED}};
    const struct stripe_told *row = &fact->row;
    if (stripe_object_asked(row->object, "gbill:"))
        return true;
    if (fact->sort == STRIPE_CHECKOUT)
        return !str_is(row->type, "checkout.session.completed") || row->plan == 0 ||
               !str_is(stripe_object_text(row->object, "mode"), "setup") ||
               add(ret, fact, TOLD_PLAN);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (str_is(row->type, types[i].type))
            return add(ret, fact, types[i].action);
    }
    return !str_is(row->type, "customer.subscription.updated") || add_update(ret, fact);
}

enum err_code
told_changes_read(struct list *ret, struct tables_txn *txn, uint32_t organization, struct err *err)
{
    struct list facts;
    list_init(&facts, sizeof(struct told_fact));
    ret->count = 0;
    bool ok = told_gather(&facts, txn, STRIPE_TOLD_ORGANIZATION, organization,
                          1U << STRIPE_SUBSCRIPTION | 1U << STRIPE_CHECKOUT);
    for (size_t i = 0; ok && i < facts.count; i++)
        ok = add_changes(ret, (const struct told_fact *)facts.items + i);
    list_clear(&facts);
    if (!ok)
        return err_set(err, ERR_LIMIT, "no memory for what Stripe told of subscriptions");
    if (ret->count > 0)
        qsort(ret->items, ret->count, sizeof(struct told_change), by_time);
    return ERR_OK;
}
