/*
 * billing/stripe/calls_parts.h - what the files of calls_find() share.  Private to them.
 *
 * Each function of calls_*.c looks at one thing.  NEED_ASKED: the next call is filled in, and
 * the search is over.
 */
#ifndef BILLING_STRIPE_CALLS_PARTS_H
#define BILLING_STRIPE_CALLS_PARTS_H

#include "billing/stripe/calls.h"
#include "store/tables/invoice.h"

enum need {
    NEED_HAVE,    /* it is done; object is Stripe's id */
    NEED_ASKED,   /* next is what to do */
    NEED_ASK,     /* of calls_need() alone: the caller is to fill in the call */
    NEED_WAITS,   /* its time for another try has not come */
    NEED_REFUSED, /* Stripe will not do it */
};

struct calls {
    const struct calls_settings *settings;
    struct timeline *timeline; /* read, unless the slot is the plan book's */
    struct tables_txn *txn;
    const struct calls_slot *slot;
    struct str organization;
    struct calls_next *next;
};

/* A name of Stripe's objects. */
typedef char calls_object[STRIPE_CALL_OBJECT_BYTES_MAX + 1];

/* A name of ours into c->next->name; false: it is too long, and next says so. */
bool calls_name(struct calls *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

/*
 * How it stands with c->next->name.
 *
 *   changes  the form says what the object is to be: other bytes than were asked before are
 *            NEED_ASK.  Else the thing is done once
 *   object   filled where it is known; empty else
 *
 * The form is emptied unless it is NEED_ASK.
 */
enum need calls_need(struct calls *c, bool changes, calls_object object);

/* Fill in the call for the name: its form is put into c->next->form by the caller. */
enum need calls_send(struct calls *c, const char *method, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The list that would have the object, if it was made before. */
void calls_look(struct calls *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What was read for the name, or NULL: then next asks for it to be read. */
const json_t *calls_read(struct calls *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

enum need calls_fail(struct calls *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
enum need calls_known(struct calls *c, const char *object);

/* metadata[gbill_key] of the name at hand. */
void calls_put_key(struct calls *c);

/* ---- the things, each with what it stands on ---- */

enum need calls_product(struct calls *c, const struct plan *plan, calls_object product);
/* A whole period's flat charges, as held at a time. */
enum need calls_price(struct calls *c, const struct plan *plan, const struct plan_terms *terms,
                      const char *currency, int64_t at_ms, calls_object price);
enum need calls_subscription(struct calls *c, const char *customer);
enum need calls_method(struct calls *c, const char *customer);
/* All of a final invoice. */
enum need calls_invoice(struct calls *c, const char *customer, const struct invoice *invoice);

#endif
