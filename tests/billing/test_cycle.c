#include <criterion/criterion.h>

#include "billing/plan/exact.h"
#include "store/base/time.h"
#include "tests/billing/office.h"

static void
expect_period(struct cycle c, const char *at, const char *from, const char *to)
{
    struct span s = cycle_period(&c, ms_of(at));
    cr_expect_eq(s.from_ms, ms_of(from), "the period of %s begins %lld s from %s", at,
                 (long long)(s.from_ms - ms_of(from)) / 1000, from);
    cr_expect_eq(s.to_ms, ms_of(to), "the period of %s ends %lld s from %s", at,
                 (long long)(s.to_ms - ms_of(to)) / 1000, to);
}

static struct cycle
anchored(int32_t months, int32_t days, const char *anchor)
{
    return (struct cycle){months, days, true, ms_of(anchor)};
}

Test(billing_cycle, calendar_periods_begin_where_the_calendar_does)
{
    struct cycle month = {.months = 1}, quarter = {.months = 3}, half = {.months = 6},
                 year = {.months = 12};
    expect_period(month, "2026-11-30T23:59:59.999Z", "2026-11-01", "2026-12-01");
    expect_period(month, "2024-02-29", "2024-02-01", "2024-03-01");
    expect_period(quarter, "2026-11-24", "2026-10-01", "2027-01-01");
    expect_period(quarter, "2026-01-01", "2026-01-01", "2026-04-01");
    expect_period(half, "2026-06-30", "2026-01-01", "2026-07-01");
    expect_period(year, "2026-11-24", "2026-01-01", "2027-01-01");
}

Test(billing_cycle, an_anchor_on_the_31st_falls_on_the_last_day_of_shorter_months_and_comes_back)
{
    struct cycle c = anchored(1, 0, "2026-01-31T10:00:00Z");
    expect_period(c, "2026-02-10", "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z");
    expect_period(c, "2026-02-28T09:59:59.999Z", "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z");
    expect_period(c, "2026-02-28T10:00:00Z", "2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z");
    expect_period(c, "2026-04-30T09:00:00Z", "2026-03-31T10:00:00Z", "2026-04-30T10:00:00Z");
    expect_period(c, "2024-02-29T12:00:00Z", "2024-02-29T10:00:00Z", "2024-03-31T10:00:00Z");
}

Test(billing_cycle, anchors_on_the_29th_and_30th_and_leap_days)
{
    expect_period(anchored(1, 0, "2026-01-29"), "2026-02-28", "2026-02-28", "2026-03-29");
    expect_period(anchored(1, 0, "2024-01-29"), "2024-02-29", "2024-02-29", "2024-03-29");
    expect_period(anchored(1, 0, "2025-11-30"), "2026-02-28", "2026-02-28", "2026-03-30");
    /* A year from a leap day: on the 28th, and on the 29th again in a leap year. */
    expect_period(anchored(12, 0, "2024-02-29"), "2025-02-28", "2025-02-28", "2026-02-28");
    expect_period(anchored(12, 0, "2024-02-29"), "2028-02-29", "2028-02-29", "2029-02-28");
    expect_period(anchored(3, 0, "2025-11-30"), "2026-03-01", "2026-02-28", "2026-05-30");
}

Test(billing_cycle, times_before_the_anchor_have_periods_too)
{
    expect_period(anchored(1, 0, "2026-11-15"), "2026-11-01", "2026-10-15", "2026-11-15");
    expect_period(anchored(12, 0, "2026-11-15"), "2024-01-01", "2023-11-15", "2024-11-15");
    expect_period(anchored(0, 7, "2026-11-15"), "2026-11-14", "2026-11-08", "2026-11-15");
}

Test(billing_cycle, days_of_any_number)
{
    struct cycle c = anchored(0, 10, "2026-02-25T06:00:00Z");
    expect_period(c, "2026-03-01", "2026-02-25T06:00:00Z", "2026-03-07T06:00:00Z");
    expect_period(c, "2026-03-07T06:00:00Z", "2026-03-07T06:00:00Z", "2026-03-17T06:00:00Z");
}

Test(billing_cycle, periods_leave_no_gap_over_ten_years)
{
    static const char *const anchors[] = {"2023-01-28", "2023-01-29", "2023-01-30",
                                          "2023-01-31T23:59:59.999Z", "2024-02-29T12:00:00Z"};
    for (size_t a = 0; a < 5; a++) {
        for (int32_t months = 1; months <= 12; months++) {
            struct cycle c = anchored(months, 0, anchors[a]);
            struct span s = cycle_period(&c, ms_of(anchors[a]));
            cr_assert_eq(s.from_ms, ms_of(anchors[a]));
            while (s.to_ms < ms_of("2033-01-01")) {
                struct span next = cycle_period(&c, s.to_ms), last = cycle_period(&c, s.to_ms - 1);
                cr_assert_eq(next.from_ms, s.to_ms, "%s, %d months", anchors[a], (int)months);
                cr_assert_eq(last.from_ms, s.from_ms, "%s, %d months", anchors[a], (int)months);
                s = next;
            }
        }
    }
}

Test(billing_cycle, parts_are_counted_by_seconds_or_days)
{
    struct span month = {ms_of("2026-11-01"), ms_of("2026-12-01")};
    struct span part = {ms_of("2026-11-01"), ms_of("2026-11-10T12:00:00.999Z")};
    cr_expect_eq(cycle_units(CYCLE_SECONDS, month, part, true), 9 * 86400 + 43200);
    cr_expect_eq(cycle_units(CYCLE_DAYS, month, part, true), 9);
    cr_expect_eq(cycle_units(CYCLE_DAYS_INCLUSIVE, month, part, false), 9);
    /* To cancel at noon uses the day; so does to cancel as it begins. */
    cr_expect_eq(cycle_units(CYCLE_DAYS_INCLUSIVE, month, part, true), 10);
    part.to_ms = ms_of("2026-11-10");
    cr_expect_eq(cycle_units(CYCLE_DAYS_INCLUSIVE, month, part, true), 10);
    part.to_ms = month.to_ms;
    cr_expect_eq(cycle_units(CYCLE_DAYS_INCLUSIVE, month, part, true), 30);
    cr_expect_eq(cycle_units_whole(CYCLE_SECONDS, month), 30 * 86400);
    cr_expect_eq(cycle_units_whole(CYCLE_DAYS, month), 30);
}

/* ---- exact ---- */

Test(billing_exact, whole_and_parts_of_any_period_round_as_one)
{
    static const char *const fees[] = {"0.01", "1", "28.99", "29", "99", "299", "9223372.03"};
    for (size_t f = 0; f < 7; f++) {
        int64_t fee = 0, minor = 0;
        money_sum pico;
        cr_assert(money_parse(str_of(fees[f]), 12, &fee));
        for (int days = 28; days <= 31; days++) {
            struct exact e = exact_of_pico(fee);
            cr_assert(exact_scale(&e, days * 86400, days * 86400));
            cr_assert(exact_round(&e, 2, &pico, &minor));
            cr_expect(pico == fee);
            cr_expect_eq(minor, fee / 10000000000);
        }
    }
}

Test(billing_exact, a_value_just_below_half_a_cent_is_not_rounded_twice)
{
    int64_t minor;
    money_sum pico, second = 30 * 86400;
    /* 5,000,000,000 picos are half a cent; this is less by a third of a millionth of one. */
    struct exact e = exact_of_pico(5000000000 * second - 1);
    cr_assert(exact_scale(&e, 1, second));
    cr_assert(exact_round(&e, 2, &pico, &minor));
    cr_expect_eq(minor, 0);
    cr_expect(pico == 4999999999);
    e = exact_of_pico(5000000000 * second);
    cr_assert(exact_scale(&e, 1, second));
    cr_assert(exact_round(&e, 2, &pico, &minor));
    cr_expect_eq(minor, 1);
    /* Thirds that are taken and given back leave nothing behind. */
    e = exact_of_pico(10000000000);
    for (int i = 0; i < 20; i++)
        cr_assert(exact_scale(&e, 1, 3));
    for (int i = 0; i < 20; i++)
        cr_assert(exact_scale(&e, 3, 1));
    cr_assert(exact_round(&e, 2, &pico, &minor));
    cr_expect_eq(minor, 1);
}

Test(billing_exact, minor_units_of_yen_and_dinar_and_signs)
{
    int64_t minor;
    money_sum pico;
    struct exact e = exact_of_pico(1500000000000);
    cr_assert(exact_round(&e, 0, &pico, &minor));
    cr_expect_eq(minor, 2);
    cr_assert(exact_round(&e, 3, &pico, &minor));
    cr_expect_eq(minor, 1500);
    e = exact_of_pico(-1500000000000);
    cr_assert(exact_round(&e, 0, &pico, &minor));
    cr_expect_eq(minor, -2);
    cr_expect(pico == -1500000000000);
}

Test(billing_exact, products_of_255_bits_are_exact_and_what_does_not_fit_is_said)
{
    money_sum big = (money_sum)1 << 120, got = 7;
    cr_expect(exact_mul_div(big, big, big, &got) && got == big);
    cr_expect(exact_mul_div(-big, big - 1, big, &got) && got == -(big - 1));
    cr_expect(exact_mul_div(big + 12345, big - 1, big, &got) && got == big + 12343);
    cr_expect_not(exact_mul_div(big, big, 1, &got));
    cr_expect_not(exact_mul_div(big, 256, 1, &got));
    cr_expect(exact_mul_div(big, 127, 1, &got) && got == big * 127);
    struct exact e = exact_of_pico(1);
    cr_expect(exact_scale(&e, 1, big));
    cr_expect_not(exact_scale(&e, 1, big));
    cr_expect(exact_scale(&e, big, 1));
    cr_expect(e.num == 1 && e.den == 1);
}
