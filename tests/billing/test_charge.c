#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "billing/charge.h"
#include "tests/billing/office.h"

enum { DAY_S = 86400 };

static int64_t
decimal_of(const char *text, int decimals)
{
    int64_t value = 0;
    cr_assert(money_parse(str_of(text), decimals, &value), "%s", text);
    return value;
}

static int64_t
pico_of(const char *text)
{
    return decimal_of(text, 12);
}

/* ---- proration ---- */

Test(billing_charge, the_whole_month_is_the_whole_fee)
{
    for (int days = 28; days <= 31; days++) {
        struct charge c = charge_fee(pico_of("29"), 0, days * DAY_S, days * DAY_S, 2);
        cr_expect_eq(c.exact_pico, pico_of("29"));
        cr_expect_eq(c.amount_minor, 2900);
    }
}

Test(billing_charge, parts_add_up_to_the_fee_however_the_month_is_cut)
{
    static const char *const fees[] = {"0.01", "1", "28.99", "29", "99", "299", "9223372.03"};
    uint64_t random = 88172645463325252u;
    for (size_t f = 0; f < sizeof fees / sizeof fees[0]; f++) {
        for (int round = 0; round < 200; round++) {
            int64_t month_s = (28 + round % 4) * (int64_t)DAY_S, at = 0;
            money_sum exact = 0, minor = 0;
            while (at < month_s) {
                random ^= random << 13, random ^= random >> 7, random ^= random << 17;
                int64_t seconds = (int64_t)(random % (uint64_t)(round % 2 ? 400000 : month_s)) + 1;
                if (seconds > month_s - at)
                    seconds = month_s - at;
                struct charge c = charge_fee(pico_of(fees[f]), at, seconds, month_s, 2);
                cr_assert_geq(c.amount_minor, 0);
                exact += c.exact_pico;
                minor += c.amount_minor;
                at += seconds;
            }
            cr_assert(exact == pico_of(fees[f]), "%s", fees[f]);
            cr_assert(minor == decimal_of(fees[f], 2), "%s", fees[f]);
        }
    }
}

Test(billing_charge, a_cut_part_is_rounded_as_the_uncut_one_would_be)
{
    /* 10 days of 30 in two cuts: each alone is 4.8333 and would round to 4.83, but 9.67 is due. */
    struct charge a = charge_fee(pico_of("29"), 0, 5 * DAY_S, 30 * DAY_S, 2);
    struct charge b = charge_fee(pico_of("29"), 5 * DAY_S, 5 * DAY_S, 30 * DAY_S, 2);
    struct charge whole = charge_fee(pico_of("29"), 0, 10 * DAY_S, 30 * DAY_S, 2);
    cr_expect_eq(a.amount_minor, 483);
    cr_expect_eq(b.amount_minor, 484);
    cr_expect_eq(whole.amount_minor, 967);
    cr_expect(a.exact_pico + b.exact_pico == whole.exact_pico);
}

Test(billing_charge, a_value_just_below_half_a_cent_is_not_rounded_twice)
{
    /* 5,000,000,000 picos are half a cent; this is less by a third of a millionth of one pico. */
    int64_t month_s = 30 * DAY_S, fee = 5000000000 * month_s - 1;
    struct charge c = charge_fee(fee, 0, 1, month_s, 2);
    cr_expect_eq(c.amount_minor, 0);
    cr_expect(c.exact_pico == 4999999999);
    c = charge_fee(fee + 1, 0, 1, month_s, 2);
    cr_expect_eq(c.amount_minor, 1);
}

Test(billing_charge, half_a_cent_goes_away_from_zero)
{
    /* 0.01 for half a month is exactly half a cent. */
    struct charge first = charge_fee(pico_of("0.01"), 0, 15 * DAY_S, 30 * DAY_S, 2);
    struct charge second = charge_fee(pico_of("0.01"), 15 * DAY_S, 15 * DAY_S, 30 * DAY_S, 2);
    cr_expect_eq(first.amount_minor, 1);
    cr_expect_eq(second.amount_minor, 0);
    struct charge c;
    cr_assert(charge_units(200, decimal_of("25", 6), 2, &c));
    cr_expect_eq((int64_t)c.exact_pico, pico_of("0.005"));
    cr_expect_eq(c.amount_minor, 1);
    cr_assert(charge_units(199, decimal_of("25", 6), 2, &c));
    cr_expect_eq(c.amount_minor, 0);
}

Test(billing_charge, the_largest_fee_does_not_wrap)
{
    struct charge c = charge_fee(INT64_MAX - 1, 0, 31 * DAY_S, 31 * DAY_S, 2);
    cr_expect(c.exact_pico == INT64_MAX - 1);
}

/* ---- units ---- */

Test(billing_charge, units_that_do_not_fit_are_refused_and_the_largest_that_do_are_exact)
{
    struct charge c = {.amount_minor = 7};
    cr_expect_not(charge_units(UINT64_MAX, INT64_MAX, 4, &c));
    cr_expect_not(charge_units(UINT64_MAX, 1000000000000, 2, &c));
    cr_expect_eq(c.amount_minor, 7);
    cr_expect(charge_units(UINT64_MAX, 1, 4, &c));
    cr_expect(c.exact_pico == (money_sum)UINT64_MAX);
    cr_expect(charge_units(UINT64_MAX, 0, 2, &c));
    cr_expect_eq(c.amount_minor, 0);
}

Test(billing_charge, an_amount_in_minor_units_stays_itself)
{
    struct charge c = charge_minor(-1234, 2);
    cr_expect_eq(c.amount_minor, -1234);
    cr_expect_eq((int64_t)c.exact_pico, pico_of("-12.34"));
    c = charge_minor(5, 0);
    cr_expect_eq((int64_t)c.exact_pico, pico_of("5"));
}

/* ---- cases from elsewhere: tests/data/billing_cases.json ---- */

/* What plans do not express yet; no case is passed over without a word. */
static const struct {
    const char *id, *why;
} not_carried[] = {
    {"lago-start-midmonth", "its total has a tax"},
    {"lago-wallet-17.97", "more decimals than picos"},
    {"flexprice-usage-123.456", "a fraction of a unit; credits are whole"},
};

static bool
is_carried(const char *id)
{
    for (size_t i = 0; i < sizeof not_carried / sizeof not_carried[0]; i++) {
        if (strcmp(not_carried[i].id, id) == 0)
            return false;
    }
    return true;
}

static const char *
text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* "price" in units or "price_cents". */
static int64_t
amount_of(const json_t *object, const char *key)
{
    char cents[32];
    const char *text = text_of(object, key);
    if (text != NULL)
        return pico_of(text);
    snprintf(cents, sizeof cents, "%s_cents", key);
    return decimal_of(text_of(object, cents), 10);
}

static int64_t
days_between(const json_t *inputs, const char *from, const char *to)
{
    return (ms_of(text_of(inputs, to)) - ms_of(text_of(inputs, from))) / (1000 * DAY_S);
}

static void
run_proration(const char *id, const json_t *in, const json_t *expected)
{
    bool dates = json_object_get(in, "from") != NULL;
    int64_t fee = amount_of(in, "price");
    int64_t period = dates ? days_between(in, "period_start", "period_end")
                           : json_integer_value(json_object_get(in, "period_days"));
    int64_t days = dates ? days_between(in, "from", "to")
                         : json_integer_value(json_object_get(in, "billed_days"));
    /* What is kept and what is credited must add up: the credited part is the month's tail. */
    int64_t before = text_of(expected, "kept") != NULL ? period - days : 0;
    struct charge c = charge_fee(fee, before * DAY_S, days * DAY_S, period * DAY_S, 2);
    cr_expect_eq((int64_t)c.amount_minor, amount_of(expected, "amount") / 10000000000, "%s: %lld",
                 id, (long long)c.amount_minor);
    if (before == 0)
        return;
    struct charge kept = charge_fee(fee, 0, before * DAY_S, period * DAY_S, 2);
    cr_expect_eq(kept.amount_minor, decimal_of(text_of(expected, "kept"), 2), "%s", id);
    cr_expect_eq(kept.amount_minor + c.amount_minor, fee / 10000000000, "%s", id);
}

static void
run_rounding(const char *id, const json_t *in, const json_t *expected)
{
    int digits = (int)json_integer_value(json_object_get(in, "exponent"));
    int64_t minor = money_round_minor(pico_of(text_of(in, "value")), digits);
    cr_expect_eq(minor, decimal_of(text_of(expected, "rounded"), digits), "%s: %lld", id,
                 (long long)minor);
}

static void
run_lines(const char *id, const json_t *in, const json_t *expected)
{
    const json_t *lines = json_object_get(in, "lines"), *line;
    int64_t sum = 0;
    size_t i;
    if (json_is_object(lines))
        sum = money_round_minor(pico_of(text_of(lines, "value")), 2) *
              json_integer_value(json_object_get(lines, "count"));
    json_array_foreach (lines, i, line)
        sum += money_round_minor(pico_of(json_string_value(line)), 2);
    cr_expect_eq(sum, decimal_of(text_of(expected, "subtotal"), 2), "%s: %lld", id, (long long)sum);
}

static void
run_units(const char *id, const json_t *in, const json_t *expected)
{
    const json_t *digits = json_object_get(in, "exponent");
    struct charge c = {0};
    cr_assert(charge_units((uint64_t)decimal_of(text_of(in, "quantity"), 0),
                           pico_of(text_of(in, "unit")), 2, &c));
    if (digits != NULL)
        cr_expect_eq(c.amount_minor, decimal_of(text_of(expected, "amount"), 2), "%s", id);
    else
        cr_expect_eq((int64_t)c.exact_pico, pico_of(text_of(expected, "amount")), "%s", id);
}

Test(billing_charge, published_cases_come_out_to_the_cent)
{
    static const struct {
        const char *kind;
        void (*run)(const char *id, const json_t *in, const json_t *expected);
    } kinds[] = {{"proration_days", run_proration}, {"proration_dates", run_proration},
                 {"rounding", run_rounding},        {"line_rounding_then_sum", run_lines},
                 {"per_unit", run_units},           {"volume_single_rate", run_units}};
    json_error_t error;
    json_t *root = json_load_file(GBILL_TESTS_DIR "/data/billing_cases.json", 0, &error), *c;
    cr_assert_not_null(root, "%s", error.text);
    size_t i, ran = 0, skipped = 0;
    json_array_foreach (json_object_get(root, "cases"), i, c) {
        const char *id = text_of(c, "id"), *kind = text_of(c, "kind");
        size_t k = 0;
        while (k < sizeof kinds / sizeof kinds[0] && strcmp(kinds[k].kind, kind) != 0)
            k++;
        cr_assert_lt(k, sizeof kinds / sizeof kinds[0], "%s: no such kind %s", id, kind);
        if (is_carried(id)) {
            kinds[k].run(id, json_object_get(c, "inputs"), json_object_get(c, "expected"));
            ran++;
        } else {
            skipped++;
        }
    }
    cr_expect_eq(skipped, sizeof not_carried / sizeof not_carried[0]);
    cr_expect_eq(ran, 28, "%zu", ran);
    json_decref(root);
}
