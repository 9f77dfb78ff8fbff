#include <criterion/criterion.h>
#include <jansson.h>

#include "ingest/replay_azure.h"
#include "replay_file.h"
#include "store/base/time.h"
#include "store/event/event.h"

static const char traces[] = GBILL_TESTS_DIR "/data/azure-llm/AzureLLMInferenceTrace_";
static const int64_t now_ms = 1795510800000; /* 2026-11-24T09:00:00Z */

TestSuite(replay_azure, .fini = replay_file_remove);

struct totals {
    uint64_t calls, input, output, batch, no_project;
    uint64_t of_org[13];
};

/* Read a trace whole; every event must be one that the agent accepts at now_ms. */
static struct totals
read_trace(const char *which, uint64_t seed, char first_id[40])
{
    char file[200];
    struct totals t = {0};
    struct replay_azure_span span = {0};
    struct replay_shift shift = {.known = true};
    const struct replay_options options = {.format = REPLAY_AZURE,
                                           .kind = EVENT_USAGE,
                                           .seed = seed,
                                           .now_utc_ms = now_ms,
                                           .shift = &shift};
    struct replay *r = NULL;
    snprintf(file, sizeof file, "%s%s.csv", traces, which);
    cr_assert_eq(replay_azure_scan(file, &span, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(replay_azure_place(&span, -1, now_ms, &shift.days, &err), ERR_OK);
    cr_assert_eq(replay_open(&r, file, &options, &err), ERR_OK, "%s", err.text);
    for (;;) {
        struct replay_event e;
        struct event event;
        struct event_defect defect;
        cr_assert_eq(replay_next(r, &e, &err), ERR_OK, "%s", err.text);
        if (e.end)
            break;
        cr_assert(event_parse(e.kind, e.record, e.utc_ms, &event, &defect) &&
                      event_time_ok(&event, now_ms, &defect),
                  "line %zu: %s", (size_t)e.line, defect.text);
        cr_assert_eq(event.undeclared, 0u);
        if (t.calls++ == 0)
            snprintf(first_id, 40, "%.*s", STR_ARG(event.id));
        t.input += event.usage.tokens[EVENT_INPUT];
        t.output += event.usage.tokens[EVENT_OUTPUT];
        t.batch += event.usage.tier.size_bytes > 0 ? 1 : 0;
        t.no_project += event.usage.project.size_bytes == 0 ? 1 : 0;
        size_t k =
            (size_t)((event.organization.data[4] - '0') * 10 + event.organization.data[5] - '0');
        cr_assert(k >= 1 && k <= 12);
        t.of_org[k]++;
    }
    replay_close(r);
    return t;
}

Test(replay_azure, totals_of_both_traces_equal_their_column_sums)
{
    char id[40];
    struct totals conv = read_trace("conv", 1, id);
    cr_expect_eq(conv.calls, 19366u);
    cr_expect_eq(conv.input, 22361870u);
    cr_expect_eq(conv.output, 4088665u);
    struct totals code = read_trace("code", 1, id);
    cr_expect_eq(code.calls, 8819u);
    cr_expect_eq(code.input, 18059974u);
    cr_expect_eq(code.output, 245896u);
}

Test(replay_azure, the_same_seed_gives_the_same_ids_and_another_seed_others)
{
    char first[40], again[40], other[40];
    struct totals a = read_trace("code", 1, first), b = read_trace("code", 1, again);
    read_trace("code", 2, other);
    cr_expect_str_eq(first, again);
    cr_expect_str_neq(first, other);
    cr_expect_arr_eq(a.of_org, b.of_org, sizeof a.of_org);
}

Test(replay_azure, organizations_are_of_skewed_sizes_and_some_calls_have_no_project)
{
    char id[40];
    struct totals t = read_trace("conv", 1, id);
    /* 19,366 calls: org-01 has 32.2 % of the weight, org-12 2.7 %; five sigma are 2 %, 0.6 %. */
    cr_expect(t.of_org[1] > 5850 && t.of_org[1] < 6630, "%zu", (size_t)t.of_org[1]);
    cr_expect(t.of_org[12] > 400 && t.of_org[12] < 640, "%zu", (size_t)t.of_org[12]);
    cr_expect(t.no_project > 3570 && t.no_project < 4150, "%zu", (size_t)t.no_project);
    cr_expect(t.batch > 1750 && t.batch < 2180, "%zu", (size_t)t.batch);
}

/* Computed apart from this program from the rule in replay_azure.h. */
Test(replay_azure, a_known_line_gets_the_caller_that_the_rule_says)
{
    struct replay_shift shift = {.start_day = time_day_of(2026, 11, 1)};
    const struct replay_options options = {
        .format = REPLAY_AZURE, .kind = EVENT_USAGE, .seed = 1, .shift = &shift};
    struct replay *r = replay_file_open("TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
                                        "2023-11-16 18:15:46.6805900,374,44\r\n",
                                        &options);
    struct replay_event e = replay_file_next(r);
    char when[TIME_TEXT_BYTES];
    time_format_ms(e.utc_ms, when);
    cr_expect_str_eq(when, "2026-11-01T18:15:46.680Z");
    cr_expect_str_eq(replay_file_field(e.record, "id"), "845a3b6f5d40fb1e390b37c193a09937");
    cr_expect_str_eq(replay_file_field(e.record, "organizationId"), "org-01");
    cr_expect_str_eq(replay_file_field(e.record, "userId"), "org-01-user-07");
    cr_expect_str_eq(replay_file_field(e.record, "projectId"), "org-01-project-4");
    cr_expect_str_eq(replay_file_field(e.record, "type"), "generation");
    cr_expect_str_eq(replay_file_field(e.record, "model"), "claude-sonnet-4-5");
    cr_expect_str_eq(replay_file_field(e.record, "serviceTier"), "batch");
    cr_expect_str_eq(replay_file_field(e.record, "inputTokens"), "374");
    cr_expect_str_eq(replay_file_field(e.record, "outputTokens"), "44");
    replay_file_expect_end(r);
}

Test(replay_azure, bad_rows_are_named_and_stepped_over)
{
    struct replay_shift shift = {.start_day = time_day_of(2026, 11, 1)};
    const struct replay_options options = {
        .format = REPLAY_AZURE, .kind = EVENT_USAGE, .seed = 1, .shift = &shift};
    struct replay *r = replay_file_open("TIMESTAMP,ContextTokens,GeneratedTokens\n"
                                        "yesterday,1,1\n"
                                        "2023-11-16 18:15:46,abc,44\n"
                                        "2023-11-16 18:15:46,1,\n"
                                        "2023-11-16 18:15:46,1\n"
                                        "2023-11-16 18:15:46,1,2\n",
                                        &options);
    replay_file_expect_bad(r, ":2:", "TIMESTAMP is \"yesterday\"");
    replay_file_expect_bad(r, ":3:", "ContextTokens is \"abc\", must be a whole number");
    replay_file_expect_bad(r, ":4:", "GeneratedTokens is empty");
    replay_file_expect_bad(r, ":5:", "has 2 fields");
    replay_file_next(r);
    replay_file_expect_end(r);
}

struct place_case {
    const char *first, *last, *start, *now;
    const char *want; /* the first day; NULL: refused */
};

static int64_t
at(const char *text)
{
    int64_t utc_ms;
    cr_assert(time_parse(str_of(text), &utc_ms), "%s", text);
    return utc_ms;
}

Test(replay_azure, a_trace_is_moved_to_the_first_of_the_month_that_it_fits_in)
{
    static const char first[] = "2023-11-16T18:15:46.680Z", last[] = "2023-11-16T19:14:08.402Z";
    static const struct place_case cases[] = {
        {first, last, NULL, "2026-11-24T09:00:00Z", "2026-11-01"},
        {first, last, NULL, "2026-11-30T23:59:59.999Z", "2026-11-01"},
        {first, last, NULL, "2026-12-01T00:00:00Z", "2026-11-01"},
        {first, last, NULL, "2026-12-01T19:14:08.402Z", "2026-11-01"}, /* not yet past */
        {first, last, NULL, "2026-12-01T19:14:08.403Z", "2026-12-01"},
        {first, last, NULL, "2027-01-01T10:00:00Z", "2026-12-01"},
        {first, last, NULL, "2027-01-31T10:00:00Z", "2027-01-01"},
        {first, last, NULL, "2027-03-01T10:00:00Z", "2027-02-01"},
        {first, last, NULL, "2028-03-01T10:00:00Z", "2028-02-01"},
        {first, last, NULL, "2023-11-24T09:00:00Z", "2023-11-01"},
        /* a week: on the 3rd it goes to the month before, on the 7th that is too long ago */
        {first, "2023-11-22T12:00:00Z", NULL, "2026-11-24T09:00:00Z", "2026-11-01"},
        {first, "2023-11-22T12:00:00Z", NULL, "2026-11-03T09:00:00Z", "2026-10-01"},
        {first, "2023-11-22T12:00:00Z", NULL, "2026-11-07T09:00:00Z", NULL},
        {first, "2023-11-22T12:00:00Z", NULL, "2026-11-07T12:00:00.001Z", "2026-11-01"},
        {first, "2024-01-22T12:00:00Z", NULL, "2026-11-24T09:00:00Z", NULL}, /* too long */
        {first, last, "2026-11-20", "2026-11-24T09:00:00Z", "2026-11-20"},
        {first, last, "2026-11-24", "2026-11-24T09:00:00Z", NULL}, /* the future */
        {first, last, "2026-10-20", "2026-11-24T09:00:00Z", "2026-10-20"},
        {first, last, "2026-10-19", "2026-11-24T09:00:00Z", NULL}, /* 35 days and more */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct place_case *c = &cases[i];
        const struct replay_azure_span span = {true, at(c->first), at(c->last)};
        int64_t days = 0, start = c->start != NULL ? at(c->start) / TIME_DAY_MS : -1;
        enum err_code code = replay_azure_place(&span, start, at(c->now), &days, &err);
        cr_expect_eq(code, c->want != NULL ? ERR_OK : ERR_LIMIT, "case %zu: %s", i, err.text);
        if (code == ERR_OK && c->want != NULL)
            cr_expect_eq(at(c->first) / TIME_DAY_MS + days, at(c->want) / TIME_DAY_MS, "case %zu",
                         i);
    }
}

Test(replay_azure, the_span_of_a_trace_ignores_what_cannot_be_read)
{
    struct replay_azure_span span = {0};
    replay_file_write("TIMESTAMP,ContextTokens,GeneratedTokens\n"
                      "2023-11-17 10:00:00,1,1\n"
                      "rubbish,1,1\n"
                      "\"2023\n"
                      "2023-11-16 23:00:00,abc,1\n");
    cr_assert_eq(replay_azure_scan(replay_file_path, &span, &err), ERR_OK, "%s", err.text);
    cr_expect(span.any);
    cr_expect_eq(span.first_utc_ms, at("2023-11-16T23:00:00Z"));
    cr_expect_eq(span.last_utc_ms, at("2023-11-17T10:00:00Z"));
}

static bool
has_tier(const json_t *model, const char *tier)
{
    size_t i;
    json_t *price;
    json_array_foreach (json_object_get(model, "prices"), i, price) {
        if (strcmp(json_string_value(json_object_get(price, "tier")), tier) == 0)
            return true;
    }
    return false;
}

Test(replay_azure, every_model_stands_in_the_price_book_with_and_without_batch)
{
    json_error_t error;
    json_t *book = json_load_file(GBILL_SCHEMAS_DIR "/prices.json", 0, &error), *model;
    cr_assert_not_null(book, "%s", error.text);
    uint32_t weights = 0;
    for (size_t i = 0; i < REPLAY_AZURE_MODEL_COUNT; i++) {
        const struct replay_azure_model *want = &replay_azure_models[i];
        bool found = false;
        size_t j;
        json_array_foreach (json_object_get(book, "models"), j, model) {
            found = found ||
                    (strcmp(json_string_value(json_object_get(model, "provider")),
                            want->provider) == 0 &&
                     strcmp(json_string_value(json_object_get(model, "model")), want->model) == 0 &&
                     has_tier(model, "standard") && has_tier(model, "batch"));
        }
        cr_expect(found, "%s", want->model);
        weights += want->weight;
    }
    cr_expect_eq(weights, 100u);
    json_decref(book);
}
