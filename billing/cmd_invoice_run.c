#include <inttypes.h>
#include <stdio.h>

#include "billing/cmd.h"
#include "billing/cmd_shared.h"
#include "billing/invoice_stage.h"
#include "store/base/print.h"

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    CONF_ROW_PLANS,
    CONF_ROW_NOW,
    {"grace-hours", "GBILL_GRACE_HOURS", CONF_INT, "HOURS", 0, INVOICE_GRACE_HOURS_MAX, "24", false,
     "how long after its end an invoice stays a draft"},
    CONF_ROW_JSON,
};

static void
print_result(const struct invoice_result *r, enum print_form form)
{
    static const struct print_column columns[] = {
        {"organizations", PRINT_WHOLE}, {"drafts", PRINT_WHOLE},   {"finalized", PRINT_WHOLE},
        {"finals", PRINT_WHOLE},        {"problems", PRINT_WHOLE}, {"held", PRINT_WHOLE},
        {"unfolded", PRINT_WHOLE},      {"late", PRINT_WHOLE},     {"position", PRINT_WHOLE}};
    struct print p;
    print_begin(&p, stdout, form, columns, CLI_COUNT(columns));
    print_whole(&p, r->organizations);
    print_whole(&p, r->drafts);
    print_whole(&p, r->finalized);
    print_whole(&p, r->finals);
    print_whole(&p, r->problems);
    print_whole(&p, r->held);
    print_whole(&p, r->unfolded);
    print_whole(&p, r->late);
    print_whole(&p, r->position);
    print_end(&p);
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    struct clock clock;
    struct invoice_options o = {
        .data_directory = conf_data_dir(conf),
        .plans_path = conf_text(conf, "plans"),
        .clock = &clock,
        .grace_hours = conf_int(conf, "grace-hours"),
        .notices = cmd_shared_notices("gbill invoice run"),
    };
    struct invoice_result r;
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code == ERR_OK)
        code = invoice_stage_run(&o, &r, err);
    if (code != ERR_OK)
        return code;
    print_result(&r, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE);
    if (r.unfolded > 0)
        fprintf(stderr,
                "gbill invoice run: %" PRIu64 " invoices are due but wait for gbill rollup, which "
                "has not folded all that the log received in time\n",
                r.unfolded);
    return ERR_OK;
}

const struct cli_cmd cmd_invoice_run = {
    .name = "invoice run",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "compute the invoices of every organization; finalize what is due",
    .help = "One invoice per organization and billing period that has a charge, usage or an\n"
            "adjustment.  It is a draft until the period's end and the grace behind it; then it\n"
            "becomes final, gets the next number, and never changes again.  What comes for it\n"
            "later is a line on the next one, and is said on stderr (\"late after final\").\n"
            "\n"
            "An invoice whose data is in doubt (an unknown plan, another currency) is said on\n"
            "stderr as a problem and stays a draft.  With --now in the future what is due by then\n"
            "becomes final for good.\n",
};
