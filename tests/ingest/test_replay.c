#include <criterion/criterion.h>
#include <jansson.h>
#include <unistd.h>

#include "ingest/replay.h"
#include "ingest/replay_azure.h"
#include "ingest/replay_csv.h"
#include "ingest/replay_lines.h"
#include "ingest/replay_record.h"
#include "store/base/time.h"
#include "store/event/event.h"
#include "store/event/event_fields.h"

static const char traces[] = GBILL_TESTS_DIR "/data/azure-llm/AzureLLMInferenceTrace_";
static const int64_t now_ms = 1795510800000; /* 2026-11-24T09:00:00Z */

static char path[64];
static struct err err;

static void
write_file_bytes(const char *text, size_t size_bytes)
{
    snprintf(path, sizeof path, "/tmp/gbill-replay-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, size_bytes), (ssize_t)size_bytes);
    close(fd);
}

static void
write_file(const char *text)
{
    write_file_bytes(text, strlen(text));
}

static void
remove_file(void)
{
    if (path[0] != '\0')
        unlink(path);
}

TestSuite(replay, .fini = remove_file);
TestSuite(replay_lines, .fini = remove_file);
TestSuite(replay_azure, .fini = remove_file);

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
    cr_assert_eq(replay_lines_open(&lines, path, is_csv, &err), ERR_OK, "%s", err.text);
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
        write_file(cases[i].text);
        read_lines(cases[i].is_csv, got, sizeof got);
        cr_expect_str_eq(got, cases[i].want, "case %zu", i);
        remove_file();
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
        write_file_bytes(text, n + 6);
        read_lines(false, got, sizeof got);
        if (over[i] == 0)
            cr_expect_not_null(strstr(got, "xx;2=next;"));
        else
            cr_expect_str_eq(got, "1!;2=next;", "%zu too many", over[i]);
        remove_file();
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
    write_file_bytes(text, used);
    free(text);

    struct replay_lines r;
    struct replay_line line;
    unsigned good = 0, bad = 0;
    cr_assert_eq(replay_lines_open(&r, path, true, &err), ERR_OK);
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
                f == FIELD_CACHE_WRITE || f == FIELD_CACHE_WRITE_1H)
                continue;
            if (f == FIELD_ACTION)
                cell = kind == EVENT_RESOURCE ? "created" : "started";
            if (f == FIELD_RESOURCE)
                cell = "project";
            if (f == FIELD_STATUS && (types[f] & ~FIELD_REQUIRED) == FIELD_TEXT)
                cell = "applied";
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

static struct replay *
open_text(const char *text, const struct replay_options *options)
{
    struct replay *r = NULL;
    write_file(text);
    cr_assert_eq(replay_open(&r, path, options, &err), ERR_OK, "%s", err.text);
    return r;
}

static const struct replay_options jsonl = {
    .format = REPLAY_JSONL, .kind = EVENT_USAGE, .seed = 1, .now_utc_ms = now_ms};
static const struct replay_options csv = {
    .format = REPLAY_CSV, .kind = EVENT_USAGE, .seed = 1, .now_utc_ms = now_ms};

/* The record's value under a key, as text for comparing; "" if absent. */
static const char *
field(struct bytes record, const char *name)
{
    static char text[100];
    struct mp m = mp_of(record);
    struct mp_value head, key, v;
    text[0] = '\0';
    cr_assert(mp_read(&m, &head) && head.type == MP_MAP);
    for (uint32_t i = 0; i < head.count; i++) {
        cr_assert(mp_read(&m, &key) && key.type == MP_STR);
        struct mp peek = m;
        cr_assert(mp_read(&peek, &v) && mp_skip(&m));
        if (!str_is(mp_str(&key), name))
            continue;
        if (v.type == MP_STR)
            snprintf(text, sizeof text, "%.*s", STR_ARG(mp_str(&v)));
        else if (v.type == MP_UINT)
            snprintf(text, sizeof text, "%llu", (unsigned long long)v.u);
        else
            snprintf(text, sizeof text, "<type %d, %u>", v.type, v.count);
    }
    return text;
}

static struct replay_event
next(struct replay *r)
{
    struct replay_event e;
    cr_assert_eq(replay_next(r, &e, &err), ERR_OK, "%s", err.text);
    cr_assert_not(e.end);
    return e;
}

static void
expect_bad(struct replay *r, const char *line, const char *says)
{
    struct replay_event e;
    cr_assert_eq(replay_next(r, &e, &err), ERR_INPUT);
    cr_expect_not_null(strstr(err.text, line), "%s", err.text);
    cr_expect_not_null(strstr(err.text, says), "%s", err.text);
}

static void
expect_end(struct replay *r)
{
    struct replay_event e;
    cr_assert_eq(replay_next(r, &e, &err), ERR_OK, "%s", err.text);
    cr_expect(e.end);
    replay_close(r);
}

/* Expected ids: sha256sum of "1:1:{...}", computed apart from this program. */
Test(replay, an_id_is_made_of_seed_line_number_and_line)
{
    static const char text[] = "{\"organizationId\":\"acme\"}\r\n{\"organizationId\":\"acme\"}\n";
    char second[40];
    struct replay *r = open_text(text, &jsonl);
    struct replay_event e = next(r);
    cr_expect_str_eq(field(e.record, "id"), "b0e6134124407cd207a9decbbf609f74");
    e = next(r);
    snprintf(second, sizeof second, "%s", field(e.record, "id"));
    cr_expect_str_neq(second, "b0e6134124407cd207a9decbbf609f74",
                      "the same words on another line are another event");
    expect_end(r);
    remove_file();

    struct replay_options seed_7 = jsonl;
    seed_7.seed = 7;
    r = open_text(text, &seed_7);
    e = next(r);
    cr_expect_str_eq(field(e.record, "id"), "69b349e90cda24902f8d99cb9f7df0ad");
    replay_close(r);
}

Test(replay, json_lines_keep_their_own_id_kind_and_values)
{
    struct replay *r =
        open_text("{\"id\":\"mine\",\"kind\":\"void\",\"voids\":\"x\",\"at\":5}\n"
                  "\n"
                  "  \t\r\n"
                  "{\"id\":null,\"createdAt\":1795510800000,\"inputTokens\":9007199254740993,"
                  "\"usage\":{\"a\":{\"b\":[1,-2,2.5,true,null]}},\"projectId\":null}\n",
                  &jsonl);
    struct replay_event e = next(r);
    cr_expect_eq(e.kind, EVENT_VOID);
    cr_expect_str_eq(field(e.record, "id"), "mine");
    cr_expect_str_eq(field(e.record, "kind"), "", "kind belongs to the tag");
    cr_expect_eq(e.utc_ms, now_ms);
    e = next(r);
    cr_expect_eq(e.kind, EVENT_USAGE);
    cr_expect_eq(e.line, 4u);
    cr_expect_eq(strlen(field(e.record, "id")), 32u);
    cr_expect_str_eq(field(e.record, "inputTokens"), "9007199254740993",
                     "integers do not pass a double");
    cr_expect_str_eq(field(e.record, "usage"), "<type 9, 1>");
    cr_expect_str_eq(field(e.record, "projectId"), "");
    expect_end(r);
}

Test(replay, malformed_json_lines_are_named_and_stepped_over)
{
    struct replay *r = open_text("{\"id\":\"a\"}\n"
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
    next(r);
    expect_bad(r, ":2:", "not JSON");
    expect_bad(r, ":3:", "not a JSON object");
    expect_bad(r, ":4:", "duplicate");
    expect_bad(r, ":5:", "kind is \"usages\"");
    expect_bad(r, ":6:", "kind");
    expect_bad(r, ":7:", "not JSON");
    expect_bad(r, ":8:", "too big");
    expect_bad(r, ":9:", "nested");
    cr_expect_str_eq(field(next(r).record, "id"), "last");
    expect_end(r);
}

Test(replay, csv_columns_are_taken_by_name_and_by_map)
{
    struct replay_options options = csv;
    options.map = "userId=customer,inputTokens=tokens in";
    struct replay *r = open_text("customer,organizationId,tokens in,kind,colour\r\n"
                                 "u-1,\"a, b\",5,,red\r\n"
                                 "u-2,acme,,void,\r\n",
                                 &options);
    cr_expect_str_eq(replay_unused_columns(r), "colour");
    struct replay_event e = next(r);
    cr_expect_str_eq(field(e.record, "userId"), "u-1");
    cr_expect_str_eq(field(e.record, "organizationId"), "a, b");
    cr_expect_str_eq(field(e.record, "inputTokens"), "5");
    cr_expect_eq(strlen(field(e.record, "id")), 32u);
    cr_expect_eq(e.kind, EVENT_USAGE);
    e = next(r);
    cr_expect_eq(e.kind, EVENT_VOID);
    cr_expect_str_eq(field(e.record, "inputTokens"), "");
    expect_end(r);
}

Test(replay, a_quoted_line_end_moves_the_numbers_of_the_lines_behind_it)
{
    struct replay *r = open_text("userId,model\n\"a\nb\",m\nc,m\n", &csv);
    cr_expect_eq(next(r).line, 2u);
    cr_expect_eq(next(r).line, 4u);
    expect_end(r);
}

Test(replay, malformed_csv_lines_are_named_and_stepped_over)
{
    struct replay *r = open_text("inputTokens,model\n"
                                 "abc,m\n"
                                 "1\n"
                                 "1,2,3\n"
                                 "\"1\"x,m\n"
                                 "5,\"m\n" /* opens a quote that the next line ends badly */
                                 "6,\"n\"\n"
                                 "7,m\n",
                                 &csv);
    expect_bad(r, ":2:", "inputTokens is \"abc\", must be a whole number");
    expect_bad(r, ":3:", "has 1 fields, the header has 2");
    expect_bad(r, ":4:", "has 3 fields");
    expect_bad(r, ":5:", "closing quote");
    expect_bad(r, ":6:", "closing quote");
    cr_expect_str_eq(field(next(r).record, "inputTokens"), "6", "one stray quote, one lost line");
    cr_expect_str_eq(field(next(r).record, "inputTokens"), "7");
    expect_end(r);
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
        write_file(cases[i].text);
        cr_expect_eq(replay_open(&r, path, &options, &err), cases[i].code, "case %zu", i);
        cr_expect_not_null(strstr(err.text, cases[i].says), "case %zu: %s", i, err.text);
        cr_expect_null(r);
        remove_file();
    }
}

Test(replay, a_file_of_a_header_alone_has_no_events)
{
    struct replay *r = open_text("userId,model\n", &csv);
    expect_end(r);
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

/* --- the Azure traces --- */

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
    struct replay *r = open_text("TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
                                 "2023-11-16 18:15:46.6805900,374,44\r\n",
                                 &options);
    struct replay_event e = next(r);
    char when[TIME_TEXT_BYTES];
    time_format_ms(e.utc_ms, when);
    cr_expect_str_eq(when, "2026-11-01T18:15:46.680Z");
    cr_expect_str_eq(field(e.record, "id"), "845a3b6f5d40fb1e390b37c193a09937");
    cr_expect_str_eq(field(e.record, "organizationId"), "org-01");
    cr_expect_str_eq(field(e.record, "userId"), "org-01-user-07");
    cr_expect_str_eq(field(e.record, "projectId"), "org-01-project-4");
    cr_expect_str_eq(field(e.record, "type"), "generation");
    cr_expect_str_eq(field(e.record, "model"), "claude-sonnet-4-5");
    cr_expect_str_eq(field(e.record, "serviceTier"), "batch");
    cr_expect_str_eq(field(e.record, "inputTokens"), "374");
    cr_expect_str_eq(field(e.record, "outputTokens"), "44");
    expect_end(r);
}

Test(replay_azure, bad_rows_are_named_and_stepped_over)
{
    struct replay_shift shift = {.start_day = time_day_of(2026, 11, 1)};
    const struct replay_options options = {
        .format = REPLAY_AZURE, .kind = EVENT_USAGE, .seed = 1, .shift = &shift};
    struct replay *r = open_text("TIMESTAMP,ContextTokens,GeneratedTokens\n"
                                 "yesterday,1,1\n"
                                 "2023-11-16 18:15:46,abc,44\n"
                                 "2023-11-16 18:15:46,1,\n"
                                 "2023-11-16 18:15:46,1\n"
                                 "2023-11-16 18:15:46,1,2\n",
                                 &options);
    expect_bad(r, ":2:", "TIMESTAMP is \"yesterday\"");
    expect_bad(r, ":3:", "ContextTokens is \"abc\", must be a whole number");
    expect_bad(r, ":4:", "GeneratedTokens is empty");
    expect_bad(r, ":5:", "has 2 fields");
    next(r);
    expect_end(r);
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
    write_file("TIMESTAMP,ContextTokens,GeneratedTokens\n"
               "2023-11-17 10:00:00,1,1\n"
               "rubbish,1,1\n"
               "\"2023\n"
               "2023-11-16 23:00:00,abc,1\n");
    cr_assert_eq(replay_azure_scan(path, &span, &err), ERR_OK, "%s", err.text);
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
