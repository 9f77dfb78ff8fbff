#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rollup/cmd.h"
#include "rollup/price/price_diff.h"
#include "rollup/price/price_foreign.h"
#include "rollup/price/price_import.h"
#include "rollup/price/price_write.h"
#include "store/base/print.h"
#include "store/base/time.h"

static const struct conf_opt diff_opts[] = {
    CONF_ROW_JSON,
};

static const struct conf_opt import_opts[] = {
    {"format", NULL, CONF_TEXT, "FORMAT", 0, 0, NULL, false, "litellm or genai-prices"},
    {"book", "GBILL_PRICES", CONF_TEXT, "FILE", 0, 0, GBILL_SCHEMAS_DIR "/prices.json", false,
     "price book to add to"},
    {"output", NULL, CONF_TEXT, "FILE", 0, 0, NULL, false,
     "write the new book here, in one step (default: stdout)"},
    {"recorded", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false,
     "when the new rows are known from: the time at which the book is put in place (default: now)"},
    {"provider", NULL, CONF_TEXT, "NAMES", 0, 0, NULL, false,
     "only these, with commas between; or all (default: those of the book)"},
    CONF_ROW_JSON,
};

/* ---- diff ---- */

static void
print_change(void *print, const struct price_change *change)
{
    struct print *p = print;
    print_text(p, str_of(price_change_name(change->kind)));
    print_text(p, str_of(price_change_breaks(change->kind) ? "no" : "yes"));
    print_text(p, change->provider);
    print_text(p, change->model);
    print_text(p, str_of(change->row));
    print_text(p, str_of(change->from));
    print_text(p, str_of(change->recorded));
    print_text(p, str_of(change->text));
}

static enum err_code
diff(const struct conf *conf, const struct price_version *before, const struct price_version *after,
     struct err *err)
{
    static const struct print_column columns[] = {
        {"change", PRINT_TEXT},   {"appendOnly", PRINT_TEXT}, {"provider", PRINT_TEXT},
        {"model", PRINT_TEXT},    {"row", PRINT_TEXT},        {"from", PRINT_TEXT},
        {"recorded", PRINT_TEXT}, {"details", PRINT_TEXT}};
    struct print p;
    struct price_diff result = {.broken = 0};
    bool json = conf_flag(conf, "json");
    print_begin(&p, stdout, json ? PRINT_JSON : PRINT_TABLE, columns, CLI_COUNT(columns));
    enum err_code code = price_diff_run(before, after, print_change, &p, &result, err);
    print_end(&p);
    if (code != ERR_OK)
        return code;
    if (!json) {
        const char *between = "";
        for (size_t k = 0; k < PRICE_CHANGE_KINDS; k++) {
            if (result.count[k] == 0)
                continue;
            printf("%s%s: %zu", between, price_change_name((enum price_change_kind)k),
                   result.count[k]);
            between = ", ";
        }
        printf("%s\n", between[0] == '\0' ? "no price differs" : "");
    }
    if (result.broken > 0)
        return err_set(err, ERR_CONFLICT,
                       "%s breaks the append-only rule in %zu places: bills of the past would "
                       "change; add rows and retract them instead (schemas/prices.md)",
                       conf->args[1], result.broken);
    return ERR_OK;
}

static enum err_code
run_diff(struct cli *cli, struct err *err)
{
    struct price_version before = {NULL, NULL}, after = {NULL, NULL};
    enum err_code code = price_version_load(cli->conf.args[0], &before, err);
    if (code == ERR_OK)
        code = price_version_load(cli->conf.args[1], &after, err);
    if (code == ERR_OK)
        code = diff(&cli->conf, &before, &after, err);
    price_version_clear(&before);
    price_version_clear(&after);
    return code;
}

/* ---- import ---- */

static void
print_skipped(void *unused, const char *line)
{
    (void)unused;
    fprintf(stderr, "%s\n", line);
}

static enum err_code
parse_args(struct cli *cli, struct price_import_args *args, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *format = conf_text(conf, "format"), *recorded = conf_text(conf, "recorded");
    if (format == NULL || !price_import_format_find(format, &args->format))
        return err_set(err, ERR_USAGE, "--format is %s%s, must be litellm or genai-prices",
                       format == NULL ? "missing" : "", format == NULL ? "" : format);
    args->providers = conf_text(conf, "provider");
    args->skipped = print_skipped;
    args->recorded_ms = clock_now_ms(&cli->clock);
    if (recorded != NULL && !time_parse(str_of(recorded), &args->recorded_ms))
        return err_set(err, ERR_USAGE,
                       "--recorded %s is no time; write 2026-11-24 or 2026-11-24T08:15:30Z",
                       recorded);
    return ERR_OK;
}

static enum err_code
put_book(const struct conf *conf, const json_t *root, struct err *err)
{
    const char *output = conf_text(conf, "output");
    struct buf text;
    buf_init(&text, PRICE_WRITE_BYTES_MAX);
    enum err_code code = price_write_text(root, &text, err);
    if (code == ERR_OK && output != NULL)
        code = price_write_file(&text, output, err);
    else if (code == ERR_OK)
        code = price_write_check(&text, err);
    if (code == ERR_OK && output == NULL &&
        (fwrite(text.data, 1, text.size_bytes, stdout) != text.size_bytes || fflush(stdout) != 0))
        code = err_set(err, ERR_IO, "cannot write the new book to stdout");
    buf_clear(&text);
    return code;
}

/* Where stdout carries the book, the counts go beside it. */
static void
print_result(const struct conf *conf, const struct price_import_result *r)
{
    static const struct print_column columns[] = {
        {"modelsAdded", PRINT_WHOLE},     {"modelsChanged", PRINT_WHOLE},
        {"modelsUnchanged", PRINT_WHOLE}, {"modelsSkipped", PRINT_WHOLE},
        {"modelsUnasked", PRINT_WHOLE},   {"rowsAdded", PRINT_WHOLE},
        {"aliasesAdded", PRINT_WHOLE},    {"notes", PRINT_WHOLE}};
    const size_t cells[] = {r->models_added,   r->models_changed, r->models_unchanged,
                            r->models_skipped, r->models_unasked, r->rows_added,
                            r->aliases_added,  r->lines};
    struct print p;
    print_begin(&p, conf_text(conf, "output") != NULL ? stdout : stderr,
                conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns, CLI_COUNT(columns));
    for (size_t i = 0; i < CLI_COUNT(cells); i++)
        print_whole(&p, cells[i]);
    print_end(&p);
}

static enum err_code
run_import(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    struct price_import_args args = {.format = PRICE_IMPORT_LITELLM};
    struct price_import_result result;
    struct price_version book = {NULL, NULL};
    json_t *foreign = NULL;
    enum err_code code = parse_args(cli, &args, err);
    if (code == ERR_OK)
        code = price_version_load(conf_text(conf, "book"), &book, err);
    if (code == ERR_OK)
        code = price_foreign_load(conf->args[0], &foreign, err);
    if (code == ERR_OK) {
        args.foreign = foreign;
        args.book = book.book;
        args.root = book.root;
        code = price_import_run(&args, &result, err);
        if (code == ERR_INPUT)
            code = err_wrap(err, code, "%s", conf->args[0]);
    }
    if (code == ERR_OK)
        code = put_book(conf, book.root, err);
    if (code == ERR_OK)
        print_result(conf, &result);
    json_decref(foreign);
    price_version_clear(&book);
    return code;
}

const struct cli_cmd cmd_prices_diff = {
    .name = "prices diff",
    .args = "OLD NEW",
    .args_min = 2,
    .args_max = 2,
    .opts = diff_opts,
    .opt_count = CLI_COUNT(diff_opts),
    .run = run_diff,
    .summary = "say what changed between two price books, and whether bills stay as they are",
    .help = "One line per model and row that was added or retracted, with what each rate was\n"
            "before.  A book may only grow: a row edited or deleted, or one that claims to have\n"
            "been known while OLD was the newest, would change bills of the past.  Such changes\n"
            "are in capitals and the exit status is 7; it is 0 when NEW only adds and retracts.\n"
            "Notes are not compared.  Rules: schemas/prices.md.\n",
};

const struct cli_cmd cmd_prices_import = {
    .name = "prices import",
    .args = "FILE",
    .args_min = 1,
    .args_max = 1,
    .opts = import_opts,
    .opt_count = CLI_COUNT(import_opts),
    .run = run_import,
    .summary = "add to a price book what LiteLLM's or genai-prices' file knows",
    .help =
        "Reads FILE, LiteLLM's model_prices_and_context_window.json or genai-prices' data.json,\n"
        "and prints the book with what is new: models, rows, aliases.  Nothing that stands in\n"
        "the book is edited, and equal prices add nothing.  Prices are read as the decimals\n"
        "they are.  What cannot be carried over is on stderr, a line each, with the reason.\n"
        "Such files have errors: look at the result with gbill prices diff before it is used.\n"
        "The mapping is in schemas/prices.md, \"Import\".\n",
};
