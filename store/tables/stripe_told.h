/*
 * store/tables/stripe_told.h - what Stripe told, one row per event of kind stripe
 * (schemas/stripe.md), under what it hangs on: a payment of an invoice under Stripe's id of
 * that invoice; refunds, charges and disputes under the payment intent, else the charge; all
 * else under its organization.
 */
#ifndef STORE_TABLES_STRIPE_TOLD_H
#define STORE_TABLES_STRIPE_TOLD_H

#include "store/base/list.h"
#include "store/event/event.h"
#include "store/tables/tables.h"

/* Whose number the parent is: an organization's and an id of Stripe's may be the same text. */
enum stripe_told_under {
    STRIPE_TOLD_ORGANIZATION,
    STRIPE_TOLD_OBJECT,
    STRIPE_TOLD_NOBODY, /* the organization is "-", nobody's, and nothing else is known */
};

struct stripe_told {
    enum stripe_told_under under;
    uint32_t parent; /* dictionary: as under says */
    uint64_t seq;
    int64_t time_utc_ms;     /* Stripe's created */
    uint32_t organization;   /* dictionary */
    uint32_t plan, currency; /* dictionary: of a subscription or checkout, else 0; "USD" */
    struct bytes body;       /* as stripe_told_pack() makes it */
    /* What the body says; written by reading alone. */
    struct str id, type; /* of the event */
    struct bytes object; /* for stripe_object.h */
};

/*
 * Pack what a row keeps of an event's own map: its id, its type, its object.
 *
 *   event  of kind stripe
 *   out    stripe_told_pack_bytes() of them
 */
size_t stripe_told_pack_bytes(const struct event *event);
void stripe_told_pack(const struct event *event, uint8_t *out);

enum err_code stripe_told_put(struct tables_txn *txn, const struct stripe_told *row,
                              struct err *err) ERR_MUST_CHECK;

/* Take a row away again: its event was voided.  Only its key is read. */
enum err_code stripe_told_delete(struct tables_txn *txn, const struct stripe_told *row,
                                 struct err *err) ERR_MUST_CHECK;

/* Walk what hangs on one thing, in log order; parent 0: everything. */
struct stripe_told_scan {
    struct stripe_told row;
    struct tables_scan scan;
};

void stripe_told_scan_begin(struct stripe_told_scan *scan, struct tables_txn *txn,
                            enum stripe_told_under under, uint32_t parent);
bool stripe_told_scan_next(struct stripe_told_scan *scan);
void stripe_told_scan_end(struct stripe_told_scan *scan);

/* How often Stripe told of one type. */
struct stripe_told_count {
    char type[EVENT_TEXT_BYTES_MAX + 1];
    bool matters;     /* something follows from it */
    uint64_t events;  /* of them */
    uint64_t nobodys; /* have no organization: of payments, refunds and disputes that is usual */
};

/*
 * Count all that Stripe told, by type.
 *
 *   ret  filled, in the order of the alphabet: a list of struct stripe_told_count; the caller
 *        has called list_init(), and calls list_clear()
 *
 * Errors: ERR_LIMIT out of memory.
 */
enum err_code stripe_told_counts(struct tables_txn *txn, struct list *ret,
                                 struct err *err) ERR_MUST_CHECK;

#endif
