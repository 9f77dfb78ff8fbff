/*
 * store/event/stripe_object.h - what an event of kind stripe says: its type told apart,
 * and the scalars of its object.
 *
 * Types and fields: schemas/stripe.md.  Objects are the msgpack maps that event_parse() let
 * in; what cannot be read in one counts as not said.
 */
#ifndef STORE_EVENT_STRIPE_OBJECT_H
#define STORE_EVENT_STRIPE_OBJECT_H

#include "store/event/event.h"

/* What an event is of. */
enum stripe_sort {
    STRIPE_OTHER,
    STRIPE_INVOICE,
    STRIPE_INVOICE_PAYMENT,
    STRIPE_REFUND,
    STRIPE_CHARGE,
    STRIPE_DISPUTE,
    STRIPE_SUBSCRIPTION,
    STRIPE_CHECKOUT,
};

enum stripe_sort stripe_sort_of(struct str type);

/* Does anything follow from a type (schemas/stripe.md, "What follows from it")? */
bool stripe_type_matters(struct str type);

/* A text; empty when the object does not say, or says something else. */
struct str stripe_object_text(struct bytes object, const char *name);

/* A whole number of either sign; 0 when the object does not say. */
int64_t stripe_object_whole(struct bytes object, const char *name);

/* Is it true? */
bool stripe_object_true(struct bytes object, const char *name);

/*
 * The id of what an event hangs on: of a payment of an invoice that invoice; of refunds,
 * charges and disputes the payment intent, else the charge.  Empty: its organization.
 */
struct str stripe_object_parent(struct str type, struct bytes object);

/* The plan that an event of a subscription or checkout names; empty: none. */
struct str stripe_object_plan(struct str type, struct bytes object);

/* Is it the echo of a request of ours whose key begins so ("gbill:", "gbill:settle/")? */
bool stripe_object_asked(struct bytes object, const char *key_begins);

/* Is the word among those of a list like "items,cancel_at"? */
bool stripe_list_has(struct str list, const char *word);

#endif
