#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "reports/cmd.h"
#include "reports/usage_print.h"
#include "reports/usage_report.h"
#include "reports/usage_walk.h"
#include "store/tables/tables.h"

#define ROW_BY(def)                                                        \
    {                                                                      \
        "by", NULL, CONF_TEXT, "COLUMNS", 0, 0, def, false,                \
            "what a row stands for, in this order: any of " GROUPING_WORDS \
    }
#define ROW_FROM                                                                              \
    {                                                                                         \
        "from", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false,                                   \
            "the first hour counted: 2026-11, 2026-11-24 or 2026-11-24T08:00Z (default: all)" \
    }
#define ROW_TO                                                                      \
    {                                                                               \
        "to", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false,                           \
            "the first hour no longer counted, written as in --from (default: all)" \
    }
#define ROW_ORG                                                                                  \
    {                                                                                            \
        "org", NULL, CONF_TEXT, "ID", 0, 0, NULL, false, "only this organization (default: all)" \
    }
#define ROW_CSV                                                                                 \
    {                                                                                           \
        "csv", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "print CSV (RFC 4180) for programs" \
    }

static const struct conf_opt usage_opts[] = {
    ROW_BY("day,org"),
    ROW_FROM,
    ROW_TO,
    ROW_ORG,
    ROW_CSV,
    CONF_ROW_JSON,
    {"no-bars", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "draw no bars of the credits on a terminal"},
    CONF_ROW_DATA,
};

static const struct conf_opt costs_opts[] = {
    ROW_BY("month,org,model"), ROW_FROM, ROW_TO, ROW_ORG, ROW_CSV, CONF_ROW_JSON, CONF_ROW_DATA,
};

static enum err_code
read_query(const struct conf *conf, struct usage_query *query, struct err *err)
{
    struct usage_range range;
    *query = (struct usage_query){.groups_max = USAGE_REPORT_GROUPS_MAX};
    if (conf_flag(conf, "csv") && conf_flag(conf, "json"))
        return err_set(err, ERR_USAGE, "--csv and --json exclude each other; give one");
    enum err_code code = grouping_parse(conf_text(conf, "by"), &query->grouping, err);
    if (code == ERR_OK)
        code = usage_range_read(conf_text(conf, "org"), conf_text(conf, "from"),
                                conf_text(conf, "to"), &range, err);
    if (code != ERR_OK)
        return code;
    query->organization = range.organization;
    query->from_hour = range.from_hour;
    query->to_hour = range.to_hour;
    return ERR_OK;
}

static enum err_code
make_report(const struct conf *conf, const struct usage_query *query, struct usage_report *ret,
            struct err *err)
{
    struct tables *tables;
    struct tables_txn *txn;
    enum err_code code = tables_open(conf_data_dir(conf), TABLES_READ, &tables, err);
    if (code != ERR_OK)
        return code;
    code = tables_begin(tables, TABLES_READ, &txn, err);
    if (code == ERR_OK) {
        code = usage_report_make(txn, query, ret, err);
        tables_abort(txn);
    }
    tables_close(tables);
    return code;
}

/* What a reader of the rows should know but would not see in them. */
static void
warn(const char *name, struct usage_report *r)
{
    if (usage_report_rows(r) == 0)
        fprintf(stderr, "gbill %s: no usage in the time asked for\n", name);
    if (r->total.unpriced_calls == 0)
        return;
    struct str provider = usage_report_name(r, r->unpriced.provider);
    struct str model = usage_report_name(r, r->unpriced.model);
    fprintf(stderr,
            "gbill %s: warning: %" PRIu64 " of %" PRIu64 " calls have no price and are in no cost "
            "(one is of %.*s %.*s); see gbill report costs --by provider,model, add the model to "
            "the price book and run gbill rollup\n",
            name, r->total.unpriced_calls, r->total.calls, STR_ARG(provider), STR_ARG(model));
}

static enum err_code
run(const struct conf *conf, const char *name, enum usage_print_kind kind, bool bars,
    struct err *err)
{
    struct usage_query query;
    struct usage_report report;
    enum print_form form = conf_flag(conf, "csv")    ? PRINT_CSV
                           : conf_flag(conf, "json") ? PRINT_JSON
                                                     : PRINT_TABLE;
    enum err_code code = read_query(conf, &query, err);
    if (code == ERR_OK)
        code = make_report(conf, &query, &report, err);
    if (code != ERR_OK)
        return code;
    usage_print(&report, kind, form, bars, stdout);
    warn(name, &report);
    usage_report_clear(&report);
    return ERR_OK;
}

static enum err_code
run_usage(struct cli *cli, struct err *err)
{
    bool bars = isatty(STDOUT_FILENO) != 0 && !conf_flag(&cli->conf, "no-bars");
    return run(&cli->conf, cmd_report_usage.name, USAGE_PRINT_USAGE, bars, err);
}

static enum err_code
run_costs(struct cli *cli, struct err *err)
{
    return run(&cli->conf, cmd_report_costs.name, USAGE_PRINT_COSTS, false, err);
}

#define HELP_ROWS                                                                                  \
    "Sums what gbill rollup has folded, one row for each combination of the columns in --by,\n"    \
    "sorted by them.  All times are UTC, by the hour of the event.  --from 2026-11 --to 2026-12\n" \
    "is all of November.\n\n"

const struct cli_cmd cmd_report_usage = {
    .name = "report usage",
    .args = "",
    .opts = usage_opts,
    .opt_count = CLI_COUNT(usage_opts),
    .run = run_usage,
    .summary = "calls and tokens by organization, time, project, user, model",
    .help = HELP_ROWS
    "  calls, failed   all calls; those whose status said they failed\n"
    "  input           input tokens that no cache took part in\n"
    "  cacheRead       input tokens read from the provider's cache\n"
    "  cacheWrite      input tokens written to it (cacheWrite1h: kept for an hour)\n"
    "  output          output tokens; reasoning is the part of them not shown to anyone\n"
    "  credits         AI credits: input and output tokens of every kind\n"
    "  avgLatencyMs    over all calls; one that named no latency counts as 0\n"
    "  audioInput, audioCacheRead, audioOutput, imageInput, imageCacheRead, imageOutput\n"
    "                  audio and image tokens, which are in no column before\n"
    "  webSearches, webFetches, fileSearches, codeSessions\n"
    "                  uses that the provider charges by the piece\n"
    "\n"
    "A table leaves out the columns of the last two groups that no call has.\n"
    "\n"
    "Example: gbill report usage --by day,model --org acme --from 2026-11 --csv\n",
};

const struct cli_cmd cmd_report_costs = {
    .name = "report costs",
    .args = "",
    .opts = costs_opts,
    .opt_count = CLI_COUNT(costs_opts),
    .run = run_costs,
    .summary = "what the calls cost, by the same columns",
    .help = HELP_ROWS
    "  cost            in the price book's currency: exact in CSV and JSON (a string there),\n"
    "                  rounded to six digits in a table.  Where no call has a price it is\n"
    "                  empty (in a table: unpriced), for a missing price is not zero\n"
    "  unpricedCalls   calls that are not in cost, since the price book had no price\n"
    "  estimatedCalls  calls in cost whose tokens the app counted, not the provider\n"
    "\n"
    "Example: gbill report costs --by project,user --org acme --from 2026-11 --to 2026-12\n",
};
