#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rollup/job.h"
#include "store/log/writer.h"
#include "store/tables/adjustment.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "store/tables/digest.h"
#include "store/tables/feedback.h"
#include "store/tables/resource.h"
#include "store/tables/stripe_told.h"
#include "store/tables/subscription.h"
#include "store/tables/usage.h"
#include "tests/support/make_event.h"
#include "tests/support/record.h"
#include "tests/support/temp_dir.h"

static const int64_t noon = (int64_t)20781 * 86400000 + 43200000; /* 2026-11-24T12:00Z */

/* A data directory with a log writer and a price book of one model. */
struct fixture {
    struct temp_dir dir;
    struct log_writer *writer;
    struct buf frame;
    uint32_t count;
    char book[128];
};

static const char one_model[] =
    "{\"format\": \"gbill-prices/1\", \"currency\": \"USD\", \"unit\": \"1000000 tokens\",\n"
    "\"models\": [{\"provider\": \"openai\", \"model\": \"m1\", \"prices\": [\n"
    " {\"from\": null, \"recorded\": \"2026-01-01\", \"tier\": \"standard\",\n"
    "  \"rates\": {\"input\": \"2.5\", \"output\": \"10\"}}]}%s]}\n";

static const char second_model[] =
    ",{\"provider\": \"openai\", \"model\": \"m2\", \"prices\": [\n"
    " {\"from\": null, \"recorded\": \"2026-12-01\", \"tier\": \"standard\",\n"
    "  \"rates\": {\"input\": \"0.15\", \"output\": \"0.6\"}}]}";

static void
write_book(const char *path, const char *more)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fprintf(f, one_model, more);
    fclose(f);
}

static void
open_writer(struct fixture *x)
{
    char log[128];
    struct err err;
    snprintf(log, sizeof log, "%s/log", x->dir.path);
    cr_assert_eq(log_writer_open(log, &x->writer, &err), ERR_OK, "%s", err.text);
}

static struct fixture
set_up_in(struct temp_dir dir)
{
    struct fixture x = {.dir = dir};
    snprintf(x.book, sizeof x.book, "%s/prices.json", x.dir.path);
    write_book(x.book, "");
    buf_init(&x.frame, 64 << 20);
    open_writer(&x);
    return x;
}

static struct fixture
set_up(void)
{
    return set_up_in(temp_dir_make());
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
    cr_assert_eq(log_writer_append(x->writer, receive_utc_ms, parts, &err), ERR_OK, "%s", err.text);
    x->frame.size_bytes = 0;
    x->count = 0;
}

static void
use(struct fixture *x, const char *id, const char *organization, const char *model, int64_t input,
    int64_t output, int64_t when)
{
    make_usage(&x->frame, id, organization, model, input, output, when);
    x->count++;
}

static struct rollup_result
rollup_with(const struct fixture *x, bool rebuild, uint32_t batch_events, unsigned threads)
{
    struct rollup_options o = {.data_directory = x->dir.path,
                               .price_path = x->book,
                               .rebuild = rebuild,
                               .batch_events = batch_events,
                               .threads = threads};
    struct rollup_result r;
    struct err err;
    cr_assert_eq(rollup_run(&o, &r, &err), ERR_OK, "%s", err.text);
    cr_assert(balance_closes(&r.total));
    cr_assert_eq(r.total.events[BALANCE_ACCEPTED], r.seq);
    return r;
}

static struct rollup_result
rollup(const struct fixture *x, bool rebuild, uint32_t batch_events)
{
    return rollup_with(x, rebuild, batch_events, 0);
}

static struct tables_txn *
open_tables(const struct fixture *x, struct tables **ret)
{
    struct tables_txn *txn;
    struct err err;
    cr_assert_eq(tables_open(x->dir.path, TABLES_READ, ret, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(*ret, TABLES_READ, &txn, &err), ERR_OK);
    return txn;
}

static void
digest(const struct fixture *x, char text[HASH_SHA256_TEXT_BYTES])
{
    struct tables *t;
    struct tables_txn *txn = open_tables(x, &t);
    uint8_t d[HASH_SHA256_BYTES];
    tables_digest(txn, d);
    hash_hex(d, sizeof d, text);
    tables_abort(txn);
    tables_close(t);
}

static struct usage_row
total_of(const struct fixture *x, enum table table)
{
    struct tables *t;
    struct tables_txn *txn = open_tables(x, &t);
    struct usage_scan s;
    struct usage_row sum = {0};
    usage_scan_begin(&s, txn, table, 0, NULL);
    while (usage_scan_next(&s))
        usage_row_add(&sum, &s.row);
    struct err err;
    cr_assert_eq(usage_scan_end(&s, &err), ERR_OK, "%s", err.text);
    tables_abort(txn);
    tables_close(t);
    return sum;
}

Test(rollup_job, usage_is_priced_and_summed_exactly)
{
    struct fixture x = set_up();
    use(&x, "a", "org1", "m1", 1000, 100, noon);
    use(&x, "b", "org1", "m1", 1, 0, noon + 1);
    use(&x, "c", "org2", "m1", 7, 3, noon + TIME_HOUR_MS);
    flush(&x, noon + TIME_HOUR_MS);
    struct rollup_result r = rollup(&x, false, 0);
    cr_assert_eq(r.sum.events[BALANCE_PRICED], 3);
    for (int table = TABLE_HOURLY; table <= TABLE_MONTHLY; table++) {
        struct usage_row sum = total_of(&x, (enum table)table);
        cr_assert_eq(sum.calls, 3);
        cr_assert_eq(sum.tokens[EVENT_INPUT], 1008);
        cr_assert_eq(sum.tokens[EVENT_OUTPUT], 103);
        cr_assert(sum.cost_pico == (money_sum)1008 * 2500000 + (money_sum)103 * 10000000);
    }
    tear_down(&x);
}

Test(rollup_job, the_same_events_again_change_only_the_duplicates)
{
    struct fixture x = set_up();
    char id[16], before[HASH_SHA256_TEXT_BYTES];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            snprintf(id, sizeof id, "id%d", i);
            use(&x, id, i % 2 == 0 ? "org1" : "org2", "m1", i, i, noon + i * 20000);
        }
        flush(&x, noon + 500 * 20000);
        struct rollup_result r = rollup(&x, false, 0);
        cr_assert_eq(r.total.events[BALANCE_PRICED], 500);
        cr_assert_eq(r.total.events[BALANCE_DUPLICATE], (uint64_t)round * 500);
    }
    struct usage_row sum = total_of(&x, TABLE_MONTHLY);
    cr_assert_eq(sum.tokens[EVENT_INPUT], 499 * 500 / 2);
    digest(&x, before);
    struct rollup_result idle = rollup(&x, false, 0);
    cr_assert_eq(idle.sum.events[BALANCE_ACCEPTED], 0);
    tear_down(&x);
}

Test(rollup_job, a_retry_with_a_fresh_clock_is_still_the_same_event)
{
    struct fixture x = set_up();
    use(&x, "call-1", "org1", "m1", 10, 1, noon + 59 * 60000);
    flush(&x, noon + 59 * 60000);
    rollup(&x, false, 0);
    use(&x, "call-1", "org1", "m1", 10, 1, noon + 61 * 60000); /* the next hour */
    use(&x, "call-1", "org2", "m1", 10, 1, noon + 61 * 60000); /* another organization's */
    use(&x, "call-1", "org1", "m1", 99, 9,
        noon + 62 * 60000); /* other contents: the first counts */
    flush(&x, noon + 62 * 60000);
    struct rollup_result r = rollup(&x, false, 0);
    cr_assert_eq(r.total.events[BALANCE_DUPLICATE], 2);
    cr_assert_eq(r.total.events[BALANCE_CONFLICT], 1, "other contents under the same id");
    cr_assert_eq(total_of(&x, TABLE_MONTHLY).tokens[EVENT_INPUT], 20);
    tear_down(&x);
}

Test(rollup_job, an_unknown_model_is_unpriced_until_the_book_learns_it)
{
    struct fixture x = set_up();
    char after[HASH_SHA256_TEXT_BYTES], rebuilt[HASH_SHA256_TEXT_BYTES];
    for (int i = 0; i < 50; i++) {
        char id[16];
        snprintf(id, sizeof id, "id%d", i);
        use(&x, id, "org1", i % 3 == 0 ? "m2" : "m1", 1000, 10, noon + i);
        if (i % 7 == 6)
            flush(&x, noon + 1000);
    }
    flush(&x, noon + 1000);
    struct rollup_result r = rollup(&x, false, 0);
    cr_assert_eq(r.total.events[BALANCE_UNPRICED], 17);
    struct usage_row sum = total_of(&x, TABLE_HOURLY);
    cr_assert_eq(sum.unpriced_calls, 17);
    cr_assert_eq(sum.tokens[EVENT_INPUT], 50000, "tokens count whatever the price");
    cr_assert(sum.cost_pico == (money_sum)33 * (1000 * 2500000LL + 10 * 10000000LL));

    write_book(x.book, second_model);
    r = rollup(&x, false, 0);
    cr_assert_eq(r.repriced, 17);
    cr_assert_eq(r.total.events[BALANCE_UNPRICED], 0);
    sum = total_of(&x, TABLE_MONTHLY);
    cr_assert_eq(sum.unpriced_calls, 0);
    cr_assert(sum.cost_pico == (money_sum)33 * (1000 * 2500000LL + 10 * 10000000LL) +
                                   (money_sum)17 * (1000 * 150000LL + 10 * 600000LL));
    digest(&x, after);
    rollup(&x, true, 3);
    digest(&x, rebuilt);
    cr_assert_str_eq(after, rebuilt);
    tear_down(&x);
}

/* xorshift: the same history for the same seed. */
static uint64_t
roll(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % below;
}

/* What Stripe tells: of an organization, or of a payment of one of its invoices. */
static void
tell(struct fixture *x, const char *id, const char *organization, bool is_payment, int64_t when)
{
    char json[512];
    snprintf(json, sizeof json,
             "{'id': '%s', 'organizationId': '%s', 'type': '%s', 'object': {'id': 'x', 'invoice':"
             "'in_%s', 'price_plan': 'pro', 'currency': 'eur', 'amount_paid': 5}}",
             id, organization,
             is_payment ? "invoice_payment.paid" : "customer.subscription.updated", organization);
    struct buf map = record_of_json(json);
    struct event e;
    struct event_defect defect = {""};
    cr_assert(event_parse(EVENT_STRIPE, bytes_of_buf(&map), when, &e, &defect), "%s", defect.text);
    cr_assert(event_store(&e, &x->frame));
    buf_clear(&map);
}

static void
random_event(struct fixture *x, uint64_t *seed, int64_t now)
{
    char id[24], org[16], thing[16];
    int64_t when = now - (int64_t)roll(seed, 3 * 86400000ULL);
    snprintf(id, sizeof id, "id%d", (int)roll(seed, 300));
    snprintf(org, sizeof org, "org%d", (int)roll(seed, 4));
    snprintf(thing, sizeof thing, "t%d", (int)roll(seed, 6));
    switch (roll(seed, 16)) {
    case 0:
        make_stored(&x->frame, EVENT_RESOURCE, when,
                    make_record(5, "id", "s", id, "organizationId", "s", org, "resource", "s",
                                "document", "action", "s",
                                roll(seed, 3) == 0 ? "deleted" : "created", "resourceId", "s",
                                thing));
        break;
    case 1:
        make_stored(&x->frame, EVENT_SUBSCRIPTION, when,
                    make_record(4, "id", "s", id, "organizationId", "s", org, "plan", "s",
                                roll(seed, 2) == 0 ? "pro" : "team", "effectiveAt", "i", when));
        break;
    case 2:
        make_stored(&x->frame, EVENT_BUDGET, when,
                    make_record(3, "id", "s", id, "organizationId", "s", org, "monthlyBudget", "i",
                                (int64_t)roll(seed, 100000)));
        break;
    case 3:
        make_stored(&x->frame, EVENT_ADJUSTMENT, when,
                    make_record(5, "id", "s", id, "organizationId", "s", org, "amount", "i",
                                (int64_t)roll(seed, 1000) - 500, "currency", "s", "USD", "reason",
                                "s", thing));
        break;
    case 4:
        make_stored(&x->frame, EVENT_FEEDBACK, when,
                    make_record(4, "id", "s", id, "organizationId", "s", org, "recommendation", "s",
                                thing, "status", "s", "applied"));
        break;
    case 5:
        make_stored(&x->frame, EVENT_ACT, when,
                    make_record(5, "id", "s", id, "organizationId", "s", org, "actor", "s", thing,
                                "action", "s", "log.prune", "status", "s", "done"));
        break;
    case 6:
        /* Of an event that came, that will come, or that never does. */
        snprintf(thing, sizeof thing, "void%d", (int)roll(seed, 200));
        make_stored(&x->frame, EVENT_VOID, when,
                    make_record(4, "id", "s", thing, "organizationId", "s", org, "voids", "s", id,
                                "at", "i", when));
        break;
    case 7:
        tell(x, id, roll(seed, 4) == 0 ? "-" : org, roll(seed, 2) == 0, when);
        break;
    default:
        make_usage(&x->frame, id, org, roll(seed, 5) == 0 ? "m2" : "m1", (int64_t)roll(seed, 5000),
                   (int64_t)roll(seed, 500), when);
        break;
    }
    x->count++;
}

/*
 * Duplicates, events up to three days late, voids before and behind what they name,
 * an unknown model that the book learns on the way, frames and transactions of any
 * size, any number of threads.  HISTORIES in the environment asks for more of them.
 */
Test(rollup_job, any_history_in_any_batches_folds_to_the_same_bytes)
{
    const char *asked = getenv("HISTORIES");
    uint64_t histories = asked != NULL ? strtoull(asked, NULL, 10) : 500, done = 0;
    for (uint64_t history = 1; history <= histories; history++) {
        struct fixture x = set_up_in(temp_dir_make_in_memory());
        uint64_t seed = history * 0x9e3779b97f4a7c15ULL;
        char stepwise[HASH_SHA256_TEXT_BYTES], rebuilt[HASH_SHA256_TEXT_BYTES];
        int64_t now = noon;
        uint64_t frames = 2 + roll(&seed, 8), learns = roll(&seed, 16);
        for (uint64_t f = 0; f < frames; f++) {
            uint64_t events = 1 + roll(&seed, 60);
            for (uint64_t e = 0; e < events; e++)
                random_event(&x, &seed, now);
            flush(&x, now);
            now += (int64_t)roll(&seed, 8 * 3600000);
            if (f == learns)
                write_book(x.book, second_model);
            if (roll(&seed, 3) == 0)
                rollup_with(&x, false, 1 + (uint32_t)roll(&seed, 100),
                            1 + (unsigned)roll(&seed, 3));
        }
        rollup(&x, false, 0);
        digest(&x, stepwise);
        rollup_with(&x, true, (uint32_t)roll(&seed, 200), 1 + (unsigned)roll(&seed, 3));
        digest(&x, rebuilt);
        cr_assert_str_eq(stepwise, rebuilt, "history %d", (int)history);
        tear_down(&x);
        done++;
    }
    cr_assert_eq(done, histories);
}

static void
void_event(struct fixture *x, const char *id, const char *organization, const char *target)
{
    make_stored(&x->frame, EVENT_VOID, noon,
                make_record(4, "id", "s", id, "organizationId", "s", organization, "voids", "s",
                            target, "at", "i", noon));
    x->count++;
}

Test(rollup_job, a_voided_event_leaves_no_trace_in_the_sums)
{
    struct fixture x = set_up();
    use(&x, "a", "org1", "m1", 1000, 100, noon);
    use(&x, "b", "org1", "m1", 7, 3, noon);
    use(&x, "u", "org1", "m2", 5, 5, noon); /* unpriced */
    use(&x, "a", "org2", "m1", 9, 9, noon); /* another organization's a */
    flush(&x, noon);
    rollup(&x, false, 0);
    void_event(&x, "v1", "org1", "a");
    void_event(&x, "v2", "org1", "a"); /* again: changes nothing */
    void_event(&x, "v3", "org1", "u");
    void_event(&x, "v1", "org1", "b");    /* a duplicate of v1 under its id: not a void of b */
    void_event(&x, "v4", "org1", "late"); /* its event comes afterwards */
    void_event(&x, "v5", "org1", "v1");   /* a void cannot be voided */
    void_event(&x, "v6", "org1", "same"); /* in the same transaction */
    use(&x, "same", "org1", "m1", 11, 11, noon);
    flush(&x, noon);
    struct rollup_result r = rollup(&x, false, 0);
    cr_assert_eq(r.total.events[BALANCE_VOIDED], 3);
    cr_assert_eq(r.total.events[BALANCE_UNPRICED], 0);
    cr_assert_eq(r.total.events[BALANCE_SETTINGS], 6);
    cr_assert_eq(r.total.events[BALANCE_CONFLICT], 1);
    use(&x, "late", "org1", "m1", 13, 13, noon);
    use(&x, "a", "org1", "m1", 1000, 100, noon); /* retried: still a duplicate */
    flush(&x, noon);
    r = rollup(&x, false, 0);
    cr_assert_eq(r.total.events[BALANCE_VOIDED], 4);
    cr_assert_eq(r.total.events[BALANCE_DUPLICATE], 2);
    for (int table = TABLE_HOURLY; table <= TABLE_MONTHLY; table++) {
        struct usage_row sum = total_of(&x, (enum table)table);
        cr_assert_eq(sum.calls, 2);
        cr_assert_eq(sum.unpriced_calls, 0);
        cr_assert_eq(sum.tokens[EVENT_INPUT], 7 + 9);
        cr_assert(sum.cost_pico == (money_sum)(7 + 9) * 2500000 + (money_sum)(3 + 9) * 10000000);
    }
    tear_down(&x);
}

/* Its id, or nothing where Stripe told nothing under that name. */
static const char *
told_under(const struct fixture *x, enum stripe_told_under under, const char *name)
{
    static char id[EVENT_TEXT_BYTES_MAX + 1];
    struct tables *tables;
    struct tables_txn *txn;
    struct err err = {0};
    struct stripe_told_scan scan;
    uint32_t number = 0;
    id[0] = 0;
    cr_assert_eq(tables_open(x->dir.path, TABLES_READ, &tables, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(tables, TABLES_READ, &txn, &err), ERR_OK, "%s", err.text);
    if (dict_find(txn, str_of(name), &number)) {
        stripe_told_scan_begin(&scan, txn, under, number);
        if (stripe_told_scan_next(&scan)) {
            memcpy(id, scan.row.id.data, scan.row.id.size_bytes);
            id[scan.row.id.size_bytes] = 0;
            if (under == STRIPE_TOLD_ORGANIZATION) {
                cr_expect(str_is(dict_text(txn, scan.row.plan), "pro"));
                cr_expect(str_is(dict_text(txn, scan.row.currency), "EUR"));
            }
            cr_expect_not(stripe_told_scan_next(&scan), "one event, one row");
        }
        stripe_told_scan_end(&scan);
    }
    tables_abort(txn);
    tables_close(tables);
    return id;
}

Test(rollup_job, what_stripe_tells_hangs_on_its_organization_or_object_until_it_is_voided)
{
    struct fixture x = set_up();
    tell(&x, "evt_1", "org1", false, noon);
    tell(&x, "evt_2", "-", true, noon);
    tell(&x, "evt_3", "-", false, noon);
    tell(&x, "evt_1", "org1", false, noon); /* delivered again */
    x.count += 4;
    flush(&x, noon);
    struct rollup_result r = rollup(&x, false, 0);
    cr_expect_eq(r.total.events[BALANCE_SETTINGS], 3);
    cr_expect_eq(r.total.events[BALANCE_DUPLICATE], 1);
    cr_expect_str_eq(told_under(&x, STRIPE_TOLD_ORGANIZATION, "org1"), "evt_1");
    cr_expect_str_eq(told_under(&x, STRIPE_TOLD_OBJECT, "in_-"), "evt_2");
    cr_expect_str_eq(told_under(&x, STRIPE_TOLD_NOBODY, "-"), "evt_3");
    void_event(&x, "v1", "org1", "evt_1");
    void_event(&x, "v2", "-", "evt_2");
    flush(&x, noon);
    r = rollup(&x, false, 0);
    cr_expect_eq(r.total.events[BALANCE_VOIDED], 2);
    cr_expect_eq(r.total.events[BALANCE_SETTINGS], 3, "evt_3 and two voids");
    cr_expect_str_eq(told_under(&x, STRIPE_TOLD_ORGANIZATION, "org1"), "");
    cr_expect_str_eq(told_under(&x, STRIPE_TOLD_OBJECT, "in_-"), "");
    cr_expect_str_eq(told_under(&x, STRIPE_TOLD_NOBODY, "-"), "evt_3");
    tear_down(&x);
}

static void
feed_back(struct fixture *x, const char *id, const char *status, int64_t when)
{
    make_stored(&x->frame, EVENT_FEEDBACK, when,
                make_record(4, "id", "s", id, "organizationId", "s", "org1", "recommendation", "s",
                            "rec", "status", "s", status));
    x->count++;
}

static const char *
answer_of(const struct fixture *x)
{
    struct tables *t;
    struct tables_txn *txn = open_tables(x, &t);
    struct feedback newest = {0};
    uint32_t organization, recommendation;
    bool found = dict_find(txn, str_of("org1"), &organization) &&
                 dict_find(txn, str_of("rec"), &recommendation) &&
                 feedback_newest(txn, organization, recommendation, &newest);
    tables_abort(txn);
    tables_close(t);
    return found ? recommendation_status_name(newest.status) : "none";
}

Test(rollup_job, the_newest_feedback_by_event_time_holds_and_a_voided_one_gives_way)
{
    struct fixture x = set_up();
    feed_back(&x, "f1", "applied", noon + 2000);
    feed_back(&x, "f2", "dismissed", noon + 1000); /* comes later, is older */
    flush(&x, noon + 3000);
    struct rollup_result r = rollup(&x, false, 0);
    cr_assert_eq(r.total.events[BALANCE_SETTINGS], 2);
    cr_assert_str_eq(answer_of(&x), "applied");
    void_event(&x, "v1", "org1", "f1");
    flush(&x, noon + 3000);
    r = rollup(&x, false, 0);
    cr_assert_eq(r.total.events[BALANCE_SETTINGS], 2);
    cr_assert_eq(r.total.events[BALANCE_VOIDED], 1);
    cr_assert_str_eq(answer_of(&x), "dismissed");
    void_event(&x, "v2", "org1", "f2");
    flush(&x, noon + 3000);
    rollup(&x, false, 0);
    cr_assert_str_eq(answer_of(&x), "none");
    rollup(&x, true, 0);
    cr_assert_str_eq(answer_of(&x), "none");
    tear_down(&x);
}

static uint64_t
adjustments_of(const struct fixture *x, const char *organization)
{
    struct tables *t;
    struct tables_txn *txn = open_tables(x, &t);
    struct adjustment_scan scan;
    uint32_t number;
    uint64_t n = 0;
    cr_assert(dict_find(txn, str_of(organization), &number));
    adjustment_scan_begin(&scan, txn, number, time_month(noon));
    while (adjustment_scan_next(&scan))
        n++;
    adjustment_scan_end(&scan);
    tables_abort(txn);
    tables_close(t);
    return n;
}

Test(rollup_job, an_adjustment_can_be_voided_and_a_resource_cannot)
{
    struct fixture x = set_up();
    make_stored(&x.frame, EVENT_ADJUSTMENT, noon,
                make_record(5, "id", "s", "adj", "organizationId", "s", "org1", "amount", "i",
                            (int64_t)-500, "currency", "s", "USD", "reason", "s", "goodwill"));
    make_stored(&x.frame, EVENT_RESOURCE, noon,
                make_record(5, "id", "s", "res", "organizationId", "s", "org1", "resource", "s",
                            "project", "action", "s", "created", "resourceId", "s", "p1"));
    x.count += 2;
    flush(&x, noon);
    rollup(&x, false, 0);
    cr_assert_eq(adjustments_of(&x, "org1"), 1);
    void_event(&x, "v1", "org1", "adj");
    void_event(&x, "v2", "org1", "res");
    flush(&x, noon);
    struct rollup_result r = rollup(&x, false, 0);
    cr_assert_eq(adjustments_of(&x, "org1"), 0);
    cr_assert_eq(r.total.events[BALANCE_VOIDED], 1);
    cr_assert_eq(r.total.events[BALANCE_SETTINGS], 3);
    struct tables *t;
    struct tables_txn *txn = open_tables(&x, &t);
    uint32_t org;
    cr_assert(dict_find(txn, str_of("org1"), &org));
    cr_assert_eq(resource_count(txn, org, EVENT_PROJECT), 1);
    tables_abort(txn);
    tables_close(t);
    tear_down(&x);
}

/*
 * Most of a small run is spent on opening and closing, so kills are aimed at random
 * moments of whole runs of about 400 events in transactions of 30; the machine's
 * speed is followed, so that about half of them come in time.
 */
Test(rollup_job, a_kill_at_any_of_500_moments_is_made_good_by_the_next_run)
{
    struct fixture x = set_up_in(temp_dir_make_in_memory());
    uint64_t seed = 42;
    uint64_t span_us = 10000;
    int hit = 0;
    char whole[HASH_SHA256_TEXT_BYTES], killed[HASH_SHA256_TEXT_BYTES];
    for (int kills = 0; kills < 500; kills++) {
        /* Always something to fold, in transactions of its own. */
        for (int frame = 0; frame < 8; frame++) {
            for (int e = 0; e < 50; e++)
                random_event(&x, &seed, noon + kills * 60000);
            flush(&x, noon + kills * 60000);
        }
        /* LMDB's environments must not pass through a fork. */
        log_writer_close(x.writer);
        pid_t child = fork();
        cr_assert(child >= 0);
        if (child == 0) {
            rollup_with(&x, false, 30, 1 + (unsigned)kills % 2);
            _exit(0);
        }
        int status;
        usleep((useconds_t)roll(&seed, span_us));
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        open_writer(&x);
        bool in_time = WIFSIGNALED(status);
        hit += in_time;
        span_us = in_time ? span_us + span_us / 8 : span_us - span_us / 8;
        span_us = span_us < 200 ? 200 : span_us > 100000 ? 100000 : span_us;
    }
    cr_assert_gt(hit, 50, "%d of 500 kills came before the end of a run", hit);
    rollup(&x, false, 100);
    digest(&x, killed);
    rollup(&x, true, 0);
    digest(&x, whole);
    cr_assert_str_eq(killed, whole);
    tear_down(&x);
}

Test(rollup_job, a_check_names_the_row_that_is_not_what_the_log_folds_to)
{
    struct fixture x = set_up();
    uint64_t seed = 7;
    for (int i = 0; i < 300; i++)
        random_event(&x, &seed, noon);
    flush(&x, noon);
    rollup(&x, false, 0);
    /* Events that are not folded yet are no difference. */
    random_event(&x, &seed, noon);
    flush(&x, noon);
    struct rollup_options o = {.data_directory = x.dir.path, .price_path = x.book};
    uint8_t d[HASH_SHA256_BYTES];
    char text[HASH_SHA256_TEXT_BYTES], now[HASH_SHA256_TEXT_BYTES];
    struct err err;
    cr_assert_eq(rollup_check(&o, d, &err), ERR_OK, "%s", err.text);
    hash_hex(d, sizeof d, text);
    digest(&x, now);
    cr_assert_str_eq(text, now);

    struct tables *t;
    struct tables_txn *txn;
    struct usage_key key = {.organization = 9999, .period = 1};
    struct usage_row row = {.calls = 1};
    uint8_t bytes[USAGE_KEY_BYTES];
    usage_key_encode(&key, bytes);
    cr_assert_eq(tables_open(x.dir.path, TABLES_WRITE, &t, &err), ERR_OK);
    cr_assert_eq(tables_begin(t, TABLES_WRITE, &txn, &err), ERR_OK);
    cr_assert_eq(usage_add(txn, TABLE_MONTHLY, bytes, &row, &err), ERR_OK);
    cr_assert_eq(tables_commit(txn, &err), ERR_OK);
    tables_close(t);
    cr_assert_eq(rollup_check(&o, d, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "table monthly, key 0000270f00000001"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "is not there when"), "%s", err.text);
    tear_down(&x);
}

Test(rollup_job, resources_count_what_exists_by_the_newest_event)
{
    struct fixture x = set_up();
    static const struct {
        const char *id, *thing, *action;
        int64_t at;
    } acts[] = {
        {"1", "p1", "created", 0}, {"2", "p2", "created", 1}, {"3", "p1", "deleted", 5},
        {"4", "p1", "created", 3}, {"5", "p3", "deleted", 2}, {"6", "p2", "created", 9},
        {"7", "p4", "created", 4},
    };
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        make_stored(&x.frame, EVENT_RESOURCE, noon + acts[i].at,
                    make_record(5, "id", "s", acts[i].id, "organizationId", "s", "org1", "resource",
                                "s", "project", "action", "s", acts[i].action, "resourceId", "s",
                                acts[i].thing));
        x.count++;
    }
    flush(&x, noon + 10);
    rollup(&x, false, 0);
    struct tables *t;
    struct tables_txn *txn = open_tables(&x, &t);
    uint32_t org;
    cr_assert(dict_find(txn, str_of("org1"), &org));
    /* p1: its newest event deleted it; p3 never was; p2 and p4 are. */
    cr_assert_eq(resource_count(txn, org, EVENT_PROJECT), 2);
    tables_abort(txn);
    tables_close(t);
    tear_down(&x);
}

Test(rollup_job, tables_of_another_log_are_refused)
{
    struct fixture x = set_up(), y = set_up();
    struct err err;
    struct rollup_result r;
    use(&x, "a", "org1", "m1", 1, 1, noon);
    flush(&x, noon);
    use(&y, "a", "org1", "m1", 1, 1, noon);
    flush(&y, noon);
    rollup(&x, false, 0);
    char from[160], to[160];
    snprintf(from, sizeof from, "%s/tables.mdb", x.dir.path);
    snprintf(to, sizeof to, "%s/tables.mdb", y.dir.path);
    cr_assert_eq(rename(from, to), 0);
    struct rollup_options o = {.data_directory = y.dir.path, .price_path = y.book};
    cr_assert_eq(rollup_run(&o, &r, &err), ERR_CONFLICT);
    cr_assert_not_null(strstr(err.text, "--rebuild"), "%s", err.text);
    tear_down(&x);
    tear_down(&y);
}

Test(rollup_job, no_log_and_a_bad_book_are_said_in_one_line)
{
    struct temp_dir t = temp_dir_make();
    struct err err;
    struct rollup_result r;
    char book[128];
    snprintf(book, sizeof book, "%s/prices.json", t.path);
    write_book(book, "");
    struct rollup_options o = {.data_directory = t.path, .price_path = book};
    cr_assert_eq(rollup_run(&o, &r, &err), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.text, "gbill-agent"), "%s", err.text);
    write_book(book, ",{}");
    cr_assert_eq(rollup_run(&o, &r, &err), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "prices.json"), "%s", err.text);
    o.price_path = "/nonexistent/prices.json";
    cr_assert_eq(rollup_run(&o, &r, &err), ERR_NOT_FOUND);
    temp_dir_remove(&t);
}
