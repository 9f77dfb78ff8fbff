#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "rollup/audit.h"
#include "rollup/cmd.h"
#include "rollup/cmd_audit.h"
#include "store/base/file.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/tables/balance.h"
#include "store/tables/dict.h"
#include "store/tables/usage.h"

enum { FINDINGS_SHOWN_MAX = 100, COLUMNS_MAX = 2 + BALANCE_COUNT + 1 };

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"by", NULL, CONF_TEXT, "PERIOD", 0, 0, "hour", false,
     "rows by organization and hour, day or month, or by org alone"},
    {"org", NULL, CONF_TEXT, "ID", 0, 0, NULL, false,
     "show only this organization (- of --acts: what is nobody's)"},
    {"from", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false, "show hours from here on"},
    {"to", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false, "show hours before this one"},
    {"log", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "also read the whole log, verify it and count it against the tables"},
    {"conflicts", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "instead list events that came again under their id with another content"},
    {"voids", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "instead list what void events named, and what became of that"},
    {"acts", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "instead list what administrators did: keys, budgets, what was redriven, what was pruned"},
    {"roots", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "instead list the roots of the log's closed days, and publish them"},
    {"output", NULL, CONF_TEXT, "FILE", 0, 0, NULL, false,
     "with --roots: their file (default: roots.jsonl in the data directory)"},
    {"csv", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "print CSV (RFC 4180) for programs"},
    CONF_ROW_JSON,
};

/* ---- the rows ---- */

enum period { BY_HOUR, BY_DAY, BY_MONTH, BY_ORG, PERIODS };

static const char *const period_words[PERIODS] = {"hour", "day", "month", "org"};

struct query {
    enum period by;
    uint32_t organization; /* UINT32_MAX: all */
    uint32_t from_hour, to_hour;
};

static enum err_code
read_query(const struct conf *conf, struct tables_txn *txn, struct query *q, struct err *err)
{
    const char *by = conf_text(conf, "by"), *organization = conf_text(conf, "org");
    const char *from = conf_text(conf, "from"), *to = conf_text(conf, "to");
    *q = (struct query){.by = BY_HOUR, .organization = UINT32_MAX, .to_hour = UINT32_MAX};
    while (q->by < PERIODS && !str_is(str_of(by), period_words[q->by]))
        q->by++;
    if (q->by == PERIODS)
        return err_set(err, ERR_USAGE, "--by %s: write hour, day, month or org", by);
    enum err_code code = ERR_OK;
    if (from != NULL)
        code = usage_hour_parse("--from", from, &q->from_hour, err);
    if (code == ERR_OK && to != NULL)
        code = usage_hour_parse("--to", to, &q->to_hour, err);
    if (code == ERR_OK && q->from_hour >= q->to_hour)
        code = err_set(err, ERR_USAGE, "--to %s is not behind --from %s", to, from);
    if (code == ERR_OK && organization != NULL &&
        !dict_find(txn, str_of(organization), &q->organization))
        code = err_set(err, ERR_NOT_FOUND, "no event of organization \"%s\"; ids match exactly",
                       organization);
    return code;
}

/* The period that an hour lies in, as its own number. */
static int64_t
period_of(const struct query *q, uint32_t hour)
{
    switch (q->by) {
    case BY_HOUR:
        return hour;
    case BY_DAY:
        return hour / 24;
    case BY_MONTH:
        return time_month((int64_t)hour * TIME_HOUR_MS);
    default:
        return 0;
    }
}

static void
period_text(const struct query *q, int64_t period, char text[TIME_TEXT_BYTES])
{
    if (q->by == BY_HOUR)
        time_format_hour(period, text);
    else if (q->by == BY_DAY)
        time_format_day(period, text);
    else
        time_format_month((int32_t)period, text);
}

static void
put_numbers(struct print *p, const struct balance *b)
{
    int64_t open = (int64_t)b->events[BALANCE_ACCEPTED];
    char text[24];
    for (int c = BALANCE_PRICED; c <= BALANCE_SETTINGS; c++)
        open -= (int64_t)b->events[c];
    for (int c = 0; c < BALANCE_COUNT; c++)
        print_whole(p, b->events[c]);
    snprintf(text, sizeof text, "%" PRId64, open);
    print_amount(p, text);
}

/* A row that is being added up: an organization's consecutive hours. */
struct group {
    bool any;
    uint32_t organization;
    int64_t period;
    struct balance sum;
};

static void
put_group(struct print *p, struct tables_txn *txn, const struct query *q, const struct group *g)
{
    char text[TIME_TEXT_BYTES];
    if (!g->any)
        return;
    struct str name = g->organization == 0 && p->form == PRINT_TABLE
                          ? str_of("(quarantine)")
                          : dict_text(txn, g->organization);
    print_text(p, name);
    if (q->by != BY_ORG) {
        period_text(q, g->period, text);
        print_text(p, str_of(text));
    }
    put_numbers(p, &g->sum);
}

static size_t
columns_of(const struct query *q, struct print_column columns[COLUMNS_MAX])
{
    size_t n = 0;
    columns[n++] = (struct print_column){"organizationId", PRINT_TEXT};
    if (q->by != BY_ORG)
        columns[n++] = (struct print_column){period_words[q->by], PRINT_TEXT};
    for (int c = 0; c < BALANCE_COUNT; c++)
        columns[n++] =
            (struct print_column){balance_column_name((enum balance_column)c), PRINT_WHOLE};
    columns[n++] = (struct print_column){"open", PRINT_WHOLE};
    return n;
}

static void
put_rows(struct print *p, struct tables_txn *txn, const struct query *q)
{
    struct balance_scan scan;
    struct group g = {0};
    struct balance total = {0};
    balance_scan_begin(&scan, txn);
    while (balance_scan_next(&scan)) {
        int64_t period = period_of(q, scan.hour);
        if ((q->organization != UINT32_MAX && scan.organization != q->organization) ||
            scan.hour < q->from_hour || scan.hour >= q->to_hour)
            continue;
        if (!g.any || g.organization != scan.organization || g.period != period) {
            put_group(p, txn, q, &g);
            g = (struct group){true, scan.organization, period, {{0}}};
        }
        balance_sum(&g.sum, &scan.row);
        balance_sum(&total, &scan.row);
    }
    balance_scan_end(&scan);
    put_group(p, txn, q, &g);
    if (p->form == PRINT_TABLE) {
        print_text(p, str_of("total"));
        if (q->by != BY_ORG)
            print_text(p, str_of(""));
        put_numbers(p, &total);
    }
}

/* ---- the checks ---- */

struct told {
    uint64_t findings;
    bool tty;
};

static void
clear_progress(const struct told *told)
{
    if (told->tty)
        fputs("\r\033[K", stderr);
}

static void
tell(void *context, const char *text)
{
    struct told *told = context;
    if (++told->findings > FINDINGS_SHOWN_MAX)
        return;
    clear_progress(told);
    fprintf(stderr, "gbill audit: %s\n", text);
}

static void
show_progress(void *context, uint64_t seq)
{
    (void)context;
    fprintf(stderr, "\rread the log up to event %" PRIu64, seq);
}

static enum err_code
check(const struct conf *conf, struct tables_txn *txn, struct err *err)
{
    char log[FILE_PATH_BYTES_MAX];
    struct told told = {.tty = isatty(STDERR_FILENO) != 0};
    bool with_log = conf_flag(conf, "log");
    uint64_t found = 0;
    enum err_code code = file_path(log, conf_data_dir(conf), "log", err);
    struct audit_options o = {.txn = txn,
                              .log_directory = with_log ? log : NULL,
                              .found = tell,
                              .progress = told.tty && with_log ? show_progress : NULL,
                              .context = &told};
    if (code == ERR_OK)
        code = audit_run(&o, &found, err);
    clear_progress(&told);
    if (told.findings > FINDINGS_SHOWN_MAX)
        fprintf(stderr, "gbill audit: and %" PRIu64 " more\n", told.findings - FINDINGS_SHOWN_MAX);
    if (code == ERR_OK && found > 0)
        code = err_set(err, ERR_CORRUPT,
                       "%" PRIu64 " numbers do not agree; each was named with what to do", found);
    return code;
}

static enum err_code
audit(const struct conf *conf, struct tables_txn *txn, struct err *err)
{
    struct query q;
    struct print p;
    struct print_column columns[COLUMNS_MAX];
    enum print_form form = cmd_audit_form(conf);
    enum err_code code = read_query(conf, txn, &q, err);
    if (code != ERR_OK)
        return code;
    print_begin(&p, stdout, form, columns, columns_of(&q, columns));
    put_rows(&p, txn, &q);
    print_end(&p);
    code = check(conf, txn, err);
    if (code == ERR_OK && form == PRINT_TABLE)
        printf("It closes: every event is in one column, and all tables%s agree.\n",
               conf_flag(conf, "log") ? " and the log" : "");
    return code;
}

static enum err_code
list_acts(const struct conf *conf, struct tables_txn *txn, struct err *err)
{
    struct query q;
    enum err_code code = read_query(conf, txn, &q, err);
    return code == ERR_OK
               ? cmd_audit_acts(conf, txn, q.organization, (int64_t)q.from_hour * TIME_HOUR_MS,
                                (int64_t)q.to_hour * TIME_HOUR_MS, err)
               : code;
}

static enum err_code
with_tables(const struct conf *conf, struct err *err)
{
    struct tables *tables;
    struct tables_txn *txn;
    enum err_code code = tables_open(conf_data_dir(conf), TABLES_READ, &tables, err);
    if (code != ERR_OK)
        return code;
    code = tables_begin(tables, TABLES_READ, &txn, err);
    if (code == ERR_OK) {
        if (conf_flag(conf, "conflicts"))
            code = cmd_audit_conflicts(conf, txn, err);
        else if (conf_flag(conf, "voids"))
            code = cmd_audit_voids(conf, txn, err);
        else if (conf_flag(conf, "acts"))
            code = list_acts(conf, txn, err);
        else
            code = audit(conf, txn, err);
        tables_abort(txn);
    }
    tables_close(tables);
    return code;
}

enum print_form
cmd_audit_form(const struct conf *conf)
{
    return conf_flag(conf, "csv") ? PRINT_CSV : conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE;
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    int lists = conf_flag(conf, "conflicts") + conf_flag(conf, "voids") + conf_flag(conf, "acts") +
                conf_flag(conf, "roots");
    if (conf_flag(conf, "csv") && conf_flag(conf, "json"))
        return err_set(err, ERR_USAGE, "--csv and --json exclude each other; give one");
    if (lists > 1 || (lists == 1 && conf_flag(conf, "log")))
        return err_set(
            err, ERR_USAGE,
            "--conflicts, --voids, --acts, --roots and --log exclude each other; give one");
    if (conf_text(conf, "output") != NULL && !conf_flag(conf, "roots"))
        return err_set(err, ERR_USAGE, "--output is for --roots alone");
    return conf_flag(conf, "roots") ? cmd_audit_roots(conf, err) : with_tables(conf, err);
}

const struct cli_cmd cmd_audit = {
    .name = "audit",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "prove that every event is accounted for, or say where it is not",
    .help =
        "Prints what became of every event, by organization and hour of the event: accepted =\n"
        "priced + estimated + unpriced + duplicate + voided + settings; what is missing\n"
        "is open.  Quarantined events have no organization that could be believed and stand\n"
        "apart; conflicting ones are a part of the duplicates.\n"
        "\n"
        "Whatever is shown, all of this is checked: that each row closes and that all add up to\n"
        "the log's position; that the hourly table has the same calls; that months are the sums\n"
        "of their hours, in every column; that lists of unpriced, conflicting and voided events\n"
        "and of ids are as long as the balance says.  With --log the whole log is verified and\n"
        "counted too.  Each number that does not agree is named on stderr, with what to do, and\n"
        "the exit status is then 12.  gbill rollup --check goes further: it folds the log again.\n"
        "\n"
        "--roots writes one JSON line per closed UTC day of receipt: its events and the SHA-256\n"
        "chain at its end.  A day that is there already must come out the same.  Keep a copy\n"
        "where nobody who can write the log can write: it proves the log as of then.\n"
        "\n"
        "--acts lists the events of kind act, by time: which key or user made or took back a key of\n"
        "the HTTP API, set a budget there, who redrove or pruned (schemas/event.md, \"Acts\").\n"
        "The uid is the sender's as the kernel knew it.  What was done within the last second may\n"
        "wait for gbill rollup.\n"
        "\n"
        "Examples: gbill audit --by month --org acme\n"
        "          gbill audit --acts --from 2026-11-01 --json\n",
};
