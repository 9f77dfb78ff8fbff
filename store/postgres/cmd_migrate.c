#include <inttypes.h>
#include <stdio.h>

#include "store/base/print.h"
#include "store/postgres/cmd.h"
#include "store/postgres/migrate.h"

static const struct conf_opt opts[] = {
    CMD_ROW_DATABASE,
    {"migrations", "GBILL_MIGRATIONS", CONF_TEXT, "DIR", 0, 0, GBILL_SCHEMAS_DIR "/postgres", false,
     "directory of the numbered SQL files"},
    {"dry-run", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "show what would be applied and change nothing"},
    CMD_ROW_LOCK_WAIT,
    CONF_ROW_JSON,
};

static const char *const states[] = {
    [MIGRATE_PENDING] = "pending",
    [MIGRATE_BEFORE] = "applied before",
    [MIGRATE_NOW] = "applied now",
};

static void
show_notice(const char *text)
{
    fprintf(stderr, "gbill migrate: the server remarks: %s\n", text);
}

static void
show(const struct migrate *m, bool json)
{
    static const struct print_column columns[] = {
        {"version", PRINT_WHOLE}, {"name", PRINT_TEXT}, {"state", PRINT_TEXT}};
    struct print p;
    print_begin(&p, stdout, json ? PRINT_JSON : PRINT_TABLE, columns, CLI_COUNT(columns));
    for (size_t i = 0; i < m->count; i++) {
        print_whole(&p, (uint64_t)m->files[i].version);
        print_text(&p, str_of(m->files[i].name));
        print_text(&p, str_of(states[m->files[i].state]));
    }
    print_end(&p);
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    struct migrate migrate = {0};
    const struct migrate_options options = {
        .database = conf_text(&cli->conf, "database"),
        .directory = conf_text(&cli->conf, "migrations"),
        .dry_run = conf_flag(&cli->conf, "dry-run"),
        .lock_wait_s = conf_int(&cli->conf, "lock-wait-s"),
        .notice = show_notice,
    };
    enum err_code code = migrate_run(&options, &migrate, err);
    if (code == ERR_OK)
        show(&migrate, conf_flag(&cli->conf, "json"));
    migrate_clear(&migrate);
    return code;
}

const struct cli_cmd cmd_migrate = {
    .name = "migrate",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "make or update the schema billing in Postgres",
    .help = "Apply the numbered SQL files that the database does not have yet, each in a\n"
            "transaction of its own with its row in billing.schema_migrations.  A second run\n"
            "applies nothing.  Refuses when a file was changed after it was applied, and when\n"
            "the database was migrated by a newer gbill.\n"
            "\n"
            "The role of DATABASE_URL becomes the owner of the tables; publish with the same\n"
            "role.  Apps read as members of gbill_reader, one organization at a time:\n"
            "\n"
            "  GRANT gbill_reader TO app;\n"
            "  SET billing.organization_id = 'org-17';\n"
            "  SELECT * FROM billing.usage_monthly;\n"
            "\n"
            "Example:\n"
            "  DATABASE_URL=postgresql://gbill:secret@db.example/granted gbill migrate\n",
};
