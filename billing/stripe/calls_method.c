/* The payment method that a checkout took becomes the one that invoices are charged to. */
#include <stdio.h>
#include <string.h>

#include "billing/stripe/calls_parts.h"
#include "billing/told.h"

/* The setup intent of the last checkout that was completed; empty: there is none. */
static bool
last_setup(struct calls *c, calls_object setup)
{
    struct list facts;
    const struct told_fact *last = NULL;
    list_init(&facts, sizeof(struct told_fact));
    setup[0] = '\0';
    bool ok = told_gather(&facts, c->txn, STRIPE_TOLD_ORGANIZATION, c->slot->organization,
                          1U << STRIPE_CHECKOUT);
    for (size_t i = 0; ok && i < facts.count; i++) {
        const struct told_fact *f = (const struct told_fact *)facts.items + i;
        bool completed = str_is(f->row.type, "checkout.session.completed") &&
                         stripe_object_text(f->row.object, "setup_intent").size_bytes > 0;
        if (completed && (last == NULL || told_compare(f, last) > 0))
            last = f;
    }
    if (last != NULL)
        snprintf(setup, sizeof(calls_object), "%.*s",
                 STR_ARG(stripe_object_text(last->row.object, "setup_intent")));
    list_clear(&facts);
    return ok;
}

enum need
calls_method(struct calls *c, const char *customer)
{
    struct stripe_form *form = &c->next->form;
    calls_object setup, ignored;
    if (!calls_name(c, "method/%.*s", STR_ARG(c->organization)))
        return NEED_ASKED;
    if (!last_setup(c, setup))
        return calls_fail(c, "no memory for what Stripe told of checkouts");
    if (setup[0] == '\0')
        return NEED_HAVE;
    stripe_form_text(form, "setup_intent", str_of(setup));
    enum need n = calls_need(c, true, ignored);
    if (n != NEED_ASK)
        return n;
    form->text.size_bytes = 0;
    const json_t *there = calls_read(c, "/v1/setup_intents/%s", setup);
    if (there == NULL)
        return NEED_ASKED;
    const char *method = c->settings->dry ? "{payment method}"
                                          : stripe_ref(there, "payment_method");
    if (method[0] == '\0')
        return calls_fail(c, "the checkout's %.64s has no payment method", setup);
    stripe_form_text(form, "invoice_settings[default_payment_method]", str_of(method));
    return calls_send(c, "POST", "/v1/customers/%s", customer);
}
