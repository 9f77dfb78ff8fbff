#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/tables/dirty.h"
#include "store/tables/invoice.h"
#include "tests/support/open_tables.h"

enum { ORGANIZATION = 3 };

#define FROM ((int64_t)1793491200000) /* November 2026 */
#define TO ((int64_t)1796083200000)
#define ONE ((money_sum)1000000000000)

TestSuite(store_invoice, .init = open_tables, .fini = close_tables);

static struct invoice
draft(void)
{
    struct invoice invoice = {
        .organization = ORGANIZATION,
        .from_ms = FROM,
        .to_ms = TO,
        .tax_minor = 12,
        .credit_minor = 34,
        .status = INVOICE_DRAFT,
        .currency = "USD",
        .total_minor = 2900 + 1234 - 500,
        .line_count = 3,
        .credits_used = 1123400,
        .llm_cost_pico = ((money_sum)1 << 70) + 5,
        .unpriced_calls = 2,
        .position = 77,
    };
    memset(invoice.chain, 0xc1, sizeof invoice.chain);
    memset(invoice.price_book, 0xc2, sizeof invoice.price_book);
    memset(invoice.plan_book, 0xc3, sizeof invoice.plan_book);
    return invoice;
}

static const struct invoice_line lines[3] = {
    {.kind = INVOICE_PLAN_FEE,
     .plan = {"pro", 3},
     .charge = {"fee", 3},
     .period_ms = FROM,
     .description = {"Pro", 3},
     .quantity_pico = 2592000 * ONE,
     .exact_pico = (money_sum)29 * MONEY_PICO_PER_UNIT,
     .amount_minor = 2900,
     .from_ms = FROM,
     .to_ms = TO},
    {.kind = INVOICE_USAGE,
     .plan = {"pro", 3},
     .charge = {"credits", 7},
     .period_ms = FROM,
     .corrects = 17,
     .description = {"AI credits beyond 1,000,000", 27},
     .quantity_pico = 123400 * ONE + 1,
     .unit_pico = 100000000,
     .exact_pico = (money_sum)12340000000000,
     .amount_minor = 1234,
     .from_ms = FROM,
     .to_ms = TO},
    {.kind = INVOICE_ADJUSTMENT,
     .period_ms = 4711,
     .exact_pico = (money_sum)-5 * MONEY_PICO_PER_UNIT,
     .amount_minor = -500,
     .from_ms = FROM,
     .to_ms = TO},
};

static void
put(const struct invoice *invoice, const struct invoice_line *l)
{
    cr_assert_eq(invoice_put(txn, invoice, l, &err), ERR_OK, "%s", err.text);
}

static unsigned
owed(enum table table)
{
    struct dirty_scan scan;
    unsigned n = 0;
    for (dirty_scan_begin(&scan, txn, table); dirty_scan_next(&scan);)
        n++;
    dirty_scan_end(&scan);
    return n;
}

static void
settle_all(enum table table)
{
    while (owed(table) > 0) {
        uint8_t key[16];
        struct dirty_scan scan;
        dirty_scan_begin(&scan, txn, table);
        cr_assert(dirty_scan_next(&scan));
        size_t size = scan.key.size_bytes;
        memcpy(key, scan.key.data, size);
        uint64_t number = scan.number;
        dirty_scan_end(&scan);
        cr_assert_eq(dirty_settle(txn, table, (struct bytes){key, size}, number, &err), ERR_OK);
    }
}

static void
put_and_settle(void)
{
    struct invoice invoice = draft();
    put(&invoice, lines);
    settle_all(TABLE_INVOICES);
    settle_all(TABLE_INVOICE_LINES);
}

Test(store_invoice, an_invoice_comes_back_whole)
{
    struct invoice r, invoice = draft();
    invoice.status = INVOICE_FINAL;
    invoice.number = 41;
    invoice.finalized_ms = 1796083200123;
    put(&invoice, lines);
    cr_assert(invoice_get(txn, ORGANIZATION, FROM, &r));
    cr_assert_eq(r.organization, ORGANIZATION);
    cr_assert_eq(r.from_ms, FROM);
    cr_assert_eq(r.to_ms, TO);
    cr_assert_eq(r.tax_minor, 12);
    cr_assert_eq(r.credit_minor, 34);
    cr_assert_eq(invoice_due_minor(&r), 3600);
    cr_assert_eq(r.status, INVOICE_FINAL);
    cr_assert_eq(r.number, 41);
    cr_assert_str_eq(r.currency, "USD");
    cr_assert_eq(r.total_minor, 3634);
    cr_assert_eq(r.line_count, 3);
    cr_assert_eq(r.credits_used, 1123400);
    cr_assert(r.llm_cost_pico == ((money_sum)1 << 70) + 5);
    cr_assert_eq(r.unpriced_calls, 2);
    cr_assert_eq(r.position, 77);
    cr_assert_arr_eq(r.chain, invoice.chain, HASH_SHA256_BYTES);
    cr_assert_arr_eq(r.price_book, invoice.price_book, HASH_SHA256_BYTES);
    cr_assert_arr_eq(r.plan_book, invoice.plan_book, HASH_SHA256_BYTES);
    cr_assert_eq(r.finalized_ms, 1796083200123);
}

Test(store_invoice, a_line_comes_back_whole_with_its_sign)
{
    struct invoice_line r;
    put_and_settle();
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(invoice_line_get(txn, ORGANIZATION, FROM, i, &r));
        cr_assert_eq(r.kind, lines[i].kind);
        cr_assert(str_equal(r.description, lines[i].description));
        cr_assert(str_equal(r.plan, lines[i].plan));
        cr_assert(str_equal(r.charge, lines[i].charge));
        cr_assert_eq(r.period_ms, lines[i].period_ms);
        cr_assert_eq(r.corrects, lines[i].corrects);
        cr_assert(r.quantity_pico == lines[i].quantity_pico);
        cr_assert_eq(r.unit_pico, lines[i].unit_pico);
        cr_assert(r.exact_pico == lines[i].exact_pico);
        cr_assert_eq(r.amount_minor, lines[i].amount_minor);
        cr_assert_eq(r.from_ms, lines[i].from_ms);
        cr_assert_eq(r.to_ms, lines[i].to_ms);
    }
    cr_assert_not(invoice_line_get(txn, ORGANIZATION, FROM, 3, &r));
    cr_assert_not(invoice_line_get(txn, ORGANIZATION, FROM + 1, 0, &r));
}

Test(store_invoice, putting_the_same_draft_again_owes_nothing)
{
    struct invoice r, invoice = draft();
    put_and_settle();
    put(&invoice, lines);
    cr_assert_eq(owed(TABLE_INVOICES) + owed(TABLE_INVOICE_LINES), 0);
    invoice.position = 99;
    invoice.chain[0] = 1;
    invoice.price_book[0] = 1;
    invoice.plan_book[0] = 1;
    put(&invoice, lines);
    cr_assert_eq(owed(TABLE_INVOICES) + owed(TABLE_INVOICE_LINES), 0);
    cr_assert(invoice_get(txn, ORGANIZATION, FROM, &r));
    cr_assert_eq(r.position, 77, "where it came from is no change of a draft");
}

Test(store_invoice, a_line_that_changes_alone_takes_the_invoice_s_source_along)
{
    struct invoice r, invoice = draft();
    struct invoice_line changed[3] = {lines[0], lines[1], lines[2]};
    put_and_settle();
    changed[1].exact_pico += 1;
    invoice.position = 99;
    put(&invoice, changed);
    cr_assert_eq(owed(TABLE_INVOICE_LINES), 1);
    cr_assert_eq(owed(TABLE_INVOICES), 1);
    cr_assert(invoice_get(txn, ORGANIZATION, FROM, &r));
    cr_assert_eq(r.position, 99);
}

Test(store_invoice, lines_that_are_gone_are_deleted_and_owed)
{
    struct invoice_line r;
    struct invoice invoice = draft();
    put_and_settle();
    invoice.line_count = 1;
    invoice.total_minor = 2900;
    put(&invoice, lines);
    cr_assert_not(invoice_line_get(txn, ORGANIZATION, FROM, 1, &r));
    cr_assert_not(invoice_line_get(txn, ORGANIZATION, FROM, 2, &r));
    cr_assert_eq(owed(TABLE_INVOICE_LINES), 2);
}

Test(store_invoice, a_final_invoice_is_never_replaced)
{
    struct invoice r, invoice = draft();
    invoice.status = INVOICE_FINAL;
    invoice.number = 1;
    put(&invoice, lines);
    struct invoice other = draft();
    other.line_count = 1;
    other.total_minor = 2900;
    cr_assert_eq(invoice_put(txn, &other, lines, &err), ERR_CONFLICT);
    cr_assert_not_null(strstr(err.text, "invoice 1 is final"), "%s", err.text);
    cr_assert(invoice_get(txn, ORGANIZATION, FROM, &r));
    cr_assert_eq(r.status, INVOICE_FINAL);
    cr_assert_eq(r.line_count, 3);
    cr_assert_eq(invoice_put(txn, &invoice, lines, &err), ERR_CONFLICT);
}

Test(store_invoice, a_draft_that_becomes_final_is_owed)
{
    struct invoice invoice = draft();
    put_and_settle();
    invoice.status = INVOICE_FINAL;
    invoice.number = 1;
    invoice.finalized_ms = 5;
    put(&invoice, lines);
    cr_assert_eq(owed(TABLE_INVOICES), 1);
    cr_assert_eq(owed(TABLE_INVOICE_LINES), 0);
}

Test(store_invoice, a_total_that_is_not_the_sum_of_the_lines_is_a_bug, .signal = SIGABRT)
{
    struct invoice invoice = draft();
    invoice.total_minor++;
    temp_dir_remove(&tables_dir); /* an abort runs no .fini */
    (void)!invoice_put(txn, &invoice, lines, &err);
}

Test(store_invoice, a_scan_walks_one_organization_by_time_or_all)
{
    struct invoice_scan scan;
    struct invoice invoice = draft();
    invoice.line_count = 0;
    invoice.total_minor = 0;
    invoice.credit_minor = 0;
    const int64_t starts[] = {700, 682, 699};
    for (uint32_t organization = 4; organization >= 2; organization--) {
        for (size_t i = 0; i < 3; i++) {
            invoice.organization = organization;
            invoice.from_ms = starts[i];
            put(&invoice, NULL);
        }
    }
    const int64_t sorted[] = {682, 699, 700};
    size_t n = 0;
    for (invoice_scan_begin(&scan, txn, 3); invoice_scan_next(&scan); n++) {
        cr_assert_eq(scan.row.organization, 3);
        cr_assert_eq(scan.row.from_ms, sorted[n]);
    }
    invoice_scan_end(&scan);
    cr_assert_eq(n, 3);
    n = 0;
    for (invoice_scan_begin(&scan, txn, 0); invoice_scan_next(&scan); n++)
        cr_assert_eq(scan.row.organization, 2 + n / 3);
    invoice_scan_end(&scan);
    cr_assert_eq(n, 9);
}

Test(store_invoice, numbers_have_no_gaps_and_go_back_with_their_transaction)
{
    uint64_t number;
    for (uint64_t i = 1; i <= 3; i++) {
        cr_assert_eq(invoice_number_take(txn, &number, &err), ERR_OK);
        cr_assert_eq(number, i);
    }
    cr_assert_eq(tables_commit(txn, &err), ERR_OK);
    cr_assert_eq(tables_begin(tables, TABLES_WRITE, &txn, &err), ERR_OK);
    cr_assert_eq(invoice_number_take(txn, &number, &err), ERR_OK);
    cr_assert_eq(number, 4);
    tables_abort(txn);
    cr_assert_eq(tables_begin(tables, TABLES_WRITE, &txn, &err), ERR_OK);
    cr_assert_eq(invoice_number_take(txn, &number, &err), ERR_OK);
    cr_assert_eq(number, 4, "the aborted one was never taken");
}

Test(store_invoice, payments_change_the_state_of_a_final_invoice_and_nothing_else)
{
    struct invoice r, invoice = draft();
    uint8_t before[2048], after[2048];
    invoice.status = INVOICE_FINAL;
    invoice.number = 1;
    put(&invoice, lines);
    size_t size = invoice_content(&invoice, lines, before);
    settle_all(TABLE_INVOICES);
    invoice.status = INVOICE_PAID;
    invoice.paid_minor = 3600;
    invoice.total_minor = 1; /* not looked at */
    cr_assert_eq(invoice_put_payment(txn, &invoice, &err), ERR_OK);
    cr_assert_eq(owed(TABLE_INVOICES), 1);
    cr_assert(invoice_get(txn, ORGANIZATION, FROM, &r));
    cr_assert_eq(r.status, INVOICE_PAID);
    cr_assert_eq(r.paid_minor, 3600);
    cr_assert_eq(r.total_minor, 3634);
    cr_assert_eq(invoice_content(&r, lines, after), size);
    cr_assert_arr_eq(before, after, size);
    struct invoice_line changed[3] = {lines[0], lines[1], lines[2]};
    changed[1].corrects++;
    cr_assert_eq(invoice_content(&r, changed, after), size);
    cr_assert_neq(memcmp(before, after, size), 0);
}

Test(store_invoice, a_draft_can_be_taken_away_and_a_final_one_cannot)
{
    struct invoice r, invoice = draft();
    struct invoice_line l;
    put_and_settle();
    cr_assert_eq(invoice_delete_draft(txn, ORGANIZATION, FROM, &err), ERR_OK);
    cr_assert_not(invoice_get(txn, ORGANIZATION, FROM, &r));
    cr_assert_not(invoice_line_get(txn, ORGANIZATION, FROM, 0, &l));
    cr_assert_eq(owed(TABLE_INVOICES), 1);
    cr_assert_eq(owed(TABLE_INVOICE_LINES), 3);
    cr_assert_eq(invoice_delete_draft(txn, ORGANIZATION, FROM, &err), ERR_OK);
    invoice.status = INVOICE_FINAL;
    put(&invoice, lines);
    cr_assert_eq(invoice_delete_draft(txn, ORGANIZATION, FROM, &err), ERR_CONFLICT);
}
