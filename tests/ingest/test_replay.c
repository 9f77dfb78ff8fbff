#include <criterion/criterion.h>

#include "ingest/replay.h"
#include "ingest/replay_csv.h"
#include "ingest/replay_lines.h"
#include "ingest/replay_record.h"
#include "replay_file.h"
#include "store/event/event.h"
#include "store/event/event_fields.h"

static const int64_t now_ms = 1795510800000; /* 2026-11-24T09:00:00Z */

TestSuite(replay, .fini = replay_file_remove);
TestSuite(replay_lines, .fini = replay_file_remove);

/* --- CSV --- */

struct csv_case {
    const char *record;
    const char *cells; /* joined by |; NULL: refused */
};

Test(replay_csv, a_record_is_read_as_rfc_4180_says)
{
    static const struct csv_case cases[] = {
        {"a,b,c", "a|b|c"},
        {"", ""},
        {",", "|"},
        {"a,,c", "a||c"},
        {"\"a\",b", "a|b"},
        {"\"a,b\",c", "a,b|c"},
        {"\"a\"\"b\"", "a\"b"},
        {"\"\"\"\"", "\""},
        {"\"\",x", "|x"},
        {"\"a\nb\",c", "a\nb|c"},
        {" a , b ", " a | b "}, /* blanks belong to the field */
        {"\"a", NULL},
        {"\"a\"b", NULL},
        {"\"a\" ,b", NULL},
        {"a\"b", NULL},
        {"a,b\"\"", NULL},
    };
    struct replay_csv csv;
    cr_assert(replay_csv_init(&csv, 1000));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes record = {(const uint8_t *)cases[i].record, strlen(cases[i].record)};
        const char *why = replay_csv_split(&csv, record);
        cr_assert_eq(why == NULL, cases[i].cells != NULL, "%s: %s", cases[i].record,
                     why != NULL ? why : "accepted");
        if (why != NULL)
            continue;
        char joined[100] = "";
        size_t used = 0;
        for (size_t c = 0; c < csv.count; c++)
            used += (size_t)snprintf(joined + used, sizeof joined - used, "%s%.*s",
                                     c > 0 ? "|" : "", STR_ARG(csv.cells[c]));
        cr_expect_str_eq(joined, cases[i].cells, "%s", cases[i].record);
    }
    replay_csv_clear(&csv);
}

Test(replay_csv, the_257th_field_is_refused)
{
    uint8_t commas[256];
    struct replay_csv csv;
    memset(commas, ',', sizeof commas);
    cr_assert(replay_csv_init(&csv, 1000));
    cr_expect_null(replay_csv_split(&csv, (struct bytes){commas, 255}));
    cr_expect_eq(csv.count, 256u);
    cr_expect_not_null(replay_csv_split(&csv, (struct bytes){commas, 256}));
    replay_csv_clear(&csv);
}

/* --- lines --- */

struct lines_case {
    bool is_csv;
    const char *text;
    const char *want; /* "1=a;2=b;3!": number=text, or ! for a defect */
};

static void
read_lines(bool is_csv, char *out, size_t out_bytes)
{
    struct replay_lines lines;
    struct replay_line line;
    size_t used = 0;
    out[0] = '\0';
    cr_assert_eq(replay_lines_open(&lines, replay_file_path, is_csv, &err), ERR_OK, "%s", err.text);
    for (;;) {
        cr_assert_eq(replay_lines_next(&lines, &line, &err), ERR_OK, "%s", err.text);
        if (line.end)
            break;
        int shown = line.text.size_bytes < 40 ? (int)line.text.size_bytes : 40;
        used += (size_t)(line.defect != NULL
                             ? snprintf(out + used, out_bytes - used, "%d!;", (int)line.line)
                             : snprintf(out + used, out_bytes - used, "%d=%.*s;", (int)line.line,
                                        shown, (const char *)line.text.data));
    }
    replay_lines_close(&lines);
}

Test(replay_lines, are_numbered_whatever_ends_them)
{
    static const struct lines_case cases[] = {
        {false, "", ""},
        {false, "a", "1=a;"},
        {false, "a\n", "1=a;"},
        {false, "a\r\nb\r\nc", "1=a;2=b;3=c;"},
        {false, "\n\na\n", "1=;2=;3=a;"},
        {false,
         "\xef\xbb\xbf"
         "a\nb",
         "1=a;2=b;"},
        {false, "\"a\nb\"", "1=\"a;2=b\";"},
        {true, "\"a\nb\",c\nd\n", "1=\"a\nb\",c;3=d;"},
        {true, "\"a\r\n\r\nb\"\r\nd", "1=\"a\r\n\r\nb\";4=d;"},
        {true, "x\"y\nz\n", "1=x\"y;2=z;"}, /* no field begins with that quote */
        {true, "\"a\"\"\nb\"\nc", "1=\"a\"\"\nb\";3=c;"},
        {true, "a\n\"b\nc\nd\n", "1=a;2!;3=c;4=d;"}, /* never closed: only line 2 is lost */
        {true, "\"", "1!;"},
    };
    char got[200];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        replay_file_write(cases[i].text);
        read_lines(cases[i].is_csv, got, sizeof got);
        cr_expect_str_eq(got, cases[i].want, "case %zu", i);
        replay_file_remove();
    }
}

Test(replay_lines, longer_than_1_mib_are_refused_and_the_next_is_read)
{
    size_t max = REPLAY_LINE_BYTES_MAX;
    char got[200];
    char *text = malloc(4 * max);
    cr_assert_not_null(text);
    static const size_t over[] = {0, 1, 200000, 2000000};
    for (size_t i = 0; i < 4; i++) {
        size_t n = max + over[i];
        memset(text, 'x', n);
        memcpy(text + n, "\nnext\n", 6);
        replay_file_write_bytes(text, n + 6);
        read_lines(false, got, sizeof got);
        if (over[i] == 0)
            cr_expect_not_null(strstr(got, "xx;2=next;"));
        else
            cr_expect_str_eq(got, "1!;2=next;", "%zu too many", over[i]);
        replay_file_remove();
    }
    free(text);
}

Test(replay_lines, one_stray_quote_does_not_swallow_a_large_file)
{
    size_t max = 3 * REPLAY_LINE_BYTES_MAX, used = 0;
    char *text = malloc(max + 100);
    cr_assert_not_null(text);
    used += (size_t)snprintf(text, 20, "\"open\n");
    unsigned lines = 1;
    while (used < max) {
        used += (size_t)snprintf(text + used, 100, "a line of a large file\n");
        lines++;
    }
    replay_file_write_bytes(text, used);
    free(text);

    struct replay_lines r;
    struct replay_line line;
    unsigned good = 0, bad = 0;
    cr_assert_eq(replay_lines_open(&r, replay_file_path, true, &err), ERR_OK);
    for (;;) {
        cr_assert_eq(replay_lines_next(&r, &line, &err), ERR_OK);
        if (line.end)
            break;
        good += line.defect == NULL ? 1 : 0;
        bad += line.defect != NULL ? 1 : 0;
    }
    replay_lines_close(&r);
    cr_expect_eq(bad, 1u);
    cr_expect_eq(good, lines - 1);
}

Test(replay_lines, a_directory_and_a_missing_file_are_named)
{
    struct replay_lines lines;
    cr_expect_eq(replay_lines_open(&lines, "/tmp", false, &err), ERR_INPUT);
    cr_expect_not_null(strstr(err.text, "/tmp is a directory"), "%s", err.text);
    replay_lines_close(&lines);
    cr_expect_eq(replay_lines_open(&lines, "/nowhere/x", false, &err), ERR_NOT_FOUND);
    cr_expect_not_null(strstr(err.text, "/nowhere/x"), "%s", err.text);
    replay_lines_close(&lines);
}

/* --- fields --- */

Test(replay_record, knows_every_field_of_the_contract_and_no_other)
{
    for (int f = 0; f < FIELD_COUNT; f++) {
        const char *name = event_field_name((enum event_field)f);
        cr_expect_not_null(replay_record_knows(str_of(name)), "%s", name);
    }
    cr_expect_null(replay_record_knows(str_of("inputtokens")));
    cr_expect_null(replay_record_knows(str_of("")));
}

/* Cells that the contract accepts for each form, so that forms here and there agree. */
static const char *
cell_for(uint8_t type)
{
    switch (type & ~FIELD_REQUIRED) {
    case FIELD_WHOLE:
    case FIELD_OUTCOME:
        return "200";
    case FIELD_SIGNED:
        return "-150";
    case FIELD_TIME:
        return "2026-11-01T00:00:00Z";
    case FIELD_DURATION:
        return "12.5";
    case FIELD_BOOL:
        return "true";
    case FIELD_CURRENCY_TEXT:
        return "USD";
    case FIELD_OBJECT:
        return "{\"prompt_tokens\":5,\"completion_tokens\":7}";
    case FIELD_SCALAR_MAP:
    case FIELD_SETTING:
        return "{\"warning\":80}";
    default:
        return "a word";
    }
}

Test(replay_record, cells_take_the_form_that_the_contract_wants)
{
    struct replay_record record;
    struct replay_defect defect;
    struct event event;
    struct event_defect event_defect;
    struct bytes map;
    cr_assert(replay_record_init(&record));
    for (int kind = EVENT_USAGE; kind < EVENT_KINDS; kind++) {
        const uint8_t *types = event_fields_of((enum event_kind)kind);
        replay_record_begin(&record);
        for (int f = 0; f < FIELD_COUNT; f++) {
            const char *name = event_field_name((enum event_field)f);
            const char *cell = cell_for(types[f]);
            /* Counts exclude the provider's object; words of which only some will do. */
            if (types[f] == FIELD_UNDECLARED || f == FIELD_USAGE || f == FIELD_CACHED ||
                f == FIELD_CACHE_WRITE || f == FIELD_CACHE_WRITE_1H || f == FIELD_AUDIO_CACHED ||
                f == FIELD_AUDIO_OUTPUT || f == FIELD_IMAGE_INPUT || f == FIELD_IMAGE_CACHED ||
                f == FIELD_IMAGE_OUTPUT)
                continue;
            if (f == FIELD_ACTION)
                cell = kind == EVENT_RESOURCE ? "created" : "started";
            if (f == FIELD_RESOURCE)
                cell = "project";
            if (f == FIELD_TAX_PERCENT)
                cell = "7.25";
            if (f == FIELD_WHEN)
                cell = "now";
            if (f == FIELD_STATUS && (types[f] & ~FIELD_REQUIRED) == FIELD_TEXT)
                cell = kind == EVENT_ACT ? "done" : "applied";
            cr_assert(replay_record_cell(&record, str_of(name), name, str_of(cell), &defect), "%s",
                      defect.text);
        }
        cr_assert(replay_record_end(&record, &map));
        cr_expect(event_parse((enum event_kind)kind, map, now_ms, &event, &event_defect), "%s: %s",
                  event_kind_name((enum event_kind)kind), event_defect.text);
    }
    replay_record_clear(&record);
}

struct cell_case {
    const char *name, *cell;
    const char *says; /* NULL: accepted */
};

Test(replay_record, a_cell_of_the_wrong_form_is_named_with_its_value)
{
    static const struct cell_case cases[] = {
        {"inputTokens", "0", NULL},
        {"inputTokens", "1000000000000", NULL},
        {"inputTokens", "1000000000001", "whole number"},
        {"inputTokens", "18446744073709551616", "whole number"},
        {"inputTokens", "-1", "whole number"},
        {"inputTokens", "+1", "whole number"},
        {"inputTokens", "1.0", "whole number"},
        {"inputTokens", " 1", "whole number"},
        {"inputTokens", "abc", "tokens_in is \"abc\", must be a whole number"},
        {"inputTokens", "", NULL}, /* not told */
        {"amount", "-5", NULL},
        {"amount", "--5", "minor units"},
        {"amount", "5.00", "minor units"},
        {"createdAt", "1795510800000", NULL},
        {"createdAt", "2026-11-24 09:00:00", NULL},
        {"createdAt", "24.11.2026", "must be a time"},
        {"createdAt", "2026-02-30", "must be a time"},
        {"latencyMs", "12.5", NULL},
        {"latencyMs", "12.", "milliseconds"},
        {"latencyMs", ".5", "milliseconds"},
        {"latencyMs", "1e3", "milliseconds"},
        {"latencyMs", "nan", "milliseconds"},
        {"estimated", "false", NULL},
        {"estimated", "yes", "true or false"},
        {"metadata", "{\"a\":1}", NULL},
        {"metadata", "{\"a\":1", "JSON"},
        {"metadata", "{\"a\":1,\"a\":2}", "JSON"},
        {"metadata", "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", "nested deeper"},
        {"userId", "anything at all, \"quoted\"", NULL},
    };
    struct replay_record record;
    struct replay_defect defect;
    cr_assert(replay_record_init(&record));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        replay_record_begin(&record);
        bool ok = replay_record_cell(&record, str_of("tokens_in"), cases[i].name,
                                     str_of(cases[i].cell), &defect);
        cr_expect_eq(ok, cases[i].says == NULL, "%s \"%s\"", cases[i].name, cases[i].cell);
        if (!ok)
            cr_expect_not_null(strstr(defect.text, cases[i].says), "%s", defect.text);
    }
    replay_record_clear(&record);
}

Test(replay_record, more_pairs_than_a_short_head_counts_are_still_one_map)
{
    struct replay_record record;
    struct bytes map;
    cr_assert(replay_record_init(&record));
    for (unsigned pairs = 0; pairs < 40; pairs++) {
        char name[8];
        replay_record_begin(&record);
        for (unsigned i = 0; i < pairs; i++) {
            snprintf(name, sizeof name, "k%u", i);
            replay_record_whole(&record, name, i);
        }
        cr_assert(replay_record_end(&record, &map));
        struct mp m = mp_of(map), all = m;
        struct mp_value head;
        cr_assert(mp_read(&m, &head) && head.type == MP_MAP && head.count == pairs);
        cr_assert(mp_skip(&all) && all.p == all.end, "%u pairs", pairs);
    }
    replay_record_clear(&record);
}

Test(replay_record, what_an_event_cannot_hold_is_refused)
{
    static char long_text[EVENT_RECORD_BYTES_MAX];
    struct replay_record record;
    struct bytes map;
    memset(long_text, 'x', sizeof long_text);
    cr_assert(replay_record_init(&record));
    replay_record_begin(&record);
    replay_record_text(&record, "id", (struct str){long_text, sizeof long_text});
    cr_expect_not(replay_record_end(&record, &map));
    replay_record_begin(&record);
    replay_record_text(&record, "id", str_of("x"));
    cr_expect(replay_record_end(&record, &map), "the next record starts anew");
    replay_record_clear(&record);
}

/* --- whole files --- */

static const struct replay_options jsonl = {
    .format = REPLAY_JSONL, .kind = EVENT_USAGE, .seed = 1, .now_utc_ms = now_ms};
static const struct replay_options csv = {
    .format = REPLAY_CSV, .kind = EVENT_USAGE, .seed = 1, .now_utc_ms = now_ms};

/* Expected ids: sha256sum of "1:1:{...}", computed apart from this program. */
Test(replay, an_id_is_made_of_seed_line_number_and_line)
{
    static const char text[] = "{\"organizationId\":\"acme\"}\r\n{\"organizationId\":\"acme\"}\n";
    char second[40];
    struct replay *r = replay_file_open(text, &jsonl);
    struct replay_event e = replay_file_next(r);
    cr_expect_str_eq(replay_file_field(e.record, "id"), "b0e6134124407cd207a9decbbf609f74");
    e = replay_file_next(r);
    snprintf(second, sizeof second, "%s", replay_file_field(e.record, "id"));
    cr_expect_str_neq(second, "b0e6134124407cd207a9decbbf609f74",
                      "the same words on another line are another event");
    replay_file_expect_end(r);
    replay_file_remove();

    struct replay_options seed_7 = jsonl;
    seed_7.seed = 7;
    r = replay_file_open(text, &seed_7);
    e = replay_file_next(r);
    cr_expect_str_eq(replay_file_field(e.record, "id"), "69b349e90cda24902f8d99cb9f7df0ad");
    replay_close(r);
}

Test(replay, json_lines_keep_their_own_id_kind_and_values)
{
    struct replay *r = replay_file_open(
        "{\"id\":\"mine\",\"kind\":\"void\",\"voids\":\"x\",\"at\":5}\n"
        "\n"
        "  \t\r\n"
        "{\"id\":null,\"createdAt\":1795510800000,\"inputTokens\":9007199254740993,"
        "\"usage\":{\"a\":{\"b\":[1,-2,2.5,true,null]}},\"projectId\":null}\n",
        &jsonl);
    struct replay_event e = replay_file_next(r);
    cr_expect_eq(e.kind, EVENT_VOID);
    cr_expect_str_eq(replay_file_field(e.record, "id"), "mine");
    cr_expect_str_eq(replay_file_field(e.record, "kind"), "", "kind belongs to the tag");
    cr_expect_eq(e.utc_ms, now_ms);
    e = replay_file_next(r);
    cr_expect_eq(e.kind, EVENT_USAGE);
    cr_expect_eq(e.line, 4u);
    cr_expect_eq(strlen(replay_file_field(e.record, "id")), 32u);
    cr_expect_str_eq(replay_file_field(e.record, "inputTokens"), "9007199254740993",
                     "integers do not pass a double");
    cr_expect_str_eq(replay_file_field(e.record, "usage"), "<type 9, 1>");
    cr_expect_str_eq(replay_file_field(e.record, "projectId"), "");
    replay_file_expect_end(r);
}

Test(replay, malformed_json_lines_are_named_and_stepped_over)
{
    struct replay *r = replay_file_open("{\"id\":\"a\"}\n"
                                        "{\"id\":\n"
                                        "[1]\n"
                                        "{\"id\":\"b\",\"id\":\"c\"}\n"
                                        "{\"kind\":\"usages\"}\n"
                                        "{\"kind\":5}\n"
                                        "{\"id\":\"d\"} trailing\n"
                                        "{\"n\":99999999999999999999}\n"
                                        "{\"m\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}\n"
                                        "{\"id\":\"last\"}",
                                        &jsonl);
    replay_file_next(r);
    replay_file_expect_bad(r, ":2:", "not JSON");
    replay_file_expect_bad(r, ":3:", "not a JSON object");
    replay_file_expect_bad(r, ":4:", "duplicate");
    replay_file_expect_bad(r, ":5:", "kind is \"usages\"");
    replay_file_expect_bad(r, ":6:", "kind");
    replay_file_expect_bad(r, ":7:", "not JSON");
    replay_file_expect_bad(r, ":8:", "too big");
    replay_file_expect_bad(r, ":9:", "nested");
    cr_expect_str_eq(replay_file_field(replay_file_next(r).record, "id"), "last");
    replay_file_expect_end(r);
}

Test(replay, csv_columns_are_taken_by_name_and_by_map)
{
    struct replay_options options = csv;
    options.map = "userId=customer,inputTokens=tokens in";
    struct replay *r = replay_file_open("customer,organizationId,tokens in,kind,colour\r\n"
                                        "u-1,\"a, b\",5,,red\r\n"
                                        "u-2,acme,,void,\r\n",
                                        &options);
    cr_expect_str_eq(replay_unused_columns(r), "colour");
    struct replay_event e = replay_file_next(r);
    cr_expect_str_eq(replay_file_field(e.record, "userId"), "u-1");
    cr_expect_str_eq(replay_file_field(e.record, "organizationId"), "a, b");
    cr_expect_str_eq(replay_file_field(e.record, "inputTokens"), "5");
    cr_expect_eq(strlen(replay_file_field(e.record, "id")), 32u);
    cr_expect_eq(e.kind, EVENT_USAGE);
    e = replay_file_next(r);
    cr_expect_eq(e.kind, EVENT_VOID);
    cr_expect_str_eq(replay_file_field(e.record, "inputTokens"), "");
    replay_file_expect_end(r);
}

Test(replay, a_quoted_line_end_moves_the_numbers_of_the_lines_behind_it)
{
    struct replay *r = replay_file_open("userId,model\n\"a\nb\",m\nc,m\n", &csv);
    cr_expect_eq(replay_file_next(r).line, 2u);
    cr_expect_eq(replay_file_next(r).line, 4u);
    replay_file_expect_end(r);
}

Test(replay, malformed_csv_lines_are_named_and_stepped_over)
{
    struct replay *r = replay_file_open("inputTokens,model\n"
                                        "abc,m\n"
                                        "1\n"
                                        "1,2,3\n"
                                        "\"1\"x,m\n"
                                        "5,\"m\n" /* opens a quote that the next line ends badly */
                                        "6,\"n\"\n"
                                        "7,m\n",
                                        &csv);
    replay_file_expect_bad(r, ":2:", "inputTokens is \"abc\", must be a whole number");
    replay_file_expect_bad(r, ":3:", "has 1 fields, the header has 2");
    replay_file_expect_bad(r, ":4:", "has 3 fields");
    replay_file_expect_bad(r, ":5:", "closing quote");
    replay_file_expect_bad(r, ":6:", "closing quote");
    cr_expect_str_eq(replay_file_field(replay_file_next(r).record, "inputTokens"), "6",
                     "one stray quote, one lost line");
    cr_expect_str_eq(replay_file_field(replay_file_next(r).record, "inputTokens"), "7");
    replay_file_expect_end(r);
}

struct open_case {
    enum replay_format format;
    const char *text, *map;
    enum err_code code;
    const char *says;
};

Test(replay, a_header_or_map_that_cannot_work_is_refused_at_once)
{
    static const struct open_case cases[] = {
        {REPLAY_CSV, "", NULL, ERR_INPUT, "header row"},
        {REPLAY_CSV, "a,b\n", NULL, ERR_INPUT, "--map"},
        {REPLAY_CSV, "\"a\n", NULL, ERR_INPUT, "quote"},
        {REPLAY_CSV, "a,b\n", "userId=c", ERR_USAGE, "no column \"c\""},
        {REPLAY_CSV, "a,b\n", "user=a", ERR_USAGE, "\"user\" is no field"},
        {REPLAY_CSV, "a,b\n", "userId", ERR_USAGE, "FIELD=COLUMN"},
        {REPLAY_CSV, "a,b\n", "userId=a,userId=b", ERR_USAGE, "twice"},
        {REPLAY_CSV, "a,b\n", "userId=a,model=a", ERR_USAGE, "twice"},
        {REPLAY_CSV, "TIMESTAMP,ContextTokens,GeneratedTokens\n", NULL, ERR_INPUT, "azure-llm"},
        {REPLAY_AZURE, "TIMESTAMP,ContextTokens\n", NULL, ERR_INPUT, "GeneratedTokens"},
    };
    struct replay_shift shift = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct replay *r = NULL;
        const struct replay_options options = {
            .format = cases[i].format, .kind = EVENT_USAGE, .map = cases[i].map, .shift = &shift};
        replay_file_write(cases[i].text);
        cr_expect_eq(replay_open(&r, replay_file_path, &options, &err), cases[i].code, "case %zu",
                     i);
        cr_expect_not_null(strstr(err.text, cases[i].says), "case %zu: %s", i, err.text);
        cr_expect_null(r);
        replay_file_remove();
    }
}

Test(replay, a_file_of_a_header_alone_has_no_events)
{
    struct replay *r = replay_file_open("userId,model\n", &csv);
    replay_file_expect_end(r);
}

Test(replay, formats_are_found_by_name_and_by_the_end_of_a_path)
{
    enum replay_format f;
    cr_expect(replay_format_of_path("a/b.jsonl", &f) && f == REPLAY_JSONL);
    cr_expect(replay_format_of_path("b.ndjson", &f) && f == REPLAY_JSONL);
    cr_expect(replay_format_of_path("b.csv", &f) && f == REPLAY_CSV);
    cr_expect_not(replay_format_of_path(".csv", &f));
    cr_expect_not(replay_format_of_path("b.txt", &f));
    cr_expect_not(replay_format_of_path("-", &f));
    cr_expect(replay_format_find(str_of("azure-llm"), &f) && f == REPLAY_AZURE);
    cr_expect_not(replay_format_find(str_of("azure"), &f));
}
