#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "billing/chargeback/chargeback_stage.h"
#include "billing/cmd.h"
#include "billing/cmd_shared.h"
#include "billing/invoice_pick.h"
#include "store/base/currency.h"
#include "store/base/print.h"
#include "store/base/time.h"

enum { PICO_DIGITS = 12 };

static const char metadata_prefix[] = "metadata:";

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, false, "whose invoice"},
    {"month", NULL, CONF_TEXT, "YYYY-MM", 0, 0, NULL, false,
     "the one that begins in this month (default: the latest there is)"},
    {"by", NULL, CONF_TEXT, "WHAT", 0, 0, "project", false, "project, user or metadata:KEY"},
    CONF_ROW_PRICES,
    {"csv", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "print CSV"},
    CONF_ROW_JSON,
};

static const struct conf_opt run_opts[] = {CONF_ROW_DATA, CONF_ROW_JSON};

static enum err_code
find_invoice(const struct conf *conf, struct tables_txn *txn, uint32_t organization,
             struct chargeback_invoice *ret, struct err *err)
{
    struct invoice_scan scan;
    int32_t month;
    bool found = false;
    enum err_code code = invoice_pick_month(conf, &month, err);
    if (code != ERR_OK)
        return code;
    invoice_scan_begin(&scan, txn, organization);
    while (invoice_scan_next(&scan)) {
        const struct chargeback_invoice v = chargeback_of_invoice(&scan.row);
        if (!invoice_pick_is_of(&scan.row, month))
            continue;
        *ret = v;
        found = true;
    }
    invoice_scan_end(&scan);
    return found ? ERR_OK
                 : err_set(err, ERR_NOT_FOUND,
                           "%.64s has no invoice%s%s; gbill invoice run makes them, gbill invoice "
                           "list names them",
                           conf_text(conf, "org"), month >= 0 ? " that begins in " : "",
                           month >= 0 ? conf_text(conf, "month") : "");
}

static void
show_progress(void *context, uint64_t seq, uint64_t last_seq)
{
    (void)context;
    fprintf(stderr, "\rreading the log: event %" PRIu64 " of %" PRIu64, seq, last_seq);
}

static enum err_code
split_metadata(const struct conf *conf, struct chargeback *c, struct tables_txn *txn,
               const struct chargeback_invoice *v, struct str key, struct err *err)
{
    struct price_book *prices;
    enum err_code code = price_book_load(conf_text(conf, "prices"), &prices, err);
    if (code != ERR_OK)
        return code;
    const struct chargeback_log log = {
        .data_directory = conf_data_dir(conf),
        .prices = prices,
        .progress = isatty(STDERR_FILENO) ? show_progress : NULL,
    };
    code = chargeback_split_metadata(c, txn, v, key, &log, err);
    if (log.progress != NULL)
        fprintf(stderr, "\r%60s\r", "");
    price_book_free(prices);
    return code;
}

static enum err_code
split(const struct conf *conf, struct chargeback *c, struct tables_txn *txn,
      const struct chargeback_invoice *v, struct err *err)
{
    const char *by = conf_text(conf, "by");
    size_t prefix_bytes = sizeof metadata_prefix - 1;
    for (int d = 0; d < CHARGEBACK_DIMENSIONS; d++) {
        if (strcmp(by, chargeback_dimension_name((enum chargeback_dimension)d)) == 0)
            return chargeback_split(c, txn, v, (enum chargeback_dimension)d, err);
    }
    if (strncmp(by, metadata_prefix, prefix_bytes) == 0 && by[prefix_bytes] != '\0')
        return split_metadata(conf, c, txn, v, str_of(by + prefix_bytes), err);
    return err_set(err, ERR_USAGE,
                   "--by is project, user or metadata:KEY (such as metadata:team), not %s", by);
}

static void
print_parts(const struct conf *conf, const struct chargeback *c, const struct chargeback_invoice *v,
            enum print_form form)
{
    const char *by = conf_text(conf, "by");
    const struct print_column columns[] = {
        {strncmp(by, metadata_prefix, sizeof metadata_prefix - 1) == 0 ? "value" : by, PRINT_TEXT},
        {"calls", PRINT_WHOLE},
        {"aiCredits", PRINT_WHOLE},
        {"llmCost", PRINT_AMOUNT},
        {"currency", PRINT_TEXT},
        {"amount", PRINT_AMOUNT}};
    const struct chargeback_part *parts = c->parts.items;
    char text[MONEY_TEXT_BYTES];
    int digits = currency_minor_digits(v->currency);
    struct print p;
    print_begin(&p, stdout, form, columns, CLI_COUNT(columns));
    for (size_t i = 0; i < c->parts.count; i++) {
        bool none = parts[i].value.size_bytes == 0 && form == PRINT_TABLE;
        print_text(&p, none ? str_of("(none)") : parts[i].value);
        print_whole(&p, parts[i].calls);
        print_whole(&p, parts[i].credits);
        money_format(parts[i].llm_cost_pico, PICO_DIGITS, text);
        print_amount(&p, text);
        print_text(&p, str_of(v->currency));
        money_format_fixed(parts[i].amount_minor, digits, digits, text);
        print_amount(&p, text);
    }
    print_end(&p);
    if (form != PRINT_TABLE)
        return;
    char from[TIME_TEXT_BYTES];
    money_format_fixed(v->total_minor, digits, digits, text);
    time_format_day(v->from_ms / TIME_DAY_MS, from);
    printf("\n%s %s: the invoice from %s on (%s), by what the providers charged\n", text,
           v->currency, from, v->final ? "final" : "draft");
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    bool csv = conf_flag(conf, "csv"), json = conf_flag(conf, "json");
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct chargeback_invoice invoice;
    struct chargeback c;
    uint32_t organization;
    if (conf_text(conf, "org") == NULL)
        return err_set(err, ERR_USAGE, "needs --org ORGANIZATION; see --help");
    if (csv && json)
        return err_set(err, ERR_USAGE, "--csv and --json exclude each other; give one");
    chargeback_init(&c);
    enum err_code code = cmd_shared_open(conf_data_dir(conf), conf_text(conf, "org"), &tables, &txn,
                                         &organization, err);
    if (code == ERR_OK)
        code = find_invoice(conf, txn, organization, &invoice, err);
    if (code == ERR_OK)
        code = split(conf, &c, txn, &invoice, err);
    if (code == ERR_OK)
        print_parts(conf, &c, &invoice, csv ? PRINT_CSV : json ? PRINT_JSON : PRINT_TABLE);
    chargeback_clear(&c);
    cmd_shared_close(tables, txn);
    return code;
}

static enum err_code
run_stage(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {
        {"invoices", PRINT_WHOLE}, {"computed", PRINT_WHOLE}, {"parts", PRINT_WHOLE}};
    const struct conf *conf = &cli->conf;
    struct chargeback_result r;
    struct print p;
    enum err_code code = chargeback_stage_run(conf_data_dir(conf), &r, err);
    if (code != ERR_OK)
        return code;
    print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    print_whole(&p, r.invoices);
    print_whole(&p, r.computed);
    print_whole(&p, r.parts);
    print_end(&p);
    return ERR_OK;
}

const struct cli_cmd cmd_chargeback = {
    .name = "chargeback",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "split an invoice by project, user or metadata",
    .help =
        "Each part gets its share of the invoice's total by what the providers charged for its\n"
        "calls; the parts add up to the total to the cent (largest remainder).  What has no\n"
        "project, or no such metadata, is a line of its own.\n"
        "\n"
        "metadata:KEY reads the log of the invoice's time, since the tables do not keep metadata;\n"
        "it needs the log's days and the price book that they were folded with.\n",
};

const struct cli_cmd cmd_chargeback_run = {
    .name = "chargeback run",
    .args = "",
    .opts = run_opts,
    .opt_count = CLI_COUNT(run_opts),
    .run = run_stage,
    .summary = "split every invoice by project and user, for Postgres",
    .help = "Drafts are split anew; an invoice that has become final is split once more, and its\n"
            "rows never change after that.\n",
};
