#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/dashboard/axis.h"
#include "reports/dashboard/dashboard.h"
#include "reports/dashboard/words.h"
#include "store/tables/adjustment.h"
#include "store/tables/budget.h"
#include "store/tables/budget_month.h"
#include "store/tables/spike.h"
#include "tests/reports/fixture.h"
#include "tests/support/number.h"

#define USD MONEY_PICO_PER_UNIT

/* ---- axes ---- */

static void
check_axis(money_sum least, money_sum most, int digits, const char *want)
{
    struct axis axis = axis_make(least, most, digits);
    char got[256] = "", label[AXIS_TEXT_BYTES];
    size_t used = 0;
    for (int i = 0; i <= axis.steps; i++) {
        axis_label(&axis, i, label);
        used += (size_t)snprintf(got + used, sizeof got - used, "%s%s", i > 0 ? " " : "", label);
    }
    cr_assert_str_eq(got, want);
}

Test(reports_dashboard, an_axis_has_the_finest_round_ticks_that_hold_all)
{
    check_axis(0, 0, 12, "0 1");
    check_axis(0, 0, 0, "0 1");
    check_axis(0, 1, 0, "0 1");
    check_axis(0, 5, 0, "0 1 2 3 4 5");
    check_axis(0, 6, 0, "0 2 4 6");
    check_axis(0, 101, 0, "0 50 100 150");
    check_axis(0, 1, 12, "0 0.000000000001");
    check_axis(0, USD, 12, "0 0.2 0.4 0.6 0.8 1");
    check_axis(0, 1234 * USD + 1, 12, "0 500 1000 1500");
    check_axis(0, 9000 * USD, 12, "0 2k 4k 6k 8k 10k");
    check_axis(0, 45000 * USD, 12, "0 10k 20k 30k 40k 50k");
    check_axis(0, (money_sum)3000000 * USD, 12, "0 1M 2M 3M");
    check_axis(0, (money_sum)700000000000 * USD, 12, "0 200bn 400bn 600bn 800bn");
    check_axis(-30 * USD, 10 * USD, 12, "-30 -20 -10 0 10");
    check_axis(-7 * USD, -3 * USD, 12, "-8 -6 -4 -2 0");
}

Test(reports_dashboard, a_place_on_an_axis_is_rounded_and_stays_within)
{
    struct axis axis = axis_make(-30 * USD, 10 * USD, 12);
    cr_assert_eq(axis_place(&axis, -30 * USD), 0);
    cr_assert_eq(axis_place(&axis, 0), 7500);
    cr_assert_eq(axis_place(&axis, 10 * USD), 10000);
    cr_assert_eq(axis_place(&axis, 11 * USD), 10000);
    cr_assert_eq(axis_place(&axis, -31 * USD), 0);
    cr_assert_eq(axis_share(1, 3), 3333);
    cr_assert_eq(axis_share(2, 3), 6667);
    cr_assert_eq(axis_share((money_sum)1 << 99, (money_sum)1 << 100), 5000);
    axis = axis_make(-((money_sum)1 << 100), (money_sum)1 << 100, 12);
    cr_assert_eq(axis_place(&axis, 0), 5000);
}

/* ---- words ---- */

static void
check_amount(money_sum pico, const char *currency, const char *shown, const char *exact)
{
    char text[WORDS_BYTES];
    words_amount(pico, currency, text);
    cr_assert_str_eq(text, shown);
    words_exact(pico, currency, text);
    cr_assert_str_eq(text, exact);
}

Test(reports_dashboard, only_the_digits_before_the_point_are_grouped)
{
    static const char *const cases[][2] = {
        {"0", "0"},           {"1000", "1,000"},
        {"800k", "800k"},     {"-1500M", "-1,500M"},
        {"0.0001", "0.0001"}, {"123456.123456", "123,456.123456"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[WORDS_BYTES];
        words_group(cases[i][0], text);
        cr_assert_str_eq(text, cases[i][1]);
    }
}

Test(reports_dashboard, amounts_are_grouped_rounded_for_show_and_exact_in_tables)
{
    check_amount(0, "USD", "0.00", "0.00");
    check_amount(999 * USD, "USD", "999.00", "999.00");
    check_amount(1000 * USD, "USD", "1,000.00", "1,000.00");
    check_amount(-1000 * USD, "USD", "-1,000.00", "-1,000.00");
    check_amount(-999 * USD, "USD", "-999.00", "-999.00");
    check_amount(1234567 * USD + 1, "USD", "1,234,567.00", "1,234,567.000000000001");
    check_amount(USD / 2, "USD", "0.50", "0.50");
    check_amount(9995 * (USD / 1000), "USD", "10.00", "9.995");
    check_amount(99 * (USD / 10), "JPY", "10", "9.9");
    check_amount(22500, "USD", "0.00", "0.0000000225");
}

Test(reports_dashboard, percentages_are_rounded_and_left_out_where_they_say_nothing)
{
    char text[WORDS_BYTES];
    words_percent(615, 1000, text);
    cr_assert_str_eq(text, "62\xc2\xa0%");
    words_percent(-5, 10, text);
    cr_assert_str_eq(text, "-50\xc2\xa0%");
    words_percent(1, 0, text);
    cr_assert_str_eq(text, "");
    words_percent((money_sum)1 << 90, 1, text);
    cr_assert_str_eq(text, "");
}

/* ---- the time asked for ---- */

static void
check_time(const char *month, const char *from, const char *to, const char *want)
{
    struct board_query q = {.currency = "USD"};
    struct err err;
    int64_t now_ms;
    char got[200];
    cr_assert(time_parse(str_of("2026-11-24T08:15Z"), &now_ms));
    if (dashboard_time(month, from, to, now_ms, &q, &err) == ERR_OK) {
        char first[TIME_TEXT_BYTES], end[TIME_TEXT_BYTES];
        time_format_day(q.from_day, first);
        time_format_day(q.to_day, end);
        snprintf(got, sizeof got, "%s %s", first, end);
    } else {
        cr_assert_eq(err.code, ERR_USAGE);
        snprintf(got, sizeof got, "%s", err.text);
    }
    cr_assert_not_null(strstr(got, want), "\"%s\" has no \"%s\"", got, want);
}

Test(reports_dashboard, the_time_is_a_month_or_whole_days)
{
    check_time(NULL, NULL, NULL, "2026-11-01 2026-12-01");
    check_time("2024-02", NULL, NULL, "2024-02-01 2024-03-01");
    check_time(NULL, "2026-11-24", "2026-11-25", "2026-11-24 2026-11-25");
    check_time(NULL, "2026-09", "2026-12", "2026-09-01 2026-12-01");
    check_time(NULL, "2024-01-01", "2025-01-01", "2024-01-01 2025-01-01");
    check_time(NULL, "2024-01-01", "2025-01-02", "367 days, the limit is 366");
    check_time("2026-11-24", NULL, NULL, "--month 2026-11-24 is no month");
    check_time("soon", NULL, NULL, "--month soon is no month");
    check_time("2026-11", "2026-11-24", NULL, "exclude each other");
    check_time(NULL, "2026-11-24", NULL, "--to is missing");
    check_time(NULL, NULL, "2026-11-24", "--from is missing");
    check_time(NULL, "2026-11-24", "2026-11-24", "is not behind --from");
    check_time(NULL, "2026-11-24T08:00Z", "2026-11-25", "--from 2026-11-24T08:00Z is no day");
    check_time(NULL, "2026-11-24", "never", "--to never is no day");
}

/* ---- the board ---- */

static uint32_t
number_of(struct fixture *x, const char *text)
{
    struct dict dict = {.slots = NULL};
    uint32_t number = number_text(&dict, x->txn, text);
    dict_clear(&dict);
    return number;
}

static struct board *
board_of(struct fixture *x, const char *organization, const char *month, const char *from,
         const char *to, const char *now)
{
    struct board *b = calloc(1, sizeof *b);
    struct board_query q = {.organization = organization, .currency = "USD"};
    struct err err;
    int64_t now_ms;
    cr_assert(time_parse(str_of(now), &now_ms));
    cr_assert_eq(dashboard_time(month, from, to, now_ms, &q, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(board_make(x->txn, &q, b, &err), ERR_OK, "%s", err.text);
    return b;
}

static void
board_end(struct board *b)
{
    board_clear(b);
    free(b);
}

static void
add_cost(struct fixture *x, const char *when, const char *model, const char *user,
         money_sum cost_pico)
{
    fixture_add(x, &(struct calls){.when = when,
                                   .model = model,
                                   .user = user,
                                   .row = {.calls = 2,
                                           .cost_pico = cost_pico,
                                           .tokens = {[EVENT_INPUT] = 30, [EVENT_OUTPUT] = 12}}});
}

static void
add_adjustment(struct fixture *x, uint64_t seq, const char *when, int64_t minor,
               const char *currency)
{
    struct adjustment row = {.organization = number_of(x, "acme"),
                             .seq = seq,
                             .amount_minor = minor,
                             .currency = number_of(x, currency),
                             .reason = number_of(x, "why")};
    struct err err;
    cr_assert(time_parse(str_of(when), &row.time_utc_ms));
    row.month = time_month(row.time_utc_ms);
    cr_assert_eq(adjustment_put(x->txn, &row, &err), ERR_OK, "%s", err.text);
}

/* Something of long ago, so that the organization is one. */
static struct fixture
begin(void)
{
    struct fixture x = fixture_make();
    add_adjustment(&x, 9, "1970-01-01", 1, "USD");
    return x;
}

Test(reports_dashboard, every_hour_is_in_its_day_its_place_of_the_week_and_its_parts)
{
    struct fixture x = begin();
    add_cost(&x, "2026-10-31T23:00Z", "before", "u1", 7 * USD);
    add_cost(&x, "2026-11-01T00:00Z", "m1", "u1", 1 * USD); /* a Sunday */
    add_cost(&x, "2026-11-08T00:00Z", "m2", "u2", 2 * USD);
    add_cost(&x, "2026-11-30T23:00Z", "m2", "u1", 4 * USD + 1); /* a Monday */
    add_cost(&x, "2026-12-01T00:00Z", "behind", "u1", 9 * USD);
    struct board *b = board_of(&x, "acme", "2026-11", NULL, NULL, "2026-12-05");
    cr_assert(b->is_month && b->day_count == 30 && b->begun_days == 30);
    cr_assert(b->total.cost_pico == 7 * USD + 1 && b->total.calls == 6 && b->total.credits == 126);
    cr_assert(b->spend_pico == 7 * USD + 1);
    cr_assert(b->days[0].sum.cost_pico == USD && b->days[7].sum.cost_pico == 2 * USD);
    cr_assert(b->days[29].sum.cost_pico == 4 * USD + 1 && b->days[1].sum.calls == 0);
    cr_assert(b->week[6][0].cost_pico == 3 * USD && b->week[6][0].calls == 4);
    cr_assert(b->week[0][23].cost_pico == 4 * USD + 1);
    const struct board_cut *models = &b->cuts[BOARD_MODELS];
    cr_assert_eq(models->part_count, 2);
    cr_assert_str_eq(models->parts[0].name, "m2");
    cr_assert_str_eq(models->parts[0].provider, "openai");
    cr_assert(models->parts[0].sum.cost_pico == 6 * USD + 1);
    cr_assert_str_eq(b->cuts[BOARD_USERS].parts[0].name, "u1");
    cr_assert_eq(b->cuts[BOARD_PROJECTS].part_count, 1);
    cr_assert_str_eq(b->cuts[BOARD_PROJECTS].parts[0].name, "");
    cr_assert(!b->has_budget && !b->has_forecast && !b->has_efficiency);
    board_end(b);
    fixture_end(&x);
}

Test(reports_dashboard, the_dearest_parts_are_shown_and_the_others_add_up)
{
    struct fixture x = begin();
    money_sum all = 0;
    for (int i = 0; i < 20; i++) {
        char user[8];
        int place = i * 7 % 20; /* in no order */
        snprintf(user, sizeof user, "u%02d", place);
        add_cost(&x, "2026-11-02T10:00Z", "m", user, place * USD);
        all += place * USD;
    }
    struct board *b = board_of(&x, "acme", "2026-11", NULL, NULL, "2026-11-24");
    const struct board_cut *users = &b->cuts[BOARD_USERS];
    cr_assert_eq(users->part_count, BOARD_PARTS_MAX);
    cr_assert_eq(users->rest_count, 8);
    for (size_t i = 0; i < users->part_count; i++) {
        char want[8];
        snprintf(want, sizeof want, "u%02d", 19 - (int)i);
        cr_assert_str_eq(users->parts[i].name, want);
        all -= users->parts[i].sum.cost_pico;
    }
    cr_assert(users->rest.cost_pico == all && users->rest.calls == 16);
    board_end(b);
    fixture_end(&x);
}

Test(reports_dashboard, only_adjustments_of_the_days_in_its_currency_are_spending)
{
    struct fixture x = begin();
    add_cost(&x, "2026-11-02T10:00Z", "m", "u", 3 * USD);
    add_adjustment(&x, 1, "2026-11-03T10:00Z", -500, "USD");
    add_adjustment(&x, 2, "2026-11-04T10:00Z", 100, "USD");
    add_adjustment(&x, 3, "2026-11-04T10:00Z", 100, "EUR");
    struct board *b = board_of(&x, "acme", NULL, "2026-11-02", "2026-11-04", "2026-11-24");
    cr_assert(!b->is_month && b->day_count == 2 && b->foreign == 0);
    cr_assert(b->adjustment_pico == -5 * USD && b->spend_pico == -2 * USD);
    cr_assert(b->days[1].adjustment_pico == -5 * USD);
    board_end(b);
    b = board_of(&x, "acme", "2026-11", NULL, NULL, "2026-11-24");
    cr_assert(b->foreign == 1 && b->adjustment_pico == -4 * USD && b->spend_pico == -1 * USD);
    board_end(b);
    fixture_end(&x);
}

/* A budget event that sets up to 65535 cents. */
static void
set_budget(struct fixture *x, const char *organization, uint16_t minor)
{
    uint8_t record[] = {0x81,
                        0xad,
                        'm',
                        'o',
                        'n',
                        't',
                        'h',
                        'l',
                        'y',
                        'B',
                        'u',
                        'd',
                        'g',
                        'e',
                        't',
                        0xcd,
                        (uint8_t)(minor >> 8),
                        (uint8_t)minor};
    struct err err;
    cr_assert_eq(budget_apply(x->txn, number_of(x, organization), 1, 1,
                              (struct bytes){record, sizeof record}, &err),
                 ERR_OK, "%s", err.text);
}

Test(reports_dashboard, a_month_has_the_budget_that_is_set_and_one_that_is_over_the_one_it_had)
{
    struct fixture x = begin();
    struct err err;
    add_cost(&x, "2026-10-02T10:00Z", "m", "u", 3 * USD);
    set_budget(&x, "acme", 20000);
    struct board *b = board_of(&x, "acme", "2026-11", NULL, NULL, "2026-11-24");
    cr_assert(b->has_budget && b->budget_pico == 200 * USD);
    board_end(b);
    b = board_of(&x, "acme", NULL, "2026-11-01", "2026-11-30", "2026-11-24");
    cr_assert(!b->has_budget);
    board_end(b);
    b = board_of(&x, "acme", "2026-10", NULL, NULL, "2026-11-24");
    cr_assert(!b->has_budget);
    board_end(b);
    struct budget_month month = {.organization = number_of(&x, "acme"),
                                 .month = 12 * 56 + 9,
                                 .has_monthly = true,
                                 .monthly_minor = 5000};
    cr_assert_eq(budget_month_put(x.txn, &month, &err), ERR_OK, "%s", err.text);
    b = board_of(&x, "acme", "2026-10", NULL, NULL, "2026-11-24");
    cr_assert(b->has_budget && b->budget_pico == 50 * USD);
    board_end(b);
    fixture_end(&x);
}

static void
put_forecast(struct fixture *x, const char *made)
{
    struct err err;
    struct forecast_row row = {.organization = number_of(x, "acme"),
                               .month = 12 * 56 + 10,
                               .currency = "USD",
                               .ranges[FORECAST_COST] = {3 * USD, 5 * USD, 4 * USD, 7 * USD},
                               .day_count = 1,
                               .days[0] = {5 * USD, 4 * USD, 7 * USD}};
    cr_assert(time_parse(str_of(made), &row.made_ms));
    row.first_day = (uint32_t)(row.made_ms / TIME_DAY_MS);
    cr_assert_eq(forecast_put(x->txn, &row, &err), ERR_OK, "%s", err.text);
}

static bool
has_forecast(struct fixture *x, const char *month, const char *now)
{
    struct board *b = board_of(x, "acme", month, NULL, NULL, now);
    bool has = b->has_forecast;
    board_end(b);
    return has;
}

Test(reports_dashboard,
     a_forecast_is_shown_of_the_month_under_way_and_while_it_is_no_older_than_a_day)
{
    struct fixture x = begin();
    add_cost(&x, "2026-11-02T10:00Z", "m", "u", 3 * USD);
    put_forecast(&x, "2026-11-30T06:00Z");
    cr_assert(has_forecast(&x, "2026-11", "2026-11-30T06:00Z"));
    cr_assert(has_forecast(&x, "2026-11", "2026-11-30T23:00Z"));
    cr_assert(!has_forecast(&x, "2026-11", "2026-11-30T05:00Z"));
    cr_assert(!has_forecast(&x, "2026-11", "2026-12-01T05:00Z"));
    cr_assert(!has_forecast(&x, "2026-12", "2026-12-01T05:00Z"));
    put_forecast(&x, "2026-11-27T06:00Z");
    cr_assert(!has_forecast(&x, "2026-11", "2026-11-30T06:00Z"));
    fixture_end(&x);
}

Test(reports_dashboard, the_time_before_counts_as_far_as_this_one_has_gone)
{
    struct fixture x = begin();
    add_cost(&x, "2026-10-01T10:00Z", "m", "u", 1 * USD);
    add_cost(&x, "2026-10-24T08:00Z", "m", "u", 2 * USD);
    add_cost(&x, "2026-10-24T09:00Z", "m", "u", 4 * USD);
    add_cost(&x, "2026-11-02T10:00Z", "m", "u", 8 * USD);
    struct board *b = board_of(&x, "acme", "2026-11", NULL, NULL, "2026-11-24T08:15Z");
    cr_assert(b->has_previous && b->previous.cost_pico == 3 * USD);
    board_end(b);
    b = board_of(&x, "acme", "2026-11", NULL, NULL, "2026-12-24");
    cr_assert(b->has_previous && b->previous.cost_pico == 7 * USD);
    board_end(b);
    b = board_of(&x, "acme", NULL, "2026-10-31", "2026-11-03", "2026-12-24");
    cr_assert(b->has_previous && b->previous.calls == 0);
    board_end(b);
    b = board_of(&x, "acme", "2026-10", NULL, NULL, "2026-12-24");
    cr_assert(!b->has_previous, "it was not there in September");
    board_end(b);
    fixture_end(&x);
}

static void
put_spike(struct fixture *x, const char *from, money_sum cost, bool withdrawn,
          enum spike_measure leading)
{
    struct err err;
    int64_t ms;
    cr_assert(time_parse(str_of(from), &ms));
    uint32_t hour = (uint32_t)(ms / TIME_HOUR_MS);
    struct spike row = {.organization = number_of(x, "acme"),
                        .found_hour = hour,
                        .from_hour = hour,
                        .to_hour = hour + 3,
                        .peak_hour = hour + 1,
                        .withdrawn = withdrawn,
                        .measures = (uint8_t)(1 << leading | 1 << SPIKE_CALLS),
                        .actual.tokens = 7000000,
                        .usual.tokens = 12,
                        .actual.cost_pico = cost,
                        .usual.cost_pico = USD,
                        .currency = "USD",
                        .text = "it spent"};
    cr_assert_eq(spike_put(x->txn, &row, &err), ERR_OK, "%s", err.text);
}

Test(reports_dashboard, spikes_are_marked_on_the_day_of_their_largest_hour_and_the_largest_listed)
{
    struct fixture x = begin();
    put_spike(&x, "2026-10-31T23:00Z", 90 * USD, false, SPIKE_COST);
    put_spike(&x, "2026-11-30T23:00Z", 90 * USD, false,
              SPIKE_COST); /* its largest hour is in December */
    put_spike(&x, "2026-11-02T10:00Z", 80 * USD, true, SPIKE_COST);
    for (int i = 0; i < BOARD_SPIKES_MAX + 2; i++) {
        char from[32];
        snprintf(from, sizeof from, "2026-11-%02dT12:00Z", i + 1);
        /* Two are less than all others: one costs least, one is told by its tokens. */
        put_spike(&x, from, (i == 3 ? 2 : 10 + i) * USD, false,
                  i == 20 ? SPIKE_TOKENS : SPIKE_COST);
    }
    struct board *b = board_of(&x, "acme", "2026-11", NULL, NULL, "2026-11-10");
    cr_assert_eq(b->spikes_found, BOARD_SPIKES_MAX + 3);
    cr_assert_eq(b->spike_count, BOARD_SPIKES_MAX);
    cr_assert(b->days[0].spikes == 2 && b->days[1].spikes == 1 && b->days[29].spikes == 0);
    cr_assert(b->spikes[0].actual == 90 * USD);
    cr_assert_str_eq(b->spikes[0].text, "it spent");
    for (size_t i = 1; i < b->spike_count; i++)
        cr_assert(b->spikes[i].leading == SPIKE_COST && b->spikes[i].actual > 10 * USD &&
                  b->spikes[i - 1].from_hour < b->spikes[i].from_hour);
    cr_assert_eq(b->begun_days, BOARD_SPIKES_MAX + 2);
    board_end(b);
    b = board_of(&x, "acme", NULL, "2026-11-21", "2026-11-22", "2026-11-22");
    cr_assert(b->spike_count == 1 && b->spikes[0].leading == SPIKE_TOKENS);
    cr_assert(b->spikes[0].actual == 7000000 && b->spikes[0].usual == 12);
    board_end(b);
    fixture_end(&x);
}

static void
put_advice(struct fixture *x, const char *title, money_sum share, enum recommendation_status status)
{
    struct err err;
    struct recommendation row = {.organization = number_of(x, "acme"),
                                 .type = RECOMMENDATION_BATCH,
                                 .status = status,
                                 .from_hour = 1,
                                 .to_hour = 2,
                                 .currency = "USD",
                                 .saving_pico = share,
                                 .share_pico = share};
    row.texts[RECOMMENDATION_SUBJECT] = row.texts[RECOMMENDATION_TITLE] = str_of(title);
    row.texts[RECOMMENDATION_DESCRIPTION] = str_of("because");
    for (int i = RECOMMENDATION_IMPACT; i < RECOMMENDATION_TEXTS; i++)
        row.texts[i] = str_of("{}");
    recommendation_id_of(str_of("acme"), row.type, row.texts[RECOMMENDATION_SUBJECT], row.id);
    cr_assert_eq(recommendation_put(x->txn, &row, &err), ERR_OK, "%s", err.text);
}

Test(reports_dashboard, advice_that_waits_for_an_answer_comes_by_what_it_saves)
{
    struct fixture x = begin();
    struct err err;
    put_advice(&x, "answered", 99 * USD, RECOMMENDATION_DISMISSED);
    put_advice(&x, "tried", 98 * USD, RECOMMENDATION_APPLIED);
    for (int i = 0; i < BOARD_ADVICE_MAX + 3; i++) {
        char title[8];
        snprintf(title, sizeof title, "t%02d", i);
        put_advice(&x, title, i * USD, RECOMMENDATION_PENDING);
    }
    struct efficiency e = {.organization = number_of(&x, "acme"), .to_hour = 24, .score = 71};
    cr_assert_eq(efficiency_put(x.txn, &e, &err), ERR_OK, "%s", err.text);
    struct board *b = board_of(&x, "acme", "2026-11", NULL, NULL, "2026-11-10");
    cr_assert(b->advice_found == BOARD_ADVICE_MAX + 3 && b->advice_count == BOARD_ADVICE_MAX);
    for (size_t i = 0; i < b->advice_count; i++) {
        char want[8];
        snprintf(want, sizeof want, "t%02d", BOARD_ADVICE_MAX + 2 - (int)i);
        cr_assert_str_eq(b->advice[i].title, want);
        cr_assert_str_eq(b->advice[i].description, "because");
    }
    cr_assert(b->has_efficiency && b->efficiency.score == 71);
    board_end(b);
    fixture_end(&x);
}

Test(reports_dashboard, an_organization_that_nobody_named_is_an_error_and_one_without_usage_is_not)
{
    struct fixture x = begin();
    struct board *b = calloc(1, sizeof *b);
    struct err err;
    const char *unknown[] = {"", "nobody", "u7"};
    add_cost(&x, "2026-11-02T10:00Z", "m", "u7", USD);
    for (size_t i = 0; i < 3; i++) {
        struct board_query q = {unknown[i], "USD", 20000, 20001, 20000 * TIME_DAY_MS};
        cr_assert_eq(board_make(x.txn, &q, b, &err), ERR_NOT_FOUND);
        board_clear(b);
    }
    free(b);
    set_budget(&x, "idle", 1000);
    b = board_of(&x, "idle", "2026-11", NULL, NULL, "2026-11-10");
    cr_assert(b->total.calls == 0 && b->spend_pico == 0 && b->begun_days == 10 && b->has_budget);
    cr_assert(!board_is_unpriced(b));
    board_end(b);
    b = board_of(&x, "idle", "2027-01", NULL, NULL, "2026-11-10");
    cr_assert_eq(b->begun_days, 0);
    board_end(b);
    fixture_end(&x);
}

Test(reports_dashboard, a_cost_that_no_calls_can_have_is_reported)
{
    struct fixture x = begin();
    struct board *b = calloc(1, sizeof *b);
    struct board_query q = {"acme", "USD", 20758, 20788, 20788 * TIME_DAY_MS};
    struct err err;
    add_cost(&x, "2026-11-02T10:00Z", "m", "u", ((money_sum)1 << 100) + 1);
    cr_assert_eq(board_make(x.txn, &q, b, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "gbill rollup --rebuild"));
    board_end(b);
    fixture_end(&x);
}
