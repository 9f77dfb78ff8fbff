#include <criterion/criterion.h>

#include "store/tables/dict.h"
#include "tests/reports/fixture.h"

static struct usage_query
query_by(const char *by)
{
    struct usage_query q = {.to_hour = UINT32_MAX, .groups_max = USAGE_REPORT_GROUPS_MAX};
    struct err err;
    cr_assert_eq(grouping_parse(by, &q.grouping, &err), ERR_OK, "%s", err.text);
    return q;
}

static struct usage_report
report(struct fixture *x, const struct usage_query *q)
{
    struct usage_report r;
    struct err err;
    cr_assert_eq(usage_report_make(x->txn, q, &r, &err), ERR_OK, "%s", err.text);
    return r;
}

/* All rows as "cell,cell=calls cell,cell=calls". */
static void
check_rows(struct usage_report *r, const char *want)
{
    char got[1024] = "";
    size_t used = 0;
    for (size_t i = 0; i < usage_report_rows(r); i++) {
        for (size_t c = 0; c < r->grouping.count; c++) {
            char text[TIME_TEXT_BYTES];
            struct str cell = usage_report_cell(r, i, c, text);
            used += (size_t)snprintf(got + used, sizeof got - used, "%s%.*s",
                                     c > 0   ? ","
                                     : i > 0 ? " "
                                             : "",
                                     STR_ARG(cell));
        }
        used += (size_t)snprintf(got + used, sizeof got - used, "=%llu",
                                 (unsigned long long)usage_report_row(r, i)->calls);
    }
    cr_assert_str_eq(got, want);
    usage_report_clear(r);
}

static void
check(struct fixture *x, const char *by, const char *want)
{
    struct usage_query q = query_by(by);
    struct usage_report r = report(x, &q);
    check_rows(&r, want);
}

static void
check_range(struct fixture *x, const char *organization, const char *from, const char *to,
            const char *want)
{
    struct usage_query q = query_by("org,hour");
    struct err err;
    q.organization = organization;
    if (from != NULL)
        cr_assert_eq(usage_hour_parse("--from", from, &q.from_hour, &err), ERR_OK, "%s", err.text);
    if (to != NULL)
        cr_assert_eq(usage_hour_parse("--to", to, &q.to_hour, &err), ERR_OK, "%s", err.text);
    struct usage_report r = report(x, &q);
    check_rows(&r, want);
}

/* Names come in an order that is not theirs, so that sorting by number would show. */
static struct fixture
mixed(void)
{
    struct fixture x = fixture_make();
    const struct calls all[] = {
        {.organization = "zeta",
         .when = "2026-11-30T23:00Z",
         .project = "p2",
         .user = "u9",
         .type = "embedding",
         .provider = "openai",
         .model = "m2",
         .tier = "flex",
         .row.calls = 1},
        {.organization = "acme",
         .when = "2026-11-30T23:00Z",
         .project = "p1",
         .user = "u9",
         .type = "chat",
         .provider = "anthropic",
         .model = "m1",
         .tier = "",
         .row.calls = 2},
        {.organization = "zeta",
         .when = "2026-12-01T00:00Z",
         .project = "",
         .user = "u10",
         .type = "chat",
         .provider = "openai",
         .model = "m10",
         .tier = "batch",
         .row.calls = 4},
        {.organization = "acme",
         .when = "2026-12-01",
         .project = "p2",
         .user = "u10",
         .type = "chat",
         .provider = "openai",
         .model = "m2",
         .tier = "batch",
         .row.calls = 8},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        fixture_add(&x, &all[i]);
    return x;
}

Test(reports_usage, groups_by_each_dimension_in_the_order_of_its_text)
{
    struct fixture x = mixed();
    check(&x, "org", "acme=10 zeta=5");
    check(&x, "hour", "2026-11-30T23:00Z=3 2026-12-01T00:00Z=12");
    check(&x, "day", "2026-11-30=3 2026-12-01=12");
    check(&x, "month", "2026-11=3 2026-12=12");
    check(&x, "project", "=4 p1=2 p2=9");
    check(&x, "user", "u10=12 u9=3");
    check(&x, "type", "chat=14 embedding=1");
    check(&x, "provider", "anthropic=2 openai=13");
    check(&x, "model", "m1=2 m10=4 m2=9");
    check(&x, "tier", "=2 batch=12 flex=1");
    fixture_end(&x);
}

Test(reports_usage, sorts_by_the_columns_as_they_are_named)
{
    struct fixture x = mixed();
    check(&x, "month,org", "2026-11,acme=2 2026-11,zeta=1 2026-12,acme=8 2026-12,zeta=4");
    check(&x, "org,month", "acme,2026-11=2 acme,2026-12=8 zeta,2026-11=1 zeta,2026-12=4");
    check(&x, "model,day,user",
          "m1,2026-11-30,u9=2 m10,2026-12-01,u10=4 m2,2026-11-30,u9=1 "
          "m2,2026-12-01,u10=8");
    fixture_end(&x);
}

Test(reports_usage, the_same_text_in_two_columns_is_two_things)
{
    struct fixture x = fixture_make();
    fixture_add(&x, &(struct calls){.organization = "same", .user = "same", .when = "2026-11"});
    fixture_add(&x, &(struct calls){.organization = "b", .user = "same", .when = "2026-11"});
    check(&x, "user,org", "same,b=1 same,same=1");
    fixture_end(&x);
}

Test(reports_usage, a_text_sorts_before_what_it_begins)
{
    struct fixture x = fixture_make();
    static const char *const names[] = {"ab", "a", "\xc3\xa9", "abc", "B"};
    for (size_t i = 0; i < 5; i++)
        fixture_add(&x, &(struct calls){.organization = names[i], .when = "2026-11"});
    check(&x, "org", "B=1 a=1 ab=1 abc=1 \xc3\xa9=1");
    fixture_end(&x);
}

Test(reports_usage, from_is_counted_and_to_is_not)
{
    struct fixture x = mixed();
    check_range(&x, NULL, "2026-12", NULL, "acme,2026-12-01T00:00Z=8 zeta,2026-12-01T00:00Z=4");
    check_range(&x, NULL, NULL, "2026-12", "acme,2026-11-30T23:00Z=2 zeta,2026-11-30T23:00Z=1");
    check_range(&x, NULL, "2026-11-30T23:00Z", "2026-12-01T00:00Z",
                "acme,2026-11-30T23:00Z=2 zeta,2026-11-30T23:00Z=1");
    check_range(&x, NULL, "2026-11-30T23:00Z", "2026-12-01T01:00Z",
                "acme,2026-11-30T23:00Z=2 acme,2026-12-01T00:00Z=8 "
                "zeta,2026-11-30T23:00Z=1 zeta,2026-12-01T00:00Z=4");
    check_range(&x, NULL, "2026-12-01T01:00Z", NULL, "");
    check_range(&x, NULL, NULL, "2026-11-30T23:00Z", "");
    fixture_end(&x);
}

Test(reports_usage, an_offset_is_taken_into_utc)
{
    struct fixture x = mixed();
    check_range(&x, "zeta", "2026-12-01T01:00+01:00", NULL, "zeta,2026-12-01T00:00Z=4");
    check_range(&x, "zeta", "2026-12-01T02:00+01:00", NULL, "");
    fixture_end(&x);
}

Test(reports_usage, one_organization_is_seen_alone_and_within_its_time)
{
    struct fixture x = mixed();
    check_range(&x, "acme", NULL, NULL, "acme,2026-11-30T23:00Z=2 acme,2026-12-01T00:00Z=8");
    check_range(&x, "zeta", "2026-12", NULL, "zeta,2026-12-01T00:00Z=4");
    check_range(&x, "acme", NULL, "2026-12", "acme,2026-11-30T23:00Z=2");
    check_range(&x, "acme", "2027-01", NULL, "");
    fixture_end(&x);
}

/* Against a sum that looks at every row, over many organizations and hours. */
Test(reports_usage, skipping_by_time_loses_nothing)
{
    struct fixture x = fixture_make();
    enum { ORGS = 7, HOURS = 40 };
    for (int org = 0; org < ORGS; org++) {
        for (int hour = org; hour < HOURS; hour += org + 1) {
            char name[16], when[TIME_TEXT_BYTES + 8];
            snprintf(name, sizeof name, "o%d", org);
            time_format_hour(500000 + hour, when);
            memcpy(when + strlen(when), ":00Z", 5);
            fixture_add(&x, &(struct calls){.organization = name, .when = when});
        }
    }
    for (uint32_t from = 0; from < HOURS; from += 3) {
        for (uint32_t to = from + 1; to <= HOURS + 1; to += 4) {
            struct usage_query q = query_by("org");
            uint64_t want = 0;
            for (uint32_t org = 0; org < ORGS; org++) {
                for (uint32_t hour = org; hour < HOURS; hour += org + 1)
                    want += hour >= from && hour < to;
            }
            q.from_hour = 500000 + from;
            q.to_hour = 500000 + to;
            struct usage_report r = report(&x, &q);
            cr_assert_eq(r.total.calls, want, "hours %u to %u", from, to);
            usage_report_clear(&r);
        }
    }
    fixture_end(&x);
}

Test(reports_usage, every_sum_is_exact)
{
    struct fixture x = fixture_make();
    /* 2^53 + 1 picos twice: a double would lose the last digit. */
    struct usage_row row = {.calls = 3,
                            .failed_calls = 1,
                            .estimated_calls = 2,
                            .unpriced_calls = 1,
                            .tokens = {10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110},
                            .fees = {1, 2, 3, 4},
                            .reasoning_tokens = 5,
                            .latency_us = 1500,
                            .cost_pico = ((money_sum)1 << 53) + 1};
    fixture_add(&x, &(struct calls){.when = "2026-11-24T08:00Z", .row = row});
    fixture_add(&x, &(struct calls){.when = "2026-11-24T09:00Z", .row = row});
    struct usage_query q = query_by("day");
    struct usage_report r = report(&x, &q);
    const struct usage_row *sum = usage_report_row(&r, 0);
    cr_assert_eq(usage_report_rows(&r), 1);
    cr_assert_eq(sum->calls, 6);
    cr_assert_eq(sum->failed_calls, 2);
    cr_assert_eq(sum->estimated_calls, 4);
    cr_assert_eq(sum->unpriced_calls, 2);
    for (size_t i = 0; i < EVENT_CLASSES; i++)
        cr_assert_eq(sum->tokens[i], 20 * (i + 1));
    for (size_t i = 0; i < EVENT_FEES; i++)
        cr_assert_eq(sum->fees[i], 2 * (i + 1));
    cr_assert_eq(sum->reasoning_tokens, 10);
    cr_assert_eq(sum->latency_us, 3000);
    cr_assert(sum->cost_pico == ((money_sum)1 << 54) + 2);
    cr_assert(r.total.cost_pico == sum->cost_pico);
    cr_assert_eq(r.total.calls, 6);
    usage_report_clear(&r);
    fixture_end(&x);
}

Test(reports_usage, it_outlives_the_transaction)
{
    struct fixture x = mixed();
    struct usage_query q = query_by("org");
    struct usage_report r = report(&x, &q);
    fixture_commit(&x);
    check_rows(&r, "acme=10 zeta=5");
    fixture_end(&x);
}

static void
check_unknown(struct fixture *x, const char *organization)
{
    struct usage_query q = query_by("org");
    struct usage_report r;
    struct err err;
    char want[128];
    q.organization = organization;
    snprintf(want, sizeof want, "no usage of organization \"%s\"; ids match exactly", organization);
    cr_assert_eq(usage_report_make(x->txn, &q, &r, &err), ERR_NOT_FOUND, "\"%s\"", organization);
    cr_assert_str_eq(err.text, want);
}

Test(reports_usage, an_organization_without_usage_is_not_found)
{
    struct fixture x = mixed();
    check_unknown(&x, "nobody");
    check_unknown(&x, "Acme");
    check_unknown(&x, "");
    check_unknown(&x, "u9"); /* a text of the dictionary, but no organization */
    fixture_end(&x);
}

Test(reports_usage, no_usage_at_all_is_no_rows)
{
    struct fixture x = fixture_make();
    check(&x, "org", "");
    fixture_end(&x);
}

Test(reports_usage, too_many_groups_name_the_remedy)
{
    struct fixture x = mixed();
    struct usage_query q = query_by("org,hour");
    struct usage_report r;
    struct err err;
    q.groups_max = 3;
    cr_assert_eq(usage_report_make(x.txn, &q, &r, &err), ERR_LIMIT);
    cr_assert_str_eq(err.text, "more than 3 rows --by org,hour; name fewer columns, one --org, or "
                               "a shorter time with --from and --to");
    q.groups_max = 4;
    r = report(&x, &q);
    cr_assert_eq(usage_report_rows(&r), 4);
    usage_report_clear(&r);
    fixture_end(&x);
}

Test(reports_usage, a_number_without_a_text_is_corrupt)
{
    struct fixture x = mixed();
    struct usage_query q = query_by("org,user");
    struct usage_report r;
    struct err err;
    struct usage_key k = {.organization = 1, .period = 1, .user = 4711};
    struct usage_row one = {.calls = 1};
    uint8_t key[USAGE_KEY_BYTES];
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(x.txn, TABLE_HOURLY, key, &one, &err), ERR_OK);
    cr_assert_eq(usage_report_make(x.txn, &q, &r, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "4711"), "%s", err.text);
    fixture_end(&x);
}

Test(reports_usage, a_row_that_cannot_be_read_is_corrupt)
{
    struct fixture x = mixed();
    struct usage_query q = query_by("org");
    struct usage_report r;
    struct err err;
    struct usage_key k = {.organization = 1, .period = 1};
    uint8_t key[USAGE_KEY_BYTES];
    usage_key_encode(&k, key);
    cr_assert_eq(tables_put(x.txn, TABLE_HOURLY, (struct bytes){key, sizeof key},
                            (struct bytes){key, 7}, &err),
                 ERR_OK);
    cr_assert_eq(usage_report_make(x.txn, &q, &r, &err), ERR_CORRUPT);
    fixture_end(&x);
}

Test(reports_usage, a_time_within_an_hour_names_the_hours_around_it)
{
    uint32_t hour = 77;
    struct err err;
    cr_assert_eq(usage_hour_parse("--to", "2026-11-30T23:30Z", &hour, &err), ERR_USAGE);
    cr_assert_str_eq(err.text, "--to: \"2026-11-30T23:30Z\" lies within an hour, but usage is kept "
                               "by full UTC hours; write 2026-11-30T23:00Z or 2026-12-01T00:00Z");
    cr_assert_eq(usage_hour_parse("--to", "2026-11-30T23:00:00.001Z", &hour, &err), ERR_USAGE);
    /* India is half an hour off. */
    cr_assert_eq(usage_hour_parse("--to", "2026-11-30T23:00+05:30", &hour, &err), ERR_USAGE);
    cr_assert_eq(usage_hour_parse("--to", "2026-02-29", &hour, &err), ERR_USAGE);
    cr_assert_eq(usage_hour_parse("--to", "yesterday", &hour, &err), ERR_USAGE);
    cr_assert_eq(usage_hour_parse("--to", "", &hour, &err), ERR_USAGE);
    cr_assert_eq(hour, 77);
    cr_assert_eq(usage_hour_parse("--to", "1970-01-02", &hour, &err), ERR_OK);
    cr_assert_eq(hour, 24);
}
