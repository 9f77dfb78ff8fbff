#include <criterion/criterion.h>
#include <jansson.h>

#include "reports/usage_print.h"
#include "tests/reports/fixture.h"

static struct fixture
november(void)
{
    struct fixture x = fixture_make();
    const struct calls all[] = {
        {.organization = "acme, \"inc\"",
         .when = "2026-11-24T08:00Z",
         .row = {.calls = 2,
                 .failed_calls = 1,
                 .tokens = {100, 20, 30, 40, 50},
                 .reasoning_tokens = 7,
                 .latency_us = 3000999,
                 .cost_pico = 22500}},
        {.organization = "b",
         .when = "2026-11-24T09:00Z",
         .project = "p\\1",
         .model = "m9",
         .row = {.calls = 4,
                 .estimated_calls = 1,
                 .unpriced_calls = 1,
                 .tokens = {1, 0, 0, 0, 1},
                 .cost_pico = (money_sum)123456789 * 1000000000 + 1}},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        fixture_add(&x, &all[i]);
    return x;
}

static void
check_out(const struct fixture *x, const char *line, const char *want)
{
    struct ran ran = fixture_run(x, line);
    cr_assert_eq(ran.status, 0, "%s: %s", line, ran.err);
    cr_assert_str_eq(ran.out, want, "%s", line);
    ran_free(&ran);
}

static void
check_error(const struct fixture *x, const char *line, int status, const char *want)
{
    struct ran ran = fixture_run(x, line);
    cr_assert_eq(ran.status, status, "%s: %d, %s", line, ran.status, ran.err);
    cr_assert_str_eq(ran.err, want, "%s", line);
    cr_assert_str_empty(ran.out, "%s", line);
    ran_free(&ran);
}

Test(reports_cmd, usage_as_csv_quotes_what_needs_it)
{
    struct fixture x = november();
    fixture_commit(&x);
    check_out(&x, "usage --csv",
              "day,organizationId,calls,failed,input,cacheRead,cacheWrite,cacheWrite1h,output,"
              "reasoning,credits,avgLatencyMs,audioInput,audioCacheRead,audioOutput,imageInput,"
              "imageCacheRead,imageOutput,webSearches,webFetches,fileSearches,codeSessions\r\n"
              "2026-11-24,\"acme, \"\"inc\"\"\",2,1,100,20,30,40,50,7,240,1500,"
              "0,0,0,0,0,0,0,0,0,0\r\n"
              "2026-11-24,b,4,0,1,0,0,0,1,0,2,0,0,0,0,0,0,0,0,0,0,0\r\n");
    fixture_end(&x);
}

Test(reports_cmd, a_table_shows_audio_and_fees_only_where_there_are_any)
{
    struct fixture x = november();
    struct usage_row row = {.calls = 1, .fees = {[EVENT_WEB_SEARCH] = 3}};
    row.tokens[EVENT_OUTPUT_AUDIO] = 17;
    fixture_add(&x, &(struct calls){.when = "2026-11-25T08:00Z", .row = row});
    fixture_commit(&x);
    struct ran ran = fixture_run(&x, "usage --by day --no-bars");
    cr_assert_not_null(strstr(ran.out, "avgLatencyMs  audioOutput  webSearches\n"), "%s", ran.out);
    cr_assert_not_null(strstr(ran.out, "           17            3\n"), "%s", ran.out);
    ran_free(&ran);
    fixture_end(&x);
}

Test(reports_cmd, costs_are_exact_in_csv_and_rounded_in_a_table)
{
    struct fixture x = november();
    fixture_commit(&x);
    check_out(&x, "costs --by org --csv",
              "organizationId,calls,credits,cost,unpricedCalls,estimatedCalls\r\n"
              "\"acme, \"\"inc\"\"\",2,240,0.0000000225,0,0\r\n"
              "b,4,2,123456.789000000001,1,1\r\n");
    check_out(&x, "costs --by org",
              "organizationId  calls  credits           cost  unpricedCalls  estimatedCalls\n"
              "acme, \"inc\"         2      240       0.000000              0               0\n"
              "b                   4        2  123456.789000              1               1\n"
              "total               6      242  123456.789000              1               1\n");
    fixture_end(&x);
}

Test(reports_cmd, json_escapes_names_and_keeps_money_as_text)
{
    struct fixture x = november();
    fixture_commit(&x);
    struct ran ran = fixture_run(&x, "costs --by project,org,hour --json");
    json_error_t error;
    json_t *root = json_loads(ran.out, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(root, "%s", ran.out);
    cr_assert_eq(json_array_size(root), 2);
    json_t *first = json_array_get(root, 0), *second = json_array_get(root, 1);
    cr_assert_str_eq(json_string_value(json_object_get(first, "organizationId")), "acme, \"inc\"");
    cr_assert_str_eq(json_string_value(json_object_get(first, "projectId")), "");
    cr_assert_str_eq(json_string_value(json_object_get(first, "cost")), "0.0000000225");
    cr_assert_str_eq(json_string_value(json_object_get(second, "projectId")), "p\\1");
    cr_assert_str_eq(json_string_value(json_object_get(second, "hour")), "2026-11-24T09:00Z");
    cr_assert_str_eq(json_string_value(json_object_get(second, "cost")), "123456.789000000001");
    cr_assert_eq(json_integer_value(json_object_get(second, "unpricedCalls")), 1);
    json_decref(root);
    ran_free(&ran);
    fixture_end(&x);
}

Test(reports_cmd, unpriced_calls_are_warned_of_on_stderr_in_one_line)
{
    struct fixture x = november();
    fixture_commit(&x);
    struct ran ran = fixture_run(&x, "costs");
    cr_assert_str_eq(ran.err,
                     "gbill report costs: warning: 1 of 6 calls have no price and are in no cost "
                     "(one is of openai m9); see gbill report costs --by provider,model, add the "
                     "model to the price book and run gbill rollup\n");
    cr_assert_eq(ran.status, 0);
    ran_free(&ran);
    fixture_end(&x);
}

Test(reports_cmd, all_priced_is_nothing_to_warn_of)
{
    struct fixture x = fixture_make();
    fixture_add(&x, &(struct calls){.when = "2026-11"});
    fixture_commit(&x);
    struct ran ran = fixture_run(&x, "costs");
    cr_assert_str_empty(ran.err);
    ran_free(&ran);
    fixture_end(&x);
}

Test(reports_cmd, what_has_no_price_at_all_has_no_cost)
{
    struct fixture x = fixture_make();
    fixture_add(&x, &(struct calls){.when = "2026-11", .row = {.calls = 2, .unpriced_calls = 2}});
    fixture_commit(&x);
    check_out(&x, "costs --by month --csv",
              "month,calls,credits,cost,unpricedCalls,estimatedCalls\r\n"
              "2026-11,2,0,,2,0\r\n");
    check_out(&x, "costs --by month",
              "month    calls  credits      cost  unpricedCalls  estimatedCalls\n"
              "2026-11      2        0  unpriced              2               0\n"
              "total        2        0  unpriced              2               0\n");
    fixture_end(&x);
}

Test(reports_cmd, an_empty_name_is_a_dash_in_a_table_and_empty_elsewhere)
{
    struct fixture x = november();
    fixture_commit(&x);
    check_out(&x, "costs --by project --csv --to 2026-11-24T09:00Z",
              "projectId,calls,credits,cost,unpricedCalls,estimatedCalls\r\n"
              ",2,240,0.0000000225,0,0\r\n");
    check_out(&x, "costs --by project,tier --to 2026-11-24T09:00Z",
              "projectId  serviceTier  calls  credits      cost  unpricedCalls  estimatedCalls\n"
              "-          -                2      240  0.000000              0               0\n"
              "total                       2      240  0.000000              0               0\n");
    fixture_end(&x);
}

Test(reports_cmd, a_table_that_is_no_terminal_has_no_bars)
{
    struct fixture x = november();
    fixture_commit(&x);
    struct ran ran = fixture_run(&x, "usage");
    cr_assert_null(strstr(ran.out, "\xe2\x96"));
    cr_assert_not_null(strstr(ran.out, "\ntotal"));
    ran_free(&ran);
    fixture_end(&x);
}

Test(reports_cmd, no_usage_in_the_time_is_said_and_is_no_error)
{
    struct fixture x = november();
    fixture_commit(&x);
    struct ran ran = fixture_run(&x, "costs --json --from 2027-01");
    cr_assert_eq(ran.status, 0);
    cr_assert_str_eq(ran.out, "[]\n");
    cr_assert_str_eq(ran.err, "gbill report costs: no usage in the time asked for\n");
    ran_free(&ran);
    fixture_end(&x);
}

Test(reports_cmd, wrong_lines_say_what_is_wrong_and_print_nothing)
{
    struct fixture x = november();
    fixture_commit(&x);
    check_error(&x, "costs --org nobody", 6,
                "gbill report costs: no usage of organization \"nobody\"; ids match exactly\n");
    check_error(&x, "usage --by org,week", 2,
                "gbill report usage: --by: \"week\" is no column to group by; name any of org, "
                "hour, day, month, project, user, type, provider, model, tier\n");
    check_error(&x, "usage --csv --json", 2,
                "gbill report usage: --csv and --json exclude each other; give one\n");
    check_error(&x, "usage --from 2026-11-24T08:15Z", 2,
                "gbill report usage: --from: \"2026-11-24T08:15Z\" lies within an hour, but usage "
                "is kept by full UTC hours; write 2026-11-24T08:00Z or 2026-11-24T09:00Z\n");
    check_error(&x, "usage --from 2026-12 --to 2026-12", 2,
                "gbill report usage: --to 2026-12 is not behind --from 2026-12; --to names the "
                "first hour no longer counted\n");
    check_error(&x, "usage --to 1970-01", 2,
                "gbill report usage: --to 1970-01 is not behind --from 1970-01; --to names the "
                "first hour no longer counted\n");
    check_error(&x, "costs acme", 2,
                "gbill report costs: unexpected argument \"acme\"; see "
                "--help\n");
    fixture_end(&x);
}

Test(reports_cmd, nothing_folded_yet_is_not_found)
{
    struct fixture x = {.dir = temp_dir_make()};
    struct ran ran = fixture_run(&x, "usage");
    cr_assert_eq(ran.status, 6);
    cr_assert_not_null(strstr(ran.err, "nothing has been folded yet; run gbill rollup\n"), "%s",
                       ran.err);
    ran_free(&ran);
    fixture_end(&x);
}

Test(reports_cmd, help_explains_every_column)
{
    static const char *const columns[] = {
        "calls",  "failed",    "input",          "cacheRead",    "cacheWrite",  "cacheWrite1h",
        "output", "reasoning", "credits",        "avgLatencyMs", "--by",        "--from",
        "--to",   "--org",     "audioCacheRead", "imageOutput",  "webSearches", "codeSessions"};
    struct fixture x = {.dir = temp_dir_make()};
    struct ran ran = fixture_run(&x, "usage --help");
    cr_assert_eq(ran.status, 0);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        cr_assert_not_null(strstr(ran.out, columns[i]), "%s", columns[i]);
    ran_free(&ran);
    fixture_end(&x);
}

static void
check_bar(uint64_t value, uint64_t most, const char *want)
{
    char text[USAGE_PRINT_BAR_BYTES];
    usage_print_bar(value, most, text);
    cr_assert_str_eq(text, want, "%llu of %llu", (unsigned long long)value,
                     (unsigned long long)most);
}

#define FOUR "████"

Test(reports_print, a_bar_is_true_to_an_eighth_and_never_hides_something)
{
    check_bar(0, 100, "");
    check_bar(0, 0, "");
    check_bar(100, 100, FOUR FOUR FOUR FOUR);
    check_bar(50, 100, FOUR FOUR);
    check_bar(1, UINT64_MAX, "▏");
    check_bar(UINT64_MAX, UINT64_MAX, FOUR FOUR FOUR FOUR);
    check_bar(9, 128, "█▏");
    check_bar(15, 128, "█▉");
    check_bar(4, 128, "▌");
}

Test(reports_print, bars_stand_behind_the_rows_and_not_behind_the_total)
{
    struct fixture x = november();
    struct usage_query q = {.to_hour = UINT32_MAX, .groups_max = 10};
    struct usage_report r;
    struct err err;
    char *text = NULL;
    size_t size;
    cr_assert_eq(grouping_parse("org", &q.grouping, &err), ERR_OK);
    cr_assert_eq(usage_report_make(x.txn, &q, &r, &err), ERR_OK, "%s", err.text);
    FILE *out = open_memstream(&text, &size);
    usage_print(&r, USAGE_PRINT_COSTS, PRINT_TABLE, true, out);
    fclose(out);
    cr_assert_not_null(strstr(text, "  0  " FOUR FOUR FOUR FOUR "\n"), "%s", text);
    cr_assert_not_null(strstr(text, "  1  ▏\n"), "%s", text);
    cr_assert_not_null(strstr(text, "  1  \n"), "%s", text);
    free(text);
    out = open_memstream(&text, &size);
    usage_print(&r, USAGE_PRINT_COSTS, PRINT_CSV, true, out);
    fclose(out);
    cr_assert_null(strstr(text, "\xe2\x96"), "%s", text);
    free(text);
    usage_report_clear(&r);
    fixture_end(&x);
}

Test(reports_print, a_mean_latency_is_rounded_half_up)
{
    cr_assert_eq(usage_print_latency_ms(&(struct usage_row){0}), 0);
    cr_assert_eq(usage_print_latency_ms(&(struct usage_row){.calls = 2, .latency_us = 2998}), 1);
    cr_assert_eq(usage_print_latency_ms(&(struct usage_row){.calls = 2, .latency_us = 3000}), 2);
    cr_assert_eq(usage_print_latency_ms(&(struct usage_row){.calls = 3, .latency_us = 1499}), 0);
    cr_assert_eq(usage_print_latency_ms(&(struct usage_row){.calls = 3, .latency_us = 1500}), 1);
}
