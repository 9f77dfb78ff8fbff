#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/cmd.h"
#include "billing/cmd_shared.h"
#include "billing/notify/notify.h"
#include "store/base/list.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/tables/dict.h"

static const struct conf_opt run_opts[] = {CONF_ROW_DATA, CONF_ROW_NOTIFY, CONF_ROW_NOW,
                                           CONF_ROW_JSON};

static const struct conf_opt list_opts[] = {
    CONF_ROW_DATA,
    {"state", NULL, CONF_TEXT, "STATE", 0, 0, NULL, false, "only these: waiting, sent or dead"},
    CONF_ROW_JSON,
};

static const struct conf_opt show_opts[] = {CONF_ROW_DATA, CONF_ROW_JSON};

static const struct conf_opt retry_opts[] = {
    CONF_ROW_DATA,
    CONF_ROW_NOW,
    {"dead", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "all that were given up"},
};

static void
print_line(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "gbill notify: %s\n", text);
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {{"sent", PRINT_WHOLE},
                                                  {"failed", PRINT_WHOLE},
                                                  {"dead", PRINT_WHOLE},
                                                  {"waiting", PRINT_WHOLE},
                                                  {"forgotten", PRINT_WHOLE}};
    const struct conf *conf = &cli->conf;
    struct clock clock;
    struct notify_options o = {.data_directory = conf_data_dir(conf),
                               .conf_path = conf_text(conf, "notify"),
                               .clock = &clock,
                               .line = print_line};
    struct notify_result r;
    struct print p;
    if (o.conf_path == NULL)
        return err_set(err, ERR_CONFIG,
                       "nobody is to be told: GBILL_NOTIFY is not set; write a settings file "
                       "(schemas/notify.md) and name it by --notify");
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code == ERR_OK)
        code = notify_run(&o, &r, err);
    if (code != ERR_OK)
        return code;
    print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    print_whole(&p, r.sent);
    print_whole(&p, r.failed);
    print_whole(&p, r.dead);
    print_whole(&p, r.waiting);
    print_whole(&p, r.forgotten);
    print_end(&p);
    return ERR_OK;
}

static void
print_entry(struct print *p, struct tables_txn *txn, const struct outbox_entry *e)
{
    struct alert alert;
    char text[TIME_TEXT_BYTES], id[OUTBOX_ABOUT_BYTES], key[OUTBOX_KEY_BYTES];
    struct str organization = dict_text(txn, e->organization);
    bool is_spike = e->kind == OUTBOX_SPIKE,
         there = !is_spike && alert_get(txn, e->organization, e->month, e->alert, &alert);
    outbox_about(txn, e, id);
    outbox_key(id, e->destination, key);
    print_whole(p, e->id);
    print_text(p, str_of(outbox_state_name(e->state)));
    print_text(p, organization);
    print_text(p, str_of(e->destination));
    print_text(p, str_of(is_spike ? "spike" : there ? alert_kind_name(alert.kind) : ""));
    print_whole(p, there ? alert.percent : 0);
    time_format_month(is_spike ? time_month((int64_t)e->found_hour * TIME_HOUR_MS) : e->month,
                      text);
    print_text(p, str_of(text));
    print_whole(p, e->attempts);
    print_time(p, e->created_ms);
    print_time(p, e->state == OUTBOX_WAITING ? e->due_ms : 0);
    print_text(p, str_of(key));
    print_text(p, str_of(e->result));
}

static void
begin_entries(struct print *p, const struct conf *conf)
{
    static const struct print_column columns[] = {
        {"id", PRINT_WHOLE},         {"state", PRINT_TEXT},     {"organization", PRINT_TEXT},
        {"destination", PRINT_TEXT}, {"kind", PRINT_TEXT},      {"percent", PRINT_WHOLE},
        {"month", PRINT_TEXT},       {"attempts", PRINT_WHOLE}, {"created", PRINT_TEXT},
        {"due", PRINT_TEXT},         {"key", PRINT_TEXT},       {"result", PRINT_TEXT}};
    print_begin(p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
}

/* -1: any. */
static enum err_code
state_of(const struct conf *conf, int *ret, struct err *err)
{
    const char *text = conf_text(conf, "state");
    *ret = -1;
    if (text == NULL)
        return ERR_OK;
    for (int state = 0; state < OUTBOX_STATE_COUNT; state++) {
        if (strcmp(text, outbox_state_name((enum outbox_state)state)) == 0)
            *ret = state;
    }
    return *ret >= 0 ? ERR_OK
                     : err_set(err, ERR_USAGE, "--state is waiting, sent or dead, not %s", text);
}

static enum err_code
run_list(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct outbox_scan scan;
    struct print p;
    uint32_t none;
    int state;
    enum err_code code = state_of(conf, &state, err);
    if (code == ERR_OK)
        code = cmd_shared_open(conf_data_dir(conf), NULL, &tables, &txn, &none, err);
    if (code == ERR_OK) {
        begin_entries(&p, conf);
        outbox_scan_begin(&scan, txn);
        while (outbox_scan_next(&scan)) {
            if (state < 0 || (int)scan.row.state == state)
                print_entry(&p, txn, &scan.row);
        }
        outbox_scan_end(&scan);
        print_end(&p);
    }
    cmd_shared_close(tables, txn);
    return code;
}

static enum err_code
id_of(const char *text, uint64_t *ret, struct err *err)
{
    char *end;
    unsigned long long id = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0')
        return err_set(err, ERR_USAGE, "\"%.40s\" is no number of an entry; see gbill outbox list",
                       text);
    *ret = id;
    return ERR_OK;
}

static enum err_code
unknown_entry(uint64_t id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND,
                   "the outbox has no entry %" PRIu64 "; gbill outbox list names them (sent ones "
                   "are kept for 30 days)",
                   id);
}

static enum err_code
run_show(struct cli *cli, struct err *err)
{
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct outbox_entry entry;
    struct print p;
    uint32_t none;
    uint64_t id = 0;
    enum err_code code = id_of(cli->conf.args[0], &id, err);
    if (code == ERR_OK)
        code = cmd_shared_open(conf_data_dir(&cli->conf), NULL, &tables, &txn, &none, err);
    if (code == ERR_OK && !outbox_get(txn, id, &entry))
        code = unknown_entry(id, err);
    if (code == ERR_OK) {
        begin_entries(&p, &cli->conf);
        print_entry(&p, txn, &entry);
        print_end(&p);
    }
    cmd_shared_close(tables, txn);
    return code;
}

/* Due at once, and with all its time before it. */
static enum err_code
revive(struct tables_txn *txn, struct outbox_entry *entry, int64_t now_ms, struct err *err)
{
    entry->state = OUTBOX_WAITING;
    entry->due_ms = entry->since_ms = now_ms;
    entry->done_ms = 0;
    return outbox_change(txn, entry, err);
}

static enum err_code
revive_one(struct tables_txn *txn, const char *text, int64_t now_ms, struct err *err)
{
    struct outbox_entry entry;
    uint64_t id = 0;
    enum err_code code = id_of(text, &id, err);
    if (code == ERR_OK && !outbox_get(txn, id, &entry))
        code = unknown_entry(id, err);
    if (code == ERR_OK && entry.state == OUTBOX_SENT)
        code =
            err_set(err, ERR_CONFLICT, "entry %" PRIu64 " was delivered; it is not sent twice", id);
    return code == ERR_OK ? revive(txn, &entry, now_ms, err) : code;
}

/* A walk ends with the first write, so the numbers are gathered first. */
static enum err_code
revive_dead(struct tables_txn *txn, int64_t now_ms, uint64_t *ret_count, struct err *err)
{
    struct outbox_scan scan;
    struct list dead;
    enum err_code code = ERR_OK;
    list_init(&dead, sizeof(struct outbox_entry));
    outbox_scan_begin(&scan, txn);
    while (code == ERR_OK && outbox_scan_next(&scan)) {
        if (scan.row.state == OUTBOX_DEAD && !list_add(&dead, &scan.row))
            code = err_set(err, ERR_LIMIT, "no memory for the entries; name some of them");
    }
    outbox_scan_end(&scan);
    struct outbox_entry *entries = dead.items;
    for (size_t i = 0; code == ERR_OK && i < dead.count; i++)
        code = revive(txn, &entries[i], now_ms, err);
    *ret_count = dead.count;
    list_clear(&dead);
    return code;
}

static enum err_code
run_retry(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    bool dead = conf_flag(conf, "dead");
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct clock clock;
    uint64_t count = conf->arg_count;
    if (dead == (conf->arg_count > 0))
        return err_set(err, ERR_USAGE, "needs numbers of entries, or --dead for all given up");
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code == ERR_OK)
        code = tables_open(conf_data_dir(conf), TABLES_READ, &tables, err);
    tables_close(tables); /* it says whether there are any; writing would make them */
    tables = NULL;
    if (code == ERR_OK)
        code = tables_open(conf_data_dir(conf), TABLES_WRITE, &tables, err);
    if (code == ERR_OK)
        code = tables_begin(tables, TABLES_WRITE, &txn, err);
    for (size_t i = 0; code == ERR_OK && i < conf->arg_count; i++)
        code = revive_one(txn, conf->args[i], clock_now_ms(&clock), err);
    if (code == ERR_OK && dead)
        code = revive_dead(txn, clock_now_ms(&clock), &count, err);
    if (code == ERR_OK) {
        code = tables_commit(txn, err);
        txn = NULL;
    }
    if (code == ERR_OK)
        printf("%" PRIu64 " to be sent by the next gbill notify\n", count);
    cmd_shared_close(tables, txn);
    return code;
}

const struct cli_cmd cmd_notify = {
    .name = "notify",
    .args = "",
    .opts = run_opts,
    .opt_count = CLI_COUNT(run_opts),
    .run = run,
    .summary = "send the messages that wait in the outbox",
    .help =
        "Mails go by SMTP, the others by HTTPS; webhooks are signed (Standard Webhooks).  What\n"
        "fails is tried again after 30 seconds, then after twice as long each time, up to six\n"
        "hours, and given up after three days.  A receiver may get a message twice, under the\n"
        "same webhook-id, if this program is killed at the wrong moment.\n"
        "\n"
        "Failures are said on stderr and are no failure of the command.\n",
};

const struct cli_cmd cmd_outbox_list = {
    .name = "outbox list",
    .args = "",
    .opts = list_opts,
    .opt_count = CLI_COUNT(list_opts),
    .run = run_list,
    .summary = "list messages: waiting, sent, given up",
    .help = "result is what came of the last attempt.  Sent ones are kept for 30 days, those that\n"
            "were given up (dead) for 90.\n",
};

const struct cli_cmd cmd_outbox_show = {
    .name = "outbox show",
    .args = "ID",
    .args_min = 1,
    .args_max = 1,
    .opts = show_opts,
    .opt_count = CLI_COUNT(show_opts),
    .run = run_show,
    .summary = "show one message of the outbox",
    .help = "The number is that of gbill outbox list.\n",
};

const struct cli_cmd cmd_outbox_retry = {
    .name = "outbox retry",
    .args = "[ID…]",
    .args_max = CONF_ARGS_MAX,
    .opts = retry_opts,
    .opt_count = CLI_COUNT(retry_opts),
    .run = run_retry,
    .summary = "send messages again that were given up, or that wait",
    .help =
        "They become due at once and get all their time again.  What was delivered is not sent\n"
        "again.\n",
};
