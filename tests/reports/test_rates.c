#include <criterion/criterion.h>
#include <string.h>

#include "reports/api/rates.h"
#include "reports/api/repeats.h"

static struct rates rates;
static struct repeats repeats;

static struct bytes
bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static unsigned
take_all(const char *who, int64_t now_ms, struct rate *last)
{
    unsigned taken = 0;
    do
        *last = rates_take(&rates, bytes_of(who), now_ms);
    while (last->allowed && ++taken < 100000);
    return taken;
}

Test(reports_rates, a_bucket_holds_ten_seconds_and_fills_evenly)
{
    struct rate last;
    rates_init(&rates, 7, 1);
    cr_assert_eq(take_all("a", 5000, &last), 70);
    cr_assert_eq(last.left, 0);
    cr_assert_eq(last.retry_s, 1);
    cr_assert_eq(take_all("b", 5000, &last), 70, "each has its own");
    cr_assert_eq(take_all("a", 6000, &last), 7);
    cr_assert_eq(take_all("a", 6142, &last), 0, "a seventh of a second is 143 ms");
    cr_assert_eq(take_all("a", 6143, &last), 1);
    cr_assert_eq(take_all("a", 60000, &last), 70, "never more than it holds");
    cr_assert_eq(take_all("a", 60000 - 5000, &last), 0, "a clock that goes back gives nothing");
}

Test(reports_rates, no_limit_allows_all)
{
    struct rate last;
    rates_init(&rates, 0, 1);
    cr_assert_eq(take_all("a", 0, &last), 100000);
}

Test(reports_rates, at_one_a_second_nobody_waits_longer_than_said)
{
    struct rate last;
    rates_init(&rates, 1, 9);
    int64_t now_ms = 1;
    take_all("a", now_ms, &last);
    for (int i = 0; i < 1000; i++) {
        now_ms += 137;
        struct rate r = rates_take(&rates, bytes_of("a"), now_ms);
        if (!r.allowed)
            cr_assert(
                rates_take(&rates, bytes_of("a"), now_ms += (int64_t)r.retry_s * 1000).allowed);
    }
}

Test(reports_rates, more_than_the_table_holds_are_all_served)
{
    char who[24];
    rates_init(&rates, 1, 3);
    for (int i = 0; i < 3 * RATES_SLOTS; i++) {
        snprintf(who, sizeof who, "%d", i);
        cr_assert(rates_take(&rates, bytes_of(who), 1000 + i).allowed);
    }
}

Test(reports_repeats, the_same_is_told_from_another_by_organization_key_and_body)
{
    struct repeat r;
    cr_assert_eq(repeats_find(&repeats, "acme", "k", bytes_of("body"), 10, &r), REPEAT_NEW);
    repeats_add(&repeats, &r);
    cr_assert_eq(repeats_find(&repeats, "acme", "k", bytes_of("body"), 20, &r), REPEAT_SAME);
    cr_assert_eq(r.first_ms, 10);
    cr_assert_eq(repeats_find(&repeats, "acme", "k", bytes_of("other"), 20, &r), REPEAT_OTHER);
    cr_assert_eq(repeats_find(&repeats, "rival", "k", bytes_of("other"), 20, &r), REPEAT_NEW);
    cr_assert_eq(repeats_find(&repeats, "acm", "ek", bytes_of("other"), 20, &r), REPEAT_NEW);
    cr_assert_eq(repeats_find(&repeats, "acme", "k", bytes_of("other"), 11 + REPEATS_LIFE_MS, &r),
                 REPEAT_NEW, "forgotten after a day");
}

Test(reports_repeats, the_newest_are_remembered_when_there_are_too_many)
{
    struct repeat r;
    char key[24];
    unsigned known = 0;
    for (int i = 0; i < 4 * REPEATS_SLOTS; i++) {
        snprintf(key, sizeof key, "%d", i);
        cr_assert_eq(repeats_find(&repeats, "o", key, bytes_of("b"), i, &r), REPEAT_NEW);
        repeats_add(&repeats, &r);
        cr_assert_eq(repeats_find(&repeats, "o", key, bytes_of("b"), i, &r), REPEAT_SAME);
    }
    for (int i = 4 * REPEATS_SLOTS - REPEATS_SLOTS / 4; i < 4 * REPEATS_SLOTS; i++) {
        snprintf(key, sizeof key, "%d", i);
        known += repeats_find(&repeats, "o", key, bytes_of("b"), i, &r) == REPEAT_SAME ? 1 : 0;
    }
    cr_assert_gt(known, REPEATS_SLOTS / 4 * 9 / 10, "of the last quarter %u are known", known);
}

Test(reports_repeats, a_key_is_visible_ascii)
{
    char text[REPEATS_KEY_BYTES_MAX + 2];
    memset(text, 'x', sizeof text);
    text[REPEATS_KEY_BYTES_MAX + 1] = '\0';
    cr_assert_not(repeats_key_ok(text));
    cr_assert(repeats_key_ok(text + 1));
    cr_assert(repeats_key_ok("!~"));
    cr_assert_not(repeats_key_ok(""));
    cr_assert_not(repeats_key_ok("a b"));
    cr_assert_not(repeats_key_ok("a\x7f"));
    cr_assert_not(repeats_key_ok("\xc3\xa4"));
}
