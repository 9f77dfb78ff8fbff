#include <criterion/criterion.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/hash.h"
#include "store/tables/book.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "tests/reports/fixture.h"

#define KEY "hour,organizationId,projectId,userId,type,provider,model,serviceTier,"
#define USAGE                                                                                       \
    KEY "calls,failed,input,cacheRead,cacheWrite,cacheWrite1h,output,reasoning,credits,"            \
        "avgLatencyMs,audioInput,audioCacheRead,audioOutput,imageInput,imageCacheRead,imageOutput," \
        "webSearches,webFetches,fileSearches,codeSessions\r\n"
#define COSTS KEY "currency,calls,credits,cost,unpricedCalls,estimatedCalls\r\n"
#define ACME                                                              \
    "2026-11-24T08:00:00Z,\"acme, \"\"inc\"\"\",,u1,chat,openai,gpt-4o,," \
    "2,1,100,20,30,40,50,7,240,1500,0,0,0,0,0,0,0,0,0,0\r\n"
#define FORMULA "2026-11-24T09:00:00Z,b,=1+1,u1,chat,openai,m9,batch,"

/* What was folded with a price book of euros, up to event 77. */
static void
keep_book(struct fixture *x)
{
    static const char book[] = "{\"currency\":\"EUR\"}";
    struct cursor cursor = {.seq = 77};
    struct err err;
    char path[96];
    snprintf(path, sizeof path, "%s/prices.json", x->dir.path);
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL && fputs(book, f) >= 0 && fclose(f) == 0);
    hash_sha256(&(struct bytes){(const uint8_t *)book, strlen(book)}, 1, cursor.price_book);
    cr_assert_eq(book_keep(x->txn, path, cursor.price_book, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(cursor_put(x->txn, &cursor, &err), ERR_OK, "%s", err.text);
}

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
         .project = "=1+1",
         .model = "m9",
         .tier = "batch",
         .row = {.calls = 4,
                 .estimated_calls = 1,
                 .unpriced_calls = 1,
                 .tokens = {1, 0, 0, 0, 1},
                 .cost_pico = (money_sum)123456789 * 1000000000 + 1}},
        {.organization = "b", .when = "2026-12-01", .row = {.calls = 3, .unpriced_calls = 3}},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        fixture_add(&x, &all[i]);
    keep_book(&x);
    fixture_commit(&x);
    return x;
}

static void
check(const struct fixture *x, const char *line, const char *want, const char *said)
{
    struct ran ran = fixture_run(x, line);
    cr_expect_eq(ran.status, 0, "%s: %s", line, ran.err);
    cr_expect_str_eq(ran.out, want, "%s: %s", line, ran.out);
    cr_expect_str_eq(ran.err, said, "%s: %s", line, ran.err);
    ran_free(&ran);
}

Test(reports_export, usage_is_a_row_per_hour_and_key_within_the_range)
{
    struct fixture x = november();
    check(&x, "export --to 2026-12",
          USAGE ACME FORMULA "4,0,1,0,0,0,1,0,2,0,0,0,0,0,0,0,0,0,0,0\r\n",
          "gbill report export: 2 rows, as of log position 77\n");
    check(&x, "export --spreadsheet --org b --to 2026-12",
          USAGE "2026-11-24T09:00:00Z,b,\"'=1+1\",u1,chat,openai,m9,batch,"
                "4,0,1,0,0,0,1,0,2,0,0,0,0,0,0,0,0,0,0,0\r\n",
          "gbill report export: 1 rows, as of log position 77\n");
    check(&x, "export --from 2027-01", USAGE,
          "gbill report export: 0 rows, as of log position 77\n");
    fixture_end(&x);
}

Test(reports_export, costs_are_exact_and_a_missing_price_is_no_zero)
{
    struct fixture x = november();
    check(
        &x, "export --what costs --org b",
        COSTS FORMULA "EUR,4,2,123456.789000000001,1,1\r\n"
                      "2026-12-01T00:00:00Z,b,,u1,chat,openai,gpt-4o,,EUR,3,0,,3,0\r\n",
        "gbill report export: 2 rows, as of log position 77\n"
        "gbill report export: warning: 4 calls have no price and are in no cost; see gbill report "
        "costs --by provider,model\n");
    fixture_end(&x);
}

Test(reports_export, json_lines_parse_one_by_one_and_keep_money_as_text)
{
    struct fixture x = november();
    struct ran ran = fixture_run(&x, "export --what costs --format jsonl");
    const char *want[] = {"0.0000000225", "123456.789000000001", NULL};
    const char *names[] = {"acme, \"inc\"", "b", "b"};
    char *line = ran.out;
    for (size_t i = 0; i < 3; i++) {
        char *end = strchr(line, '\n');
        cr_assert_not_null(end);
        *end = '\0';
        json_t *row = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        cr_assert_not_null(row, "%s", line);
        const json_t *cost = json_object_get(row, "cost");
        cr_expect_str_eq(json_string_value(json_object_get(row, "organizationId")), names[i]);
        cr_expect_str_eq(json_string_value(json_object_get(row, "currency")), "EUR");
        cr_expect(json_is_integer(json_object_get(row, "calls")));
        if (want[i] != NULL)
            cr_expect_str_eq(json_string_value(cost), want[i]);
        else
            cr_expect(json_is_null(cost));
        json_decref(row);
        line = end + 1;
    }
    cr_expect_str_empty(line);
    ran_free(&ran);
    fixture_end(&x);
}

Test(reports_export, without_a_kept_price_book_no_currency_is_made_up)
{
    struct fixture x = fixture_make();
    fixture_add(&x, &(struct calls){.when = "2026-11"});
    fixture_commit(&x);
    check(&x, "export --what costs",
          COSTS "2026-11-01T00:00:00Z,acme,,u1,chat,openai,gpt-4o,,,1,0,0,0,0\r\n",
          "gbill report export: 1 rows, as of log position 0\n");
    fixture_end(&x);
}

Test(reports_export, names_of_more_organizations_than_the_cache_holds_are_right)
{
    struct fixture x = fixture_make();
    enum { USERS = 70000 }; /* more than DICT_CACHE_SLOTS twice */
    struct err err;
    struct dict dict = {.slots = NULL};
    struct list fresh;
    uint8_t key[USAGE_KEY_BYTES];
    struct usage_row row = {.calls = 1};
    for (uint32_t i = 1; i <= USERS; i++) {
        char text[16];
        uint32_t number;
        snprintf(text, sizeof text, "n%u", i);
        cr_assert_eq(dict_intern(&dict, x.txn, str_of(text), &number, &err), ERR_OK);
        cr_assert_eq(number, i);
    }
    dict_take_new(&dict, &fresh);
    cr_assert_eq(dict_write(&fresh, x.txn, &err), ERR_OK);
    list_clear(&fresh);
    dict_clear(&dict);
    for (uint32_t i = 1; i <= 3000; i++) {
        struct usage_key k = {.organization = 1, .period = i, .user = i * 23, .model = i};
        usage_key_encode(&k, key);
        cr_assert_eq(usage_add(x.txn, TABLE_HOURLY, key, &row, &err), ERR_OK);
    }
    fixture_commit(&x);
    struct ran ran = fixture_run(&x, "export");
    const char *line = strchr(ran.out, '\n') + 1;
    for (unsigned i = 1; i <= 3000; i++) {
        char want[64];
        int n = snprintf(want, sizeof want, ":00:00Z,n1,,n%u,,,n%u,,1,0,", i * 23, i);
        cr_assert_eq(strncmp(line + 13, want, (size_t)n), 0, "row %u: %.60s", i, line);
        line = strchr(line, '\n') + 1;
    }
    cr_assert_str_empty(line);
    ran_free(&ran);
    fixture_end(&x);
}

Test(reports_export, a_file_is_written_whole_or_left_as_it_was)
{
    struct fixture x = november();
    char line[256], path[96], made[104], text[16] = "";
    snprintf(path, sizeof path, "%s/out.csv", x.dir.path);
    snprintf(made, sizeof made, "%s.new", path);
    snprintf(line, sizeof line, "export --to 2026-11-24T09:00Z -o %s", path);
    check(&x, line, "", "gbill report export: 1 rows, as of log position 77\n");
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_size, (off_t)strlen(USAGE ACME));
    /* An error leaves the old file. */
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL && fputs("old", f) >= 0 && fclose(f) == 0);
    snprintf(line, sizeof line, "export --org nobody -o %s", path);
    struct ran ran = fixture_run(&x, line);
    cr_expect_eq(ran.status, 6, "%s", ran.err);
    ran_free(&ran);
    f = fopen(path, "r");
    cr_assert_not_null(fgets(text, sizeof text, f));
    fclose(f);
    cr_expect_str_eq(text, "old");
    cr_expect_neq(access(made, F_OK), 0, "nothing is left behind");
    fixture_end(&x);
}

static void
check_refused(const struct fixture *x, const char *line, int status, const char *part)
{
    struct ran ran = fixture_run(x, line);
    cr_expect_eq(ran.status, status, "%s: %d, %s", line, ran.status, ran.err);
    cr_expect_not_null(strstr(ran.err, part), "%s: %s", line, ran.err);
    cr_expect_eq(strchr(ran.err, '\n'), ran.err + strlen(ran.err) - 1, "%s: %s", line, ran.err);
    cr_expect_str_empty(ran.out, "%s", line);
    ran_free(&ran);
}

Test(reports_export, wrong_requests_are_one_line_that_names_the_remedy)
{
    struct fixture x = november();
    check_refused(&x, "export --what invoices", 2, "one of usage, costs, focus");
    check_refused(&x, "export --format xml", 2, "one of csv, jsonl");
    check_refused(&x, "export --what focus", 2,
                  "needs a seller in --parties FILE, or --issuer NAME");
    check_refused(&x, "export --what focus --issuer \xff", 2, "UTF-8");
    check_refused(&x, "export --from 2026-12 --to 2026-11", 2, "is not behind");
    check_refused(&x, "export --org nobody", 6, "\"nobody\"; ids match exactly");
    check_refused(&x, "export --what focus --issuer I --org nobody", 6, "ids match exactly");
    check_refused(&x, "export -o /no/such/place", 6, "/no/such/place");
    check_refused(&x, "export -o /tmp", 7, "is a directory");
    check_refused(&x, "export -o /dev/full", 11, "/dev/full");
    check_refused(&x, "usage -o x", 2, "unknown option -o");
    fixture_end(&x);
}
