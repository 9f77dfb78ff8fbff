#include <criterion/criterion.h>
#include <string.h>

#include "rollup/price/cost.h"
#include "rollup/price/ratio.h"
#include "tests/support/temp_dir.h"

static struct temp_dir dir;

static void
set_up(void)
{
    dir = temp_dir_make();
}

static void
tear_down(void)
{
    temp_dir_remove(&dir);
}

TestSuite(rollup_ratio, .init = set_up, .fini = tear_down);

static void
write_file(const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/" RATIO_FILE_NAME, dir.path);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

#define ROW(model, side, recorded, bytes, tokens)                                            \
    "{\"provider\": \"anthropic\", \"model\": \"" model "\", \"side\": \"" side              \
    "\", \"recorded\": \"" recorded "\", \"from\": \"2026-10-01\", \"to\": \"2026-10-29\", " \
    "\"calls\": 100, \"bytes\": " bytes ", \"tokens\": " tokens ", \"errorPerMille\": 150}"
#define BOOK(rows) "{\"format\": \"gbill-ratios/1\", \"ratios\": [" rows "]}"

static struct ratio_book *
load(const char *text)
{
    struct ratio_book *book = NULL;
    struct err err;
    write_file(text);
    cr_assert_eq(ratio_book_load(dir.path, &book, &err), ERR_OK, "%s", err.text);
    return book;
}

static const struct ratio *
find(const struct ratio_book *book, const char *model, enum event_side side, const char *when)
{
    int64_t ms = RATIO_NEWEST;
    if (when != NULL)
        cr_assert(time_parse(str_of(when), &ms));
    return ratio_find(book, str_of("anthropic"), str_of(model), side, ms);
}

Test(rollup_ratio, the_newest_known_row_holds_and_before_any_the_first)
{
    struct ratio_book *book = load(BOOK(ROW("b", "input", "2026-11-10", "400", "100") "," ROW(
        "b", "input", "2026-11-20T12:00:00.001Z", "300",
        "100") "," ROW("b", "output", "2026-11-15", "500",
                       "100") "," ROW("a", "input", "2026-11-01", "200",
                                      "100") "," ROW("b", "input", "2026-11-05", "600", "100")));
    static const struct {
        const char *when;
        int64_t bytes;
    } cases[] = {
        {"2026-01-01", 600},
        {"2026-11-05", 600},
        {"2026-11-09T23:59:59.999Z", 600},
        {"2026-11-10", 400},
        {"2026-11-20T12:00:00.000Z", 400},
        {"2026-11-20T12:00:00.001Z", 300},
        {"2030-01-01", 300},
        {NULL, 300},
    };
    cr_assert_eq(book->count, 5);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(find(book, "b", EVENT_SENT, cases[i].when)->bytes, cases[i].bytes, "%zu", i);
    cr_expect_eq(find(book, "b", EVENT_RECEIVED, "2026-01-01")->bytes, 500);
    cr_expect_eq(find(book, "a", EVENT_SENT, "2026-12-01")->bytes, 200);
    cr_expect_null(find(book, "a", EVENT_RECEIVED, NULL));
    cr_expect_null(find(book, "ab", EVENT_SENT, NULL));
    cr_expect_null(find(book, "c", EVENT_SENT, NULL));
    cr_expect_null(find(book, "", EVENT_SENT, NULL));
    cr_expect_null(ratio_find(book, str_of("openai"), str_of("b"), EVENT_SENT, RATIO_NEWEST));
    ratio_book_free(book);
}

Test(rollup_ratio, an_estimate_is_to_the_nearest_token_and_of_a_text_never_none)
{
    static const struct {
        int64_t row_bytes, row_tokens;
        uint64_t bytes, tokens;
    } cases[] = {
        {400, 100, 400, 100},
        {400, 100, 401, 100},
        {400, 100, 402, 101},
        {400, 100, 403, 101},
        {3, 2, 1, 1},
        {400, 100, 1, 1},
        {400, 100, 0, 0},
        {7, 3, 1000000, 428571},
        {1000000000000000000, 999999999999999999, 1000000000000, 1000000000000},
        {1, 1, 1000000000000, 1000000000000},
    };
    uint64_t tokens = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct ratio r = {.bytes = cases[i].row_bytes, .tokens = cases[i].row_tokens};
        cr_assert(ratio_tokens(&r, cases[i].bytes, &tokens), "%zu", i);
        cr_expect_eq(tokens, cases[i].tokens, "%zu: %llu", i, (unsigned long long)tokens);
    }
    const struct ratio much = {.bytes = 1, .tokens = RATIO_SUM_MAX};
    cr_expect_not(ratio_tokens(&much, 1000000000000, &tokens));
}

static struct event_usage
call(const char *model, unsigned uncounted)
{
    return (struct event_usage){.provider = str_of("anthropic"),
                                .model = str_of(model),
                                .bytes = {4000, 1000},
                                .tokens = {[EVENT_CACHE_READ] = 7, [EVENT_OUTPUT] = 9},
                                .reasoning_tokens = 2,
                                .uncounted = (uint8_t)uncounted};
}

Test(rollup_ratio, a_call_gets_the_tokens_of_its_uncounted_sides_or_none_at_all)
{
    struct ratio_book *book = load(BOOK(ROW("a", "input", "2026-11-10", "400", "100") "," ROW(
        "b", "input", "2026-11-10", "400", "100") "," ROW("b", "output", "2026-11-10", "500",
                                                          "100")));
    struct event_usage u = call("b", 0);
    ratio_estimate(book, 0, &u);
    cr_expect_eq(u.tokens[EVENT_INPUT], 0, "who has counts is left alone");
    cr_expect_eq(u.tokens[EVENT_OUTPUT], 9);
    cr_expect_not(u.estimated);
    u = call("b", 2);
    ratio_estimate(book, 0, &u);
    cr_expect_eq(u.tokens[EVENT_OUTPUT], 200);
    cr_expect_eq(u.tokens[EVENT_CACHE_READ], 7, "what was counted stays");
    cr_expect(u.estimated && u.uncounted == 0);
    u = call("b", 3);
    ratio_estimate(book, 0, &u);
    cr_expect_eq(u.tokens[EVENT_INPUT], 1000);
    cr_expect_eq(u.tokens[EVENT_OUTPUT], 200);
    u = call("a", 3);
    ratio_estimate(book, 0, &u);
    for (int c = 0; c < EVENT_CLASSES; c++)
        cr_expect_eq(u.tokens[c], 0, "half a call is none");
    cr_expect_eq(u.uncounted, 3);
    cr_expect_not(u.estimated);
    cr_expect_eq(u.reasoning_tokens, 0);
    const struct price_query now = {.event_ms = 0, .receive_ms = 0};
    const struct cost cost = cost_of_id(NULL, NULL, &u, &now);
    cr_expect_eq(cost.state, COST_UNPRICED);
    cr_expect_eq(cost.reason, COST_NO_RATIO);
    ratio_book_free(book);
}

Test(rollup_ratio, without_a_file_the_book_is_empty)
{
    static const uint8_t none[HASH_SHA256_BYTES];
    struct ratio_book *book;
    struct err err;
    cr_assert_eq(ratio_book_load(dir.path, &book, &err), ERR_OK);
    cr_expect_eq(book->count, 0);
    cr_expect_arr_eq(book->sha256, none, sizeof none);
    cr_expect_null(find(book, "a", EVENT_SENT, NULL));
    ratio_book_free(book);
    ratio_book_free(NULL);
}

Test(rollup_ratio, what_is_written_reads_back_with_the_new_rows_in_their_places)
{
    struct ratio_book *book = load(BOOK(ROW("b", "input", "2026-11-10", "400", "100")));
    const struct ratio more[] = {
        {.provider = str_of("anthropic"),
         .model = str_of("b"),
         .recorded_ms = 1,
         .calls = 40,
         .bytes = RATIO_SUM_MAX,
         .tokens = 1,
         .error_per_mille = RATIO_PER_MILLE_MAX},
        {.provider = str_of("a\"\\/"),
         .model = str_of("gr\xc3\xbc\xc3\x9f"),
         .side = EVENT_RECEIVED,
         .recorded_ms = 5,
         .from_ms = 2,
         .to_ms = 3,
         .calls = 41,
         .bytes = 2,
         .tokens = RATIO_SUM_MAX},
    };
    struct buf text;
    struct err err;
    buf_init(&text, 1 << 20);
    cr_assert_eq(ratio_book_write(book, more, 2, &text, &err), ERR_OK, "%s", err.text);
    ratio_book_free(book);
    cr_assert(buf_append(&text, "", 1));
    book = load((const char *)text.data);
    cr_assert_eq(book->count, 3);
    const struct ratio *r = book->rows;
    cr_expect(str_is(r[0].provider, "a\"\\/"));
    cr_expect(str_is(r[0].model, "gr\xc3\xbc\xc3\x9f"));
    cr_expect_eq(r[0].side, EVENT_RECEIVED);
    cr_expect(r[0].recorded_ms == 5 && r[0].from_ms == 2 && r[0].to_ms == 3);
    cr_expect(r[0].calls == 41 && r[0].bytes == 2 && r[0].tokens == RATIO_SUM_MAX);
    cr_expect(r[1].recorded_ms == 1 && r[1].bytes == RATIO_SUM_MAX);
    cr_expect_eq(r[1].error_per_mille, RATIO_PER_MILLE_MAX);
    cr_expect(r[2].bytes == 400 && r[2].error_per_mille == 150);
    ratio_book_free(book);
    buf_clear(&text);
    buf_init(&text, 100);
    book = load(BOOK(ROW("b", "input", "2026-11-10", "400", "100")));
    cr_expect_eq(ratio_book_write(book, more, 2, &text, &err), ERR_LIMIT);
    ratio_book_free(book);
    buf_clear(&text);
}

Test(rollup_ratio, what_the_page_does_not_allow_is_refused_and_named)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"[]", "no object"},
        {"{", "ratios.json"},
        {"{\"format\": \"gbill-ratios/2\", \"ratios\": []}", "must be \"gbill-ratios/1\""},
        {"{\"format\": \"gbill-ratios/1\"}", "ratios"},
        {"{\"format\": \"gbill-ratios/1\", \"ratios\": [], \"more\": 1}", "more"},
        {BOOK("1"), "ratios[0] is no object"},
        {BOOK(ROW("", "input", "2026-11-10", "1", "1")), "\"model\" has 0 bytes"},
        {BOOK(ROW("a", "both", "2026-11-10", "1", "1")), "must be input or output"},
        {BOOK(ROW("a", "input", "soon", "1", "1")), "\"recorded\" is \"soon\""},
        {BOOK(ROW("a", "input", "2026-11-10", "0", "1")), "\"bytes\" is 0"},
        {BOOK(ROW("a", "input", "2026-11-10", "1", "0")), "\"tokens\" is 0"},
        {BOOK(ROW("a", "input", "2026-11-10", "1000000000000000001", "1")), "\"bytes\""},
        {BOOK(ROW("a", "input", "2026-11-10", "1.5", "1")), "a whole number"},
        {BOOK(ROW("a", "input", "2026-11-10", "null", "1")), "\"bytes\" is missing"},
        {BOOK(ROW("a", "input", "2026-11-10", "1", "1, \"x\": 2")), "x"},
        {BOOK(ROW("a", "input", "2026-11-10", "1", "1") "," ROW("a", "input", "2026-11-10T00:00Z",
                                                                "2", "2")),
         "recorded at one time"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ratio_book *book;
        struct err err;
        write_file(cases[i].text);
        cr_assert_eq(ratio_book_load(dir.path, &book, &err), ERR_CONFIG, "%s", cases[i].text);
        cr_expect_not_null(strstr(err.text, cases[i].says), "%s: %s", cases[i].text, err.text);
        cr_expect_not_null(strstr(err.text, RATIO_FILE_NAME), "%s", err.text);
    }
}
