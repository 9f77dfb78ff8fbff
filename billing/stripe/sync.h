/*
 * billing/stripe/sync.h - bring Stripe up to what gbill has: ask for what calls.h finds, until
 * nothing is left.
 *
 * Rules: billing/stripe/DESIGN.md.
 */
#ifndef BILLING_STRIPE_SYNC_H
#define BILLING_STRIPE_SYNC_H

#include "billing/stripe/calls.h"
#include "store/base/clock.h"

/* Whose tables these are, in the table of calls. */
#define SYNC_ACCOUNT "account"

struct sync_options {
    const char *data_directory, *plans_path, *parties_path;
    const char *organization; /* this one alone; NULL: all */
    struct stripe *stripe;    /* NULL: nothing is sent or stored, calls are told alone */
    enum calls_collect collect;
    bool again; /* what was refused is asked once more */
    const struct clock *clock;
    /* Each call that is sent, before it is; may be NULL. */
    void (*call)(void *context, const struct calls_next *call, const char *idempotency_key);
    /* What a person should see, one line; may be NULL. */
    void (*line)(void *context, const char *text);
    void *context;
};

struct sync_result {
    uint64_t organizations;
    uint64_t sent;    /* calls that were answered as asked */
    uint64_t found;   /* that had been done before, as Stripe's lists show */
    uint64_t refused; /* in this run */
    uint64_t waiting; /* whose outcome is not known or that may pass: to be tried again */
};

/*
 * Do all that can be done now.
 *
 * Killed at any moment: the next run sends what was in flight again under the same
 * Idempotency-Key.  That one organization's call is refused or fails does not stop the others.
 *
 * Errors: ERR_BUSY (it runs already), ERR_NOT_FOUND (nothing is folded yet), ERR_CONFLICT (the
 * tables are of another account or mode), ERR_DENIED (the key is not accepted), ERR_PEER (no
 * answer at all), those of the books and the tables.
 */
enum err_code sync_run(const struct sync_options *options, struct sync_result *ret,
                       struct err *err) ERR_MUST_CHECK;

/*
 * One organization's customer alone, made if need be: what portal and checkout stand on.
 *
 *   ret_customer  Stripe's id
 *
 * Errors: as sync_run(); ERR_NOT_FOUND for an organization that no event has named; ERR_PEER,
 * ERR_INPUT where Stripe does not make it.
 */
enum err_code sync_customer(const struct sync_options *options,
                            char ret_customer[STRIPE_CALL_OBJECT_BYTES_MAX + 1],
                            struct err *err) ERR_MUST_CHECK;

#endif
