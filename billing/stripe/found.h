/*
 * billing/stripe/found.h - objects that we made at Stripe before, found again by their names.
 *
 * For tables that were lost, and for calls whose outcome was never known: Stripe's lists are
 * read, once each, and the oldest object that carries a name in metadata[gbill_key] is the one.
 */
#ifndef BILLING_STRIPE_FOUND_H
#define BILLING_STRIPE_FOUND_H

#include "store/net/stripe.h"
#include "store/tables/invoice.h"
#include "store/tables/stripe_call.h"

struct found {
    json_t *lists; /* by path: name -> Stripe's id; zeroed: nothing was read */
};

void found_clear(struct found *found);

/*
 * Look for a name.
 *
 *   path        of the list that would have it
 *   ret_object  as store/tables/stripe_call.h keeps it; written when it is there
 *
 * Errors: those of stripe_list(); ERR_LIMIT out of memory.
 */
enum err_code found_find(struct found *found, struct stripe *stripe, const char *path,
                         const char *name, char ret_object[STRIPE_CALL_OBJECT_BYTES_MAX + 1],
                         bool *ret_there, struct err *err) ERR_MUST_CHECK;

/*
 * Are the invoices that we made at Stripe before those of these tables, by number and
 * organization?  Tables that were lost and billed anew in other steps number otherwise, and
 * every invoice would be made once more, under a wrong number.
 *
 *   txn  for reading
 *
 * Errors: ERR_CONFLICT they are not; else as above.
 */
enum err_code found_check_numbers(struct stripe *stripe, struct tables_txn *txn,
                                  struct err *err) ERR_MUST_CHECK;

#endif
