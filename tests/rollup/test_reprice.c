#include <criterion/criterion.h>
#include <stdio.h>

#include "rollup/job.h"
#include "rollup/reprice.h"
#include "store/log/writer.h"
#include "store/tables/digest.h"
#include "tests/rollup/book.h"
#include "tests/support/make_event.h"
#include "tests/support/temp_dir.h"

static const int64_t noon = (int64_t)20781 * TIME_DAY_MS +
                            12 * TIME_HOUR_MS; /* 2026-11-24T12:00Z */
static const uint32_t noon_hour = 20781 * 24 + 12;

/* Of provider openai: m1 and m2, each with one more row or word, and another model or none. */
#define MODEL(name, rows) "{'provider':'openai','model':'" name "','prices':[" rows "]}"
#define ROW(from, more, input)                                                             \
    "{'from':" from ",'recorded':" more ",'tier':'standard','rates':{'input':'" input "'," \
    "'output':'10'}}"
#define OLD_M1 ROW("null", "'2026-01-01'", "2.5")
#define BOOK(m1, m2, more) BOOK_HEAD MODEL("m1", m1) "," MODEL("m2", m2) more BOOK_END

static const char old_book[] =
    BOOK(OLD_M1, ROW("null", "'2026-01-01'", "1") "," ROW("'2026-11-20'", "'2026-11-01'", "4"), "");

/* A correction of m1, an announced price of m2 that was taken back, and a new model. */
static const char new_book[] =
    BOOK(OLD_M1 "," ROW("null", "'2026-12-01'", "2"),
         ROW("null", "'2026-01-01'", "1") "," ROW("'2026-11-20'",
                                                  "'2026-11-01','retracted':'2026-12-01'", "4"),
         "," MODEL("m3", ROW("null", "'2026-12-01'", "3")));

struct fixture {
    struct temp_dir dir;
    struct log_writer *writer;
    struct buf frame;
    uint32_t count;
    char old_path[128], new_path[128];
    struct price_book *old, *new;
};

static void
write_book(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    for (const char *p = text; *p != '\0'; p++)
        fputc(*p == '\'' ? '"' : *p, f);
    cr_assert_eq(fclose(f), 0);
}

static struct fixture
set_up(void)
{
    struct fixture x = {.dir = temp_dir_make()};
    char log[128];
    struct err err;
    snprintf(x.old_path, sizeof x.old_path, "%s/old.json", x.dir.path);
    snprintf(x.new_path, sizeof x.new_path, "%s/new.json", x.dir.path);
    snprintf(log, sizeof log, "%s/log", x.dir.path);
    write_book(x.old_path, old_book);
    write_book(x.new_path, new_book);
    cr_assert_eq(price_book_load(x.old_path, &x.old, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(price_book_load(x.new_path, &x.new, &err), ERR_OK, "%s", err.text);
    buf_init(&x.frame, 64 << 20);
    cr_assert_eq(log_writer_open(log, &x.writer, &err), ERR_OK, "%s", err.text);
    return x;
}

static void
tear_down(struct fixture *x)
{
    log_writer_close(x->writer);
    buf_clear(&x->frame);
    price_book_free(x->old);
    price_book_free(x->new);
    temp_dir_remove(&x->dir);
}

static void
use(struct fixture *x, const char *id, const char *organization, const char *model, int64_t input,
    int64_t when)
{
    make_usage(&x->frame, id, organization, model, input, 0, when);
    x->count++;
}

static void
flush(struct fixture *x, int64_t receive_utc_ms)
{
    struct err err;
    struct log_part parts[LOG_STREAMS] = {
        [LOG_EVENTS] = {{x->frame.data, x->frame.size_bytes}, x->count}};
    cr_assert_eq(log_writer_append(x->writer, receive_utc_ms, parts, &err), ERR_OK, "%s", err.text);
    x->frame.size_bytes = 0;
    x->count = 0;
}

static void
rollup(const struct fixture *x, const char *book)
{
    struct rollup_options o = {.data_directory = x->dir.path, .price_path = book, .threads = 1};
    struct rollup_result r;
    struct err err;
    cr_assert_eq(rollup_run(&o, &r, &err), ERR_OK, "%s", err.text);
}

static struct reprice_options
options_of(const struct fixture *x, const struct price_book *prices,
           const struct price_book *against)
{
    return (struct reprice_options){
        .data_directory = x->dir.path, .prices = prices, .against = against, .to_hour = UINT32_MAX};
}

static struct reprice
reprice(const struct reprice_options *o)
{
    struct reprice r;
    struct err err;
    cr_assert_eq(reprice_make(o, &r, &err), ERR_OK, "%s", err.text);
    return r;
}

static void
check_row(const struct reprice *r, size_t index, const char *organization, const char *model,
          uint64_t changed, int64_t folded_pico, int64_t new_pico)
{
    cr_assert_lt(index, r->rows.count);
    const struct reprice_row *row = (const struct reprice_row *)r->rows.items + index;
    cr_assert(str_is(row->organization, organization), "row %zu", index);
    cr_assert(str_is(row->provider, "openai"));
    cr_assert(str_is(row->model, model), "row %zu", index);
    cr_assert_eq(row->sum.changed, changed, "row %zu", index);
    cr_assert(row->sum.folded_pico == folded_pico, "row %zu", index);
    cr_assert(row->sum.new_pico == new_pico, "row %zu", index);
}

static void
check_owed(const struct reprice *r, size_t index, const char *organization, int64_t owed_pico)
{
    cr_assert_lt(index, r->owed.count);
    const struct reprice_owed *owed = (const struct reprice_owed *)r->owed.items + index;
    cr_assert(str_is(owed->organization, organization), "owed %zu", index);
    cr_assert(owed->owed_pico == owed_pico, "owed %zu", index);
}

/* Two organizations: m1, m2, and m3 that the old book does not know. */
static void
make_past(struct fixture *x)
{
    use(x, "a", "org1", "m1", 1000, noon);
    use(x, "b", "org1", "m1", 3, noon + 1);
    use(x, "c", "org1", "m2", 500, noon);
    use(x, "d", "org1", "m3", 100, noon);
    use(x, "e", "org2", "m2", 7, noon);
    use(x, "f", "org2", "m2", 9, noon - 10 * TIME_DAY_MS); /* before the price taken back */
    flush(x, noon + TIME_HOUR_MS);
    rollup(x, x->old_path);
}

Test(rollup_reprice, a_correction_a_retraction_and_a_new_model_are_told_apart)
{
    struct fixture x = set_up();
    make_past(&x);
    struct reprice_options o = options_of(&x, x.old, x.new);
    struct reprice r = reprice(&o);
    cr_assert_eq(r.rows.count, 4);
    check_row(&r, 0, "org1", "m2", 1, 500 * 4000000, 500 * 1000000);
    check_row(&r, 1, "org1", "m1", 2, 1003 * 2500000LL, 1003 * 2000000);
    check_row(&r, 2, "org1", "m3", 1, 0, 100 * 3000000);
    check_row(&r, 3, "org2", "m2", 1, 7 * 4000000 + 9 * 1000000, 16 * 1000000);
    const struct reprice_row *m3 = (const struct reprice_row *)r.rows.items + 2;
    cr_assert_eq(m3->sum.unpriced_folded, 1);
    cr_assert_eq(m3->sum.unpriced_new, 0);
    cr_assert_eq(r.total.calls, 6);
    cr_assert_eq(r.total.changed, 5);
    cr_assert_eq(r.total.unpriced_folded, 1);
    /* The next rollup prices m3 by itself. */
    cr_assert_eq(r.owed.count, 2);
    check_owed(&r, 0, "org1", -500 * 3000000LL - 1003 * 500000);
    check_owed(&r, 1, "org2", -7 * 3000000);
    reprice_clear(&r);
    tear_down(&x);
}

Test(rollup_reprice, the_book_that_is_in_place_says_the_same_of_what_was_folded)
{
    struct fixture x = set_up();
    make_past(&x);
    rollup(&x, x.new_path);
    struct reprice_options o = options_of(&x, x.new, x.new);
    struct reprice r = reprice(&o);
    cr_assert_eq(r.rows.count, 3, "m3 was priced by the rollup");
    check_row(&r, 0, "org1", "m2", 1, 500 * 4000000, 500 * 1000000);
    check_owed(&r, 0, "org1", -500 * 3000000LL - 1003 * 500000);
    check_owed(&r, 1, "org2", -7 * 3000000);
    cr_assert_eq(r.total.unpriced_folded, 0);
    reprice_clear(&r);
    tear_down(&x);
}

Test(rollup_reprice, what_comes_after_the_correction_owes_nothing)
{
    struct fixture x = set_up();
    int64_t later = ms_of("2026-12-02");
    use(&x, "a", "org1", "m1", 1000, noon);
    flush(&x, later);
    rollup(&x, x.new_path);
    struct reprice_options o = options_of(&x, x.new, x.new);
    struct reprice r = reprice(&o);
    cr_assert_eq(r.total.calls, 1);
    cr_assert_eq(r.total.changed, 0);
    cr_assert_eq(r.rows.count, 0);
    cr_assert_eq(r.owed.count, 0);
    reprice_clear(&r);
    tear_down(&x);
}

Test(rollup_reprice, duplicates_and_voided_calls_count_not_and_nothing_is_written)
{
    struct fixture x = set_up();
    uint8_t before[HASH_SHA256_BYTES], after[HASH_SHA256_BYTES];
    struct tables *tables;
    struct tables_txn *txn;
    struct err err;
    use(&x, "a", "org1", "m1", 1000, noon);
    use(&x, "b", "org1", "m1", 10, noon);
    use(&x, "a", "org1", "m1", 5000, noon); /* another content: the first counts */
    flush(&x, noon);
    rollup(&x, x.new_path);
    use(&x, "a", "org1", "m1", 1000, noon);
    make_stored(&x.frame, EVENT_VOID, noon,
                make_record(4, "id", "s", "v", "organizationId", "s", "org1", "voids", "s", "b",
                            "at", "i", noon));
    x.count++;
    flush(&x, noon + 1);
    rollup(&x, x.new_path);
    use(&x, "c", "org1", "m1", 77, noon); /* in the log, not folded yet */
    flush(&x, noon + 2);
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(tables_open(x.dir.path, TABLES_READ, &tables, &err), ERR_OK);
        cr_assert_eq(tables_begin(tables, TABLES_READ, &txn, &err), ERR_OK);
        tables_digest(txn, round == 0 ? before : after);
        tables_abort(txn);
        tables_close(tables);
        if (round == 1)
            break;
        struct reprice_options o = options_of(&x, x.new, x.new);
        struct reprice r = reprice(&o);
        cr_assert_eq(r.total.calls, 1);
        check_row(&r, 0, "org1", "m1", 1, 1000 * 2500000LL, 1000 * 2000000);
        reprice_clear(&r);
    }
    cr_assert_arr_eq(before, after, sizeof before);
    tear_down(&x);
}

Test(rollup_reprice, only_the_hours_asked_for_are_read_wherever_they_lie_in_the_log)
{
    enum { DAYS = 60, LATE = 30 };
    struct fixture x = set_up();
    char id[24];
    for (int d = 0; d < DAYS; d++) {
        int64_t now = noon + d * TIME_DAY_MS;
        snprintf(id, sizeof id, "in-time-%d", d);
        use(&x, id, "org1", "m2", 1, now);
        snprintf(id, sizeof id, "late-%d", d);
        use(&x, id, "org1", "m2", 1, now - LATE * TIME_DAY_MS);
        flush(&x, now + 1);
    }
    rollup(&x, x.old_path);
    struct reprice_options o = options_of(&x, x.old, x.old);
    for (int d = -LATE - 1; d <= DAYS; d++) {
        o.from_hour = (uint32_t)((int)noon_hour + d * 24);
        o.to_hour = o.from_hour + 1;
        struct reprice r = reprice(&o); /* fails unless the tables agree */
        uint64_t calls = (uint64_t)((d >= 0 && d < DAYS) + (d >= -LATE && d < DAYS - LATE));
        cr_assert_eq(r.total.calls, calls, "day %d", d);
        reprice_clear(&r);
        o.from_hour++;
        o.to_hour += 23;
        r = reprice(&o);
        cr_assert_eq(r.total.calls, 0, "day %d", d);
        reprice_clear(&r);
    }
    tear_down(&x);
}

Test(rollup_reprice, a_book_that_the_past_was_not_folded_with_is_refused)
{
    struct fixture x = set_up();
    struct price_book *edited = book_of_text(BOOK(ROW("null", "'2026-01-01'", "2.4"), OLD_M1, ""));
    struct price_book *euros = book_of_text(
        "{'format':'gbill-prices/1','currency':'EUR','unit':'1000000 tokens','models':[" MODEL(
            "m1", OLD_M1) "]}");
    struct reprice r;
    struct err err;
    make_past(&x);
    struct reprice_options o = options_of(&x, edited, x.old);
    cr_assert_eq(reprice_make(&o, &r, &err), ERR_CONFLICT);
    cr_assert(strstr(err.text, "\"org1\" was charged") != NULL, "%s", err.text);
    o = options_of(&x, x.new, x.new);
    cr_assert_eq(reprice_make(&o, &r, &err), ERR_CONFLICT, "m3 is not priced yet");
    cr_assert(strstr(err.text, "run gbill rollup first") != NULL, "%s", err.text);
    o = options_of(&x, x.old, euros);
    cr_assert_eq(reprice_make(&o, &r, &err), ERR_CONFIG);
    price_book_free(edited);
    price_book_free(euros);
    tear_down(&x);
}

Test(rollup_reprice, an_adjustment_has_the_same_id_again_and_no_other_has_it)
{
    struct fixture x = set_up();
    char id[REPRICE_ID_BYTES], other[REPRICE_ID_BYTES];
    struct reprice_options o = options_of(&x, x.old, x.new);
    reprice_adjustment_id(&o, str_of("org1"), id);
    cr_assert_eq(strlen(id), REPRICE_ID_BYTES - 1);
    o.prices = x.new; /* once the book is in place */
    reprice_adjustment_id(&o, str_of("org1"), other);
    cr_assert_str_eq(id, other);
    reprice_adjustment_id(&o, str_of("org2"), other);
    cr_assert_str_neq(id, other);
    o.to_hour--;
    reprice_adjustment_id(&o, str_of("org1"), other);
    cr_assert_str_neq(id, other);
    o.to_hour++;
    o.against = x.old;
    reprice_adjustment_id(&o, str_of("org1"), other);
    cr_assert_str_neq(id, other);
    tear_down(&x);
}
