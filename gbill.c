/*
 * gbill.c - the program gbill: the table of its commands, and the jobs that
 * `gbill run` keeps going.
 */
#include <stdlib.h>
#include <string.h>

#include "billing/cmd.h"
#include "ingest/agent_outlet.h"
#include "ingest/cmd.h"
#include "reports/cmd.h"
#include "rollup/cmd.h"
#include "store/base/file.h"
#include "store/base/log.h"
#include "store/base/schedule.h"
#include "store/cmd.h"
#include "store/net/stripe.h"
#include "store/postgres/cmd.h"

/* From the log to Postgres in seconds: each stage reads what the one before wrote. */
static const struct schedule_job jobs[] = {
    {{"rollup"}, 1000},
    {{"limits"}, 2000},
    {{"invoice", "run"}, 60000},
    {{"chargeback", "run"}, 60000},
    {{"audit", "--roots"}, 3600000},
    {{"budgets"}, 2000},
    {{"notify"}, 2000},
    {{"spikes", "run"}, 60000},
    {{"forecast", "run"}, 300000},
    {{"optimize", "run"}, 60000},
    {{"tokens", "learn"}, 3600000},
    {{"stripe", "sync"}, 60000},
    {{"publish"}, 1000},
};

static const struct conf_opt run_opts[] = {
    CONF_ROW_DATA,
    {"database", "DATABASE_URL", CONF_TEXT, "URL", 0, 0, NULL, true,
     "Postgres to publish to; without it everything else still runs"},
    {"prices", "GBILL_PRICES", CONF_TEXT, "FILE", 0, 0, NULL, false, "price book"},
    {"plans", "GBILL_PLANS", CONF_TEXT, "FILE", 0, 0, NULL, false, "plan book"},
    {"notify", "GBILL_NOTIFY", CONF_TEXT, "FILE", 0, 0, NULL, false,
     "who is told of alerts (schemas/notify.md); without it nobody is"},
};

/* Nobody to publish to, to tell, or to collect: no such job. */
static size_t
pick_jobs(const struct conf *conf, struct schedule_job picked[CLI_COUNT(jobs)])
{
    size_t count = 0;
    const char *stripe = getenv(STRIPE_KEY_ENV);
    for (size_t i = 0; i < CLI_COUNT(jobs); i++) {
        const char *name = jobs[i].args[0];
        if ((strcmp(name, "publish") == 0 && conf_text(conf, "database") == NULL) ||
            (strcmp(name, "notify") == 0 && conf_text(conf, "notify") == NULL) ||
            (strcmp(name, "stripe") == 0 && (stripe == NULL || stripe[0] == '\0')))
            continue;
        picked[count++] = jobs[i];
    }
    return count;
}

/* Children read their settings where everybody does. */
static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *database = conf_text(conf, "database");
    struct schedule_job picked[CLI_COUNT(jobs)];
    size_t count = pick_jobs(conf, picked);
    for (size_t i = 0; i < CLI_COUNT(run_opts); i++) {
        const char *value = conf_text(conf, run_opts[i].key);
        if (value != NULL && setenv(run_opts[i].env, value, 1) != 0)
            return err_set(err, ERR_LIMIT, "no memory for the environment");
    }
    log_line(LOG_LEVEL_INFO, "running", "data=%s jobs=%zu publish=%s notify=%s",
             conf_data_dir(conf), count, database == NULL ? "off (DATABASE_URL is not set)" : "on",
             conf_text(conf, "notify") == NULL ? "off (GBILL_NOTIFY is not set)" : "on");
    enum err_code code = schedule_run(picked, count, err);
    log_line(LOG_LEVEL_INFO, "stopped", "data=%s", conf_data_dir(conf));
    return code;
}

static const struct cli_cmd cmd_run = {
    .name = "run",
    .args = "",
    .opts = run_opts,
    .opt_count = CLI_COUNT(run_opts),
    .run = run,
    .summary = "run all jobs at their cadences, in the foreground",
    .help =
        "Starts rollup and publish every second, limits, budgets and notify every two, spikes run,\n"
        "invoice run, chargeback run, optimize run and, where STRIPE_SECRET_KEY is set, stripe sync\n"
        "every minute, forecast run every five, and audit --roots and tokens learn every hour, each as a process of its own, until SIGTERM or\n"
        "Ctrl-C.  An event is in Postgres within five seconds.  A job that fails is said and tried\n"
        "again, every five seconds at the slowest; cron or systemd timers may run the same jobs\n"
        "instead.\n",
};

/* What sends events, but stands below or beside ingest/, which knows agents. */
typedef enum err_code outlet_user(struct cli *cli, const struct outlet *outlet, struct err *err);

static enum err_code
with_outlet(struct cli *cli, outlet_user *user, struct err *err)
{
    struct agent_outlet *outlet = NULL;
    char path[FILE_PATH_BYTES_MAX];
    const char *socket = conf_text(&cli->conf, "socket");
    enum err_code code = ERR_OK;
    if (socket == NULL) {
        code = file_path(path, conf_data_dir(&cli->conf), "agent.sock", err);
        socket = path;
    }
    if (code == ERR_OK)
        code = agent_outlet_open(socket, &outlet, err);
    if (code == ERR_OK) {
        const struct outlet posts = agent_outlet_of(outlet);
        code = user(cli, &posts, err);
    }
    agent_outlet_close(outlet);
    return code;
}

/* An act is on the agent's disk before it is done. */
static enum err_code
audited(struct cli *cli, outlet_user *user, struct err *err)
{
    return conf_flag(&cli->conf, "unaudited") ? user(cli, NULL, err) : with_outlet(cli, user, err);
}

static enum err_code
serve_api(struct cli *cli, struct err *err)
{
    return with_outlet(cli, cmd_api_serve, err);
}

static enum err_code
create_key(struct cli *cli, struct err *err)
{
    return audited(cli, cmd_key_create_run, err);
}

static enum err_code
revoke_key(struct cli *cli, struct err *err)
{
    return audited(cli, cmd_key_revoke_run, err);
}

static enum err_code
prune_log(struct cli *cli, struct err *err)
{
    return audited(cli, cmd_log_prune_run, err);
}

static enum err_code
redrive(struct cli *cli, struct err *err)
{
    return with_outlet(cli, cmd_redrive_run, err);
}

#define TABLE(title, ...)                                                          \
    {                                                                              \
        title, (const struct cli_cmd[]){__VA_ARGS__},                              \
            sizeof((const struct cli_cmd[]){__VA_ARGS__}) / sizeof(struct cli_cmd) \
    }

int
main(int argc, char **argv)
{
    struct cli_cmd api = cmd_api, key_create = cmd_key_create, key_revoke = cmd_key_revoke;
    struct cli_cmd log_prune = cmd_log_prune, quarantine_redrive = cmd_quarantine_redrive;
    api.run = serve_api;
    key_create.run = create_key;
    key_revoke.run = revoke_key;
    log_prune.run = prune_log;
    quarantine_redrive.run = redrive;
    const struct cli_table tables[] = {
        TABLE("Events in", cmd_send),
        TABLE("The log", cmd_log_stat, cmd_log_cat, cmd_log_verify, cmd_log_seal, cmd_log_backup,
              cmd_log_restore, log_prune, cmd_log_probe, cmd_ship, cmd_quarantine_list,
              cmd_quarantine_show, quarantine_redrive),
        TABLE("Fold", cmd_rollup, cmd_audit, cmd_prices_check, cmd_prices_show, cmd_prices_diff,
              cmd_prices_import),
        TABLE("Tokens", cmd_tokens_count, cmd_tokens_encode, cmd_tokens_decode,
              cmd_tokens_encodings, cmd_tokens_compile, cmd_tokens_learn, cmd_tokens_ratios,
              cmd_tokens_estimate),
        TABLE("Billing", cmd_limits, cmd_check, cmd_invoice_run, cmd_invoice_list, cmd_invoice_show,
              cmd_invoice_pdf, cmd_invoice_verify, cmd_plans_check, cmd_plans_show, cmd_plans_rate,
              cmd_chargeback_run, cmd_chargeback),
        TABLE("Budgets", cmd_budgets_list, cmd_budgets_show, cmd_budgets, cmd_notify,
              cmd_outbox_list, cmd_outbox_show, cmd_outbox_retry),
        TABLE("Stripe", cmd_stripe_sync, cmd_stripe_status, cmd_stripe_events, cmd_stripe_portal,
              cmd_stripe_checkout, cmd_stripe_reconcile, cmd_stripe_sign, cmd_stripe_verify),
        TABLE("Postgres", cmd_migrate, cmd_publish),
        TABLE("Reports", cmd_report_usage, cmd_report_costs, cmd_report_export,
              cmd_report_dashboard, cmd_spikes_run, cmd_spikes_list, cmd_spikes_show,
              cmd_forecast_run, cmd_forecast_list, cmd_forecast_show, cmd_optimize_run,
              cmd_optimize_list, cmd_optimize_show),
        TABLE("HTTP", api, key_create, cmd_key_list, key_revoke),
        TABLE("All together", cmd_run, cmd_status),
    };
    return cli_main("gbill", "billing and usage tracking for LLM platforms", tables,
                    CLI_COUNT(tables), argc, argv);
}
