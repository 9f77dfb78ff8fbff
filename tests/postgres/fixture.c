#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/file.h"
#include "store/base/time.h"
#include "store/postgres/migrate.h"
#include "store/tables/alert.h"
#include "store/tables/budget.h"
#include "store/tables/chargeback.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "store/tables/dirty.h"
#include "store/tables/efficiency.h"
#include "store/tables/forecast.h"
#include "store/tables/invoice.h"
#include "store/tables/limit.h"
#include "store/tables/log_day.h"
#include "store/tables/plan_version.h"
#include "store/tables/recommendation.h"
#include "store/tables/spike.h"
#include "store/tables/standing.h"
#include "store/tables/usage.h"
#include "tests/support/number.h"
#include "tests/support/record.h"

enum { HOUR = 498744, MONTH = 682, FIXTURE_DIRECTORIES_MAX = 16 }; /* 2026-11-24T00, 2026-11 */

struct writer {
    struct tables *tables;
    struct tables_txn *txn;
    struct dict dict;
    struct err err;
};

static char root[64];
static unsigned directories;

const char *
fixture_directory(void)
{
    static char paths[FIXTURE_DIRECTORIES_MAX][128];
    char command[256];
    cr_assert_lt(directories, FIXTURE_DIRECTORIES_MAX);
    char *path = paths[directories++];
    if (root[0] == '\0') {
        /* In memory where there is such a place: hundreds of commits need no disk here. */
        snprintf(root, sizeof root, "%s/gbill-publish-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        cr_assert_not_null(mkdtemp(root));
    }
    snprintf(path, sizeof paths[0], "%s/%u", root, directories);
    snprintf(command, sizeof command, "mkdir %s", path);
    cr_assert_eq(system(command), 0);
    return path;
}

void
fixture_clear(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    if (root[0] != '\0')
        cr_assert_eq(system(command), 0);
    root[0] = '\0';
}

void
fixture_copy(const char *from, const char *to)
{
    struct err err;
    struct bytes whole;
    char path[FILE_PATH_BYTES_MAX];
    cr_assert_eq(file_path(path, from, "tables.mdb", &err), ERR_OK);
    cr_assert_eq(file_read(path, 64 * 1024 * 1024, &whole, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(file_path(path, to, "tables.mdb-lock", &err), ERR_OK);
    unlink(path);
    cr_assert_eq(file_path(path, to, "tables.mdb", &err), ERR_OK);
    FILE *copy = fopen(path, "w");
    cr_assert_not_null(copy);
    cr_assert_eq(fwrite(whole.data, 1, whole.size_bytes, copy), whole.size_bytes);
    cr_assert_eq(fclose(copy), 0);
    free((void *)(uintptr_t)whole.data);
}

static struct writer
begin(const char *directory)
{
    struct writer w = {0};
    cr_assert_eq(tables_open(directory, TABLES_WRITE, &w.tables, &w.err), ERR_OK, "%s", w.err.text);
    cr_assert_eq(tables_begin(w.tables, TABLES_WRITE, &w.txn, &w.err), ERR_OK, "%s", w.err.text);
    return w;
}

static void
end(struct writer *w)
{
    cr_assert_eq(tables_commit(w->txn, &w->err), ERR_OK, "%s", w->err.text);
    tables_close(w->tables);
    dict_clear(&w->dict);
}

static uint32_t
number(struct writer *w, const char *text)
{
    return number_text(&w->dict, w->txn, text);
}

static void
move_cursor(struct writer *w, uint64_t seq)
{
    struct cursor c = {.seq = seq};
    memset(c.chain, (int)(seq & 0xff), sizeof c.chain);
    memset(c.price_book, 0xb0, sizeof c.price_book);
    memset(c.log_identity, 0x1d, sizeof c.log_identity);
    cr_assert_eq(cursor_put(w->txn, &c, &w->err), ERR_OK);
}

static void
usage_key(struct writer *w, const char *organization, uint32_t period, unsigned user,
          uint8_t key[USAGE_KEY_BYTES])
{
    char name[32];
    snprintf(name, sizeof name, "user-%u", user);
    struct usage_key k = {
        .organization = number(w, organization),
        .period = period,
        .project = user % 2 == 0 ? number(w, "grant\\one") : 0,
        .user = number(w, name),
        .type = number(w, "chat"),
        .provider = number(w, "openai"),
        .model = number(w, "gpt-4o-mini"),
        .tier = 0,
    };
    usage_key_encode(&k, key);
}

static void
add(struct writer *w, enum table table, const char *organization, uint32_t period, unsigned user,
    uint64_t calls)
{
    uint8_t key[USAGE_KEY_BYTES];
    struct usage_row more = {
        .calls = calls,
        .failed_calls = 1,
        .estimated_calls = 2,
        .unpriced_calls = 3,
        .tokens = {10 * calls, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110},
        .fees = {calls, 2, 3, 4},
        .reasoning_tokens = 7,
        .latency_us = 1234567,
        .cost_pico = (money_sum)calls * 4995000022500,
    };
    usage_key(w, organization, period, user, key);
    cr_assert_eq(usage_add(w->txn, table, key, &more, &w->err), ERR_OK);
}

static void
put_limits(struct writer *w, const char *organization, uint64_t used)
{
    for (int d = 0; d < LIMIT_DIMENSIONS; d++) {
        struct limit row = {
            .organization = number(w, organization),
            .dimension = (enum limit_dimension)d,
            .used = used,
            .limit = d == LIMIT_MEMBERS ? LIMIT_UNLIMITED : 100,
            .percent = d == LIMIT_MEMBERS ? LIMIT_PERCENT_NONE : (uint32_t)used,
            .state = used >= 80 ? LIMIT_WARNING : LIMIT_OK,
            .allowed = true,
            .plan = str_of("starter"),
            .upgrade = str_of(used >= 80 ? "pro" : ""),
            .reason = str_of("a\ttab, a \\N and a\nnewline"),
            .position = 100,
        };
        if (d == LIMIT_AI_CREDITS) {
            row.period_start_ms = time_month_start_ms(MONTH);
            row.period_end_ms = time_month_start_ms(MONTH + 1);
        }
        cr_assert_eq(limit_put(w->txn, &row, &w->err), ERR_OK);
    }
}

static void
put_invoice(struct writer *w, const char *organization, int32_t month, bool final,
            uint32_t line_count, int64_t cents)
{
    struct invoice_line lines[3];
    struct invoice invoice = {
        .organization = number(w, organization),
        .from_ms = time_month_start_ms(month),
        .to_ms = time_month_start_ms(month + 1),
        .status = final ? INVOICE_FINAL : INVOICE_DRAFT,
        .number = final ? 1 : 0,
        .currency = "USD",
        .total_minor = cents * line_count,
        .line_count = line_count,
        .credits_used = 1123400,
        .llm_cost_pico = 4995000022500,
        .unpriced_calls = 3,
        .position = 100,
        .finalized_ms = final ? 1796083200123 : 0,
    };
    memset(invoice.chain, 0xc1, sizeof invoice.chain);
    memset(invoice.price_book, 0xc2, sizeof invoice.price_book);
    memset(invoice.plan_book, 0xc3, sizeof invoice.plan_book);
    for (uint32_t i = 0; i < 3; i++)
        lines[i] = (struct invoice_line){
            .kind = (enum invoice_line_kind)i,
            .plan = str_of("pro"),
            .charge = str_of("fee"),
            .description = str_of("Pro, 2026-11"),
            .corrects = i == 2 ? 7 : 0,
            .quantity_pico = 123400 * (money_sum)MONEY_PICO_PER_UNIT,
            .unit_pico = 100000001,
            .exact_pico = (money_sum)cents * (MONEY_PICO_PER_UNIT / 100) + 1,
            .amount_minor = cents,
            .from_ms = time_month_start_ms(month),
            .to_ms = time_month_start_ms(month + 1),
        };
    cr_assert_eq(invoice_put(w->txn, &invoice, lines, &w->err), ERR_OK, "%s", w->err.text);
}

/* Two versions of a plan, and who is on it. */
static void
put_plans(struct writer *w, const char *organization)
{
    struct plan_version versions[] = {
        {.plan = str_of("pro"),
         .name = str_of("Pro"),
         .version = 1,
         .order = 2,
         .currency = "USD",
         .from_ms = INT64_MIN,
         .terms = str_of("{\"charges\":[]}")},
        {.plan = str_of("pro"),
         .name = str_of("Pro"),
         .version = 2,
         .order = 2,
         .currency = "USD",
         .from_ms = time_month_start_ms(MONTH),
         .terms = str_of("{}")},
    };
    struct standing_row row = {.organization = number(w, organization),
                               .status = STANDING_TRIALING,
                               .plan = str_of("pro"),
                               .next_plan = str_of("starter"),
                               .currency = "USD",
                               .tax_percent = 7250000,
                               .period_start_ms = time_month_start_ms(MONTH),
                               .period_end_ms = time_month_start_ms(MONTH + 1),
                               .usage_start_ms = time_month_start_ms(MONTH),
                               .usage_end_ms = time_month_start_ms(MONTH + 1),
                               .next_ms = time_month_start_ms(MONTH + 1),
                               .requests_per_minute = 120,
                               .tokens_per_minute = LIMIT_UNLIMITED};
    cr_assert_eq(plan_version_put_all(w->txn, versions, 2, &w->err), ERR_OK, "%s", w->err.text);
    cr_assert_eq(standing_put(w->txn, &row, &w->err), ERR_OK, "%s", w->err.text);
}

/* The root of a day of the cursor's log. */
static void
put_log_day(struct writer *w, int32_t day)
{
    uint8_t identity[HASH_SHA256_BYTES];
    struct log_root r = {
        .day = day, .first_seq = 1, .last_seq = 100, .quarantined = 2, .frames = 30};
    memset(identity, 0x1d, sizeof identity);
    memset(r.chain[LOG_EVENTS], 0xe1, HASH_SHA256_BYTES);
    memset(r.chain[LOG_QUARANTINE], 0xe2, HASH_SHA256_BYTES);
    cr_assert_eq(log_day_put(w->txn, identity, &r, &w->err), ERR_OK, "%s", w->err.text);
}

static void
put_budget(struct writer *w, const char *organization, int64_t at_ms, const char *fields)
{
    char json[256];
    snprintf(json, sizeof json, "{'id': 'b', 'organizationId': '%s'%s}", organization, fields);
    struct buf record = record_of_json(json);
    cr_assert_eq(
        budget_apply(w->txn, number(w, organization), at_ms, 7, bytes_of_buf(&record), &w->err),
        ERR_OK);
    buf_clear(&record);
}

static void
put_alert(struct writer *w, const char *organization, uint32_t nth, enum alert_kind kind)
{
    struct alert a = {
        .organization = number(w, organization),
        .month = MONTH,
        .number = nth,
        .kind = kind,
        .percent = 80,
        .name = "tab\there",
        .currency = "USD",
        .has_budget = nth == 1,
        .budget_minor = 10000,
        .spend_pico = 84125000000001,
        .forecast_pico = kind == ALERT_FORECAST ? 120000000000000 : 0,
        .at_ms = 1796083200123,
        .position = 100,
    };
    cr_assert_eq(alert_put(w->txn, &a, &w->err), ERR_OK);
}

static void
put_chargeback(struct writer *w, const char *organization, const char *project, int64_t amount,
               bool final)
{
    struct chargeback_row row = {
        .organization = number(w, organization),
        .from_ms = time_month_start_ms(MONTH),
        .to_ms = time_month_start_ms(MONTH + 1),
        .dimension = CHARGEBACK_PROJECT,
        .value = number(w, project),
        .currency = "USD",
        .final = final,
        .amount_minor = amount,
        .calls = 3,
        .credits = 500,
        .llm_cost_pico = 4995000022500,
    };
    cr_assert_eq(chargeback_put(w->txn, &row, &w->err), ERR_OK);
}

static void
delete_chargeback(struct writer *w, const char *organization, const char *project)
{
    struct chargeback_row row = {.organization = number(w, organization),
                                 .from_ms = time_month_start_ms(MONTH),
                                 .dimension = CHARGEBACK_PROJECT,
                                 .value = number(w, project)};
    cr_assert_eq(chargeback_delete(w->txn, &row, &w->err), ERR_OK);
}

static void
put_spike(struct writer *w, const char *organization)
{
    const struct spike row = {
        .organization = number(w, organization),
        .found_hour = HOUR,
        .subject = {SPIKE_MODEL, number(w, "openai"), number(w, "gpt-4o-mini")},
        .from_hour = HOUR,
        .to_hour = HOUR + 2,
        .peak_hour = HOUR + 1,
        .measures = 1U << SPIKE_CALLS | 1U << SPIKE_COST,
        .burst = true,
        .threshold_percent = 200,
        .currency = "USD",
        .actual = {70, 7000, 34965000157500},
        .usual = {7, 700, 3000000000000},
        .drivers[SPIKE_USER] = {0, number(w, "user-1"), 31965000157500},
        .noticed_ms = 1796083200123,
        .position = 100,
        .text = "words with a\ttab",
    };
    cr_assert_eq(spike_put(w->txn, &row, &w->err), ERR_OK);
}

static void
put_forecast(struct writer *w, const char *organization)
{
    const money_sum dollar = MONEY_PICO_PER_UNIT;
    const struct forecast_row row = {
        .organization = number(w, organization),
        .month = MONTH,
        .currency = "USD",
        .ranges = {[FORECAST_COST] = {34965000157500, 41500000000000, 36 * dollar, 60 * dollar},
                   [FORECAST_CALLS] = {70, 90, 80, 120},
                   [FORECAST_TOKENS] = {7000, 9000, 8000, 12000}},
        .unpriced_calls = 3,
        .method = FORECAST_BY_WEEK,
        .history_days = 29,
        .tested = 17,
        .first_day = (uint32_t)time_day_of(2026, 11, 29),
        .day_count = 2,
        .days = {{40 * dollar, 35500000000000, 50 * dollar},
                 {41500000000000, 36 * dollar, 60 * dollar}},
        .made_ms = 1796083200123,
        .position = 100,
    };
    cr_assert_eq(forecast_put(w->txn, &row, &w->err), ERR_OK);
}

static void
put_recommendation(struct writer *w, const char *organization)
{
    const uint32_t day = (uint32_t)time_day_of(2026, 11, 29);
    struct recommendation row = {
        .organization = number(w, organization),
        .type = RECOMMENDATION_BATCH,
        .priority = RECOMMENDATION_HIGH,
        .status = RECOMMENDATION_DISMISSED,
        .from_hour = (day - 28) * 24,
        .to_hour = day * 24,
        .calls = 7,
        .currency = "USD",
        .created_ms = 1796083200123,
        .position = 100,
    };
    const char *const texts[] = {
        "s", "a\ttitle", "why", "{\"saving\":\"1.5\"}", "{\"steps\":[]}", "{\"calls\":7}"};
    for (uint8_t i = 0; i < RECOMMENDATION_ID_BYTES; i++)
        row.id[i] = i;
    for (int i = 0; i < RECOMMENDATION_TEXTS; i++)
        row.texts[i] = str_of(texts[i]);
    cr_assert_eq(recommendation_put(w->txn, &row, &w->err), ERR_OK);
    const struct efficiency efficiency = {
        .organization = row.organization,
        .from_hour = row.from_hour,
        .to_hour = row.to_hour,
        .score = 75,
        .currency = "USD",
        .calls = 90,
        .unpriced_calls = 3,
        .actual_pico = 6 * MONEY_PICO_PER_UNIT + 1,
        .avoidable_pico = MONEY_PICO_PER_UNIT * 3 / 2,
        .candidate_pico = MONEY_PICO_PER_UNIT / 4,
        .computed_ms = 1796083200123,
        .position = 100,
    };
    cr_assert_eq(efficiency_put(w->txn, &efficiency, &w->err), ERR_OK);
}

void
fixture_fill(const char *directory)
{
    struct writer w = begin(directory);
    for (unsigned i = 0; i < 12; i++) {
        add(&w, TABLE_HOURLY, "acme", HOUR + i / 4, i % 4, 1 + i);
        add(&w, TABLE_HOURLY, "globex", HOUR + i / 4, i % 4, 100 + i);
    }
    for (unsigned i = 0; i < 2; i++) {
        add(&w, TABLE_MONTHLY, "acme", MONTH, i, 1 + i);
        add(&w, TABLE_MONTHLY, "globex", MONTH, i, 100 + i);
    }
    put_limits(&w, "acme", 10);
    put_limits(&w, "globex", 20);
    put_plans(&w, "acme");
    put_invoice(&w, "acme", MONTH - 1, true, 3, 2900);
    put_invoice(&w, "acme", MONTH, false, 3, 1000);
    put_log_day(&w, HOUR / 24);
    put_budget(&w, "acme", 1796083200123,
               ", 'monthlyBudget': 10000, 'alertThresholds': {'warning': 80, 'critical': 95}, "
               "'emailAlerts': false, 'autoLimits': {'enabled': true, 'pauseAt': 110}");
    put_budget(&w, "globex", 1796083200000, "");
    put_alert(&w, "acme", 1, ALERT_THRESHOLD);
    put_alert(&w, "acme", 2, ALERT_FORECAST);
    put_chargeback(&w, "acme", "grant\\one", 2001, false);
    put_chargeback(&w, "acme", "grant-two", 999, false);
    put_chargeback(&w, "acme", "", -1, false);
    put_spike(&w, "acme");
    put_forecast(&w, "acme");
    put_recommendation(&w, "acme");
    move_cursor(&w, 100);
    end(&w);
}

void
fixture_change(const char *directory)
{
    uint8_t key[USAGE_KEY_BYTES];
    struct writer w = begin(directory);
    for (unsigned i = 0; i < 4; i++) {
        add(&w, TABLE_HOURLY, "acme", HOUR, i, 5);
        add(&w, TABLE_HOURLY, "initech", HOUR + 5, i, 7);
    }
    usage_key(&w, "globex", HOUR, 1, key);
    cr_assert_eq(
        tables_delete_published(w.txn, TABLE_HOURLY, (struct bytes){key, sizeof key}, &w.err),
        ERR_OK);
    add(&w, TABLE_MONTHLY, "acme", MONTH, 0, 5);
    add(&w, TABLE_MONTHLY, "initech", MONTH, 0, 7);
    put_limits(&w, "acme", 85);
    put_invoice(&w, "acme", MONTH, false, 2, 1500);
    put_invoice(&w, "globex", MONTH, false, 1, 9900);
    put_log_day(&w, HOUR / 24);
    put_log_day(&w, HOUR / 24 + 1);
    put_budget(&w, "acme", 1796083300000, ", 'monthlyBudget': null");
    put_alert(&w, "acme", 3, ALERT_RECOVERED);
    put_chargeback(&w, "acme", "grant\\one", 2999, true);
    delete_chargeback(&w, "acme", "grant-two");
    move_cursor(&w, 200);
    end(&w);
}

void
fixture_touch(const char *directory, unsigned rows)
{
    struct writer w = begin(directory);
    for (unsigned i = 0; i < rows; i++)
        add(&w, TABLE_HOURLY, "initech", HOUR + i / 64, i % 64, 1);
    move_cursor(&w, 300);
    end(&w);
}

void
fixture_calls(const char *directory, uint64_t calls)
{
    struct writer w = begin(directory);
    add(&w, TABLE_HOURLY, "initech", HOUR, 0, calls);
    end(&w);
}

void
fixture_move(const char *directory, uint64_t seq)
{
    struct writer w = begin(directory);
    move_cursor(&w, seq);
    end(&w);
}

void
fixture_drop_folds(const char *directory)
{
    struct writer w = begin(directory);
    cr_assert_eq(tables_drop_folds(w.txn, &w.err), ERR_OK);
    end(&w);
}

static struct tables *
open_to_read(const char *directory, struct tables_txn **ret_txn)
{
    struct err err;
    struct tables *tables;
    cr_assert_eq(tables_open(directory, TABLES_READ, &tables, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(tables, TABLES_READ, ret_txn, &err), ERR_OK);
    return tables;
}

uint64_t
fixture_txn_number(const char *directory)
{
    struct tables_txn *txn;
    struct tables *tables = open_to_read(directory, &txn);
    uint64_t n = tables_txn_number(txn);
    tables_abort(txn);
    tables_close(tables);
    return n;
}

uint64_t
fixture_owed(const char *directory)
{
    struct tables_txn *txn;
    struct tables *tables = open_to_read(directory, &txn);
    uint64_t n = tables_count(txn, TABLE_DIRTY);
    tables_abort(txn);
    tables_close(tables);
    return n;
}

void
fixture_migrate(const char *url)
{
    struct err err;
    struct migrate migrate = {0};
    const struct migrate_options options = {
        .database = url, .directory = GBILL_SCHEMAS_DIR "/postgres", .lock_wait_s = 10};
    cr_assert_eq(migrate_run(&options, &migrate, &err), ERR_OK, "%s", err.text);
    migrate_clear(&migrate);
}

enum err_code
fixture_publish(const char *directory, const char *url, bool full, struct publish_result *ret,
                struct err *err)
{
    const struct publish_options options = {
        .data_directory = directory, .database = url, .full = full, .lock_wait_s = 10};
    return publish_run(&options, ret, err);
}

struct publish_result
fixture_must_publish(const char *directory, const char *url, bool full)
{
    struct err err;
    struct publish_result result;
    cr_assert_eq(fixture_publish(directory, url, full, &result, &err), ERR_OK, "%s", err.text);
    return result;
}
