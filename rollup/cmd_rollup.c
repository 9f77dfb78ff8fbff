#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rollup/cmd.h"
#include "rollup/job.h"
#include "store/base/heap.h"
#include "store/base/print.h"
#include "store/tables/cursor.h"
#include "store/tables/digest.h"

/* What a transaction of the default size takes, and LMDB's pages with it. */
enum { HEAP_BYTES = 256 * 1024 * 1024 };

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    CONF_ROW_PRICES,
    {"rebuild", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "drop every folded table and fold the whole log again, in one transaction"},
    {"check", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "fold the log again into a scratch file and compare; changes nothing"},
    {"batch-events", NULL, CONF_INT, "N", 1, 10000000, "2080768", false,
     "events folded in one transaction; bounds memory"},
    {"threads", NULL, CONF_INT, "N", 0, 16, "0", false,
     "threads that read events; 0: one for each processor"},
    {"digest", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "also print a SHA-256 over all folded rows"},
    {"reprice", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "fold nothing; with --dry-run, report what the past would cost by all that is known today"},
    {"dry-run", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "with --reprice, and required there"},
    {"from", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false,
     "with --reprice: the first hour, as 2026-11, 2026-11-24 or 2026-11-24T08:00Z (default: all)"},
    {"to", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false,
     "with --reprice: the first hour that is not asked for (default: all)"},
    {"against", NULL, CONF_TEXT, "FILE", 0, 0, NULL, false,
     "with --reprice: the price book of the new costs (default: the one of --prices)"},
    {"adjustments", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "with --reprice: print the adjustment events that would make it good, as JSON lines"},
    {"csv", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "with --reprice: print CSV (RFC 4180) for programs"},
    CONF_ROW_JSON,
};

static void
show_progress(void *context, uint64_t seq)
{
    (void)context;
    fprintf(stderr, "\rfolded up to event %" PRIu64, seq);
}

static enum err_code
read_digest(const char *data_directory, char text[HASH_SHA256_TEXT_BYTES], struct err *err)
{
    struct tables *tables;
    struct tables_txn *txn;
    uint8_t digest[HASH_SHA256_BYTES];
    enum err_code code = tables_open(data_directory, TABLES_READ, &tables, err);
    if (code != ERR_OK)
        return code;
    code = tables_begin(tables, TABLES_READ, &txn, err);
    if (code == ERR_OK) {
        tables_digest(txn, digest);
        hash_hex(digest, sizeof digest, text);
        tables_abort(txn);
    }
    tables_close(tables);
    return code;
}

static void
print_result(const struct rollup_result *r, const char *digest, bool json)
{
    static const struct print_column columns[] = {
        {"events", PRINT_TEXT}, {"thisRun", PRINT_WHOLE}, {"inAll", PRINT_WHOLE}};
    struct print p;
    print_begin(&p, stdout, json ? PRINT_JSON : PRINT_TABLE, columns, 3);
    for (int c = 0; c < BALANCE_COUNT; c++) {
        print_text(&p, str_of(balance_column_name((enum balance_column)c)));
        print_whole(&p, r->sum.events[c]);
        print_whole(&p, r->total.events[c]);
    }
    print_text(&p, str_of("repriced"));
    print_whole(&p, r->repriced);
    print_whole(&p, r->repriced);
    print_end(&p);
    if (!json)
        printf("position %" PRIu64 "%s%s\n", r->seq, digest[0] != '\0' ? ", digest " : "", digest);
}

static enum err_code
check(const struct rollup_options *o, bool json, struct err *err)
{
    uint8_t digest[HASH_SHA256_BYTES];
    char text[HASH_SHA256_TEXT_BYTES];
    enum err_code code = rollup_check(o, digest, err);
    if (o->progress != NULL)
        fputs("\r\033[K", stderr);
    if (code != ERR_OK)
        return code;
    hash_hex(digest, sizeof digest, text);
    printf(json ? "{\"same\": true, \"digest\": \"%s\"}\n"
                : "the tables are what the log folds to: digest %s\n",
           text);
    return ERR_OK;
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    if (conf_flag(conf, "reprice"))
        return cmd_reprice_run(cli, err);
    enum err_code code = cmd_reprice_none(conf, err);
    if (code != ERR_OK)
        return code;
    heap_prefer_large_pages(HEAP_BYTES);
    bool tty = isatty(STDERR_FILENO) != 0;
    struct rollup_options o = {
        .data_directory = conf_data_dir(conf),
        .price_path = conf_text(conf, "prices"),
        .rebuild = conf_flag(conf, "rebuild"),
        .batch_events = (uint32_t)conf_int(conf, "batch-events"),
        .threads = (unsigned)conf_int(conf, "threads"),
        .progress = tty ? show_progress : NULL,
    };
    struct rollup_result r;
    char digest[HASH_SHA256_TEXT_BYTES] = "";
    if (o.rebuild && conf_flag(conf, "check"))
        return err_set(err, ERR_USAGE, "--check changes nothing: leave out --rebuild");
    if (conf_flag(conf, "check"))
        return check(&o, conf_flag(conf, "json"), err);
    code = rollup_run(&o, &r, err);
    if (tty)
        fputs("\r\033[K", stderr);
    if (code == ERR_OK && conf_flag(conf, "digest"))
        code = read_digest(o.data_directory, digest, err);
    if (code != ERR_OK)
        return code;
    print_result(&r, digest, conf_flag(conf, "json"));
    if (r.total.events[BALANCE_UNPRICED] > 0)
        fprintf(stderr,
                "gbill rollup: warning: %" PRIu64 " events have no price and are billed nothing; "
                "see gbill report costs --by model, then add the model to the price book\n",
                r.total.events[BALANCE_UNPRICED]);
    if (!balance_closes(&r.total) || r.total.events[BALANCE_ACCEPTED] != r.seq)
        return err_set(err, ERR_CORRUPT,
                       "the balance does not close: %" PRIu64
                       " events accepted, the log is at %" PRIu64 "; run gbill rollup --rebuild",
                       r.total.events[BALANCE_ACCEPTED], r.seq);
    return ERR_OK;
}

const struct cli_cmd cmd_rollup = {
    .name = "rollup",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "price, dedupe and fold the log into hourly and monthly tables",
    .help =
        "Reads the log from where the last run ended, prices every usage event, leaves out\n"
        "what was counted before (same organizationId and id), adds the rest to the tables\n"
        "hourly and monthly, and moves the cursor in the same transaction.  It may be killed\n"
        "at any moment and run again.  Prints what became of every event; the columns always\n"
        "add up to accepted.\n"
        "\n"
        "--rebuild drops what was folded and folds the whole log again; the tables come out\n"
        "byte for byte the same, which --digest shows.\n"
        "\n"
        "--check does the same in a scratch file, compares, and removes it: exit status 0 when\n"
        "every row is the same, else the first row that differs is named.  It needs as much\n"
        "room as tables.mdb; other jobs may run meanwhile.\n"
        "\n"
        "--reprice --dry-run folds nothing.  It prices every counted call of --from to --to a\n"
        "second time, by all rows that the price book has by now or that another book has\n"
        "(--against), and reports by organization and model what changes.  A folded past is\n"
        "never changed: a correction is an adjustment event.  --adjustments prints one for each\n"
        "organization, the sum rounded once, for gbill send --format jsonl.  They count in the\n"
        "month in which they are sent, and sent again they change nothing.\n",
};
