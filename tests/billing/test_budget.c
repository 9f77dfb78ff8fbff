#include <criterion/criterion.h>
#include <string.h>

#include "billing/budget/budget_stage.h"
#include "billing/budget/budget_view.h"
#include "billing/budget/forecast.h"
#include "billing/budget/judge.h"
#include "billing/budget/settings.h"
#include "store/base/time.h"
#include "store/tables/dict.h"
#include "store/tables/forecast.h"
#include "store/tables/outbox.h"
#include "store/tables/usage.h"
#include "tests/billing/office.h"
#include "tests/support/record.h"

#define DOLLAR ((money_sum)MONEY_PICO_PER_UNIT)
#define CENT_PICO ((money_sum)10000000000)

TestSuite(billing_budget, .init = office_open, .fini = office_close);

static struct err err;

/* ---- settings ---- */

static struct budget_month
month_of_settings(const char *thresholds, const char *limits, char complaint[])
{
    struct buf t = {0}, l = {0};
    struct budget b = {.has_monthly = true, .monthly_minor = 10000};
    struct budget_month m = {0};
    if (thresholds != NULL) {
        t = record_of_json(thresholds);
        b.thresholds = bytes_of_buf(&t);
    }
    if (limits != NULL) {
        l = record_of_json(limits);
        b.limits = bytes_of_buf(&l);
    }
    settings_apply(&b, &m, complaint);
    buf_clear(&t);
    buf_clear(&l);
    return m;
}

static const char *
marks_text(const struct budget_month *m)
{
    static char text[512];
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < m->mark_count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%u%s%s%s%s ",
                                 m->marks[i].percent, m->marks[i].listed ? "" : "?",
                                 m->marks[i].reported ? "!" : "",
                                 m->marks[i].name[0] != '\0' ? "=" : "", m->marks[i].name);
    return text;
}

Test(billing_budget, settings_become_thresholds_by_rising_percentage)
{
    static const struct {
        const char *thresholds, *limits, *marks, *complains;
        uint32_t pause, forecast;
    } cases[] = {
        {NULL, NULL, "50 80 100 ", "", 0, 0},
        {"[]", NULL, "", "", 0, 0},
        {"[100, 20, 100, 75]", NULL, "20 75 100 ", "", 0, 0},
        {"{'warning': 80, 'critical': 95}", NULL, "80=warning 95=critical ", "", 0, 0},
        {"{'forecast': 110, 'warning': 90}", NULL, "90=warning ", "", 0, 110},
        {"[0, 82.5, 'x', 1001, 40, null, [1]]", NULL, "40 ", "alertThresholds has an entry", 0, 0},
        {"{'a-name-that-is-far-too-long-to-be-kept-here': 30}", NULL, "30 ", "", 0, 0},
        {NULL, "{'enabled': true}", "50 80 100 ", "", 100, 0},
        {NULL, "{'enabled': true, 'pauseAt': 120}", "50 80 100 ", "", 120, 0},
        {NULL, "{'enabled': false, 'pauseAt': 120}", "50 80 100 ", "", 0, 0},
        {NULL, "{'enabled': true, 'pauseAt': 'x'}", "50 80 100 ", "autoLimits.pauseAt", 100, 0},
        {NULL, "[true]", "50 80 100 ", "autoLimits is no map", 0, 0},
        {"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,"
         "33]",
         NULL, NULL, "more than 32", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char complaint[SETTINGS_COMPLAINT_BYTES];
        struct budget_month m = month_of_settings(cases[i].thresholds, cases[i].limits, complaint);
        if (cases[i].marks != NULL)
            cr_expect_str_eq(marks_text(&m), cases[i].marks, "case %zu", i);
        cr_expect_eq(m.pause_percent, cases[i].pause, "case %zu", i);
        cr_expect_eq(m.forecast_percent, cases[i].forecast, "case %zu", i);
        cr_expect_eq(complaint[0] == '\0', cases[i].complains[0] == '\0', "case %zu", i);
        cr_expect_not_null(strstr(complaint, cases[i].complains), "case %zu: %s", i, complaint);
    }
}

Test(billing_budget, what_was_reported_is_remembered_while_it_is_not_listed)
{
    char complaint[SETTINGS_COMPLAINT_BYTES];
    struct budget b = {.has_monthly = true, .monthly_minor = 100};
    struct budget_month m = {0};
    settings_apply(&b, &m, complaint);
    m.marks[0].reported = true;
    struct buf other = record_of_json("[60]");
    b.thresholds = bytes_of_buf(&other);
    settings_apply(&b, &m, complaint);
    cr_expect_str_eq(marks_text(&m), "50?! 60 ");
    b.thresholds = (struct bytes){0};
    settings_apply(&b, &m, complaint);
    cr_expect_str_eq(marks_text(&m), "50! 80 100 ");
    buf_clear(&other);
}

/* ---- the rule ---- */

Test(billing_budget, a_threshold_is_reached_at_its_pico)
{
    cr_expect_not(judge_reached(80 * DOLLAR - 1, 10000, CENT_PICO, 80));
    cr_expect(judge_reached(80 * DOLLAR, 10000, CENT_PICO, 80));
    /* 33 % of 1 cent lies between two cents. */
    cr_expect_not(judge_reached(CENT_PICO * 33 / 100 - 1, 1, CENT_PICO, 33));
    cr_expect(judge_reached(CENT_PICO * 33 / 100, 1, CENT_PICO, 33));
    cr_expect_not(judge_reached(0, 0, CENT_PICO, 100));
    cr_expect(judge_reached(1, 0, CENT_PICO, 100));
    cr_expect_not(judge_reached(-1, 0, CENT_PICO, 100));
    money_sum huge = (money_sum)1 << 126;
    cr_expect(judge_reached(huge, 1000000000000, MONEY_PICO_PER_UNIT, 1000));
    cr_expect_not(judge_reached(-huge, 1, CENT_PICO, 1));
}

static uint64_t
random_below(uint64_t *state, uint64_t bound)
{
    return random_next(state) % bound;
}

/*
 * An oracle of its own: of each threshold it knows only whether it stands reported, and
 * compares fractions by cross-multiplying cents.
 */
Test(billing_budget, every_crossing_of_a_random_path_is_reported_once)
{
    uint64_t state = 20261124;
    for (int path = 0; path < 400; path++) {
        char complaint[SETTINGS_COMPLAINT_BYTES];
        struct budget_month m = {.organization = 1, .month = 682};
        struct budget b = {.has_monthly = true, .monthly_minor = 1 + random_below(&state, 20000)};
        settings_apply(&b, &m, complaint);
        bool stands[3] = {false};
        static const uint32_t percents[3] = {50, 80, 100};
        int64_t spend_cents = 0;
        for (int step = 0; step < 60; step++) {
            struct alert alerts[JUDGE_ALERTS_MAX];
            bool paused;
            int64_t move = (int64_t)random_below(&state, 6000) - 1500;
            spend_cents = step % 7 == 6 ? spend_cents : spend_cents + move;
            if (random_below(&state, 10) == 0) {
                b.monthly_minor = random_below(&state, 30000);
                b.has_monthly = random_below(&state, 8) != 0;
                settings_apply(&b, &m, complaint);
            }
            const struct judge_facts f = {
                .spend_pico = spend_cents * CENT_PICO, .minor_pico = CENT_PICO, .is_current = true};
            size_t count = judge(&m, &f, alerts, &paused), at = 0;
            bool reached[3];
            for (int i = 0; i < 3; i++)
                reached[i] = b.has_monthly && spend_cents > 0 &&
                             (uint64_t)spend_cents * 100 >= b.monthly_minor * percents[i];
            for (int i = 2; i >= 0; i--) {
                if (!stands[i] || reached[i])
                    continue;
                cr_assert_lt(at, count);
                cr_assert_eq(alerts[at].kind, ALERT_RECOVERED);
                cr_assert_eq(alerts[at++].percent, percents[i]);
            }
            for (int i = 0; i < 3; i++) {
                if (stands[i] || !reached[i])
                    continue;
                cr_assert_lt(at, count);
                cr_assert_eq(alerts[at].kind, ALERT_THRESHOLD);
                cr_assert_eq(alerts[at].spend_pico, f.spend_pico);
                cr_assert_eq(alerts[at++].percent, percents[i]);
            }
            cr_assert_eq(at, count, "path %d step %d: %zu alerts, not %zu", path, step, count, at);
            memcpy(stands, reached, sizeof stands);
            cr_assert_eq(judge(&m, &f, alerts, &paused), 0, "again");
        }
    }
}

/* ---- the stage ---- */

static uint64_t seq = 1000000;

static void
set_budget(const char *organization, const char *at, const char *fields)
{
    char json[512];
    snprintf(json, sizeof json, "{'id': 'b', 'organizationId': '%s'%s%s}", organization,
             fields[0] != '\0' ? ", " : "", fields);
    struct buf record = record_of_json(json);
    struct tables_txn *txn = office_begin();
    cr_assert_eq(budget_apply(txn, office_number(organization), ms_of(at), ++seq,
                              bytes_of_buf(&record), &err),
                 ERR_OK, "%s", err.text);
    office_commit();
    buf_clear(&record);
}

static void
put_usage(enum table table, uint32_t period, const char *organization, money_sum cost_pico)
{
    uint8_t key[USAGE_KEY_BYTES];
    struct tables_txn *txn = office_begin();
    struct usage_key k = {
        .organization = office_number(organization), .period = period, .user = office_number("u")};
    struct usage_row row = {.calls = 1, .cost_pico = cost_pico};
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(txn, table, key, &row, &err), ERR_OK, "%s", err.text);
    office_commit();
}

/* In the month alone: what a forecast learns from is put_hour()'s. */
static void
spend_cents(const char *organization, const char *month, int64_t cents)
{
    put_usage(TABLE_MONTHLY, (uint32_t)month_of(month), organization,
              (money_sum)cents * (int64_t)CENT_PICO);
}

static void
adjust(const char *organization, const char *at, int64_t cents, const char *currency)
{
    office_begin();
    office_adjust(organization, at, cents, currency, "a reason");
    office_commit();
}

static void
move_cursor(uint64_t to)
{
    office_begin();
    office_cursor(to);
    office_commit();
}

static struct budget_result
budgets_of(const char *now, const struct notify_conf *notify)
{
    struct clock clock = clock_fixed(ms_of(now));
    struct budget_options o = {
        .data_directory = office_directory(), .currency = "USD", .notify = notify, .clock = &clock};
    struct budget_result r = {0};
    cr_assert_eq(budget_stage_run(&o, &r, &err), ERR_OK, "%s", err.text);
    return r;
}

/* What is new, as "threshold 50, paused 100". */
static const char *
news_at(const char *organization, const char *now)
{
    static char text[1024];
    static struct alert before[64];
    size_t known = 0, used = 0;
    struct alert_scan scan;
    text[0] = '\0';
    uint32_t number;
    struct tables_txn *txn = office_begin();
    number = office_number(organization);
    alert_scan_begin(&scan, txn, number);
    while (alert_scan_next(&scan))
        before[known++] = scan.row;
    alert_scan_end(&scan);
    office_commit();
    budgets_of(now, NULL);
    txn = office_begin();
    alert_scan_begin(&scan, txn, number);
    while (alert_scan_next(&scan)) {
        bool old = false;
        for (size_t i = 0; i < known; i++)
            old = old || (before[i].month == scan.row.month && before[i].number == scan.row.number);
        if (!old)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %u",
                                     used > 0 ? ", " : "", alert_kind_name(scan.row.kind),
                                     scan.row.percent);
    }
    alert_scan_end(&scan);
    office_commit();
    return text;
}

static bool
paused_in(const char *organization, const char *month, char reason[257])
{
    struct budget_pause pause;
    struct tables_txn *txn = office_begin();
    bool paused = budget_pause_get(txn, office_number(organization), month_of(month), &pause);
    if (paused)
        snprintf(reason, 257, "%.*s", STR_ARG(pause.reason));
    office_commit();
    return paused;
}

Test(billing_budget, a_month_from_the_first_cent_to_recovery)
{
    char reason[257];
    set_budget("acme", "2026-11-01", "'monthlyBudget': 10000, 'autoLimits': {'enabled': true}");
    cr_expect_str_eq(news_at("acme", "2026-11-02"), "");
    spend_cents("acme", "2026-11", 4999);
    cr_expect_str_eq(news_at("acme", "2026-11-03"), "");
    spend_cents("acme", "2026-11", 1);
    cr_expect_str_eq(news_at("acme", "2026-11-03"), "threshold 50");
    cr_expect_str_eq(news_at("acme", "2026-11-03"), "");
    spend_cents("acme", "2026-11", 5000);
    cr_expect_str_eq(news_at("acme", "2026-11-04T10:00Z"),
                     "threshold 80, threshold 100, paused 100");
    cr_assert(paused_in("acme", "2026-11", reason));
    cr_expect_str_eq(reason, "paused by its budget: 100.00 of 100.00 USD spent in 2026-11, and "
                             "autoLimits pauses at 100 %; raise the budget or wait for 2026-12-01");
    /* A credit takes it below; a debit above again: said again. */
    adjust("acme", "2026-11-05", -1, "USD");
    cr_expect_str_eq(news_at("acme", "2026-11-05"), "recovered 100, resumed 100");
    cr_expect_not(paused_in("acme", "2026-11", reason));
    adjust("acme", "2026-11-06", 1, "USD");
    cr_expect_str_eq(news_at("acme", "2026-11-06"), "threshold 100, paused 100");
    /* One in another currency is not counted. */
    adjust("acme", "2026-11-06", -9000, "EUR");
    cr_expect_str_eq(news_at("acme", "2026-11-06"), "");
    set_budget("acme", "2026-11-07", "'monthlyBudget': 30000, 'autoLimits': {'enabled': true}");
    cr_expect_str_eq(news_at("acme", "2026-11-07"),
                     "recovered 100, recovered 80, recovered 50, resumed 100");
    set_budget("acme", "2026-11-08", "'monthlyBudget': 10000");
    cr_expect_str_eq(news_at("acme", "2026-11-08"), "threshold 50, threshold 80, threshold 100");
    set_budget("acme", "2026-11-09", "");
    cr_expect_str_eq(news_at("acme", "2026-11-09"), "recovered 100, recovered 80, recovered 50");
}

Test(billing_budget, a_new_month_begins_anew_and_ends_the_pause)
{
    char reason[257];
    set_budget("acme", "2026-10-01", "'monthlyBudget': 1000, 'autoLimits': {'enabled': true}");
    spend_cents("acme", "2026-10", 1500);
    cr_expect_str_eq(news_at("acme", "2026-10-20"),
                     "threshold 50, threshold 80, threshold 100, paused 100");
    cr_expect_not(paused_in("acme", "2026-11", reason), "over with the month, at once");
    cr_expect_str_eq(news_at("acme", "2026-11-01"), "resumed 100");
    cr_expect_str_eq(news_at("acme", "2026-11-01"), "");
    spend_cents("acme", "2026-11", 500);
    cr_expect_str_eq(news_at("acme", "2026-11-02"), "threshold 50");
    /* Paused in October, and in November before anything said that October's is over. */
    set_budget("other", "2026-10-01", "'monthlyBudget': 1000, 'autoLimits': {'enabled': true}");
    spend_cents("other", "2026-10", 1500);
    news_at("other", "2026-10-20");
    spend_cents("other", "2026-11", 1500);
    cr_expect_str_eq(news_at("other", "2026-11-02"),
                     "threshold 50, threshold 80, threshold 100, paused 100");
    cr_expect(paused_in("other", "2026-11", reason));
}

Test(billing_budget, the_last_calls_of_a_month_count_for_it_with_its_own_settings)
{
    char reason[257];
    set_budget("acme", "2026-10-01", "'monthlyBudget': 1000, 'autoLimits': {'enabled': true}");
    spend_cents("acme", "2026-10", 600);
    cr_expect_str_eq(news_at("acme", "2026-10-31T23:59Z"), "threshold 50");
    /* The budget of November is another one before October's last calls are folded. */
    set_budget("acme", "2026-11-01", "'monthlyBudget': 1000000");
    spend_cents("acme", "2026-10", 400);
    cr_expect_str_eq(news_at("acme", "2026-11-01T00:01Z"), "threshold 80, threshold 100");
    cr_expect_not(paused_in("acme", "2026-11", reason));
    cr_expect_not(paused_in("acme", "2026-10", reason),
                  "nothing is paused for a month that is over");
    /* No budget yet in October: nothing is reported of it. */
    spend_cents("late", "2026-10", 5000);
    set_budget("late", "2026-11-02", "'monthlyBudget': 1000");
    cr_expect_str_eq(news_at("late", "2026-11-02"), "");
}

Test(billing_budget, a_budget_of_nothing_pauses_at_once_and_reports_the_first_call)
{
    char reason[257];
    set_budget("acme", "2026-11-01", "'monthlyBudget': 0, 'autoLimits': {'enabled': true}");
    cr_expect_str_eq(news_at("acme", "2026-11-02"), "paused 100");
    cr_expect(paused_in("acme", "2026-11", reason));
    spend_cents("acme", "2026-11", 1);
    cr_expect_str_eq(news_at("acme", "2026-11-03"), "threshold 50, threshold 80, threshold 100");
}

Test(billing_budget, tables_that_are_being_folded_anew_report_nothing)
{
    set_budget("acme", "2026-11-01", "'monthlyBudget': 1000");
    spend_cents("acme", "2026-11", 600);
    move_cursor(500);
    cr_expect_str_eq(news_at("acme", "2026-11-02"), "threshold 50");
    move_cursor(499);
    spend_cents("acme", "2026-11", -600);
    cr_expect_eq(budgets_of("2026-11-02", NULL).behind, 1);
    cr_expect_str_eq(news_at("acme", "2026-11-02"), "", "no recovery from half a fold");
    move_cursor(500);
    cr_expect_str_eq(news_at("acme", "2026-11-02"), "recovered 50");
}

Test(billing_budget, a_second_run_changes_no_row)
{
    set_budget("acme", "2026-11-01", "'monthlyBudget': 1000");
    spend_cents("acme", "2026-11", 900);
    struct budget_result r = budgets_of("2026-11-02", NULL);
    cr_expect_eq(r.alerts[ALERT_THRESHOLD], 2);
    cr_expect_eq(office_owed(TABLE_BUDGET_ALERTS), 2);
    office_settle(TABLE_BUDGET_ALERTS);
    uint64_t before = tables_txn_number(office_begin());
    office_commit();
    move_cursor(7);
    for (int i = 0; i < 3; i++)
        budgets_of("2026-11-03", NULL);
    uint64_t after = tables_txn_number(office_begin());
    office_commit();
    cr_expect_eq(office_owed(TABLE_BUDGET_ALERTS), 0);
    cr_expect_leq(after - before, 2, "the runs wrote: %u transactions", (unsigned)(after - before));
}

/* ---- the forecast ---- */

static void
put_hour(const char *organization, int64_t hour, money_sum cost_pico)
{
    put_usage(TABLE_HOURLY, (uint32_t)hour, organization, cost_pico);
}

static struct forecast
forecast_at(const char *organization, const char *now, money_sum spend_pico)
{
    struct forecast f;
    struct tables_txn *txn = office_begin();
    const struct spend spend = {.llm_pico = spend_pico, .total_pico = spend_pico};
    cr_assert_eq(forecast_make(txn, office_number(organization), ms_of(now), &spend, &f, &err),
                 ERR_OK, "%s", err.text);
    office_commit();
    return f;
}

static int64_t
hour_of(const char *time)
{
    return ms_of(time) / TIME_HOUR_MS;
}

/* Cents every hour by day and by night, from one hour to another. */
static void
put_pattern(const char *organization, const char *from, const char *to, int64_t workday_cents,
            int64_t else_cents)
{
    uint8_t key[USAGE_KEY_BYTES];
    struct tables_txn *txn = office_begin();
    uint32_t number = office_number(organization), user = office_number("u");
    for (int64_t h = hour_of(from); h < hour_of(to); h++) {
        /* 1970-01-01 was a Thursday. */
        int64_t weekday = (h / 24 + 3) % 7, hour = h % 24;
        bool work = weekday < 5 && hour >= 8 && hour < 18;
        struct usage_key k = {.organization = number, .period = (uint32_t)h, .user = user};
        struct usage_row row = {.calls = 1,
                                .cost_pico = (work ? workday_cents : else_cents) * CENT_PICO};
        usage_key_encode(&k, key);
        cr_assert_eq(usage_add(txn, TABLE_HOURLY, key, &row, &err), ERR_OK, "%s", err.text);
    }
    office_commit();
}

Test(billing_budget, a_forecast_follows_the_hours_of_the_week)
{
    /* November 2026 begins on a Sunday; 21 working days, 210 working hours, 510 others. */
    put_pattern("acme", "2026-10-01", "2026-11-16", 100, 3);
    struct forecast f = forecast_at("acme", "2026-11-16", (100 * 100 + 3 * 260) * CENT_PICO);
    cr_expect_eq(f.confidence, FORECAST_HIGH);
    cr_expect_eq(f.month_pico, (210 * 100 + 510 * 3) * CENT_PICO, "%lld cents",
                 (long long)(f.month_pico / CENT_PICO));
    cr_expect_eq(f.low_pico, f.month_pico);
    cr_expect_eq(f.high_pico, f.month_pico);
    /* The last quarter of an hour that cost 3 cents in two of the four weeks before. */
    f = forecast_at("acme", "2026-11-30T23:45:00Z", 0);
    cr_expect_eq(f.month_pico, 3 * CENT_PICO * 2 / 4 / 4, "%lld pico", (long long)f.month_pico);
}

Test(billing_budget, a_forecast_says_how_far_weeks_differ)
{
    put_pattern("acme", "2026-11-02", "2026-11-09", 100, 100);
    put_pattern("acme", "2026-11-09", "2026-11-16", 300, 300);
    struct forecast f = forecast_at("acme", "2026-11-16", 0);
    int64_t hours = 15 * 24;
    cr_expect_eq(f.confidence, FORECAST_MEDIUM);
    cr_expect_eq(f.month_pico, hours * 200 * CENT_PICO);
    cr_expect_eq(f.low_pico / CENT_PICO, hours * 100);
    cr_expect_eq(f.high_pico / CENT_PICO, hours * 300);
}

Test(billing_budget, a_forecast_without_a_week_goes_on_at_the_average_rate)
{
    cr_expect_eq(forecast_at("nobody", "2026-11-16", DOLLAR).confidence, FORECAST_NONE);
    cr_expect_eq(forecast_at("nobody", "2026-11-16", DOLLAR).month_pico, DOLLAR);
    put_hour("acme", hour_of("2026-11-20"), 5 * DOLLAR);
    put_hour("acme", hour_of("2026-11-21T23:00Z"), 5 * DOLLAR);
    struct forecast f = forecast_at("acme", "2026-11-22", 10 * DOLLAR);
    cr_expect_eq(f.confidence, FORECAST_LOW);
    cr_expect_eq(f.month_pico, 10 * DOLLAR + 45 * DOLLAR); /* 10 in 2 days, 9 days to go */
    /* A first call a minute ago does not become a fortune: an hour's rate at most. */
    put_hour("new", hour_of("2026-11-29T23:00Z"), DOLLAR);
    f = forecast_at("new", "2026-11-29T23:01:00Z", DOLLAR);
    cr_expect_eq(f.confidence, FORECAST_VERY_LOW);
    cr_expect_eq(f.month_pico, DOLLAR + money_divide(DOLLAR * (25 * 3600 - 60), 3600));
}

Test(billing_budget, a_forecast_is_that_of_the_table_forecasts_while_it_is_no_older_than_a_day)
{
    put_pattern("acme", "2026-11-01", "2026-11-10", 10, 10);
    struct tables_txn *txn = office_begin();
    const struct forecast_row row = {
        .organization = office_number("acme"),
        .month = time_month(ms_of("2026-11-10")),
        .currency = "USD",
        .ranges = {[FORECAST_COST] = {20 * DOLLAR, 50 * DOLLAR, 40 * DOLLAR, 70 * DOLLAR}},
        .history_days = 9,
        .day_count = 1,
        .made_ms = ms_of("2026-11-10"),
    };
    cr_assert_eq(forecast_put(txn, &row, &err), ERR_OK, "%s", err.text);
    office_commit();
    struct forecast f = forecast_at("acme", "2026-11-10T12:00Z", 21 * DOLLAR);
    cr_expect_eq(f.month_pico, 50 * DOLLAR);
    cr_expect_eq(f.low_pico, 40 * DOLLAR);
    cr_expect_eq(f.high_pico, 70 * DOLLAR);
    cr_expect_eq(f.confidence, FORECAST_MEDIUM);
    /* More has been spent since than was expected. */
    f = forecast_at("acme", "2026-11-10T12:00Z", 60 * DOLLAR);
    cr_expect_eq(f.month_pico, 60 * DOLLAR);
    f = forecast_at("acme", "2026-11-11T00:01Z", 21 * DOLLAR);
    cr_expect_neq(f.month_pico, 50 * DOLLAR);
}

Test(billing_budget, a_forecast_above_the_budget_is_reported_once_when_asked_for)
{
    put_pattern("acme", "2026-11-01", "2026-11-10", 10, 10);
    set_budget("acme", "2026-11-01", "'monthlyBudget': 7000, 'alertThresholds': {'forecast': 100}");
    spend_cents("acme", "2026-11", 9 * 24 * 10);
    cr_expect_str_eq(news_at("acme", "2026-11-10"), "forecast 100");
    cr_expect_str_eq(news_at("acme", "2026-11-11"), "");
    set_budget("acme", "2026-11-01T01:00Z",
               "'monthlyBudget': 7201, 'alertThresholds': {'forecast': 100}");
    put_hour("new", hour_of("2026-11-10"), DOLLAR);
    set_budget("new", "2026-11-01", "'monthlyBudget': 200, 'alertThresholds': {'forecast': 100}");
    spend_cents("new", "2026-11", 100);
    cr_expect_str_eq(news_at("new", "2026-11-10T23:00Z"), "", "a few hours prove nothing");
    cr_expect_str_eq(news_at("new", "2026-11-11T00:00Z"), "forecast 100");
    put_pattern("calm", "2026-11-01", "2026-11-10", 10, 10);
    set_budget("calm", "2026-11-01", "'monthlyBudget': 7201, 'alertThresholds': {'forecast': 100}");
    spend_cents("calm", "2026-11", 9 * 24 * 10);
    cr_expect_str_eq(news_at("calm", "2026-11-10"), "");
}

Test(billing_budget, the_bar_has_ten_parts)
{
    static const struct {
        uint32_t percent;
        const char *bar;
    } cases[] = {{0, "[----------]"},    {9, "[----------]"},   {10, "[#---------]"},
                 {99, "[#########-]"},   {100, "[##########]"}, {101, "[##########]!"},
                 {5000, "[##########]!"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char bar[BUDGET_BAR_BYTES];
        budget_view_bar(cases[i].percent, bar);
        cr_expect_str_eq(bar, cases[i].bar);
    }
}
