/*
 * Worked cases from public test suites and documentation (tests/data/
 * billing_cases.json), each by the convention that it is tagged with.  A charge is
 * written as a plan book would have it and loaded, so a case that runs is one that
 * a plan can express.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "billing/chargeback/chargeback.h"
#include "billing/plan/rate.h"
#include "store/base/currency.h"
#include "tests/billing/office.h"

enum { DAY_S = 86400 };

TestSuite(billing_cases, .init = office_open, .fini = office_close);

/* What plans do not express; no case is passed over without a word. */
static const struct {
    const char *kind, *why;
} not_carried[] = {
    {"prorated_graduated", "a unit's own days in the period: usage is folded by the hour, and a "
                           "quantity has no owner whose stay could be prorated"},
    {"percentage_per_event_min_max", "bounds of each call's price: a charge sees the period's sum"},
    {"bucketed_max_graduated", "a maximum per window: meters are sums"},
    {"credit_cap", "no function takes these numbers: a credit is what was billed less what is due, "
                   "which is never below 0 (billing_ledger tests, year_in_the_life)"},
};

static const char *
why_not(const char *kind)
{
    for (size_t i = 0; i < sizeof not_carried / sizeof not_carried[0]; i++) {
        if (strcmp(not_carried[i].kind, kind) == 0)
            return not_carried[i].why;
    }
    return NULL;
}

/* ---- reading a case ---- */

struct the_case {
    const char *id, *kind;
    const json_t *in, *want;
    bool inclusive; /* convention: the last day of a period belongs to it */
};

static const char *
text_of(const json_t *object, const char *key)
{
    static char text[32];
    const json_t *v = json_object_get(object, key);
    if (json_is_integer(v)) {
        snprintf(text, sizeof text, "%d", (int)json_integer_value(v));
        return text;
    }
    return json_string_value(v);
}

/* Yoctos of a decimal of any length. */
static money_sum
yocto_of(const char *text)
{
    money_sum value = 0;
    int behind = -1;
    bool negative = *text == '-';
    for (const char *p = text + negative; *p != '\0'; p++) {
        if (*p == '.') {
            behind = 0;
            continue;
        }
        cr_assert(*p >= '0' && *p <= '9', "%s", text);
        value = value * 10 + (*p - '0');
        behind += behind >= 0;
    }
    for (behind = behind < 0 ? 0 : behind; behind < 24; behind++)
        value *= 10;
    return negative ? -value : value;
}

static money_sum
pico_of(const char *text)
{
    return yocto_of(text) / EXACT_YOCTO_PER_PICO;
}

/* "price" in units of currency, or "price_cents". */
static money_sum
amount_pico(const json_t *object, const char *key)
{
    char cents[40];
    const char *text = text_of(object, key);
    if (text != NULL)
        return pico_of(text);
    snprintf(cents, sizeof cents, "%s_cents", key);
    text = text_of(object, cents);
    cr_assert_not_null(text, "%s", cents);
    return pico_of(text) / 100;
}

/* ---- charges ---- */

static json_t *
tiers_of(const json_t *tiers, const char *price_key, int64_t divide)
{
    json_t *out = json_array();
    const json_t *t;
    size_t i;
    json_array_foreach (tiers, i, t) {
        json_t *o = json_object();
        const json_t *end = json_object_get(t, "up_to");
        const char *price = text_of(t, price_key), *flat = NULL;
        char text[32];
        if (json_is_integer(end)) {
            snprintf(text, sizeof text, "%d", (int)(json_integer_value(end) / divide));
            json_object_set_new(o, "up_to", json_string(text));
        } else {
            json_object_set_new(o, "up_to", json_null());
        }
        if (price != NULL)
            json_object_set_new(o, "price", json_string(price));
        flat = text_of(t, "flat");
        if (flat != NULL)
            json_object_set_new(o, "flat", json_string(flat));
        json_array_append_new(out, o);
    }
    return out;
}

static json_t *
blocks_of(const json_t *tiers)
{
    json_t *out = json_array();
    const json_t *t;
    size_t i;
    json_array_foreach (tiers, i, t) {
        json_t *o = json_object();
        json_int_t most = json_integer_value(json_object_get(t, "max"));
        json_object_set(o, "size", json_object_get(t, "size"));
        json_object_set(o, "price", json_object_get(t, "price"));
        if (most > 0)
            json_object_set_new(o, "blocks", json_integer(most));
        json_array_append_new(out, o);
    }
    return out;
}

/* Load a book with one charge.  Takes the object, which lacks id and meter. */
static struct plan_book *
book_of(json_t *charge)
{
    static const char head[] =
        "{'format':'gbill-plans/2','currency':'USD','minor_digits':2,'default':'free','plans':["
        "{'id':'free','name':'F','order':1,'versions':[{'limits':{'projects':1,'documents':1,"
        "'ai_credits':1,'members':1},'charges':[],'support':'a','analytics':'b'}]},"
        "{'id':'p','name':'P','order':2,'versions':[{'limits':{'projects':1,'documents':1,"
        "'ai_credits':1,'members':1},'support':'a','analytics':'b','charges':[";
    char text[8192];
    json_object_set_new(charge, "id", json_string("c"));
    char *one = json_dumps(charge, JSON_COMPACT);
    snprintf(text, sizeof text, "%s%s]}]}]}", head, one);
    free(one);
    json_decref(charge);
    return office_load(office_book(text));
}

static json_t *
counted(const char *model, const char *meter)
{
    return json_pack("{s:s,s:s}", "model", model, "meter", meter);
}

/* Yoctos that a charge comes to. */
static money_sum
rate(json_t *charge, const char *quantity, uint64_t calls, money_sum *ret_billed)
{
    struct plan_book *book = book_of(charge);
    const struct plan_charge *c = &book->plans[1].terms[0].charges[0];
    struct exact amount;
    money_sum yocto;
    cr_assert(rate_charge(c, pico_of(quantity), calls, &amount));
    cr_assert(exact_yocto(&amount, &yocto));
    if (ret_billed != NULL)
        cr_assert(rate_quantity(c, pico_of(quantity), ret_billed));
    plan_book_free(book);
    return yocto;
}

static void
expect_yocto(const struct the_case *c, money_sum got, const char *want)
{
    char text[MONEY_TEXT_BYTES];
    money_format(got / EXACT_YOCTO_PER_PICO, 12, text);
    cr_expect(got == yocto_of(want), "%s: %s, not %s", c->id, text, want);
}

static void
set(json_t *charge, const char *key, const char *text)
{
    if (text != NULL && strcmp(text, "0") != 0)
        json_object_set_new(charge, key, json_string(text));
}

static json_t *
tiered(const struct the_case *c, const char *model)
{
    json_t *charge = counted(model, "ai_credits");
    json_object_set_new(charge, "tiers", tiers_of(json_object_get(c->in, "tiers"), "unit", 1));
    return charge;
}

static void
run_tiered(const struct the_case *c)
{
    money_sum got = rate(tiered(c, c->kind), text_of(c->in, "quantity"), 0, NULL);
    expect_yocto(c, got, text_of(c->want, "amount"));
}

static json_t *
package(const json_t *in)
{
    json_t *charge = counted("package", "ai_credits");
    char *end;
    json_object_set_new(charge, "size",
                        json_integer(strtol(text_of(in, "package_size"), &end, 10)));
    set(charge, "price", text_of(in, "package_price"));
    set(charge, "free_units", text_of(in, "free_units"));
    set(charge, "partial", text_of(in, "partial"));
    return charge;
}

static void
run_package(const struct the_case *c)
{
    expect_yocto(c, rate(package(c->in), text_of(c->in, "quantity"), 0, NULL),
                 text_of(c->want, "amount"));
}

static void
run_percentage(const struct the_case *c)
{
    json_t *charge = counted("percentage", "llm_cost");
    set(charge, "percent", text_of(c->in, "rate_percent"));
    set(charge, "price_per_call", text_of(c->in, "fixed_per_event"));
    set(charge, "free_units", text_of(c->in, "free_amount"));
    json_object_set(charge, "free_calls", json_object_get(c->in, "free_events"));
    uint64_t calls = (uint64_t)json_integer_value(json_object_get(c->in, "events"));
    expect_yocto(c, rate(charge, text_of(c->in, "total"), calls, NULL), text_of(c->want, "amount"));
}

static json_t *
per_unit(const char *price)
{
    json_t *charge = counted("per_unit", "ai_credits");
    json_object_set_new(charge, "price", json_string(price));
    return charge;
}

static void
run_per_unit(const struct the_case *c)
{
    const json_t *digits = json_object_get(c->in, "exponent");
    money_sum got = rate(per_unit(text_of(c->in, "unit")), text_of(c->in, "quantity"), 0, NULL);
    struct exact amount = exact_of_yocto(got);
    money_sum pico;
    int64_t minor;
    if (digits == NULL) {
        expect_yocto(c, got, text_of(c->want, "amount"));
        return;
    }
    cr_assert(exact_round(&amount, (int)json_integer_value(digits), &pico, &minor));
    cr_expect(minor == pico_of(text_of(c->want, "amount")) / 10000000000, "%s: %lld", c->id,
              (long long)minor);
}

/* A flat charge beside one that counts. */
static void
run_base(const struct the_case *c)
{
    const char *quantity = text_of(c->in, "quantity");
    money_sum got = json_object_get(c->in, "base") != NULL ? yocto_of(text_of(c->in, "base")) : 0;
    json_t *charge;
    if (strstr(c->kind, "block") != NULL) {
        charge = counted("block", "ai_credits");
        json_object_set_new(charge, "tiers", blocks_of(json_object_get(c->in, "tiers")));
        json_object_set_new(charge, "policy",
                            json_string(strcmp(text_of(c->in, "policy"), "TOP_TIER") == 0
                                            ? "top_tier"
                                            : "all_tiers"));
    } else {
        /* A capacity's price is that of the tier the peak lies in; the peak is given. */
        bool graduated = strcmp(c->kind, "base_plus_graduated") == 0;
        charge = tiered(c, graduated ? "graduated" : "volume");
        quantity = quantity != NULL ? quantity : text_of(c->in, "peak");
    }
    char kept[32];
    snprintf(kept, sizeof kept, "%s", quantity);
    got += rate(charge, kept, 0, NULL);
    const json_t *amounts = json_object_get(c->want, "tier_amounts"), *amount;
    money_sum sum = 0;
    size_t i;
    json_array_foreach (amounts, i, amount)
        sum += yocto_of(json_string_value(amount));
    if (amounts != NULL)
        cr_expect(got == sum, "%s", c->id);
    else
        expect_yocto(c, got, text_of(c->want, "amount"));
}

static json_t *
converted(const struct the_case *c, json_t *charge)
{
    char *end;
    json_object_set_new(charge, "per", json_integer(strtol(text_of(c->in, "divide_by"), &end, 10)));
    json_object_set_new(charge, "round", json_string("up"));
    set(charge, "free_units", text_of(c->in, "usage_discount"));
    return charge;
}

static void
run_conversion(const struct the_case *c)
{
    bool tiers = json_object_get(c->in, "tiers") != NULL;
    json_t *charge = tiers ? tiered(c, "graduated") : per_unit(text_of(c->in, "unit"));
    money_sum billed;
    money_sum got = rate(converted(c, charge), text_of(c->in, "raw"), 0, &billed);
    expect_yocto(c, got, text_of(c->want, "amount"));
    cr_expect(billed == pico_of(text_of(c->want, "billed_quantity")), "%s", c->id);
}

/* Parts are differences of cumulative values. */
static void
run_split(const struct the_case *c)
{
    const json_t *raw = json_object_get(c->in, "raw_cumulative");
    money_sum at[2];
    for (size_t i = 0; i < 2; i++)
        at[i] = rate(converted(c, per_unit(text_of(c->in, "unit"))),
                     json_string_value(json_array_get(raw, i)), 0, NULL);
    expect_yocto(c, at[1] - at[0], text_of(c->want, "second_line_cumulative_correct"));
}

static void
run_maximum(const struct the_case *c)
{
    const json_t *cumulative = json_object_get(c->in, "cumulative");
    bool tiers = json_object_get(c->in, "tiers") != NULL;
    money_sum gross[2], billed = yocto_of(text_of(c->in, "already_billed"));
    for (size_t i = 0; i < 2; i++)
        gross[i] = rate(tiers ? tiered(c, "graduated") : package(c->in),
                        json_string_value(json_array_get(cumulative, i)), 0, NULL);
    json_t *charge = tiers ? tiered(c, "graduated") : package(c->in);
    set(charge, "maximum", text_of(c->in, "maximum"));
    money_sum net = rate(charge, json_string_value(json_array_get(cumulative, 1)), 0, NULL) -
                    billed;
    expect_yocto(c, gross[1] - billed, text_of(c->want, "gross"));
    cr_expect(gross[0] == billed, "%s", c->id);
    expect_yocto(c, net, text_of(c->want, "net"));
    expect_yocto(c, gross[1] - billed - net, text_of(c->want, "discount"));
}

static void
run_late(const struct the_case *c)
{
    const json_t *usage = json_object_get(c->in, "period_usage"), *quantity;
    money_sum sum = 0;
    size_t i;
    json_array_foreach (usage, i, quantity) {
        char *end;
        json_t *charge = counted("package", "ai_credits");
        json_object_set_new(charge, "size",
                            json_integer(strtol(text_of(c->in, "block_size"), &end, 10)));
        set(charge, "price", text_of(c->in, "block_price"));
        sum += rate(charge, json_string_value(quantity), 0, NULL);
    }
    expect_yocto(c, sum, text_of(c->want, "recomputed"));
    expect_yocto(c, sum - yocto_of(text_of(c->in, "already_billed")), text_of(c->want, "delta"));
}

static void
run_per_thousand(const struct the_case *c)
{
    json_t *charge = counted("volume", "tokens");
    json_int_t per = json_integer_value(json_object_get(c->in, "round_up_to"));
    json_object_set_new(charge, "tiers",
                        tiers_of(json_object_get(c->in, "tiers"), "per_1000", per));
    json_object_set_new(charge, "per", json_integer(per));
    json_object_set_new(charge, "round", json_string("up"));
    expect_yocto(c, rate(charge, text_of(c->in, "quantity"), 0, NULL), text_of(c->want, "amount"));
}

/* ---- LLM cost ---- */

/* Picos of so many tokens: a price per million has six decimals. */
static int64_t
cost_of(json_int_t tokens, const char *per_million)
{
    int64_t price = 0, sum = 0;
    cr_assert(money_parse(str_of(per_million), 6, &price));
    cr_assert(money_add_cost(&sum, (uint64_t)tokens, price));
    return sum;
}

static void
run_markup(const struct the_case *c)
{
    char base[MONEY_TEXT_BYTES];
    int64_t pico = cost_of(json_integer_value(json_object_get(c->in, "input_tokens")),
                           text_of(c->in, "input_per_mtok")) +
                   cost_of(json_integer_value(json_object_get(c->in, "output_tokens")),
                           text_of(c->in, "output_per_mtok"));
    json_t *charge = counted("cost_plus", "llm_cost");
    set(charge, "markup_percent", text_of(c->in, "markup_percent"));
    cr_expect(pico == pico_of(text_of(c->want, "base")), "%s", c->id);
    money_format(pico, 12, base);
    expect_yocto(c, rate(charge, base, 1, NULL), text_of(c->want, "amount"));
}

static void
run_llm_cost(const struct the_case *c)
{
    const json_t *line;
    size_t i;
    money_sum sums[2] = {0};
    json_array_foreach (json_object_get(c->in, "lines"), i, line) {
        const char *class = json_string_value(json_array_get(line, 0));
        sums[strcmp(class, "output") == 0] += cost_of(json_integer_value(json_array_get(line, 1)),
                                                      json_string_value(json_array_get(line, 2)));
    }
    cr_expect(sums[0] == pico_of(text_of(c->want, "input")), "%s", c->id);
    cr_expect(sums[1] == pico_of(text_of(c->want, "output")), "%s", c->id);
    cr_expect(sums[0] + sums[1] == pico_of(text_of(c->want, "total")), "%s", c->id);
}

/* ---- proration ---- */

/* Minor units of so many units of a whole period's price. */
static int64_t
part_minor(money_sum price_pico, int64_t units, int64_t whole)
{
    struct exact amount = exact_of_pico(price_pico);
    money_sum pico;
    int64_t minor;
    cr_assert(exact_scale(&amount, units, whole));
    cr_assert(exact_round(&amount, 2, &pico, &minor));
    return minor;
}

static void
expect_minor(const struct the_case *c, int64_t minor, const char *key)
{
    cr_expect(minor == amount_pico(c->want, key) / 10000000000, "%s: %s is %lld", c->id, key,
              (long long)minor);
}

static int64_t
tax_minor(int64_t base_minor, const char *percent)
{
    int64_t rate_percent = 0;
    cr_assert(money_parse(str_of(percent), 6, &rate_percent));
    return (int64_t)money_divide((money_sum)base_minor * rate_percent, PLAN_PERCENT_WHOLE);
}

static void
run_days(const struct the_case *c)
{
    int64_t days = json_integer_value(json_object_get(c->in, "billed_days"));
    int64_t whole = json_integer_value(json_object_get(c->in, "period_days"));
    int64_t minor = part_minor(amount_pico(c->in, "price"), days, whole);
    const char *tax = text_of(c->in, "tax_percent");
    if (tax == NULL)
        expect_minor(c, minor, "amount");
    else
        expect_minor(c, minor + tax_minor(minor, tax), "total");
}

/* What is kept and what is credited add up: what was billed less what is due. */
static void
run_dates(const struct the_case *c)
{
    struct span period = {ms_of(text_of(c->in, "period_start")),
                          ms_of(text_of(c->in, "period_end"))};
    struct span part = {ms_of(text_of(c->in, "from")), ms_of(text_of(c->in, "to"))};
    money_sum price = amount_pico(c->in, "price");
    for (int count = CYCLE_SECONDS; count <= CYCLE_DAYS; count++) {
        enum cycle_count by = (enum cycle_count)count;
        int64_t whole = cycle_units_whole(by, period);
        int64_t minor = part_minor(price, cycle_units(by, period, part, false), whole);
        expect_minor(c, minor, "amount");
        if (json_object_get(c->want, "kept") == NULL)
            continue;
        struct span before = {period.from_ms, part.from_ms};
        int64_t kept = part_minor(price, cycle_units(by, period, before, false), whole);
        int64_t billed = (int64_t)(price / 10000000000);
        expect_minor(c, kept, "kept");
        expect_minor(c, billed - kept, "amount");
    }
}

static void
run_cycles(const struct the_case *c)
{
    const json_t *days = json_object_get(c->in, "partial_days");
    const json_t *wholes = json_object_get(c->in, "period_days");
    size_t count = json_is_array(days) ? json_array_size(days) : 1;
    money_sum price = amount_pico(c->in, "price");
    int64_t minor = (int64_t)(price / 10000000000) *
                    json_integer_value(json_object_get(c->in, "full_cycles"));
    for (size_t i = 0; i < count; i++)
        minor += part_minor(
            price, json_integer_value(json_is_array(days) ? json_array_get(days, i) : days),
            json_integer_value(json_is_array(wholes) ? json_array_get(wholes, i) : wholes));
    expect_minor(c, minor, "amount");
}

/* Days that remain of days, whatever form a case gives them in. */
static void
remaining(const struct the_case *c, int64_t *days, int64_t *whole)
{
    if (json_object_get(c->in, "changed_on_first_day") != NULL) {
        *days = *whole = 1;
        return;
    }
    *days = json_integer_value(json_object_get(c->in, "remaining_days"));
    *whole = json_integer_value(json_object_get(c->in, "period_days"));
    const char *at = text_of(c->in, "change");
    if (at != NULL) {
        struct span period = {ms_of(text_of(c->in, "period_start")),
                              ms_of(text_of(c->in, "period_end"))};
        period.to_ms += c->inclusive ? (int64_t)DAY_S * 1000 : 0;
        struct span part = {ms_of(at), period.to_ms};
        *days = cycle_units(CYCLE_DAYS_INCLUSIVE, period, part, false);
        *whole = cycle_units_whole(CYCLE_DAYS_INCLUSIVE, period);
    } else if (text_of(c->in, "from") != NULL) {
        *days = (ms_of(text_of(c->in, "to")) - ms_of(text_of(c->in, "from"))) / (DAY_S * 1000);
    }
}

static void
run_change(const struct the_case *c)
{
    static const char *const olds[] = {"old_price", "old_amount"};
    static const char *const news[] = {"new_price", "new_amount"};
    bool price = json_object_get(c->in, "old_amount") == NULL;
    money_sum old = amount_pico(c->in, olds[!price]), new = amount_pico(c->in, news[!price]);
    int64_t days, whole;
    remaining(c, &days, &whole);
    /* The old plan is due for what it had; the rest of its price comes back. */
    int64_t credit = part_minor(old, whole - days, whole) - (int64_t)(old / 10000000000);
    int64_t charge = part_minor(new, days, whole);
    expect_minor(c, credit, "credit");
    expect_minor(c, charge, "charge");
    if (json_object_get(c->want, "account_credit") != NULL)
        expect_minor(c, -(credit + charge), "account_credit");
    else
        expect_minor(c, credit + charge, "net");
}

static void
run_cancel(const struct the_case *c)
{
    int64_t days = json_integer_value(json_object_get(c->in, "unused_days"));
    int64_t whole = json_integer_value(json_object_get(c->in, "period_days"));
    money_sum paid = amount_pico(c->in, "paid_amount");
    int64_t credit = (int64_t)(paid / 10000000000) - part_minor(paid, whole - days, whole);
    int64_t tax = tax_minor(credit, text_of(c->in, "tax_percent"));
    expect_minor(c, credit, "credit_excl_tax");
    expect_minor(c, tax, "tax");
    expect_minor(c, credit + tax, "total");
}

/* ---- rounding and tax ---- */

static int64_t
round_yocto(money_sum yocto, int digits)
{
    struct exact amount = exact_of_yocto(yocto);
    money_sum pico;
    int64_t minor;
    cr_assert(exact_round(&amount, digits, &pico, &minor));
    return minor;
}

static int64_t
minor_of(const char *text, int digits)
{
    money_sum value = yocto_of(text), unit = EXACT_YOCTO_PER_PICO * MONEY_PICO_PER_UNIT;
    for (int i = 0; i < digits; i++)
        unit /= 10;
    cr_assert(value % unit == 0, "%s", text);
    return (int64_t)(value / unit);
}

static int
digits_of(const struct the_case *c)
{
    return (int)json_integer_value(json_object_get(c->in, "exponent"));
}

static void
run_rounding(const struct the_case *c)
{
    int64_t minor = round_yocto(yocto_of(text_of(c->in, "value")), digits_of(c));
    cr_expect_eq(minor, minor_of(text_of(c->want, "rounded"), digits_of(c)), "%s: %lld", c->id,
                 (long long)minor);
}

static void
run_lines(const struct the_case *c)
{
    const json_t *lines = json_object_get(c->in, "lines"), *line;
    int64_t sum = 0;
    size_t i;
    if (json_is_object(lines))
        sum = round_yocto(yocto_of(text_of(lines, "value")), digits_of(c)) *
              json_integer_value(json_object_get(lines, "count"));
    json_array_foreach (lines, i, line)
        sum += round_yocto(yocto_of(json_string_value(line)), digits_of(c));
    cr_expect_eq(sum, minor_of(text_of(c->want, "subtotal"), digits_of(c)), "%s", c->id);
}

static void
run_tax(const struct the_case *c)
{
    int64_t tax =
        tax_minor(minor_of(text_of(c->in, "base"), digits_of(c)), text_of(c->in, "rate_percent"));
    cr_expect_eq(tax, minor_of(text_of(c->want, "tax"), digits_of(c)), "%s: %lld", c->id,
                 (long long)tax);
}

/* An amount split over weights: the parts of an invoice by what they cost. */
static void
run_allocation(const struct the_case *c)
{
    struct chargeback_part parts[8] = {{.amount_minor = 0}};
    struct err err;
    const json_t *weights = json_object_get(c->in, "weights");
    const json_t *keys = json_object_get(c->in, "keys"),
                 *shares = json_object_get(c->want, "shares");
    size_t count = json_array_size(weights);
    cr_assert(count > 0 && count <= sizeof parts / sizeof parts[0], "%s", c->id);
    for (size_t i = 0; i < count; i++) {
        const char *key = json_string_value(json_array_get(keys, i));
        parts[i].value = (struct str){key, strlen(key)};
        parts[i].llm_cost_pico = pico_of(json_string_value(json_array_get(weights, i)));
    }
    int64_t total = minor_of(text_of(c->in, "amount"), digits_of(c));
    cr_assert_eq(chargeback_share(parts, count, total, &err), ERR_OK, "%s", c->id);
    for (size_t i = 0; i < count; i++)
        cr_expect_eq(parts[i].amount_minor,
                     minor_of(json_string_value(json_array_get(shares, i)), digits_of(c)),
                     "%s: part %zu is %lld", c->id, i, (long long)parts[i].amount_minor);
}

static const struct {
    const char *kind;
    void (*run)(const struct the_case *c);
} kinds[] = {{"graduated", run_tiered},
             {"volume", run_tiered},
             {"package", run_package},
             {"percentage", run_percentage},
             {"per_unit", run_per_unit},
             {"volume_single_rate", run_per_unit},
             {"base_plus_graduated", run_base},
             {"base_plus_volume", run_base},
             {"base_plus_capacity", run_base},
             {"capacity", run_base},
             {"base_plus_block_tiers", run_base},
             {"block_tiers", run_base},
             {"unit_conversion_graduated", run_conversion},
             {"unit_conversion_discount", run_conversion},
             {"unit_conversion_split", run_split},
             {"maximum_spend", run_maximum},
             {"late_usage_delta", run_late},
             {"volume_per_thousand", run_per_thousand},
             {"llm_cost_markup", run_markup},
             {"llm_cost", run_llm_cost},
             {"proration_days", run_days},
             {"proration_dates", run_dates},
             {"cycle_count", run_cycles},
             {"plan_change", run_change},
             {"cancel_credit_with_tax", run_cancel},
             {"rounding", run_rounding},
             {"line_rounding_then_sum", run_lines},
             {"tax", run_tax},
             {"largest_remainder_allocation", run_allocation}};

static void
run_case(const struct the_case *c)
{
    size_t k = 0;
    while (k < sizeof kinds / sizeof kinds[0] && strcmp(kinds[k].kind, c->kind) != 0)
        k++;
    cr_assert_lt(k, sizeof kinds / sizeof kinds[0], "%s: no such kind %s", c->id, c->kind);
    kinds[k].run(c);
}

/* Conventions that this file knows; a case with another one must not pass for a plain one. */
static bool
take_convention(const json_t *object, struct the_case *c)
{
    const char *convention = json_string_value(json_object_get(object, "convention"));
    const char *ends = json_string_value(json_object_get(c->in, "ends"));
    c->inclusive = convention != NULL && strcmp(convention, "inclusive_end") == 0;
    return (convention == NULL || c->inclusive) && (ends == NULL || strcmp(ends, "exclusive") == 0);
}

Test(billing_cases, published_cases_come_out_to_the_cent)
{
    json_error_t error;
    json_t *root = json_load_file(GBILL_TESTS_DIR "/data/billing_cases.json", 0, &error), *object;
    cr_assert_not_null(root, "%s", error.text);
    size_t i, ran = 0, skipped = 0;
    json_array_foreach (json_object_get(root, "cases"), i, object) {
        struct the_case c = {.id = json_string_value(json_object_get(object, "id")),
                             .kind = json_string_value(json_object_get(object, "kind")),
                             .in = json_object_get(object, "inputs"),
                             .want = json_object_get(object, "expected")};
        cr_assert(take_convention(object, &c), "%s: an unknown convention", c.id);
        if (why_not(c.kind) != NULL) {
            skipped++;
            continue;
        }
        run_case(&c);
        ran++;
    }
    cr_expect_eq(ran, 130, "%zu", ran);
    cr_expect_eq(skipped, 9, "%zu", skipped);
    json_decref(root);
}
