#include <criterion/criterion.h>
#include <string.h>

#include "billing/plan/rate.h"
#include "store/base/file.h"
#include "store/log/writer.h"
#include "tests/billing/office.h"

#define NOVEMBER "2026-11"
#define MID "2026-11-24T12:00:00Z"   /* within November */
#define GRACE "2026-12-01T23:59:59Z" /* its last second of grace */
#define DUE "2026-12-02T00:00:00Z"

TestSuite(billing_invoice_stage, .init = office_open, .fini = office_close);

static struct invoice
invoice_of(const char *organization, const char *month)
{
    struct invoice i = {0};
    cr_assert(office_invoice(organization, month, &i), "%s has no invoice of %s", organization,
              month);
    return i;
}

static void
expect_line(const char *organization, uint32_t n, enum invoice_line_kind kind, int64_t amount_minor,
            const char *description)
{
    struct invoice_line l = office_line(organization, NOVEMBER, n);
    cr_expect_eq(l.kind, kind, "line %u: %s", n, invoice_line_kind_name(l.kind));
    cr_expect_eq(l.amount_minor, amount_minor, "line %u: %lld", n, (long long)l.amount_minor);
    if (description != NULL)
        cr_expect_str_eq(l.description.data, description);
}

/* ---- fees ---- */

Test(billing_invoice_stage, a_plan_over_the_whole_month_is_its_whole_fee)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    office_cursor(9);
    office_commit();
    office_invoices(MID);
    struct invoice i = invoice_of("acme", NOVEMBER);
    cr_expect_eq(i.status, INVOICE_DRAFT);
    cr_expect_eq(i.number, 0);
    cr_expect_eq(i.line_count, 1);
    cr_expect_eq(i.total_minor, 2900);
    cr_expect_str_eq(i.currency, "USD");
    expect_line("acme", 0, INVOICE_PLAN_FEE, 2900, "Pro plan, 2026-11");
    struct invoice_line l = office_line("acme", NOVEMBER, 0);
    cr_expect(l.quantity_pico == 30 * 86400 * RATE_QUANTITY_ONE);
    cr_expect_eq(l.from_ms, ms_of("2026-11-01"));
    cr_expect_eq(l.to_ms, ms_of("2026-12-01"));
}

Test(billing_invoice_stage, an_upgrade_is_prorated_by_the_second)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    office_subscribe("acme", "team", "2026-11-10T12:00:00Z");
    office_commit();
    office_invoices(MID);
    /* 29 * 9.5/30 = 9.18333…, 99 * 20.5/30 = 67.65 */
    expect_line("acme", 0, INVOICE_PLAN_FEE, 918,
                "Pro plan, 2026-11-01 to 2026-11-10T12:00:00Z, 820,800 of 2,592,000 s");
    expect_line("acme", 1, INVOICE_PLAN_FEE, 6765, NULL);
    struct invoice_line l = office_line("acme", NOVEMBER, 0);
    cr_expect_eq((int64_t)l.exact_pico, 9183333333333);
    cr_expect_eq(invoice_of("acme", NOVEMBER).total_minor, 918 + 6765);
}

Test(billing_invoice_stage, months_of_28_to_31_days_prorate_by_their_own_length)
{
    static const struct {
        const char *month, *half;
        int64_t minor;
    } want[] = {
        {"2026-02", "2026-02-15", 14950}, /* 14 of 28 */
        {"2024-02", "2024-02-15", 15466}, /* 15 of 29: 154.655… */
        {"2026-04", "2026-04-16", 14950}, /* 15 of 30 */
        {"2026-05", "2026-05-16", 15432}, /* 16 of 31: 154.322… */
    };
    for (size_t i = 0; i < 4; i++) {
        office_begin();
        office_subscribe(want[i].month, "enterprise", want[i].half);
        office_subscription(want[i].month, EVENT_PLAN_CANCELLED, "", "", "2026-05-31T23:59:59Z");
        office_commit();
    }
    office_invoices("2026-06-10");
    for (size_t i = 0; i < 4; i++) {
        int64_t minor = invoice_of(want[i].month, want[i].month).total_minor;
        cr_expect_eq(minor, want[i].minor, "%s: %lld", want[i].month, (long long)minor);
    }
}

Test(billing_invoice_stage, an_instant_counts_as_the_second_it_lies_in)
{
    office_begin();
    office_subscribe("first", "pro", "2026-10-01");
    office_subscribe("first", "team", "2026-11-01T00:00:00.999Z");
    office_subscribe("last", "pro", "2026-10-01");
    office_subscribe("last", "team", "2026-11-30T23:59:59.999Z");
    office_commit();
    office_invoices(MID);
    cr_expect_eq(invoice_of("first", NOVEMBER).line_count, 1);
    expect_line("first", 0, INVOICE_PLAN_FEE, 9900, "Team plan, 2026-11");
    cr_expect_eq(invoice_of("last", NOVEMBER).line_count, 2);
    cr_expect(office_line("last", NOVEMBER, 0).quantity_pico ==
              (30 * 86400 - 1) * RATE_QUANTITY_ONE);
    cr_expect(office_line("last", NOVEMBER, 1).quantity_pico == RATE_QUANTITY_ONE);
    expect_line("last", 1, INVOICE_PLAN_FEE, 0, NULL);
}

Test(billing_invoice_stage, segments_of_one_plan_are_one_line_however_they_are_cut)
{
    char at[32];
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    /* There and back at once, eleven times a pause of a second. */
    for (int day = 2; day <= 12; day++) {
        snprintf(at, sizeof at, "2026-11-%02dT05:06:07Z", day);
        office_subscription("acme", EVENT_PLAN_PAUSED, "", "", at);
        snprintf(at, sizeof at, "2026-11-%02dT05:06:08Z", day);
        office_subscription("acme", EVENT_PLAN_RESUMED, "", "", at);
    }
    office_commit();
    office_invoices(MID);
    struct invoice i = invoice_of("acme", NOVEMBER);
    int64_t fee = 29 * MONEY_PICO_PER_UNIT, seconds = 30 * 86400 - 11;
    money_sum exact = 0;
    cr_assert_eq(i.line_count, 1);
    for (uint32_t n = 0; n < 1; n++)
        exact += office_line("acme", NOVEMBER, n).exact_pico;
    cr_expect(exact == (money_sum)fee * seconds / (30 * 86400));
    cr_expect_eq(i.total_minor, money_round_minor(exact, 2));
}

Test(billing_invoice_stage, no_fee_runs_while_paused_or_after_a_cancellation)
{
    office_begin();
    office_subscribe("paused", "pro", "2026-10-01");
    office_subscription("paused", EVENT_PLAN_PAUSED, "", "", "2026-11-11");
    office_subscription("paused", EVENT_PLAN_RESUMED, "", "", "2026-11-21");
    office_subscribe("gone", "pro", "2026-10-01");
    office_subscription("gone", EVENT_PLAN_CANCELLED, "", "", "2026-11-16");
    office_commit();
    office_invoices("2027-01-15");
    struct invoice none;
    cr_expect_eq(invoice_of("paused", NOVEMBER).total_minor, 1933); /* 20 of 30 days */
    cr_expect_eq(invoice_of("gone", NOVEMBER).total_minor, 1450);
    cr_expect_eq(invoice_of("paused", "2026-12").total_minor, 2900);
    cr_expect_not(office_invoice("gone", "2026-12", &none));
}

Test(billing_invoice_stage, nothing_is_billed_before_the_first_event_or_for_the_future)
{
    struct invoice none;
    office_begin();
    office_subscribe("acme", "pro", "1999-01-01");
    office_first_event("acme", "2026-11-10T08:00:00Z");
    office_subscribe("later", "pro", "2026-12-01");
    office_commit();
    office_invoices(MID);
    cr_expect_not(office_invoice("acme", "2026-10", &none));
    cr_expect_eq(invoice_of("acme", NOVEMBER).total_minor, 2900);
    cr_expect_not(office_invoice("acme", "2026-12", &none));
    cr_expect_not(office_invoice("later", NOVEMBER, &none));
    cr_expect_not(office_invoice("later", "2026-12", &none));
}

/* ---- what makes an invoice ---- */

Test(billing_invoice_stage, free_and_idle_has_no_invoice_but_free_usage_has_one_of_nothing)
{
    struct invoice i;
    office_begin();
    office_subscribe("idle", "starter", "2026-11-01");
    office_use_priced("busy", NOVEMBER, 5000, 123456789, 2);
    office_commit();
    office_invoices(MID);
    cr_expect_not(office_invoice("idle", NOVEMBER, &i));
    i = invoice_of("busy", NOVEMBER);
    cr_expect_eq(i.line_count, 0);
    cr_expect_eq(i.total_minor, 0);
    cr_expect_eq(i.credits_used, 5000);
    cr_expect(i.llm_cost_pico == 123456789);
    cr_expect_eq(i.unpriced_calls, 2);
}

Test(billing_invoice_stage, an_invoice_names_what_it_came_from)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    office_cursor(4711);
    office_commit();
    office_invoices(MID);
    struct invoice i = invoice_of("acme", NOVEMBER);
    struct plan_book *book = office_load(SHIPPED_PLANS);
    cr_expect_eq(i.position, 4711);
    cr_expect_eq(i.chain[0], 0xc4);
    cr_expect_eq(i.price_book[31], 0xb0);
    cr_expect_arr_eq(i.plan_book, book->sha256, HASH_SHA256_BYTES);
    plan_book_free(book);
}

/* ---- overage ---- */

Test(billing_invoice_stage, overage_begins_with_the_first_credit_beyond_the_included)
{
    office_begin();
    office_subscribe("at", "pro", "2026-11-01");
    office_use("at", NOVEMBER, 1000000);
    office_subscribe("one", "pro", "2026-11-01");
    office_use("one", NOVEMBER, 1000001);
    office_subscribe("half", "pro", "2026-11-01");
    office_use("half", NOVEMBER, 1000200);
    office_subscribe("below", "pro", "2026-11-01");
    office_use("below", NOVEMBER, 1000199);
    office_commit();
    office_invoices(MID);
    cr_expect_eq(invoice_of("at", NOVEMBER).line_count, 1);
    struct invoice_line l = office_line("one", NOVEMBER, 1);
    cr_expect_eq(l.kind, INVOICE_USAGE);
    cr_expect(l.quantity_pico == RATE_QUANTITY_ONE);
    cr_expect_eq(l.unit_pico, 25000000);
    cr_expect(l.exact_pico == 25000000);
    cr_expect_eq(l.amount_minor, 0);
    expect_line("half", 1, INVOICE_USAGE, 1,
                "AI credits beyond the 1,000,000 of the Pro plan, 2026-11");
    expect_line("below", 1, INVOICE_USAGE, 0, NULL);
    cr_expect_eq(invoice_of("half", NOVEMBER).total_minor, 2901);
}

Test(billing_invoice_stage, no_overage_where_the_plan_sells_none)
{
    office_begin();
    office_use("free", NOVEMBER, 9000000);
    office_subscribe("large", "enterprise", "2026-11-01");
    office_use("large", NOVEMBER, 9000000000);
    office_commit();
    office_invoices(MID);
    cr_expect_eq(invoice_of("free", NOVEMBER).total_minor, 0);
    cr_expect_eq(invoice_of("large", NOVEMBER).total_minor, 29900);
}

Test(billing_invoice_stage, an_upgrade_gives_the_whole_months_credits_of_the_larger_plan)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    office_subscribe("acme", "team", "2026-11-16");
    office_use("acme", NOVEMBER, 6000000);
    office_commit();
    office_invoices(MID);
    expect_line("acme", 2, INVOICE_USAGE, 2000,
                "AI credits beyond the 5,000,000 of the Team plan, 2026-11");
}

Test(billing_invoice_stage, to_leave_on_the_last_day_does_not_make_the_overage_vanish)
{
    static const char *const ways[] = {"cancel", "pause", "downgrade"};
    for (size_t i = 0; i < 3; i++) {
        office_begin();
        office_subscribe(ways[i], "pro", "2026-11-01");
        office_use(ways[i], NOVEMBER, 3000000);
        if (i < 2)
            office_subscription(ways[i], i == 0 ? EVENT_PLAN_CANCELLED : EVENT_PLAN_PAUSED, "", "",
                                "2026-11-30");
        else
            office_subscribe(ways[i], "starter", "2026-11-30");
        office_commit();
    }
    office_invoices(MID);
    for (size_t i = 0; i < 3; i++)
        expect_line(ways[i], 1, INVOICE_USAGE, 5000, NULL);
}

/* ---- adjustments ---- */

Test(billing_invoice_stage, adjustments_are_a_line_each_and_may_make_the_total_negative)
{
    office_begin();
    office_adjust("acme", "2026-11-03", -5000, "USD", "Outage of November 2nd");
    office_adjust("acme", "2026-11-04", 1250, "USD", "Onboarding");
    office_adjust("acme", "2026-10-31T23:59:59.999Z", -1, "USD", "October's");
    office_commit();
    office_invoices(MID);
    struct invoice i = invoice_of("acme", NOVEMBER);
    cr_expect_eq(i.line_count, 2);
    cr_expect_eq(i.total_minor, -3750);
    expect_line("acme", 0, INVOICE_ADJUSTMENT, -5000, "Credit: Outage of November 2nd");
    expect_line("acme", 1, INVOICE_ADJUSTMENT, 1250, "Charge: Onboarding");
    cr_expect_eq(invoice_of("acme", "2026-10").total_minor, -1);
}

Test(billing_invoice_stage, a_long_reason_is_cut_between_characters)
{
    char reason[257];
    office_begin();
    for (size_t i = 0; i < 256; i += 2)
        memcpy(reason + i, "\xc3\xa9", 2); /* é */
    reason[256] = '\0';
    office_adjust("acme", "2026-11-03", 1, "USD", reason);
    office_commit();
    office_invoices(MID);
    struct str d = office_line("acme", NOVEMBER, 0).description;
    cr_expect_leq(d.size_bytes, 200);
    cr_expect_geq(d.size_bytes, 198);
    cr_expect_eq((unsigned char)d.data[d.size_bytes - 1], 0xa9);
}

Test(billing_invoice_stage, an_adjustment_in_another_currency_holds_the_invoice_as_a_draft)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    office_adjust("acme", "2026-11-03", -5000, "EUR", "Outage");
    office_subscribe("zeta", "pro", "2026-11-01");
    office_commit();
    struct invoice_result r = office_invoices(DUE);
    cr_expect_eq(r.problems, 1);
    cr_expect_eq(r.held, 1);
    cr_expect_not_null(
        strstr(office_notices(), "organization acme, invoice from 2026-11-01: adjustment"), "%s",
        office_notices());
    cr_expect_not_null(strstr(office_notices(), "EUR"), "%s", office_notices());
    cr_expect_eq(invoice_of("acme", NOVEMBER).status, INVOICE_DRAFT);
    cr_expect_eq(invoice_of("acme", NOVEMBER).total_minor, 2900);
    cr_expect_eq(invoice_of("zeta", NOVEMBER).status, INVOICE_FINAL);
}

Test(billing_invoice_stage, amounts_beyond_63_bits_are_a_problem_and_not_a_wrapped_total)
{
    office_begin();
    office_adjust("acme", "2026-11-03", INT64_MAX, "USD", "a");
    office_adjust("acme", "2026-11-04", 1, "USD", "b");
    office_commit();
    office_invoices(DUE);
    cr_expect_eq(invoice_of("acme", NOVEMBER).status, INVOICE_DRAFT);
    cr_expect_eq(invoice_of("acme", NOVEMBER).total_minor, INT64_MAX);
    cr_expect_not_null(strstr(office_notices(), "63 bits"), "%s", office_notices());
}

/* ---- unknown plan ---- */

Test(billing_invoice_stage, an_unknown_plan_keeps_the_last_and_is_not_made_final)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-10-01");
    office_subscribe("acme", "gold", "2026-11-10");
    office_commit();
    struct invoice_result r = office_invoices(DUE);
    cr_expect_eq(r.held, 1);
    cr_expect_eq(invoice_of("acme", "2026-10").status, INVOICE_FINAL);
    cr_expect_eq(invoice_of("acme", NOVEMBER).status, INVOICE_DRAFT);
    cr_expect_eq(invoice_of("acme", NOVEMBER).total_minor, 2900);
    /* Once the book has it, the month is computed with it. */
    office_invoices_of(
        office_book_with("\"plans\"", "[\n",
                         "[{\"id\":\"gold\",\"name\":\"Gold\",\"order\":9,\"versions\":[{"
                         "\"limits\":{\"projects\":1,\"documents\":1,\"ai_credits\":1,"
                         "\"members\":1},\"charges\":[{\"id\":\"fee\",\"model\":\"flat\","
                         "\"amount\":\"99\"}],\"support\":\"a\",\"analytics\":\"b\"}]},"),
        DUE, 24);
    struct invoice i = invoice_of("acme", NOVEMBER);
    cr_expect_eq(i.status, INVOICE_FINAL);
    cr_expect_eq(i.total_minor, 870 + 6930); /* 9 days of 29, 21 days of 99 */
}

/* ---- life ---- */

Test(billing_invoice_stage, a_draft_becomes_final_with_the_end_of_the_grace)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    office_commit();
    cr_expect_eq(office_invoices(GRACE).finalized, 0);
    cr_expect_eq(invoice_of("acme", NOVEMBER).status, INVOICE_DRAFT);
    struct invoice_result r = office_invoices(DUE);
    cr_expect_eq(r.finalized, 1);
    cr_expect_eq(r.finals, 1);
    cr_expect_eq(r.drafts, 1);
    struct invoice i = invoice_of("acme", NOVEMBER);
    cr_expect_eq(i.status, INVOICE_FINAL);
    cr_expect_eq(i.number, 1);
    cr_expect_eq(i.finalized_ms, ms_of(DUE));
    cr_expect_eq(invoice_of("acme", "2026-12").status, INVOICE_DRAFT);
}

Test(billing_invoice_stage, the_grace_is_what_was_asked_for)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    office_commit();
    cr_expect_eq(office_invoices_of(SHIPPED_PLANS, "2026-11-30T23:59:59.999Z", 0).finalized, 0);
    cr_expect_eq(office_invoices_of(SHIPPED_PLANS, "2026-12-01", 1).finalized, 0);
    cr_expect_eq(office_invoices_of(SHIPPED_PLANS, "2026-12-01", 0).finalized, 1);
}

Test(billing_invoice_stage, what_comes_in_the_grace_is_on_the_invoice)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    office_use("acme", NOVEMBER, 1000000);
    office_commit();
    office_invoices(GRACE);
    office_begin();
    office_use("acme", NOVEMBER, 1000000);
    office_commit();
    office_invoices(DUE);
    cr_expect_eq(invoice_of("acme", NOVEMBER).total_minor, 2900 + 2500);
    cr_expect_eq(office_notice_count(STAGE_LATE), 0);
}

Test(billing_invoice_stage, final_is_frozen_and_what_comes_late_is_on_the_next_one)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    office_use("acme", NOVEMBER, 1000000);
    office_cursor(5);
    office_commit();
    office_invoices(DUE);
    struct invoice before = invoice_of("acme", NOVEMBER);
    office_begin();
    office_use("acme", NOVEMBER, 300000);
    office_adjust("acme", "2026-11-29", -100, "USD", "late credit");
    office_cursor(6);
    office_commit();
    struct invoice_result r = office_invoices("2026-12-03");
    struct invoice after = invoice_of("acme", NOVEMBER), next = invoice_of("acme", "2026-12");
    cr_expect_eq(r.finalized, 0);
    cr_expect_arr_eq(&after, &before, sizeof before);
    /* 2,900 of December, 300,000 credits of November, the credit. */
    cr_expect_eq(next.total_minor, 2900 + 750 - 100);
    struct invoice_line l = office_line("acme", "2026-12", 1);
    cr_expect_eq(l.kind, INVOICE_USAGE);
    cr_expect_eq(l.amount_minor, 750);
    cr_expect_eq(l.corrects, 0); /* November had no overage line */
    /* Later still: the difference to what is a draft is no correction, the line grows. */
    office_begin();
    office_use("acme", NOVEMBER, 100000);
    office_commit();
    office_invoices("2026-12-04");
    cr_expect_eq(invoice_of("acme", "2026-12").total_minor, 2900 + 1000 - 100);
    office_settle(TABLE_INVOICES);
    office_settle(TABLE_INVOICE_LINES);
    office_invoices("2026-12-04");
    cr_expect_eq(office_owed(TABLE_INVOICES), 0);
    cr_expect_eq(office_owed(TABLE_INVOICE_LINES), 0);
}

Test(billing_invoice_stage, a_correction_names_its_period_and_the_invoice_and_comes_once)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    office_use("acme", NOVEMBER, 1400000);
    office_commit();
    office_invoices(DUE);
    cr_expect_eq(invoice_of("acme", NOVEMBER).total_minor, 2900 + 1000);
    office_begin();
    office_use("acme", NOVEMBER, 300000);
    office_commit();
    struct invoice_result r = office_invoices("2026-12-03");
    cr_expect_eq(r.late, 1);
    cr_expect_not_null(strstr(office_notices(), "late after final: organization acme, 7.50 USD on "
                                                "the next invoice: Correction of invoice 1: AI "
                                                "credits beyond the 1,000,000 of the Pro plan, "
                                                "2026-11"),
                       "%s", office_notices());
    struct invoice_line l = office_line("acme", "2026-12", 0);
    cr_expect_eq(l.corrects, 1);
    cr_expect_eq(l.amount_minor, 750);
    cr_expect_eq(l.from_ms, ms_of(NOVEMBER));
    office_invoices("2027-01-02");
    cr_expect_eq(invoice_of("acme", "2026-12").status, INVOICE_FINAL);
    cr_expect_eq(invoice_of("acme", "2026-12").total_minor, 2900 + 750);
    cr_expect_eq(invoice_of("acme", "2027-01").total_minor, 2900);
    cr_expect_eq(office_invoices("2027-01-02").late, 0);
}

Test(billing_invoice_stage, what_was_billed_and_is_voided_is_taken_back)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    uint64_t voided = office_seq();
    office_first_event("acme", "2026-11-01");
    office_commit();
    office_invoices(DUE);
    office_begin();
    office_void_subscription("acme", "2026-11-01", voided);
    office_commit();
    office_invoices("2026-12-03");
    struct invoice i = invoice_of("acme", "2026-12");
    cr_expect_eq(i.total_minor, -2900);
    struct invoice_line l = office_line("acme", "2026-12", 0);
    cr_expect_str_eq(l.description.data,
                     "Correction of invoice 1: plan_fee of plan pro of 2026-11-01 taken back");
    office_invoices("2027-01-02");
    cr_expect_eq(invoice_of("acme", "2026-12").number, 2);
    struct invoice none;
    cr_expect_not(office_invoice("acme", "2027-01", &none));
}

Test(billing_invoice_stage, a_book_may_add_what_is_to_come_but_not_change_what_has_begun)
{
    struct invoice_result r;
    struct err err = {.code = ERR_OK};
    struct clock clock = clock_fixed(ms_of("2026-12-03"));
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    office_commit();
    office_invoices(DUE);
    struct invoice_options o = {
        office_directory(),
        office_book_with("\"pro\"", "\"amount\": \"29\"", "\"amount\": \"39\""),
        &clock,
        24,
        {0}};
    cr_expect_eq(invoice_stage_run(&o, &r, &err), ERR_CONFLICT);
    cr_expect_not_null(strstr(err.text, "plan \"pro\" has begun"), "%s", err.text);
    o.plans_path = office_book_with(
        "\"pro\"", "\"support\": \"priority\", \"analytics\": \"advanced\"}]}",
        "\"support\": \"priority\", \"analytics\": \"advanced\"},"
        "{\"from\": \"2027-01-01\", \"limits\": {\"projects\": 15, \"documents\": 200,"
        "\"ai_credits\": {\"soft\": 1000000}, \"members\": 5},"
        "\"charges\": [{\"id\": \"fee\", \"name\": \"Pro plan\", \"model\": \"flat\","
        "\"amount\": \"39\"}], \"support\": \"a\", \"analytics\": \"b\"}]}");
    cr_assert_eq(invoice_stage_run(&o, &r, &err), ERR_OK, "%s", err.text);
    clock = clock_fixed(ms_of("2027-01-15"));
    cr_assert_eq(invoice_stage_run(&o, &r, &err), ERR_OK, "%s", err.text);
    cr_expect_eq(invoice_of("acme", NOVEMBER).total_minor, 2900);
    cr_expect_eq(invoice_of("acme", "2026-12").total_minor, 2900);
    cr_expect_eq(invoice_of("acme", "2027-01").total_minor, 3900);
}

Test(billing_invoice_stage, numbers_have_no_gaps_over_organizations_months_and_transactions)
{
    enum { MANY = STAGE_TXN_ORGANIZATIONS + 44 };
    static bool seen[3 * MANY + 1];
    char name[32];
    office_begin();
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "org-%d", i);
        office_subscribe(name, "pro", i % 2 ? "2026-11-01" : "2026-12-15");
        if (i % 10 == 0)
            office_subscribe(name, "gold", "2026-12-20"); /* held: takes no number */
    }
    office_commit();
    office_invoices(DUE);
    office_invoices("2027-01-02");
    uint64_t finals = 0;
    office_begin();
    struct invoice_scan scan;
    struct tables_txn *txn = (office_commit(), office_begin());
    invoice_scan_begin(&scan, txn, 0);
    while (invoice_scan_next(&scan)) {
        if (scan.row.status != INVOICE_FINAL)
            continue;
        cr_assert(scan.row.number > 0 && scan.row.number <= 3 * MANY);
        cr_assert_not(seen[scan.row.number]);
        seen[scan.row.number] = true;
        finals++;
    }
    invoice_scan_end(&scan);
    office_commit();
    cr_expect_eq(finals, MANY / 2 + MANY - MANY / 10, "%u", (unsigned)finals);
    for (uint64_t n = 1; n <= finals; n++)
        cr_assert(seen[n], "number %u is missing", (unsigned)n);
}

Test(billing_invoice_stage, a_second_run_changes_no_row_and_owes_nothing)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-10-15");
    office_subscribe("acme", "team", "2026-11-15");
    office_use("acme", NOVEMBER, 7000000);
    office_adjust("acme", "2026-11-03", -5000, "USD", "Outage");
    office_use("free", NOVEMBER, 10);
    office_cursor(50);
    office_commit();
    struct invoice_result first = office_invoices(DUE);
    cr_expect_gt(office_owed(TABLE_INVOICES), 0);
    cr_expect_gt(office_owed(TABLE_INVOICE_LINES), 0);
    office_settle(TABLE_INVOICES);
    office_settle(TABLE_INVOICE_LINES);
    office_begin();
    office_cursor(51); /* events of others moved it */
    office_commit();
    struct invoice_result second = office_invoices(DUE);
    cr_expect_eq(office_owed(TABLE_INVOICES), 0);
    cr_expect_eq(office_owed(TABLE_INVOICE_LINES), 0);
    cr_expect_eq(second.finalized, 0);
    cr_expect_eq(second.finals, first.finals);
    cr_expect_eq(second.drafts, first.drafts);
    cr_expect_eq(second.late, 0);
    cr_expect_eq(invoice_of("acme", "2026-12").position, 50);
}

Test(billing_invoice_stage, a_draft_that_is_emptied_goes)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-11-10");
    office_commit();
    office_invoices(MID);
    cr_expect_gt(invoice_of("acme", NOVEMBER).total_minor, 0);
    office_begin();
    office_subscription("acme", EVENT_PLAN_CANCELLED, "", "", "2026-11-10");
    office_commit();
    office_invoices(MID);
    struct invoice none;
    cr_expect_not(office_invoice("acme", NOVEMBER, &none));
}

Test(billing_invoice_stage, what_is_not_folded_yet_is_waited_for)
{
    /* One event in the log, received in the grace; the cursor is at 0. */
    char path[FILE_PATH_BYTES_MAX];
    struct err err = {.code = ERR_OK};
    struct log_writer *log = NULL;
    office_begin();
    office_subscribe("acme", "pro", "2026-11-01");
    office_commit();
    cr_assert_eq(file_path(path, office_directory(), "log", &err), ERR_OK);
    cr_assert_eq(log_writer_open(path, &log, &err), ERR_OK, "%s", err.text);
    struct log_part parts[LOG_STREAMS] = {
        [LOG_EVENTS] = {.bytes = {(const uint8_t *)"\x90", 1}, .event_count = 1}};
    cr_assert_eq(log_writer_append(log, ms_of("2026-12-01T10:00:00Z"), parts, &err), ERR_OK, "%s",
                 err.text);
    log_writer_close(log);
    struct invoice_result r = office_invoices(DUE);
    cr_expect_eq(r.unfolded, 1);
    cr_expect_eq(invoice_of("acme", NOVEMBER).status, INVOICE_DRAFT);
    office_begin();
    office_cursor(1);
    office_commit();
    r = office_invoices(DUE);
    cr_expect_eq(r.unfolded, 0);
    cr_expect_eq(invoice_of("acme", NOVEMBER).status, INVOICE_FINAL);
}

Test(billing_invoice_stage, two_never_overlap)
{
    char path[FILE_PATH_BYTES_MAX];
    struct clock clock = clock_fixed(ms_of(MID));
    struct invoice_options o = {office_directory(), SHIPPED_PLANS, &clock, 24, {0}};
    struct invoice_result r;
    struct err err;
    int fd;
    cr_assert_eq(file_path(path, office_directory(), "invoice.lock", &err), ERR_OK);
    cr_assert_eq(file_lock(path, "another", &fd, &err), ERR_OK);
    cr_expect_eq(invoice_stage_run(&o, &r, &err), ERR_BUSY, "%s", err.text);
}
