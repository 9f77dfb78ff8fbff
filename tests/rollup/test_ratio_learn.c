#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "rollup/job.h"
#include "rollup/ratio_learn.h"
#include "store/log/writer.h"
#include "store/tables/cursor.h"
#include "store/tables/digest.h"
#include "store/tables/usage.h"
#include "tests/support/make_event.h"
#include "tests/support/temp_dir.h"

static const int64_t noon = (int64_t)20781 * 86400000 + 43200000; /* 2026-11-24T12:00Z */

/* A data directory whose book prices c1, and c2 once it has learned it. */
struct fixture {
    struct temp_dir dir;
    struct log_writer *writer;
    struct buf frame;
    uint32_t count;
    char book[128];
};

static void
write_prices(const struct fixture *x, bool knows_c2)
{
    static const char rates[] = "\"tier\": \"standard\", \"rates\": {\"input\": \"1\", \"output\": "
                                "\"5\"}}]}";
    FILE *f = fopen(x->book, "w");
    cr_assert_not_null(f);
    fprintf(f,
            "{\"format\": \"gbill-prices/1\", \"currency\": \"USD\", \"unit\": \"1000000 tokens\", "
            "\"models\": [{\"provider\": \"anthropic\", \"model\": \"c1\", \"prices\": [{\"from\": "
            "null, \"recorded\": \"2026-01-01\", %s",
            rates);
    if (knows_c2)
        fprintf(f,
                ", {\"provider\": \"anthropic\", \"model\": \"c2\", \"prices\": [{\"from\": null, "
                "\"recorded\": \"2026-12-30\", %s",
                rates);
    fputs("]}\n", f);
    fclose(f);
}

static struct fixture
set_up(void)
{
    struct fixture x = {.dir = temp_dir_make_in_memory()};
    char log[128];
    struct err err;
    snprintf(x.book, sizeof x.book, "%s/prices.json", x.dir.path);
    write_prices(&x, false);
    buf_init(&x.frame, 64 << 20);
    snprintf(log, sizeof log, "%s/log", x.dir.path);
    cr_assert_eq(log_writer_open(log, &x.writer, &err), ERR_OK, "%s", err.text);
    return x;
}

static void
tear_down(struct fixture *x)
{
    log_writer_close(x->writer);
    buf_clear(&x->frame);
    temp_dir_remove(&x->dir);
}

static void
flush(struct fixture *x, int64_t receive_utc_ms)
{
    struct err err;
    struct log_part parts[LOG_STREAMS] = {
        [LOG_EVENTS] = {{x->frame.data, x->frame.size_bytes}, x->count}};
    if (x->count == 0)
        return;
    cr_assert_eq(log_writer_append(x->writer, receive_utc_ms, parts, &err), ERR_OK, "%s", err.text);
    x->frame.size_bytes = 0;
    x->count = 0;
}

/* A call; a field that is below 0 is left out. */
struct a_call {
    const char *id, *model, *status;
    int64_t input, output, input_bytes, output_bytes, searches;
    int64_t when;
};

static void
put(struct fixture *x, const struct a_call *c)
{
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"inputTokens", c->input},
                   {"outputTokens", c->output},
                   {"inputBytes", c->input_bytes},
                   {"outputBytes", c->output_bytes},
                   {"webSearches", c->searches - 1}};
    msgpack_sbuffer record = make_record(7, "id", "s", c->id, "organizationId", "s", "o", "userId",
                                         "s", "u", "type", "s", "chat", "provider", "s",
                                         "anthropic", "model", "s", c->model, "status", "s",
                                         c->status != NULL ? c->status : "ok");
    msgpack_packer pk;
    msgpack_packer_init(&pk, &record, msgpack_sbuffer_write);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].value < 0)
            continue;
        make_text(&pk, numbers[i].name);
        msgpack_pack_int64(&pk, numbers[i].value);
        record.data[0]++; /* a fixmap's pairs */
    }
    make_stored(&x->frame, EVENT_USAGE, c->when, record);
    x->count++;
}

static struct rollup_result
rollup(const struct fixture *x, bool rebuild, uint32_t batch_events, unsigned threads)
{
    const struct rollup_options o = {.data_directory = x->dir.path,
                                     .price_path = x->book,
                                     .rebuild = rebuild,
                                     .batch_events = batch_events,
                                     .threads = threads};
    struct rollup_result r;
    struct err err;
    cr_assert_eq(rollup_run(&o, &r, &err), ERR_OK, "%s", err.text);
    cr_assert(balance_closes(&r.total));
    return r;
}

static struct ratio_learned
learn(const struct fixture *x, int64_t now, bool again)
{
    const struct ratio_learn_options o = {.data_directory = x->dir.path,
                                          .now_utc_ms = now,
                                          .days = 28,
                                          .calls_min = RATIO_CALLS_MIN,
                                          .again = again};
    struct ratio_learned r;
    struct err err;
    cr_assert_eq(ratio_learn(&o, &r, &err), ERR_OK, "%s", err.text);
    return r;
}

static size_t
added(struct ratio_learned r)
{
    size_t count = 0;
    const struct ratio_finding *f = r.findings.items;
    for (size_t i = 0; i < r.findings.count; i++)
        count += f[i].news == RATIO_ADDED;
    ratio_learned_clear(&r);
    return count;
}

static struct ratio_book *
load(const struct fixture *x)
{
    struct ratio_book *book;
    struct err err;
    cr_assert_eq(ratio_book_load(x->dir.path, &book, &err), ERR_OK, "%s", err.text);
    return book;
}

static void
read_tables(const struct fixture *x, struct usage_row *ret_sum, char text[HASH_SHA256_TEXT_BYTES])
{
    struct tables *t;
    struct tables_txn *txn;
    struct usage_scan s;
    struct err err;
    uint8_t d[HASH_SHA256_BYTES];
    cr_assert_eq(tables_open(x->dir.path, TABLES_READ, &t, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(t, TABLES_READ, &txn, &err), ERR_OK);
    tables_digest(txn, d);
    hash_hex(d, sizeof d, text);
    for (int table = TABLE_HOURLY; table <= TABLE_MONTHLY; table++) {
        *ret_sum = (struct usage_row){0};
        usage_scan_begin(&s, txn, (enum table)table, 0, NULL);
        while (usage_scan_next(&s))
            usage_row_add(ret_sum, &s.row);
        cr_assert_eq(usage_scan_end(&s, &err), ERR_OK, "%s", err.text);
    }
    tables_abort(txn);
    tables_close(t);
}

static void
expect_rebuild(const struct fixture *x)
{
    struct usage_row sum;
    char stepwise[HASH_SHA256_TEXT_BYTES], rebuilt[HASH_SHA256_TEXT_BYTES];
    read_tables(x, &sum, stepwise);
    rollup(x, true, 7, 2);
    read_tables(x, &sum, rebuilt);
    cr_assert_str_eq(stepwise, rebuilt);
}

/* xorshift: the same calls for the same seed. */
static uint64_t
roll(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % below;
}

/* Bytes whose tokens are a quarter of them, give or take up to spread percent. */
static int64_t
tokens_for(int64_t bytes, uint64_t spread, uint64_t *seed)
{
    int64_t percent = 100 + (int64_t)roll(seed, 2 * spread + 1) - (int64_t)spread;
    int64_t tokens = bytes * percent / 400;
    return tokens > 0 ? tokens : 1;
}

/* So many calls of a model that tell both, the day before now. */
static void
tell(struct fixture *x, const char *model, int count, uint64_t spread, int64_t now, uint64_t *seed)
{
    static int number;
    for (int i = 0; i < count; i++) {
        char id[24];
        struct a_call c = {.id = id, .model = model, .when = now - TIME_DAY_MS};
        snprintf(id, sizeof id, "told%d", number++);
        c.input_bytes = 100 + (int64_t)roll(seed, 20000);
        c.output_bytes = 1 + (int64_t)roll(seed, 3000);
        c.input = tokens_for(c.input_bytes, spread, seed);
        c.output = tokens_for(c.output_bytes, spread, seed);
        put(x, &c);
    }
}

static int
by_size(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

Test(rollup_ratio_learn, what_is_learned_is_what_another_way_of_summing_gives)
{
    enum { CALLS = 301 };
    struct fixture x = set_up();
    uint64_t seed = 77;
    int64_t bytes = 0, tokens = 0, errors[CALLS], half[CALLS][2], n = 0, m = 0;
    for (int i = 0; i < CALLS; i++) {
        char id[24];
        struct a_call c = {
            .id = id, .model = "c1", .when = noon - TIME_DAY_MS, .output = 1, .output_bytes = -1};
        snprintf(id, sizeof id, "e%d", i);
        c.input_bytes = 100 + (int64_t)roll(&seed, 5000);
        c.input = tokens_for(c.input_bytes, 30, &seed);
        bool counts = true;
        switch (roll(&seed, 8)) { /* some are no evidence */
        case 0:
            c.status = "error";
            counts = false;
            break;
        case 1:
            c.searches = 2;
            counts = false;
            break;
        case 2:
            c.when = noon; /* today is not over */
            counts = false;
            break;
        case 3:
            c.input = roll(&seed, 2) == 0 ? -1 : 0; /* uncounted, or no tokens */
            counts = false;
            break;
        default:
            break;
        }
        put(&x, &c);
        if (!counts)
            continue;
        if (n++ % 2 == 0) {
            bytes += c.input_bytes;
            tokens += c.input;
        } else {
            half[m][0] = c.input_bytes;
            half[m++][1] = c.input;
        }
    }
    for (int64_t i = 0; i < m; i++) {
        int64_t estimate = (half[i][0] * tokens * 2 + bytes) / (2 * bytes);
        int64_t off = llabs(half[i][1] - estimate);
        errors[i] = off * 1000 / estimate + (off * 1000 % estimate > 0);
    }
    qsort(errors, (size_t)m, sizeof errors[0], by_size);
    int64_t k = (19 * (m + 1) + 19) / 20; /* 0.95 (m + 1), up */
    flush(&x, noon);
    rollup(&x, false, 0, 1);
    cr_expect_eq(added(learn(&x, noon + 1000, false)), 1);
    struct ratio_book *book = load(&x);
    cr_assert_eq(book->count, 1);
    const struct ratio *r = &book->rows[0];
    cr_expect(str_is(r->provider, "anthropic") && str_is(r->model, "c1"));
    cr_expect_eq(r->side, EVENT_SENT);
    cr_expect_eq(r->calls, n);
    cr_expect_eq(r->bytes, bytes);
    cr_expect_eq(r->tokens, tokens);
    cr_expect_eq(r->error_per_mille, errors[k - 1], "%lld", (long long)r->error_per_mille);
    cr_expect_eq(r->recorded_ms, noon + 1000);
    cr_expect_eq(r->to_ms, noon - TIME_DAY_MS / 2);
    cr_expect_eq(r->from_ms, r->to_ms - 28 * TIME_DAY_MS);
    ratio_book_free(book);
    tear_down(&x);
}

Test(rollup_ratio_learn, only_news_is_added_once_a_day_and_behind_all_that_was_folded)
{
    struct fixture x = set_up();
    uint64_t seed = 5;
    struct ratio_learned r;
    tell(&x, "c1", 200, 10, noon, &seed);
    tell(&x, "few", 39, 10, noon, &seed);
    tell(&x, "wide", 60, 0, noon, &seed);
    for (int i = 0; i < 40; i++) { /* bytes that have nothing to do with the tokens */
        char id[24];
        snprintf(id, sizeof id, "w%d", i);
        const struct a_call c = {.id = id,
                                 .model = "wide",
                                 .when = noon - TIME_DAY_MS,
                                 .input = 1000000,
                                 .output = 1000000,
                                 .input_bytes = 1,
                                 .output_bytes = i % 4 == 0 ? 100000000 : 1};
        put(&x, &c);
    }
    flush(&x, noon + 5000); /* the agent's clock is ahead of ours */
    rollup(&x, false, 0, 1);
    r = learn(&x, noon, false);
    cr_assert_eq(r.findings.count, 6);
    const struct ratio_finding *f = r.findings.items;
    cr_expect_eq(f[0].news, RATIO_ADDED);
    cr_expect_eq(f[0].ratio.recorded_ms, noon + 5001);
    cr_expect_eq(f[1].news, RATIO_ADDED);
    cr_expect_eq(f[2].news, RATIO_TOO_FEW);
    cr_expect_eq(f[3].news, RATIO_TOO_FEW);
    cr_expect_eq(f[4].news, RATIO_TOO_WIDE, "input: %lld", (long long)f[4].ratio.error_per_mille);
    ratio_learned_clear(&r);
    r = learn(&x, noon + 3600000, false);
    cr_expect(r.was_done && r.findings.count == 0);
    ratio_learned_clear(&r);
    cr_expect_eq(added(learn(&x, noon, true)), 0, "the same again is no news");
    cr_expect_eq(added(learn(&x, noon + TIME_DAY_MS, false)), 0);
    tell(&x, "c1", 500, 25, noon + TIME_DAY_MS, &seed); /* the bound grows */
    flush(&x, noon + TIME_DAY_MS);
    rollup(&x, false, 0, 1);
    cr_expect_eq(added(learn(&x, noon, true)), 0, "those calls are of today");
    cr_expect_eq(added(learn(&x, noon + TIME_DAY_MS, true)), 2);
    tear_down(&x);
}

Test(rollup_ratio_learn, a_call_without_counts_is_unpriced_and_no_tokens_until_a_ratio_is_known)
{
    struct fixture x = set_up();
    uint64_t seed = 9, input = 0, output = 0;
    struct usage_row before, sum;
    char text[HASH_SHA256_TEXT_BYTES];
    const struct a_call uncounted[] = {
        {.id = "u1",
         .model = "c1",
         .input = -1,
         .output = -1,
         .input_bytes = 4000,
         .output_bytes = 900,
         .when = noon},
        {.id = "u2",
         .model = "c1",
         .input = 50,
         .output = -1,
         .input_bytes = -1,
         .output_bytes = 900,
         .when = noon},
        {.id = "u3",
         .model = "c1",
         .input = -1,
         .output = 60,
         .input_bytes = 4000,
         .output_bytes = -1,
         .when = noon},
    };
    for (size_t i = 0; i < 3; i++)
        put(&x, &uncounted[i]);
    flush(&x, noon);
    struct rollup_result r = rollup(&x, false, 0, 1);
    read_tables(&x, &sum, text);
    cr_expect_eq(r.total.events[BALANCE_UNPRICED], 3);
    cr_expect(sum.calls == 3 && sum.unpriced_calls == 3 && sum.estimated_calls == 0);
    cr_expect(sum.cost_pico == 0);
    for (int c = 0; c < EVENT_CLASSES; c++)
        cr_expect_eq(sum.tokens[c], 0);
    tell(&x, "c1", 100, 20, noon, &seed);
    flush(&x, noon + 1);
    rollup(&x, false, 0, 1);
    read_tables(&x, &before, text);
    cr_expect_eq(before.unpriced_calls, 3);
    cr_expect_eq(added(learn(&x, noon + 2, false)), 2);
    struct ratio_book *book = load(&x);
    cr_assert_eq(book->count, 2);
    cr_assert(ratio_tokens(&book->rows[0], 4000, &input));
    cr_assert(ratio_tokens(&book->rows[1], 900, &output));
    ratio_book_free(book);
    r = rollup(&x, false, 0, 1);
    read_tables(&x, &sum, text);
    cr_expect_eq(r.repriced, 3);
    cr_expect_eq(r.total.events[BALANCE_UNPRICED], 0);
    cr_expect_eq(r.total.events[BALANCE_ESTIMATED], 3);
    cr_expect(sum.unpriced_calls == 0 && sum.estimated_calls == 3);
    cr_expect_eq(sum.tokens[EVENT_INPUT] - before.tokens[EVENT_INPUT], 2 * input + 50);
    cr_expect_eq(sum.tokens[EVENT_OUTPUT] - before.tokens[EVENT_OUTPUT], 2 * output + 60);
    cr_expect(sum.cost_pico - before.cost_pico ==
              (money_sum)(2 * input + 50) * 1000000 + (money_sum)(2 * output + 60) * 5000000);
    expect_rebuild(&x);

    /* A grown book leaves alone what was estimated, and holds for what comes behind it. */
    read_tables(&x, &before, text);
    seed = 4;
    for (int i = 0; i < 400; i++) {
        char id[24];
        snprintf(id, sizeof id, "dense%d", i);
        const struct a_call c = {.id = id,
                                 .model = "c1",
                                 .when = noon,
                                 .input = 100,
                                 .output = 100,
                                 .input_bytes = 100,
                                 .output_bytes = 100};
        put(&x, &c);
    }
    flush(&x, noon + TIME_DAY_MS);
    rollup(&x, false, 0, 1);
    cr_expect_eq(added(learn(&x, noon + TIME_DAY_MS, false)), 2);
    const struct a_call late = {.id = "u4",
                                .model = "c1",
                                .input = -1,
                                .output = 0,
                                .input_bytes = 4000,
                                .output_bytes = -1,
                                .when = noon};
    put(&x, &late);
    flush(&x, noon + TIME_DAY_MS + 10);
    r = rollup(&x, false, 0, 1);
    cr_expect_eq(r.repriced, 0);
    read_tables(&x, &sum, text);
    uint64_t more = sum.tokens[EVENT_INPUT] - before.tokens[EVENT_INPUT] - 40000;
    cr_expect_gt(more, input, "%llu", (unsigned long long)more);
    expect_rebuild(&x);
    tear_down(&x);
}

Test(rollup_ratio_learn, tokens_may_be_known_before_a_price_and_a_price_before_tokens)
{
    struct fixture x = set_up();
    uint64_t seed = 9;
    struct usage_row sum, known;
    char text[HASH_SHA256_TEXT_BYTES];
    const struct a_call c = {.id = "u1",
                             .model = "c2",
                             .input = -1,
                             .output = -1,
                             .input_bytes = 4000,
                             .output_bytes = 900,
                             .when = noon};
    put(&x, &c);
    tell(&x, "c2", 100, 20, noon, &seed);
    flush(&x, noon);
    rollup(&x, false, 0, 1);
    read_tables(&x, &known, text);
    cr_expect_eq(added(learn(&x, noon, false)), 2);
    struct rollup_result r = rollup(&x, false, 0, 1);
    cr_expect_eq(r.repriced, 0);
    read_tables(&x, &sum, text);
    cr_expect(sum.unpriced_calls == 101 && sum.estimated_calls == 0);
    cr_expect_gt(sum.tokens[EVENT_INPUT], known.tokens[EVENT_INPUT]);
    known = sum;
    expect_rebuild(&x);
    write_prices(&x, true);
    r = rollup(&x, false, 0, 1);
    cr_expect_eq(r.repriced, 101);
    read_tables(&x, &sum, text);
    cr_expect_eq(sum.tokens[EVENT_INPUT], known.tokens[EVENT_INPUT], "not added twice");
    cr_expect(sum.unpriced_calls == 0 && sum.estimated_calls == 1);
    expect_rebuild(&x);
    tear_down(&x);
}

Test(rollup_ratio_learn, a_book_that_was_used_and_is_gone_stops_the_fold)
{
    struct fixture x = set_up();
    uint64_t seed = 9;
    char path[128];
    struct rollup_result r;
    struct err err;
    const struct rollup_options o = {.data_directory = x.dir.path, .price_path = x.book};
    tell(&x, "c1", 100, 20, noon, &seed);
    flush(&x, noon);
    rollup(&x, false, 0, 1);
    cr_expect_eq(added(learn(&x, noon, false)), 2);
    rollup(&x, false, 0, 1);
    snprintf(path, sizeof path, "%s/" RATIO_FILE_NAME, x.dir.path);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(rollup_run(&o, &r, &err), ERR_NOT_FOUND);
    cr_expect_not_null(strstr(err.text, "gbill tokens learn"), "%s", err.text);
    cr_expect_eq(added(learn(&x, noon, true)), 2);
    rollup(&x, false, 0, 1);
    tear_down(&x);
}

static void
random_event(struct fixture *x, uint64_t *seed, int64_t now)
{
    char id[24];
    struct a_call c = {.id = id,
                       .model = roll(seed, 3) == 0 ? "c2" : "c1",
                       .when = now - (int64_t)roll(seed, 3 * TIME_DAY_MS)};
    snprintf(id, sizeof id, "r%d", (int)roll(seed, 2000));
    if (roll(seed, 20) == 0) {
        char target[24];
        snprintf(target, sizeof target, "r%d", (int)roll(seed, 2000));
        make_stored(&x->frame, EVENT_VOID, now,
                    make_record(4, "id", "s", id, "organizationId", "s", "o", "voids", "s", target,
                                "at", "i", now));
        x->count++;
        return;
    }
    c.input_bytes = (int64_t)roll(seed, 4000);
    c.output_bytes = (int64_t)roll(seed, 900);
    c.input = roll(seed, 3) == 0 ? -1 : tokens_for(c.input_bytes, 1 + roll(seed, 80), seed);
    c.output = roll(seed, 3) == 0 ? -1 : tokens_for(c.output_bytes, 1 + roll(seed, 80), seed);
    put(x, &c);
}

/*
 * Duplicates, late events, voids before and behind what they name, ratios and prices that
 * are learned on the way, folds of any size in between.  HISTORIES in the environment asks
 * for more of them.
 */
Test(rollup_ratio_learn, any_history_folds_to_the_bytes_of_its_rebuild)
{
    const char *asked = getenv("HISTORIES");
    uint64_t histories = asked != NULL ? strtoull(asked, NULL, 10) : 100, rows = 0, repriced = 0;
    for (uint64_t history = 1; history <= histories; history++) {
        struct fixture x = set_up();
        uint64_t seed = history * 0x9e3779b97f4a7c15ULL;
        int64_t now = noon;
        uint64_t frames = 4 + roll(&seed, 8), learns_price = roll(&seed, 16);
        for (uint64_t f = 0; f < frames; f++) {
            for (uint64_t e = 1 + roll(&seed, 120); e > 0; e--)
                random_event(&x, &seed, now);
            flush(&x, now);
            now += (int64_t)roll(&seed, 2 * TIME_DAY_MS);
            if (f == learns_price)
                write_prices(&x, true);
            if (roll(&seed, 2) == 0)
                repriced +=
                    rollup(&x, false, 1 + (uint32_t)roll(&seed, 100), 1 + (unsigned)roll(&seed, 3))
                        .repriced;
            /* By a clock that is late at times: rows lie behind all that was folded. */
            if (roll(&seed, 3) == 0)
                rows +=
                    added(learn(&x, now - (int64_t)roll(&seed, TIME_DAY_MS), roll(&seed, 2) == 0));
        }
        repriced += rollup(&x, false, 0, 1).repriced;
        expect_rebuild(&x);
        tear_down(&x);
    }
    cr_expect_gt(rows, histories);
    cr_expect_gt(repriced, histories);
}
