#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "reports/forecast/forecast_stage.h"
#include "reports/forecast/outlook.h"
#include "store/event/event.h"
#include "store/tables/cursor.h"
#include "store/tables/usage.h"
#include "tests/reports/fixture.h"
#include "tests/support/number.h"

/* ---- the outlook ---- */

static struct outlook_room room;
static double hours[OUTLOOK_HISTORY_HOURS];

static struct outlook
look(size_t count, size_t left)
{
    struct outlook o;
    outlook_make(&room, hours, count, left, &o);
    cr_assert_eq(o.point_count, (left + 23) / 24);
    for (size_t i = 0; i < o.point_count; i++) {
        const struct outlook_point *p = &o.points[i];
        cr_assert(isfinite(p->high) && p->low >= 0 && p->low <= p->expected &&
                      p->expected <= p->high,
                  "point %zu of %zu: %g in %g to %g", i, count, p->expected, p->low, p->high);
        cr_assert(i == 0 ||
                  (p->expected >= p[-1].expected && p->low >= p[-1].low && p->high >= p[-1].high));
    }
    return o;
}

static struct outlook_point
last(const struct outlook *o)
{
    return o->points[o->point_count - 1];
}

static void
fill(size_t count, double (*value)(size_t hour))
{
    for (size_t i = 0; i < count; i++)
        hours[i] = value(i);
}

static double
steady(size_t hour)
{
    (void)hour;
    return 5;
}

/* Ten an hour on five days of seven, from eight to six. */
static double
office(size_t hour)
{
    return hour / 24 % 7 < 5 && hour % 24 >= 8 && hour % 24 < 18 ? 10 : 1;
}

static double
growing(size_t hour)
{
    return office(hour) * pow(1.01, (double)hour / 24);
}

static double
nothing(size_t hour)
{
    (void)hour;
    return 0;
}

/* Any value, the same on every machine. */
static double
rough(size_t hour)
{
    uint64_t x = (hour + 1) * 0x9E3779B97F4A7C15ULL;
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9ULL;
    x ^= x >> 32;
    return x % 5 == 0 ? (double)(x % 100000) : (double)(x % 10);
}

Test(forecast_outlook, what_never_changes_goes_on)
{
    fill(28 * 24, steady);
    for (size_t left = 1; left <= OUTLOOK_LEFT_HOURS_MAX; left += 61) {
        struct outlook o = look(28 * 24, left);
        cr_assert_float_eq(last(&o).expected, 5.0 * (double)left, 1e-6 * (double)left);
        cr_assert(last(&o).high < 6.5 * (double)left, "%zu hours: to %g", left, last(&o).high);
    }
}

Test(forecast_outlook, days_of_the_week_and_hours_of_the_day_are_known)
{
    fill(OUTLOOK_HISTORY_HOURS, office);
    const size_t lefts[] = {5, 24, 30, 48, 100, 167, 168, 500};
    for (size_t known = 50 * 24; known < 51 * 24; known += 7) {
        for (size_t i = 0; i < sizeof lefts / sizeof lefts[0]; i++) {
            struct outlook o = look(known, lefts[i]);
            double sum = 0;
            for (size_t h = known; h < known + lefts[i]; h++)
                sum += hours[h];
            cr_assert_float_eq(last(&o).expected, sum, 0.03 * sum + 1, "%zu then %zu: %g for %g",
                               known, lefts[i], last(&o).expected, sum);
            cr_assert(sum >= last(&o).low && sum <= last(&o).high);
            cr_assert_eq(o.method, FORECAST_BY_WEEK);
        }
    }
}

Test(forecast_outlook, a_month_of_growth_goes_on_growing)
{
    fill(OUTLOOK_HISTORY_HOURS, growing);
    struct outlook o = look(63 * 24, 28 * 24);
    double sum = 0, before = 0;
    for (size_t h = 63 * 24; h < 91 * 24; h++) {
        sum += hours[h];
        before += hours[h - 28 * 24];
    }
    cr_assert(last(&o).expected > 1.15 * before, "%g after %g", last(&o).expected, before);
    cr_assert_float_eq(last(&o).expected, sum, 0.12 * sum, "%g for %g", last(&o).expected, sum);
}

Test(forecast_outlook, nothing_stays_nothing)
{
    fill(30 * 24, nothing);
    struct outlook o = look(30 * 24, 300);
    cr_assert_float_eq(last(&o).expected, 0, 1e-9);
}

Test(forecast_outlook, little_history_is_said_and_makes_a_wide_interval)
{
    fill(60 * 24, rough);
    fill(1, steady);
    struct outlook one = look(1, 700);
    cr_assert_eq(one.tested, 0);
    cr_assert_eq(one.method, FORECAST_BY_RATE);
    cr_assert(last(&one).high > 1.8 * last(&one).expected &&
              last(&one).low < 0.4 * last(&one).expected);
    fill(60 * 24, office);
    struct outlook few = look(3 * 24, 240), many = look(60 * 24, 240);
    cr_assert(few.tested < 5 && many.tested > 30, "%u and %u", few.tested, many.tested);
    cr_assert((last(&few).high - last(&few).low) / last(&few).expected >
              3 * (last(&many).high - last(&many).low) / last(&many).expected);
}

Test(forecast_outlook, is_in_order_whatever_came_before)
{
    fill(OUTLOOK_HISTORY_HOURS, rough);
    for (size_t count = 1; count <= OUTLOOK_HISTORY_HOURS; count += count < 60 ? 1 : 191)
        look(count, 1 + count * 37 % OUTLOOK_LEFT_HOURS_MAX);
}

/* ---- the stage ---- */

enum { NOW_HOUR = 498816 }; /* 2026-11-27T00:00Z: four days are left */

static struct clock
at(uint32_t hour, int minutes)
{
    return clock_fixed((int64_t)hour * TIME_HOUR_MS + (int64_t)minutes * 60000);
}

static void
spend(struct fixture *x, uint32_t hour, int64_t cents, bool priced)
{
    struct dict dict = {.slots = NULL};
    struct err err;
    uint8_t key[USAGE_KEY_BYTES];
    struct usage_row row = {.calls = 3,
                            .unpriced_calls = priced ? 0 : 3,
                            .cost_pico = (money_sum)cents * MONEY_PICO_PER_UNIT / 100};
    row.tokens[EVENT_INPUT] = 1000;
    struct usage_key k = {.organization = number_text(&dict, x->txn, "acme"),
                          .period = hour,
                          .user = number_text(&dict, x->txn, "u"),
                          .model = number_text(&dict, x->txn, priced ? "gpt-4o" : "new")};
    dict_clear(&dict);
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(x->txn, TABLE_HOURLY, key, &row, &err), ERR_OK);
    k.period = (uint32_t)time_month((int64_t)hour * TIME_HOUR_MS);
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(x->txn, TABLE_MONTHLY, key, &row, &err), ERR_OK);
}

static void
reopen(struct fixture *x)
{
    struct err err;
    cr_assert_eq(tables_open(x->dir.path, TABLES_WRITE, &x->tables, &err), ERR_OK);
    cr_assert_eq(tables_begin(x->tables, TABLES_WRITE, &x->txn, &err), ERR_OK);
}

static struct fixture
steady_weeks(void)
{
    struct fixture x = fixture_make();
    for (uint32_t hour = NOW_HOUR - 60 * 24; hour < NOW_HOUR; hour++)
        spend(&x, hour, 50, true);
    fixture_commit(&x);
    return x;
}

static struct forecast_result
run_at(const struct fixture *x, struct clock clock)
{
    const struct forecast_options options = {x->dir.path, "USD", &clock};
    struct forecast_result r;
    struct err err;
    cr_assert_eq(forecast_stage_run(&options, &r, &err), ERR_OK, "%s", err.text);
    return r;
}

static struct forecast_row
read_row(struct fixture *x, const char *month, size_t *ret_count)
{
    struct forecast_scan scan;
    struct forecast_row row = {.organization = 0};
    int64_t ms;
    cr_assert(time_parse(str_of(month), &ms));
    *ret_count = 0;
    reopen(x);
    forecast_scan_begin(&scan, x->txn, 0);
    for (; forecast_scan_next(&scan); ++*ret_count) {
        if (scan.row.month == time_month(ms))
            row = scan.row;
    }
    forecast_scan_end(&scan);
    fixture_commit(x);
    return row;
}

static const money_sum cent = MONEY_PICO_PER_UNIT / 100;

Test(forecast_stage, a_month_is_what_is_spent_and_what_is_to_come)
{
    struct fixture x = steady_weeks();
    size_t count;
    cr_assert_eq(run_at(&x, at(NOW_HOUR, 0)).made, 1);
    struct forecast_row row = read_row(&x, "2026-11", &count);
    cr_assert_eq(count, 1);
    const struct forecast_range *cost = &row.ranges[FORECAST_COST];
    cr_assert_eq(cost->so_far, 26 * 24 * 50 * cent);
    cr_assert_float_eq((double)(cost->expected / cent), 30 * 24 * 50, 1);
    cr_assert(cost->low > 29 * 24 * 50 * cent && cost->high < 31 * 24 * 50 * cent);
    cr_assert_float_eq((double)row.ranges[FORECAST_CALLS].expected, 30 * 24 * 3, 1);
    cr_assert_float_eq((double)row.ranges[FORECAST_TOKENS].expected, 30 * 24 * 1000, 1);
    cr_assert_eq(row.history_days, 60);
    cr_assert_eq(row.day_count, 4);
    cr_assert_eq(row.first_day, NOW_HOUR / 24);
    cr_assert_float_eq((double)(row.days[0].expected / cent), 27 * 24 * 50, 1);
    cr_assert_eq(row.days[3].expected, cost->expected);
    cr_assert_eq(row.days[3].low, cost->low);
    cr_assert_eq(row.days[3].high, cost->high);
    fixture_end(&x);
}

Test(forecast_stage, a_second_run_within_the_hour_changes_nothing)
{
    struct fixture x = steady_weeks();
    size_t count;
    run_at(&x, at(NOW_HOUR, 1));
    struct forecast_row before = read_row(&x, "2026-11", &count);
    struct forecast_result r = run_at(&x, at(NOW_HOUR, 59));
    cr_assert_eq(r.organizations, 1);
    cr_assert_eq(r.made, 0);
    struct forecast_row after = read_row(&x, "2026-11", &count);
    cr_assert_eq(before.made_ms, after.made_ms);
    cr_assert_eq(run_at(&x, at(NOW_HOUR + 1, 0)).made, 1);
    fixture_end(&x);
}

Test(forecast_stage, what_is_spent_is_never_forecast_away)
{
    struct fixture x = steady_weeks();
    size_t count;
    reopen(&x);
    spend(&x, NOW_HOUR, 5000000, true);
    fixture_commit(&x);
    run_at(&x, at(NOW_HOUR, 30));
    struct forecast_row row = read_row(&x, "2026-11", &count);
    const struct forecast_range *cost = &row.ranges[FORECAST_COST];
    cr_assert_eq(cost->so_far, (26 * 24 * 50 + 5000000) * cent);
    cr_assert(cost->low >= cost->so_far && row.days[0].low >= cost->so_far);
    /* The last hour of a month: what is left of it. */
    run_at(&x, at(NOW_HOUR + 95, 59));
    row = read_row(&x, "2026-11", &count);
    cr_assert_eq(row.day_count, 1);
    cr_assert(row.ranges[FORECAST_COST].low >= row.ranges[FORECAST_COST].so_far);
    fixture_end(&x);
}

Test(forecast_stage, a_new_month_has_a_row_of_its_own_and_the_old_one_stays)
{
    struct fixture x = steady_weeks();
    size_t count;
    run_at(&x, at(NOW_HOUR, 0));
    struct forecast_row before = read_row(&x, "2026-11", &count);
    run_at(&x, at(NOW_HOUR + 96, 0));
    struct forecast_row november = read_row(&x, "2026-11", &count),
                        december = read_row(&x, "2026-12", &count);
    cr_assert_eq(count, 2);
    cr_assert_eq(memcmp(before.ranges, november.ranges, sizeof before.ranges), 0);
    cr_assert_eq(december.ranges[FORECAST_COST].so_far, 0);
    cr_assert_eq(december.day_count, 31);
    cr_assert(december.ranges[FORECAST_COST].expected > 0);
    fixture_end(&x);
}

Test(forecast_stage, a_first_hour_is_enough_and_calls_without_a_price_are_said)
{
    struct fixture x = fixture_make();
    size_t count;
    spend(&x, NOW_HOUR, 100, true);
    spend(&x, NOW_HOUR, 0, false);
    fixture_commit(&x);
    cr_assert_eq(run_at(&x, at(NOW_HOUR, 10)).made, 1);
    struct forecast_row row = read_row(&x, "2026-11", &count);
    cr_assert_eq(row.history_days, 0);
    cr_assert_eq(row.tested, 0);
    cr_assert_eq(row.unpriced_calls, 3);
    cr_assert_eq(row.ranges[FORECAST_CALLS].so_far, 6);
    cr_assert(row.ranges[FORECAST_COST].high > row.ranges[FORECAST_COST].expected);
    fixture_end(&x);
}

Test(forecast_stage, tables_that_are_folded_anew_change_no_row_until_they_know_as_much)
{
    struct fixture x = steady_weeks();
    size_t count;
    struct err err;
    reopen(&x);
    const struct cursor far = {.seq = 1000}, near = {.seq = 10};
    cr_assert_eq(cursor_put(x.txn, &far, &err), ERR_OK);
    fixture_commit(&x);
    run_at(&x, at(NOW_HOUR, 0));
    reopen(&x);
    cr_assert_eq(cursor_put(x.txn, &near, &err), ERR_OK);
    spend(&x, NOW_HOUR, 100, true);
    fixture_commit(&x);
    cr_assert_eq(run_at(&x, at(NOW_HOUR + 1, 0)).made, 0);
    cr_assert_eq(read_row(&x, "2026-11", &count).position, 1000);
    fixture_end(&x);
}
