/*
 * What becomes of money when subscriptions change: fees ahead and behind, by the
 * calendar and by an anchor.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/billing/office.h"

#define TERMS(fee, more)                                                                  \
    "{'limits':{'projects':1,'documents':1,'ai_credits':{'soft':1000},'members':1}," more \
    "'support':'a','analytics':'b','charges':[{'id':'fee','name':'" fee "','model':'flat'"
#define SOLD \
    "{'id':'credits','name':'Credits','model':'per_unit','meter':'ai_credits','price':'0.01','free_units':'1000'}"
#define PLAN(id, order, versions) \
    ",{'id':'" id "','name':'" id "','order':" order ",'versions':[" versions "]}"
#define AHEAD(id, order, amount, more) \
    PLAN(id, order, TERMS(id, more) ",'amount':'" amount "','bill':'advance'}," SOLD "]}")
#define BEHIND(id, order, amount, more) \
    PLAN(id, order, TERMS(id, more) ",'amount':'" amount "'}," SOLD "]}")

/* In pieces, since a text of C has at most 4,095 bytes. */
static const char *const book[] = {
    "{'format':'gbill-plans/2','currency':'USD','minor_digits':2,'default':'free','rates':["
    "{'currency':'EUR','from':'2026-01-01','rate':'0.9'},"
    "{'currency':'EUR','from':'2026-03-01','rate':'0.8'},"
    "{'currency':'JPY','from':'2026-01-01','rate':'150.5'},"
    "{'currency':'KWD','from':'2026-01-01','rate':'0.307'}],'plans':["
    "{'id':'free','name':'Free','order':1,'versions':[{'limits':{'projects':1,'documents':1,"
    "'ai_credits':1,'members':1},'charges':[],'support':'a','analytics':'b'}]}",
    AHEAD("small", "2", "30", "") AHEAD("large", "3", "90", "") BEHIND("arrears", "4", "30", ""),
    AHEAD("a-small", "5", "30", "'cycle':'anchored',")
        AHEAD("a-large", "6", "90", "'cycle':'anchored',"),
    AHEAD("a-year", "7", "365", "'cycle':'anchored','period':'year','usage_period':'month',")
        AHEAD("a-trial", "8", "30", "'cycle':'anchored','trial_days':14,"),
    BEHIND("by-day", "9", "30", "'day_count':'days',")
        BEHIND("by-day-inclusive", "10", "30", "'day_count':'days_inclusive',"),
    AHEAD("ten-days", "11", "10", "'cycle':'anchored','period':{'days':10},")
        PLAN("committed", "12", TERMS("f", "'commitment':'100',") ",'amount':'1'}," SOLD "]}") ",{'id':'own','name':'own','order':13,'organizations':['acme'],'versions':[" TERMS(
            "own", "") ",'amount':'7'}]}]}"
                       "]}"};

static const char *path;

static void
begin(void)
{
    char text[8192] = "";
    for (size_t i = 0; i < sizeof book / sizeof book[0]; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s", book[i]);
    office_open();
    path = office_book(text);
    office_begin();
}

TestSuite(billing_subscription, .init = begin, .fini = office_close);

static void
subscribe(const char *plan, const char *at)
{
    office_subscribe("acme", plan, at);
}

static void
later(const char *plan, const char *at, struct office_terms terms)
{
    office_subscription_with("acme", plan[0] != '\0' ? EVENT_PLAN_SET : EVENT_PLAN_CANCELLED, plan,
                             at, terms);
}

static struct invoice_result
run(const char *now)
{
    office_commit();
    struct invoice_result r = office_invoices_of(path, now, 0);
    office_begin();
    return r;
}

/* The amounts on the lines of the invoice from a time, and what they are called. */
static void
expect(const char *from, const char *want)
{
    struct invoice i;
    char got[2048] = "";
    office_commit();
    if (!office_invoice("acme", from, &i)) {
        snprintf(got, sizeof got, "none");
    } else {
        for (uint32_t n = 0; n < i.line_count; n++) {
            struct invoice_line l = office_line("acme", from, n);
            size_t used = strlen(got);
            snprintf(got + used, sizeof got - used, "%s%lld %s", n > 0 ? "; " : "",
                     (long long)l.amount_minor, l.description.data);
        }
    }
    office_begin();
    cr_expect_str_eq(got, want, "from %s: %s", from, got);
}

Test(billing_subscription, a_fee_ahead_is_billed_as_it_starts_and_then_with_every_period)
{
    subscribe("small", "2026-11-10");
    run("2026-11-24");
    /* The invoice that ends with the start has what is ahead: 21 of 30 days. */
    expect("2026-11-01", "2100 small, 2026-11-10 to 2026-12-01, 1,814,400 of 2,592,000 s");
    expect("2026-11-10", "3000 small, 2026-12");
    cr_expect_eq(run("2026-12-02").finals, 2);
    expect("2026-12-01", "3000 small, 2027-01");
}

Test(billing_subscription, a_start_with_the_month_has_its_whole_fee_on_the_invoice_that_ends_there)
{
    subscribe("small", "2026-11-01");
    run("2026-11-02");
    expect("2026-10-01", "3000 small, 2026-11");
    expect("2026-11-01", "3000 small, 2026-12");
}

Test(billing_subscription, an_upgrade_credits_what_was_paid_ahead_and_charges_the_rest)
{
    subscribe("small", "2026-11-01");
    run("2026-11-02");
    subscribe("large", "2026-11-11");
    run("2026-11-12");
    /* 10 of 30 days were used: 20.00 come back, 60.00 are due; and December's. */
    expect("2026-11-01",
           "-2000 Credit for unused time (invoice 1), used: small, 2026-11-01 to 2026-11-11, "
           "864,000 of 2,592,000 s; 6000 large, 2026-11-11 to 2026-12-01, 1,728,000 of 2,592,000 "
           "s; 9000 large, 2026-12");
    expect("2026-10-01", "3000 small, 2026-11"); /* final: never edited */
    run("2026-12-02");
    expect("2026-12-01", "9000 large, 2027-01");
}

Test(billing_subscription, a_downgrade_at_the_period_end_costs_and_credits_nothing)
{
    subscribe("large", "2026-11-01");
    run("2026-11-02");
    later("small", "2026-11-11", (struct office_terms){.at_period_end = true});
    run("2026-11-12");
    expect("2026-11-01", "3000 small, 2026-12");
    run("2026-12-02");
    expect("2026-12-01", "3000 small, 2027-01");
}

Test(billing_subscription, a_cancellation_now_credits_and_one_at_the_period_end_does_not)
{
    subscribe("small", "2026-11-01");
    run("2026-11-02");
    later("", "2026-11-16", (struct office_terms){0});
    run("2026-11-17");
    expect("2026-11-01", "-1500 Credit for unused time (invoice 1), used: small, 2026-11-01 to "
                         "2026-11-16, 1,296,000 of 2,592,000 s");
    run("2026-12-02");
    struct invoice i;
    office_commit();
    cr_assert(office_invoice("acme", "2026-11-01", &i));
    cr_expect_eq(i.status, INVOICE_FINAL); /* a credit note */
    cr_expect_eq(i.total_minor, -1500);
    cr_expect_eq(invoice_due_minor(&i), 0);
    office_begin();
    expect("2026-12-01", "none");
}

Test(billing_subscription, cancelled_at_the_period_end_and_taken_back)
{
    subscribe("small", "2026-11-01");
    run("2026-11-02");
    later("", "2026-11-16", (struct office_terms){.at_period_end = true});
    run("2026-11-17");
    expect("2026-11-01", "none");
    office_subscription("acme", EVENT_PLAN_RESUMED, "", "", "2026-11-20");
    run("2026-11-21");
    expect("2026-11-01", "3000 small, 2026-12");
}

Test(billing_subscription, a_pause_credits_and_a_resumption_charges)
{
    subscribe("small", "2026-11-01");
    run("2026-11-02");
    office_subscription("acme", EVENT_PLAN_PAUSED, "", "", "2026-11-11");
    run("2026-11-12");
    expect("2026-11-01", "-2000 Credit for unused time (invoice 1), used: small, 2026-11-01 to "
                         "2026-11-11, 864,000 of 2,592,000 s");
    office_subscription("acme", EVENT_PLAN_RESUMED, "", "", "2026-11-21");
    run("2026-11-22");
    expect("2026-11-01", "-1000 Credit for unused time (invoice 1), used: small, 2026-11, "
                         "1,728,000 of 2,592,000 s; 3000 small, 2026-12");
}

Test(billing_subscription, credit_notes_are_used_up_before_anything_is_to_be_paid)
{
    subscribe("large", "2026-11-01");
    run("2026-11-02");
    later("", "2026-11-16", (struct office_terms){0});
    run("2026-12-02"); /* a credit note of 45.00 */
    subscribe("small", "2026-12-10");
    run("2026-12-11");
    struct invoice i;
    office_commit();
    cr_assert(office_invoice("acme", "2026-12-01", &i));
    cr_expect_eq(i.total_minor, 2129); /* 22 of 31 days */
    cr_expect_eq(i.credit_minor, 2129);
    cr_expect_eq(invoice_due_minor(&i), 0);
    cr_assert(office_invoice("acme", "2026-12-10", &i));
    cr_expect_eq(i.total_minor, 3000);
    cr_expect_eq(i.credit_minor, 4500 - 2129);
    cr_expect_eq(invoice_due_minor(&i), 3000 - (4500 - 2129));
    office_begin();
}

Test(billing_subscription, anchored_on_the_31st_every_month_has_its_whole_fee)
{
    subscribe("a-small", "2026-01-31T10:00:00Z");
    run("2026-04-02");
    expect("2026-01-01", "3000 a-small, 2026-01-31T10:00:00Z to 2026-02-28T10:00:00Z");
    expect("2026-01-31T10:00:00Z", "3000 a-small, 2026-02-28T10:00:00Z to 2026-03-31T10:00:00Z");
    expect("2026-02-28T10:00:00Z", "3000 a-small, 2026-03-31T10:00:00Z to 2026-04-30T10:00:00Z");
    expect("2026-03-31T10:00:00Z", "3000 a-small, 2026-04-30T10:00:00Z to 2026-05-31T10:00:00Z");
}

Test(billing_subscription, an_anchor_of_the_customers_own_begins_with_a_part_of_a_period)
{
    later("a-small", "2026-11-10", (struct office_terms){.anchor = "2026-11-25"});
    run("2026-11-26");
    /* The period from 25 October has 31 days, 15 of them are left. */
    expect("2026-11-01", "1452 a-small, 2026-11-10 to 2026-11-25, 1,296,000 of 2,678,400 s");
    expect("2026-11-10", "3000 a-small, 2026-11-25 to 2026-12-25");
}

Test(billing_subscription, usage_of_an_anchored_period_is_counted_by_the_hour)
{
    subscribe("a-small", "2026-11-10T10:30:00Z");
    office_use("acme", "2026-11-10T10:00:00Z", 5000); /* the hour began before the plan */
    office_use("acme", "2026-11-10T11:00:00Z", 1000);
    office_use("acme", "2026-12-10T10:00:00Z", 300);  /* the last hour of the period */
    office_use("acme", "2026-12-10T11:00:00Z", 9000); /* the next one's */
    run("2026-12-11");
    expect("2026-11-10T10:30:00Z",
           "3000 a-small, 2026-12-10T10:30:00Z to 2027-01-10T10:30:00Z; 300 Credits beyond the "
           "1,000 of the a-small plan, 2026-11-10T10:30:00Z to 2026-12-10T10:30:00Z");
}

Test(billing_subscription, a_plan_of_another_period_begins_anew_and_credits_the_old)
{
    subscribe("a-small", "2026-11-01");
    run("2026-11-02");
    subscribe("a-year", "2026-11-16");
    run("2026-11-17");
    expect("2026-11-01", "-1500 Credit for unused time (invoice 1), used: a-small, 2026-11-01 to "
                         "2026-11-16, 1,296,000 of 2,592,000 s; 36500 a-year, 2026-11-16 to "
                         "2027-11-16");
    /* A year's fee, but use is billed by the month. */
    office_use("acme", "2026-11-20", 1500);
    run("2026-12-17");
    expect("2026-11-16", "500 Credits beyond the 1,000 of the a-year plan, 2026-11-16 to "
                         "2026-12-16");
    expect("2026-12-16", "none");
}

Test(billing_subscription, a_trial_is_free_and_the_first_period_begins_at_its_end)
{
    subscribe("a-trial", "2026-11-01");
    run("2026-11-10");
    struct invoice none;
    office_commit();
    cr_expect_not(office_invoice("acme", "2026-10-01", &none));
    office_begin();
    run("2026-11-16");
    expect("2026-11-01", "3000 a-trial, 2026-11-15 to 2026-12-15");
    /* To come back gives no second one. */
    later("", "2026-11-20", (struct office_terms){0});
    subscribe("a-trial", "2026-11-21");
    run("2026-11-22");
    expect("2026-11-20", "3000 a-trial, 2026-11-21 to 2026-12-21");
}

Test(billing_subscription, a_trial_may_be_given_and_made_longer_by_an_event)
{
    later("small", "2026-11-01", (struct office_terms){.trial_end = "2026-11-11"});
    office_subscription_with("acme", EVENT_PLAN_SETTINGS, "", "2026-11-05",
                             (struct office_terms){.trial_end = "2026-11-21"});
    run("2026-11-22");
    expect("2026-11-11", "none");
    expect("2026-11-01", "1000 small, 2026-11-21 to 2026-12-01, 864,000 of 2,592,000 s");
}

Test(billing_subscription, days_are_counted_as_the_plan_says)
{
    office_subscribe("acme", "by-day", "2026-11-03T23:00:00Z");
    office_subscription("acme", EVENT_PLAN_CANCELLED, "", "", "2026-11-10T01:00:00Z");
    run("2026-12-02");
    expect("2026-11-01", "700 by-day, 2026-11-03T23:00:00Z to 2026-11-10T01:00:00Z, 7 of 30 days");
}

Test(billing_subscription, an_inclusive_end_uses_the_day_of_the_cancellation)
{
    office_subscribe("acme", "by-day-inclusive", "2026-11-03T23:00:00Z");
    office_subscription("acme", EVENT_PLAN_CANCELLED, "", "", "2026-11-10T01:00:00Z");
    run("2026-12-02");
    expect("2026-11-01",
           "800 by-day-inclusive, 2026-11-03T23:00:00Z to 2026-11-10T01:00:00Z, 8 of 30 days");
}

Test(billing_subscription, a_period_of_ten_days)
{
    subscribe("ten-days", "2026-11-05");
    run("2026-11-26");
    expect("2026-11-01", "1000 ten-days, 2026-11-05 to 2026-11-15");
    expect("2026-11-05", "1000 ten-days, 2026-11-15 to 2026-11-25");
    expect("2026-11-15", "1000 ten-days, 2026-11-25 to 2026-12-05");
}

Test(billing_subscription, a_commitment_is_filled_up)
{
    subscribe("committed", "2026-11-01");
    office_use("acme", "2026-11", 4000);
    run("2026-12-02");
    expect("2026-11-01", "100 f, 2026-11; 3000 Credits beyond the 1,000 of the committed plan, "
                         "2026-11; 7000 Committed use of the committed plan that was not "
                         "reached, 2026-11");
}

Test(billing_subscription, a_custom_plan_is_for_its_organization_alone)
{
    subscribe("own", "2026-11-01");
    office_subscribe("other", "own", "2026-11-01");
    struct invoice_result r = run("2026-12-02");
    cr_expect_eq(r.held, 1);
    expect("2026-11-01", "700 own, 2026-11");
    cr_expect_not_null(strstr(office_notices(), "organization other"), "%s", office_notices());
    cr_expect_not_null(strstr(office_notices(), "custom plan"), "%s", office_notices());
}

Test(billing_subscription, other_currencies_are_converted_by_the_dated_rate_and_rounded_once)
{
    static const struct {
        const char *currency;
        int64_t january, march;
    } want[] = {{"EUR", 2700, 2400}, {"JPY", 4515, 4515}, {"KWD", 9210, 9210}};
    for (size_t i = 0; i < 3; i++)
        office_subscription(want[i].currency, EVENT_PLAN_SET, "arrears", want[i].currency,
                            "2026-01-01");
    run("2026-04-02");
    office_commit();
    for (size_t i = 0; i < 3; i++) {
        struct invoice a, b;
        cr_assert(office_invoice(want[i].currency, "2026-01-01", &a));
        cr_assert(office_invoice(want[i].currency, "2026-03-01", &b));
        cr_expect_str_eq(a.currency, want[i].currency);
        cr_expect_eq(a.total_minor, want[i].january, "%s: %lld", want[i].currency,
                     (long long)a.total_minor);
        cr_expect_eq(b.total_minor, want[i].march, "%s: %lld", want[i].currency,
                     (long long)b.total_minor);
    }
    office_begin();
}

Test(billing_subscription, the_currency_is_the_first_ones_for_good)
{
    office_subscription("acme", EVENT_PLAN_SET, "arrears", "EUR", "2026-01-01");
    office_subscription("acme", EVENT_PLAN_SET, "small", "USD", "2026-02-01");
    run("2026-02-02");
    cr_expect_not_null(strstr(office_notices(), "billed in EUR"), "%s", office_notices());
}

Test(billing_subscription, tax_is_a_line_for_each_rate)
{
    office_subscription_with("acme", EVENT_PLAN_SET, "arrears", "2026-11-08",
                             (struct office_terms){.tax_percent = "20"});
    office_adjust("acme", "2026-11-09", -100, "USD", "sorry");
    office_subscription_with("acme", EVENT_PLAN_SETTINGS, "", "2026-12-01",
                             (struct office_terms){.tax_percent = "7.25"});
    run("2027-01-02");
    /* 30 * 23/30 = 23.00, less 1.00: 4.40 of tax. */
    expect("2026-11-01", "-100 Credit: sorry; 2300 arrears, 2026-11-08 to 2026-12-01, 1,987,200 "
                         "of 2,592,000 s; 440 Tax, 20 % of 22.00");
    expect("2026-12-01", "3000 arrears, 2026-12; 218 Tax, 7.25 % of 30.00");
    struct invoice i;
    office_commit();
    cr_assert(office_invoice("acme", "2026-12-01", &i));
    cr_expect_eq(i.total_minor, 3218);
    cr_expect_eq(i.tax_minor, 218);
    office_begin();
}

/* ---- payments ---- */

static struct invoice
paid(const char *from)
{
    struct invoice i = {0};
    run("2027-02-02");
    office_commit();
    cr_assert(office_invoice("acme", from, &i));
    office_begin();
    return i;
}

Test(billing_subscription, payments_make_an_invoice_paid_in_parts)
{
    subscribe("arrears", "2026-11-01");
    cr_expect_eq(paid("2026-11-01").status, INVOICE_FINAL);
    office_pay("acme", 1, "failed", 3000);
    cr_expect_eq(paid("2026-11-01").status, INVOICE_PAYMENT_FAILED);
    office_pay("acme", 1, "paid", 1000);
    cr_expect_eq(paid("2026-11-01").status, INVOICE_PARTIALLY_PAID);
    office_pay("acme", 1, "succeeded", 2000);
    cr_expect_eq(paid("2026-11-01").status, INVOICE_PAID);
    cr_expect_eq(paid("2026-11-01").paid_minor, 3000);
    office_pay("acme", 1, "refunded", -500);
    cr_expect_eq(paid("2026-11-01").status, INVOICE_PARTIALLY_PAID);
    cr_expect_eq(paid("2026-11-01").paid_minor, 2500);
}

Test(billing_subscription, a_void_invoice_keeps_its_number_and_is_billed_again_on_the_next)
{
    subscribe("arrears", "2026-11-01");
    run("2026-12-02");
    office_pay("acme", 1, "void", 0);
    run("2026-12-03");
    struct invoice i;
    office_commit();
    cr_assert(office_invoice("acme", "2026-11-01", &i));
    cr_expect_eq(i.status, INVOICE_VOID);
    cr_expect_eq(i.number, 1);
    office_begin();
    expect("2026-12-01", "3000 arrears, 2026-11; 3000 arrears, 2026-12");
    run("2027-01-02");
    office_commit();
    cr_assert(office_invoice("acme", "2026-12-01", &i));
    cr_expect_eq(i.number, 2);
    office_begin();
}

Test(billing_subscription, payments_that_make_no_sense_are_said)
{
    static const struct {
        uint64_t invoice;
        const char *status, *says;
    } want[] = {{9, "paid", "names no final invoice"},
                {1, "blessed", "unknown status"},
                {1, "void", "that was paid"}};
    subscribe("arrears", "2026-11-01");
    run("2026-12-02");
    office_pay("acme", 1, "paid", 1);
    for (size_t i = 0; i < 3; i++) {
        office_pay("acme", want[i].invoice, want[i].status, 1);
        cr_expect_eq(run("2026-12-03").problems, i + 1);
        cr_expect_not_null(strstr(office_notices(), want[i].says), "%s", office_notices());
    }
}
