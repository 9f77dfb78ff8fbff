#include "tests/rollup/book.h"

#include <jansson.h>

#include "rollup/price/cost.h"
#include "store/base/money.h"
#include "tests/support/record.h"

#define STANDARD(more) "{'from':null,'recorded':'2026-01-01','tier':'standard'," more "}"
#define TIER(name, more) ",{'from':null,'recorded':'2026-01-01','tier':'" name "'," more "}"
#define NOW "2026-11-24"

struct tokens {
    uint64_t input, read, write, write_1h, output;
};

/* What nobody overrides costs at a time, as known at another. */
static struct cost
cost_at(const struct price_book *book, const struct event_usage *u, int64_t event_ms,
        int64_t receive_ms)
{
    return cost_of(book, u, &(struct price_query){{0}, event_ms, receive_ms});
}

static struct event_usage
usage_of(const char *provider, const char *model, const char *tier, struct tokens t)
{
    return (struct event_usage){
        .provider = str_of(provider),
        .model = str_of(model),
        .tier = str_of(tier),
        .tokens = {[EVENT_INPUT] = t.input,
                   [EVENT_CACHE_READ] = t.read,
                   [EVENT_CACHE_WRITE] = t.write,
                   [EVENT_CACHE_WRITE_1H] = t.write_1h,
                   [EVENT_OUTPUT] = t.output},
    };
}

/* The cost of an event of model m of provider p, in a book of its own rows. */
static struct cost
cost_in(const char *book_text, const char *tier, struct tokens t)
{
    struct price_book *book = book_of_text(book_text);
    struct event_usage u = usage_of("p", "m", tier, t);
    struct cost c = cost_at(book, &u, ms_of(NOW), ms_of(NOW));
    price_book_free(book);
    return c;
}

static void
expect_pico(const char *what, struct cost c, int64_t pico)
{
    cr_expect_eq(c.state, COST_PRICED, "%s: %s", what, cost_reason_text(c.reason));
    cr_expect_eq(c.cost_pico, pico, "%s: %lld, not %lld", what, (long long)c.cost_pico,
                 (long long)pico);
}

static void
expect_unpriced(struct cost c, enum cost_reason reason)
{
    cr_expect_eq(c.state, COST_UNPRICED);
    cr_expect_eq(c.reason, reason, "%s, not %s", cost_reason_text(c.reason),
                 cost_reason_text(reason));
    cr_expect_eq(c.cost_pico, 0);
}

/* ---- cases from elsewhere: tests/data/cost_cases.json ---- */

/*
 * Cases of models that are not in the shipped book are priced by one of their
 * own, with the rates that the case states.
 */
#define OWN_BOOK(provider, model, rows) \
    BOOK_HEAD "{'provider':'" provider "','model':'" model "','prices':[" rows "]}" BOOK_END

static const struct {
    const char *id, *book;
} own_books[] = {
    /* OpenAI's list price times 1.1, as the case says of Bedrock. */
    {"ll-07", OWN_BOOK("aws-bedrock", "openai.gpt-5.5",
                       STANDARD("'rates':{'input':'5.5','cache_read':'0.55','output':'33'},"
                                "'bands':[{'input_tokens':272000,'op':'>','scope':'request',"
                                "'rates':{'input':'11','cache_read':'1.1','output':'49.5'}}]"))},
    {"lf-01",
     OWN_BOOK("custom", "gpt-test", STANDARD("'rates':{'input':'10000','output':'20000'}"))},
    /* Half a token is no count: the case is in hundredths of a token, and so are its rates. */
    {"lf-02", OWN_BOOK("custom", "gpt-test", STANDARD("'rates':{'input':'100','output':'200'}"))},
    /* Contested: by the provider's rule the whole request moves to the band. */
    {"cc-07", OWN_BOOK("anthropic", "(>200K tier 3/6)",
                       STANDARD("'rates':{'input':'3'},'bands':[{'input_tokens':200000,'op':'>',"
                                "'scope':'request','rates':{'input':'6'}}]"))},
};

static const char *
own_book(const char *id)
{
    for (size_t i = 0; i < sizeof own_books / sizeof own_books[0]; i++) {
        if (strcmp(own_books[i].id, id) == 0)
            return own_books[i].book;
    }
    return NULL;
}

static int64_t
pico_of(const char *decimal)
{
    int64_t pico = 0;
    cr_assert(money_parse(str_of(decimal), 12, &pico), "%s", decimal);
    return pico;
}

static const char *
text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* A count of a case; a text is a fraction, in hundredths then. */
static uint64_t
case_count(const json_t *value)
{
    int64_t hundredths = 0;
    if (!json_is_string(value))
        return (uint64_t)json_integer_value(value);
    cr_assert(money_parse(str_of(json_string_value(value)), 2, &hundredths));
    return (uint64_t)hundredths;
}

static void
case_tokens(const json_t *c, struct event_usage *u)
{
    const char *key;
    json_t *value, *usage = json_object_get(c, "usage"), *fees = json_object_get(c, "fees");
    json_object_foreach (usage, key, value) {
        size_t class = 0;
        /* A case tells Anthropic's five minutes apart from OpenAI's only life. */
        const char *name = strcmp(key, "cache_write_5m") == 0 ? "cache_write" : key;
        while (class < EVENT_CLASSES &&
               strcmp(name, event_class_name((enum event_class) class)) != 0)
            class ++;
        cr_assert_lt(class, (size_t)EVENT_CLASSES, "%s", key);
        u->tokens[class] += case_count(value);
        u->media = u->media || class >= EVENT_TEXT_CLASSES;
    }
    json_object_foreach (fees, key, value) {
        size_t f = 0;
        while (f < EVENT_FEES && strcmp(key, event_fee_name((enum event_fee)f)) != 0)
            f++;
        cr_assert_lt(f, (size_t)EVENT_FEES, "%s", key);
        u->fees[f] = case_count(json_object_get(value, "count"));
        u->charged_uses = true;
    }
}

/* The provider's own object must give the classes that the case states. */
static void
case_raw(const json_t *c, const struct event_usage *u)
{
    const json_t *raw = json_object_get(c, "raw_usage");
    struct event_usage parsed = {.provider = u->provider};
    struct event_defect defect = {""};
    if (raw == NULL)
        return;
    char *text = json_dumps(raw, 0);
    struct buf record = record_of_json(text);
    cr_assert(event_usage_from_provider(u->provider, bytes_of_buf(&record), &parsed, &defect),
              "%s: %s", text_of(c, "id"), defect.text);
    for (size_t class = 0; class < EVENT_CLASSES; class ++)
        cr_expect_eq(parsed.tokens[class], u->tokens[class], "%s: %s", text_of(c, "id"),
                     event_class_name((enum event_class) class));
    cr_expect_arr_eq(parsed.fees, u->fees, sizeof u->fees, "%s", text_of(c, "id"));
    buf_clear(&record);
    free(text);
}

/* First and last day of "2026-07-09..2026-08-20", ">=2024-01-25", or today. */
static void
case_days(const json_t *c, int64_t ret_ms[2])
{
    const char *date = text_of(c, "price_date");
    ret_ms[0] = ret_ms[1] = ms_of(NOW);
    if (date == NULL)
        return;
    if (strncmp(date, ">=", 2) == 0) {
        ret_ms[0] = ms_of(date + 2);
        return;
    }
    cr_assert(strlen(date) == 22 && strncmp(date + 10, "..", 2) == 0, "%s", date);
    cr_assert(time_parse((struct str){date, 10}, &ret_ms[0]));
    ret_ms[1] = ms_of(date + 12) + TIME_DAY_MS - 1;
}

static void
run_case(const struct price_book *shipped, const json_t *c)
{
    const char *id = text_of(c, "id"), *own_text = own_book(id);
    struct price_book *own = own_text != NULL ? book_of_text(own_text) : NULL;
    const struct price_book *book = own != NULL ? own : shipped;
    struct event_usage u = usage_of(text_of(c, "provider"), text_of(c, "model"),
                                    text_of(c, "service_tier"), (struct tokens){0, 0, 0, 0, 0});
    int64_t days[2], want = pico_of(text_of(c, "total_usd"));
    case_days(c, days);
    case_tokens(c, &u);
    case_raw(c, &u);
    for (size_t i = 0; i < 2; i++) {
        expect_pico(id, cost_at(book, &u, days[i], days[i]), want);
        expect_pico(id, cost_at(book, &u, days[i], ms_of("2026-12-01")), want);
    }
    price_book_free(own);
}

Test(rollup_cost, the_published_cases_come_out_to_the_last_digit)
{
    struct price_book *book = book_shipped();
    json_error_t error;
    json_t *root = json_load_file(GBILL_TESTS_DIR "/data/cost_cases.json", 0, &error), *c;
    cr_assert_not_null(root, "%s", error.text);
    size_t i;
    json_array_foreach (json_object_get(root, "cases"), i, c)
        run_case(book, c);
    cr_expect_eq(i, 43, "%zu", i);
    json_decref(root);
    price_book_free(book);
}

/* ---- bands ---- */

#define BANDED(op)                                                                          \
    BOOK_OF(STANDARD("'rates':{'input':'3','output':'15'},'bands':[{'input_tokens':200000," \
                     "'op':'" op "','scope':'request','rates':{'input':'6','output':'22.5'}}]"))

Test(rollup_cost, a_band_begins_where_its_operator_says)
{
    const char *gt = BANDED(">"), *ge = BANDED(">=");
    expect_pico("> -1", cost_in(gt, "", (struct tokens){.input = 199999}), 199999 * 3000000LL);
    expect_pico("> 0", cost_in(gt, "", (struct tokens){.input = 200000}), 200000 * 3000000LL);
    expect_pico("> +1", cost_in(gt, "", (struct tokens){.input = 200001}), 200001 * 6000000LL);
    expect_pico(">= -1", cost_in(ge, "", (struct tokens){.input = 199999}), 199999 * 3000000LL);
    expect_pico(">= 0", cost_in(ge, "", (struct tokens){.input = 200000}), 200000 * 6000000LL);
    expect_pico(">= +1", cost_in(ge, "", (struct tokens){.input = 200001}), 200001 * 6000000LL);
}

Test(rollup_cost, a_band_reprices_the_whole_request_output_included)
{
    expect_pico("300,000 at 6, not 200,000 at 3 and the rest at 6",
                cost_in(BANDED(">"), "", (struct tokens){.input = 300000}), 1800000000000LL);
    expect_pico("output", cost_in(BANDED(">"), "", (struct tokens){.input = 300000, .output = 10}),
                1800000000000LL + 10 * 22500000LL);
    expect_pico("output does not count towards the threshold",
                cost_in(BANDED(">"), "", (struct tokens){.input = 1, .output = 500000}),
                3000000LL + 500000 * 15000000LL);
}

Test(rollup_cost, every_input_class_counts_towards_the_band)
{
    struct price_book *book = book_shipped();
    struct event_usage u = usage_of("anthropic", "claude-sonnet-4-5", "",
                                    (struct tokens){50000, 50000, 50000, 50000, 0});
    int64_t now = ms_of(NOW);
    expect_pico("200,000", cost_at(book, &u, now, now),
                50000 * (3000000LL + 300000 + 3750000 + 6000000));
    u.tokens[EVENT_CACHE_READ]++;
    expect_pico("200,001", cost_at(book, &u, now, now),
                50000 * (6000000LL + 600000 + 7500000 + 12000000) + 600000);
    price_book_free(book);
}

Test(rollup_cost, openai_charges_the_long_rate_above_272000_tokens_not_at_them)
{
    static const char *const models[] = {
        "gpt-5.4",       "gpt-5.4-pro",  "gpt-5.5",     "gpt-5.5-pro", "gpt-5.6",    "gpt-5.6-sol",
        "gpt-5.6-terra", "gpt-5.6-luna", "gpt-6-astra", "gpt-6-sol",   "gpt-6-luna", "gpt-6.1-sol"};
    struct price_book *book = book_shipped();
    int64_t now = ms_of(NOW);
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        struct event_usage at = usage_of("openai", models[i], "", (struct tokens){.input = 272000});
        struct event_usage above = at;
        above.tokens[EVENT_INPUT]++;
        int64_t cost = cost_at(book, &at, now, now).cost_pico;
        expect_pico(models[i], cost_at(book, &above, now, now), cost / 272000 * 272001 * 2);
    }
    price_book_free(book);
}

Test(rollup_cost, a_band_that_was_abolished_no_longer_holds)
{
    struct price_book *book = book_shipped();
    struct event_usage u =
        usage_of("anthropic", "claude-opus-4-6", "", (struct tokens){.input = 300000});
    int64_t before = ms_of("2026-03-12"), after = ms_of("2026-03-13");
    expect_pico("before", cost_at(book, &u, before, before), 300000 * 10000000LL);
    expect_pico("after", cost_at(book, &u, after, after), 300000 * 5000000LL);
    price_book_free(book);
}

/* ---- tiers ---- */

#define TIERED                                                                                   \
    BOOK_OF(STANDARD("'rates':{'input':'2','cache_read':'0.5','output':'8'},'bands':[{"          \
                     "'input_tokens':100,'op':'>','scope':'request',"                            \
                     "'rates':{'input':'4','output':'12'}}]")                                    \
                TIER("batch", "'rates':{'input':'1','output':'4'},'bands':[{'input_tokens':100," \
                              "'op':'>','scope':'request','rates':{'input':'2'}}]")              \
                    TIER("flex", "'rates':{'input':'1','output':'4'}"))

Test(rollup_cost, a_tier_without_a_rate_of_its_own_charges_the_standard_rate_and_says_so)
{
    struct cost c = cost_in(TIERED, "batch", (struct tokens){.input = 10, .read = 10});
    expect_pico("cache read", c, 10 * 1000000LL + 10 * 500000LL);
    cr_expect_eq(c.standard_classes, 1U << EVENT_CACHE_READ);
    cr_expect_eq(c.tier, PRICE_BATCH);
}

Test(rollup_cost, a_long_request_never_falls_to_a_short_price)
{
    struct cost batch = cost_in(TIERED, "batch", (struct tokens){.input = 101, .output = 1});
    expect_pico("own band, its output from the standard band", batch, 101 * 2000000LL + 12000000LL);
    cr_expect_eq(batch.standard_classes, 1U << EVENT_OUTPUT);
    struct cost flex = cost_in(TIERED, "flex", (struct tokens){.input = 101, .output = 1});
    expect_pico("no band of its own", flex, 101 * 4000000LL + 12000000LL);
    cr_expect_eq(flex.standard_classes, 1U << EVENT_INPUT | 1U << EVENT_OUTPUT);
    struct cost standard = cost_in(TIERED, "", (struct tokens){.input = 1, .read = 100});
    expect_pico("a class the band leaves out", standard, 4000000LL + 100 * 500000LL);
    cr_expect_eq(standard.standard_classes, 1U << EVENT_CACHE_READ);
}

Test(rollup_cost, a_tier_that_knows_only_a_lower_band_yields_to_the_standard_one)
{
    const char *text =
        BOOK_OF(STANDARD("'rates':{'input':'1'},'bands':["
                         "{'input_tokens':100,'op':'>','scope':'request','rates':{'input':'2'}},"
                         "{'input_tokens':200,'op':'>','scope':'request','rates':{'input':'4'}}]")
                    TIER("batch",
                         "'rates':{'input':'0.5'},'bands':["
                         "{'input_tokens':100,'op':'>','scope':'request','rates':{'input':'1'}}]"));
    expect_pico("its own band", cost_in(text, "batch", (struct tokens){.input = 200}),
                200 * 1000000LL);
    expect_pico("a band above it", cost_in(text, "batch", (struct tokens){.input = 201}),
                201 * 4000000LL);
    expect_pico("the highest band", cost_in(text, "", (struct tokens){.input = 201}),
                201 * 4000000LL);
}

Test(rollup_cost, a_short_request_of_a_tier_is_its_own_price)
{
    struct cost c = cost_in(TIERED, "flex", (struct tokens){.input = 100, .output = 1});
    expect_pico("flex", c, 100 * 1000000LL + 4000000LL);
    cr_expect_eq(c.standard_classes, 0);
}

Test(rollup_cost, fast_is_priority_and_default_and_auto_are_standard)
{
    struct price_book *book = book_shipped();
    static const struct {
        const char *tier;
        int64_t pico;
    } want[] = {{"", 4000000},     {"default", 4000000},  {"auto", 4000000}, {"standard", 4000000},
                {"fast", 8000000}, {"priority", 8000000}, {"flex", 2000000}, {"batch", 2000000}};
    int64_t now = ms_of(NOW);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct event_usage u =
            usage_of("openai", "gpt-5.6-sol", want[i].tier, (struct tokens){.input = 1});
        expect_pico(want[i].tier, cost_at(book, &u, now, now), want[i].pico);
    }
    price_book_free(book);
}

/* ---- what has no price ---- */

Test(rollup_cost, a_missing_price_is_unpriced_not_zero)
{
    struct tokens one = {.input = 1};
    expect_unpriced(cost_in(TIERED, "scale", one), COST_UNKNOWN_TIER);
    expect_unpriced(cost_in(TIERED, "priority", one), COST_NO_TIER);
    struct cost c = cost_in(TIERED, "", (struct tokens){.input = 1, .write_1h = 1});
    expect_unpriced(c, COST_NO_RATE);
    cr_expect_eq(c.class, EVENT_CACHE_WRITE_1H);
    expect_unpriced(cost_in(BOOK_OF("{'from':'2026-12-01','recorded':'2026-01-01','tier':"
                                    "'standard','rates':{'input':'1'}}"),
                            "", one),
                    COST_NO_ROW);
}

Test(rollup_cost, an_unknown_model_provider_or_alias_of_that_day_is_unpriced)
{
    struct price_book *book = book_of_text(
        BOOK_HEAD
        "{'provider':'p','model':'m','aliases':[{'id':'a','from':'2026-06-01',"
        "'recorded':'2026-01-01'}],'prices':[" STANDARD("'rates':{'input':'1'}") "]}" BOOK_END);
    int64_t now = ms_of(NOW), early = ms_of("2026-05-31");
    struct event_usage m = usage_of("p", "n", "", (struct tokens){.input = 1});
    expect_unpriced(cost_at(book, &m, now, now), COST_NO_MODEL);
    struct event_usage p = usage_of("q", "m", "", (struct tokens){.input = 1});
    expect_unpriced(cost_at(book, &p, now, now), COST_NO_MODEL);
    struct event_usage a = usage_of("p", "a", "", (struct tokens){.input = 1});
    expect_unpriced(cost_at(book, &a, early, early), COST_NO_ALIAS);
    expect_pico("the alias in force", cost_at(book, &a, now, now), 1000000);
    price_book_free(book);
}

Test(rollup_cost, no_tokens_of_a_known_model_cost_nothing_and_are_priced)
{
    expect_pico("nothing", cost_in(TIERED, "", (struct tokens){.input = 0}), 0);
}

Test(rollup_cost, a_cost_beyond_63_bits_is_unpriced_not_wrapped)
{
    const char *dear = BOOK_OF(STANDARD("'rates':{'input':'9223372036854','output':'1'}"));
    expect_pico("the last that fits", cost_in(dear, "", (struct tokens){.input = 1}),
                9223372036854000000LL);
    expect_unpriced(cost_in(dear, "", (struct tokens){.input = 2}), COST_OVERFLOW);
    struct cost c = cost_in(dear, "", (struct tokens){.input = 1, .output = 775808});
    expect_unpriced(c, COST_OVERFLOW);
    expect_unpriced(cost_in(dear, "", (struct tokens){.input = UINT64_MAX, .read = 1}),
                    COST_OVERFLOW);
}

Test(rollup_cost, what_the_app_counted_has_a_cost_and_is_marked_estimated)
{
    struct price_book *book = book_shipped();
    struct event_usage u = usage_of("openai", "gpt-4o", "", (struct tokens){.input = 1000});
    u.estimated = true;
    struct cost c = cost_at(book, &u, ms_of(NOW), ms_of(NOW));
    cr_expect_eq(c.state, COST_ESTIMATED);
    cr_expect_eq(c.cost_pico, 2500000000LL);
    u.model = str_of("nobody-knows");
    expect_unpriced(cost_at(book, &u, ms_of(NOW), ms_of(NOW)), COST_NO_MODEL);
    price_book_free(book);
}
