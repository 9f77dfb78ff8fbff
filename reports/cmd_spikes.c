#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/cmd_shared.h"
#include "reports/cmd.h"
#include "reports/spikes/spike_stage.h"
#include "reports/spikes/spike_words.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/tables/dict.h"

enum { PICO_DIGITS = 12 };

static const struct conf_opt run_opts[] = {
    CONF_ROW_DATA,
    CONF_ROW_PRICES,
    CONF_ROW_NOTIFY,
    CONF_ROW_NOW,
    {"min-excess", "GBILL_SPIKES_MIN_EXCESS", CONF_TEXT, "AMOUNT", 0, 0, "1", false,
     "an hour's cost above the usual, in the price book's currency, below which nothing is a "
     "spike"},
    {"min-calls", "GBILL_SPIKES_MIN_CALLS", CONF_INT, "N", 1, INT64_MAX / 100, "500", false,
     "an hour's calls above the usual, below which they are no spike"},
    {"min-tokens", "GBILL_SPIKES_MIN_TOKENS", CONF_INT, "N", 1, INT64_MAX / 100, "1000000", false,
     "an hour's tokens above the usual, below which they are no spike"},
    CONF_ROW_JSON,
};

static const struct conf_opt list_opts[] = {
    CONF_ROW_DATA,
    {"org", NULL, CONF_TEXT, "ID", 0, 0, NULL, false, "only this organization (default: all)"},
    {"scope", NULL, CONF_TEXT, "WHAT", 0, 0, NULL, false,
     "only those of: organization, project, user or model (default: all)"},
    CONF_ROW_JSON,
};

static const struct conf_opt show_opts[] = {CONF_ROW_DATA, CONF_ROW_JSON};

static void
print_problem(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "gbill spikes: problem: %s\n", text);
}

static void
print_result(const struct spike_result *r, enum print_form form)
{
    static const struct print_column columns[] = {
        {"organizations", PRINT_WHOLE}, {"judged", PRINT_WHOLE},    {"found", PRINT_WHOLE},
        {"updated", PRINT_WHOLE},       {"withdrawn", PRINT_WHOLE}, {"bursts", PRINT_WHOLE},
        {"messages", PRINT_WHOLE},      {"position", PRINT_WHOLE}};
    struct print p;
    print_begin(&p, stdout, form, columns, CLI_COUNT(columns));
    print_whole(&p, r->organizations);
    print_whole(&p, r->judged);
    print_whole(&p, r->found);
    print_whole(&p, r->updated);
    print_whole(&p, r->withdrawn);
    print_whole(&p, r->bursts);
    print_whole(&p, r->messages);
    print_whole(&p, r->position);
    print_end(&p);
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *least = conf_text(conf, "min-excess");
    struct price_book *prices = NULL;
    struct notify_conf *notify = NULL;
    struct clock clock;
    struct spike_result r;
    int64_t gate_pico;
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code == ERR_OK && (!money_parse(str_of(least), PICO_DIGITS, &gate_pico) || gate_pico < 0))
        code = err_set(err, ERR_USAGE, "--min-excess %s is no amount such as 1 or 0.50", least);
    if (code == ERR_OK)
        code = price_book_load(conf_text(conf, "prices"), &prices, err);
    if (code == ERR_OK && conf_text(conf, "notify") != NULL)
        code = notify_conf_load(conf_text(conf, "notify"), &notify, err);
    if (code != ERR_OK) {
        price_book_free(prices);
        return code;
    }
    const struct spike_options o = {
        .data_directory = conf_data_dir(conf),
        .prices = prices,
        .clock = &clock,
        .gate = {(uint64_t)conf_int(conf, "min-calls"), (uint64_t)conf_int(conf, "min-tokens"),
                 gate_pico},
        .notify = notify,
        .problem = print_problem,
    };
    code = spike_stage_run(&o, &r, err);
    notify_conf_free(notify);
    price_book_free(prices);
    if (code == ERR_OK)
        print_result(&r, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE);
    return code;
}

/* ---- list and show ---- */

static void
print_hour(struct print *p, uint32_t hour)
{
    char text[TIME_TEXT_BYTES], whole[TIME_TEXT_BYTES + 4];
    time_format_hour(hour, text);
    snprintf(whole, sizeof whole, "%s:00Z", text);
    print_text(p, str_of(whole));
}

static void
print_cost(struct print *p, enum print_form form, money_sum pico)
{
    char text[MONEY_TEXT_BYTES];
    if (form == PRINT_TABLE)
        money_format_fixed(pico, PICO_DIGITS, 2, text);
    else
        money_format(pico, PICO_DIGITS, text);
    print_amount(p, text);
}

/* A percentage, or nothing where nothing is usual. */
static void
print_percent(struct print *p, money_sum actual, money_sum usual)
{
    char text[24] = "";
    uint64_t percent = spike_percent(actual, usual);
    if (percent != UINT64_MAX)
        snprintf(text, sizeof text, "%" PRIu64, percent);
    print_text(p, str_of(text));
}

static const char *
state_of(const struct spike *row)
{
    return row->withdrawn ? "withdrawn" : row->burst ? "burst" : "spike";
}

static const struct print_column list_columns[] = {
    {"id", PRINT_TEXT},      {"organization", PRINT_TEXT}, {"scope", PRINT_TEXT},
    {"value", PRINT_TEXT},   {"from", PRINT_TEXT},         {"to", PRINT_TEXT},
    {"cost", PRINT_AMOUNT},  {"usualCost", PRINT_AMOUNT},  {"currency", PRINT_TEXT},
    {"percent", PRINT_TEXT}, {"calls", PRINT_WHOLE},       {"usualCalls", PRINT_WHOLE},
    {"tokens", PRINT_WHOLE}, {"usualTokens", PRINT_WHOLE}, {"measures", PRINT_TEXT},
    {"state", PRINT_TEXT},
};

/* "cost calls": what rose, the leading one first. */
static void
print_measures(struct print *p, uint8_t measures)
{
    char text[32] = "";
    size_t used = 0;
    for (int m = SPIKE_MEASURES - 1; m >= 0; m--) {
        if ((measures >> m & 1) != 0)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? " " : "",
                                     spike_measure_name((enum spike_measure)m));
    }
    print_text(p, str_of(text));
}

static void
print_row(struct print *p, enum print_form form, struct tables_txn *txn, const struct spike *row)
{
    char id[SPIKE_ID_BYTES], value[SPIKE_SUBJECT_BYTES];
    enum spike_measure leading = spike_leading(row->measures);
    spike_id(txn, row, id);
    spike_subject_text(txn, row->organization, &row->subject, value);
    print_text(p, str_of(id));
    print_text(p, dict_text(txn, row->organization));
    print_text(p, str_of(spike_scope_name(row->subject.scope)));
    if (form == PRINT_TABLE)
        print_text(p, row->subject.scope == SPIKE_ORGANIZATION ? str_of("") : str_of(value));
    else
        print_text(p, dict_text(txn, row->subject.value));
    print_hour(p, row->from_hour);
    print_hour(p, row->to_hour);
    print_cost(p, form, row->actual.cost_pico);
    print_cost(p, form, row->usual.cost_pico);
    print_text(p, str_of(row->currency));
    print_percent(p, spike_measure_of(&row->actual, leading),
                  spike_measure_of(&row->usual, leading));
    print_whole(p, row->actual.calls);
    print_whole(p, row->usual.calls);
    print_whole(p, row->actual.tokens);
    print_whole(p, row->usual.tokens);
    print_measures(p, row->measures);
    print_text(p, str_of(state_of(row)));
}

static bool
is_scope(const char *scope)
{
    for (int s = 0; s < SPIKE_SCOPE_COUNT; s++) {
        if (strcmp(scope, spike_scope_name((enum spike_scope)s)) == 0)
            return true;
    }
    return false;
}

static enum err_code
run_list(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *scope = conf_text(conf, "scope");
    enum print_form form = conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE;
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct spike_scan scan;
    struct print p;
    uint32_t organization;
    if (scope != NULL && !is_scope(scope))
        return err_set(err, ERR_USAGE, "--scope is organization, project, user or model, not %.64s",
                       scope);
    enum err_code code = cmd_shared_open(conf_data_dir(conf), conf_text(conf, "org"), &tables, &txn,
                                         &organization, err);
    if (code == ERR_OK) {
        print_begin(&p, stdout, form, list_columns, CLI_COUNT(list_columns));
        spike_scan_begin(&scan, txn, organization);
        while (spike_scan_next(&scan)) {
            if (scope == NULL || strcmp(scope, spike_scope_name(scan.row.subject.scope)) == 0)
                print_row(&p, form, txn, &scan.row);
        }
        spike_scan_end(&scan);
        print_end(&p);
    }
    cmd_shared_close(tables, txn);
    return code;
}

static bool
find_row(struct tables_txn *txn, const char *id, struct spike *ret)
{
    struct spike_scan scan;
    char text[SPIKE_ID_BYTES];
    bool found = false;
    spike_scan_begin(&scan, txn, 0);
    while (!found && spike_scan_next(&scan)) {
        spike_id(txn, &scan.row, text);
        found = strcmp(text, id) == 0;
        if (found)
            *ret = scan.row;
    }
    spike_scan_end(&scan);
    return found;
}

static void
show_driver(struct tables_txn *txn, const struct spike *row, enum spike_scope scope)
{
    const struct spike_driver *d = &row->drivers[scope];
    const struct spike_subject subject = {scope, d->provider, d->value};
    char text[SPIKE_SUBJECT_BYTES], amount[MONEY_TEXT_BYTES];
    if (d->excess_pico <= 0 && d->value == 0)
        return;
    spike_subject_text(txn, row->organization, &subject, text);
    money_format_fixed(d->excess_pico, PICO_DIGITS, 2, amount);
    printf("  %-12s %s", spike_scope_name(scope), text);
    if (d->excess_pico > 0)
        printf(": %s %s more than before", amount, row->currency);
    printf("\n");
}

static void
show_text(struct tables_txn *txn, const struct spike *row)
{
    char peak[TIME_TEXT_BYTES], noticed[TIME_TEXT_BYTES];
    time_format_hour(row->peak_hour, peak);
    time_format_ms(row->noticed_ms, noticed);
    printf("%s\n\n", row->text);
    printf(
        "noticed        %s\nlargest excess %s:00Z\nthreshold      %u %% of the usual\nabove it      ",
        noticed, peak, row->threshold_percent);
    for (int m = 0; m < SPIKE_MEASURES; m++) {
        if ((row->measures >> m & 1) != 0)
            printf(" %s", spike_measure_name((enum spike_measure)m));
    }
    printf("\nmost of it\n");
    for (int s = SPIKE_PROJECT; s < SPIKE_SCOPE_COUNT; s++)
        show_driver(txn, row, (enum spike_scope)s);
}

static enum err_code
run_show(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *id = conf->args[0];
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct spike row;
    struct print p;
    uint32_t nobody;
    enum err_code code = cmd_shared_open(conf_data_dir(conf), NULL, &tables, &txn, &nobody, err);
    if (code == ERR_OK && !find_row(txn, id, &row))
        code = err_set(err, ERR_NOT_FOUND,
                       "no spike has the id %.64s; gbill spikes list names them", id);
    if (code == ERR_OK && conf_flag(conf, "json")) {
        static const struct print_column text = {"text", PRINT_TEXT};
        struct print_column columns[CLI_COUNT(list_columns) + 1];
        memcpy(columns, list_columns, sizeof list_columns);
        columns[CLI_COUNT(list_columns)] = text;
        print_begin(&p, stdout, PRINT_JSON, columns, CLI_COUNT(columns));
        print_row(&p, PRINT_JSON, txn, &row);
        print_text(&p, str_of(row.text));
        print_end(&p);
    } else if (code == ERR_OK) {
        show_text(txn, &row);
    }
    cmd_shared_close(tables, txn);
    return code;
}

const struct cli_cmd cmd_spikes_run = {
    .name = "spikes run",
    .args = "",
    .opts = run_opts,
    .opt_count = CLI_COUNT(run_opts),
    .run = run,
    .summary = "look for spending and usage out of the ordinary, and keep what is found",
    .help =
        "Judges the last 35 days of every organization whose usage has changed, hour by hour: the\n"
        "organization, each project, user and model; their cost, tokens and calls.  An hour counts\n"
        "when one of these is at least the organization's threshold (spikeDetection of its budget\n"
        "event; 200 % of the usual where it says nothing), further from the usual than all but one\n"
        "in a thousand hours before, and above it by --min-excess, --min-tokens or --min-calls;\n"
        "two to four such hours together are a spike.  The usual is what the same hour of the week\n"
        "had.  Nothing is judged before there are three days of history.  Calls of the last minutes\n"
        "are looked at one minute at a time, for runaway loops.\n"
        "\n"
        "Prices are needed for those minutes.  Models without a price are watched by their tokens\n"
        "and calls.\n"
        "\n"
        "Whoever hears of budgets' alerts is told of a new spike (--notify), once, by the next gbill\n"
        "notify.\n",
};

const struct cli_cmd cmd_spikes_list = {
    .name = "spikes list",
    .args = "",
    .opts = list_opts,
    .opt_count = CLI_COUNT(list_opts),
    .run = run_list,
    .summary = "list the spikes that were found",
    .help =
        "By organization, oldest first.  measures is what rose; percent is the first of them, of its\n"
        "usual, and empty where nothing is usual.\n"
        "A withdrawn one has been taken back since, by a void or a new price.\n"
        "\n"
        "Example: gbill spikes list --org acme --scope user --json\n",
};

const struct cli_cmd cmd_spikes_show = {
    .name = "spikes show",
    .args = "ID",
    .args_min = 1,
    .args_max = 1,
    .opts = show_opts,
    .opt_count = CLI_COUNT(show_opts),
    .run = run_show,
    .summary = "show one spike: when, what, how much, and who drives it",
    .help = "The largest part of the excess by project, user and model, against the same hours of\n"
            "the four weeks before.\n",
};
