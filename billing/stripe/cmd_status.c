#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/cmd.h"
#include "billing/cmd_shared.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/tables/stripe_call.h"
#include "store/tables/stripe_told.h"

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"state", NULL, CONF_TEXT, "STATE", 0, 0, NULL, false,
     "these calls: waiting, refused, done or all (default: waiting and refused)"},
    CONF_ROW_JSON,
};

static const struct conf_opt events_opts[] = {CONF_ROW_DATA, CONF_ROW_JSON};

static bool
is_wanted(const char *state, const struct stripe_call *row)
{
    if (state == NULL)
        return row->state != STRIPE_CALL_DONE;
    return strcmp(state, "all") == 0 || strcmp(state, stripe_call_state_name(row->state)) == 0;
}

static void
print_calls(const struct conf *conf, struct tables_txn *txn, const char *state)
{
    static const struct print_column columns[] = {{"name", PRINT_TEXT},   {"state", PRINT_TEXT},
                                                  {"object", PRINT_TEXT}, {"attempts", PRINT_WHOLE},
                                                  {"due", PRINT_TEXT},    {"changed", PRINT_TEXT},
                                                  {"says", PRINT_TEXT}};
    struct stripe_call_scan scan;
    struct print p;
    print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    stripe_call_scan_begin(&scan, txn, (struct str){0});
    while (stripe_call_scan_next(&scan)) {
        const struct stripe_call *row = &scan.row;
        if (!is_wanted(state, row) || str_is(row->name, "account"))
            continue;
        print_text(&p, row->name);
        print_text(&p, str_of(stripe_call_state_name(row->state)));
        print_text(&p, row->object);
        print_whole(&p, row->attempts);
        print_time(&p, row->state == STRIPE_CALL_WAITING ? row->due_ms : 0);
        print_time(&p, row->changed_ms);
        print_text(&p, row->says);
    }
    stripe_call_scan_end(&scan);
    print_end(&p);
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *state = conf_text(conf, "state");
    struct tables *tables;
    struct tables_txn *txn;
    uint32_t ignored;
    bool known = state == NULL || strcmp(state, "all") == 0;
    for (int s = 0; s < STRIPE_CALL_STATE_COUNT; s++)
        known = known || strcmp(state, stripe_call_state_name((enum stripe_call_state)s)) == 0;
    if (!known)
        return err_set(err, ERR_USAGE, "--state %s: must be waiting, refused, done or all", state);
    enum err_code code = cmd_shared_open(conf_data_dir(conf), NULL, &tables, &txn, &ignored, err);
    if (code == ERR_OK)
        print_calls(conf, txn, state);
    cmd_shared_close(tables, txn);
    return code;
}

const struct cli_cmd cmd_stripe_status = {
    .name = "stripe status",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "what was asked of Stripe and is not done",
    .help =
        "One row a call of gbill stripe sync that waits for another try or was refused, with what Stripe\n"
        "said; --state done shows the others, with their ids at Stripe.  The names are those of\n"
        "schemas/stripe.md: \"line/17/2\" is the second line of invoice 17.\n",
};

static enum err_code
run_events(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {{"type", PRINT_TEXT},
                                                  {"matters", PRINT_TEXT},
                                                  {"events", PRINT_WHOLE},
                                                  {"nobodys", PRINT_WHOLE}};
    const struct conf *conf = &cli->conf;
    struct tables *tables;
    struct tables_txn *txn;
    struct list counts;
    struct print p;
    uint32_t ignored;
    list_init(&counts, sizeof(struct stripe_told_count));
    enum err_code code = cmd_shared_open(conf_data_dir(conf), NULL, &tables, &txn, &ignored, err);
    if (code == ERR_OK)
        code = stripe_told_counts(txn, &counts, err);
    if (code == ERR_OK) {
        print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                    CLI_COUNT(columns));
        for (size_t i = 0; i < counts.count; i++) {
            const struct stripe_told_count *c = (const struct stripe_told_count *)counts.items + i;
            print_text(&p, str_of(c->type));
            print_text(&p, str_of(c->matters ? "yes" : "no"));
            print_whole(&p, c->events);
            print_whole(&p, c->nobodys);
        }
        print_end(&p);
    }
    list_clear(&counts);
    cmd_shared_close(tables, txn);
    return code;
}

const struct cli_cmd cmd_stripe_events = {
    .name = "stripe events",
    .args = "",
    .opts = events_opts,
    .opt_count = CLI_COUNT(events_opts),
    .run = run_events,
    .summary = "count what Stripe told, by type",
    .help =
        "Every event that the webhook of gbill api took, duplicates not counted.  matters: something\n"
        "follows from this type (schemas/stripe.md); the others are kept and counted alone.  nobodys:\n"
        "those that name no organization, which is usual for payments, refunds and disputes.\n",
};
