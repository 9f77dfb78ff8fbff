#include <stdio.h>

#include "billing/cmd.h"
#include "billing/plan.h"
#include "store/base/print.h"

static const struct conf_opt opts[] = {
    CONF_ROW_PLANS,
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
    static const struct print_column columns[] = {{"file", PRINT_TEXT},
                                                  {"plans", PRINT_WHOLE},
                                                  {"default", PRINT_TEXT},
                                                  {"currency", PRINT_TEXT},
                                                  {"sha256", PRINT_TEXT}};
    const struct conf *conf = &cli->conf;
    const char *path = conf->arg_count > 0 ? conf->args[0] : conf_text(conf, "plans");
    struct plan_book *book;
    struct print p;
    char sha256[HASH_SHA256_TEXT_BYTES];
    enum err_code code = plan_book_load(path, &book, err);
    if (code != ERR_OK)
        return code;
    hash_hex(book->sha256, sizeof book->sha256, sha256);
    print_begin(&p, stdout, form_of(conf), columns, CLI_COUNT(columns));
    print_text(&p, str_of(path));
    print_whole(&p, book->plan_count);
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

static void
print_plan(struct print *p, const struct plan_book *book, const struct plan *plan)
{
    char amount[MONEY_TEXT_BYTES];
    print_text(p, plan->id);
    print_text(p, plan->name);
    money_format_fixed(plan->fee_pico, 12, book->minor_digits, amount);
    print_amount(p, amount);
    for (int d = 0; d < LIMIT_DIMENSIONS; d++)
        print_limit(p, plan->limits[d]);
    amount[0] = '\0';
    if (plan->sells_overage)
        money_format(plan->overage_pico, 6, amount);
    print_amount(p, amount);
    print_text(p, plan->support);
    print_text(p, plan->analytics);
}

static enum err_code
run_show(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {
        {"plan", PRINT_TEXT},         {"name", PRINT_TEXT},
        {"monthlyFee", PRINT_AMOUNT}, {"projects", PRINT_WHOLE},
        {"documents", PRINT_WHOLE},   {"aiCredits", PRINT_WHOLE},
        {"members", PRINT_WHOLE},     {"overagePerMillion", PRINT_AMOUNT},
        {"support", PRINT_TEXT},      {"analytics", PRINT_TEXT}};
    const struct conf *conf = &cli->conf;
    struct plan_book *book;
    struct print p;
    enum err_code code = plan_book_load(conf_text(conf, "plans"), &book, err);
    if (code != ERR_OK)
        return code;
    print_begin(&p, stdout, form_of(conf), columns, CLI_COUNT(columns));
    for (size_t i = 0; i < book->plan_count; i++)
        print_plan(&p, book, &book->plans[i]);
    print_end(&p);
    if (!conf_flag(conf, "json"))
        printf("Amounts in %s. Without a subscription: %.*s.\n", book->currency,
               STR_ARG(book->default_plan->id));
    plan_book_free(book);
    return ERR_OK;
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
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run_show,
    .summary = "print the plans: fee, limits, price of overage",
    .help = "One line per plan, the smallest first.  aiCredits is a calendar month (UTC);\n"
            "an empty overagePerMillion is a hard limit.\n",
};
