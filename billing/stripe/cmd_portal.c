#include <stdio.h>
#include <string.h>

#include "billing/cmd.h"
#include "billing/cmd_shared.h"
#include "billing/stripe/session.h"
#include "billing/stripe/sync.h"
#include "store/base/print.h"
#include "store/base/time.h"

#define ROW_ORG                                                                    \
    {                                                                              \
        "org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, true, "whose customer" \
    }

static const struct conf_opt portal_opts[] = {
    CONF_ROW_DATA,
    CONF_ROW_PLANS,
    CONF_ROW_PARTIES,
    CONF_ROWS_STRIPE,
    ROW_ORG,
    {"return-url", NULL, CONF_TEXT, "URL", 0, 0, NULL, false,
     "where the portal's way back leads (default: as Stripe's dashboard has it)"},
    CONF_ROW_JSON,
};

static const struct conf_opt checkout_opts[] = {
    CONF_ROW_DATA,
    CONF_ROW_PLANS,
    CONF_ROW_PARTIES,
    CONF_ROWS_STRIPE,
    ROW_ORG,
    {"plan", NULL, CONF_TEXT, "PLAN", 0, 0, NULL, true, "that begins when it is completed"},
    {"success-url", NULL, CONF_TEXT, "URL", 0, 0, NULL, true,
     "where it leads when it is completed"},
    {"cancel-url", NULL, CONF_TEXT, "URL", 0, 0, NULL, false, "where it leads when it is not"},
    CONF_ROW_JSON,
};

static void
print_line(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "gbill stripe: %s\n", text);
}

/* Of what is asked each time anew: who asks twice gets two. */
static void
make_key(const char *what, const char *organization, char key[STRIPE_KEY_BYTES_MAX + 1])
{
    char name[STRIPE_CALL_NAME_BYTES_MAX + 1];
    snprintf(name, sizeof name, "%s/%.64s/%lld", what, organization,
             (long long)clock_monotonic_ns());
    calls_key(str_of(name), 1, key);
}

static enum err_code
open_customer(const struct cli *cli, struct stripe **ret, char customer[], struct err *err)
{
    const struct conf *conf = &cli->conf;
    enum err_code code = session_open(conf, ret, err);
    const struct sync_options o = {.data_directory = conf_data_dir(conf),
                                   .plans_path = conf_text(conf, "plans"),
                                   .parties_path = conf_text(conf, "parties"),
                                   .organization = conf_text(conf, "org"),
                                   .stripe = *ret,
                                   .clock = &cli->clock,
                                   .line = print_line};
    return code == ERR_OK ? sync_customer(&o, customer, err) : code;
}

/* Ask for a session, and print where the customer's browser is to go. */
static enum err_code
print_session(const struct conf *conf, struct stripe *stripe, const char *path,
              struct stripe_form *form, const char *key, struct err *err)
{
    struct stripe_ask ask = {.method = "POST",
                             .path = path,
                             .body = {form->text.data, form->text.size_bytes},
                             .idempotency_key = key};
    if (form->failed)
        return err_set(err, ERR_LIMIT, "the request is longer than %d bytes",
                       STRIPE_FORM_BYTES_MAX);
    enum err_code code = stripe_ask_patiently(stripe, &ask, err);
    if (code == ERR_OK && stripe_text(ask.answer, "url")[0] == '\0')
        code = err_set(err, ERR_PEER, "Stripe's answer has no url");
    if (code == ERR_OK && conf_flag(conf, "json")) {
        fputs("{\"url\":", stdout);
        print_json_text(stdout, str_of(stripe_text(ask.answer, "url")));
        fputs("}\n", stdout);
    } else if (code == ERR_OK) {
        printf("%s\n", stripe_text(ask.answer, "url"));
    }
    json_decref(ask.answer);
    return code;
}

static enum err_code
run_portal(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *back = conf_text(conf, "return-url");
    char customer[STRIPE_CALL_OBJECT_BYTES_MAX + 1], key[STRIPE_KEY_BYTES_MAX + 1];
    struct stripe *stripe = NULL;
    struct stripe_form form;
    stripe_form_init(&form);
    enum err_code code = open_customer(cli, &stripe, customer, err);
    if (code == ERR_OK) {
        stripe_form_text(&form, "customer", str_of(customer));
        if (back != NULL)
            stripe_form_text(&form, "return_url", str_of(back));
        make_key("portal", conf_text(conf, "org"), key);
        code = print_session(conf, stripe, "/v1/billing_portal/sessions", &form, key, err);
    }
    stripe_form_clear(&form);
    stripe_close(stripe);
    return code;
}

/* The plan must be one that this organization may have. */
static enum err_code
check_plan(const struct conf *conf, char currency[4], struct err *err)
{
    const char *id = conf_text(conf, "plan"), *organization = conf_text(conf, "org");
    struct plan_book *book = NULL;
    enum err_code code = plan_book_load(conf_text(conf, "plans"), &book, err);
    if (code != ERR_OK)
        return code;
    const struct plan *plan = plan_find(book, str_of(id));
    if (plan == NULL || !plan_is_for(plan, str_of(organization)))
        code = err_set(err, ERR_NOT_FOUND, "--plan %.64s: %s; gbill plans show lists the plans", id,
                       plan == NULL ? "the plan book has none of this id"
                                    : "it is another organization's own");
    else
        memcpy(currency, plan->currency, 4);
    plan_book_free(book);
    return code;
}

static void
put_setup(struct stripe_form *form, const struct conf *conf, const char *customer,
          const char currency[4])
{
    static const char *const places[] = {"metadata", "setup_intent_data[metadata]"};
    stripe_form_text(form, "mode", str_of("setup"));
    stripe_form_text(form, "customer", str_of(customer));
    stripe_form_currency(form, currency);
    stripe_form_text(form, "success_url", str_of(conf_text(conf, "success-url")));
    if (conf_text(conf, "cancel-url") != NULL)
        stripe_form_text(form, "cancel_url", str_of(conf_text(conf, "cancel-url")));
    for (size_t i = 0; i < CLI_COUNT(places); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s[gbill_organization]", places[i]);
        stripe_form_text(form, name, str_of(conf_text(conf, "org")));
        snprintf(name, sizeof name, "%s[gbill_plan]", places[i]);
        stripe_form_text(form, name, str_of(conf_text(conf, "plan")));
    }
}

static enum err_code
run_checkout(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    char customer[STRIPE_CALL_OBJECT_BYTES_MAX + 1], key[STRIPE_KEY_BYTES_MAX + 1], currency[4];
    struct stripe *stripe = NULL;
    struct stripe_form form;
    stripe_form_init(&form);
    enum err_code code = check_plan(conf, currency, err);
    if (code == ERR_OK)
        code = open_customer(cli, &stripe, customer, err);
    if (code == ERR_OK) {
        put_setup(&form, conf, customer, currency);
        make_key("checkout", conf_text(conf, "org"), key);
        code = print_session(conf, stripe, "/v1/checkout/sessions", &form, key, err);
    }
    stripe_form_clear(&form);
    stripe_close(stripe);
    return code;
}

const struct cli_cmd cmd_stripe_portal = {
    .name = "stripe portal",
    .args = "",
    .opts = portal_opts,
    .opt_count = CLI_COUNT(portal_opts),
    .run = run_portal,
    .summary = "print the URL of an organization's customer portal at Stripe",
    .help =
        "In the portal a customer sees invoices, pays them, changes the payment method and cancels;\n"
        "what comes of it gbill is told by webhooks.  The URL is for one visit and for the customer's\n"
        "browser alone.  The customer is made at Stripe if it is not there yet.\n"
        "\n" SESSION_HELP,
};

const struct cli_cmd cmd_stripe_checkout = {
    .name = "stripe checkout",
    .args = "",
    .opts = checkout_opts,
    .opt_count = CLI_COUNT(checkout_opts),
    .run = run_checkout,
    .summary = "print the URL of a page of Stripe's that takes a payment method and begins a plan",
    .help =
        "The page takes a payment method and charges nothing.  When it is completed Stripe tells so by\n"
        "a webhook (gbill api), the organization has the plan from then on, and gbill stripe sync makes the\n"
        "method the one that invoices are charged to.\n"
        "\n" SESSION_HELP,
};
