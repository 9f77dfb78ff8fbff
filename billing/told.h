/*
 * billing/told.h - what Stripe told of an organization, put together: what it says of each
 * final invoice, and what became of the subscription there.
 *
 * Both are functions of the set of rows of stripe_told: neither their order, nor rows that come
 * twice change anything.  Of several events of one object the one that counts is the greatest
 * by (Stripe's created, rank of the status, event id).
 *
 * Rules: schemas/stripe.md, "What follows from it".
 */
#ifndef BILLING_TOLD_H
#define BILLING_TOLD_H

#include "store/base/list.h"
#include "store/event/stripe_object.h"
#include "store/tables/stripe_told.h"

/* ---- one event, among those of its object ---- */

struct told_fact {
    struct stripe_told row;
    enum stripe_sort sort;
    struct str object; /* its id; not empty */
    int64_t rank;
};

/*
 * Add what hangs on one thing to a list of facts.
 *
 *   sorts  bits 1 << enum stripe_sort: all others are left out, and what has no id
 *
 * Returns false out of memory.  The facts point into the map: until the next write.
 */
bool told_gather(struct list *facts, struct tables_txn *txn, enum stripe_told_under under,
                 uint32_t parent, unsigned sorts) __attribute__((warn_unused_result));

/* By (created, rank, event id). */
int told_compare(const struct told_fact *a, const struct told_fact *b);

/* ---- invoices ---- */

/* What Stripe says of one invoice of ours, over all of its invoices for it; in Stripe's units. */
struct told_invoice {
    struct str name;      /* gbill_invoice: our number, as it is written there */
    struct str stripe_id; /* of the first of them */
    struct str currency;  /* "usd"; empty: not said */
    bool mixed;           /* amounts of several currencies: no sum is worth anything */
    int64_t paid;         /* in all */
    int64_t back;         /* of it: refunded, in dispute or lost; at most as much */
    bool disputed;        /* a dispute is open */
    bool failed;          /* it could not be collected, and was not since */
    bool voided;          /* and not by us */
};

/*
 * Put together what Stripe says of an organization's invoices.
 *
 *   ret  in place of what was there, by name: a list of struct told_invoice, made by
 *        list_init().  Its texts point into the map: until the next write in txn
 *
 * Errors: ERR_LIMIT out of memory.
 */
enum err_code told_invoices_read(struct list *ret, struct tables_txn *txn, uint32_t organization,
                                 struct err *err) ERR_MUST_CHECK;

/* ---- subscriptions ---- */

enum told_action {
    TOLD_PLAN, /* another plan */
    TOLD_PAUSED,
    TOLD_RESUMED,
    TOLD_ENDS,      /* cancelled at the end of the period that holds at until_ms */
    TOLD_GOES_ON,   /* such a cancellation is taken back */
    TOLD_CANCELLED, /* at once */
};

struct told_change {
    struct told_fact fact; /* its time is the time of the change */
    enum told_action action;
    int64_t until_ms;
};

/*
 * Put together how Stripe changed an organization's subscription: all that was not our doing.
 *
 *   ret  in place of what was there, by (created, rank, event id): a list of struct
 *        told_change; else as above
 *
 * Errors: ERR_LIMIT out of memory.
 */
enum err_code told_changes_read(struct list *ret, struct tables_txn *txn, uint32_t organization,
                                struct err *err) ERR_MUST_CHECK;

#endif
