#include <inttypes.h>
#include <stdio.h>

#include "billing/budget/budget_stage.h"
#include "billing/budget/budget_view.h"
#include "billing/cmd.h"
#include "billing/cmd_shared.h"
#include "rollup/price/price.h"
#include "store/base/print.h"

static const struct conf_opt run_opts[] = {
    CONF_ROW_DATA, CONF_ROW_PRICES, CONF_ROW_NOTIFY, CONF_ROW_NOW, CONF_ROW_JSON,
};

#define VIEW_ROWS CONF_ROW_DATA, CONF_ROW_PRICES, CONF_ROW_NOW, CONF_ROW_JSON

static const struct conf_opt list_opts[] = {VIEW_ROWS};

static const struct conf_opt show_opts[] = {
    VIEW_ROWS,
    {"org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, false, "whose budget"},
};

/* The currency that costs are in is the price book's. */
static enum err_code
currency_of(const struct conf *conf, char currency[4], struct err *err)
{
    struct price_book *book;
    enum err_code code = price_book_load(conf_text(conf, "prices"), &book, err);
    if (code != ERR_OK)
        return code;
    snprintf(currency, 4, "%.*s", STR_ARG(book->currency));
    price_book_free(book);
    return ERR_OK;
}

static void
print_problem(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "gbill budgets: problem: %s\n", text);
}

static void
print_result(const struct budget_result *r, enum print_form form)
{
    static const struct print_column columns[] = {
        {"organizations", PRINT_WHOLE}, {"thresholds", PRINT_WHOLE}, {"recovered", PRINT_WHOLE},
        {"nowPaused", PRINT_WHOLE},     {"resumed", PRINT_WHOLE},    {"forecasts", PRINT_WHOLE},
        {"messages", PRINT_WHOLE},      {"paused", PRINT_WHOLE},     {"problems", PRINT_WHOLE},
        {"behind", PRINT_WHOLE},        {"position", PRINT_WHOLE}};
    struct print p;
    print_begin(&p, stdout, form, columns, CLI_COUNT(columns));
    print_whole(&p, r->organizations);
    for (int kind = 0; kind < ALERT_KIND_COUNT; kind++)
        print_whole(&p, r->alerts[kind]);
    print_whole(&p, r->messages);
    print_whole(&p, r->paused);
    print_whole(&p, r->problems);
    print_whole(&p, r->behind);
    print_whole(&p, r->position);
    print_end(&p);
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *notify_path = conf_text(conf, "notify");
    struct notify_conf *notify = NULL;
    struct clock clock;
    char currency[4];
    struct budget_options o = {
        .data_directory = conf_data_dir(conf),
        .currency = currency,
        .clock = &clock,
        .problem = print_problem,
    };
    struct budget_result r;
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code == ERR_OK)
        code = currency_of(conf, currency, err);
    if (code == ERR_OK && notify_path != NULL)
        code = notify_conf_load(notify_path, &notify, err);
    o.notify = notify;
    if (code == ERR_OK)
        code = budget_stage_run(&o, &r, err);
    notify_conf_free(notify);
    if (code == ERR_OK)
        print_result(&r, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE);
    return code;
}

/* Everything that list and show need; cmd_shared_close() it, also after an error. */
struct view {
    struct tables *tables;
    struct tables_txn *txn;
    uint32_t organization;
    int64_t now_ms;
    char currency[4];
};

static enum err_code
open_view(const struct cli *cli, const char *organization, struct view *v, struct err *err)
{
    struct clock clock;
    *v = (struct view){0};
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code == ERR_OK)
        code = currency_of(&cli->conf, v->currency, err);
    if (code == ERR_OK)
        code = cmd_shared_open(conf_data_dir(&cli->conf), organization, &v->tables, &v->txn,
                               &v->organization, err);
    if (code == ERR_OK)
        v->now_ms = clock_now_ms(&clock);
    return code;
}

static enum err_code
run_list(struct cli *cli, struct err *err)
{
    struct view v;
    struct budget_view view;
    struct print p;
    uint32_t organization = 0;
    enum err_code code = open_view(cli, NULL, &v, err);
    if (code == ERR_OK) {
        budget_view_list_begin(&p, stdout,
                               conf_flag(&cli->conf, "json") ? PRINT_JSON : PRINT_TABLE);
        while (code == ERR_OK && budget_next(v.txn, organization, &organization)) {
            code = budget_view_read(v.txn, organization, v.currency, v.now_ms, &view, err);
            if (code == ERR_OK)
                budget_view_list_row(&p, &view);
        }
        print_end(&p);
    }
    cmd_shared_close(v.tables, v.txn);
    return code;
}

static enum err_code
run_show(struct cli *cli, struct err *err)
{
    const char *name = conf_text(&cli->conf, "org");
    struct view v;
    struct budget budget;
    struct budget_view view;
    if (name == NULL)
        return err_set(err, ERR_USAGE, "needs --org ORGANIZATION; see --help");
    enum err_code code = open_view(cli, name, &v, err);
    if (code == ERR_OK && !budget_get(v.txn, v.organization, &budget))
        code = err_set(err, ERR_NOT_FOUND,
                       "%.64s has sent no budget event; schemas/event.md says how", name);
    if (code == ERR_OK)
        code = budget_view_read(v.txn, v.organization, v.currency, v.now_ms, &view, err);
    if (code == ERR_OK)
        budget_view_print(stdout, v.txn, &view, conf_flag(&cli->conf, "json"));
    cmd_shared_close(v.tables, v.txn);
    return code;
}

const struct cli_cmd cmd_budgets = {
    .name = "budgets",
    .args = "",
    .opts = run_opts,
    .opt_count = CLI_COUNT(run_opts),
    .run = run,
    .summary = "compare what was spent with the budgets, and report what is new",
    .help =
        "Spend is what the providers charge for an organization's calls of the calendar month\n"
        "(UTC), and its adjustments.  Every threshold between what was spent before and what is\n"
        "spent now is reported, once; so is falling below it again (a void, a credit, a raised\n"
        "budget), after which it counts anew.  With autoLimits the organization is paused.  With\n"
        "{\"forecast\": 100} among the thresholds the month's end is looked at too.\n"
        "\n"
        "Each report is a row of budget_alerts and, with --notify, a message for every\n"
        "destination, which gbill notify sends.\n",
};

const struct cli_cmd cmd_budgets_list = {
    .name = "budgets list",
    .args = "",
    .opts = list_opts,
    .opt_count = CLI_COUNT(list_opts),
    .run = run_list,
    .summary = "list how the organizations stand with their budgets",
    .help =
        "One line per organization that sent budget settings, for the month of --now.\n"
        "confidence of the forecast: high with four weeks of history, medium with one or more, low with\n"
        "less, very low with less than a day.\n",
};

const struct cli_cmd cmd_budgets_show = {
    .name = "budgets show",
    .args = "",
    .opts = show_opts,
    .opt_count = CLI_COUNT(show_opts),
    .run = run_show,
    .summary = "show one organization's budget, forecast and alerts of the month",
    .help =
        "The forecast and its range are those of gbill forecast, with the adjustments; where it has\n"
        "not run for a day, the range is what the rest of the month costs if it goes as the\n"
        "lightest, and as the heaviest, of the weeks before.\n",
};
