#include <criterion/criterion.h>
#include <stdio.h>

#include "store/base/money.h"
#include "tests/support/record.h"

static bool
parses_to(const char *text, int decimals, int64_t want)
{
    int64_t v = 77;
    return money_parse(str_of(text), decimals, &v) && v == want;
}

static bool
refused(const char *text, int decimals)
{
    int64_t v = 77;
    return !money_parse(str_of(text), decimals, &v) && v == 77;
}

Test(store_money, decimals_become_whole_numbers_exactly)
{
    cr_assert(parses_to("2.5", 6, 2500000));
    cr_assert(parses_to("0.000001", 6, 1));
    cr_assert(parses_to("-0.000001", 6, -1));
    cr_assert(parses_to("+29", 2, 2900));
    cr_assert(parses_to("0.10000", 1, 1));
    cr_assert(parses_to("007", 0, 7));
    cr_assert(parses_to("-0", 2, 0));
    cr_assert(parses_to("9223372036854775807", 0, INT64_MAX));
    cr_assert(parses_to("-9.223372036854775807", 18, -INT64_MAX));
    cr_assert(parses_to("0.1", 18, 100000000000000000));
}

Test(store_money, what_is_no_decimal_or_does_not_fit_is_refused)
{
    static const char *const bad[] = {"",
                                      ".",
                                      "-",
                                      "+",
                                      ".5",
                                      "5.",
                                      "1.2.3",
                                      "1e3",
                                      "0x1",
                                      " 1",
                                      "1 ",
                                      "--1",
                                      "1,5",
                                      "NaN",
                                      "inf",
                                      "-.5",
                                      "1_0",
                                      "\xd9\xa1",
                                      "9223372036854775808",
                                      "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(refused(bad[i], 6) || i == 0, "\"%s\"", bad[i]);
    cr_assert(refused("", 6));
    cr_assert(refused("0.0000001", 6), "a digit more than is kept must not vanish");
    cr_assert(refused("9.3", 18));
    cr_assert(refused("10", 18));
    int64_t v;
    cr_assert_not(money_parse((struct str){NULL, 0}, 2, &v));
    cr_assert_not(money_parse((struct str){"1\0", 2}, 2, &v));
}

/*
 * An independent judge: schoolbook arithmetic on decimal digits.  digits[] holds
 * a magnitude, least significant first.
 */
enum { JUDGE_DIGITS = 60 };

static void
judge_of(money_sum v, int digits[JUDGE_DIGITS])
{
    for (int i = 0; i < JUDGE_DIGITS; i++) {
        int d = (int)(v % 10);
        digits[i] = d < 0 ? -d : d;
        v /= 10;
    }
}

/* Drop `drop` digits, half away from zero, and compare with a rounded value. */
static bool
judge_rounds(money_sum v, int drop, money_sum rounded)
{
    int a[JUDGE_DIGITS], b[JUDGE_DIGITS];
    judge_of(v, a);
    judge_of(rounded, b);
    int carry = drop > 0 && a[drop - 1] >= 5 ? 1 : 0;
    bool zero = true;
    for (int i = 0; i < JUDGE_DIGITS; i++) {
        int d = (i + drop < JUDGE_DIGITS ? a[i + drop] : 0) + carry;
        carry = d / 10;
        if (d % 10 != b[i])
            return false;
        zero = zero && b[i] == 0;
    }
    return zero || (v < 0) == (rounded < 0);
}

static money_sum
random_sum(uint64_t *seed)
{
    money_sum v = (money_sum)random_next(seed) << 32 ^ (money_sum)random_next(seed);
    v >>= random_next(seed) % 96;
    return random_next(seed) % 2 == 0 ? v : -v;
}

Test(store_money, rounding_agrees_with_digit_by_digit_arithmetic)
{
    uint64_t seed = 20261124;
    for (int i = 0; i < 100000; i++) {
        money_sum v = random_sum(&seed) % (money_sum)INT64_MAX * 1000000;
        int minor = (int)(random_next(&seed) % 5);
        if (v / 100000000 > INT64_MAX || v / 100000000 < -(money_sum)INT64_MAX)
            v %= (money_sum)INT64_MAX;
        cr_assert(judge_rounds(v, 12 - minor, money_round_minor(v, minor)));
    }
}

Test(store_money, halves_go_away_from_zero_on_both_sides)
{
    cr_assert_eq(money_round_minor(5000000000, 2), 1);
    cr_assert_eq(money_round_minor(4999999999, 2), 0);
    cr_assert_eq(money_round_minor(-5000000000, 2), -1);
    cr_assert_eq(money_round_minor(-4999999999, 2), 0);
    cr_assert_eq(money_round_minor(500000000000, 0), 1);
    cr_assert_eq(money_round_minor((money_sum)INT64_MAX * 10000000000, 2), INT64_MAX);
}

Test(store_money, division_keeps_its_promise_for_any_denominator)
{
    uint64_t seed = 7;
    for (int i = 0; i < 100000; i++) {
        money_sum n = random_sum(&seed);
        money_sum d = (money_sum)(random_next(&seed) >> (random_next(&seed) % 63)) + 1;
        money_sum q = money_divide(n, d), rest = n - q * d;
        /* |rest| <= d/2, and an exact half lies on the side away from zero. */
        cr_assert(rest * 2 <= d && -rest * 2 <= d);
        if (rest * 2 == d || -rest * 2 == d)
            cr_assert((n > 0 && rest < 0) || (n < 0 && rest > 0));
    }
}

Test(store_money, costs_add_up_or_refuse)
{
    uint64_t seed = 99;
    for (int i = 0; i < 100000; i++) {
        uint64_t tokens = random_next(&seed) >> (random_next(&seed) % 64);
        int64_t price = (int64_t)(random_next(&seed) >> (random_next(&seed) % 63 + 1));
        int64_t before = (int64_t)(random_next(&seed) >> 1), sum = before;
        bool fits = price == 0 || tokens <= (uint64_t)(INT64_MAX - before) / (uint64_t)price;
        cr_assert_eq(money_add_cost(&sum, tokens, price), fits);
        cr_assert_eq(sum, fits ? before + (int64_t)(tokens * (uint64_t)price) : before);
    }
    int64_t sum = 5;
    cr_assert(money_add_cost(&sum, 0, INT64_MAX) && sum == 5);
    cr_assert_not(money_add_cost(&sum, UINT64_MAX, 1));
    cr_assert(money_add_cost(&sum, 3, -2) && sum == -1, "a discount may be negative");
}

Test(store_money, what_is_written_reads_back)
{
    uint64_t seed = 3;
    char text[MONEY_TEXT_BYTES];
    for (int i = 0; i < 50000; i++) {
        int64_t v = (int64_t)random_next(&seed) >> (random_next(&seed) % 64), again;
        int decimals = (int)(random_next(&seed) % 19);
        if (v == INT64_MIN)
            continue;
        money_format(v, decimals, text);
        cr_assert(money_parse(str_of(text), decimals, &again) && again == v, "%s", text);
        if (decimals > 0 && strchr(text, '.') != NULL)
            cr_assert_neq(text[strlen(text) - 1], '0', "%s", text);
    }
}

Test(store_money, amounts_look_as_people_write_them)
{
    static const struct {
        int64_t value;
        int decimals, shown;
        const char *fixed, *exact;
    } cases[] = {
        {22500, 12, 12, "0.000000022500", "0.0000000225"},
        {0, 12, 2, "0.00", "0"},
        {-1, 2, 2, "-0.01", "-0.01"},
        {-4, 3, 2, "0.00", "-0.004"},
        {-5, 3, 2, "-0.01", "-0.005"},
        {995, 3, 2, "1.00", "0.995"},
        {123456, 2, 0, "1235", "1234.56"},
        {7, 0, 0, "7", "7"},
        {100, 0, 0, "100", "100"},
        {2900, 2, 2, "29.00", "29"},
    };
    char text[MONEY_TEXT_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        money_format_fixed(cases[i].value, cases[i].decimals, cases[i].shown, text);
        cr_assert_str_eq(text, cases[i].fixed);
        money_format(cases[i].value, cases[i].decimals, text);
        cr_assert_str_eq(text, cases[i].exact);
    }
    money_sum widest = ((money_sum)INT64_MAX << 64) - 1;
    money_format_fixed(-widest, 18, 18, text);
    cr_assert_lt(strlen(text), (size_t)MONEY_TEXT_BYTES);
}

/* Amounts about 64 bits and powers of ten: both ways of writing one say the same. */
Test(store_money, a_decimal_is_the_fixed_one_without_its_zeros)
{
    const money_sum bounds[] = {0,
                                1,
                                9,
                                10,
                                99,
                                100,
                                101,
                                1000000,
                                MONEY_PICO_PER_UNIT,
                                (money_sum)UINT64_MAX,
                                (money_sum)INT64_MAX};
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        for (int near = -2; near <= 2; near++) {
            for (int decimals = 0; decimals <= 18; decimals++) {
                char got[MONEY_TEXT_BYTES], fixed[MONEY_TEXT_BYTES];
                money_sum value = (bounds[i] + near) * (i % 2 == 0 ? 1 : -1);
                money_format(value, decimals, got);
                money_format_fixed(value, decimals, decimals, fixed);
                size_t n = strlen(fixed);
                while (decimals > 0 && fixed[n - 1] == '0')
                    n--;
                n -= decimals > 0 && fixed[n - 1] == '.' ? 1 : 0;
                fixed[n] = '\0';
                cr_assert_str_eq(got, fixed);
            }
        }
    }
}
