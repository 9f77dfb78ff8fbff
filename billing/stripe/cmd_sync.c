#include <stdio.h>
#include <string.h>

#include "billing/cmd.h"
#include "billing/cmd_shared.h"
#include "billing/stripe/session.h"
#include "billing/stripe/sync.h"
#include "store/base/print.h"

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    CONF_ROW_PLANS,
    CONF_ROW_PARTIES,
    CONF_ROWS_STRIPE,
    {"org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, false, "this one alone"},
    {"collect", "GBILL_STRIPE_COLLECT", CONF_TEXT, "HOW", 0, 0, "auto", false,
     "auto: charge who left a payment method, send to the others; charge; send"},
    {"again", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "ask once more what Stripe refused, when its cause is gone"},
    {"dry-run", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "print the calls as JSON lines; send nothing, store nothing, and need no key"},
    CONF_ROW_NOW,
    CONF_ROW_JSON,
};

static void
print_line(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "gbill stripe sync: %s\n", text);
}

static int
hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c - 'A' + 10;
}

/* One name or value of a form, up to its end sign; steps over it. */
static void
print_form_text(const char **at, const char *end, char stop)
{
    char text[STRIPE_FORM_BYTES_MAX];
    size_t n = 0;
    for (; *at < end && **at != stop && **at != '&'; (*at)++) {
        if (**at == '%' && end - *at > 2) {
            text[n++] = (char)(hex_digit((*at)[1]) * 16 + hex_digit((*at)[2]));
            *at += 2;
        } else {
            text[n++] = **at;
        }
    }
    *at += *at < end ? 1 : 0;
    print_json_text(stdout, (struct str){text, n});
}

static void
print_call(void *context, const struct calls_next *call, const char *idempotency_key)
{
    const char *at = (const char *)call->form.text.data, *end = at + call->form.text.size_bytes;
    const char *comma = "";
    (void)context;
    fputs("{\"name\":", stdout);
    print_json_text(stdout, str_of(call->name));
    printf(",\"method\":\"%s\",\"path\":", call->method);
    print_json_text(stdout, str_of(call->path));
    fputs(",\"idempotencyKey\":", stdout);
    print_json_text(stdout, str_of(idempotency_key));
    fputs(",\"params\":{", stdout);
    while (at < end) {
        fputs(comma, stdout);
        print_form_text(&at, end, '=');
        fputc(':', stdout);
        print_form_text(&at, end, '&');
        comma = ",";
    }
    fputs("}}\n", stdout);
}

static enum err_code
read_collect(const struct conf *conf, enum calls_collect *ret, struct err *err)
{
    static const char *const names[] = {
        [COLLECT_AUTO] = "auto", [COLLECT_CHARGE] = "charge", [COLLECT_SEND] = "send"};
    const char *how = conf_text(conf, "collect");
    for (size_t i = 0; i < CLI_COUNT(names); i++) {
        if (strcmp(how, names[i]) == 0) {
            *ret = (enum calls_collect)i;
            return ERR_OK;
        }
    }
    return err_set(err, ERR_USAGE, "--collect %s: must be auto, charge or send", how);
}

static void
print_result(const struct conf *conf, const struct sync_result *r)
{
    static const struct print_column columns[] = {{"organizations", PRINT_WHOLE},
                                                  {"sent", PRINT_WHOLE},
                                                  {"found", PRINT_WHOLE},
                                                  {"refused", PRINT_WHOLE},
                                                  {"waiting", PRINT_WHOLE}};
    struct print p;
    print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    print_whole(&p, r->organizations);
    print_whole(&p, r->sent);
    print_whole(&p, r->found);
    print_whole(&p, r->refused);
    print_whole(&p, r->waiting);
    print_end(&p);
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    bool dry = conf_flag(conf, "dry-run");
    struct clock clock;
    struct sync_options o = {.data_directory = conf_data_dir(conf),
                             .plans_path = conf_text(conf, "plans"),
                             .parties_path = conf_text(conf, "parties"),
                             .organization = conf_text(conf, "org"),
                             .again = conf_flag(conf, "again"),
                             .clock = &clock,
                             .call = dry ? print_call : NULL,
                             .line = print_line};
    struct sync_result r = {0};
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code == ERR_OK)
        code = read_collect(conf, &o.collect, err);
    if (code == ERR_OK && !dry)
        code = session_open(conf, &o.stripe, err);
    if (code == ERR_OK)
        code = sync_run(&o, &r, err);
    stripe_close(o.stripe);
    if (code == ERR_OK && !dry)
        print_result(conf, &r);
    if (code == ERR_OK && r.refused > 0)
        code = err_set(err, ERR_INPUT,
                       "%llu calls were refused; see gbill stripe status, mend what it names, then "
                       "run gbill stripe sync --again",
                       (unsigned long long)r.refused);
    return code;
}

const struct cli_cmd cmd_stripe_sync = {
    .name = "stripe sync",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "bring Stripe up to the plan book, the subscriptions and the final invoices",
    .help =
        "Makes at Stripe what is not there yet, and changes what differs: a product and a price for\n"
        "each plan, a customer for each organization that pays, its subscription, and a copy of each\n"
        "final invoice, line by line, which is finalized once its total is ours to the cent, and then\n"
        "sent or charged.  Stripe computes no amount: its subscriptions carry a quantity of 0.\n"
        "\n"
        "Each call is put into the outbox of tables.mdb before it is sent, under a name of ours that\n"
        "is its Idempotency-Key too, so whatever is killed or cut off is done once.  What may pass\n"
        "(no answer, 409, 429, 5xx) is tried again, here and by the next run; what Stripe refuses is\n"
        "named by gbill stripe status and left alone until it differs or --again.  gbill run runs this every\n"
        "minute where " STRIPE_KEY_ENV " is set.\n"
        "\n" SESSION_HELP,
};
