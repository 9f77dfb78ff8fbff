#include <inttypes.h>
#include <stdio.h>

#include "billing/cmd.h"
#include "billing/verify.h"
#include "store/base/print.h"

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, false, "this organization's"},
    {"number", NULL, CONF_INT, "N", 0, INT64_MAX, "0", false, "the one of this number"},
    CONF_ROW_JSON,
};

static void
print_line(void *context, const char *text)
{
    fprintf(context, "%s\n", text);
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {{"invoices", PRINT_WHOLE},
                                                  {"differ", PRINT_WHOLE}};
    const struct conf *conf = &cli->conf;
    bool json = conf_flag(conf, "json");
    struct verify_options o = {.data_directory = conf_data_dir(conf),
                               .number = (uint64_t)conf_int(conf, "number"),
                               .organization = conf_text(conf, "org"),
                               .line = print_line,
                               .context = json ? stderr : stdout};
    struct verify_result r;
    struct print p;
    if (o.number == 0 && o.organization == NULL)
        return err_set(err, ERR_USAGE, "needs --number N or --org ORGANIZATION; see --help");
    enum err_code code = verify_run(&o, &r, err);
    if (code != ERR_OK)
        return code;
    if (json) {
        print_begin(&p, stdout, PRINT_JSON, columns, CLI_COUNT(columns));
        print_whole(&p, r.invoices);
        print_whole(&p, r.differ);
        print_end(&p);
    }
    if (r.differ > 0)
        return err_set(err, ERR_CORRUPT,
                       "%" PRIu64 " of %" PRIu64 " invoices are not what their log and books give",
                       r.differ, r.invoices);
    return ERR_OK;
}

const struct cli_cmd cmd_invoice_verify = {
    .name = "invoice verify",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "compute final invoices again from the log, offline, and compare the bytes",
    .help =
        "Folds the log to the position that an invoice names, with the price book and the plan\n"
        "book that it names (both are kept in the tables by their SHA-256), takes the final\n"
        "invoices before it as given, computes it again and compares every byte of it.  What\n"
        "differs is printed line by line, and the exit status is that of corrupt data.\n"
        "Needs room for a second tables.mdb, and all days of the log.\n",
};
