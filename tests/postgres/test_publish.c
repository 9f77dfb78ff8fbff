#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "fixture.h"
#include "server.h"
#include "store/base/file.h"
#include "store/postgres/publish_state.h"

static char database[32];
static char url[256];
static const char *data;
static struct err err;
static struct publish_result result;

static void
set_up(void)
{
    snprintf(database, sizeof database, "publish_%d", (int)getpid());
    server_create(database, NULL);
    snprintf(url, sizeof url, "%s", server_url(database));
    data = fixture_directory();
    fixture_fill(data);
    fixture_migrate(url);
}

TestSuite(postgres_publish, .init = set_up, .fini = fixture_clear);

#define VALUE(sql) server_value(url, "SET timezone = 'UTC'; " sql)

/* What a full publish into an empty database of its own gives. */
static const char *
digest_of_full(const char *directory)
{
    static unsigned n;
    char name[48];
    const char *copy = fixture_directory();
    snprintf(name, sizeof name, "full_%u_%s", ++n, database);
    server_create(name, NULL);
    fixture_migrate(server_url(name));
    fixture_copy(directory, copy);
    fixture_must_publish(copy, server_url(name), true);
    return server_digest(server_url(name));
}

static void
assert_digest_of_full(void)
{
    char want[128];
    snprintf(want, sizeof want, "%s", digest_of_full(data));
    cr_assert_str_eq(server_digest(url), want);
}

Test(postgres_publish, the_first_publish_sends_every_row_exactly)
{
    result = fixture_must_publish(data, url, false);
    cr_assert_eq(result.mode, PUBLISH_FULL);
    cr_assert_str_eq(result.why, "the database is new to this log");
    const uint64_t rows[PUBLISHED_COUNT] = {24, 4, 8, 2, 6, 1, 2, 2, 3, 2, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < PUBLISHED_COUNT; i++) {
        cr_assert_eq(result.counts[i].sent, rows[i], "%s", published[i].name);
        cr_assert_eq(result.counts[i].written, rows[i], "%s", published[i].name);
        cr_assert_eq(result.counts[i].deleted, 0);
    }
    cr_assert_eq(fixture_owed(data), 0);
    cr_assert_str_eq(
        VALUE("SELECT t::text FROM billing.usage_hourly t WHERE organization_id = 'acme' AND "
              "hour = '2026-11-24 01:00Z' AND user_id = 'user-2'"),
        "(acme,\"2026-11-24 01:00:00+00\",\"grant\\\\one\",user-2,chat,openai,gpt-4o-mini,\"\",7,1,2,"
        "3,70,20,30,40,50,7,1234567,34.9650001575,3497,60,70,80,90,100,110,7,2,3,4)");
    cr_assert_str_eq(
        VALUE("SELECT t::text FROM billing.usage_monthly t WHERE organization_id = "
              "'globex' AND user_id = 'user-1'"),
        "(globex,2026-11-01,\"\",user-1,chat,openai,gpt-4o-mini,\"\",101,1,2,3,1010,20,"
        "30,40,50,7,1234567,504.4950022725,50450,60,70,80,90,100,110,101,2,3,4)");
}

Test(postgres_publish, a_limit_arrives_with_its_marks_and_any_text)
{
    fixture_must_publish(data, url, false);
    cr_assert_str_eq(VALUE("SELECT row(used, limit_value, percent, state, allowed, plan, "
                           "upgrade_plan, log_position, period_start, period_end)::text FROM "
                           "billing.limits_snapshots WHERE organization_id = 'acme' AND "
                           "dimension = 'members'"),
                     "(10,,,ok,t,starter,\"\",100,,)");
    cr_assert_str_eq(VALUE("SELECT row(used, limit_value, percent, period_start, period_end)::text "
                           "FROM billing.limits_snapshots WHERE organization_id = 'globex' AND "
                           "dimension = 'ai_credits'"),
                     "(20,100,20,\"2026-11-01 00:00:00+00\",\"2026-12-01 00:00:00+00\")");
    cr_assert_str_eq(VALUE("SELECT reason FROM billing.limits_snapshots LIMIT 1"),
                     "a\ttab, a \\N and a\nnewline");
}

Test(postgres_publish, a_spike_arrives_with_its_figures_and_who_drives_it)
{
    fixture_must_publish(data, url, false);
    cr_assert_str_eq(
        VALUE("SELECT row(organization_id, found_hour, scope, provider, value, to_hour, measures, "
              "burst, withdrawn, calls, cost, cost_cents, usual_cost, driver_user, "
              "driver_user_excess, driver_model, description)::text FROM billing.usage_spikes"),
        "(acme,\"2026-11-24 00:00:00+00\",model,openai,gpt-4o-mini,\"2026-11-24 "
        "02:00:00+00\",\"{calls,cost}\",t,f,70,34.9650001575,3497,3,user-1,31.9650001575,\"\","
        "\"words with a\ttab\")");
}

Test(postgres_publish, a_forecast_arrives_with_its_interval_and_the_way_there)
{
    fixture_must_publish(data, url, false);
    cr_assert_str_eq(
        VALUE("SELECT row(organization_id, month, cost, expected_cost, low_cost, high_cost, "
              "cost_cents, expected_cost_cents, calls, expected_calls, low_calls, high_calls, "
              "tokens, high_tokens, unpriced_calls, method, history_days, tested, log_position, "
              "created_at)::text FROM billing.forecasts"),
        "(acme,2026-11-01,34.9650001575,41.5,36,60,3497,4150,70,90,80,120,7000,12000,3,week,29,17,"
        "100,\"2026-12-01 00:00:00.123+00\")");
    cr_assert_str_eq(VALUE("SELECT days FROM billing.forecasts"),
                     "[{\"day\": \"2026-11-29\", \"low\": \"35.5\", \"cost\": \"40\", \"high\": "
                     "\"50\"}, {\"day\": \"2026-11-30\", \"low\": \"36\", \"cost\": \"41.5\", "
                     "\"high\": \"60\"}]");
}

Test(postgres_publish, a_recommendation_and_the_efficiency_arrive)
{
    fixture_must_publish(data, url, false);
    cr_assert_str_eq(
        VALUE("SELECT t::text FROM billing.optimization_recommendations t"),
        "(000102030405060708090a0b0c0d0e0f,acme,batch,high,\"a\ttitle\",why,\"{\"\"saving\"\": "
        "\"\"1.5\"\"}\",\"{\"\"steps\"\": []}\",\"{\"\"calls\"\": 7}\",dismissed,\"2026-12-01 "
        "00:00:00.123+00\")");
    cr_assert_str_eq(VALUE("SELECT t::text FROM billing.efficiency t"),
                     "(acme,2026-11-28,2026-11-01,75,USD,90,3,6.000000000001,1.5,0.25,600,150,100,"
                     "\"2026-12-01 00:00:00.123+00\")");
}

Test(postgres_publish, the_roots_of_days_arrive_and_every_reader_may_check_them)
{
    char want[512];
    const char *digits[] = {"1d", "e1", "e2"};
    char hex[3][HASH_SHA256_TEXT_BYTES] = {""};
    for (size_t i = 0; i < 3; i++) {
        for (size_t n = 0; n < HASH_SHA256_BYTES; n++)
            memcpy(hex[i] + 2 * n, digits[i], 2);
    }
    fixture_must_publish(data, url, false);
    snprintf(want, sizeof want, "(%s,2026-11-24,1,100,100,2,30,%s,%s)", hex[0], hex[1], hex[2]);
    cr_assert_str_eq(VALUE("SET ROLE gbill_reader; SELECT t::text FROM billing.log_days t"), want);
}

Test(postgres_publish, an_invoice_arrives_exactly_with_where_it_came_from)
{
    fixture_must_publish(data, url, false);
    cr_assert_str_eq(
        VALUE("SELECT row(status, number, currency, total_minor, credits_used, "
              "llm_cost, llm_cost_cents, unpriced_calls, log_position, "
              "finalized_at)::text FROM billing.invoices WHERE period_start = '2026-10-01'"),
        "(final,1,USD,8700,1123400,4.9950000225,500,3,100,"
        "\"2026-12-01 00:00:00.123+00\")");
    cr_assert_str_eq(VALUE("SELECT count(*) FROM billing.invoices WHERE log_chain = repeat('c1', "
                           "32) AND price_book = repeat('c2', 32) AND plan_book = repeat('c3', "
                           "32)"),
                     "2");
    cr_assert_str_eq(VALUE("SELECT row(number, finalized_at)::text FROM billing.invoices WHERE "
                           "status = 'draft'"),
                     "(,)");
    cr_assert_str_eq(VALUE("SELECT row(line, kind, description, quantity, unit_price, amount, "
                           "amount_minor, line_start, line_end)::text FROM "
                           "billing.invoice_lines WHERE period_start = '2026-10-01' AND line = 2"),
                     "(2,usage,\"Pro, 2026-11\",123400,0.000100000001,29.000000000001,2900,"
                     "\"2026-10-01 00:00:00+00\",\"2026-11-01 00:00:00+00\")");
}

Test(postgres_publish, budgets_arrive_as_the_apps_know_them_with_their_defaults)
{
    fixture_must_publish(data, url, false);
    cr_assert_str_eq(
        VALUE("SELECT row(id, organization_id, monthly_budget, alert_thresholds->>'warning', "
              "spike_detection->>'threshold', email_alerts, auto_limits->>'pauseAt', created_at = "
              "updated_at, updated_at)::text FROM billing.budget_settings WHERE organization_id = "
              "'acme'"),
        "(acme,acme,10000,80,200,f,110,t,\"2026-12-01 00:00:00.123+00\")");
    cr_assert_str_eq(VALUE("SELECT t::text FROM billing.budget_settings t WHERE organization_id = "
                           "'globex'"),
                     "(globex,globex,,\"[50, 80, 100]\",\"{\"\"enabled\"\": true, "
                     "\"\"threshold\"\": 200}\",t,\"{\"\"enabled\"\": false, \"\"pauseAt\"\": "
                     "100}\",\"2026-12-01 00:00:00+00\",\"2026-12-01 00:00:00+00\")");
    fixture_change(data);
    fixture_must_publish(data, url, false);
    cr_assert_str_eq(VALUE("SELECT row(monthly_budget, email_alerts, created_at, updated_at)::text "
                           "FROM billing.budget_settings WHERE organization_id = 'acme'"),
                     "(,t,\"2026-12-01 00:00:00.123+00\",\"2026-12-01 00:01:40+00\")");
}

Test(postgres_publish, alerts_and_parts_of_an_invoice_arrive_exactly)
{
    fixture_must_publish(data, url, false);
    cr_assert_str_eq(
        VALUE("SELECT string_agg(row(month, alert, length(id), kind, percent, threshold, currency, "
              "budget_minor, spend, spend_minor, forecast, log_position, created_at)::text, ' ' "
              "ORDER BY alert) FROM billing.budget_alerts"),
        "(2026-11-01,1,32,threshold,80,\"tab\there\",USD,10000,84.125000000001,8413,,100,"
        "\"2026-12-01 00:00:00.123+00\") (2026-11-01,2,32,forecast,80,\"tab\there\",USD,,"
        "84.125000000001,8413,120,100,\"2026-12-01 00:00:00.123+00\")");
    static const char parts[] = "SET timezone = 'UTC'; SELECT string_agg(t::text, ' ' ORDER BY "
                                "amount_minor) FROM billing.chargeback t";
    cr_assert_str_eq(server_value(url, parts),
                     "(acme,\"2026-11-01 00:00:00+00\",project,\"\",\"2026-12-01 00:00:00+00\",f,"
                     "USD,-1,3,500,4.9950000225) (acme,\"2026-11-01 00:00:00+00\",project,"
                     "grant-two,\"2026-12-01 00:00:00+00\",f,USD,999,3,500,4.9950000225) (acme,"
                     "\"2026-11-01 00:00:00+00\",project,\"grant\\\\one\",\"2026-12-01 "
                     "00:00:00+00\",f,USD,2001,3,500,4.9950000225)");
    fixture_change(data);
    fixture_must_publish(data, url, false);
    cr_assert_str_eq(VALUE("SELECT string_agg(row(value, final, amount_minor)::text, ' ' ORDER BY "
                           "value) FROM billing.chargeback"),
                     "(\"\",f,-1) (\"grant\\\\one\",t,2999)");
}

Test(postgres_publish, plans_and_subscriptions_arrive_whole)
{
    fixture_must_publish(data, url, false);
    cr_assert_str_eq(VALUE("SELECT string_agg(p::text, ' ' ORDER BY version) FROM billing.plans p"),
                     "(pro,1,Pro,2,f,USD,,\"{\"\"charges\"\": []}\") "
                     "(pro,2,Pro,2,f,USD,\"2026-11-01 00:00:00+00\",{})");
    cr_assert_str_eq(VALUE("SELECT row(organization_id, plan, status, currency, tax_percent, "
                           "trial_end, next_change_at, next_plan, requests_per_minute, "
                           "tokens_per_minute)::text FROM billing.subscriptions"),
                     "(acme,pro,trialing,USD,7.25,,\"2026-12-01 00:00:00+00\",starter,120,)");
}

Test(postgres_publish, the_state_names_log_position_chain_and_book)
{
    fixture_must_publish(data, url, false);
    cr_assert_str_eq(VALUE("SELECT row(version, log_position, log_identity = repeat('1d', 32), "
                           "log_chain = repeat('64', 32), price_book = repeat('b0', 32), "
                           "now() - published_at < '1 minute')::text FROM billing.publish_state"),
                     "(1,100,t,t,t,t)");
}

Test(postgres_publish, a_second_run_writes_nothing_here_or_there)
{
    char before[4096];
    static const char rows[] =
        "SELECT string_agg(x, ' ' ORDER BY x) FROM ("
        "SELECT concat(ctid, xmin, xmax) FROM billing.usage_hourly UNION ALL "
        "SELECT concat(ctid, xmin, xmax) FROM billing.invoices UNION ALL "
        "SELECT concat(ctid, xmin, xmax, published_at) FROM billing.publish_state) AS t(x)";
    fixture_must_publish(data, url, false);
    snprintf(before, sizeof before, "%s", server_value(url, rows));
    uint64_t txn = fixture_txn_number(data);
    faults_arm(FAULT_NONE, 0);
    result = fixture_must_publish(data, url, false);
    cr_assert_eq(result.mode, PUBLISH_NOTHING);
    cr_assert_eq(result.version, 1);
    cr_assert_eq(result.position, 100);
    cr_assert_eq(fixture_txn_number(data), txn);
    /* Only reads and settings of the session were sent. */
    const char *s = faults_statements();
    cr_assert_neq(*s, '\0');
    for (; *s != '\0'; s = strchr(s, '\n') + 1)
        cr_assert(strncmp(s, "SELECT ", 7) == 0 || strncmp(s, "SET ", 4) == 0, "%s", s);
    cr_assert_str_eq(server_value(url, rows), before);
}

Test(postgres_publish, only_what_is_owed_is_sent_and_deleted_rows_go)
{
    fixture_must_publish(data, url, false);
    fixture_change(data);
    uint64_t owed = fixture_owed(data), sent = 0;
    result = fixture_must_publish(data, url, false);
    cr_assert_eq(result.mode, PUBLISH_CHANGES);
    cr_assert_null(result.why);
    for (size_t i = 0; i < PUBLISHED_COUNT; i++)
        sent += result.counts[i].sent;
    cr_assert_eq(sent, owed);
    cr_assert_eq(result.counts[0].written, 8);
    cr_assert_eq(result.counts[0].deleted, 1);
    cr_assert_eq(result.counts[4].deleted, 1);
    cr_assert_eq(fixture_owed(data), 0);
    cr_assert_str_eq(VALUE("SELECT count(*) FROM billing.usage_hourly WHERE organization_id = "
                           "'globex' AND hour = '2026-11-24 00:00Z' AND user_id = 'user-1'"),
                     "0");
    cr_assert_str_eq(VALUE("SELECT row(version, log_position)::text FROM billing.publish_state"),
                     "(2,200)");
    assert_digest_of_full();
}

Test(postgres_publish, a_position_that_moved_alone_is_published)
{
    fixture_must_publish(data, url, false);
    fixture_move(data, 150);
    result = fixture_must_publish(data, url, false);
    cr_assert_eq(result.mode, PUBLISH_CHANGES);
    cr_assert_str_eq(VALUE("SELECT row(version, log_position)::text FROM billing.publish_state"),
                     "(2,150)");
}

Test(postgres_publish, full_mends_whatever_was_done_to_the_database)
{
    fixture_must_publish(data, url, false);
    server_run(url, "UPDATE billing.usage_hourly SET cost = 1 WHERE user_id = 'user-1'; "
                    "DELETE FROM billing.limits_snapshots WHERE organization_id = 'acme'; "
                    "DELETE FROM billing.invoices; "
                    "INSERT INTO billing.limits_snapshots SELECT 'nobody', dimension, 1, 1, 1, "
                    "'ok', true, '', '', '', 1 FROM billing.limits_snapshots");
    result = fixture_must_publish(data, url, false);
    cr_assert_eq(result.mode, PUBLISH_NOTHING, "nothing is owed, and it does not look");
    result = fixture_must_publish(data, url, true);
    cr_assert_eq(result.mode, PUBLISH_FULL);
    cr_assert_str_eq(result.why, "asked for");
    cr_assert_eq(result.counts[0].sent, 24);
    cr_assert_eq(result.counts[0].written, 6);
    cr_assert_eq(result.counts[2].written, 4);
    cr_assert_eq(result.counts[2].deleted, 4);
    cr_assert_eq(result.counts[3].written, 2);
    cr_assert_eq(result.counts[4].written, 6, "lines went with their invoices");
    assert_digest_of_full();
}

Test(postgres_publish, a_restored_database_gets_all_rows)
{
    char backup[48];
    fixture_must_publish(data, url, false);
    snprintf(backup, sizeof backup, "backup_%s", database);
    server_create(backup, database);
    fixture_change(data);
    fixture_must_publish(data, url, false);
    result = fixture_must_publish(data, server_url(backup), false);
    cr_assert_eq(result.mode, PUBLISH_FULL);
    cr_assert_str_eq(result.why, "the database is an older one than was last published to");
    cr_assert_eq(result.counts[0].deleted, 1);
    cr_assert_str_eq(server_digest(server_url(backup)), digest_of_full(data));
    /* And back again: the first one is now the older. */
    result = fixture_must_publish(data, url, false);
    cr_assert_eq(result.mode, PUBLISH_FULL);
    cr_assert_eq(result.version, 4);
}

Test(postgres_publish, tables_that_forgot_their_publishes_send_all_rows)
{
    const char *fresh = fixture_directory();
    fixture_must_publish(data, url, false);
    fixture_fill(fresh);
    result = fixture_must_publish(fresh, url, false);
    cr_assert_eq(result.mode, PUBLISH_FULL);
    cr_assert_str_eq(result.why, "the tables do not remember a publish");
    cr_assert_eq(result.counts[0].written, 0, "they are the same rows");
    cr_assert_eq(result.version, 2);
}

Test(postgres_publish, tables_that_were_taken_back_do_not_take_the_database_back)
{
    const char *old = fixture_directory();
    fixture_must_publish(data, url, false);
    fixture_copy(data, old);
    fixture_change(data);
    fixture_must_publish(data, url, false);
    cr_assert_eq(fixture_publish(old, url, false, &result, &err), ERR_CONFLICT);
    cr_assert_not_null(strstr(err.text, "shows event 200, the tables here only 100"), "%s",
                       err.text);
    cr_assert_not_null(strstr(err.text, "publish --full"));
    cr_assert_str_eq(VALUE("SELECT log_position FROM billing.publish_state"), "200");
    result = fixture_must_publish(old, url, true);
    cr_assert_str_eq(VALUE("SELECT row(version, log_position)::text FROM billing.publish_state"),
                     "(3,100)");
    cr_assert_str_eq(server_digest(url), digest_of_full(old));
}

Test(postgres_publish, a_database_of_another_log_is_left_alone_without_full)
{
    fixture_must_publish(data, url, false);
    server_run(url, "UPDATE billing.publish_state SET log_identity = repeat('ab', 32)");
    fixture_change(data);
    cr_assert_eq(fixture_publish(data, url, false, &result, &err), ERR_CONFLICT);
    cr_assert_not_null(strstr(err.text, "another log"), "%s", err.text);
    cr_assert_str_eq(VALUE("SELECT log_position FROM billing.publish_state"), "100");
    fixture_must_publish(data, url, true);
    cr_assert_str_eq(VALUE("SELECT row(count(*), max(log_position))::text FROM "
                           "billing.publish_state"),
                     "(1,200)");
}

Test(postgres_publish, tables_that_are_being_folded_anew_are_not_published)
{
    fixture_must_publish(data, url, false);
    fixture_drop_folds(data);
    result = fixture_must_publish(data, url, false);
    cr_assert_eq(result.mode, PUBLISH_NOTHING, "there is no log yet to be level with");
    fixture_move(data, 100); /* at the same event, but the dictionary is empty */
    cr_assert_eq(fixture_publish(data, url, true, &result, &err), ERR_CONFLICT);
    cr_assert_not_null(strstr(err.text, "dictionary has no text for number"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "run gbill rollup"), "%s", err.text);
    cr_assert_str_eq(VALUE("SELECT count(*) FROM billing.usage_hourly"), "24");
}

Test(postgres_publish, more_rows_than_one_chunk_or_batch_arrive_and_are_settled)
{
    fixture_must_publish(data, url, false);
    fixture_touch(data, 10000);
    result = fixture_must_publish(data, url, false);
    cr_assert_eq(result.counts[0].written, 10000);
    cr_assert_eq(fixture_owed(data), 0);
    assert_digest_of_full();
}

Test(postgres_publish, a_count_or_amount_beyond_a_bigint_is_refused_and_named)
{
    fixture_must_publish(data, url, false);
    fixture_calls(data, (uint64_t)1 << 62); /* fits, but not its cost in cents */
    cr_assert_eq(fixture_publish(data, url, false, &result, &err), ERR_LIMIT);
    cr_assert_not_null(strstr(err.text, "usage_hourly: "), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "Postgres holds at most 9223372036854775807"), "%s",
                       err.text);
    fixture_calls(data, ((uint64_t)1 << 62) + 5);
    cr_assert_eq(fixture_publish(data, url, false, &result, &err), ERR_LIMIT);
    cr_assert_not_null(strstr(err.text, "a count is 9223372036854775813, Postgres holds at most "
                                        "9223372036854775807"),
                       "%s", err.text);
    cr_assert_eq(fixture_owed(data), 1, "what was refused is still owed");
    cr_assert_str_eq(VALUE("SELECT version FROM billing.publish_state"), "1");
}

Test(postgres_publish, a_row_that_the_database_refuses_is_still_owed)
{
    fixture_must_publish(data, url, false);
    server_run(url, "ALTER TABLE billing.usage_hourly ADD CHECK (calls < 1000)");
    fixture_calls(data, 1000);
    cr_assert_eq(fixture_publish(data, url, false, &result, &err), ERR_PEER);
    cr_assert_not_null(strstr(err.text, "usage_hourly: Postgres at postgres@"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "violates check constraint"), "%s", err.text);
    cr_assert_eq(fixture_owed(data), 1);
    server_run(url, "ALTER TABLE billing.usage_hourly DROP CONSTRAINT usage_hourly_calls_check");
    fixture_must_publish(data, url, false);
    cr_assert_eq(fixture_owed(data), 0);
}

Test(postgres_publish, without_tables_it_says_to_run_rollup_and_makes_nothing)
{
    const char *empty = fixture_directory();
    char path[FILE_PATH_BYTES_MAX];
    cr_assert_eq(fixture_publish(empty, url, false, &result, &err), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.text, "run gbill rollup"), "%s", err.text);
    cr_assert_eq(file_path(path, empty, "tables.mdb", &err), ERR_OK);
    cr_assert_neq(access(path, F_OK), 0);
}

Test(postgres_publish, without_a_schema_it_says_to_run_migrate)
{
    server_run(url, "DROP SCHEMA billing CASCADE");
    cr_assert_eq(fixture_publish(data, url, false, &result, &err), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.text, "run gbill migrate"), "%s", err.text);
}

Test(postgres_publish, an_older_or_newer_schema_is_refused)
{
    const int is = PUBLISH_SCHEMA_VERSION;
    char sql[128], says[128];
    snprintf(sql, sizeof sql, "DELETE FROM billing.schema_migrations WHERE version = %d", is);
    server_run(url, sql);
    cr_assert_eq(fixture_publish(data, url, false, &result, &err), ERR_NOT_FOUND);
    snprintf(says, sizeof says, "has version %d, this gbill needs %d; run gbill migrate", is - 1,
             is);
    cr_assert_not_null(strstr(err.text, says), "%s", err.text);
    server_run(url, "INSERT INTO billing.schema_migrations VALUES (999, 'later', '')");
    cr_assert_eq(fixture_publish(data, url, false, &result, &err), ERR_CONFLICT);
    snprintf(says, sizeof says, "has version 999, this gbill knows %d", is);
    cr_assert_not_null(strstr(err.text, says), "%s", err.text);
}

Test(postgres_publish, a_role_without_privileges_is_told_so)
{
    char role[48], sql[128];
    snprintf(role, sizeof role, "nobody_%d", (int)getpid());
    snprintf(sql, sizeof sql, "CREATE ROLE %s LOGIN", role);
    server_run(url, sql);
    cr_assert_eq(fixture_publish(data, server_url_as(database, role, NULL), false, &result, &err),
                 ERR_DENIED);
    cr_assert_not_null(strstr(err.text, "permission denied"), "%s", err.text);
}

Test(postgres_publish, a_second_publisher_on_this_host_is_refused)
{
    char path[FILE_PATH_BYTES_MAX];
    int fd;
    cr_assert_eq(file_path(path, data, "publish.lock", &err), ERR_OK);
    cr_assert_eq(file_lock(path, "test", &fd, &err), ERR_OK);
    pid_t child = fork(); /* a lock is the process's own */
    if (child == 0)
        _exit(fixture_publish(data, url, false, &result, &err) == ERR_BUSY ? 0 : 1);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}
