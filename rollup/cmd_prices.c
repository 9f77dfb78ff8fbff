#include <stdio.h>
#include <string.h>

#include "rollup/cmd.h"
#include "rollup/price/price.h"
#include "store/base/money.h"
#include "store/base/print.h"
#include "store/base/time.h"

static const struct conf_opt check_opts[] = {
    CONF_ROW_PRICES,
    CONF_ROW_JSON,
};

static const struct conf_opt show_opts[] = {
    CONF_ROW_PRICES,
    {"provider", NULL, CONF_TEXT, "NAME", 0, 0, NULL, false,
     "only this provider's model (default: every provider that has the id)"},
    {"at", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false,
     "only what holds at this time, as known today: 2026-11-24, 2026-11-24T08:15:30Z"},
    CONF_ROW_JSON,
};

static enum err_code
run_check(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {{"file", PRINT_TEXT},     {"models", PRINT_WHOLE},
                                                  {"aliases", PRINT_WHOLE}, {"prices", PRINT_WHOLE},
                                                  {"currency", PRINT_TEXT}, {"sha256", PRINT_TEXT}};
    const struct conf *conf = &cli->conf;
    const char *path = conf->arg_count > 0 ? conf->args[0] : conf_text(conf, "prices");
    struct price_book *book;
    struct print p;
    char sha256[HASH_SHA256_TEXT_BYTES];
    enum err_code code = price_book_load(path, &book, err);
    if (code != ERR_OK)
        return code;
    hash_hex(book->sha256, sizeof book->sha256, sha256);
    print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    print_text(&p, str_of(path));
    print_whole(&p, book->model_count);
    print_whole(&p, book->alias_count);
    print_whole(&p, book->row_count);
    print_text(&p, book->currency);
    print_text(&p, str_of(sha256));
    print_end(&p);
    price_book_free(book);
    return ERR_OK;
}

/* The one time that --at asks for, or every row. */
struct moment {
    bool given;
    int64_t at_ms, now_ms;
};

static const struct print_column show_columns[] = {
    {"provider", PRINT_TEXT},    {"model", PRINT_TEXT},        {"organization", PRINT_TEXT},
    {"tier", PRINT_TEXT},        {"from", PRINT_TEXT},         {"recorded", PRINT_TEXT},
    {"retracted", PRINT_TEXT},   {"totalInput", PRINT_TEXT},   {"input", PRINT_AMOUNT},
    {"cacheRead", PRINT_AMOUNT}, {"cacheWrite", PRINT_AMOUNT}, {"cacheWrite1h", PRINT_AMOUNT},
    {"output", PRINT_AMOUNT},    {"also", PRINT_TEXT}};

/* What one line of the table is about. */
struct line {
    const struct price_model *model;
    struct str organization;
    enum price_tier tier;
    const struct price_row *row;
};

/* A day where it is one, else to the millisecond. */
static void
print_since(struct print *p, int64_t utc_ms)
{
    char text[TIME_TEXT_BYTES] = "";
    if (utc_ms != PRICE_SINCE_EVER && utc_ms != PRICE_NEVER) {
        if (utc_ms % TIME_DAY_MS == 0)
            time_format_day(utc_ms / TIME_DAY_MS, text);
        else
            time_format_ms(utc_ms, text);
    }
    print_text(p, str_of(text));
}

/* A text that is cut off rather than grown: it is for people. */
struct also {
    char text[1024];
    size_t bytes;
};

static void
add_word(struct also *also, const char *word, struct str more, const char *amount)
{
    size_t room = sizeof also->text - also->bytes;
    int n = snprintf(also->text + also->bytes, room, "%s%s%.*s %s", also->bytes > 0 ? ", " : "",
                     word, STR_ARG(more), amount);
    if (n > 0 && (size_t)n < room)
        also->bytes += (size_t)n;
}

/* Audio and image rates, and on a row's own line its fees and factors. */
static void
print_also(struct print *p, const struct price_rates *rates, const struct price_row *row)
{
    static const char *const dimensions[] = {"region ", "speed "};
    char text[MONEY_TEXT_BYTES + 1];
    struct also b = {.bytes = 0};
    for (size_t c = EVENT_TEXT_CLASSES; c < EVENT_CLASSES; c++) {
        if (rates->pico[c] == PRICE_NONE)
            continue;
        money_format(rates->pico[c], 6, text);
        add_word(&b, event_class_name((enum event_class)c), (struct str){0}, text);
    }
    for (size_t f = 0; row != NULL && f < EVENT_FEES; f++) {
        if (row->fee_pico[f] == PRICE_NONE)
            continue;
        money_format(row->fee_pico[f], 9, text);
        add_word(&b, event_fee_name((enum event_fee)f), str_of(" per 1000"), text);
    }
    for (size_t d = 0; row != NULL && d < PRICE_DIMENSIONS; d++) {
        for (size_t i = 0; i < row->factors[d].count; i++) {
            text[0] = 'x';
            money_format(row->factors[d].rows[i].millionths, 6, text + 1);
            add_word(&b, dimensions[d], row->factors[d].rows[i].word, text);
        }
    }
    print_text(p, (struct str){b.text, b.bytes});
}

static void
print_line(struct print *p, const struct line *line, const char *total_input,
           const struct price_rates *rates, const struct price_row *row)
{
    print_text(p, line->model->provider);
    print_text(p, line->model->model);
    print_text(p, line->organization);
    print_text(p, str_of(price_tier_name(line->tier)));
    print_since(p, line->row->when.from_ms);
    print_since(p, line->row->when.recorded_ms);
    print_since(p, line->row->when.retracted_ms);
    print_text(p, str_of(total_input));
    for (size_t class = 0; class < EVENT_TEXT_CLASSES; class ++) {
        char text[MONEY_TEXT_BYTES] = "";
        /* Picos of one token are millionths of the price of a million tokens. */
        if (rates->pico[class] != PRICE_NONE)
            money_format(rates->pico[class], 6, text);
        print_amount(p, text);
    }
    print_also(p, rates, row);
}

static void
print_row(struct print *p, const struct line *line)
{
    const struct price_row *row = line->row;
    print_line(p, line, "", &row->rates, row);
    for (size_t i = 0; i < row->band_count; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s%llu", row->bands[i].inclusive ? ">=" : ">",
                 (unsigned long long)row->bands[i].threshold_tokens);
        print_line(p, line, text, &row->bands[i].rates, NULL);
    }
}

/* The rows of everyone (own NULL) or of one organization's override. */
static void
print_tiers(struct print *p, const struct price_model *model, const struct price_override *own,
            const struct moment *m)
{
    for (size_t t = 0; t < PRICE_TIERS; t++) {
        const struct price_rows *rows = own != NULL ? &own->tiers[t] : &model->tiers[t];
        struct line line = {model, own != NULL ? own->organization : (struct str){0},
                            (enum price_tier)t, NULL};
        struct price_query query = {line.organization, m->at_ms, m->now_ms};
        const struct price_row *holds = price_model_row(model, line.tier, &query);
        for (size_t i = 0; i < rows->count; i++) {
            line.row = &rows->rows[i];
            if (!m->given || line.row == holds)
                print_row(p, &line);
        }
    }
}

static void
print_model(struct print *p, const struct price_model *model, const struct moment *m)
{
    print_tiers(p, model, NULL, m);
    for (size_t o = 0; o < model->override_count; o++)
        print_tiers(p, model, &model->overrides[o], m);
}

static bool
is_wanted(const struct price_id *id, const char *name, const char *provider)
{
    return str_is(id->id, name) && (provider == NULL || str_is(id->provider, provider));
}

/* The ids of the book that are close enough to be what was meant. */
static void
suggest(const struct price_book *book, const char *name, const char *provider, char *text,
        size_t text_bytes)
{
    size_t used = 0, shown = 0;
    text[0] = '\0';
    for (size_t i = 0; i < book->id_count && shown < 3; i++) {
        struct str id = book->ids[i].id;
        bool other = provider != NULL && !str_is(book->ids[i].provider, provider);
        if (other || (strstr(id.data, name) == NULL && strstr(name, id.data) == NULL))
            continue;
        int put = snprintf(text + used, text_bytes - used, "%s%.*s",
                           shown == 0 ? "; did you mean " : ", ", STR_ARG(id));
        if (put < 0 || (size_t)put >= text_bytes - used)
            break;
        used += (size_t)put;
        shown++;
    }
}

static enum err_code
show(const struct price_book *book, const char *name, const char *provider, const struct moment *m,
     enum print_form form, struct err *err)
{
    size_t found = 0;
    struct print p;
    char hint[3 * EVENT_MODEL_BYTES_MAX + 32];
    for (size_t i = 0; i < book->id_count; i++)
        found += is_wanted(&book->ids[i], name, provider);
    if (found == 0) {
        suggest(book, name, provider, hint, sizeof hint);
        return err_set(err, ERR_NOT_FOUND, "%s: no model or alias \"%s\"%s%s (ids match exactly)%s",
                       book->path, name, provider != NULL ? " of " : "",
                       provider != NULL ? provider : "", hint);
    }
    if (form == PRINT_TABLE)
        printf("%s per million tokens\n", book->currency.data);
    print_begin(&p, stdout, form, show_columns, CLI_COUNT(show_columns));
    for (size_t i = 0; i < book->id_count; i++) {
        const struct price_id *id = &book->ids[i];
        const struct price_model *model =
            is_wanted(id, name, provider) ? price_id_model(id, m->at_ms, m->now_ms) : NULL;
        if (model != NULL)
            print_model(&p, model, m);
    }
    bool empty = p.rows == 0;
    print_end(&p);
    if (empty)
        return err_set(err, ERR_NOT_FOUND,
                       "%s: \"%s\" has no price at that time; leave --at out to see every row",
                       book->path, name);
    return ERR_OK;
}

static enum err_code
run_show(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *at = conf_text(conf, "at");
    struct moment m = {.given = at != NULL, .now_ms = clock_now_ms(&cli->clock)};
    struct price_book *book;
    m.at_ms = m.now_ms;
    if (at != NULL && !time_parse(str_of(at), &m.at_ms))
        return err_set(err, ERR_USAGE,
                       "--at %s is no time; write 2026-11-24 or 2026-11-24T08:15:30Z", at);
    enum err_code code = price_book_load(conf_text(conf, "prices"), &book, err);
    if (code != ERR_OK)
        return code;
    code = show(book, conf->args[0], conf_text(conf, "provider"), &m,
                conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, err);
    price_book_free(book);
    return code;
}

const struct cli_cmd cmd_prices_check = {
    .name = "prices check",
    .args = "[FILE]",
    .args_max = 1,
    .opts = check_opts,
    .opt_count = CLI_COUNT(check_opts),
    .run = run_check,
    .summary = "check a price book; say what is in it, or the first thing wrong",
    .help = "Reads the price book as the rollup would and changes nothing.  Prints how many\n"
            "models, aliases and price rows it has and its SHA-256, which is the version that\n"
            "folds and invoices name.  A book that is wrong ends with exit status 3 and one line\n"
            "that names the model, the row and the value.  Format: schemas/prices.md.\n",
};

const struct cli_cmd cmd_prices_show = {
    .name = "prices show",
    .args = "MODEL",
    .args_min = 1,
    .args_max = 1,
    .opts = show_opts,
    .opt_count = CLI_COUNT(show_opts),
    .run = run_show,
    .summary = "print what a model costs, by service tier and day",
    .help = "MODEL is a model id or an alias, exactly as an event carries it; an alias is shown\n"
            "as the model it means.  One line per row of the book, in its currency per million\n"
            "tokens; a line with totalInput holds for the whole of a request with so much\n"
            "input, one with an organization for that organization alone.  also: audio and image\n"
            "rates, fees per 1000 uses, factors by region and speed.  An empty cell is no rate:\n"
            "schemas/prices.md says what is charged then.\n",
};
