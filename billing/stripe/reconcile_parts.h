/*
 * billing/stripe/reconcile_parts.h - what the files of a reconciliation share.  Private to them.
 */
#ifndef BILLING_STRIPE_RECONCILE_PARTS_H
#define BILLING_STRIPE_RECONCILE_PARTS_H

#include "billing/stripe/reconcile.h"
#include "store/base/list.h"

enum { RECONCILE_OBJECT_BYTES = 64 };

/* A final invoice of ours. */
struct reconcile_ours {
    uint64_t number;
    uint32_t organization;
    int64_t from_ms;
    bool met;                            /* Stripe has one that is not void */
    bool differs;                        /* in anything */
    char voided[RECONCILE_OBJECT_BYTES]; /* Stripe has one that is void */
};

struct reconcile {
    const struct reconcile_options *options;
    struct reconcile_result result;
    struct list ours;   /* struct reconcile_ours, by number; those of other times too */
    json_t *customers;  /* Stripe's id -> organization, as gbill stripe sync made them */
    json_t *payments;   /* payment intent or charge -> Stripe's id of its invoice */
    json_t *given_back; /* Stripe's id of an invoice -> what was refunded or is in dispute */
};

/* One invoice of both sides. */
struct reconcile_pair {
    struct reconcile *r;
    struct reconcile_ours *ours;
    struct invoice invoice;
    const json_t *theirs;
};

/* Tell of a difference; line 0: of the whole. */
void reconcile_tell(struct reconcile_pair *pair, enum reconcile_kind kind, uint32_t line,
                    const char *ours, const char *theirs);
/* The same of two amounts, ours in minor units and theirs in Stripe's. */
void reconcile_tell_amounts(struct reconcile_pair *pair, enum reconcile_kind kind, uint32_t line,
                            int64_t ours_minor, int64_t theirs);

/* Are they one amount? */
bool reconcile_same(const struct reconcile_pair *pair, int64_t ours_minor, int64_t theirs);

/* Compare an invoice, or a credit note of Stripe's, with ours.  Errors: those of stripe_list(). */
enum err_code reconcile_invoice(struct reconcile_pair *pair, struct err *err) ERR_MUST_CHECK;
enum err_code reconcile_credit(struct reconcile_pair *pair, struct err *err) ERR_MUST_CHECK;

#endif
