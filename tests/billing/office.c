#include "tests/billing/office.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "store/base/time.h"
#include "store/event/stripe_object.h"
#include "store/tables/adjustment.h"
#include "store/tables/balance.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "store/tables/dirty.h"
#include "store/tables/payment.h"
#include "store/tables/resource.h"
#include "store/tables/stripe_told.h"
#include "store/tables/subscription.h"
#include "store/tables/usage.h"
#include "tests/support/number.h"
#include "tests/support/record.h"
#include "tests/support/temp_dir.h"

static struct temp_dir dir;
static struct tables *tables;
static struct tables_txn *txn;
static struct dict dict;
static uint64_t seq;
static struct err err;
static char notices[64 * 1024];
static unsigned notice_counts[2];
static unsigned books;
/* Texts of rows that were read outlive their transaction here. */
static char kept[64][512];
static unsigned kept_count;

void
office_open(void)
{
    dir = temp_dir_make();
    office_begin();
    office_commit();
}

void
office_close(void)
{
    tables_abort(txn);
    tables_close(tables);
    dict_clear(&dict);
    temp_dir_remove(&dir);
}

const char *
office_directory(void)
{
    return dir.path;
}

int64_t
ms_of(const char *time)
{
    int64_t ms = 0;
    cr_assert(time_parse(str_of(time), &ms), "%s", time);
    return ms;
}

int32_t
month_of(const char *month)
{
    return time_month(ms_of(month));
}

struct tables_txn *
office_begin(void)
{
    if (tables == NULL)
        cr_assert_eq(tables_open(dir.path, TABLES_WRITE, &tables, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(tables, TABLES_WRITE, &txn, &err), ERR_OK, "%s", err.text);
    return txn;
}

void
office_commit(void)
{
    cr_assert_eq(tables_commit(txn, &err), ERR_OK, "%s", err.text);
    txn = NULL;
    /* The stages open the file themselves, and LMDB allows that once in a process. */
    tables_close(tables);
    tables = NULL;
}

uint32_t
office_number(const char *text)
{
    return number_text(&dict, txn, text);
}

void
office_subscription(const char *organization, enum event_subscription_action action,
                    const char *plan, const char *currency, const char *at)
{
    struct subscription s = {.organization = office_number(organization),
                             .effective_ms = ms_of(at),
                             .seq = ++seq,
                             .action = action,
                             .plan = office_number(plan),
                             .currency = office_number(currency),
                             .anchor_ms = EVENT_TIME_NONE,
                             .trial_end_ms = EVENT_TIME_NONE};
    cr_assert_eq(subscription_put(txn, &s, &err), ERR_OK, "%s", err.text);
}

void
office_subscription_with(const char *organization, enum event_subscription_action action,
                         const char *plan, const char *at, struct office_terms terms)
{
    struct subscription s = {
        .organization = office_number(organization),
        .effective_ms = ms_of(at),
        .seq = ++seq,
        .action = action,
        .plan = office_number(plan),
        .currency = office_number(terms.currency != NULL ? terms.currency : ""),
        .tax_percent = office_number(terms.tax_percent != NULL ? terms.tax_percent : ""),
        .at_period_end = terms.at_period_end,
        .anchor_ms = terms.anchor != NULL ? ms_of(terms.anchor) : EVENT_TIME_NONE,
        .trial_end_ms = terms.trial_end != NULL ? ms_of(terms.trial_end) : EVENT_TIME_NONE};
    cr_assert_eq(subscription_put(txn, &s, &err), ERR_OK, "%s", err.text);
}

void
office_void_subscription(const char *organization, const char *at, uint64_t of_seq)
{
    struct subscription s = {
        .organization = office_number(organization), .effective_ms = ms_of(at), .seq = of_seq};
    cr_assert_eq(subscription_delete(txn, &s, &err), ERR_OK, "%s", err.text);
}

uint64_t
office_seq(void)
{
    return seq;
}

void
office_pay(const char *organization, uint64_t invoice, const char *status, int64_t amount_minor)
{
    char number[24];
    snprintf(number, sizeof number, "%u", (unsigned)invoice);
    struct payment p = {.organization = office_number(organization),
                        .seq = ++seq,
                        .time_utc_ms = ms_of("2026-11-01"),
                        .amount_minor = amount_minor,
                        .invoice = office_number(number),
                        .status = office_number(status)};
    cr_assert_eq(payment_put(txn, &p, &err), ERR_OK, "%s", err.text);
}

void
office_tell(const char *organization, const char *id, const char *at, const char *type,
            const char *json)
{
    struct buf map = record_of_json(json);
    struct bytes object = bytes_of_buf(&map);
    const struct event event = {.id = str_of(id), .stripe = {str_of(type), object}};
    struct str parent = stripe_object_parent(str_of(type), object);
    struct str plan = stripe_object_plan(str_of(type), object);
    uint8_t body[4096];
    cr_assert_leq(stripe_told_pack_bytes(&event), sizeof body);
    stripe_told_pack(&event, body);
    struct stripe_told row = {.under = parent.size_bytes > 0            ? STRIPE_TOLD_OBJECT
                                       : strcmp(organization, "-") == 0 ? STRIPE_TOLD_NOBODY
                                                                        : STRIPE_TOLD_ORGANIZATION,
                              .seq = ++seq,
                              .time_utc_ms = ms_of(at),
                              .organization = office_number(organization),
                              .body = {body, stripe_told_pack_bytes(&event)}};
    char text[EVENT_REASON_BYTES_MAX + 1];
    snprintf(text, sizeof text, "%.*s", STR_ARG(parent));
    row.parent = parent.size_bytes > 0 ? office_number(text) : row.organization;
    snprintf(text, sizeof text, "%.*s", STR_ARG(plan));
    row.plan = plan.size_bytes > 0 ? office_number(text) : 0;
    struct str currency = stripe_object_text(object, "currency");
    snprintf(text, sizeof text, "%.*s", STR_ARG(currency));
    for (size_t i = 0; text[i] != '\0'; i++)
        text[i] = (char)toupper((unsigned char)text[i]);
    row.currency = plan.size_bytes > 0 && text[0] != '\0' ? office_number(text) : 0;
    cr_assert_eq(stripe_told_put(txn, &row, &err), ERR_OK, "%s", err.text);
    buf_clear(&map);
}

void
office_subscribe(const char *organization, const char *plan, const char *at)
{
    office_subscription(organization, EVENT_PLAN_SET, plan, "", at);
}

static void
use(enum table table, uint32_t period, const char *organization, uint64_t credits,
    int64_t cost_pico, uint64_t unpriced_calls)
{
    uint8_t key[USAGE_KEY_BYTES];
    struct usage_key k = {.organization = office_number(organization),
                          .period = period,
                          .user = office_number("u"),
                          .type = office_number("chat"),
                          .provider = office_number("openai"),
                          .model = office_number("gpt-4o-mini")};
    struct usage_row row = {
        .calls = 1 + unpriced_calls,
        .unpriced_calls = unpriced_calls,
        .tokens = {[EVENT_INPUT] = credits - credits / 3, [EVENT_OUTPUT] = credits / 3},
        .cost_pico = cost_pico};
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(txn, table, key, &row, &err), ERR_OK, "%s", err.text);
}

/* At a time: in its hour and its month. */
void
office_use_priced(const char *organization, const char *at, uint64_t credits, int64_t cost_pico,
                  uint64_t unpriced_calls)
{
    use(TABLE_HOURLY, (uint32_t)(ms_of(at) / TIME_HOUR_MS), organization, credits, cost_pico,
        unpriced_calls);
    use(TABLE_MONTHLY, (uint32_t)month_of(at), organization, credits, cost_pico, unpriced_calls);
}

void
office_use(const char *organization, const char *at, uint64_t credits)
{
    office_use_priced(organization, at, credits, 0, 0);
}

void
office_resources(const char *organization, enum event_resource_type type, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "resource-%u", (unsigned)i);
        seq++;
        cr_assert_eq(resource_apply(txn, office_number(organization), type, office_number(name),
                                    true, ms_of("2026-11-01"), seq, &err),
                     ERR_OK, "%s", err.text);
    }
}

void
office_adjust(const char *organization, const char *at, int64_t amount_minor, const char *currency,
              const char *reason)
{
    struct adjustment row = {.organization = office_number(organization),
                             .month = month_of(at),
                             .seq = ++seq,
                             .time_utc_ms = ms_of(at),
                             .amount_minor = amount_minor,
                             .currency = office_number(currency),
                             .reason = office_number(reason)};
    cr_assert_eq(adjustment_put(txn, &row, &err), ERR_OK, "%s", err.text);
}

void
office_first_event(const char *organization, const char *at)
{
    struct balance b = {{[BALANCE_ACCEPTED] = 1, [BALANCE_SETTINGS] = 1}};
    cr_assert_eq(balance_add(txn, office_number(organization), (uint32_t)(ms_of(at) / TIME_HOUR_MS),
                             &b, &err),
                 ERR_OK, "%s", err.text);
}

void
office_cursor(uint64_t cursor_seq)
{
    struct cursor c = {.seq = cursor_seq};
    memset(c.chain, 0xc4, sizeof c.chain);
    memset(c.price_book, 0xb0, sizeof c.price_book);
    cr_assert_eq(cursor_put(txn, &c, &err), ERR_OK, "%s", err.text);
}

uint64_t
office_owed(enum table table)
{
    struct dirty_scan scan;
    uint64_t n = 0;
    office_begin();
    dirty_scan_begin(&scan, txn, table);
    while (dirty_scan_next(&scan))
        n++;
    dirty_scan_end(&scan);
    office_commit();
    return n;
}

void
office_settle(enum table table)
{
    for (bool more = true; more;) {
        struct dirty_scan scan;
        uint8_t key[64];
        struct bytes k = {key, 0};
        uint64_t number = 0;
        office_begin();
        dirty_scan_begin(&scan, txn, table);
        more = dirty_scan_next(&scan);
        if (more) {
            k.size_bytes = scan.key.size_bytes;
            cr_assert_leq(k.size_bytes, sizeof key);
            memcpy(key, scan.key.data, k.size_bytes);
            number = scan.number;
        }
        dirty_scan_end(&scan);
        if (more)
            cr_assert_eq(dirty_settle(txn, table, k, number, &err), ERR_OK, "%s", err.text);
        office_commit();
    }
}

static void
keep_notice(void *context, enum stage_notice notice, const char *text)
{
    size_t used = strlen(notices);
    (void)context;
    notice_counts[notice]++;
    snprintf(notices + used, sizeof notices - used, "%s\n", text);
}

static struct stage_notices
listen(void)
{
    notices[0] = '\0';
    notice_counts[STAGE_PROBLEM] = notice_counts[STAGE_LATE] = 0;
    return (struct stage_notices){.line = keep_notice};
}

struct limits_result
office_limits(const char *now)
{
    struct clock clock = clock_fixed(ms_of(now));
    struct limits_options o = {dir.path, SHIPPED_PLANS, &clock, listen()};
    struct limits_result r = {0};
    cr_assert_eq(limits_run(&o, &r, &err), ERR_OK, "%s", err.text);
    return r;
}

struct invoice_result
office_invoices_of(const char *plans_path, const char *now, int64_t grace_hours)
{
    struct clock clock = clock_fixed(ms_of(now));
    struct invoice_options o = {dir.path, plans_path, &clock, grace_hours, listen()};
    struct invoice_result r = {0};
    cr_assert_eq(invoice_stage_run(&o, &r, &err), ERR_OK, "%s", err.text);
    return r;
}

struct invoice_result
office_invoices(const char *now)
{
    return office_invoices_of(SHIPPED_PLANS, now, INVOICE_GRACE_HOURS_DEFAULT);
}

const char *
office_notices(void)
{
    return notices;
}

unsigned
office_notice_count(enum stage_notice notice)
{
    return notice_counts[notice];
}

static struct str
keep(struct str text)
{
    char *to = kept[kept_count++ % 64];
    cr_assert_lt(text.size_bytes, sizeof kept[0]);
    memcpy(to, text.data, text.size_bytes);
    to[text.size_bytes] = '\0';
    return (struct str){to, text.size_bytes};
}

bool
office_invoice(const char *organization, const char *month, struct invoice *ret)
{
    uint32_t number = 0;
    office_begin();
    bool found = dict_find(txn, str_of(organization), &number) &&
                 invoice_get(txn, number, ms_of(month), ret);
    office_commit();
    return found;
}

struct invoice_line
office_line(const char *organization, const char *month, uint32_t line)
{
    struct invoice_line ret = {0};
    office_begin();
    cr_assert(invoice_line_get(txn, office_number(organization), ms_of(month), line, &ret),
              "%s %s has no line %u", organization, month, line);
    ret.description = keep(ret.description);
    ret.plan = keep(ret.plan);
    ret.charge = keep(ret.charge);
    office_commit();
    return ret;
}

struct limit
office_limit(const char *organization, enum limit_dimension dimension)
{
    struct limit ret = {0};
    office_begin();
    cr_assert(limit_get(txn, office_number(organization), dimension, &ret), "%s", organization);
    ret.plan = keep(ret.plan);
    ret.upgrade = keep(ret.upgrade);
    ret.reason = keep(ret.reason);
    office_commit();
    return ret;
}

const char *
office_book(const char *text)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/plans-%u.json", dir.path, ++books);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    for (const char *p = text; *p != '\0'; p++)
        fputc(*p == '\'' ? '"' : *p, f);
    cr_assert_eq(fclose(f), 0);
    return path;
}

struct plan_book *
office_load(const char *path)
{
    struct plan_book *book = NULL;
    cr_assert_eq(plan_book_load(path, &book, &err), ERR_OK, "%s", err.text);
    return book;
}

const char *
office_book_with(const char *behind, const char *from, const char *to)
{
    static char text[16384], changed[16384];
    FILE *f = fopen(SHIPPED_PLANS, "r");
    cr_assert_not_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    char *at = strstr(text, behind);
    cr_assert_not_null(at, "%s", behind);
    at = strstr(at, from);
    cr_assert_not_null(at, "%s", from);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return office_book(changed);
}
