#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "billing/cmd_shared.h"
#include "billing/plan/plan.h"
#include "reports/cmd.h"
#include "reports/optimize/optimize_stage.h"
#include "reports/optimize/optimize_view.h"
#include "rollup/price/price.h"
#include "store/base/currency.h"
#include "store/base/list.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/tables/dict.h"
#include "store/tables/efficiency.h"
#include "store/tables/recommendation.h"

enum { PICO_DIGITS = 12 };

static const struct conf_opt run_opts[] = {
    CONF_ROW_DATA,
    CONF_ROW_PRICES,
    CONF_ROW_PLANS,
    CONF_ROW_NOW,
    {"again", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "look at everybody again, also who was looked at today"},
    CONF_ROW_JSON,
};

static const struct conf_opt list_opts[] = {
    CONF_ROW_DATA,
    {"org", NULL, CONF_TEXT, "ID", 0, 0, NULL, false, "only this organization (default: all)"},
    {"type", NULL, CONF_TEXT, "TYPE", 0, 0, NULL, false, "only of this type, such as batch"},
    {"status", NULL, CONF_TEXT, "STATUS", 0, 0, NULL, false, "only pending, applied or dismissed"},
    {"csv", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "print CSV (RFC 4180) for programs"},
    CONF_ROW_JSON,
};

static const struct conf_opt show_opts[] = {CONF_ROW_DATA, CONF_ROW_JSON};

/* ---- run ---- */

static void
show_progress(void *context, uint64_t seq, uint64_t last_seq)
{
    (void)context;
    fprintf(stderr, "\rreading the log: event %" PRIu64 " of %" PRIu64, seq, last_seq);
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {
        {"organizations", PRINT_WHOLE}, {"calls", PRINT_WHOLE},     {"made", PRINT_WHOLE},
        {"answered", PRINT_WHOLE},      {"forgotten", PRINT_WHOLE}, {"position", PRINT_WHOLE}};
    const struct conf *conf = &cli->conf;
    struct clock clock;
    struct optimize_result r;
    struct print p;
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code != ERR_OK)
        return code;
    const struct optimize_options o = {
        .data_directory = conf_data_dir(conf),
        .prices_path = conf_text(conf, "prices"),
        .plans_path = conf_text(conf, "plans"),
        .clock = &clock,
        .again = conf_flag(conf, "again"),
        .progress = isatty(STDERR_FILENO) ? show_progress : NULL,
    };
    code = optimize_stage_run(&o, &r, err);
    if (o.progress != NULL)
        fprintf(stderr, "\r%60s\r", "");
    if (code != ERR_OK)
        return code;
    print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    print_whole(&p, r.organizations);
    print_whole(&p, r.calls);
    print_whole(&p, r.made);
    print_whole(&p, r.answered);
    print_whole(&p, r.forgotten);
    print_whole(&p, r.position);
    print_end(&p);
    return ERR_OK;
}

/* ---- list ---- */

/* Those for a program; a person has what fits a line. */
static const struct print_column columns[] = {
    {"id", PRINT_TEXT},
    {"organization", PRINT_TEXT},
    {"type", PRINT_TEXT},
    {"priority", PRINT_TEXT},
    {"status", PRINT_TEXT},
    {"candidate", PRINT_TEXT},
    {"confidence", PRINT_WHOLE},
    {"title", PRINT_TEXT},
    {"description", PRINT_TEXT},
    {"saving", PRINT_AMOUNT},
    {"savingNotInOthers", PRINT_AMOUNT},
    {"costOfCalls", PRINT_AMOUNT},
    {"currency", PRINT_TEXT},
    {"calls", PRINT_WHOLE},
    {"from", PRINT_TEXT},
    {"to", PRINT_TEXT},
    {"impact", PRINT_TEXT},
    {"implementation", PRINT_TEXT},
    {"evidence", PRINT_TEXT},
    {"createdAt", PRINT_TEXT},
    {"logPosition", PRINT_WHOLE},
};

static const struct print_column table_columns[] = {
    {"organization", PRINT_TEXT},   {"priority", PRINT_TEXT}, {"status", PRINT_TEXT},
    {"saving", PRINT_AMOUNT},       {"currency", PRINT_TEXT}, {"sure%", PRINT_WHOLE},
    {"recommendation", PRINT_TEXT},
};

static void
print_row(struct print *p, struct tables_txn *txn, const struct recommendation *r)
{
    char id[RECOMMENDATION_ID_TEXT_BYTES];
    recommendation_id_text(r->id, id);
    print_text(p, str_of(id));
    print_text(p, dict_text(txn, r->organization));
    print_text(p, str_of(recommendation_type_name(r->type)));
    print_text(p, str_of(recommendation_priority_name(r->priority)));
    print_text(p, str_of(recommendation_status_name(r->status)));
    print_text(p, str_of(r->candidate ? "true" : "false"));
    print_whole(p, r->confidence_percent);
    print_text(p, r->texts[RECOMMENDATION_TITLE]);
    print_text(p, r->texts[RECOMMENDATION_DESCRIPTION]);
    print_pico(p, r->saving_pico, r->currency);
    print_pico(p, r->share_pico, r->currency);
    print_pico(p, r->cost_pico, r->currency);
    print_text(p, str_of(r->currency));
    print_whole(p, r->calls);
    print_time(p, (int64_t)r->from_hour * TIME_HOUR_MS);
    print_time(p, (int64_t)r->to_hour * TIME_HOUR_MS);
    print_text(p, r->texts[RECOMMENDATION_IMPACT]);
    print_text(p, r->texts[RECOMMENDATION_IMPLEMENTATION]);
    print_text(p, r->texts[RECOMMENDATION_EVIDENCE]);
    print_time(p, r->created_ms);
    print_whole(p, r->position);
}

static void
print_people_row(struct print *p, struct tables_txn *txn, const struct recommendation *r)
{
    print_text(p, dict_text(txn, r->organization));
    print_text(p, str_of(recommendation_priority_name(r->priority)));
    print_text(p, str_of(recommendation_status_name(r->status)));
    print_pico(p, r->saving_pico, r->currency);
    print_text(p, str_of(r->currency));
    print_whole(p, r->confidence_percent);
    print_text(p, r->texts[RECOMMENDATION_TITLE]);
}

/* What list is to show. */
struct filter {
    bool by_type, by_status;
    enum recommendation_type type;
    enum recommendation_status status;
};

static enum err_code
read_filter(const struct conf *conf, struct filter *ret, struct err *err)
{
    const char *type = conf_text(conf, "type"), *status = conf_text(conf, "status");
    *ret = (struct filter){.by_type = type != NULL, .by_status = status != NULL};
    if (type != NULL && !recommendation_type_find(str_of(type), &ret->type))
        return err_set(err, ERR_USAGE,
                       "--type %.64s is no type of recommendation; gbill optimize list --help "
                       "names them",
                       type);
    if (status != NULL && !recommendation_status_find(str_of(status), &ret->status))
        return err_set(err, ERR_USAGE, "--status %.64s is none; give pending, applied or dismissed",
                       status);
    return ERR_OK;
}

static void
print_list(const struct conf *conf, struct tables_txn *txn, uint32_t organization,
           const struct filter *filter)
{
    bool csv = conf_flag(conf, "csv"), json = conf_flag(conf, "json");
    struct recommendation_scan scan;
    struct print p;
    if (csv || json)
        print_begin(&p, stdout, csv ? PRINT_CSV : PRINT_JSON, columns, CLI_COUNT(columns));
    else
        print_begin(&p, stdout, PRINT_TABLE, table_columns, CLI_COUNT(table_columns));
    recommendation_scan_begin(&scan, txn, organization);
    while (recommendation_scan_next(&scan)) {
        if ((filter->by_type && scan.row.type != filter->type) ||
            (filter->by_status && scan.row.status != filter->status))
            continue;
        if (csv || json)
            print_row(&p, txn, &scan.row);
        else
            print_people_row(&p, txn, &scan.row);
    }
    recommendation_scan_end(&scan);
    print_end(&p);
}

static enum err_code
run_list(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct filter filter;
    uint32_t organization;
    if (conf_flag(conf, "csv") && conf_flag(conf, "json"))
        return err_set(err, ERR_USAGE, "--csv and --json exclude each other; give one");
    enum err_code code = read_filter(conf, &filter, err);
    if (code == ERR_OK)
        code = cmd_shared_open(conf_data_dir(conf), conf_text(conf, "org"), &tables, &txn,
                               &organization, err);
    if (code == ERR_OK)
        print_list(conf, txn, organization, &filter);
    cmd_shared_close(tables, txn);
    return code;
}

/* ---- show ---- */

static void
show_steps(const struct recommendation *r)
{
    struct str text = r->texts[RECOMMENDATION_IMPLEMENTATION];
    json_t *object = json_loadb(text.data, text.size_bytes, 0, NULL), *step;
    size_t i;
    json_array_foreach (json_object_get(object, "steps"), i, step)
        printf("  - %s\n", json_string_value(step));
    json_decref(object);
}

static void
show_row(const struct recommendation *r)
{
    char id[RECOMMENDATION_ID_TEXT_BYTES], saving[MONEY_TEXT_BYTES], share[MONEY_TEXT_BYTES];
    int digits = currency_minor_digits(r->currency);
    recommendation_id_text(r->id, id);
    money_format_fixed(r->saving_pico, PICO_DIGITS, digits, saving);
    money_format_fixed(r->share_pico, PICO_DIGITS, digits, share);
    printf("\n%.*s\n", STR_ARG(r->texts[RECOMMENDATION_TITLE]));
    printf("  %s priority, %s, %u %% sure; id %s\n", recommendation_priority_name(r->priority),
           recommendation_status_name(r->status), r->confidence_percent, id);
    if (r->candidate)
        printf("  candidate: would save %s %s, if the answers serve\n", saving, r->currency);
    else if (r->type == RECOMMENDATION_PLAN)
        printf("  saves %s %s of what gbill charges\n", saving, r->currency);
    else
        printf("  saves %s %s, of which %s that nothing else here saves\n", saving, r->currency,
               share);
    printf("  %.*s\n", STR_ARG(r->texts[RECOMMENDATION_DESCRIPTION]));
    show_steps(r);
}

static void
show_text(struct str organization, const struct efficiency *e, const struct list *rows)
{
    char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES], actual[MONEY_TEXT_BYTES],
        avoidable[MONEY_TEXT_BYTES];
    const struct recommendation *r = rows->items;
    int digits = currency_minor_digits(e->currency);
    time_format_day(e->from_hour / 24, from);
    time_format_day(e->to_hour / 24 - 1, to);
    money_format_fixed(e->actual_pico, PICO_DIGITS, digits, actual);
    money_format_fixed(e->avoidable_pico, PICO_DIGITS, digits, avoidable);
    printf("%.*s, %s to %s: efficiency %u of 100\n", STR_ARG(organization), from, to, e->score);
    printf("%" PRIu64 " calls cost %s %s, of which %s could have been spared\n", e->calls, actual,
           e->currency, avoidable);
    if (e->unpriced_calls > 0)
        printf("%" PRIu64 " calls have no price: they are in no amount\n", e->unpriced_calls);
    if (rows->count == 0)
        printf("nothing to recommend\n");
    for (size_t i = 0; i < rows->count; i++)
        show_row(&r[i]);
}

static enum err_code
run_show(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct efficiency efficiency;
    struct list rows;
    uint32_t organization;
    list_init(&rows, sizeof(struct recommendation));
    enum err_code code =
        cmd_shared_open(conf_data_dir(conf), conf->args[0], &tables, &txn, &organization, err);
    if (code == ERR_OK && !efficiency_last(txn, organization, &efficiency))
        code = err_set(err, ERR_NOT_FOUND,
                       "%.256s was not looked at yet; run gbill optimize run, which looks at whole "
                       "UTC days",
                       conf->args[0]);
    if (code == ERR_OK && conf_flag(conf, "json")) {
        code = optimize_json(txn, organization, NULL, stdout, err);
    } else if (code == ERR_OK) {
        code = optimize_rows(txn, organization, NULL, &rows, err);
        if (code == ERR_OK)
            show_text(dict_text(txn, organization), &efficiency, &rows);
    }
    list_clear(&rows);
    cmd_shared_close(tables, txn);
    return code;
}

const struct cli_cmd cmd_optimize_run = {
    .name = "optimize run",
    .args = "",
    .opts = run_opts,
    .opt_count = CLI_COUNT(run_opts),
    .run = run,
    .summary = "find what could be spared of the last four weeks, and take over answers",
    .help =
        "Looks once a UTC day at all counted calls of the 28 days before it, in the log, and prices\n"
        "each anew as every lever would have had it: with its repeated prompt cached, in the batch\n"
        "tier, below a long-context threshold, not made at all.  Formulas, and what the apps can say\n"
        "in metadata so that more is seen: schemas/recommendations.md.\n"
        "\n"
        "Each run takes over feedback events: a recommendation is pending, applied or dismissed, and\n"
        "is not made twice.  One that was answered opens again only if four weeks later as much could\n"
        "be saved as then (dismissed: twice as much).\n"
        "\n"
        "made counts recommendations that are new or open again; forgotten counts prompts and\n"
        "conversations beyond the memory for them, of which repetitions were not seen.\n",
};

const struct cli_cmd cmd_optimize_list = {
    .name = "optimize list",
    .args = "",
    .opts = list_opts,
    .opt_count = CLI_COUNT(list_opts),
    .run = run_list,
    .summary = "list the recommendations",
    .help =
        "Types: cache-prompt, cache-unread, cache-life, batch, model, long-context, retries,\n"
        "truncation, context-growth, reasoning, service-tier, plan.\n"
        "\n"
        "saving is what each would save by itself; savings overlap.  savingNotInOthers do not, and\n"
        "add up to what the efficiency calls avoidable.  A candidate (model, context-growth,\n"
        "reasoning) has to be tried first, so its savingNotInOthers is 0.\n"
        "\n"
        "Answer one by a feedback event with its id: {\"recommendation\": ID, \"status\": \"applied\"}.\n"
        "\n"
        "Example: gbill optimize list --org acme --status pending --csv\n",
};

const struct cli_cmd cmd_optimize_show = {
    .name = "optimize show",
    .args = "ORG",
    .args_min = 1,
    .args_max = 1,
    .opts = show_opts,
    .opt_count = CLI_COUNT(show_opts),
    .run = run_show,
    .summary = "show an organization's efficiency and what to do about it",
    .help =
        "The efficiency is 100 x (1 - avoidable / actual): avoidable counts each call once, with the\n"
        "lever that would have saved most of it, so it never exceeds the bill.  The recommendation\n"
        "with the largest part of it comes first.\n"
        "\n"
        "Example: gbill optimize show acme\n",
};
