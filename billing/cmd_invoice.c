#include <inttypes.h>
#include <stdio.h>

#include "billing/cmd.h"
#include "billing/cmd_shared.h"
#include "billing/invoice_pick.h"
#include "billing/invoice_print.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/tables/dict.h"
#include "store/tables/invoice.h"

static const struct conf_opt list_opts[] = {
    CONF_ROW_DATA,
    INVOICE_PICK_ROW_ORG,
    {"month", NULL, CONF_TEXT, "YYYY-MM", 0, 0, NULL, false, "only those that begin in this month"},
    CONF_ROW_JSON,
};

static const struct conf_opt show_opts[] = {CONF_ROW_DATA, INVOICE_PICK_ROWS, CONF_ROW_JSON};

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
    enum err_code code = invoice_pick_month(conf, &month, err);
    if (code == ERR_OK)
        code = cmd_shared_open(conf_data_dir(conf), conf_text(conf, "org"), &tables, &txn,
                               &organization, err);
    if (code == ERR_OK) {
        print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                    CLI_COUNT(columns));
        invoice_scan_begin(&scan, txn, organization);
        while (invoice_scan_next(&scan)) {
            if (invoice_pick_is_of(&scan.row, month))
                print_invoice_row(&p, txn, &scan.row);
        }
        invoice_scan_end(&scan);
        print_end(&p);
    }
    cmd_shared_close(tables, txn);
    return code;
}

static enum err_code
run_show(struct cli *cli, struct err *err)
{
    struct tables *tables;
    struct tables_txn *txn;
    struct invoice invoice;
    enum err_code code = invoice_pick(&cli->conf, &tables, &txn, &invoice, err);
    if (code == ERR_OK)
        invoice_print(stdout, txn, &invoice, conf_flag(&cli->conf, "json"));
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
