#include <inttypes.h>
#include <stdio.h>

#include "billing/cmd.h"
#include "billing/cmd_shared.h"
#include "billing/limits.h"
#include "store/base/print.h"

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    CONF_ROW_PLANS,
    CONF_ROW_NOW,
    {"org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, false,
     "then print this organization's rows instead of the summary"},
    CONF_ROW_JSON,
};

static void
print_summary(const struct limits_result *r, enum print_form form)
{
    static const struct print_column columns[] = {
        {"organizations", PRINT_WHOLE}, {"ok", PRINT_WHOLE},      {"warning", PRINT_WHOLE},
        {"critical", PRINT_WHOLE},      {"reached", PRINT_WHOLE}, {"exceeded", PRINT_WHOLE},
        {"paused", PRINT_WHOLE},        {"refused", PRINT_WHOLE}, {"problems", PRINT_WHOLE},
        {"position", PRINT_WHOLE}};
    struct print p;
    print_begin(&p, stdout, form, columns, CLI_COUNT(columns));
    print_whole(&p, r->organizations);
    for (int s = 0; s < LIMIT_STATES; s++)
        print_whole(&p, r->states[s]);
    print_whole(&p, r->refused);
    print_whole(&p, r->problems);
    print_whole(&p, r->position);
    print_end(&p);
}

static void
print_row(struct print *p, const struct limit *row)
{
    bool people = p->form == PRINT_TABLE;
    print_text(p, str_of(limit_dimension_name(row->dimension)));
    print_whole(p, row->used);
    if (row->limit == LIMIT_UNLIMITED) {
        print_amount(p, people ? "unlimited" : "null");
        print_amount(p, people ? "" : "null");
        print_amount(p, people ? "" : "null");
    } else {
        print_whole(p, row->limit);
        print_whole(p, limit_remaining(row));
        print_whole(p, row->percent);
    }
    print_text(p, str_of(limit_state_name(row->state)));
    print_amount(p, row->allowed ? (people ? "yes" : "true") : (people ? "no" : "false"));
    print_text(p, row->plan);
    print_text(p, row->upgrade);
    print_text(p, row->reason);
    print_whole(p, row->position);
}

static enum err_code
print_organization(const char *data_directory, const char *name, enum print_form form,
                   struct err *err)
{
    static const struct print_column columns[] = {
        {"dimension", PRINT_TEXT},  {"used", PRINT_WHOLE},    {"limit", PRINT_WHOLE},
        {"remaining", PRINT_WHOLE}, {"percent", PRINT_WHOLE}, {"state", PRINT_TEXT},
        {"allowed", PRINT_WHOLE},   {"plan", PRINT_TEXT},     {"upgradeTo", PRINT_TEXT},
        {"reason", PRINT_TEXT},     {"position", PRINT_WHOLE}};
    struct tables *tables;
    struct tables_txn *txn;
    struct print p;
    struct limit row;
    uint32_t organization;
    enum err_code code = cmd_shared_open(data_directory, name, &tables, &txn, &organization, err);
    if (code == ERR_OK && !limit_get(txn, organization, LIMIT_PROJECTS, &row))
        code = err_set(err, ERR_NOT_FOUND, "\"%.64s\" is no organization that has limits", name);
    if (code == ERR_OK) {
        print_begin(&p, stdout, form, columns, CLI_COUNT(columns));
        for (int d = 0; d < LIMIT_DIMENSIONS; d++) {
            if (limit_get(txn, organization, (enum limit_dimension)d, &row))
                print_row(&p, &row);
        }
        print_end(&p);
    }
    cmd_shared_close(tables, txn);
    return code;
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *organization = conf_text(conf, "org");
    enum print_form form = conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE;
    struct clock clock;
    struct limits_options o = {
        .data_directory = conf_data_dir(conf),
        .plans_path = conf_text(conf, "plans"),
        .clock = &clock,
        .notices = cmd_shared_notices("gbill limits"),
    };
    struct limits_result r;
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code == ERR_OK)
        code = limits_run(&o, &r, err);
    if (code != ERR_OK)
        return code;
    if (organization != NULL)
        return print_organization(o.data_directory, organization, form, err);
    print_summary(&r, form);
    return ERR_OK;
}

const struct cli_cmd cmd_limits = {
    .name = "limits",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "bring the limits snapshot up to date: who may still do what",
    .help = "Compares what every organization uses (projects, documents, members, and the AI\n"
            "credits of the current usage period) with what its plan includes, and stores one\n"
            "row for each.  The summary counts rows by state: warning from 80 %, critical\n"
            "from 95 %, reached, exceeded; refused are those that allow nothing more.\n"
            "\n"
            "An event that names a plan the book does not have is said on stderr, as a problem;\n"
            "the organization keeps its last known plan and the others go on.\n",
};
