/*
 * Fourteen months in the life of thirty organizations.
 *
 * Events go through the log and the fold; the clock is told.  After every step the
 * invoices of all organizations are compared, line by line, with a small model that
 * shares no code with what it judges: it keeps lists of events and adds up anew.  A
 * second run at each step must find nothing to do, final invoices must not change by
 * a byte, and in the end each is computed again from the log.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "billing/invoice_stage.h"
#include "billing/verify.h"
#include "rollup/job.h"
#include "store/base/time.h"
#include "store/log/writer.h"
#include "store/tables/dict.h"
#include "store/tables/dirty.h"
#include "store/tables/invoice.h"
#include "tests/billing/year_model.h"
#include "tests/support/make_event.h"
#include "tests/support/record.h"
#include "tests/support/temp_dir.h"

enum { ORGANIZATIONS = 30 };

static const char book[] =
    "{'format':'gbill-plans/2','currency':'USD','minor_digits':2,'default':'free','plans':["
#define LIMITS "{'limits':{'projects':1,'documents':1,'ai_credits':{'soft':1000},'members':1},"
#define WORDS "'support':'a','analytics':'b'}]}"
    "{'id':'free','name':'F','order':1,'versions':[" LIMITS "'charges':[]," WORDS ","
    "{'id':'small','name':'S','order':2,'versions':[" LIMITS
    "'charges':[{'id':'fee','model':'flat','amount':'30'},{'id':'use','model':'per_unit',"
    "'meter':'ai_credits','price':'0.01','free_units':'1000'}]," WORDS ","
    "{'id':'large','name':'L','order':3,'versions':[" LIMITS
    "'charges':[{'id':'fee','model':'flat','amount':'90.01'},{'id':'use','model':'per_unit',"
    "'meter':'ai_credits','price':'0.0085','free_units':'5000'}]," WORDS ","
    "{'id':'ahead','name':'H','order':4,'versions':[" LIMITS
    "'charges':[{'id':'fee','model':'flat','amount':'49.99','bill':'advance'}]," WORDS ","
    "{'id':'a-small','name':'A','order':5,'versions':[" LIMITS
    "'cycle':'anchored','charges':[{'id':'fee','model':'flat','amount':'31','bill':'advance'},"
    "{'id':'use','model':'per_unit','meter':'ai_credits','price':'0.01','free_units':'1000'}]," WORDS
    ","
    "{'id':'a-large','name':'B','order':6,'versions':[" LIMITS
    "'cycle':'anchored','charges':[{'id':'fee','model':'flat','amount':'97.77',"
    "'bill':'advance'}]," WORDS "]}";

static struct org orgs[ORGANIZATIONS];
static struct temp_dir dir;
static char plans_path[160], prices_path[160];
static struct log_writer *writer;
static struct buf frame;
static uint32_t frame_count;
static uint64_t seq;
static struct err err;
static uint64_t random_state = 88172645463325252u;

static uint64_t
chance(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static int64_t
seconds_of(const char *text)
{
    int64_t ms = 0;
    cr_assert(time_parse(str_of(text), &ms), "%s", text);
    return ms / 1000;
}

/* ---- what gbill says ---- */

static int
plan_of(struct str id)
{
    for (int p = 1; p < PLANS; p++) {
        if (str_is(id, plans[p].id))
            return p;
    }
    return 0;
}

/* Lines in an order of their own: both sides are sorted. */
static int
by_all(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind - y->kind;
    if (x->plan != y->plan)
        return x->plan - y->plan;
    return (x->period_s > y->period_s) - (x->period_s < y->period_s);
}

static void
text_of_lines(struct line *lines, size_t count, char *text, size_t room)
{
    text[0] = '\0';
    qsort(lines, count, sizeof *lines, by_all);
    for (size_t i = 0; i < count; i++) {
        size_t used_bytes = strlen(text);
        snprintf(text + used_bytes, room - used_bytes, "%c %s of %lld: %lld%s; ", lines[i].kind,
                 plans[lines[i].plan].id, (long long)lines[i].period_s, (long long)lines[i].cents,
                 lines[i].corrects ? " corrects" : "");
    }
}

static void
expect_bill(struct tables_txn *txn, const struct org *o, uint32_t number, struct bill *want,
            const char *now)
{
    static const char kinds[INVOICE_LINE_KINDS] = {'f', 'u', 'c', 'a', 't'};
    struct invoice i;
    struct line lines[LINES_MAX] = {0};
    char got_text[4096], want_text[4096];
    cr_assert(invoice_get(txn, number, want->from_s * 1000, &i), "%s: %s has no invoice from %lld",
              now, o->name, (long long)want->from_s);
    cr_assert_leq(i.line_count, LINES_MAX);
    int64_t total = 0;
    for (uint32_t n = 0; n < i.line_count; n++) {
        struct invoice_line l;
        cr_assert(invoice_line_get(txn, number, i.from_ms, n, &l));
        int64_t period = l.kind == INVOICE_ADJUSTMENT ? l.period_ms : l.period_ms / 1000;
        lines[n] =
            (struct line){kinds[l.kind], plan_of(l.plan), period, l.amount_minor, l.corrects != 0};
        total += l.amount_minor;
    }
    text_of_lines(lines, i.line_count, got_text, sizeof got_text);
    text_of_lines(want->lines, want->line_count, want_text, sizeof want_text);
    cr_assert_str_eq(got_text, want_text, "%s: %s, invoice from %lld to %lld:\ngot  %s\nwant %s",
                     now, o->name, (long long)want->from_s, (long long)want->to_s, got_text,
                     want_text);
    cr_assert_eq(i.to_ms, want->to_s * 1000, "%s: %s", now, o->name);
    cr_assert_eq(i.status != INVOICE_DRAFT, want->final, "%s: %s from %lld", now, o->name,
                 (long long)want->from_s);
    cr_assert_eq(i.total_minor, total);
}

/* No item was ever credited more than was billed of it. */
static void
expect_no_overcredit(struct org *o)
{
    for (size_t i = 0; i < o->final_count; i++) {
        for (size_t n = 0; n < o->finals[i].line_count; n++) {
            const struct line *l = &o->finals[i].lines[n];
            struct item item = {l->kind, l->plan, l->period_s, 0, 0};
            bool any;
            cr_assert(l->kind == 'a' || billed_before(o, &item, &any) >= 0, "%s", o->name);
        }
    }
}

static struct tables *tables;

static struct tables_txn *
look(void)
{
    struct tables_txn *txn;
    cr_assert_eq(tables_open(dir.path, TABLES_WRITE, &tables, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(tables, TABLES_WRITE, &txn, &err), ERR_OK, "%s", err.text);
    return txn;
}

static void
look_away(struct tables_txn *txn)
{
    tables_abort(txn);
    tables_close(tables);
}

static void
expect_all(const char *now)
{
    struct tables_txn *txn = look();
    uint64_t stored = 0, wanted = 0;
    bool seen[ORGANIZATIONS * INVOICES_MAX + 1] = {false};
    uint64_t most = 0;
    for (size_t k = 0; k < ORGANIZATIONS; k++) {
        struct org *o = &orgs[k];
        uint32_t number;
        cr_assert(dict_find(txn, str_of(o->name), &number));
        for (size_t i = 0; i < o->final_count; i++)
            expect_bill(txn, o, number, &o->finals[i], now);
        for (size_t i = 0; i < o->draft_count; i++)
            expect_bill(txn, o, number, &o->drafts[i], now);
        wanted += o->final_count + o->draft_count;
        expect_no_overcredit(o);
    }
    struct invoice_scan scan;
    for (invoice_scan_begin(&scan, txn, 0); invoice_scan_next(&scan); stored++) {
        if (scan.row.status == INVOICE_DRAFT)
            continue;
        cr_assert(scan.row.number > 0 && !seen[scan.row.number]);
        seen[scan.row.number] = true;
        most = scan.row.number > most ? scan.row.number : most;
    }
    invoice_scan_end(&scan);
    for (uint64_t n = 1; n <= most; n++)
        cr_assert(seen[n], "%s: number %u is missing", now, (unsigned)n);
    cr_assert_eq(stored, wanted, "%s: %u invoices, not %u", now, (unsigned)stored,
                 (unsigned)wanted);
    look_away(txn);
}

/* ---- events ---- */

static void
emit(enum event_kind kind, int64_t time_s, const char *json)
{
    struct buf record = record_of_json(json);
    struct event e;
    struct event_defect defect = {""};
    cr_assert(event_parse(kind, bytes_of_buf(&record), time_s * 1000, &e, &defect), "%s: %s", json,
              defect.text);
    cr_assert(event_store(&e, &frame));
    buf_clear(&record);
    frame_count++;
    seq++;
}

static struct fact *
add_fact(struct org *o, enum fact_kind kind, int64_t at_s, int plan, int64_t amount)
{
    cr_assert_lt(o->fact_count, FACTS_MAX);
    struct fact *f = &o->facts[o->fact_count++];
    *f = (struct fact){.kind = kind, .at_s = at_s, .plan = plan, .amount = amount, .seq = seq + 1};
    snprintf(f->id, sizeof f->id, "e%u", (unsigned)seq + 1);
    return f;
}

static void
subscribe(struct org *o, enum fact_kind kind, int plan, int64_t at_s, int64_t now_s)
{
    static const char *const actions[] = {"changed", "cancelled", "paused", "resumed"};
    struct fact *f = add_fact(o, kind, at_s, plan, 0);
    char json[256], extra[48] = "";
    if (kind == SET)
        snprintf(extra, sizeof extra, ",'plan':'%s'", plans[plan].id);
    snprintf(json, sizeof json,
             "{'id':'%s','organizationId':'%s','action':'%s','effectiveAt':%lld%s}", f->id, o->name,
             actions[kind], (long long)at_s * 1000, extra);
    emit(EVENT_SUBSCRIPTION, now_s, json);
}

static void
use(struct org *o, int64_t at_s, int64_t credits)
{
    struct fact *f = add_fact(o, USE, at_s, 0, credits);
    char json[320];
    snprintf(json, sizeof json,
             "{'id':'%s','organizationId':'%s','userId':'u','type':'chat','provider':'openai',"
             "'model':'m1','inputTokens':%lld,'outputTokens':%lld}",
             f->id, o->name, (long long)(credits - credits / 3), (long long)(credits / 3));
    emit(EVENT_USAGE, at_s, json);
}

static void
adjust(struct org *o, int64_t at_s, int64_t cents)
{
    struct fact *f = add_fact(o, ADJUST, at_s, 0, cents);
    char json[256];
    snprintf(json, sizeof json,
             "{'id':'%s','organizationId':'%s','amount':%lld,'currency':'USD','reason':'r'}", f->id,
             o->name, (long long)cents);
    emit(EVENT_ADJUSTMENT, at_s, json);
}

static void
void_fact(struct org *o, struct fact *f, int64_t now_s)
{
    char json[256];
    f->voided = true;
    snprintf(json, sizeof json, "{'id':'v%u','organizationId':'%s','voids':'%s','at':%lld}",
             (unsigned)seq + 1, o->name, f->id, (long long)f->at_s * 1000);
    emit(EVENT_VOID, now_s, json);
}

/* A change of plan, now or told late; an anchored subscription never ends. */
static void
change_plan(struct org *o, int64_t now_s)
{
    bool held;
    int64_t at_s = chance(4) == 0 ? now_s - (int64_t)chance(20 * DAY_S) : now_s;
    (void)plan_at(o, now_s, &held);
    if (o->anchored) {
        if (o->anchor_s == 0) {
            o->anchor_s = now_s;
            subscribe(o, SET, 4, now_s, now_s);
            return;
        }
        at_s = at_s <= o->anchor_s ? now_s : at_s;
        if (at_s == o->anchor_s)
            return;
        uint64_t what = chance(4);
        if (what < 2)
            subscribe(o, SET, 4 + (int)what, at_s, now_s);
        else
            subscribe(o, what == 2 ? PAUSE : RESUME, 0, at_s, now_s);
        return;
    }
    uint64_t what = chance(7);
    if (what < 4)
        subscribe(o, SET, (int)what % 3 + 1, at_s, now_s);
    else
        subscribe(o, (enum fact_kind)(CANCEL + (what - 4)), 0, at_s, now_s);
}

/* Any fact but the first two, which say since when there is the organization at all. */
static void
void_something(struct org *o, int64_t now_s)
{
    if (o->fact_count < 4)
        return;
    struct fact *f = &o->facts[2 + chance(o->fact_count - 2)];
    if (!f->voided && !(o->anchored && f->kind == SET && f->at_s == o->anchor_s))
        void_fact(o, f, now_s);
}

static void
live(int64_t now_s)
{
    for (size_t k = 0; k < ORGANIZATIONS; k++) {
        struct org *o = &orgs[k];
        if (chance(4) == 0)
            change_plan(o, now_s);
        if (chance(2) == 0)
            use(o, now_s, (int64_t)chance(6000) + 1);
        if (chance(6) == 0) /* late: up to a month old */
            use(o, now_s - (int64_t)chance(30 * DAY_S), (int64_t)chance(3000) + 1);
        if (chance(12) == 0)
            adjust(o, now_s - (int64_t)chance(2) * 20 * DAY_S, (int64_t)chance(4000) - 2000);
        if (chance(14) == 0)
            void_something(o, now_s);
    }
}

/* ---- the jobs ---- */

static void
flush(int64_t now_s)
{
    struct log_part parts[LOG_STREAMS] = {
        [LOG_EVENTS] = {{frame.data, frame.size_bytes}, frame_count}};
    if (frame_count == 0)
        return;
    cr_assert_eq(log_writer_append(writer, now_s * 1000, parts, &err), ERR_OK, "%s", err.text);
    frame.size_bytes = 0;
    frame_count = 0;
}

static void
rollup(void)
{
    struct rollup_options o = {.data_directory = dir.path, .price_path = prices_path, .threads = 1};
    struct rollup_result r;
    cr_assert_eq(rollup_run(&o, &r, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(r.seq, seq);
}

static struct invoice_result
invoices(int64_t now_s)
{
    struct clock clock = clock_fixed(now_s * 1000);
    struct invoice_options o = {dir.path, plans_path, &clock, 24, {0}};
    struct invoice_result r;
    cr_assert_eq(invoice_stage_run(&o, &r, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(r.problems, 0);
    return r;
}

/* The transaction that last changed an invoice or a line. */
static uint64_t
last_change(void)
{
    static const enum table shown[] = {TABLE_INVOICES, TABLE_INVOICE_LINES};
    struct tables_txn *txn = look();
    uint64_t last = 0;
    for (size_t i = 0; i < 2; i++) {
        struct dirty_scan scan;
        for (dirty_scan_begin(&scan, txn, shown[i]); dirty_scan_next(&scan);)
            last = scan.number > last ? scan.number : last;
        dirty_scan_end(&scan);
    }
    look_away(txn);
    return last;
}

/* One step: what happened is folded and billed, compared, and billed again for nothing. */
static void
step(int64_t now_s)
{
    char now[TIME_TEXT_BYTES];
    time_format_ms(now_s * 1000, now);
    flush(now_s);
    rollup();
    for (size_t k = 0; k < ORGANIZATIONS; k++)
        bill_organization(&orgs[k], now_s);
    invoices(now_s);
    expect_all(now);
    uint64_t changed = last_change();
    cr_assert_eq(invoices(now_s).finalized, 0, "%s", now);
    cr_assert_eq(last_change(), changed, "%s: a second run changes rows", now);
}

static void
write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    for (const char *p = text; *p != '\0'; p++)
        fputc(*p == '\'' ? '"' : *p, f);
    cr_assert_eq(fclose(f), 0);
}

static void
begin(void)
{
    char log[160];
    dir = temp_dir_make();
    snprintf(plans_path, sizeof plans_path, "%s/plans.json", dir.path);
    snprintf(prices_path, sizeof prices_path, "%s/prices.json", dir.path);
    snprintf(log, sizeof log, "%s/log", dir.path);
    write_file(plans_path, book);
    write_file(prices_path,
               "{'format':'gbill-prices/1','currency':'USD','unit':'1000000 tokens','models':["
               "{'provider':'openai','model':'m1','prices':[{'from':null,'recorded':'2026-01-01',"
               "'tier':'standard','rates':{'input':'2.5','output':'10'}}]}]}");
    cr_assert_eq(log_writer_open(log, &writer, &err), ERR_OK, "%s", err.text);
    buf_init(&frame, 16 << 20);
    for (size_t k = 0; k < ORGANIZATIONS; k++) {
        orgs[k] = (struct org){.anchored = k % 3 == 2};
        snprintf(orgs[k].name, sizeof orgs[k].name, "org-%02u", (unsigned)k);
        use(&orgs[k], seconds_of("2027-10-31T12:00:00Z"), 10);
        use(&orgs[k], seconds_of("2027-10-31T13:00:00Z"), 10);
    }
}

static void
end(void)
{
    log_writer_close(writer);
    buf_clear(&frame);
    temp_dir_remove(&dir);
}

/* ---- verify ---- */

static uint64_t last_tampered;
static char said[2048];

static void
keep_line(void *context, const char *text)
{
    (void)context;
    size_t used_bytes = strlen(said);
    snprintf(said + used_bytes, sizeof said - used_bytes, "%s\n", text);
}

/* Make the first fee of an organization's bills a cent dearer, behind everybody's back. */
static void
tamper(const char *name)
{
    struct tables_txn *txn = look();
    struct tables_scan scan;
    struct invoice i;
    uint32_t number;
    uint8_t prefix[4], key[64], value[512];
    struct bytes k = {key, 0}, changed = {value, 0};
    cr_assert(dict_find(txn, str_of(name), &number));
    put_be32(prefix, number);
    tables_scan_begin(&scan, txn, TABLE_INVOICE_LINES, (struct bytes){prefix, sizeof prefix});
    while (tables_scan_next(&scan) && scan.value.data[0] != INVOICE_PLAN_FEE)
        continue;
    k.size_bytes = scan.key.size_bytes;
    changed.size_bytes = scan.value.size_bytes;
    memcpy(key, scan.key.data, k.size_bytes);
    memcpy(value, scan.value.data, changed.size_bytes);
    tables_scan_end(&scan);
    value[59]++; /* the amount's lowest byte (store/tables/invoice.c) */
    cr_assert_eq(tables_put(txn, TABLE_INVOICE_LINES, k, changed, &err), ERR_OK);
    cr_assert(invoice_get(txn, number, (int64_t)get_be64(key + 4), &i));
    last_tampered = i.number;
    cr_assert_eq(tables_commit(txn, &err), ERR_OK);
    tables_close(tables);
}

TestSuite(billing_year, .init = begin, .fini = end);

Test(billing_year, every_line_of_thirty_organizations_over_fourteen_months)
{
    /* The worst days: firsts and lasts of months to the second, and the ends of grace. */
    static const struct {
        int day;
        int64_t second;
    } days[] = {{1, 0}, {2, 0}, {15, 43200}, {28, 86399}, {31, 0}, {31, 86399}};
    struct verify_options v = {.data_directory = dir.path};
    struct verify_result r;
    step(seconds_of("2027-10-31T23:00:00Z"));
    for (int month = 10; month < 24; month++) { /* November 2027 to December 2028 */
        int64_t before = 0;
        for (size_t d = 0; d < sizeof days / sizeof days[0]; d++) {
            int64_t now_s = month_s(month, days[d].day) + days[d].second;
            if (now_s <= before)
                continue;
            before = now_s;
            if (now_s % DAY_S != 0 || days[d].day != 2)
                live(now_s);
            step(now_s);
        }
    }
    step(seconds_of("2029-01-02T00:00:00Z"));
    size_t finals = 0;
    for (size_t k = 0; k < ORGANIZATIONS; k++)
        finals += orgs[k].final_count;
    cr_assert_geq(finals, 300, "%u", (unsigned)finals);
    v.organization = orgs[2].name;
    cr_assert_eq(verify_run(&v, &r, &err), ERR_OK, "%s", err.text);
    cr_expect_eq(r.invoices, orgs[2].final_count);
    cr_expect_eq(r.differ, 0);
    tamper(orgs[2].name);
    cr_assert_eq(verify_run(&v, &r, &err), ERR_CORRUPT, "%s", err.text);
    v.number = last_tampered;
    v.line = keep_line;
    cr_assert_eq(verify_run(&v, &r, &err), ERR_OK, "%s", err.text);
    cr_expect_eq(r.differ, 1);
    cr_expect_not_null(strstr(said, "differs from what it was computed from"), "%s", said);
    cr_expect_not_null(strstr(said, "the log says: plan_fee"), "%s", said);
}
