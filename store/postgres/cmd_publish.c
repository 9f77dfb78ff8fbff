#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "store/base/print.h"
#include "store/postgres/cmd.h"
#include "store/postgres/publish.h"

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    CMD_ROW_DATABASE,
    {"full", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "send all rows and delete what is not in the tables"},
    CMD_ROW_LOCK_WAIT,
    CONF_ROW_JSON,
};

static const char *const modes[] = {
    [PUBLISH_NOTHING] = "nothing",
    [PUBLISH_CHANGES] = "changes",
    [PUBLISH_FULL] = "full",
};

/* The last two columns are for programs, which get no closing line. */
static const struct print_column columns[] = {
    {"table", PRINT_TEXT},        {"sent", PRINT_WHOLE}, {"written", PRINT_WHOLE},
    {"deleted", PRINT_WHOLE},     {"mode", PRINT_TEXT},  {"version", PRINT_WHOLE},
    {"logPosition", PRINT_WHOLE},
};
enum { COLUMNS_FOR_PEOPLE = 4 };

static void
show_progress(const char *table, uint64_t rows)
{
    fprintf(stderr, "\r\033[K%s: %" PRIu64 " rows", table, rows);
}

static void
show(const struct publish_result *r, bool json)
{
    struct print p;
    print_begin(&p, stdout, json ? PRINT_JSON : PRINT_TABLE, columns,
                json ? CLI_COUNT(columns) : COLUMNS_FOR_PEOPLE);
    for (size_t i = 0; i < PUBLISHED_COUNT; i++) {
        print_text(&p, str_of(published[i].name));
        print_whole(&p, r->counts[i].sent);
        print_whole(&p, r->counts[i].written);
        print_whole(&p, r->counts[i].deleted);
        if (!json)
            continue;
        print_text(&p, str_of(modes[r->mode]));
        print_whole(&p, r->version);
        print_whole(&p, r->position);
    }
    print_end(&p);
    if (json)
        return;
    if (r->mode == PUBLISH_NOTHING)
        printf("nothing to publish: Postgres shows event %" PRIu64 ", version %" PRIu64 "\n",
               r->position, r->version);
    else
        printf("Postgres shows event %" PRIu64 ", version %" PRIu64 "%s%s\n", r->position,
               r->version, r->why != NULL ? "; all rows were sent: " : "",
               r->why != NULL ? r->why : "");
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    bool terminal = isatty(STDERR_FILENO) == 1;
    struct publish_result result;
    const struct publish_options options = {
        .data_directory = conf_data_dir(&cli->conf),
        .database = conf_text(&cli->conf, "database"),
        .full = conf_flag(&cli->conf, "full"),
        .lock_wait_s = conf_int(&cli->conf, "lock-wait-s"),
        .progress = terminal ? show_progress : NULL,
    };
    enum err_code code = publish_run(&options, &result, err);
    if (terminal)
        fputs("\r\033[K", stderr);
    if (code == ERR_OK)
        show(&result, conf_flag(&cli->conf, "json"));
    return code;
}

const struct cli_cmd cmd_publish = {
    .name = "publish",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "bring Postgres level with the tables",
    .help = "Send the rows that changed since the last publish, and move billing.publish_state\n"
            "in the same transaction; then strike out what was owed.  Rows hold absolute\n"
            "values, so it can be killed at any moment and run again.  With nothing changed it\n"
            "writes nothing.  Run gbill migrate first.\n"
            "\n"
            "All rows are sent, and rows that are not in the tables deleted, when the database\n"
            "is new, was restored from a backup, or is another one than last time; or with\n"
            "--full.  A database that shows another log, or a later event than the tables\n"
            "here, is left alone without --full.\n"
            "\n"
            "Columns: rows sent, rows written (were not there or differed), rows deleted.\n",
};
