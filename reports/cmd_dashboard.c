#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "billing/cmd_shared.h"
#include "reports/cmd.h"
#include "reports/dashboard/dashboard.h"
#include "rollup/price/price.h"
#include "store/base/file.h"

enum { FILE_MODE = 0640 };

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"org", NULL, CONF_TEXT, "ID", 0, 0, NULL, false, "the organization"},
    {"month", NULL, CONF_TEXT, "YYYY-MM", 0, 0, NULL, false,
     "this month (default: the one that --now lies in)"},
    {"from", NULL, CONF_TEXT, "DAY", 0, 0, NULL, false,
     "in place of a month the days from this one on, such as 2026-11-24"},
    {"to", NULL, CONF_TEXT, "DAY", 0, 0, NULL, false, "the first day no longer counted"},
    {"output", NULL, CONF_TEXT, "FILE", 0, 0, NULL, false,
     "the page, written whole or not at all; - for standard output"},
    CONF_ROW_PRICES,
    CONF_ROW_NOW,
};

static enum err_code
read_query(struct cli *cli, struct board_query *query, struct err *err)
{
    const struct conf *conf = &cli->conf;
    struct clock clock;
    query->organization = conf_text(conf, "org");
    if (query->organization == NULL)
        return err_set(err, ERR_USAGE, "needs --org ID; gbill report usage --by org names them");
    if (conf_text(conf, "output") == NULL)
        return err_set(err, ERR_USAGE, "needs -o FILE (- for standard output); see --help");
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code == ERR_OK)
        code = dashboard_time(conf_text(conf, "month"), conf_text(conf, "from"),
                              conf_text(conf, "to"), clock_now_ms(&clock), query, err);
    return code;
}

static enum err_code
read_currency(const struct conf *conf, char currency[4], struct err *err)
{
    struct price_book *prices;
    enum err_code code = price_book_load(conf_text(conf, "prices"), &prices, err);
    if (code != ERR_OK)
        return code;
    snprintf(currency, 4, "%.*s", STR_ARG(prices->currency));
    price_book_free(prices);
    return ERR_OK;
}

static enum err_code
make_page(const struct conf *conf, const struct board_query *query, struct buf *page,
          struct err *err)
{
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    enum err_code code = tables_open(conf_data_dir(conf), TABLES_READ, &tables, err);
    if (code == ERR_OK)
        code = tables_begin(tables, TABLES_READ, &txn, err);
    if (code == ERR_OK)
        code = dashboard_make(txn, query, page, err);
    cmd_shared_close(tables, txn);
    return code;
}

static enum err_code
write_page(const char *path, const struct buf *page, struct err *err)
{
    struct file_draft draft = {.out = NULL};
    bool to_stdout = strcmp(path, "-") == 0;
    enum err_code code = to_stdout ? ERR_OK : file_draft_begin(&draft, path, FILE_MODE, err);
    if (code != ERR_OK)
        return code;
    FILE *out = to_stdout ? stdout : draft.out;
    if (fwrite(page->data, 1, page->size_bytes, out) != page->size_bytes || fflush(out) != 0)
        code = err_set_errno(err, errno, "cannot write %s", to_stdout ? "standard output" : path);
    if (code == ERR_OK && !to_stdout)
        code = file_draft_keep(&draft, err);
    file_draft_drop(&draft);
    return code;
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    char currency[4];
    struct board_query query = {.currency = currency};
    struct buf page;
    buf_init(&page, DASHBOARD_BYTES_MAX);
    enum err_code code = read_query(cli, &query, err);
    if (code == ERR_OK)
        code = read_currency(conf, currency, err);
    if (code == ERR_OK)
        code = make_page(conf, &query, &page, err);
    if (code == ERR_OK)
        code = write_page(conf_text(conf, "output"), &page, err);
    buf_clear(&page);
    return code;
}

const struct cli_cmd cmd_report_dashboard = {
    .name = "report dashboard",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "one organization's spending as a page of HTML, for a person to read and print",
    .help =
        "gbill report dashboard --org acme -o acme.html\n"
        "gbill report dashboard --org acme --from 2026-09-01 --to 2026-12-01 -o autumn.html\n\n"
        "One file that needs nothing else, no network and no script: mail it, keep it, print it.\n"
        "It shows spending against budget and forecast, usage by day and hour of the week, by\n"
        "model, project and user, spikes and recommendations; a table with the exact figures is\n"
        "under each picture.  At most 366 days.\n"
        "\n"
        "Budget and forecast are shown of a calendar month: of the one under way the budget that\n"
        "is set and the forecast of gbill forecast, of an earlier one the budget it had.  Spikes\n"
        "come from gbill spikes, recommendations from gbill optimize.  Where nothing has a price,\n"
        "credits are shown in place of costs.  Prices are needed for their currency alone.\n",
};
