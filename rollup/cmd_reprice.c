#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "rollup/cmd.h"
#include "rollup/reprice.h"
#include "store/base/currency.h"
#include "store/base/print.h"
#include "store/base/time.h"

enum { PICO_DIGITS = 12 };

static const struct print_column columns[] = {
    {"organization", PRINT_TEXT}, {"provider", PRINT_TEXT},     {"model", PRINT_TEXT},
    {"calls", PRINT_WHOLE},       {"changed", PRINT_WHOLE},     {"costFolded", PRINT_AMOUNT},
    {"costNew", PRINT_AMOUNT},    {"difference", PRINT_AMOUNT}, {"unpricedFolded", PRINT_WHOLE},
    {"unpricedNew", PRINT_WHOLE},
};

static void
show_progress(void *context, uint64_t seq, uint64_t last_seq)
{
    (void)context;
    fprintf(stderr, "\rpriced up to event %" PRIu64 " of %" PRIu64, seq, last_seq);
}

static enum err_code
read_hour(const struct conf *conf, const char *option, uint32_t *ret_hour, struct err *err)
{
    const char *text = conf_text(conf, option);
    int64_t utc_ms;
    if (text == NULL)
        return ERR_OK;
    if (!time_parse(str_of(text), &utc_ms) || utc_ms % TIME_HOUR_MS != 0)
        return err_set(err, ERR_USAGE,
                       "--%s: \"%s\" is no full UTC hour; write a month (2026-11), a day "
                       "(2026-11-24) or an hour (2026-11-24T08:00Z)",
                       option, text);
    *ret_hour = (uint32_t)(utc_ms / TIME_HOUR_MS);
    return ERR_OK;
}

/* Options of one use of the command that were given with another. */
static enum err_code
refuse(const struct conf *conf, const char *const *flags, const char *why, struct err *err)
{
    for (; *flags != NULL; flags++) {
        if (conf_flag(conf, *flags))
            return err_set(err, ERR_USAGE, "--%s %s", *flags, why);
    }
    return ERR_OK;
}

enum err_code
cmd_reprice_none(const struct conf *conf, struct err *err)
{
    static const char *const flags[] = {"dry-run", "adjustments", "csv", NULL};
    static const char *const texts[] = {"from", "to", "against", NULL};
    static const char why[] = "belongs to --reprice; see gbill rollup --help";
    for (const char *const *t = texts; *t != NULL; t++) {
        if (conf_text(conf, *t) != NULL)
            return err_set(err, ERR_USAGE, "--%s %s", *t, why);
    }
    return refuse(conf, flags, why, err);
}

static enum err_code
check_options(const struct conf *conf, struct err *err)
{
    static const char *const others[] = {"rebuild", "check", "digest", NULL};
    static const char *const forms[] = {"csv", "json", NULL};
    if (!conf_flag(conf, "dry-run"))
        return err_set(
            err, ERR_USAGE,
            "a folded past is never changed; add --dry-run to see what would change, and "
            "--adjustments for the adjustment events that correct it");
    enum err_code code = refuse(conf, others, "folds, and --reprice does not: give one", err);
    if (code == ERR_OK && conf_flag(conf, "csv") && conf_flag(conf, "json"))
        code = err_set(err, ERR_USAGE, "--csv and --json exclude each other; give one");
    if (code != ERR_OK || !conf_flag(conf, "adjustments"))
        return code;
    /* The hours are part of an adjustment's id: left open they would soon stand for more. */
    if (conf_text(conf, "from") == NULL || conf_text(conf, "to") == NULL)
        return err_set(err, ERR_USAGE, "--adjustments needs --from and --to");
    return refuse(conf, forms, "is not for --adjustments, which are JSON lines", err);
}

static enum err_code
read_hours(const struct conf *conf, struct reprice_options *o, struct err *err)
{
    o->to_hour = (uint32_t)(TIME_MAX_MS / TIME_HOUR_MS);
    enum err_code code = read_hour(conf, "from", &o->from_hour, err);
    if (code == ERR_OK)
        code = read_hour(conf, "to", &o->to_hour, err);
    if (code == ERR_OK && o->from_hour >= o->to_hour)
        code = err_set(err, ERR_USAGE,
                       "--to %s is not behind --from %s; --to is the first hour not asked for",
                       conf_text(conf, "to"),
                       conf_text(conf, "from") != NULL ? conf_text(conf, "from") : "1970-01");
    return code;
}

static void
print_exact(struct print *p, money_sum pico)
{
    char text[MONEY_TEXT_BYTES];
    money_format(pico, PICO_DIGITS, text);
    print_amount(p, text);
}

static void
print_sum(struct print *p, const struct reprice_sum *sum)
{
    print_whole(p, sum->calls);
    print_whole(p, sum->changed);
    print_exact(p, sum->folded_pico);
    print_exact(p, sum->new_pico);
    print_exact(p, sum->new_pico - sum->folded_pico);
    print_whole(p, sum->unpriced_folded);
    print_whole(p, sum->unpriced_new);
}

static void
print_report(const struct reprice *r, enum print_form form)
{
    const struct reprice_row *rows = r->rows.items;
    struct print p;
    print_begin(&p, stdout, form, columns, CLI_COUNT(columns));
    for (size_t i = 0; i < r->rows.count; i++) {
        print_text(&p, rows[i].organization);
        print_text(&p, rows[i].provider);
        print_text(&p, rows[i].model);
        print_sum(&p, &rows[i].sum);
    }
    /* A program adds up itself, and must not take the sum for a row. */
    if (form == PRINT_TABLE) {
        print_text(&p, str_of("total"));
        print_text(&p, str_of(""));
        print_text(&p, str_of(""));
        print_sum(&p, &r->total);
    }
    print_end(&p);
}

/*
 * No createdAt: the time of sending counts, and the lines stay the same bytes, so
 * that one sent again is a duplicate and no conflict.
 */
static enum err_code
print_adjustments(const struct reprice *r, const struct reprice_options *o, struct err *err)
{
    char id[REPRICE_ID_BYTES], from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
    char book[HASH_SHA256_TEXT_BYTES];
    int digits = currency_minor_digits(o->against->currency.data);
    const struct reprice_owed *owed = r->owed.items;
    time_format_hour(o->from_hour, from);
    time_format_hour(o->to_hour, to);
    hash_hex(o->against->sha256, HASH_SHA256_BYTES, book);
    for (size_t i = 0; i < r->owed.count; i++) {
        int64_t amount = money_round_minor(owed[i].owed_pico, digits);
        if (amount > EVENT_MINOR_MAX || amount < -EVENT_MINOR_MAX)
            return err_set(err, ERR_LIMIT,
                           "\"%.*s\": %" PRId64 " is more than one adjustment may have; ask for "
                           "fewer hours at a time",
                           STR_ARG(owed[i].organization), amount);
        if (amount == 0)
            continue;
        reprice_adjustment_id(o, owed[i].organization, id);
        printf("{\"kind\":\"adjustment\",\"id\":\"%s\",\"organizationId\":", id);
        print_json_text(stdout, owed[i].organization);
        printf(",\"amount\":%" PRId64 ",\"currency\":\"%.*s\",\"reason\":\"calls from %s to %s UTC "
               "priced anew by price book %.12s\"}\n",
               amount, STR_ARG(o->against->currency), from, to, book);
    }
    return ERR_OK;
}

static enum err_code
report(const struct conf *conf, struct reprice_options *o, struct err *err)
{
    struct reprice r;
    bool tty = isatty(STDERR_FILENO) != 0;
    o->data_directory = conf_data_dir(conf);
    o->progress = tty ? show_progress : NULL;
    enum err_code code = reprice_make(o, &r, err);
    if (tty)
        fputs("\r\033[K", stderr);
    if (code != ERR_OK)
        return code;
    if (conf_flag(conf, "adjustments"))
        code = print_adjustments(&r, o, err);
    else
        print_report(&r, conf_flag(conf, "csv")    ? PRINT_CSV
                         : conf_flag(conf, "json") ? PRINT_JSON
                                                   : PRINT_TABLE);
    if (r.total.calls == 0)
        fputs("gbill rollup: no calls in the time asked for\n", stderr);
    reprice_clear(&r);
    return code;
}

enum err_code
cmd_reprice_run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *against_path = conf_text(conf, "against");
    struct reprice_options o = {0};
    struct price_book *prices = NULL, *against = NULL;
    enum err_code code = check_options(conf, err);
    if (code == ERR_OK)
        code = read_hours(conf, &o, err);
    if (code == ERR_OK)
        code = price_book_load(conf_text(conf, "prices"), &prices, err);
    if (code == ERR_OK && against_path != NULL)
        code = price_book_load(against_path, &against, err);
    if (code == ERR_OK) {
        o.prices = prices;
        o.against = against != NULL ? against : prices;
        code = report(conf, &o, err);
    }
    price_book_free(against);
    price_book_free(prices);
    return code;
}
