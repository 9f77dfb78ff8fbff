#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "reports/spikes/burst.h"
#include "reports/spikes/episode.h"
#include "reports/spikes/spike_settings.h"
#include "reports/spikes/spike_stage.h"
#include "reports/spikes/spike_words.h"
#include "store/event/event.h"
#include "store/tables/outbox.h"
#include "store/tables/usage.h"
#include "tests/reports/fixture.h"
#include "tests/support/number.h"

/* ---- the detector ---- */

static struct detector detector;

static struct detector_verdict
feed(int64_t hour, double value, bool harm)
{
    struct detector_verdict v = detector_judge(&detector, hour * 3600, value);
    detector_learn(&detector, harm);
    return v;
}

/* Office hours, four times as much as at night. */
static double
office(int64_t hour)
{
    return hour % 24 >= 8 && hour % 24 < 18 ? 40 : 10;
}

Test(spikes_detector, what_never_changes_is_never_out_of_the_ordinary)
{
    for (int value = 0; value < 2; value++) {
        detector_init(&detector, 3600);
        for (int64_t hour = 0; hour < 2000; hour++) {
            struct detector_verdict v = feed(hour, value * 45.0, false);
            cr_assert(!v.out && isfinite(v.score), "hour %ld", (long)hour);
        }
        cr_assert(feed(2000, value * 45.0 + 20, false).alarm);
        cr_assert(!feed(2001, value * 45.0 + 20, false).alarm); /* once a day */
    }
}

Test(spikes_detector, nothing_is_said_before_there_is_history)
{
    detector_init(&detector, 3600);
    for (int64_t hour = 0; hour <= DETECTOR_VALUES_MIN; hour++) {
        struct detector_verdict v = feed(hour, hour == 30 ? 1e9 : 1, false);
        cr_assert(!v.known && !v.out && v.score <= 0);
    }
}

Test(spikes_detector, the_usual_follows_the_hour_of_the_day_over_missing_hours)
{
    detector_init(&detector, 3600);
    for (int64_t hour = 0; hour < 24 * 28; hour++) {
        if (hour % 7 != 3)
            feed(hour, office(hour), false);
    }
    for (int64_t hour = 24 * 28; hour < 24 * 29; hour++) {
        struct detector_verdict v = feed(hour, office(hour), false);
        cr_assert_float_eq(v.usual, office(hour), 1e-9, "hour %ld", (long)(hour % 24));
        cr_assert(!v.out);
    }
    cr_assert(feed(24 * 29 + 3, 40, false).out); /* what is usual by day is not by night */
}

Test(spikes_detector, harm_does_not_become_usual_but_what_lasts_does)
{
    int64_t hour = 0;
    detector_init(&detector, 3600);
    for (; hour < 24 * 21; hour++)
        feed(hour, 10, false);
    for (int i = 0; i < 48; i++)
        cr_assert_float_eq(feed(hour++, 30, true).usual, 10, 1e-9);
    for (int i = 0; i < 24 * 40; i++)
        feed(hour++, 30, true);
    cr_assert_float_eq(feed(hour, 30, true).usual, 30, 1e-9);
}

/* ---- the rule ---- */

static struct episode_finder finder;

static struct series_set
history(int hours, double dollars)
{
    struct series_set set;
    struct err err;
    const struct spike_subject whole = {SPIKE_ORGANIZATION, 0, 0};
    series_set_init(&set);
    for (uint32_t hour = 0; hour < (uint32_t)hours; hour++) {
        /* A tenth more or less, so that there is a spread. */
        double by = hour % 3 == 0 ? 0.9 : hour % 3 == 1 ? 1 : 1.1;
        const struct spike_figures f = {10, 1000, (money_sum)(dollars * by * 1e12)};
        cr_assert_eq(series_add(&set, &whole, hour, &f, true, &err), ERR_OK);
    }
    return set;
}

static void
more_of(struct series_set *set, int hours, struct spike_figures f)
{
    struct err err;
    const struct spike_subject whole = {SPIKE_ORGANIZATION, 0, 0};
    const struct series *s = series_find(set, &whole);
    uint32_t hour = ((const struct series_point *)s->points.items)[s->points.count - 1].hour;
    for (int i = 0; i < hours; i++)
        cr_assert_eq(series_add(set, &whole, ++hour, &f, true, &err), ERR_OK);
}

static void
more(struct series_set *set, int hours, double dollars)
{
    more_of(set, hours, (struct spike_figures){10, 1000, (money_sum)(dollars * 1e12)});
}

static size_t
found(struct series_set *set, uint32_t to_hour, uint32_t percent, double gate)
{
    struct err err;
    const struct episode_rule rule = {.to_hour = to_hour,
                                      .threshold_percent = percent,
                                      .gate = {500, 1000000, (money_sum)(gate * 1e12)}};
    episode_finder_clear(&finder);
    episode_finder_init(&finder);
    cr_assert_eq(episode_find(&finder, set->all.items, &rule, &err), ERR_OK);
    size_t count = finder.found.count;
    return count;
}

Test(spikes_rule, three_hours_at_three_times_the_usual_are_one_spike_with_exact_sums)
{
    struct series_set set = history(500, 10);
    more(&set, 3, 30);
    cr_assert_eq(found(&set, 503, 200, 1), 1);
    const struct episode *e = finder.found.items;
    cr_assert_eq(e->from_hour, 500);
    cr_assert_eq(e->to_hour, 503);
    cr_assert_eq(e->measures, 1U << SPIKE_COST); /* calls and tokens are as ever */
    cr_assert(e->actual.cost_pico == (money_sum)90 * MONEY_PICO_PER_UNIT);
    cr_assert_eq(e->actual.calls, 30);
    cr_assert_eq(e->usual.calls, 30);
    series_set_clear(&set);
}

Test(spikes_rule, the_threshold_the_gate_and_a_short_history_hold_a_spike_back)
{
    struct series_set set = history(500, 10), young = history(70, 10);
    more(&set, 3, 30);
    more(&young, 3, 30);
    cr_assert_eq(found(&set, 503, 290, 1), 1);
    cr_assert_eq(found(&set, 503, 350, 1), 0);
    cr_assert_eq(found(&set, 503, 200, 19), 1);
    cr_assert_eq(found(&set, 503, 200, 21), 0);
    cr_assert_eq(found(&set, 501, 200, 1), 0); /* one such hour alone is none */
    cr_assert_eq(found(&young, 72, 200, 1), 0);
    series_set_clear(&set);
    series_set_clear(&young);
}

Test(spikes_rule, calls_or_tokens_alone_are_a_spike_above_their_own_gate)
{
    const money_sum usual = (money_sum)10 * MONEY_PICO_PER_UNIT;
    static const struct {
        uint64_t calls, tokens;
        uint8_t measures; /* 0: no spike */
    } cases[] = {
        {520, 1000, 1U << SPIKE_CALLS},
        {500, 1000, 0}, /* 490 more */
        {10, 1002000, 1U << SPIKE_TOKENS},
        {10, 1000000, 0},
        {520, 1002000, 1U << SPIKE_CALLS | 1U << SPIKE_TOKENS}, /* one spike, not two */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct series_set set = history(500, 10);
        more_of(&set, 2, (struct spike_figures){cases[i].calls, cases[i].tokens, usual});
        more_of(&set, 2, (struct spike_figures){cases[i].calls + 5, cases[i].tokens + 5, usual});
        more(&set, 1, 10);
        cr_assert_eq(found(&set, 505, 200, 1), cases[i].measures != 0, "case %zu", i);
        const struct episode *e = finder.found.items;
        if (cases[i].measures != 0) {
            cr_assert_eq(e->measures, cases[i].measures);
            cr_assert_eq(e->from_hour, 500);
            cr_assert_eq(e->to_hour, 504);
            cr_assert_eq(episode_peak_hour(e), 502);
        }
        series_set_clear(&set);
    }
}

Test(spikes_rule, spikes_hours_apart_are_two_and_hours_of_nothing_are_no_spike)
{
    struct series_set set = history(500, 10);
    more(&set, 3, 40);
    more(&set, EPISODE_GAP_HOURS + 1, 10);
    more(&set, 3, 40);
    cr_assert_eq(found(&set, 500 + 7 + EPISODE_GAP_HOURS, 200, 1), 2);
    cr_assert_eq(found(&set, 900, 200, 1), 2);
    series_set_clear(&set);
}

Test(spikes_rule, a_burst_needs_calls_pace_and_money)
{
    const money_sum dollar = MONEY_PICO_PER_UNIT;
    struct burst_minute m = {.figures = {20, 0, dollar}};
    struct spike_figures usual = {0, 0, 6 * dollar}, gate = {10, 1000, dollar};
    cr_assert(burst_is_pace(&m, SPIKE_COST, &usual, 200, &gate)); /* 60 an hour against 6 */
    cr_assert(!burst_is_pace(&m, SPIKE_COST, &usual, 210, &gate));
    usual.cost_pico = 7 * dollar;
    cr_assert(!burst_is_pace(&m, SPIKE_COST, &usual, 200, &gate));
    usual.cost_pico = 0;
    gate.cost_pico = 7 * dollar;
    cr_assert(!burst_is_pace(&m, SPIKE_COST, &usual, 200, &gate));
    gate.cost_pico = dollar;
    m.figures.calls = 19;
    cr_assert(!burst_is_pace(&m, SPIKE_COST, &usual, 200, &gate));
}

Test(spikes_rule, calls_and_tokens_are_a_burst_by_their_own_pace)
{
    const struct burst_minute m = {.figures = {100, 200000, 0}};
    struct spike_figures usual = {600, 1200000, 0}, gate = {500, 1000000, 1};
    cr_assert(burst_is_pace(&m, SPIKE_CALLS, &usual, 200, &gate)); /* 6000 an hour */
    cr_assert(burst_is_pace(&m, SPIKE_TOKENS, &usual, 200, &gate));
    cr_assert(!burst_is_pace(&m, SPIKE_COST, &usual, 200, &gate));
    gate.calls = 541;
    usual.tokens = 1200001;
    cr_assert(!burst_is_pace(&m, SPIKE_CALLS, &usual, 200, &gate));
    cr_assert(!burst_is_pace(&m, SPIKE_TOKENS, &usual, 200, &gate));
}

/* ---- settings ---- */

static struct spike_settings
settings(const char *msgpack, size_t size)
{
    const struct budget budget = {.spikes = {(const uint8_t *)msgpack, size}};
    return spike_settings_of(&budget);
}

Test(spikes_settings, are_what_the_organization_asked_for_or_the_default)
{
    static const char off[] = "\x81\xa7"
                              "enabled\xc2",
                      percent[] = "\x81\xa9"
                                  "threshold\xcd\x01\x2c",
                      low[] = "\x81\xa9"
                              "threshold\x64";
    struct spike_settings s = spike_settings_of(NULL);
    cr_assert(s.enabled && s.threshold_percent == 200 && s.complaint == NULL);
    cr_assert(!settings(off, sizeof off - 1).enabled);
    cr_assert_eq(settings(percent, sizeof percent - 1).threshold_percent, 300);
    s = settings(low, sizeof low - 1);
    cr_assert(s.threshold_percent == 200 && s.complaint != NULL);
    cr_assert_not_null(settings("\x90", 1).complaint);
}

/* ---- the stage ---- */

enum { NOW_HOUR = 498816 }; /* 2026-11-27T00 */

static int64_t
the_time(const struct clock *clock)
{
    (void)clock;
    return (int64_t)NOW_HOUR * TIME_HOUR_MS + 60000;
}

static void
use(struct fixture *x, uint32_t hour, const char *user, const char *model, uint64_t calls,
    int64_t dollars)
{
    struct dict dict = {.slots = NULL};
    struct err err;
    uint8_t key[USAGE_KEY_BYTES];
    struct usage_row row = {.calls = calls, .cost_pico = (money_sum)dollars * MONEY_PICO_PER_UNIT};
    row.tokens[EVENT_INPUT] = 100 * calls;
    struct usage_key k = {.organization = number_text(&dict, x->txn, "acme"),
                          .period = hour,
                          .project = number_text(&dict, x->txn, "p"),
                          .user = number_text(&dict, x->txn, user),
                          .type = number_text(&dict, x->txn, "chat"),
                          .provider = number_text(&dict, x->txn, "openai"),
                          .model = number_text(&dict, x->txn, model)};
    dict_clear(&dict);
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(x->txn, TABLE_HOURLY, key, &row, &err), ERR_OK);
    k.period = (uint32_t)time_month((int64_t)hour * TIME_HOUR_MS);
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(x->txn, TABLE_MONTHLY, key, &row, &err), ERR_OK);
}

static void
spend(struct fixture *x, uint32_t hour, const char *user, const char *model, int64_t dollars)
{
    use(x, hour, user, model, 10, dollars);
}

static struct fixture
two_weeks(void)
{
    struct fixture x = fixture_make();
    for (uint32_t hour = NOW_HOUR - 400; hour < NOW_HOUR; hour++)
        spend(&x, hour, "u1", "gpt-4o-mini", 9 + hour % 3);
    for (uint32_t hour = NOW_HOUR - 20; hour < NOW_HOUR - 16; hour++)
        spend(&x, hour, "looper", "gpt-4o", 40);
    fixture_commit(&x);
    return x;
}

static struct spike_result
run_telling(const struct fixture *x, const struct notify_conf *notify)
{
    const struct price_book prices = {.currency = str_of("USD")};
    const struct clock clock = {.now_utc_ms = the_time};
    const struct spike_options options = {.data_directory = x->dir.path,
                                          .prices = &prices,
                                          .clock = &clock,
                                          .notify = notify,
                                          .gate = {500, 1000000, MONEY_PICO_PER_UNIT}};
    struct spike_result r;
    struct err err;
    cr_assert_eq(spike_stage_run(&options, &r, &err), ERR_OK, "%s", err.text);
    return r;
}

static struct spike_result
run_stage(const struct fixture *x)
{
    return run_telling(x, NULL);
}

static void
reopen(struct fixture *x)
{
    struct err err;
    cr_assert_eq(tables_open(x->dir.path, TABLES_WRITE, &x->tables, &err), ERR_OK);
    cr_assert_eq(tables_begin(x->tables, TABLES_WRITE, &x->txn, &err), ERR_OK);
}

/* The organization's spike, and how many rows there are. */
static size_t
read_spike(struct fixture *x, struct spike *ret)
{
    struct spike_scan scan;
    size_t count = 0;
    reopen(x);
    spike_scan_begin(&scan, x->txn, 0);
    for (; spike_scan_next(&scan); count++) {
        if (scan.row.subject.scope == SPIKE_ORGANIZATION)
            *ret = scan.row;
    }
    spike_scan_end(&scan);
    fixture_commit(x);
    return count;
}

Test(spikes_stage, a_spike_says_when_how_much_who_and_which_model)
{
    struct fixture x = two_weeks();
    struct spike row = {.organization = 0};
    struct spike_result r = run_stage(&x);
    cr_assert_eq(r.judged, 1);
    cr_assert_eq(r.found, read_spike(&x, &row));
    cr_assert_eq(row.from_hour, NOW_HOUR - 20);
    cr_assert_eq(row.to_hour, NOW_HOUR - 16);
    cr_assert_str_eq(row.text,
                     "acme spent 200.00 USD from 2026-11-26T04:00Z to 2026-11-26T08:00Z, where "
                     "40.00 is usual (500 %), 80 calls (200 %), 8000 tokens (200 %). Most of it: "
                     "project p (100 %), user looper (100 %), model openai gpt-4o (100 %).");
    fixture_end(&x);
}

Test(spikes_stage, a_loop_on_a_model_without_a_price_is_one_spike_for_each_it_is_about)
{
    struct fixture x = fixture_make();
    struct spike row = {.organization = 0};
    for (uint32_t hour = NOW_HOUR - 400; hour < NOW_HOUR; hour++)
        spend(&x, hour, "u1", "gpt-4o-mini", 9 + hour % 3);
    for (uint32_t hour = NOW_HOUR - 20; hour < NOW_HOUR - 16; hour++)
        use(&x, hour, "looper", "own-model", 20000, 0);
    fixture_commit(&x);
    /* The organization and its project; user and model are new, and have no usual. */
    cr_assert_eq(run_stage(&x).found, 2);
    cr_assert_eq(read_spike(&x, &row), 2);
    cr_assert_eq(row.measures, 1U << SPIKE_CALLS | 1U << SPIKE_TOKENS);
    cr_assert_str_eq(row.text,
                     "acme used 8004000 tokens from 2026-11-26T04:00Z to 2026-11-26T08:00Z, where "
                     "4000 are usual (200100 %), 40.00 USD (100 %), 80040 calls (200100 %). Most "
                     "of it: project p (100 %), user looper (100 %), model openai own-model "
                     "(100 %).");
    cr_assert_eq(row.drivers[SPIKE_USER].excess_pico, 0);
    fixture_end(&x);
}

Test(spikes_stage, a_second_run_changes_nothing)
{
    struct fixture x = two_weeks();
    struct spike before = {.organization = 0}, after = {.organization = 0};
    run_stage(&x);
    size_t count = read_spike(&x, &before);
    cr_assert_eq(run_stage(&x).judged, 0);
    cr_assert_eq(read_spike(&x, &after), count);
    cr_assert_eq(memcmp(&before, &after, sizeof before), 0);
    fixture_end(&x);
}

Test(spikes_stage, late_events_make_a_spike_longer_and_no_second_one)
{
    struct fixture x = two_weeks();
    struct spike before = {.organization = 0}, after = {.organization = 0};
    run_stage(&x);
    size_t count = read_spike(&x, &before);
    reopen(&x);
    spend(&x, NOW_HOUR - 21, "looper", "gpt-4o", 40);
    spend(&x, NOW_HOUR - 16, "looper", "gpt-4o", 40);
    fixture_commit(&x);
    struct spike_result r = run_stage(&x);
    cr_assert_eq(r.found, 0);
    cr_assert_eq(r.updated, count);
    cr_assert_eq(read_spike(&x, &after), count);
    cr_assert_eq(after.found_hour, before.found_hour);
    cr_assert_eq(after.from_hour, NOW_HOUR - 21);
    cr_assert_eq(after.to_hour, NOW_HOUR - 15);
    fixture_end(&x);
}

Test(spikes_stage, what_is_taken_back_withdraws_the_spike)
{
    struct fixture x = two_weeks();
    struct spike row = {.organization = 0};
    run_stage(&x);
    size_t count = read_spike(&x, &row);
    reopen(&x);
    for (uint32_t hour = NOW_HOUR - 20; hour < NOW_HOUR - 16; hour++)
        spend(&x, hour, "looper", "gpt-4o", -40);
    fixture_commit(&x);
    cr_assert_eq(run_stage(&x).withdrawn, count);
    cr_assert_eq(read_spike(&x, &row), count);
    cr_assert(row.withdrawn);
    cr_assert_eq(strncmp(row.text, "Taken back since: acme spent 40.00 USD", 38), 0, "%s",
                 row.text);
    fixture_end(&x);
}

/* ---- who is told ---- */

static struct notify_conf *
ops_and_mail(const struct fixture *x)
{
    static const char text[] = "{\"format\": \"gbill-notify/1\","
                               " \"smtp\": {\"host\": \"localhost\", \"from\": \"b@example.com\"},"
                               " \"everyone\": ["
                               "{\"name\": \"ops\", \"slack\": \"https://hooks.example.com/x\"},"
                               "{\"name\": \"mail\", \"email\": \"ops@example.com\"}]}";
    struct notify_conf *conf = NULL;
    struct err err;
    char path[512];
    snprintf(path, sizeof path, "%s/notify.json", x->dir.path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    cr_assert(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
    close(fd);
    cr_assert_eq(notify_conf_load(path, &conf, &err), ERR_OK, "%s", err.text);
    return conf;
}

/* Entries of the outbox; all are of the organization's own spike. */
static size_t
count_told(struct fixture *x)
{
    struct outbox_scan scan;
    struct spike row;
    size_t count = 0;
    reopen(x);
    outbox_scan_begin(&scan, x->txn);
    for (; outbox_scan_next(&scan); count++) {
        cr_assert_eq(scan.row.kind, OUTBOX_SPIKE);
        cr_assert_eq(scan.row.subject.scope, SPIKE_ORGANIZATION);
        cr_assert(
            spike_get(x->txn, scan.row.organization, scan.row.found_hour, &scan.row.subject, &row));
        cr_assert_eq(row.from_hour, NOW_HOUR - 20);
    }
    outbox_scan_end(&scan);
    fixture_commit(x);
    return count;
}

Test(spikes_told, each_destination_hears_of_a_spike_once_and_not_of_its_parts)
{
    struct fixture x = two_weeks();
    struct notify_conf *conf = ops_and_mail(&x);
    struct spike_result r = run_telling(&x, conf);
    cr_assert_eq(r.found, 2); /* the organization and its project */
    cr_assert_eq(r.messages, 2);
    cr_assert_eq(count_told(&x), 2);
    reopen(&x);
    spend(&x, NOW_HOUR - 16, "looper", "gpt-4o", 40);
    fixture_commit(&x);
    r = run_telling(&x, conf);
    cr_assert_eq(r.updated, 2);
    cr_assert_eq(r.messages, 0);
    cr_assert_eq(count_told(&x), 2);
    notify_conf_free(conf);
    fixture_end(&x);
}

Test(spikes_told, nobody_hears_of_what_is_long_past_or_was_found_before_they_were_named)
{
    struct fixture x = two_weeks();
    struct notify_conf *conf = ops_and_mail(&x);
    reopen(&x);
    for (uint32_t hour = NOW_HOUR - 60; hour < NOW_HOUR - 56; hour++)
        spend(&x, hour, "early", "gpt-4o", 60);
    fixture_commit(&x);
    cr_assert_gt(run_stage(&x).found, 2);
    cr_assert_eq(count_told(&x), 0);
    reopen(&x);
    spend(&x, NOW_HOUR - 17, "looper", "gpt-4o", 1);
    fixture_commit(&x);
    cr_assert_eq(run_telling(&x, conf).messages, 0);
    notify_conf_free(conf);
    fixture_end(&x);
}

static void
ask_for(struct fixture *x, uint64_t seq, const char *msgpack, size_t size)
{
    struct dict dict = {.slots = NULL};
    struct err err;
    reopen(x);
    uint32_t acme = number_text(&dict, x->txn, "acme");
    const struct bytes record = {(const uint8_t *)msgpack, size};
    cr_assert_eq(budget_apply(x->txn, acme, 1, seq, record, &err), ERR_OK);
    dict_clear(&dict);
    fixture_commit(x);
}

Test(spikes_told, mails_and_spikes_are_as_the_organization_wants_them)
{
    static const char off[] = "\x81\xaespikeDetection\x81\xa7"
                              "enabled\xc2",
                      no_mail[] = "\x81\xab"
                                  "emailAlerts\xc2";
    struct fixture x = two_weeks();
    struct notify_conf *conf = ops_and_mail(&x);
    ask_for(&x, 1, off, sizeof off - 1);
    struct spike_result r = run_telling(&x, conf);
    cr_assert_eq(r.found + r.messages, 0);
    ask_for(&x, 2, no_mail, sizeof no_mail - 1);
    r = run_telling(&x, conf);
    cr_assert_eq(r.found, 2);
    cr_assert_eq(r.messages, 1);
    cr_assert_eq(count_told(&x), 1);
    notify_conf_free(conf);
    fixture_end(&x);
}
