/*
 * What Stripe told becomes the state of invoices: each row of the first table of
 * schemas/stripe.md, "What follows from it".  Subscriptions: test_told_plan.c.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/billing/office.h"

#define FLAT(id, order, amount)                                                              \
    ",{'id':'" id "','name':'" id "','order':" order ",'versions':[{'limits':{'projects':1," \
    "'documents':1,'ai_credits':1,'members':1},'support':'a','analytics':'b','charges':["    \
    "{'id':'fee','name':'f','model':'flat','amount':'" amount "'}]}]}"

static const char book[] =
    "{'format':'gbill-plans/2','currency':'USD','minor_digits':2,'default':'free','rates':["
    "{'currency':'ISK','from':'2026-01-01','rate':'100'},"
    "{'currency':'MGA','from':'2026-01-01','rate':'100'}],'plans':["
    "{'id':'free','name':'Free','order':1,'versions':[{'limits':{'projects':1,'documents':1,"
    "'ai_credits':1,'members':1},'charges':[],'support':'a','analytics':'b'}]}" FLAT("basic", "2",
                                                                                     "30") "]}";

static const char *path;

static void
begin(void)
{
    office_open();
    path = office_book(book);
    office_begin();
}

TestSuite(billing_told, .init = begin, .fini = office_close);

static struct invoice_result
run(const char *now)
{
    office_commit();
    struct invoice_result result = office_invoices_of(path, now, 24);
    office_begin();
    return result;
}

/* Invoice 1 of acme, of 3000 minor units of the dollar, is final. */
static void
bill(void)
{
    office_subscribe("acme", "basic", "2026-11-01");
    run("2026-12-02");
}

static struct invoice
invoice_of(const char *organization)
{
    struct invoice i = {0};
    run("2026-12-20");
    office_commit();
    cr_assert(office_invoice(organization, "2026-11-01", &i));
    office_begin();
    return i;
}

static void
expect(enum invoice_status status, int64_t paid_minor, const char *what)
{
    struct invoice i = invoice_of("acme");
    cr_expect_eq(i.status, status, "%s: %s", what, invoice_status_name(i.status));
    cr_expect_eq(i.paid_minor, paid_minor, "%s: %d is paid", what, (int)i.paid_minor);
}

static unsigned told;

/* One event; at: seconds of the 3rd of December. */
static void
tell(const char *organization, int at, const char *type, const char *json)
{
    char id[32], when[64];
    snprintf(id, sizeof id, "evt_%u", ++told);
    snprintf(when, sizeof when, "2026-12-03T00:%02d:%02dZ", at / 60, at % 60);
    office_tell(organization, id, when, type, json);
}

#define IN_1 "'object':'invoice','id':'in_1','gbill_invoice':'1','currency':'usd'"
#define PAYMENT(id, status, amount, pi)                                               \
    "{'object':'invoice_payment','id':'" id                                           \
    "','invoice':'in_1','currency':'usd','status':'" status "','amount_paid':" amount \
    ",'payment_intent':'" pi "','payment_type':'payment_intent'}"

static void
link_invoice(void)
{
    tell("acme", 0, "invoice.created", "{" IN_1 ",'status':'draft','amount_paid':0}");
}

/* All of invoice 1, by one payment. */
static void
pay(void)
{
    link_invoice();
    tell("-", 10, "invoice_payment.paid", PAYMENT("inpay_1", "paid", "3000", "pi_1"));
}

/* ---- paid ---- */

Test(billing_told, payments_of_an_invoice_count_once_each)
{
    bill();
    link_invoice();
    tell("-", 1, "invoice_payment.paid", PAYMENT("inpay_1", "paid", "1000", "pi_1"));
    expect(INVOICE_PARTIALLY_PAID, 1000, "one");
    tell("-", 1, "invoice_payment.paid", PAYMENT("inpay_1", "paid", "1000", "pi_1"));
    expect(INVOICE_PARTIALLY_PAID, 1000, "told again");
    tell("-", 2, "invoice_payment.created", PAYMENT("inpay_2", "open", "0", "pi_2"));
    expect(INVOICE_PARTIALLY_PAID, 1000, "another is open");
    tell("-", 2, "invoice_payment.paid", PAYMENT("inpay_2", "paid", "2000", "pi_2"));
    expect(INVOICE_PAID, 3000, "and paid, in the same second");
    tell("acme", 3, "invoice.paid", "{" IN_1 ",'status':'paid','amount_paid':3000}");
    expect(INVOICE_PAID, 3000, "the invoice says so too");
}

Test(billing_told, a_paid_invoice_is_paid_though_its_payments_are_not_told)
{
    bill();
    tell("acme", 3, "invoice.paid", "{" IN_1 ",'status':'paid','amount_paid':3000}");
    expect(INVOICE_PAID, 3000, "invoice.paid");
    tell("-", 1, "invoice_payment.paid", PAYMENT("inpay_1", "paid", "1000", "pi_1"));
    expect(INVOICE_PAID, 3000, "at least as much in all");
}

Test(billing_told, payment_succeeded_says_the_same_as_paid)
{
    bill();
    tell("acme", 3, "invoice.payment_succeeded", "{" IN_1 ",'status':'paid','amount_paid':3000}");
    expect(INVOICE_PAID, 3000, "invoice.payment_succeeded");
}

Test(billing_told, what_we_settled_ourselves_is_not_paid_twice)
{
    bill();
    office_pay("acme", 1, "paid", 3000);
    tell("acme", 3, "invoice.paid",
         "{" IN_1 ",'status':'paid','amount_paid':3000,'request_key':'gbill:settle/1:1'}");
    expect(INVOICE_PAID, 3000, "settled");
    tell("-", 3, "invoice_payment.paid",
         "{'id':'inpay_1','invoice':'in_1','status':'paid','amount_paid':3000,"
         "'request_key':'gbill:settle/1:1'}");
    expect(INVOICE_PAID, 3000, "nor by the record of it");
}

Test(billing_told, an_operator_s_payment_and_stripe_s_add_up)
{
    bill();
    office_pay("acme", 1, "paid", 1000);
    link_invoice();
    tell("-", 1, "invoice_payment.paid", PAYMENT("inpay_1", "paid", "2000", "pi_1"));
    expect(INVOICE_PAID, 3000, "both");
}

/* ---- refunded ---- */

#define REFUND(id, status, amount)                                                                 \
    "{'object':'refund','id':'" id "','currency':'usd','status':'" status "','amount':" amount "," \
    "'payment_intent':'pi_1','charge':'ch_1'}"
#define CHARGE(refunded)                                                                  \
    "{'object':'charge','id':'ch_1','currency':'usd','status':'succeeded','amount':3000," \
    "'payment_intent':'pi_1','amount_refunded':" refunded "}"

Test(billing_told, a_refund_takes_its_amount_off_unless_it_failed)
{
    bill();
    pay();
    tell("-", 20, "refund.created", REFUND("re_1", "pending", "500"));
    expect(INVOICE_PARTIALLY_PAID, 2500, "pending");
    tell("-", 21, "refund.updated", REFUND("re_1", "succeeded", "500"));
    tell("-", 21, "charge.refunded", CHARGE("500"));
    expect(INVOICE_PARTIALLY_PAID, 2500, "succeeded");
    tell("-", 30, "refund.created", REFUND("re_2", "succeeded", "200"));
    tell("-", 30, "charge.refunded", CHARGE("700"));
    expect(INVOICE_PARTIALLY_PAID, 2300, "another");
    tell("-", 40, "refund.failed", REFUND("re_1", "failed", "500"));
    expect(INVOICE_PARTIALLY_PAID, 2800, "the first failed after all");
    tell("-", 41, "charge.refund.updated", REFUND("re_2", "canceled", "200"));
    expect(INVOICE_PAID, 3000, "the second was canceled");
}

Test(billing_told, a_charge_says_how_much_was_refunded_at_least)
{
    bill();
    pay();
    tell("-", 20, "charge.refunded", CHARGE("700"));
    expect(INVOICE_PARTIALLY_PAID, 2300, "no refund is told");
    tell("-", 20, "refund.created", REFUND("re_1", "succeeded", "200"));
    expect(INVOICE_PARTIALLY_PAID, 2300, "of two refunds one is told");
    tell("-", 19, "refund.failed", REFUND("re_0", "failed", "100"));
    expect(INVOICE_PARTIALLY_PAID, 2300, "what failed before the charge spoke is in its sum");
    tell("-", 20, "charge.refunded", CHARGE("3000"));
    expect(INVOICE_FINAL, 0, "all of it, in the same second");
}

Test(billing_told, a_refund_of_a_charge_alone_is_found)
{
    bill();
    link_invoice();
    tell("-", 10, "invoice_payment.paid",
         "{'id':'inpay_1','invoice':'in_1','status':'paid','amount_paid':3000,'charge':'ch_1'}");
    tell("-", 20, "refund.created",
         "{'id':'re_1','charge':'ch_1','status':'succeeded','amount':100}");
    expect(INVOICE_PARTIALLY_PAID, 2900, "by its charge");
}

Test(billing_told, what_hangs_on_another_payment_changes_nothing)
{
    bill();
    pay();
    tell("-", 20, "refund.created",
         "{'id':'re_1','payment_intent':'pi_2','status':'succeeded','amount':100}");
    expect(INVOICE_PAID, 3000, "another's refund");
}

/* ---- disputed ---- */

#define DISPUTE(id, status, amount)                                                             \
    "{'object':'dispute','id':'" id "','currency':'usd','status':'" status "','amount':" amount \
    ",'payment_intent':'pi_1','charge':'ch_1','reason':'fraudulent'}"

Test(billing_told, a_dispute_is_as_its_status_says)
{
    static const struct {
        const char *json;
        enum invoice_status status;
        int64_t paid_minor;
    } steps[] = {
        {DISPUTE("dp_1", "warning_needs_response", "1000"), INVOICE_PAID, 3000},
        {DISPUTE("dp_1", "warning_under_review", "1000"), INVOICE_PAID, 3000},
        {DISPUTE("dp_1", "warning_closed", "1000"), INVOICE_PAID, 3000},
        {DISPUTE("dp_2", "needs_response", "1000"), INVOICE_DISPUTED, 2000},
        {DISPUTE("dp_2", "under_review", "1000"), INVOICE_DISPUTED, 2000},
        {DISPUTE("dp_2", "won", "1000"), INVOICE_PAID, 3000},
        {DISPUTE("dp_3", "needs_response", "500"), INVOICE_DISPUTED, 2500},
        {DISPUTE("dp_3", "lost", "500"), INVOICE_PARTIALLY_PAID, 2500},
        {DISPUTE("dp_4", "prevented", "500"), INVOICE_PARTIALLY_PAID, 2500},
        {DISPUTE("dp_5", "needs_response", "9000"), INVOICE_DISPUTED, 0},
    };
    bill();
    pay();
    /* All in one second: the status alone says what came last. */
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        tell("-", 20, "charge.dispute.updated", steps[i].json);
        expect(steps[i].status, steps[i].paid_minor, steps[i].json);
    }
}

/* ---- failed, void ---- */

Test(billing_told, a_payment_that_failed_stands_until_the_invoice_is_paid)
{
    bill();
    tell("acme", 5, "invoice.payment_failed", "{" IN_1 ",'status':'open','amount_paid':0}");
    expect(INVOICE_PAYMENT_FAILED, 0, "failed");
    tell("acme", 6, "invoice.marked_uncollectible", "{" IN_1 ",'status':'uncollectible'}");
    expect(INVOICE_PAYMENT_FAILED, 0, "uncollectible");
    tell("acme", 6, "invoice.paid", "{" IN_1 ",'status':'paid','amount_paid':3000}");
    expect(INVOICE_PAID, 3000, "paid in the same second");
    tell("-", 6, "invoice_payment.paid", PAYMENT("inpay_1", "paid", "3000", "pi_1"));
    tell("-", 9, "refund.created", REFUND("re_1", "succeeded", "3000"));
    expect(INVOICE_FINAL, 0, "given back: it did not fail");
}

Test(billing_told, uncollectible_alone_is_a_failed_payment)
{
    bill();
    tell("acme", 6, "invoice.marked_uncollectible", "{" IN_1 ",'status':'uncollectible'}");
    expect(INVOICE_PAYMENT_FAILED, 0, "uncollectible");
}

Test(billing_told, what_is_voided_there_is_void_and_billed_again)
{
    struct invoice i;
    bill();
    tell("acme", 6, "invoice.voided", "{" IN_1 ",'status':'void'}");
    expect(INVOICE_VOID, 0, "void");
    run("2027-01-02");
    office_commit();
    cr_assert(office_invoice("acme", "2026-12-01", &i));
    cr_expect_eq(i.total_minor, 6000, "both months: %d", (int)i.total_minor);
    office_begin();
}

Test(billing_told, what_we_voided_there_ourselves_says_nothing_here)
{
    bill();
    tell("acme", 6, "invoice.voided", "{" IN_1 ",'status':'void','request_key':'gbill:void/1:1'}");
    expect(INVOICE_FINAL, 0, "by us");
    /* A second invoice of Stripe's for the same one of ours: only when both are void it is. */
    tell("acme", 7, "invoice.created",
         "{'id':'in_2','gbill_invoice':'1','currency':'usd','status':'open'}");
    expect(INVOICE_FINAL, 0, "the second is open");
    tell("acme", 8, "invoice.voided",
         "{'id':'in_2','gbill_invoice':'1','currency':'usd','status':'void'}");
    expect(INVOICE_VOID, 0, "the second is void");
}

/* ---- what is wrong ---- */

static void
expect_problem(const char *says)
{
    cr_expect_eq(run("2026-12-20").problems, 1, "%s", says);
    cr_expect_not_null(strstr(office_notices(), says), "%s", office_notices());
    cr_expect_not_null(strstr(office_notices(), "organization acme: Stripe's invoice in_1"), "%s",
                       office_notices());
}

Test(billing_told, an_invoice_that_we_do_not_have_is_said)
{
    bill();
    tell("acme", 1, "invoice.created", "{'id':'in_1','gbill_invoice':'9','status':'open'}");
    cr_expect_eq(run("2026-12-20").problems, 0, "nothing follows from it yet");
    tell("acme", 2, "invoice.paid", "{'id':'in_1','gbill_invoice':'9','amount_paid':5}");
    expect_problem("names no final invoice of this organization");
}

Test(billing_told, another_organization_s_number_is_none_of_ours)
{
    bill();
    tell("globex", 2, "invoice.paid", "{" IN_1 ",'status':'paid','amount_paid':3000}");
    cr_expect_eq(invoice_of("acme").status, INVOICE_FINAL);
}

Test(billing_told, another_currency_is_said_and_not_counted)
{
    bill();
    tell("acme", 2, "invoice.paid",
         "{'id':'in_1','gbill_invoice':'1','currency':'eur','amount_paid':3000}");
    expect(INVOICE_FINAL, 0, "euros");
    expect_problem("is in another currency than the invoice");
}

Test(billing_told, amounts_of_several_currencies_are_no_sum)
{
    bill();
    pay();
    tell("-", 20, "refund.created",
         "{'id':'re_1','payment_intent':'pi_1','currency':'eur','status':'succeeded','amount':1}");
    expect(INVOICE_FINAL, 0, "a refund in euros");
    expect_problem("is in another currency than the invoice");
}

Test(billing_told, a_void_of_what_was_paid_is_refused_and_said)
{
    bill();
    office_pay("acme", 1, "paid", 1);
    tell("acme", 6, "invoice.voided", "{" IN_1 ",'status':'void'}");
    expect(INVOICE_PARTIALLY_PAID, 1, "it stays");
    expect_problem("is void, but was paid");
}

Test(billing_told, a_payment_of_what_is_void_is_said)
{
    bill();
    office_pay("acme", 1, "void", 0);
    pay();
    expect(INVOICE_VOID, 0, "it stays");
    expect_problem("is paid, but the invoice is void");
}

Test(billing_told, amounts_are_converted_from_stripe_s_units)
{
    office_subscription("acme", EVENT_PLAN_SET, "basic", "ISK", "2026-11-01");
    office_subscription("globex", EVENT_PLAN_SET, "basic", "MGA", "2026-11-01");
    run("2026-12-02");
    tell("acme", 2, "invoice.paid",
         "{'id':'in_1','gbill_invoice':'1','currency':'isk','amount_paid':300000}");
    tell("globex", 2, "invoice.paid",
         "{'id':'in_2','gbill_invoice':'2','currency':'mga','amount_paid':3000}");
    cr_expect_eq(invoice_of("acme").paid_minor, 3000, "no minor unit, but hundredths there");
    cr_expect_eq(invoice_of("globex").paid_minor, 300000, "hundredths, but none there");
    tell("acme", 3, "invoice.paid",
         "{'id':'in_1','gbill_invoice':'1','currency':'isk','amount_paid':300050}");
    expect_problem("minor units cannot say");
}
