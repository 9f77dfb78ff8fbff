/*
 * tests/bench/bench_billing.c - how long a month's invoices of many organizations
 * take, and how much memory that needs.
 *
 *   bench_billing GBILL DIRECTORY ORGANIZATIONS
 *
 * The tables are written as a fold would leave them: every organization has a
 * plan, some change it within the month, and each used three models.  Then the
 * program runs: drafts in the month, finals behind the grace, and once more, when
 * nothing is left to do; and the limits.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/base/time.h"
#include "store/tables/balance.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "store/tables/subscription.h"
#include "store/tables/usage.h"
#include "tests/bench/child.h"

enum { MONTH = 682, TXN_ORGANIZATIONS = 5000 }; /* November 2026 */

static struct err err;

static void
check(enum err_code code)
{
    if (code == ERR_OK)
        return;
    fprintf(stderr, "bench_billing: %s\n", err.text);
    exit(1);
}

static uint32_t
number_of(struct dict *dict, struct tables_txn *txn, const char *text)
{
    struct list fresh;
    uint32_t number;
    check(dict_intern(dict, txn, str_of(text), &number, &err));
    dict_take_new(dict, &fresh);
    check(dict_write(&fresh, txn, &err));
    list_clear(&fresh);
    return number;
}

static void
subscribe(struct tables_txn *txn, uint32_t organization, uint32_t plan, int64_t at_ms, uint64_t seq)
{
    struct subscription s = {.organization = organization,
                             .effective_ms = at_ms,
                             .seq = seq,
                             .action = EVENT_PLAN_SET,
                             .plan = plan,
                             .anchor_ms = EVENT_TIME_NONE,
                             .trial_end_ms = EVENT_TIME_NONE};
    check(subscription_put(txn, &s, &err));
}

static void
use(struct dict *dict, struct tables_txn *txn, uint32_t organization, unsigned i)
{
    static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "claude-sonnet-4"};
    uint8_t key[USAGE_KEY_BYTES];
    for (unsigned m = 0; m < 3; m++) {
        struct usage_key k = {.organization = organization,
                              .period = MONTH,
                              .user = number_of(dict, txn, "user"),
                              .type = number_of(dict, txn, "chat"),
                              .provider = number_of(dict, txn, m < 2 ? "openai" : "anthropic"),
                              .model = number_of(dict, txn, models[m])};
        struct usage_row row = {
            .calls = 100 + i % 900,
            .tokens =
                {[EVENT_INPUT] = 1000 * (1 + i % 2000), [EVENT_OUTPUT] = 300 * (1 + i % 2000)},
            .cost_pico = 1000000007 * (int64_t)(1 + i % 5000)};
        usage_key_encode(&k, key);
        check(usage_add(txn, TABLE_MONTHLY, key, &row, &err));
    }
}

static void
fill(const char *directory, unsigned organizations)
{
    static const char *const plans[] = {"pro", "team", "enterprise", "starter"};
    struct tables *tables;
    struct tables_txn *txn = NULL;
    struct dict dict = {0};
    int64_t month_ms = time_month_start_ms(MONTH);
    check(tables_open(directory, TABLES_WRITE, &tables, &err));
    for (unsigned i = 0; i < organizations; i++) {
        char name[32];
        if (i % TXN_ORGANIZATIONS == 0) {
            if (txn != NULL)
                check(tables_commit(txn, &err));
            check(tables_begin(tables, TABLES_WRITE, &txn, &err));
        }
        snprintf(name, sizeof name, "organization-%06u", i);
        uint32_t organization = number_of(&dict, txn, name);
        struct balance b = {{[BALANCE_ACCEPTED] = 2, [BALANCE_SETTINGS] = 2}};
        check(balance_add(txn, organization, (uint32_t)(month_ms / TIME_HOUR_MS), &b, &err));
        subscribe(txn, organization, number_of(&dict, txn, plans[i % 4]), month_ms, 2 * i + 1);
        if (i % 5 == 0)
            subscribe(txn, organization, number_of(&dict, txn, plans[(i + 1) % 4]),
                      month_ms + (int64_t)(i % 29) * TIME_DAY_MS + 12345, 2 * i + 2);
        use(&dict, txn, organization, i);
    }
    struct cursor c = {.seq = 2 * (uint64_t)organizations};
    check(cursor_put(txn, &c, &err));
    check(tables_commit(txn, &err));
    dict_clear(&dict);
    tables_close(tables);
}

static void
run(const char *what, const char *const *args, unsigned organizations)
{
    struct child_cost c = child_run(args);
    printf("billing  %-35s %6.2f s   own memory at most %5.1f MiB   %7.0f organizations/s\n", what,
           c.wall_s, (double)c.anonymous_kib / 1024, organizations / c.wall_s);
}

int
main(int argc, char **argv)
{
    if (argc != 4)
        return fprintf(stderr, "Usage: bench_billing GBILL DIRECTORY ORGANIZATIONS\n"), 2;
    unsigned organizations = (unsigned)strtoul(argv[3], NULL, 10);
    const char *in_month[] = {argv[1], "invoice", "run",        "--data",
                              argv[2], "--now",   "2026-11-24", NULL};
    const char *final[] = {argv[1], "invoice", "run",        "--data",
                           argv[2], "--now",   "2026-12-02", NULL};
    const char *limits[] = {argv[1], "limits", "--data", argv[2], "--now", "2026-11-24", NULL};
    fill(argv[2], organizations);
    printf("billing  %u organizations, a fee and use of three models each, a fifth change plans\n",
           organizations);
    run("limits", limits, organizations);
    run("drafts of the month", in_month, organizations);
    run("final invoices, and the next drafts", final, organizations);
    run("again: nothing to do", final, organizations);
    return 0;
}
