#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/net/net.h"
#include "store/net/stripe.h"
#include "store/tables/stripe_call.h"
#include "tests/support/open_tables.h"

/* ---- the client, as far as it goes without anybody there ---- */

static void
expect_form(const char *name, const char *value, const char *text)
{
    struct stripe_form form;
    stripe_form_init(&form);
    stripe_form_text(&form, name, str_of(value));
    cr_expect_not(form.failed);
    cr_expect_eq(form.text.size_bytes, strlen(text));
    cr_expect_arr_eq(form.text.data, text, strlen(text));
    stripe_form_clear(&form);
}

/* As npm's stripe writes them: research in tests/support/stripe_judge.mjs. */
Test(stripe, forms)
{
    expect_form("items[0][price]", "price_1", "items[0][price]=price_1");
    expect_form("name", "Acme & Söhne = 100%+", "name=Acme%20%26%20S%C3%B6hne%20%3D%20100%25%2B");
    expect_form("metadata[a b]", "~._-", "metadata[a%20b]=~._-");
    struct stripe_form form;
    stripe_form_init(&form);
    stripe_form_int(&form, "amount", -4080);
    stripe_form_int(&form, "n", INT64_MIN);
    cr_expect_eq(form.text.size_bytes, strlen("amount=-4080&n=-9223372036854775808"));
    for (int i = 0; i < 4000; i++)
        stripe_form_text(&form, "description",
                         str_of("so much that it is more than a form may have"));
    cr_expect(form.failed);
    cr_expect_leq(form.text.size_bytes, STRIPE_FORM_BYTES_MAX);
    stripe_form_clear(&form);
}

static void
expect_open(const char *key, const char *public_key, const char *base, const char *defect)
{
    struct stripe *stripe = NULL;
    enum err_code code = stripe_open(key, public_key, base, 80000, &stripe, &err);
    cr_expect_eq(code, defect == NULL ? ERR_OK : ERR_CONFIG, "%s", err.text);
    if (defect != NULL) {
        cr_expect(strstr(err.text, defect) != NULL, "\"%s\"", err.text);
        cr_expect(strstr(err.text, "abc123") == NULL, "\"%s\"", err.text);
    }
    stripe_close(stripe);
}

Test(stripe, keys)
{
    expect_open("sk_test_abc123", NULL, NULL, NULL);
    expect_open("rk_live_abc123", "pk_live_x1", "http://127.0.0.1:1/", NULL);
    expect_open(NULL, NULL, NULL, "STRIPE_SECRET_KEY is not set");
    expect_open("", NULL, NULL, "STRIPE_SECRET_KEY is not set");
    expect_open("pk_test_abc123", NULL, NULL, "is no secret key");
    expect_open("sk_prod_abc123", NULL, NULL, "is no secret key");
    expect_open("sk_live", NULL, NULL, "is no secret key");
    expect_open("sk_test_a b", NULL, NULL, "is no secret key");
    expect_open("sk_test_a\nb", NULL, NULL, "is no secret key");
    expect_open("sk_test_abc123", "pk_live_x1", NULL, "of test mode");
    expect_open("sk_test_abc123", "sk_test_x1", NULL, "is no publishable key");
    expect_open("sk_test_abc123", NULL, "/", "is no URL");
    struct stripe *stripe;
    cr_assert_eq(stripe_open("sk_live_abc123", NULL, NULL, 80000, &stripe, &err), ERR_OK);
    cr_expect(stripe_is_live(stripe));
    stripe_close(stripe);
}

Test(stripe, nobody_there)
{
    struct stripe *stripe;
    struct stripe_ask asks[STRIPE_AT_ONCE_MAX];
    cr_assert_eq(stripe_open("sk_test_abc123", NULL, "http://127.0.0.1:1", 80000, &stripe, &err),
                 ERR_OK);
    for (size_t i = 0; i < STRIPE_AT_ONCE_MAX; i++)
        asks[i] = (struct stripe_ask){.method = "GET", .path = "/v1/account"};
    stripe_ask(stripe, asks, STRIPE_AT_ONCE_MAX);
    for (size_t i = 0; i < STRIPE_AT_ONCE_MAX; i++) {
        cr_expect_eq(asks[i].outcome, STRIPE_AGAIN);
        cr_expect_eq(asks[i].status, 0);
        cr_expect(asks[i].unknown && asks[i].answer == NULL && asks[i].says[0] != '\0');
    }
    stripe_close(stripe);
}

/* Doubled each time, a quarter less at most, never less than was asked for. */
Test(stripe, waits)
{
    for (unsigned tries = 1; tries < 12; tries++) {
        int64_t whole = tries < 6 ? (int64_t)500 << (tries - 1) : 8000;
        whole = whole > 8000 ? 8000 : whole;
        for (uint64_t chance = 0; chance < 600; chance++) {
            int64_t ms = net_wait_ms(tries, 500, 8000, 0, chance);
            cr_expect(ms <= whole && ms >= whole * 3 / 4, "%u tries: %lld", tries, (long long)ms);
        }
    }
    cr_expect_eq(net_wait_ms(1, 500, 8000, 7, 3), 7000);
    cr_expect_eq(net_wait_ms(64, 500, 8000, 0, 0), 8000);
}

Test(stripe, parts)
{
    json_t *o = json_loads("{\"id\":\"in_1\",\"total\":4080,\"charge\":{\"id\":\"ch_1\"},"
                           "\"customer\":\"cus_1\",\"metadata\":{\"gbill_key\":\"invoice/1\"}}",
                           0, NULL);
    cr_assert_not_null(o);
    cr_expect_str_eq(stripe_text(o, "id"), "in_1");
    cr_expect_str_eq(stripe_text(o, "none"), "");
    cr_expect_str_eq(stripe_metadata(o, "gbill_key"), "invoice/1");
    cr_expect_eq(stripe_int(o, "total"), 4080);
    cr_expect_eq(stripe_int(o, "id"), 0);
    cr_expect_str_eq(stripe_ref(o, "charge"), "ch_1");
    cr_expect_str_eq(stripe_ref(o, "customer"), "cus_1");
    cr_expect_str_eq(stripe_ref(NULL, "customer"), "");
    json_decref(o);
}

/* ---- the outbox ---- */

TestSuite(stripe_call, .init = open_tables, .fini = close_tables);

static void
expect_text(struct str got, struct str wanted)
{
    cr_expect_eq(got.size_bytes, wanted.size_bytes);
    if (got.size_bytes == wanted.size_bytes && got.size_bytes > 0)
        cr_expect_arr_eq(got.data, wanted.data, wanted.size_bytes);
}

Test(stripe_call, round_trip)
{
    static char body[STRIPE_CALL_BODY_BYTES_MAX], path[STRIPE_CALL_PATH_BYTES_MAX];
    struct stripe_call row = {.state = STRIPE_CALL_WAITING,
                              .unknown = true,
                              .revision = 3,
                              .attempts = 4000000000,
                              .first_ms = 5,
                              .due_ms = INT64_MAX,
                              .changed_ms = 7,
                              .name = str_of("line/17/2"),
                              .method = str_of("DELETE"),
                              .object = str_of("sub_1 si_2"),
                              .says = str_of("503")},
                       got;
    memset(body, 'b', sizeof body);
    memset(path, 'p', sizeof path);
    memset(row.digest, 0xd1, sizeof row.digest);
    row.body = (struct str){body, sizeof body};
    row.path = (struct str){path, sizeof path};
    cr_assert_eq(stripe_call_put(txn, &row, &err), ERR_OK, "%s", err.text);
    cr_assert(stripe_call_get(txn, str_of("line/17/2"), &got));
    cr_expect_not(stripe_call_get(txn, str_of("line/17/1"), &got));
    cr_assert(stripe_call_get(txn, row.name, &got));
    cr_expect(got.state == row.state && got.unknown && got.revision == 3 &&
              got.attempts == 4000000000 && got.first_ms == 5 && got.due_ms == INT64_MAX &&
              got.changed_ms == 7);
    cr_expect_arr_eq(got.digest, row.digest, sizeof row.digest);
    expect_text(got.method, row.method);
    expect_text(got.object, row.object);
    expect_text(got.says, row.says);
    expect_text(got.path, row.path);
    expect_text(got.body, row.body);
}

Test(stripe_call, walked_by_name)
{
    static const char *const names[] = {"customer/a", "invoice/1", "invoice/10", "line/1/1"};
    struct stripe_call_scan scan;
    size_t n = 0;
    for (size_t i = 4; i-- > 0;) {
        const struct stripe_call row = {.name = str_of(names[i]), .state = STRIPE_CALL_DONE};
        cr_assert_eq(stripe_call_put(txn, &row, &err), ERR_OK);
    }
    stripe_call_scan_begin(&scan, txn, str_of("invoice/"));
    for (; stripe_call_scan_next(&scan); n++)
        expect_text(scan.row.name, str_of(names[n + 1]));
    stripe_call_scan_end(&scan);
    cr_expect_eq(n, 2);
    stripe_call_scan_begin(&scan, txn, (struct str){0});
    for (n = 0; stripe_call_scan_next(&scan); n++)
        expect_text(scan.row.name, str_of(names[n]));
    stripe_call_scan_end(&scan);
    cr_expect_eq(n, 4);
}
