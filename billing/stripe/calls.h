/*
 * billing/stripe/calls.h - what is to be asked of Stripe next for an organization.
 *
 * A function of the tables: what gbill has (plans, standing, final invoices) held against what
 * was done already (store/tables/stripe_call.h).  So whoever is killed anywhere goes on where
 * the tables stand, and who asks again when all is done is told so.
 *
 * What is asked, and under which names: schemas/stripe.md.
 */
#ifndef BILLING_STRIPE_CALLS_H
#define BILLING_STRIPE_CALLS_H

#include "billing/parties.h"
#include "billing/plan/plan.h"
#include "billing/timeline.h"
#include "store/net/stripe.h"
#include "store/tables/stripe_call.h"

enum calls_collect {
    COLLECT_AUTO, /* charge who left a payment method, send to the others */
    COLLECT_CHARGE,
    COLLECT_SEND,
};

struct calls_settings {
    const struct plan_book *book;
    const struct parties *parties;
    enum calls_collect collect;
    int64_t payment_days; /* of an invoice that is sent; >= 1 */
    int64_t now_ms;       /* which plan holds */
    int64_t clock_ms;     /* which waiting calls are due */
    int64_t again_ms;     /* what was refused before this is asked once more; 0: it is not */
    bool dry;             /* nothing can be read: all there is as it should be */
    bool customer_only;   /* and whether or not it pays */
};

enum calls_kind {
    CALLS_NONE,  /* nothing more, or nothing now */
    CALLS_SEND,  /* the call; it is the stored one where it was asked before */
    CALLS_READ,  /* path is to be read, and its answer put into calls_slot.look */
    CALLS_FAIL,  /* it cannot be asked: says is why; to be noted as refused */
    CALLS_KNOWN, /* it was done by somebody else: to be noted as done, with object */
};

enum { CALLS_LOOK_BYTES_MAX = 200 };

struct calls_next {
    enum calls_kind kind;
    bool stored; /* CALLS_SEND: the row is there and waits */
    bool
        stale; /* CALLS_SEND: an attempt may have been carried out, and Stripe has forgotten its key */
    bool waits; /* something of the organization waits for its time */
    char name[STRIPE_CALL_NAME_BYTES_MAX + 1];
    const char *method;
    char path[STRIPE_CALL_PATH_BYTES_MAX + 1];
    struct stripe_form form;
    uint8_t digest[HASH_SHA256_BYTES]; /* of what is asked for */
    /* CALLS_SEND that makes an object: the list that has it, if it was made before. */
    char look[CALLS_LOOK_BYTES_MAX];
    char object[STRIPE_CALL_OBJECT_BYTES_MAX + 1];
    char says[STRIPE_CALL_SAYS_BYTES_MAX + 1];
};

/* An organization at work; 0: the plan book's products and prices. */
struct calls_slot {
    uint32_t organization;
    char looked[STRIPE_CALL_NAME_BYTES_MAX + 1]; /* the name that look is for */
    json_t *look;                                /* owned; NULL: nothing was read */
};

/*
 * Find it.
 *
 *   timeline  of the settings' book, used for the organization
 *   ret       stripe_form_clear() its form, also after an error
 *
 * Errors: those of the tables and of timeline_read().
 */
enum err_code calls_find(const struct calls_settings *settings, struct timeline *timeline,
                         struct tables_txn *txn, const struct calls_slot *slot,
                         struct calls_next *ret, struct err *err) ERR_MUST_CHECK;

/* The Idempotency-Key of a revision of a name. */
void calls_key(struct str name, uint32_t revision, char key[STRIPE_KEY_BYTES_MAX + 1]);

#endif
