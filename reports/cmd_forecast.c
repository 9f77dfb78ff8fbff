#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/cmd_shared.h"
#include "reports/cmd.h"
#include "reports/forecast/forecast_stage.h"
#include "rollup/price/price.h"
#include "store/base/currency.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/tables/dict.h"
#include "store/tables/forecast.h"

enum { PICO_DIGITS = 12, TESTED_FEW = 10 };

#define ROW_MONTH(help)                                              \
    {                                                                \
        "month", NULL, CONF_TEXT, "YYYY-MM", 0, 0, NULL, false, help \
    }

static const struct conf_opt run_opts[] = {CONF_ROW_DATA, CONF_ROW_PRICES, CONF_ROW_NOW,
                                           CONF_ROW_JSON};

static const struct conf_opt list_opts[] = {
    CONF_ROW_DATA,
    {"org", NULL, CONF_TEXT, "ID", 0, 0, NULL, false, "only this organization (default: all)"},
    ROW_MONTH("only this month (default: all)"),
    {"csv", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "print CSV (RFC 4180) for programs"},
    CONF_ROW_JSON,
};

static const struct conf_opt show_opts[] = {
    CONF_ROW_DATA,
    ROW_MONTH("this month (default: the latest)"),
    CONF_ROW_JSON,
};

static enum err_code
run(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {
        {"organizations", PRINT_WHOLE}, {"made", PRINT_WHOLE}, {"position", PRINT_WHOLE}};
    const struct conf *conf = &cli->conf;
    struct price_book *prices;
    struct clock clock;
    struct forecast_result r;
    struct print p;
    char currency[4];
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code == ERR_OK)
        code = price_book_load(conf_text(conf, "prices"), &prices, err);
    if (code != ERR_OK)
        return code;
    snprintf(currency, sizeof currency, "%.*s", STR_ARG(prices->currency));
    price_book_free(prices);
    const struct forecast_options o = {conf_data_dir(conf), currency, &clock};
    code = forecast_stage_run(&o, &r, err);
    if (code != ERR_OK)
        return code;
    print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    print_whole(&p, r.organizations);
    print_whole(&p, r.made);
    print_whole(&p, r.position);
    print_end(&p);
    return ERR_OK;
}

/* ---- list ---- */

/* Those for a program; a person has what fits a line. */
static const struct print_column columns[] = {
    {"organization", PRINT_TEXT},    {"month", PRINT_TEXT},          {"currency", PRINT_TEXT},
    {"cost", PRINT_AMOUNT},          {"expectedCost", PRINT_AMOUNT}, {"lowCost", PRINT_AMOUNT},
    {"highCost", PRINT_AMOUNT},      {"calls", PRINT_WHOLE},         {"expectedCalls", PRINT_WHOLE},
    {"lowCalls", PRINT_WHOLE},       {"highCalls", PRINT_WHOLE},     {"tokens", PRINT_WHOLE},
    {"expectedTokens", PRINT_WHOLE}, {"lowTokens", PRINT_WHOLE},     {"highTokens", PRINT_WHOLE},
    {"unpricedCalls", PRINT_WHOLE},  {"method", PRINT_TEXT},         {"historyDays", PRINT_WHOLE},
    {"tested", PRINT_WHOLE},         {"logPosition", PRINT_WHOLE},   {"madeAt", PRINT_TEXT},
};

static const struct print_column table_columns[] = {
    {"organization", PRINT_TEXT}, {"month", PRINT_TEXT},          {"spent", PRINT_AMOUNT},
    {"expected", PRINT_AMOUNT},   {"low", PRINT_AMOUNT},          {"high", PRINT_AMOUNT},
    {"currency", PRINT_TEXT},     {"expectedCalls", PRINT_WHOLE}, {"expectedTokens", PRINT_WHOLE},
    {"historyDays", PRINT_WHOLE}, {"tested", PRINT_WHOLE},
};

static void
print_month(struct print *p, int32_t month)
{
    char text[TIME_TEXT_BYTES];
    time_format_month(month, text);
    print_text(p, str_of(text));
}

static void
print_people_row(struct print *p, struct tables_txn *txn, const struct forecast_row *row)
{
    const struct forecast_range *cost = &row->ranges[FORECAST_COST];
    print_text(p, dict_text(txn, row->organization));
    print_month(p, row->month);
    print_pico(p, cost->so_far, row->currency);
    print_pico(p, cost->expected, row->currency);
    print_pico(p, cost->low, row->currency);
    print_pico(p, cost->high, row->currency);
    print_text(p, str_of(row->currency));
    print_whole(p, (uint64_t)row->ranges[FORECAST_CALLS].expected);
    print_whole(p, (uint64_t)row->ranges[FORECAST_TOKENS].expected);
    print_whole(p, row->history_days);
    print_whole(p, row->tested);
}

static void
print_row(struct print *p, struct tables_txn *txn, const struct forecast_row *row)
{
    char made[TIME_TEXT_BYTES];
    print_text(p, dict_text(txn, row->organization));
    print_month(p, row->month);
    print_text(p, str_of(row->currency));
    for (int k = 0; k < FORECAST_MEASURES; k++) {
        const struct forecast_range *r = &row->ranges[k];
        const money_sum values[] = {r->so_far, r->expected, r->low, r->high};
        for (size_t i = 0; i < CLI_COUNT(values); i++) {
            if (k == FORECAST_COST)
                print_pico(p, values[i], row->currency);
            else
                print_whole(p, (uint64_t)values[i]);
        }
    }
    print_whole(p, row->unpriced_calls);
    print_text(p, str_of(forecast_method_name(row->method)));
    print_whole(p, row->history_days);
    print_whole(p, row->tested);
    print_whole(p, row->position);
    time_format_ms(row->made_ms, made);
    print_text(p, str_of(made));
}

/* -1: none is asked for. */
static enum err_code
read_month(const struct conf *conf, int32_t *ret, struct err *err)
{
    const char *text = conf_text(conf, "month");
    int64_t ms = 0;
    if (text != NULL &&
        (!time_parse(str_of(text), &ms) || time_month_start_ms(time_month(ms)) != ms))
        return err_set(err, ERR_USAGE, "--month %.64s is no month such as 2026-11", text);
    *ret = text == NULL ? -1 : time_month(ms);
    return ERR_OK;
}

static enum err_code
run_list(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    bool csv = conf_flag(conf, "csv"), json = conf_flag(conf, "json");
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct forecast_scan scan;
    struct print p;
    uint32_t organization;
    int32_t month;
    if (csv && json)
        return err_set(err, ERR_USAGE, "--csv and --json exclude each other; give one");
    enum err_code code = read_month(conf, &month, err);
    if (code == ERR_OK)
        code = cmd_shared_open(conf_data_dir(conf), conf_text(conf, "org"), &tables, &txn,
                               &organization, err);
    if (code == ERR_OK) {
        if (csv || json)
            print_begin(&p, stdout, csv ? PRINT_CSV : PRINT_JSON, columns, CLI_COUNT(columns));
        else
            print_begin(&p, stdout, PRINT_TABLE, table_columns, CLI_COUNT(table_columns));
        forecast_scan_begin(&scan, txn, organization);
        while (forecast_scan_next(&scan)) {
            if (month >= 0 && scan.row.month != month)
                continue;
            if (csv || json)
                print_row(&p, txn, &scan.row);
            else
                print_people_row(&p, txn, &scan.row);
        }
        forecast_scan_end(&scan);
        print_end(&p);
    }
    cmd_shared_close(tables, txn);
    return code;
}

/* ---- show ---- */

static void
show_amount(const struct forecast_row *row, money_sum pico, char text[MONEY_TEXT_BYTES])
{
    money_format_fixed(pico, PICO_DIGITS, currency_minor_digits(row->currency), text);
}

static void
show_basis(const struct forecast_row *row)
{
    char made[TIME_TEXT_BYTES];
    time_format_ms(row->made_ms, made);
    printf("made       %s, log position %" PRIu64 "\n", made, row->position);
    printf("rests on   %u whole days of history", row->history_days);
    if (row->tested >= TESTED_FEW)
        printf("; %u past forecasts as of then were held against what came\n", row->tested);
    else
        printf(" and %u past forecasts only: a guess, and a wide one\n", row->tested);
    if (row->unpriced_calls > 0)
        printf("missing    %" PRIu64 " calls of the month have no price: they are in no amount\n",
               row->unpriced_calls);
}

static void
show_days(const struct forecast_row *row)
{
    char day[TIME_TEXT_BYTES], expected[MONEY_TEXT_BYTES], low[MONEY_TEXT_BYTES],
        high[MONEY_TEXT_BYTES];
    printf("\nat the end of  %16s %16s %16s\n", "expected", "low", "high");
    for (uint32_t i = 0; i < row->day_count; i++) {
        time_format_day((int64_t)row->first_day + i, day);
        show_amount(row, row->days[i].expected, expected);
        show_amount(row, row->days[i].low, low);
        show_amount(row, row->days[i].high, high);
        printf("%-13s  %16s %16s %16s\n", day, expected, low, high);
    }
}

static void
show_text(struct str organization, const struct forecast_row *row)
{
    char month[TIME_TEXT_BYTES], so_far[MONEY_TEXT_BYTES], expected[MONEY_TEXT_BYTES],
        low[MONEY_TEXT_BYTES], high[MONEY_TEXT_BYTES];
    const struct forecast_range *cost = &row->ranges[FORECAST_COST];
    time_format_month(row->month, month);
    show_amount(row, cost->so_far, so_far);
    show_amount(row, cost->expected, expected);
    show_amount(row, cost->low, low);
    show_amount(row, cost->high, high);
    printf("%.*s, %s: %s %s at the month's end, four times in five %s to %s\n",
           STR_ARG(organization), month, expected, row->currency, low, high);
    printf("spent      %s %s so far\n", so_far, row->currency);
    for (int k = FORECAST_CALLS; k < FORECAST_MEASURES; k++) {
        const struct forecast_range *r = &row->ranges[k];
        printf("%-10s %" PRIu64 " expected, %" PRIu64 " to %" PRIu64 "; %" PRIu64 " so far\n",
               forecast_measure_name((enum forecast_measure)k), (uint64_t)r->expected,
               (uint64_t)r->low, (uint64_t)r->high, (uint64_t)r->so_far);
    }
    show_basis(row);
    show_days(row);
}

static void
show_json(struct str organization, const struct forecast_row *row)
{
    static const struct print_column day_columns[] = {
        {"organization", PRINT_TEXT}, {"day", PRINT_TEXT},    {"cost", PRINT_AMOUNT},
        {"low", PRINT_AMOUNT},        {"high", PRINT_AMOUNT}, {"currency", PRINT_TEXT}};
    struct print p;
    print_begin(&p, stdout, PRINT_JSON, day_columns, CLI_COUNT(day_columns));
    for (uint32_t i = 0; i < row->day_count; i++) {
        char day[TIME_TEXT_BYTES];
        time_format_day((int64_t)row->first_day + i, day);
        print_text(&p, organization);
        print_text(&p, str_of(day));
        print_pico(&p, row->days[i].expected, row->currency);
        print_pico(&p, row->days[i].low, row->currency);
        print_pico(&p, row->days[i].high, row->currency);
        print_text(&p, str_of(row->currency));
    }
    print_end(&p);
}

/* The last of an organization's rows, or that of a month. */
static bool
find_row(struct tables_txn *txn, uint32_t organization, int32_t month, struct forecast_row *ret)
{
    struct forecast_scan scan;
    bool found = false;
    forecast_scan_begin(&scan, txn, organization);
    while (forecast_scan_next(&scan)) {
        if (month >= 0 && scan.row.month != month)
            continue;
        *ret = scan.row;
        found = true;
    }
    forecast_scan_end(&scan);
    return found;
}

static enum err_code
run_show(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct forecast_row row;
    uint32_t organization;
    int32_t month;
    enum err_code code = read_month(conf, &month, err);
    if (code == ERR_OK)
        code =
            cmd_shared_open(conf_data_dir(conf), conf->args[0], &tables, &txn, &organization, err);
    if (code == ERR_OK && !find_row(txn, organization, month, &row))
        code = err_set(err, ERR_NOT_FOUND,
                       "%.256s has no forecast%s; run gbill forecast run, and gbill forecast list "
                       "says which there are",
                       conf->args[0], month >= 0 ? " of that month" : "");
    if (code == ERR_OK && conf_flag(conf, "json"))
        show_json(dict_text(txn, organization), &row);
    else if (code == ERR_OK)
        show_text(dict_text(txn, organization), &row);
    cmd_shared_close(tables, txn);
    return code;
}

const struct cli_cmd cmd_forecast_run = {
    .name = "forecast run",
    .args = "",
    .opts = run_opts,
    .opt_count = CLI_COUNT(run_opts),
    .run = run,
    .summary = "forecast what the month will have come to at its end",
    .help =
        "For every organization whose usage or hour has changed: cost, calls and tokens of the month\n"
        "so far, expected at its end, and an interval that four months in five end in.  The last 13\n"
        "weeks are looked at.  The interval comes from what the same method, as of each day before,\n"
        "missed at the same distance; with a few days of history it is wide.  What is spent is no\n"
        "longer forecast: no figure is below it.\n"
        "\n"
        "Prices are needed for their currency alone.  Calls without a price are in no cost.\n",
};

const struct cli_cmd cmd_forecast_list = {
    .name = "forecast list",
    .args = "",
    .opts = list_opts,
    .opt_count = CLI_COUNT(list_opts),
    .run = run_list,
    .summary = "list the forecasts, by organization and month",
    .help =
        "The row of a month that has ended stays what was expected last.  tested is how many past\n"
        "forecasts the interval rests on; with less than ten it is a guess.\n"
        "\n"
        "Example: gbill forecast list --month 2026-11 --csv\n",
};

const struct cli_cmd cmd_forecast_show = {
    .name = "forecast show",
    .args = "ORG",
    .args_min = 1,
    .args_max = 1,
    .opts = show_opts,
    .opt_count = CLI_COUNT(show_opts),
    .run = run_show,
    .summary = "show one organization's forecast, day by day to the month's end",
    .help = "Days are UTC; amounts are since the month's first instant.  --json prints the days.\n"
            "\n"
            "Example: gbill forecast show acme\n",
};
