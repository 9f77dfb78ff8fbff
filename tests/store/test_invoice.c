#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/tables/dirty.h"
#include "store/tables/invoice.h"

enum { ORGANIZATION = 3, MONTH = 682 /* November 2026 */ };

static char directory[] = "/tmp/gbill-invoice-XXXXXX";
static struct tables *tables;
static struct tables_txn *txn;
static struct err err;

static void
open_tables(void)
{
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(tables_open(directory, TABLES_WRITE, &tables, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(tables, TABLES_WRITE, &txn, &err), ERR_OK, "%s", err.text);
}

static void
close_tables(void)
{
    char command[128];
    tables_abort(txn);
    tables_close(tables);
    snprintf(command, sizeof command, "rm -r '%s'", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(store_invoice, .init = open_tables, .fini = close_tables);

static struct invoice
draft(void)
{
    struct invoice invoice = {
        .organization = ORGANIZATION,
        .month = MONTH,
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
    {INVOICE_PLAN_FEE,
     {"Pro", 3},
     2592000,
     0,
     (money_sum)29 * MONEY_PICO_PER_UNIT,
     2900,
     1793491200000,
     1796083200000},
    {INVOICE_OVERAGE,
     {"AI credits beyond 1,000,000", 27},
     123400,
     100000000,
     (money_sum)12340000000000,
     1234,
     1793491200000,
     1796083200000},
    {INVOICE_ADJUSTMENT,
     {"", 0},
     0,
     0,
     (money_sum)-5 * MONEY_PICO_PER_UNIT,
     -500,
     1793491200000,
     1796083200000},
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
    cr_assert(invoice_get(txn, ORGANIZATION, MONTH, &r));
    cr_assert_eq(r.organization, ORGANIZATION);
    cr_assert_eq(r.month, MONTH);
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
        cr_assert(invoice_line_get(txn, ORGANIZATION, MONTH, i, &r));
        cr_assert_eq(r.kind, lines[i].kind);
        cr_assert(str_equal(r.description, lines[i].description));
        cr_assert_eq(r.quantity, lines[i].quantity);
        cr_assert_eq(r.unit_pico, lines[i].unit_pico);
        cr_assert(r.exact_pico == lines[i].exact_pico);
        cr_assert_eq(r.amount_minor, lines[i].amount_minor);
        cr_assert_eq(r.from_ms, lines[i].from_ms);
        cr_assert_eq(r.to_ms, lines[i].to_ms);
    }
    cr_assert_not(invoice_line_get(txn, ORGANIZATION, MONTH, 3, &r));
    cr_assert_not(invoice_line_get(txn, ORGANIZATION, MONTH + 1, 0, &r));
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
    cr_assert(invoice_get(txn, ORGANIZATION, MONTH, &r));
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
    cr_assert(invoice_get(txn, ORGANIZATION, MONTH, &r));
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
    cr_assert_not(invoice_line_get(txn, ORGANIZATION, MONTH, 1, &r));
    cr_assert_not(invoice_line_get(txn, ORGANIZATION, MONTH, 2, &r));
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
    cr_assert_not_null(strstr(err.text, "invoice 1 of 2026-11 is final"), "%s", err.text);
    cr_assert(invoice_get(txn, ORGANIZATION, MONTH, &r));
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
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", directory); /* an abort runs no .fini */
    cr_assert_eq(system(command), 0);
    (void)!invoice_put(txn, &invoice, lines, &err);
}

Test(store_invoice, a_scan_walks_one_organization_by_month_or_all)
{
    struct invoice_scan scan;
    struct invoice invoice = draft();
    invoice.line_count = 0;
    invoice.total_minor = 0;
    const int32_t months[] = {700, 682, 699};
    for (uint32_t organization = 4; organization >= 2; organization--) {
        for (size_t i = 0; i < 3; i++) {
            invoice.organization = organization;
            invoice.month = months[i];
            put(&invoice, NULL);
        }
    }
    const int32_t sorted[] = {682, 699, 700};
    size_t n = 0;
    for (invoice_scan_begin(&scan, txn, 3); invoice_scan_next(&scan); n++) {
        cr_assert_eq(scan.row.organization, 3);
        cr_assert_eq(scan.row.month, sorted[n]);
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
