#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

#include "store/base/time.h"
#include "tests/support/record.h"

static int64_t
parsed(const char *text)
{
    int64_t ms = -1;
    return time_parse(str_of(text), &ms) ? ms : -1;
}

/* The C library as the judge: timegm() and gmtime_r() of every day of 131 years. */
Test(store_time, every_day_of_1970_to_2100_agrees_with_the_c_library)
{
    time_t last = (time_t)47847 * 86400; /* 2101-01-01 */
    for (time_t t = 0; t < last; t += 86400) {
        struct tm tm;
        time_t odd = t + (t / 86400 * 7919) % 86400;
        cr_assert_not_null(gmtime_r(&odd, &tm));
        struct time_civil c = time_civil((int64_t)odd * 1000 + 7);
        cr_assert(c.year == tm.tm_year + 1900 && c.month == tm.tm_mon + 1 && c.day == tm.tm_mday &&
                      c.hour == tm.tm_hour && c.minute == tm.tm_min && c.second == tm.tm_sec &&
                      c.ms == 7,
                  "%lld", (long long)odd);
        cr_assert_eq(time_day_of(c.year, c.month, c.day) * 86400, (int64_t)t);
        char text[TIME_TEXT_BYTES];
        time_format_ms((int64_t)odd * 1000 + 7, text);
        cr_assert_eq(parsed(text), (int64_t)odd * 1000 + 7, "%s", text);
        cr_assert_eq(time_month((int64_t)t * 1000), tm.tm_year * 12 - 70 * 12 + tm.tm_mon);
        tm.tm_mday = 1;
        tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
        cr_assert_eq(time_month_start_ms(time_month((int64_t)t * 1000)),
                     (int64_t)timegm(&tm) * 1000);
    }
}

Test(store_time, every_date_that_does_not_exist_is_refused)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (int year = 1970; year <= 2104; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 0; month <= 13; month++) {
            for (int day = 0; day <= 32; day++) {
                char text[48];
                snprintf(text, sizeof text, "%04d-%02d-%02d", year, month, day);
                bool is = month >= 1 && month <= 12 && day >= 1 &&
                          day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
                cr_assert_eq(parsed(text) >= 0, is, "%s", text);
            }
        }
    }
}

Test(store_time, the_forms_of_one_instant_are_one)
{
    int64_t t = parsed("2026-11-24T08:15:30Z");
    cr_assert_eq(t, INT64_C(1795508130000));
    cr_assert_eq(parsed("2026-11-24t08:15:30z"), t);
    cr_assert_eq(parsed("2026-11-24 08:15:30"), t);
    cr_assert_eq(parsed("2026-11-24T08:15:30.000000000Z"), t);
    cr_assert_eq(parsed("2026-11-24T13:45:30+05:30"), t);
    cr_assert_eq(parsed("2026-11-23T20:15:30-12:00"), t);
    cr_assert_eq(parsed("2026-11-24T08:15:30.9999Z"), t + 999);
    cr_assert_eq(parsed("2026-11-24T08:15:30.05Z"), t + 50);
    cr_assert_eq(parsed("2026-11-24T08:15Z"), t - 30000);
    cr_assert_eq(parsed("2026-11-24"), parsed("2026-11-24T00:00:00Z"));
    cr_assert_eq(parsed("2026-11"), parsed("2026-11-01"));
    cr_assert_eq(parsed("2016-12-31T23:59:60Z"), parsed("2017-01-01"));
}

Test(store_time, what_is_no_time_is_refused)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-",
                                      "2026-13",
                                      "2026-1",
                                      "26-11-24",
                                      "2026-11-24T",
                                      "2026-11-24T8:15",
                                      "2026-11-24T24:00",
                                      "2026-11-24T08:60",
                                      "2026-11-24T08:15:61",
                                      "2026-11-24T08:15:30.",
                                      "2026-11-24T08:15:30.Z",
                                      "2026-11-24T08:15:30,5Z",
                                      "2026-11-24T08:15:30ZZ",
                                      "2026-11-24T08:15:30+5",
                                      "2026-11-24T08:15:30+0530",
                                      "2026-11-24T08:15:30+24:00",
                                      "2026-11-24T08:15:30+05:60",
                                      "2026-11-24Z",
                                      " 2026-11-24",
                                      "2026-11-24 ",
                                      "2026/11/24",
                                      "1969-12-31",
                                      "1970-01-01T00:00:00+00:01",
                                      "0000-01-01",
                                      "-001-01-01",
                                      "+2026-11-24",
                                      "9999-12-31T23:59:59-00:01",
                                      "2026-11-24T08",
                                      "1764000000000",
                                      "2026-11-2\xd9\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(parsed(bad[i]), -1, "\"%s\"", bad[i]);
    int64_t ms;
    cr_assert_not(time_parse((struct str){NULL, 0}, &ms));
    cr_assert_not(time_parse((struct str){"2026-11-24\0", 11}, &ms), "a NUL is no end");
    cr_assert(time_parse((struct str){"2026-11-24T", 10}, &ms), "the size is");
}

Test(store_time, the_edges_are_in)
{
    cr_assert_eq(parsed("1970-01-01T00:00:00Z"), 0);
    cr_assert_eq(parsed("9999-12-31T23:59:59.999Z"), TIME_MAX_MS - 1);
    cr_assert_eq(parsed("9999-12-31T23:59:60Z"), -1, "a leap second must not leave the calendar");
    char text[TIME_TEXT_BYTES];
    time_format_ms(TIME_MAX_MS - 1, text);
    cr_assert_str_eq(text, "9999-12-31T23:59:59.999Z");
}

Test(store_time, hours_days_and_months_are_named)
{
    char text[TIME_TEXT_BYTES];
    int64_t ms = parsed("2024-02-29T23:59:59.999Z");
    time_format_hour(ms / TIME_HOUR_MS, text);
    cr_assert_str_eq(text, "2024-02-29T23");
    time_format_day(ms / TIME_DAY_MS, text);
    cr_assert_str_eq(text, "2024-02-29");
    time_format_month(time_month(ms), text);
    cr_assert_str_eq(text, "2024-02");
    time_format_month(0, text);
    cr_assert_str_eq(text, "1970-01");
}
