/*
 * billing/stripe/reconcile.h - do both sides agree?  Our final invoices against Stripe's, line
 * by line, by what Stripe's lists say now and not by what it told.
 *
 * Reads Stripe's invoices, credit notes, payments, refunds and disputes, page by page; keeps of
 * them sums and our numbers.  Changes nothing on either side.
 *
 * Rules: schemas/stripe.md, "Whether both sides agree".
 */
#ifndef BILLING_STRIPE_RECONCILE_H
#define BILLING_STRIPE_RECONCILE_H

#include "store/net/stripe.h"
#include "store/tables/invoice.h"

#define RECONCILE_DIFFERENCES(X)                                                         \
    X(MISSING_THERE, "missing_there") /* a final invoice of ours, and Stripe has none */ \
    X(MISSING_HERE, "missing_here")   /* Stripe bills a customer of ours beside us */    \
    X(DOUBLE, "double")               /* Stripe has it more than once */                 \
    X(CUSTOMER, "customer")           /* it is another customer's there */               \
    X(CURRENCY, "currency")                                                              \
    X(TOTAL, "total")                                                                    \
    X(DUE, "due")                                                                        \
    X(LINE_MISSING, "line_missing")                                                      \
    X(LINE_EXTRA, "line_extra")                                                          \
    X(LINE_AMOUNT, "line_amount")                                                        \
    X(STATUS, "status")                                                                  \
    X(PAID, "paid") /* less what was refunded, or is in dispute */

enum reconcile_kind {
#define RECONCILE_ENUM(name, text) RECONCILE_##name,
    RECONCILE_DIFFERENCES(RECONCILE_ENUM)
#undef RECONCILE_ENUM
        RECONCILE_KINDS
};

enum { RECONCILE_TEXT_BYTES = 80 };

/* Texts are valid during the call. */
struct reconcile_difference {
    enum reconcile_kind kind;
    struct str organization;           /* empty: not known */
    uint64_t number;                   /* of our invoice; 0: there is none */
    uint32_t line;                     /* from 1; 0: it is of the whole */
    const char *object;                /* Stripe's id; empty: there is none */
    char ours[RECONCILE_TEXT_BYTES];   /* what we have: an amount, a status … */
    char theirs[RECONCILE_TEXT_BYTES]; /* what Stripe has */
};

struct reconcile_options {
    struct tables_txn *txn;
    uint32_t organization;  /* this one alone; 0: all */
    int64_t from_ms, to_ms; /* invoices that begin in this time, to exclusive */
    struct stripe *stripe;
    void (*difference)(void *context, const struct reconcile_difference *difference);
    void *context;
};

struct reconcile_result {
    uint64_t invoices; /* of ours that were looked for */
    uint64_t agree;    /* of them, in everything */
    uint64_t differences;
};

const char *reconcile_kind_name(enum reconcile_kind kind);

/*
 * Compare all there is.
 *
 * Errors: those of stripe_list(); ERR_LIMIT out of memory.
 */
enum err_code reconcile_run(const struct reconcile_options *options, struct reconcile_result *ret,
                            struct err *err) ERR_MUST_CHECK;

#endif
