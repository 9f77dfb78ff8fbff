#include <inttypes.h>
#include <stdio.h>

#include "billing/cmd.h"
#include "billing/cmd_shared.h"
#include "billing/plan/plan.h"
#include "billing/plan/rate.h"
#include "store/base/currency.h"
#include "store/base/print.h"
#include "store/base/time.h"

static const struct conf_opt opts[] = {
    CONF_ROW_PLANS,
    CONF_ROW_JSON,
};

static const struct conf_opt show_opts[] = {
    CONF_ROW_PLANS,
    CONF_ROW_NOW,
    {"charges", NULL, CONF_FLAG, NULL, 0, 0, NULL, false, "list the charges of every plan instead"},
    CONF_ROW_JSON,
};

static const struct conf_opt rate_opts[] = {
    CONF_ROW_PLANS,
    CONF_ROW_NOW,
    {"plan", NULL, CONF_TEXT, "PLAN", 0, 0, NULL, false, "the plan to charge by"},
    {"quantity", NULL, CONF_TEXT, "N", 0, 0, "0", false,
     "how many units of the meter, of the period whole; up to 6 decimals"},
    {"calls", NULL, CONF_INT, "N", 0, INT64_MAX, "0", false,
     "in how many calls, for percentage charges"},
    CONF_ROW_JSON,
};

static enum print_form
form_of(const struct conf *conf)
{
    return conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE;
}

static enum err_code
run_check(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {
        {"file", PRINT_TEXT},    {"plans", PRINT_WHOLE},   {"versions", PRINT_WHOLE},
        {"default", PRINT_TEXT}, {"currency", PRINT_TEXT}, {"sha256", PRINT_TEXT}};
    const struct conf *conf = &cli->conf;
    const char *path = conf->arg_count > 0 ? conf->args[0] : conf_text(conf, "plans");
    struct plan_book *book;
    struct print p;
    uint64_t versions = 0;
    char sha256[HASH_SHA256_TEXT_BYTES];
    enum err_code code = plan_book_load(path, &book, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < book->plan_count; i++)
        versions += book->plans[i].terms_count;
    hash_hex(book->sha256, sizeof book->sha256, sha256);
    print_begin(&p, stdout, form_of(conf), columns, CLI_COUNT(columns));
    print_text(&p, str_of(path));
    print_whole(&p, book->plan_count);
    print_whole(&p, versions);
    print_text(&p, book->default_plan->id);
    print_text(&p, str_of(book->currency));
    print_text(&p, str_of(sha256));
    print_end(&p);
    plan_book_free(book);
    return ERR_OK;
}

/* A number, or "unlimited" for people and null for programs. */
static void
print_limit(struct print *p, uint64_t limit)
{
    if (limit != LIMIT_UNLIMITED)
        print_whole(p, limit);
    else
        print_amount(p, p->form == PRINT_TABLE ? "unlimited" : "null");
}

/* "1 month, calendar" */
static void
print_cycle(struct print *p, const struct cycle *c)
{
    char text[64];
    if (c->days > 0)
        snprintf(text, sizeof text, "%" PRId32 " days, anchored", c->days);
    else
        snprintf(text, sizeof text, "%" PRId32 " month%s, %s", c->months, c->months > 1 ? "s" : "",
                 c->anchored ? "anchored" : "calendar");
    print_text(p, str_of(text));
}

/* The flat charges of a period. */
static int64_t
fee_of(const struct plan_terms *t)
{
    int64_t sum = 0;
    for (size_t i = 0; i < t->charge_count; i++)
        sum += t->charges[i].model == CHARGE_FLAT ? t->charges[i].price_pico : 0;
    return sum;
}

static void
print_plan(struct print *p, const struct plan *plan, const struct plan_terms *t)
{
    char amount[MONEY_TEXT_BYTES];
    int64_t price_pico = plan_credit_price(t);
    print_text(p, plan->id);
    print_text(p, plan->name);
    print_cycle(p, &t->cycle);
    money_format_fixed(fee_of(t), 12, currency_minor_digits(plan->currency), amount);
    print_amount(p, amount);
    print_text(p, str_of(plan->currency));
    for (int d = 0; d < LIMIT_DIMENSIONS; d++)
        print_limit(p, t->limits[d]);
    amount[0] = '\0';
    if (price_pico > 0)
        money_format((money_sum)price_pico * 1000000, 12, amount);
    print_amount(p, amount);
    print_limit(p, t->requests_per_minute);
    print_limit(p, t->tokens_per_minute);
    print_text(p, t->support);
    print_text(p, t->analytics);
}

static void
print_plans(const struct plan_book *book, int64_t now_ms, enum print_form form)
{
    static const struct print_column columns[] = {{"plan", PRINT_TEXT},
                                                  {"name", PRINT_TEXT},
                                                  {"period", PRINT_TEXT},
                                                  {"fee", PRINT_AMOUNT},
                                                  {"currency", PRINT_TEXT},
                                                  {"projects", PRINT_WHOLE},
                                                  {"documents", PRINT_WHOLE},
                                                  {"aiCredits", PRINT_WHOLE},
                                                  {"members", PRINT_WHOLE},
                                                  {"overagePerMillion", PRINT_AMOUNT},
                                                  {"requestsPerMinute", PRINT_WHOLE},
                                                  {"tokensPerMinute", PRINT_WHOLE},
                                                  {"support", PRINT_TEXT},
                                                  {"analytics", PRINT_TEXT}};
    struct print p;
    print_begin(&p, stdout, form, columns, CLI_COUNT(columns));
    for (size_t i = 0; i < book->plan_count; i++)
        print_plan(&p, &book->plans[i], plan_terms_at(&book->plans[i], now_ms));
    print_end(&p);
}

static void
print_charges(const struct plan_book *book, int64_t now_ms, enum print_form form)
{
    static const struct print_column columns[] = {{"plan", PRINT_TEXT},   {"charge", PRINT_TEXT},
                                                  {"name", PRINT_TEXT},   {"model", PRINT_TEXT},
                                                  {"meter", PRINT_TEXT},  {"price", PRINT_AMOUNT},
                                                  {"free", PRINT_AMOUNT}, {"bill", PRINT_TEXT}};
    struct print p;
    char amount[MONEY_TEXT_BYTES];
    print_begin(&p, stdout, form, columns, CLI_COUNT(columns));
    for (size_t i = 0; i < book->plan_count; i++) {
        const struct plan_terms *t = plan_terms_at(&book->plans[i], now_ms);
        for (size_t k = 0; k < t->charge_count; k++) {
            const struct plan_charge *c = &t->charges[k];
            print_text(&p, book->plans[i].id);
            print_text(&p, c->id);
            print_text(&p, c->name);
            print_text(&p, str_of(charge_model_name(c->model)));
            print_text(&p, str_of(charge_meter_name(c->meter)));
            money_format(c->price_pico, 12, amount);
            print_amount(&p, c->tier_count > 0 ? "tiers" : amount);
            money_format(c->free_pico, 12, amount);
            print_amount(&p, amount);
            print_text(&p, str_of(c->in_advance ? "advance" : "arrears"));
        }
    }
    print_end(&p);
}

static enum err_code
run_show(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    struct plan_book *book;
    struct clock clock;
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code == ERR_OK)
        code = plan_book_load(conf_text(conf, "plans"), &book, err);
    if (code != ERR_OK)
        return code;
    if (conf_flag(conf, "charges"))
        print_charges(book, clock_now_ms(&clock), form_of(conf));
    else
        print_plans(book, clock_now_ms(&clock), form_of(conf));
    if (!conf_flag(conf, "json"))
        printf("Without a subscription: %.*s.\n", STR_ARG(book->default_plan->id));
    plan_book_free(book);
    return ERR_OK;
}

static enum err_code
print_rate(struct print *p, const struct plan *plan, const struct plan_charge *c,
           money_sum quantity_pico, uint64_t calls, struct err *err)
{
    struct exact amount;
    money_sum pico;
    int64_t minor;
    char text[MONEY_TEXT_BYTES];
    int digits = currency_minor_digits(plan->currency);
    money_sum charged = RATE_QUANTITY_ONE;
    if (!rate_charge(c, quantity_pico, calls, &amount) ||
        (c->model != CHARGE_FLAT && !rate_quantity(c, quantity_pico, &charged)) ||
        !exact_round(&amount, digits, &pico, &minor))
        return err_set(err, ERR_LIMIT, "charge %.*s does not fit 63 bits of minor units",
                       STR_ARG(c->id));
    print_text(p, c->id);
    print_text(p, str_of(charge_model_name(c->model)));
    print_text(p, str_of(charge_meter_name(c->meter)));
    money_format(charged, 12, text);
    print_amount(p, text);
    money_format(pico, 12, text);
    print_amount(p, text);
    money_format_fixed(minor, digits, digits, text);
    print_amount(p, text);
    print_text(p, str_of(plan->currency));
    return ERR_OK;
}

static enum err_code
run_rate(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {
        {"charge", PRINT_TEXT},     {"model", PRINT_TEXT},   {"meter", PRINT_TEXT},
        {"quantity", PRINT_AMOUNT}, {"exact", PRINT_AMOUNT}, {"amount", PRINT_AMOUNT},
        {"currency", PRINT_TEXT}};
    const struct conf *conf = &cli->conf;
    const char *name = conf_text(conf, "plan"), *quantity = conf_text(conf, "quantity");
    struct plan_book *book = NULL;
    struct clock clock;
    struct print p;
    int64_t quantity_pico = 0;
    if (name == NULL)
        return err_set(err, ERR_USAGE, "needs --plan PLAN; see --help");
    enum err_code code = cmd_shared_clock(cli, &clock, err);
    if (code == ERR_OK && (quantity[0] == '-' || !money_parse(str_of(quantity), 6, &quantity_pico)))
        code = err_set(err, ERR_USAGE,
                       "--quantity %.40s is no decimal of 0 or more with at most 6 decimals",
                       quantity);
    if (code == ERR_OK)
        code = plan_book_load(conf_text(conf, "plans"), &book, err);
    if (code != ERR_OK)
        return code;
    const struct plan *plan = plan_find(book, str_of(name));
    if (plan == NULL) {
        code = err_set(err, ERR_NOT_FOUND, "%s has no plan \"%.64s\"; see gbill plans show",
                       book->path, name);
    } else {
        const struct plan_terms *t = plan_terms_at(plan, clock_now_ms(&clock));
        print_begin(&p, stdout, form_of(conf), columns, CLI_COUNT(columns));
        for (size_t i = 0; code == ERR_OK && i < t->charge_count; i++)
            code = print_rate(&p, plan, &t->charges[i],
                              (money_sum)quantity_pico * (RATE_QUANTITY_ONE / 1000000),
                              (uint64_t)conf_int(conf, "calls"), err);
        print_end(&p);
    }
    plan_book_free(book);
    return code;
}

const struct cli_cmd cmd_plans_check = {
    .name = "plans check",
    .args = "[FILE]",
    .args_max = 1,
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run_check,
    .summary = "check a plan book; say what is in it, or the first thing wrong",
    .help = "Reads the plan book as the stages would and changes nothing.  Prints how many plans\n"
            "it has and its SHA-256, which is the version that invoices name.  A book that is\n"
            "wrong ends with exit status 3 and one line that names the plan, the key and the\n"
            "value.  Format: schemas/plans.md.\n",
};

const struct cli_cmd cmd_plans_show = {
    .name = "plans show",
    .args = "",
    .opts = show_opts,
    .opt_count = CLI_COUNT(show_opts),
    .run = run_show,
    .summary = "print the plans: fee, limits, price of overage; or their charges",
    .help = "One line per plan, the smallest first, as the version in force has it.  fee is the\n"
            "sum of the flat charges of a period; an empty overagePerMillion sells no AI credits\n"
            "by the piece.  --charges prints every charge instead.\n",
};

const struct cli_cmd cmd_plans_rate = {
    .name = "plans rate",
    .args = "",
    .opts = rate_opts,
    .opt_count = CLI_COUNT(rate_opts),
    .run = run_rate,
    .summary = "compute what a plan's charges come to for a quantity",
    .help = "Prints for every charge of the plan the quantity that is charged for (behind\n"
            "conversion and free units), the exact amount and the amount that would stand on an\n"
            "invoice.  The quantity is taken for every charge, whatever its meter; of llm_cost\n"
            "it is an amount of money.\n",
};
