#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "rollup/cmd.h"
#include "rollup/ratio_learn.h"
#include "store/base/money.h"
#include "store/base/print.h"
#include "store/base/time.h"

enum { DAYS_MAX = 400, TEXT_BYTES = 48 };

static enum print_form
form_of(const struct conf *conf)
{
    return conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE;
}

/* A fraction with three decimals, cut off. */
static void
print_thousandths(struct print *p, money_sum over, int64_t under)
{
    char text[TEXT_BYTES];
    if (under == 0) {
        print_null(p);
        return;
    }
    int64_t n = (int64_t)(over * 1000 / under);
    snprintf(text, sizeof text, "%" PRId64 ".%03" PRId64, n / 1000, n % 1000);
    print_amount(p, text);
}

void
cmd_tokens_print_percent(struct print *p, int64_t per_mille)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "%" PRId64 ".%" PRId64, per_mille / 10, per_mille % 10);
    print_amount(p, text);
}

static void
print_key(struct print *p, const struct ratio *r)
{
    print_text(p, r->provider);
    print_text(p, r->model);
    print_text(p, str_of(ratio_side_name(r->side)));
}

/* ---- learn ---- */

static const struct conf_opt learn_opts[] = {
    CONF_ROW_DATA,
    {"days", NULL, CONF_INT, "N", 1, DAYS_MAX, "28", false,
     "learn from the calls of so many whole days before today (UTC)"},
    {"min-calls", NULL, CONF_INT, "N", RATIO_CALLS_MIN, 1000000000, "40", false,
     "learn nothing of a model from fewer calls"},
    {"again", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "also if it was done today"},
    CONF_ROW_JSON,
};

static void
show_progress(void *context, uint64_t seq, uint64_t last_seq)
{
    (void)context;
    fprintf(stderr, "\rread up to event %" PRIu64 " of %" PRIu64, seq, last_seq);
}

static void
print_findings(const struct ratio_learned *r, enum print_form form)
{
    static const struct print_column columns[] = {
        {"provider", PRINT_TEXT}, {"model", PRINT_TEXT},          {"side", PRINT_TEXT},
        {"calls", PRINT_WHOLE},   {"bytesPerToken", PRINT_WHOLE}, {"errorPercent", PRINT_WHOLE},
        {"outcome", PRINT_TEXT},
    };
    const struct ratio_finding *findings = r->findings.items;
    struct print p;
    print_begin(&p, stdout, form, columns, CLI_COUNT(columns));
    for (size_t i = 0; i < r->findings.count; i++) {
        const struct ratio_finding *f = &findings[i];
        print_key(&p, &f->ratio);
        print_whole(&p, (uint64_t)f->ratio.calls);
        print_thousandths(&p, f->ratio.bytes, f->ratio.tokens);
        if (f->news == RATIO_TOO_FEW || f->news == RATIO_TOO_WIDE)
            print_null(&p);
        else
            cmd_tokens_print_percent(&p, f->ratio.error_per_mille);
        print_text(&p, str_of(ratio_news_name(f->news)));
    }
    print_end(&p);
}

static enum err_code
learn(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    bool tty = isatty(STDERR_FILENO) != 0;
    const struct ratio_learn_options o = {
        .data_directory = conf_data_dir(conf),
        .now_utc_ms = clock_now_ms(&cli->clock),
        .days = conf_int(conf, "days"),
        .calls_min = conf_int(conf, "min-calls"),
        .again = conf_flag(conf, "again"),
        .progress = tty ? show_progress : NULL,
    };
    struct ratio_learned learned;
    enum err_code code = ratio_learn(&o, &learned, err);
    if (tty)
        fputs("\r\033[K", stderr);
    if (code != ERR_OK)
        return code;
    if (learned.was_done)
        fputs("gbill tokens learn: done today already; --again does it again\n", stderr);
    else
        print_findings(&learned, form_of(conf));
    ratio_learned_clear(&learned);
    return ERR_OK;
}

const struct cli_cmd cmd_tokens_learn = {
    .name = "tokens learn",
    .args = "",
    .opts = learn_opts,
    .opt_count = CLI_COUNT(learn_opts),
    .run = learn,
    .summary = "learn how many tokens a byte is, from calls that told both",
    .help =
        "Reads the calls of four weeks that came with inputBytes or outputBytes and with the\n"
        "provider's own counts, and appends to ratios.json in the data directory what is news: per\n"
        "provider and model, for input and output, the ratio of tokens to bytes and its error bound.\n"
        "Calls that come without counts are estimated by it (schemas/ratios.md), and marked.\n"
        "\n"
        "Every second call gives the ratio, the others the bound: 95 of 100 calls of the same kind\n"
        "differ from their estimate by at most that percentage of it.\n"
        "\n"
        "Looks at the log once a day, however often it runs; gbill run starts it.  A fold must not\n"
        "run while the file is replaced: it waits for one, for a minute at most.\n"
        "\n"
        "Exit status 0; 8 when a fold holds the lock.\n",
};

/* ---- ratios ---- */

static const struct conf_opt ratios_opts[] = {
    CONF_ROW_DATA,
    {"all", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "also the rows that newer ones replaced"},
    CONF_ROW_JSON,
};

static bool
is_newest(const struct ratio_book *book, const struct ratio *r)
{
    return ratio_find(book, r->provider, r->model, r->side, RATIO_NEWEST) == r;
}

static enum err_code
ratios(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {
        {"provider", PRINT_TEXT},      {"model", PRINT_TEXT},
        {"side", PRINT_TEXT},          {"bytesPerToken", PRINT_WHOLE},
        {"errorPercent", PRINT_WHOLE}, {"calls", PRINT_WHOLE},
        {"bytes", PRINT_WHOLE},        {"tokens", PRINT_WHOLE},
        {"from", PRINT_TEXT},          {"to", PRINT_TEXT},
        {"recorded", PRINT_TEXT},
    };
    const struct conf *conf = &cli->conf;
    struct ratio_book *book = NULL;
    enum err_code code = ratio_book_load(conf_data_dir(conf), &book, err);
    if (code != ERR_OK)
        return code;
    struct print p;
    print_begin(&p, stdout, form_of(conf), columns, CLI_COUNT(columns));
    for (size_t i = 0; i < book->count; i++) {
        const struct ratio *r = &book->rows[i];
        if (!conf_flag(conf, "all") && !is_newest(book, r))
            continue;
        print_key(&p, r);
        print_thousandths(&p, r->bytes, r->tokens);
        cmd_tokens_print_percent(&p, r->error_per_mille);
        print_whole(&p, (uint64_t)r->calls);
        print_whole(&p, (uint64_t)r->bytes);
        print_whole(&p, (uint64_t)r->tokens);
        print_time(&p, r->from_ms);
        print_time(&p, r->to_ms);
        print_time(&p, r->recorded_ms);
    }
    print_end(&p);
    if (book->count == 0)
        fputs("gbill tokens ratios: nothing has been learned yet; send inputBytes and outputBytes\n"
              "beside the counts of calls, and run gbill tokens learn\n",
              stderr);
    ratio_book_free(book);
    return ERR_OK;
}

const struct cli_cmd cmd_tokens_ratios = {
    .name = "tokens ratios",
    .args = "",
    .opts = ratios_opts,
    .opt_count = CLI_COUNT(ratios_opts),
    .run = ratios,
    .summary = "print the ratios of tokens to bytes that were learned",
    .help =
        "One line for each provider, model and side of a call: bytes per token, the error bound (95\n"
        "of 100 calls of the same kind differ from their estimate by at most that percentage of it),\n"
        "how many calls of which time it was learned from, and since when it holds.  bytes and\n"
        "tokens are those of every second of these calls; the others gave the bound.\n"
        "\n"
        "Exit status 0, also when there are none; 3 when ratios.json is not as it must be.\n",
};

/* ---- estimate ---- */

static const struct conf_opt estimate_opts[] = {
    CONF_ROW_DATA,
    {"provider", NULL, CONF_TEXT, "NAME", 0, 0, "anthropic", false, "as events name it"},
    {"model", NULL, CONF_TEXT, "ID", 0, 0, NULL, false, "as events name it; required"},
    {"bytes", NULL, CONF_INT, "N", 1, 1000000000000, NULL, false,
     "UTF-8 bytes of the text; required"},
    {"output", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "a text that the model writes, reasoning included; default: one that it reads"},
    CONF_ROW_JSON,
};

static void
print_estimate(const struct ratio *r, uint64_t bytes, uint64_t tokens, enum print_form form)
{
    static const struct print_column columns[] = {
        {"provider", PRINT_TEXT}, {"model", PRINT_TEXT},   {"side", PRINT_TEXT},
        {"bytes", PRINT_WHOLE},   {"tokens", PRINT_WHOLE}, {"errorPercent", PRINT_WHOLE},
        {"atLeast", PRINT_WHOLE}, {"atMost", PRINT_WHOLE}, {"method", PRINT_TEXT},
    };
    struct print p;
    /* Outwards: the bound is a promise. */
    uint64_t off = (uint64_t)(((money_sum)tokens * r->error_per_mille + 999) / 1000);
    print_begin(&p, stdout, form, columns, CLI_COUNT(columns));
    print_key(&p, r);
    print_whole(&p, bytes);
    print_whole(&p, tokens);
    cmd_tokens_print_percent(&p, r->error_per_mille);
    print_whole(&p, off < tokens ? tokens - off : 0);
    print_whole(&p, tokens + off);
    print_text(&p, str_of("estimated"));
    print_end(&p);
}

static enum err_code
estimate(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *provider = conf_text(conf, "provider"), *model = conf_text(conf, "model");
    enum event_side side = conf_flag(conf, "output") ? EVENT_RECEIVED : EVENT_SENT;
    struct ratio_book *book = NULL;
    uint64_t tokens = 0;
    uint64_t bytes = (uint64_t)conf_int(conf, "bytes");
    if (model == NULL || bytes == 0)
        return err_set(err, ERR_USAGE, "give --model and --bytes");
    enum err_code code = ratio_book_load(conf_data_dir(conf), &book, err);
    if (code != ERR_OK)
        return code;
    const struct ratio *r = ratio_find(book, str_of(provider), str_of(model), side, RATIO_NEWEST);
    if (r == NULL)
        code =
            err_set(err, ERR_NOT_FOUND,
                    "no ratio of %s of %s, %s, is known; gbill tokens ratios lists those that are",
                    ratio_side_name(side), provider, model);
    else if (!ratio_tokens(r, bytes, &tokens))
        code =
            err_set(err, ERR_LIMIT, "the estimate is beyond %" PRIu64 " tokens", EVENT_COUNT_MAX);
    else
        print_estimate(r, bytes, tokens, form_of(conf));
    ratio_book_free(book);
    return code;
}

const struct cli_cmd cmd_tokens_estimate = {
    .name = "tokens estimate",
    .args = "",
    .opts = estimate_opts,
    .opt_count = CLI_COUNT(estimate_opts),
    .run = estimate,
    .summary = "estimate the tokens of a text by its size",
    .help =
        "By the newest ratio that was learned of this model (gbill tokens ratios), with its error\n"
        "bound: 95 of 100 texts of the kind it was learned from lie between atLeast and atMost.\n"
        "\n"
        "Exit status 0; 2 without --model or --bytes; 6 when no ratio is known.\n",
};
