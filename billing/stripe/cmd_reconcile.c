#include <inttypes.h>
#include <stdio.h>

#include "billing/cmd.h"
#include "billing/cmd_shared.h"
#include "billing/stripe/reconcile.h"
#include "billing/stripe/session.h"
#include "store/base/print.h"
#include "store/base/time.h"

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    CONF_ROWS_STRIPE,
    {"org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, false, "this one's invoices alone"},
    {"from", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false, "invoices that begin then or later"},
    {"to", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false, "invoices that begin before then"},
    CONF_ROW_JSON,
};

static enum err_code
read_time(const struct conf *conf, const char *key, int64_t *ret, struct err *err)
{
    const char *text = conf_text(conf, key);
    if (text == NULL || time_parse(str_of(text), ret))
        return ERR_OK;
    return err_set(err, ERR_USAGE, "--%s %s: must be a time such as 2026-11 or 2026-11-24", key,
                   text);
}

static void
print_difference(void *context, const struct reconcile_difference *d)
{
    struct print *p = context;
    print_text(p, str_of(reconcile_kind_name(d->kind)));
    print_text(p, d->organization);
    print_whole(p, d->number);
    print_whole(p, d->line);
    print_text(p, str_of(d->object));
    print_text(p, str_of(d->ours));
    print_text(p, str_of(d->theirs));
}

static enum err_code
reconcile(struct cli *cli, struct reconcile_options *o, struct reconcile_result *r, struct err *err)
{
    static const struct print_column columns[] = {
        {"difference", PRINT_TEXT}, {"organization", PRINT_TEXT}, {"invoice", PRINT_WHOLE},
        {"line", PRINT_WHOLE},      {"object", PRINT_TEXT},       {"ours", PRINT_TEXT},
        {"stripe", PRINT_TEXT}};
    struct print p;
    print_begin(&p, stdout, conf_flag(&cli->conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    o->difference = print_difference;
    o->context = &p;
    enum err_code code = reconcile_run(o, r, err);
    print_end(&p);
    return code;
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    struct reconcile_options o = {.from_ms = 0, .to_ms = INT64_MAX};
    struct reconcile_result r = {0};
    struct tables *tables = NULL;
    enum err_code code = read_time(conf, "from", &o.from_ms, err);
    if (code == ERR_OK)
        code = read_time(conf, "to", &o.to_ms, err);
    if (code == ERR_OK)
        code = session_open(conf, &o.stripe, err);
    if (code == ERR_OK)
        code = cmd_shared_open(conf_data_dir(conf), conf_text(conf, "org"), &tables, &o.txn,
                               &o.organization, err);
    if (code == ERR_OK)
        code = reconcile(cli, &o, &r, err);
    cmd_shared_close(tables, o.txn);
    stripe_close(o.stripe);
    if (code == ERR_OK)
        fprintf(stderr, "gbill stripe reconcile: %" PRIu64 " of %" PRIu64 " invoices agree\n",
                r.agree, r.invoices);
    if (code == ERR_OK && r.differences > 0)
        code = err_set(err, ERR_CONFLICT, "%" PRIu64 " differences; see --help for what each is",
                       r.differences);
    return code;
}

const struct cli_cmd cmd_stripe_reconcile = {
    .name = "stripe reconcile",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "hold each final invoice against Stripe's, line by line",
    .help =
        "Reads what Stripe has now (invoices, credit notes, payments, refunds, disputes), not what it\n"
        "told, and prints one row a difference; none, and exit status 0, when both sides agree to the\n"
        "cent, else 7.  Nothing is changed on either side.  The differences:\n"
        "\n"
        "  missing_there   Stripe has no such invoice: gbill stripe sync makes it, or gbill stripe\n"
        "                  status says why not\n"
        "  missing_here    Stripe bills a customer of ours, and no invoice of ours stands for it\n"
        "  double          Stripe has one of ours twice\n"
        "  customer, currency, total, due\n"
        "                  of an invoice; due is the total less what credit notes took off\n"
        "  line_missing, line_extra, line_amount\n"
        "                  of its lines\n"
        "  status, paid    paid is less what was refunded, or is in dispute: an event of Stripe's that\n"
        "                  did not come, or a payment that Stripe does not know of\n"
        "\n"
        "While gbill stripe sync is at work the two differ; run it before.\n"
        "\n" SESSION_HELP,
};
