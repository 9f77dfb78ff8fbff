#include <inttypes.h>
#include <stdio.h>

#include "billing/cmd.h"
#include "billing/cmd_shared.h"
#include "billing/invoice_print.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/tables/dict.h"
#include "store/tables/invoice.h"

#define ROW_ORG                                                                          \
    {                                                                                    \
        "org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, false, "this organization's" \
    }

static const struct conf_opt list_opts[] = {
    CONF_ROW_DATA,
    ROW_ORG,
    {"month", NULL, CONF_TEXT, "YYYY-MM", 0, 0, NULL, false, "only those that begin in this month"},
    CONF_ROW_JSON,
};

static const struct conf_opt show_opts[] = {
    CONF_ROW_DATA,
    ROW_ORG,
    {"month", NULL, CONF_TEXT, "YYYY-MM", 0, 0, NULL, false,
     "that begins in this month (default: the latest there is)"},
    {"number", NULL, CONF_INT, "N", 0, INT64_MAX, "0", false, "the final one of this number"},
    CONF_ROW_JSON,
};

/* -1 when --month is not given. */
static enum err_code
month_of(const struct conf *conf, int32_t *ret, struct err *err)
{
    const char *text = conf_text(conf, "month");
    int64_t ms;
    *ret = -1;
    if (text == NULL)
        return ERR_OK;
    if (!time_parse(str_of(text), &ms) || time_month_start_ms(time_month(ms)) != ms)
        return err_set(err, ERR_USAGE, "--month %s is no month; write 2026-11", text);
    *ret = time_month(ms);
    return ERR_OK;
}

/* An invoice is of the month it begins in. */
static bool
is_of(const struct invoice *invoice, int32_t month)
{
    return month < 0 || time_month(invoice->from_ms) == month;
}

static void
print_invoice_row(struct print *p, struct tables_txn *txn, const struct invoice *i)
{
    char text[MONEY_TEXT_BYTES];
    print_text(p, dict_text(txn, i->organization));
    time_format_ms(i->from_ms, text);
    print_text(p, str_of(text));
    time_format_ms(i->to_ms, text);
    print_text(p, str_of(text));
    print_text(p, str_of(invoice_status_name(i->status)));
    if (i->number > 0)
        print_whole(p, i->number);
    else
        print_amount(p, p->form == PRINT_TABLE ? "" : "null");
    print_text(p, str_of(i->currency));
    invoice_print_minor(i, i->total_minor, text);
    print_amount(p, text);
    invoice_print_minor(i, invoice_due_minor(i), text);
    print_amount(p, text);
    invoice_print_minor(i, i->paid_minor, text);
    print_amount(p, text);
    print_whole(p, i->line_count);
    print_whole(p, i->credits_used);
    money_format(i->llm_cost_pico, 12, text);
    print_amount(p, text);
    print_whole(p, i->unpriced_calls);
    print_whole(p, i->position);
}

static enum err_code
run_list(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {
        {"organization", PRINT_TEXT},   {"from", PRINT_TEXT},       {"to", PRINT_TEXT},
        {"status", PRINT_TEXT},         {"number", PRINT_WHOLE},    {"currency", PRINT_TEXT},
        {"total", PRINT_AMOUNT},        {"due", PRINT_AMOUNT},      {"paid", PRINT_AMOUNT},
        {"lines", PRINT_WHOLE},         {"aiCredits", PRINT_WHOLE}, {"llmCost", PRINT_AMOUNT},
        {"unpricedCalls", PRINT_WHOLE}, {"position", PRINT_WHOLE}};
    const struct conf *conf = &cli->conf;
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct invoice_scan scan;
    struct print p;
    uint32_t organization;
    int32_t month;
    enum err_code code = month_of(conf, &month, err);
    if (code == ERR_OK)
        code = cmd_shared_open(conf_data_dir(conf), conf_text(conf, "org"), &tables, &txn,
                               &organization, err);
    if (code == ERR_OK) {
        print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                    CLI_COUNT(columns));
        invoice_scan_begin(&scan, txn, organization);
        while (invoice_scan_next(&scan)) {
            if (is_of(&scan.row, month))
                print_invoice_row(&p, txn, &scan.row);
        }
        invoice_scan_end(&scan);
        print_end(&p);
    }
    cmd_shared_close(tables, txn);
    return code;
}

/* What to look for; month -1 and number 0: any.  The latest of several is taken. */
static bool
find_invoice(struct tables_txn *txn, uint32_t organization, int32_t month, uint64_t number,
             struct invoice *ret)
{
    struct invoice_scan scan;
    bool found = false;
    invoice_scan_begin(&scan, txn, organization);
    while (invoice_scan_next(&scan)) {
        if (!is_of(&scan.row, month) || (number != 0 && scan.row.number != number))
            continue;
        *ret = scan.row;
        found = true;
    }
    invoice_scan_end(&scan);
    return found;
}

static enum err_code
run_show(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *name = conf_text(conf, "org"), *month_text = conf_text(conf, "month");
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct invoice invoice;
    uint32_t organization;
    int32_t month;
    uint64_t number = (uint64_t)conf_int(conf, "number");
    if (name == NULL && number == 0)
        return err_set(err, ERR_USAGE, "needs --org ORGANIZATION or --number N; see --help");
    enum err_code code = month_of(conf, &month, err);
    if (code == ERR_OK)
        code = cmd_shared_open(conf_data_dir(conf), name, &tables, &txn, &organization, err);
    if (code == ERR_OK && !find_invoice(txn, organization, month, number, &invoice))
        code = err_set(err, ERR_NOT_FOUND,
                       "%.64s has no such invoice%s%s; gbill invoice run makes them, gbill invoice "
                       "list names them",
                       name != NULL ? name : "the data directory", month_text != NULL ? " of " : "",
                       month_text != NULL ? month_text : "");
    if (code == ERR_OK)
        invoice_print(stdout, txn, &invoice, conf_flag(conf, "json"));
    cmd_shared_close(tables, txn);
    return code;
}

const struct cli_cmd cmd_invoice_list = {
    .name = "invoice list",
    .args = "",
    .opts = list_opts,
    .opt_count = CLI_COUNT(list_opts),
    .run = run_list,
    .summary = "list the invoices, by organization and time",
    .help = "One line per invoice.  A negative total is a credit note; due is what is left to be\n"
            "paid of the total once credit notes are used up.  aiCredits and llmCost (what the\n"
            "providers charged) are for information.\n",
};

const struct cli_cmd cmd_invoice_show = {
    .name = "invoice show",
    .args = "",
    .opts = show_opts,
    .opt_count = CLI_COUNT(show_opts),
    .run = run_show,
    .summary = "print one invoice with its lines, and what it was computed from",
    .help = "Amounts on the lines are rounded half away from zero to the currency's minor unit,\n"
            "once; \"exact\" is what they were rounded from.  The last lines name the log's\n"
            "position and chain, and the books, that the invoice was computed from.\n",
};
