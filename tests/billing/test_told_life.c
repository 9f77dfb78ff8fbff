/*
 * Stripe promises no order of its events, and tells some twice: a month's life of an
 * organization must come out the same however they arrive.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "billing/ledger.h"
#include "billing/told.h"
#include "store/base/time.h"
#include "tests/billing/office.h"
#include "tests/support/record.h"

static const char *path;
static struct plan_book *plans;

static void
begin(void)
{
    office_open();
    path = SHIPPED_PLANS;
    plans = office_load(path);
    office_begin();
}

static void
end(void)
{
    plan_book_free(plans);
    office_close();
}

TestSuite(billing_told_life, .init = begin, .fini = end);

struct tells {
    const char *organization, *id, *at, *type, *object;
};

#define DAY "2027-01-03T10:00:"
#define IN(id, n, status, paid, more)                                                              \
    "{'object':'invoice','id':'" id "','gbill_invoice':'" n "','currency':'usd','status':'" status \
    "','amount_paid':" paid more "}"
#define PAID(id, of, status, amount, pi)                                             \
    "{'object':'invoice_payment','id':'" id "','invoice':'" of "','status':'" status \
    "','currency':'usd','amount_paid':" amount ",'payment_intent':'" pi "'}"
#define RE(id, status, amount, pi, ch)                                                         \
    "{'object':'refund','id':'" id "','currency':'usd','status':'" status "','amount':" amount \
    ",'payment_intent':'" pi "','charge':'" ch "'}"
#define CH(id, refunded, pi)                                                                       \
    "{'object':'charge','id':'" id                                                                 \
    "','currency':'usd','status':'succeeded','amount_refunded':" refunded ",'payment_intent':'" pi \
    "'}"
#define DP(id, status, amount, pi)                                                              \
    "{'object':'dispute','id':'" id "','currency':'usd','status':'" status "','amount':" amount \
    ",'payment_intent':'" pi "'}"
#define SUB(status, more) "{'object':'subscription','id':'sub_1','status':'" status "'" more "}"

static const struct tells life[] = {
    /* Invoice 1: a failed try, two partial payments, refunds of which one fails after it succeeded. */
    {"acme", "evt_a1", DAY "00Z", "invoice.created", IN("in_1", "1", "draft", "0", "")},
    {"acme", "evt_z9", DAY "00Z", "invoice.finalized", IN("in_1", "1", "open", "0", "")},
    {"acme", "evt_a3", DAY "01Z", "invoice.payment_failed", IN("in_1", "1", "open", "0", "")},
    {"-", "evt_z4", DAY "02Z", "invoice_payment.created",
     PAID("ip_1", "in_1", "open", "0", "pi_1")},
    {"-", "evt_a4", DAY "02Z", "invoice_payment.paid", PAID("ip_1", "in_1", "paid", "900", "pi_1")},
    {"-", "evt_a5", DAY "03Z", "invoice_payment.paid",
     PAID("ip_2", "in_1", "paid", "2000", "pi_2")},
    {"acme", "evt_zz", DAY "03Z", "invoice.payment_failed", IN("in_1", "1", "open", "900", "")},
    {"acme", "evt_a6", DAY "03Z", "invoice.paid", IN("in_1", "1", "paid", "2900", "")},
    {"acme", "evt_a7", DAY "03Z", "invoice.payment_succeeded", IN("in_1", "1", "paid", "2900", "")},
    {"-", "evt_a8", DAY "10Z", "refund.created", RE("re_1", "pending", "500", "pi_2", "ch_2")},
    {"-", "evt_b1", DAY "11Z", "refund.updated", RE("re_1", "succeeded", "500", "pi_2", "ch_2")},
    {"-", "evt_b2", DAY "11Z", "charge.refunded", CH("ch_2", "500", "pi_2")},
    {"-", "evt_b0", DAY "12Z", "refund.created", RE("re_2", "succeeded", "300", "pi_2", "ch_2")},
    {"-", "evt_b3", DAY "12Z", "charge.refunded", CH("ch_2", "800", "pi_2")},
    {"-", "evt_b4", DAY "12Z", "refund.failed", RE("re_1", "failed", "500", "pi_2", "ch_2")},
    /* Invoice 2: disputes, of which one is won, one lost and one open. */
    {"acme", "evt_c1", DAY "20Z", "invoice.paid", IN("in_2", "2", "paid", "2900", "")},
    {"-", "evt_c2", DAY "20Z", "invoice_payment.paid",
     PAID("ip_3", "in_2", "paid", "2900", "pi_3")},
    {"-", "evt_z3", DAY "30Z", "charge.dispute.created",
     DP("dp_1", "needs_response", "700", "pi_3")},
    {"-", "evt_c3", DAY "30Z", "charge.dispute.closed", DP("dp_1", "won", "700", "pi_3")},
    {"-", "evt_z5", DAY "31Z", "charge.dispute.created", DP("dp_2", "under_review", "100", "pi_3")},
    {"-", "evt_c5", DAY "31Z", "charge.dispute.closed", DP("dp_2", "lost", "100", "pi_3")},
    {"-", "evt_z6", DAY "32Z", "charge.dispute.created",
     DP("dp_3", "warning_needs_response", "40", "pi_3")},
    {"-", "evt_c6", DAY "32Z", "charge.dispute.updated",
     DP("dp_3", "needs_response", "40", "pi_3")},
    /* Invoice 3: two of Stripe's for it; one void by us, one by hand. */
    {"acme", "evt_d1", DAY "40Z", "invoice.voided",
     IN("in_3", "3", "void", "0", ",'request_key':'gbill:void/3:1'")},
    {"acme", "evt_d3", DAY "41Z", "invoice.created", IN("in_4", "3", "open", "0", "")},
    {"acme", "evt_d2", DAY "41Z", "invoice.voided", IN("in_4", "3", "void", "0", "")},
    /* One that we do not have. */
    {"acme", "evt_d4", DAY "42Z", "invoice.paid", IN("in_9", "99", "paid", "5", "")},
    /* The subscription: made, changed, ended and brought back, in ties. */
    {"acme", "evt_z1", "2027-01-10T08:00:00Z", "customer.subscription.created",
     SUB("active", ",'price_plan':'pro'")},
    {"acme", "evt_e1", "2027-01-10T08:00:00Z", "customer.subscription.updated",
     SUB("active", ",'changed':'items','price_plan':'team'")},
    {"acme", "evt_e2", "2027-01-12T08:00:00Z", "customer.subscription.updated",
     SUB("active", ",'changed':'pause_collection','pause':'void'")},
    {"acme", "evt_e3", "2027-01-13T08:00:00Z", "customer.subscription.updated",
     SUB("active", ",'changed':'items','price_plan':'team'")},
    {"acme", "evt_e4", "2027-01-14T08:00:00Z", "customer.subscription.updated",
     SUB("active", ",'changed':'pause_collection,cancel_at_period_end','pause':'',"
                   "'cancel_at_period_end':true")},
    {"acme", "evt_z7", "2027-02-03T08:00:00Z", "checkout.session.completed",
     "{'id':'cs_1','mode':'setup','gbill_plan':'pro','status':'complete'}"},
    {"acme", "evt_e5", "2027-02-05T08:00:00Z", "customer.subscription.deleted",
     SUB("canceled", "")},
    {"acme", "evt_e6", "2027-02-05T08:00:00Z", "customer.subscription.updated",
     SUB("active", ",'changed':'items','price_plan':'team'")},
    {"acme", "evt_e7", "2027-02-06T08:00:00Z", "customer.subscription.created",
     SUB("active", ",'price_plan':'team','request_key':'gbill:subscription/acme:2'")},
    {"acme", "evt_e8", "2027-02-07T08:00:00Z", "customer.updated", "{'id':'cus_1'}"},
};
enum { LIFE = sizeof life / sizeof life[0], TOLD_MAX = LIFE + LIFE / 2 };

/* What follows, in words. */
static const char want[] =
    "1 partially_paid 2600, 2 disputed 2760, 3 void 0; "
    "problem: organization acme: Stripe's invoice in_9 (of invoice \"99\") names no final invoice "
    "of this organization; "
    "2027-01-01T00:00:00.000Z pro, 2027-01-10T08:00:00.000Z team, "
    "2027-01-12T08:00:00.000Z starter, 2027-01-14T08:00:00.000Z team, "
    "2027-02-01T00:00:00.000Z starter, 2027-02-03T08:00:00.000Z pro, "
    "2027-02-05T08:00:00.000Z starter";

static char got[2048];

static void
say(const char *fmt, ...)
{
    size_t used = strlen(got);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(got + used, sizeof got - used, fmt, ap);
    va_end(ap);
}

static void
note(void *context, enum stage_notice notice, const char *text)
{
    (void)context;
    cr_expect_eq(notice, STAGE_PROBLEM);
    say("problem: %s; ", text);
}

/* Invoices in words; problems are noted on the way, so they are put behind. */
static void
say_invoices(struct tables_txn *txn, uint32_t organization)
{
    struct ledger ledger;
    struct err err = {.code = ERR_OK};
    const struct stage_notices notices = {note, NULL};
    uint64_t problems = 0;
    char said[1024];
    ledger_init(&ledger);
    cr_assert_eq(ledger_read(&ledger, txn, organization, UINT64_MAX, &notices, &problems, &err),
                 ERR_OK, "%s", err.text);
    memcpy(said, got, sizeof said);
    got[0] = '\0';
    for (size_t n = 0; n < ledger.invoices.count; n++) {
        const struct invoice *i = (const struct invoice *)ledger.invoices.items + n;
        say("%s%d %s %d", n > 0 ? ", " : "", (int)i->number, invoice_status_name(i->status),
            (int)i->paid_minor);
    }
    say("; %s", said);
    cr_expect_eq(problems, 1);
    ledger_clear(&ledger);
}

static void
say_plans(struct tables_txn *txn, uint32_t organization)
{
    struct timeline timeline;
    struct timeline_walk w;
    struct err err = {.code = ERR_OK};
    char at[TIME_TEXT_BYTES];
    timeline_init(&timeline, plans);
    cr_assert_eq(timeline_read(&timeline, txn, organization, &err), ERR_OK, "%s", err.text);
    timeline_walk_begin(&w, &timeline, ms_of("2027-01-01"), ms_of("2027-04-01"));
    for (bool first = true; timeline_walk_next(&w); first = false) {
        time_format_ms(w.from_ms, at);
        say("%s%s %.*s", first ? "" : ", ", at, STR_ARG(w.standing.plan->id));
    }
    timeline_clear(&timeline);
}

static void
expect_state(struct tables_txn *txn, uint64_t seed)
{
    uint32_t organization = office_number("acme");
    got[0] = '\0';
    say_invoices(txn, organization);
    say_plans(txn, organization);
    cr_assert_str_eq(got, want, "order %d", (int)seed);
}

static void
tell(const struct tells *t)
{
    office_tell(t->organization, t->id, t->at, t->type, t->object);
}

static void
forget_all(struct tables_txn *txn)
{
    struct stripe_told_scan scan;
    struct err err = {.code = ERR_OK};
    for (bool more = true; more;) {
        stripe_told_scan_begin(&scan, txn, STRIPE_TOLD_ORGANIZATION, 0);
        more = stripe_told_scan_next(&scan);
        struct stripe_told row = scan.row;
        stripe_told_scan_end(&scan);
        if (more)
            cr_assert_eq(stripe_told_delete(txn, &row, &err), ERR_OK, "%s", err.text);
    }
}

/*
 * Each order tells some events twice (as if their ids had not been known yet): that changes
 * nothing either.  ORDERS in the environment asks for more.
 */
Test(billing_told_life, any_order_with_duplicates_comes_to_the_same_state)
{
    const char *asked = getenv("ORDERS");
    uint64_t orders = asked != NULL ? strtoull(asked, NULL, 10) : 400, done = 0;
    office_subscribe("acme", "pro", "2026-10-01");
    office_commit();
    office_invoices_of(path, "2027-01-02T12:00:00Z", 24);
    struct tables_txn *txn = office_begin();
    for (uint64_t order = 1; order <= orders; order++) {
        uint64_t state = order * 0x9e3779b97f4a7c15ULL;
        size_t told[TOLD_MAX], count = 0;
        for (size_t i = 0; i < LIFE; i++)
            told[count++] = i;
        for (uint64_t twice = random_next(&state) % (LIFE / 2); twice > 0; twice--)
            told[count++] = random_next(&state) % LIFE;
        for (size_t i = count - 1; i > 0; i--) {
            size_t j = random_next(&state) % (i + 1), one = told[i];
            told[i] = told[j];
            told[j] = one;
        }
        for (size_t i = 0; i < count; i++)
            tell(&life[told[i]]);
        expect_state(txn, order);
        forget_all(txn);
        done++;
    }
    cr_expect_eq(done, orders);
}
