/*
 * reports/api/post_stripe.h - POST /api/billing/stripe/webhook: what Stripe tells.
 *
 * No key is asked for: the request proves by its signature that it is Stripe's (store/net/stripe_sign.h).
 * What was understood is an event for the agent (store/event/stripe_event.h), and Stripe hears
 * 200 once it is there; whatever else it hears makes it send the event again, for three days.
 *
 * A delivery (its time and body) that was accepted is not accepted again within REPEATS_LIFE_MS,
 * whichever of several signatures it comes with then; not before the agent had it, since until
 * then it must be sent again.  Stripe signs each attempt anew, and an event counts once by its id.
 */
#ifndef REPORTS_API_POST_STRIPE_H
#define REPORTS_API_POST_STRIPE_H

#include "reports/api/repeats.h"
#include "reports/api/routes.h"
#include "store/net/stripe_sign.h"

/* Why a delivery was refused, as /metrics names it. */
enum post_stripe_reason {
    POST_STRIPE_SIGNATURE, /* any verdict but the next */
    POST_STRIPE_STALE,
    POST_STRIPE_REPLAY,
    POST_STRIPE_EVENT,  /* signed, but no event that can be kept */
    POST_STRIPE_UNSENT, /* the agent is not known to have it */
    POST_STRIPE_REASONS,
};

/* Of a server; all of it is the server's own thread's. */
struct post_stripe {
    const struct stripe_sign_secrets *secrets; /* count 0: nothing is taken */
    uint64_t refused[POST_STRIPE_REASONS];
    uint64_t known, other; /* accepted, by stripe_type_matters() */
};

/* What is to be noted of one delivery once the agent has it. */
struct post_stripe_receipt {
    bool any, known;
    struct repeat repeat;
};

/*
 * Put the event of request->body into request->parcel, and request->receipt's; or a problem
 * into answer.
 *
 * Errors: ERR_LIMIT (no memory).
 */
enum err_code post_stripe(const struct api_request *request, struct answer *answer,
                          struct err *err) ERR_MUST_CHECK;

/* The agent has it, or is not known to; a receipt that is empty is no delivery. */
void post_stripe_settle(struct post_stripe *stripe, struct repeats *repeats,
                        const struct post_stripe_receipt *receipt, bool stored);

/* The figures, as Prometheus reads them. */
void post_stripe_print(const struct post_stripe *stripe, FILE *out);

#endif
