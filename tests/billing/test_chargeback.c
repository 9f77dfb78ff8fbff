#include <criterion/criterion.h>
#include <string.h>

#include "billing/chargeback/chargeback_stage.h"
#include "billing/chargeback/metadata.h"
#include "store/base/time.h"
#include "store/tables/usage.h"
#include "tests/billing/office.h"
#include "tests/support/record.h"

#define DOLLAR ((money_sum)MONEY_PICO_PER_UNIT)

TestSuite(billing_chargeback, .init = office_open, .fini = office_close);

static struct err err;

/* Shares of costs, "100 33 33 34" by the order of the parts. */
static const char *
shares(int64_t total, const int64_t *costs, size_t count)
{
    static char text[512];
    struct chargeback_part parts[16] = {{.calls = 0}};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct chargeback_part){.value = str_of(names[i]), .llm_cost_pico = costs[i]};
    cr_assert_eq(chargeback_share(parts, count, total, &err), ERR_OK, "%s", err.text);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld", i > 0 ? " " : "",
                                 (long long)parts[i].amount_minor);
    return text;
}

Test(billing_chargeback, what_is_left_goes_to_the_largest_fractions)
{
    cr_expect_str_eq(shares(100, (const int64_t[]){1, 1, 1}, 3), "34 33 33");
    cr_expect_str_eq(shares(-100, (const int64_t[]){1, 1, 1}, 3), "-34 -33 -33");
    cr_expect_str_eq(shares(101, (const int64_t[]){1, 1, 1}, 3), "34 34 33");
    cr_expect_str_eq(shares(10, (const int64_t[]){1, 5, 6}, 3), "1 4 5"); /* .83 4.17 5 */
    cr_expect_str_eq(shares(1, (const int64_t[]){1, 2, 3}, 3), "0 0 1");
    cr_expect_str_eq(shares(0, (const int64_t[]){1, 2, 3}, 3), "0 0 0");
    cr_expect_str_eq(shares(7, (const int64_t[]){0, 9, 0}, 3), "0 7 0");
    cr_expect_str_eq(shares(7, (const int64_t[]){-5, 9, 0}, 3), "0 7 0");
    cr_expect_str_eq(shares(7, (const int64_t[]){0, 0, 0}, 3), "7 0 0");
}

Test(billing_chargeback, random_parts_add_up_and_are_within_a_unit_of_exact)
{
    uint64_t state = 77;
    for (int round = 0; round < 3000; round++) {
        struct chargeback_part parts[40] = {{.calls = 0}};
        char names[40][8];
        size_t count = 1 + random_next(&state) % 40;
        int64_t total = (int64_t)(random_next(&state) % 2000001) - 1000000;
        money_sum weights = 0;
        for (size_t i = 0; i < count; i++) {
            snprintf(names[i], sizeof names[i], "v%zu", i);
            parts[i].value = str_of(names[i]);
            parts[i].llm_cost_pico =
                random_next(&state) % 4 == 0 ? 0 : (money_sum)(random_next(&state) % 1000000007);
            weights += parts[i].llm_cost_pico;
        }
        cr_assert_eq(chargeback_share(parts, count, total, &err), ERR_OK);
        int64_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            sum += parts[i].amount_minor;
            /* |share - exact| < 1, all by the sum of the weights. */
            money_sum off = parts[i].amount_minor * weights - total * parts[i].llm_cost_pico;
            cr_assert(weights == 0 || (off < weights && off > -weights));
        }
        cr_assert_eq(sum, total);
    }
}

Test(billing_chargeback, without_costs_credits_count_and_too_large_is_said)
{
    struct chargeback_part parts[2] = {{.value = str_of("a"), .credits = 1},
                                       {.value = str_of("b"), .credits = 3}};
    cr_assert_eq(chargeback_share(parts, 2, 100, &err), ERR_OK);
    cr_expect_eq(parts[0].amount_minor, 25);
    parts[0].llm_cost_pico = (money_sum)1 << 100;
    cr_expect_eq(chargeback_share(parts, 2, INT64_MAX, &err), ERR_LIMIT);
}

Test(billing_chargeback, metadata_is_text)
{
    static const struct {
        const char *record, *text;
    } cases[] = {
        {"{'id': 'x'}", ""},
        {"{'metadata': {}}", ""},
        {"{'metadata': null}", ""},
        {"{'metadata': {'team': null}}", ""},
        {"{'metadata': {'team': 'red'}, 'team': 'no'}", "red"},
        {"{'metadata': {'other': 'x', 'team': 'blau ä'}}", "blau ä"},
        {"{'metadata': {'team': 42}}", "42"},
        {"{'metadata': {'team': -7}}", "-7"},
        {"{'metadata': {'team': true}}", "true"},
        {"{'metadata': {'team': 0.5}}", "0.5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf record = record_of_json(cases[i].record), room;
        struct str text;
        buf_init(&room, METADATA_TEXT_BYTES_MAX);
        cr_assert(metadata_text(bytes_of_buf(&record), str_of("team"), &room, &text));
        cr_expect(str_is(text, cases[i].text), "%s: %.*s", cases[i].record, STR_ARG(text));
        buf_clear(&room);
        buf_clear(&record);
    }
}

/* ---- the stage ---- */

static void
use(const char *organization, const char *month, const char *project, const char *user,
    int64_t cost_pico)
{
    uint8_t key[USAGE_KEY_BYTES];
    struct tables_txn *txn = office_begin();
    struct usage_key k = {.organization = office_number(organization),
                          .period = (uint32_t)month_of(month),
                          .project = office_number(project),
                          .user = office_number(user)};
    struct usage_row row = {.calls = 1, .cost_pico = cost_pico, .tokens = {10}};
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(txn, TABLE_MONTHLY, key, &row, &err), ERR_OK);
    office_commit();
}

static struct chargeback_result
run_stage(void)
{
    struct chargeback_result r;
    cr_assert_eq(chargeback_stage_run(office_directory(), &r, &err), ERR_OK, "%s", err.text);
    return r;
}

/* "=-1! p=967 q=1933": rows of an invoice by project; ! final. */
static const char *
rows_of(const char *organization, const char *month, enum chargeback_dimension dimension)
{
    static char text[512];
    struct chargeback_scan scan;
    size_t used = 0;
    text[0] = '\0';
    struct tables_txn *txn = office_begin();
    chargeback_scan_begin(&scan, txn, office_number(organization),
                          time_month_start_ms(month_of(month)), dimension);
    while (chargeback_scan_next(&scan)) {
        struct str value = dict_text(txn, scan.row.value);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s=%lld%s",
                                 used > 0 ? " " : "", STR_ARG(value),
                                 (long long)scan.row.amount_minor, scan.row.final ? "!" : "");
    }
    chargeback_scan_end(&scan);
    office_commit();
    return text;
}

Test(billing_chargeback, every_invoice_is_split_and_a_final_one_once)
{
    office_begin();
    office_subscribe("acme", "pro", "2026-10-01");
    office_commit();
    use("acme", "2026-10", "p", "ada", DOLLAR);
    use("acme", "2026-10", "q", "ada", 2 * DOLLAR);
    use("acme", "2026-10", "", "bob", 0);
    office_invoices("2026-10-20");
    struct chargeback_result r = run_stage();
    cr_expect_eq(r.invoices, r.computed);
    cr_expect_str_eq(rows_of("acme", "2026-10", CHARGEBACK_PROJECT), "=0 p=967 q=1933");
    cr_expect_str_eq(rows_of("acme", "2026-10", CHARGEBACK_USER), "ada=2900 bob=0");
    office_settle(TABLE_CHARGEBACK);
    run_stage();
    cr_expect_eq(office_owed(TABLE_CHARGEBACK), 0, "a second run changes nothing");
    /* A void takes the last call of a project away. */
    office_begin();
    office_commit();
    use("acme", "2026-10", "r", "ada", DOLLAR);
    run_stage();
    cr_expect_str_eq(rows_of("acme", "2026-10", CHARGEBACK_PROJECT), "=0 p=725 q=1450 r=725");
    struct tables_txn *txn = office_begin();
    uint8_t key[USAGE_KEY_BYTES];
    struct usage_key k = {.organization = office_number("acme"),
                          .period = (uint32_t)month_of("2026-10"),
                          .project = office_number("r"),
                          .user = office_number("ada")};
    usage_key_encode(&k, key);
    cr_assert_eq(tables_delete_published(txn, TABLE_MONTHLY, (struct bytes){key, sizeof key}, &err),
                 ERR_OK);
    office_commit();
    run_stage();
    cr_expect_str_eq(rows_of("acme", "2026-10", CHARGEBACK_PROJECT), "=0 p=967 q=1933");
    office_invoices("2026-11-03");
    run_stage();
    cr_expect_str_eq(rows_of("acme", "2026-10", CHARGEBACK_PROJECT), "=0! p=967! q=1933!");
    use("acme", "2026-10", "late", "ada", 100 * DOLLAR);
    run_stage();
    cr_expect_str_eq(rows_of("acme", "2026-10", CHARGEBACK_PROJECT), "=0! p=967! q=1933!");
    /* November: a fee, and nobody who used anything. */
    cr_expect_str_eq(rows_of("acme", "2026-11", CHARGEBACK_USER), "=2900");
}
