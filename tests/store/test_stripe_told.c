#include <criterion/criterion.h>

#include "store/event/stripe_object.h"
#include "store/tables/dict.h"
#include "store/tables/organization.h"
#include "store/tables/stripe_told.h"
#include "tests/support/record.h"
#include "tests/support/temp_dir.h"

/* --- the object --- */

Test(store_stripe_object, scalars_are_read_and_what_is_not_there_is_not_said)
{
    struct buf map = record_of_json("{'id': 'in_1', 'total': 2900, 'credit': -5, 'float': 7.0,"
                                    "'half': 0.5, 'live': true, 'no': false, 'nil': null}");
    struct bytes o = bytes_of_buf(&map);
    cr_expect(str_is(stripe_object_text(o, "id"), "in_1"));
    cr_expect_eq(stripe_object_whole(o, "total"), 2900);
    cr_expect_eq(stripe_object_whole(o, "credit"), -5);
    cr_expect_eq(stripe_object_whole(o, "float"), 7);
    cr_expect(stripe_object_true(o, "live"));
    cr_expect_not(stripe_object_true(o, "no"));
    static const char *const none[] = {"half", "nil", "id", "tota", "total2", ""};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        cr_expect_eq(stripe_object_whole(o, none[i]), 0, "%s", none[i]);
        cr_expect_not(stripe_object_true(o, none[i]), "%s", none[i]);
    }
    cr_expect_eq(stripe_object_text(o, "total").size_bytes, 0);
    /* Cut anywhere it is read as far as it goes. */
    for (size_t n = 0; n < o.size_bytes; n++) {
        struct bytes cut = {o.data, n};
        cr_expect_not(stripe_object_whole(cut, "half") != 0);
    }
    buf_clear(&map);
}

Test(store_stripe_object, a_type_says_what_an_event_is_of_and_hangs_on)
{
    static const struct {
        const char *type;
        enum stripe_sort sort;
        bool matters;
        const char *parent;
    } cases[] = {
        {"invoice.paid", STRIPE_INVOICE, true, ""},
        {"invoice.payment_succeeded", STRIPE_INVOICE, true, ""},
        {"invoice.payment_failed", STRIPE_INVOICE, true, ""},
        {"invoice.marked_uncollectible", STRIPE_INVOICE, true, ""},
        {"invoice.voided", STRIPE_INVOICE, true, ""},
        {"invoice.created", STRIPE_INVOICE, false, ""},
        {"invoiceitem.created", STRIPE_OTHER, false, ""},
        {"invoice_payment.paid", STRIPE_INVOICE_PAYMENT, true, "in_1"},
        {"refund.created", STRIPE_REFUND, true, "pi_1"},
        {"charge.refund.updated", STRIPE_REFUND, true, "pi_1"},
        {"charge.refunded", STRIPE_CHARGE, true, "pi_1"},
        {"charge.succeeded", STRIPE_CHARGE, false, "pi_1"},
        {"charge.dispute.funds_withdrawn", STRIPE_DISPUTE, true, "pi_1"},
        {"customer.subscription.updated", STRIPE_SUBSCRIPTION, true, ""},
        {"customer.subscription.trial_will_end", STRIPE_SUBSCRIPTION, false, ""},
        {"customer.updated", STRIPE_OTHER, false, ""},
        {"checkout.session.completed", STRIPE_CHECKOUT, true, ""},
        {"checkout.session.expired", STRIPE_CHECKOUT, false, ""},
        {"payout.paid", STRIPE_OTHER, false, ""},
        {"", STRIPE_OTHER, false, ""},
    };
    struct buf map = record_of_json("{'id': 'ch_9', 'invoice': 'in_1', 'payment_intent': 'pi_1',"
                                    "'charge': 'ch_1'}");
    struct buf old = record_of_json("{'id': 'ch_9', 'payment_intent': null, 'charge': 'ch_1'}");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct str type = str_of(cases[i].type);
        cr_expect_eq(stripe_sort_of(type), cases[i].sort, "%s", cases[i].type);
        cr_expect_eq(stripe_type_matters(type), cases[i].matters, "%s", cases[i].type);
        cr_expect(str_is(stripe_object_parent(type, bytes_of_buf(&map)), cases[i].parent), "%s",
                  cases[i].type);
    }
    struct bytes o = bytes_of_buf(&old);
    cr_expect(str_is(stripe_object_parent(str_of("refund.created"), o), "ch_1"));
    cr_expect(str_is(stripe_object_parent(str_of("charge.dispute.closed"), o), "ch_1"));
    cr_expect(str_is(stripe_object_parent(str_of("charge.refunded"), o), "ch_9"), "its own id");
    buf_clear(&map);
    buf_clear(&old);
}

Test(store_stripe_object, words_of_a_list_are_told_apart)
{
    struct str list = str_of("cancel_at_period_end,items");
    cr_expect(stripe_list_has(list, "items"));
    cr_expect(stripe_list_has(list, "cancel_at_period_end"));
    cr_expect_not(stripe_list_has(list, "cancel_at"));
    cr_expect_not(stripe_list_has(list, "item"));
    cr_expect_not(stripe_list_has(list, "period_end"));
    cr_expect_not(stripe_list_has((struct str){0}, "items"));
}

/* --- the table --- */

static struct temp_dir dir;
static struct tables *tables;
static struct tables_txn *txn;
static struct dict dict;
static struct err err;

static void
open_tables(void)
{
    dir = temp_dir_make();
    cr_assert_eq(tables_open(dir.path, TABLES_WRITE, &tables, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(tables, TABLES_WRITE, &txn, &err), ERR_OK, "%s", err.text);
}

static void
close_tables(void)
{
    dict_clear(&dict);
    tables_abort(txn);
    tables_close(tables);
    temp_dir_remove(&dir);
}

TestSuite(store_stripe_told, .init = open_tables, .fini = close_tables);

static uint32_t
number(const char *text)
{
    uint32_t n;
    struct list fresh;
    cr_assert_eq(dict_intern(&dict, txn, str_of(text), &n, &err), ERR_OK, "%s", err.text);
    list_init(&fresh, sizeof(struct dict_new));
    dict_take_new(&dict, &fresh);
    cr_assert_eq(dict_write(&fresh, txn, &err), ERR_OK, "%s", err.text);
    list_clear(&fresh);
    return n;
}

static struct stripe_told
put(enum stripe_told_under under, const char *parent, uint64_t seq, const char *organization,
    const char *type)
{
    static uint8_t body[4096];
    struct buf map = record_of_json("{'id': 'in_1', 'total': 2900}");
    char id[32];
    snprintf(id, sizeof id, "evt_%d", (int)seq);
    const struct event e = {.id = str_of(id), .stripe = {str_of(type), bytes_of_buf(&map)}};
    stripe_told_pack(&e, body);
    struct stripe_told row = {.under = under,
                              .parent = number(parent),
                              .seq = seq,
                              .time_utc_ms = 1795508130000,
                              .organization = number(organization),
                              .plan = 7,
                              .currency = 8,
                              .body = {body, stripe_told_pack_bytes(&e)}};
    cr_assert_eq(stripe_told_put(txn, &row, &err), ERR_OK, "%s", err.text);
    buf_clear(&map);
    return row;
}

Test(store_stripe_told, a_row_comes_back_as_it_was_put_under_what_it_hangs_on)
{
    struct stripe_told_scan scan;
    struct stripe_told row = put(STRIPE_TOLD_ORGANIZATION, "x", 5, "x", "invoice.paid");
    put(STRIPE_TOLD_OBJECT, "x", 6, "-", "invoice_payment.paid");
    put(STRIPE_TOLD_ORGANIZATION, "y", 4, "y", "invoice.paid");
    stripe_told_scan_begin(&scan, txn, STRIPE_TOLD_ORGANIZATION, row.parent);
    cr_assert(stripe_told_scan_next(&scan));
    cr_expect(scan.row.seq == 5 && scan.row.time_utc_ms == 1795508130000 && scan.row.plan == 7 &&
              scan.row.currency == 8 && scan.row.organization == row.organization);
    cr_expect(str_is(scan.row.id, "evt_5") && str_is(scan.row.type, "invoice.paid"));
    cr_expect_eq(stripe_object_whole(scan.row.object, "total"), 2900);
    cr_expect_not(stripe_told_scan_next(&scan), "an object of the same name is another thing");
    stripe_told_scan_end(&scan);
    cr_assert_eq(stripe_told_delete(txn, &row, &err), ERR_OK);
    stripe_told_scan_begin(&scan, txn, STRIPE_TOLD_ORGANIZATION, row.parent);
    cr_expect_not(stripe_told_scan_next(&scan));
    stripe_told_scan_end(&scan);
}

Test(store_stripe_told, an_organization_that_only_stripe_told_of_is_one_and_nobody_is_none)
{
    uint32_t org = 0;
    put(STRIPE_TOLD_OBJECT, "in_1", 1, "-", "invoice_payment.paid");
    put(STRIPE_TOLD_NOBODY, "-", 2, "-", "payout.paid");
    cr_expect_not(organization_next(txn, 0, &org));
    put(STRIPE_TOLD_ORGANIZATION, "acme", 3, "acme", "customer.created");
    cr_assert(organization_next(txn, 0, &org));
    cr_expect_eq(org, number("acme"));
    cr_expect_not(organization_next(txn, org, &org));
}

Test(store_stripe_told, events_are_counted_by_type)
{
    struct list counts;
    put(STRIPE_TOLD_ORGANIZATION, "acme", 3, "acme", "payout.paid");
    put(STRIPE_TOLD_NOBODY, "-", 4, "-", "payout.paid");
    put(STRIPE_TOLD_OBJECT, "in_1", 5, "-", "invoice_payment.paid");
    list_init(&counts, sizeof(struct stripe_told_count));
    cr_assert_eq(stripe_told_counts(txn, &counts, &err), ERR_OK, "%s", err.text);
    const struct stripe_told_count *c = counts.items;
    cr_assert_eq(counts.count, 2);
    cr_expect(strcmp(c[0].type, "invoice_payment.paid") == 0 && c[0].matters);
    cr_expect(c[0].events == 1 && c[0].nobodys == 1);
    cr_expect(strcmp(c[1].type, "payout.paid") == 0 && !c[1].matters);
    cr_expect(c[1].events == 2 && c[1].nobodys == 1);
    list_clear(&counts);
}
