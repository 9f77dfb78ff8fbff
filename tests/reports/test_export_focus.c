/*
 * The FOCUS rows of a small world's invoices against the rules of FOCUS 1.2 that can
 * be told from the rows, and against the invoices.
 *
 * The rules are those of the specification's columns and attributes: who must be
 * there, what may be null and when, which values are allowed, how times, numbers and
 * currencies are written.
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <jansson.h>
#include <string.h>

#include "store/base/currency.h"
#include "store/tables/dict.h"
#include "store/tables/payment.h"
#include "tests/billing/office.h"
#include "tests/reports/fixture.h"

#define TERMS(more)                                                                              \
    "'versions':[{'limits':{'projects':1,'documents':1,'ai_credits':{'soft':1000},'members':1}," \
    "'support':'a','analytics':'b'," more "}]}"
#define FEE(amount, bill) "{'id':'fee','name':'Fee','model':'flat','amount':'" amount "'" bill "}"
#define CREDITS                                                                                \
    "{'id':'credits','name':'Credits','model':'per_unit','meter':'ai_credits','price':'0.01'," \
    "'free_units':'1000'}"

static const char book[] =
    "{'format':'gbill-plans/2','currency':'USD','minor_digits':2,'default':'free','rates':["
    "{'currency':'JPY','from':'2026-01-01','rate':'150.5'}],'plans':["
    "{'id':'free','name':'Free','order':1," TERMS(
        "'charges':[]") ","
                        "{'id':'small','name':'Small','order':2," TERMS("'charges':[" FEE(
                            "30",
                            ",'bill':'advance'") "," CREDITS
                                                 "]") ","
                                                      "{'id':'large','name':'Large','order':3," TERMS("'charges':[" FEE(
                                                          "90",
                                                          ",'bill':'advance'") "," CREDITS
                                                                               "]") ","
                                                                                    "{'id':'behind','name':'Behind','order':4," TERMS(
                                                                                        "'day_count':'days','charges':[" FEE(
                                                                                            "33.33",
                                                                                            "") ","
                                                                                                "{'id':'tokens','name':'Tokens','model':'graduated','meter':'tokens','tiers':["
                                                                                                "{'up_to':'100','price':'0.003'},{'up_to':null,'price':'0.0017'}]}]") ","
                                                                                                                                                                      "{'id':'committed','name':'Committed','order':5," TERMS(
                                                                                                                                                                          "'commitment':'100','charges':[" FEE(
                                                                                                                                                                              "1",
                                                                                                                                                                              "") "," CREDITS
                                                                                                                                                                                  "]") "]}";

static struct invoice_result
stage(const char *path, const char *now)
{
    office_commit();
    struct invoice_result r = office_invoices_of(path, now, 0);
    office_begin();
    return r;
}

/* Fees ahead and behind, use, tax, credits, corrections, a credit note, a void one, drafts; yen. */
static void
live(void)
{
    office_open();
    const char *path = office_book(book);
    office_begin();
    office_subscription_with("acme", EVENT_PLAN_SET, "small", "2026-11-01",
                             (struct office_terms){.tax_percent = "19"});
    office_use("acme", "2026-11-03T10:00Z", 1234);
    office_adjust("acme", "2026-11-04T01:02:03.456Z", -250, "USD", "Apology, \"sorry\"");
    office_adjust("acme", "2026-11-05T00:00Z", 1999, "USD", "=Setup");
    office_subscription_with("kyoto", EVENT_PLAN_SET, "behind", "2026-11-07",
                             (struct office_terms){.currency = "JPY", .tax_percent = "10"});
    office_use("kyoto", "2026-11-09", 4321);
    office_subscribe("lax", "committed", "2026-11-01");
    office_subscribe("gone", "large", "2026-11-01");
    stage(path, "2026-11-02");
    office_subscribe("acme", "large", "2026-11-11"); /* small comes back in part */
    office_subscription("gone", EVENT_PLAN_CANCELLED, "", "", "2026-11-02T03:04:05Z");
    stage(path, "2026-12-02");
    office_use("acme", "2026-11-20", 777); /* late: November's usage is corrected */
    stage(path, "2027-01-02");
    office_commit();
}

TestSuite(reports_focus, .init = live, .fini = office_close);

/* ---- the rows ---- */

static json_t *
rows_of(const char *line)
{
    struct fixture x = {.tables = NULL};
    snprintf(x.dir.path, sizeof x.dir.path, "%s", office_directory());
    struct ran ran = fixture_run(&x, line);
    json_t *rows = json_array();
    cr_assert_eq(ran.status, 0, "%s", ran.err);
    for (char *at = ran.out, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = '\0';
        json_t *row = json_loads(at, JSON_REJECT_DUPLICATES, NULL);
        cr_assert_not_null(row, "%s", at);
        json_array_append_new(rows, row);
    }
    ran_free(&ran);
    return rows;
}

#define EXPORT "export --what focus --issuer Seller --format jsonl"

/* NULL: null.  A column must be there. */
static const char *
cell(const json_t *row, const char *column)
{
    const json_t *value = json_object_get(row, column);
    cr_assert(json_is_null(value) || json_is_string(value), "column %s", column);
    return json_string_value(value);
}

static bool
is(const json_t *row, const char *column, const char *want)
{
    const char *value = cell(row, column);
    return value != NULL && strcmp(value, want) == 0;
}

/* ---- rules of single cells ---- */

static const char *const mandatory[] = {
    "BilledCost",         "BillingAccountId", "BillingCurrency",   "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory",   "ChargeDescription", "ChargePeriodEnd",
    "ChargePeriodStart",  "ContractedCost",   "EffectiveCost",     "InvoiceIssuerName",
    "ListCost",           "ProviderName",     "PublisherName",     "ServiceCategory",
    "ServiceName",        "ChargeFrequency",
};

static const char *const nullable[] = {"BillingAccountName", "ChargeClass", "InvoiceId",
                                       "PricingQuantity",    "PricingUnit", "ServiceSubcategory"};

static const struct {
    const char *column;
    const char *values[6];
} allowed[] = {
    {"ChargeCategory", {"Usage", "Purchase", "Tax", "Credit", "Adjustment"}},
    {"ChargeClass", {"Correction"}},
    {"ChargeFrequency", {"One-Time", "Recurring", "Usage-Based"}},
    {"PricingCategory", {"Standard", "Dynamic", "Committed", "Other"}},
    {"ServiceCategory", {"AI and Machine Learning"}},
    {"ServiceSubcategory", {"Generative AI"}},
};

static const char *const times[] = {"BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart",
                                    "ChargePeriodEnd"};

static const char *const decimals[] = {"BilledCost",  "ContractedCost",  "EffectiveCost",
                                       "ListCost",    "PricingQuantity", "ConsumedQuantity",
                                       "x_UnitPrice", "x_ExactCost"};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool
is_decimal(const char *text)
{
    size_t digits, behind = 0;
    text += *text == '-' ? 1 : 0;
    digits = strspn(text, "0123456789");
    text += digits;
    if (*text == '.')
        behind = strspn(++text, "0123456789");
    return digits > 0 && (text[-1] != '.' || behind > 0) && text[behind] == '\0';
}

static bool
is_utc_second(const char *text)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    for (size_t i = 0; i < sizeof form; i++) {
        if (form[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
            return false;
    }
    return true;
}

static void
check_cells(const json_t *row)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)row, key, value) {
        cr_expect(isupper((unsigned char)key[0]) ||
                      (strncmp(key, "x_", 2) == 0 && isupper((unsigned char)key[2])),
                  "column %s", key);
        cr_expect(!json_is_string(value) || json_string_length(value) > 0, "%s is empty", key);
    }
    for (size_t i = 0; i < COUNT(mandatory); i++)
        cr_expect_not_null(cell(row, mandatory[i]), "%s", mandatory[i]);
    for (size_t i = 0; i < COUNT(nullable); i++)
        cell(row, nullable[i]);
    for (size_t i = 0; i < COUNT(allowed); i++) {
        bool found = cell(row, allowed[i].column) == NULL;
        for (size_t v = 0; v < 6 && allowed[i].values[v] != NULL; v++)
            found = found || is(row, allowed[i].column, allowed[i].values[v]);
        cr_expect(found, "%s: %s", allowed[i].column, cell(row, allowed[i].column));
    }
    for (size_t i = 0; i < COUNT(times); i++)
        cr_expect(is_utc_second(cell(row, times[i])), "%s", cell(row, times[i]));
    for (size_t i = 0; i < COUNT(decimals); i++) {
        const char *text = cell(row, decimals[i]);
        cr_expect(text == NULL || is_decimal(text), "%s: %s", decimals[i], text);
    }
    cr_expect(is(row, "BillingCurrency", "USD") || is(row, "BillingCurrency", "JPY"));
}

/* ---- rules between cells ---- */

static void
check_nulls(const json_t *row)
{
    static const char *const of_sold[] = {"PricingQuantity", "PricingUnit", "PricingCategory",
                                          "SkuId", "SkuPriceId"};
    bool usage = is(row, "ChargeCategory", "Usage"),
         correction = is(row, "ChargeClass", "Correction");
    bool tax = is(row, "ChargeCategory", "Tax");
    bool sold = usage || is(row, "ChargeCategory", "Purchase");
    for (size_t i = 0; i < COUNT(of_sold); i++) {
        const char *text = cell(row, of_sold[i]);
        cr_expect(!(sold && !correction) || text != NULL, "%s", of_sold[i]);
        cr_expect(!tax || text == NULL, "%s: %s", of_sold[i], text);
    }
    cr_expect_eq(cell(row, "ConsumedQuantity") != NULL, usage && !correction);
    cr_expect_eq(cell(row, "ConsumedUnit") != NULL, cell(row, "ConsumedQuantity") != NULL);
    cr_expect_eq(cell(row, "PricingUnit") != NULL, cell(row, "PricingQuantity") != NULL);
    cr_expect_eq(cell(row, "SkuMeter") != NULL, cell(row, "SkuId") != NULL);
    cr_expect_eq(correction, cell(row, "x_CorrectsInvoiceId") != NULL);
    cr_expect(!is(row, "ChargeCategory", "Purchase") || !is(row, "ChargeFrequency", "Usage-Based"));
    cr_expect_lt(strcmp(cell(row, "ChargePeriodStart"), cell(row, "ChargePeriodEnd")), 0);
    cr_expect_lt(strcmp(cell(row, "BillingPeriodStart"), cell(row, "BillingPeriodEnd")), 0);
    /* Nothing is known that would make them differ. */
    cr_expect_str_eq(cell(row, "ListCost"), cell(row, "BilledCost"));
    cr_expect_str_eq(cell(row, "ContractedCost"), cell(row, "BilledCost"));
    cr_expect_str_eq(cell(row, "EffectiveCost"), cell(row, "BilledCost"));
}

Test(reports_focus, rows_keep_the_rules_of_the_specification)
{
    json_t *rows = rows_of(EXPORT " --drafts"), *row;
    size_t i, corrections = 0, seen[6] = {0}; /* by allowed[0] */
    json_array_foreach (rows, i, row) {
        check_cells(row);
        check_nulls(row);
        corrections += is(row, "ChargeClass", "Correction");
        for (size_t v = 0; v < 5; v++)
            seen[v] += is(row, "ChargeCategory", allowed[0].values[v]);
    }
    cr_expect_gt(corrections, 2);
    for (size_t v = 0; v < 5; v++)
        cr_expect_gt(seen[v], 0, "no row is %s", allowed[0].values[v]);
    json_decref(rows);
}

/* ---- against the invoices ---- */

static int64_t
sum_of(const json_t *rows, const struct invoice *invoice)
{
    char id[24];
    int64_t sum = 0;
    size_t i;
    json_t *row;
    snprintf(id, sizeof id, "%u", (unsigned)invoice->number);
    json_array_foreach ((json_t *)(uintptr_t)rows, i, row) {
        int64_t minor = 0;
        if (!is(row, "InvoiceId", id))
            continue;
        const char *cost = cell(row, "BilledCost"), *point = strchr(cost, '.');
        int digits = currency_minor_digits(invoice->currency);
        cr_expect_eq(point != NULL ? strlen(point) - 1 : 0, (size_t)digits, "%s", cost);
        cr_assert(money_parse(str_of(cost), digits, &minor), "%s", cost);
        cr_expect(is(row, "BillingCurrency", invoice->currency));
        sum += minor;
    }
    return sum;
}

Test(reports_focus, rows_add_up_to_every_invoice_to_the_minor_unit)
{
    json_t *rows = rows_of(EXPORT);
    struct invoice_scan scan;
    unsigned finals = 0, lines = 0, notes = 0, yen = 0;
    struct tables_txn *txn = office_begin();
    for (invoice_scan_begin(&scan, txn, 0); invoice_scan_next(&scan);) {
        if (scan.row.status == INVOICE_DRAFT)
            continue;
        cr_expect_eq(sum_of(rows, &scan.row), scan.row.total_minor, "invoice %u",
                     (unsigned)scan.row.number);
        finals++;
        lines += scan.row.line_count;
        notes += scan.row.total_minor < 0;
        yen += strcmp(scan.row.currency, "JPY") == 0;
    }
    invoice_scan_end(&scan);
    office_commit();
    cr_expect_eq(json_array_size(rows), lines);
    cr_expect_gt(finals, 6);
    cr_expect_gt(notes, 0);
    cr_expect_gt(yen, 1);
    json_decref(rows);
}

static const json_t *
row_where(const json_t *rows, const char *column, const char *want, const char *organization)
{
    size_t i;
    json_t *row;
    json_array_foreach ((json_t *)(uintptr_t)rows, i, row) {
        if (is(row, column, want) && is(row, "BillingAccountId", organization))
            return row;
    }
    cr_assert_fail("no row has %s %s", column, want);
    return NULL;
}

Test(reports_focus, a_row_says_what_its_line_is)
{
    json_t *rows = rows_of(EXPORT " --service Chat --from 2026-10 --to 2026-12");
    const json_t *r = row_where(rows, "x_LineKind", "usage", "acme");
    cr_expect_str_eq(cell(r, "PricingQuantity"), "234");
    cr_expect_str_eq(cell(r, "PricingUnit"), "Credits");
    cr_expect_str_eq(cell(r, "BilledCost"), "2.34");
    cr_expect_str_eq(cell(r, "x_UnitPrice"), "0.01");
    cr_expect_str_eq(cell(r, "SkuId"), "large/credits");
    cr_expect_str_eq(cell(r, "ServiceName"), "Chat");
    cr_expect_str_eq(cell(r, "ProviderName"), "Seller");
    cr_expect_str_eq(cell(r, "ChargePeriodStart"), "2026-11-01T00:00:00Z");
    cr_expect_str_eq(cell(r, "ChargePeriodEnd"), "2026-12-01T00:00:00Z");
    r = row_where(rows, "ChargeCategory", "Credit", "acme");
    cr_expect_str_eq(cell(r, "ChargeDescription"), "Credit: Apology, \"sorry\"");
    cr_expect_str_eq(cell(r, "ChargePeriodStart"), "2026-11-04T01:02:03Z");
    cr_expect_str_eq(cell(r, "ChargePeriodEnd"), "2026-11-04T01:02:04Z");
    cr_expect_null(cell(r, "x_UnitPrice"));
    r = row_where(rows, "x_LineKind", "usage", "kyoto");
    cr_expect_str_eq(cell(r, "PricingUnit"), "Tokens");
    cr_expect_null(cell(r, "x_UnitPrice"), "tiers have no single price");
    r = row_where(rows, "x_LineKind", "plan_fee", "kyoto");
    cr_expect_str_eq(cell(r, "PricingQuantity"), "24");
    cr_expect_str_eq(cell(r, "PricingUnit"), "Days");
    r = row_where(rows, "x_LineKind", "plan_fee", "acme");
    cr_expect_str_eq(cell(r, "PricingUnit"), "Seconds");
    r = row_where(rows, "x_LineKind", "commitment", "lax");
    cr_expect_str_eq(cell(r, "ChargeCategory"), "Adjustment");
    json_decref(rows);
}

Test(reports_focus, the_parties_name_seller_and_customers)
{
    char path[96], line[256];
    snprintf(path, sizeof path, "%s/parties.json", office_directory());
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL &&
              fputs("{\"format\":\"gbill-parties/1\",\"seller\":{\"name\":\"Verkäufer\"},"
                    "\"customers\":{\"kyoto\":{\"name\":\"京都\"}}}",
                    f) >= 0 &&
              fclose(f) == 0);
    snprintf(line, sizeof line, "export --what focus --format jsonl --parties %s", path);
    json_t *rows = rows_of(line);
    const json_t *r = row_where(rows, "x_LineKind", "tax", "kyoto");
    cr_expect_str_eq(cell(r, "BillingAccountName"), "京都");
    cr_expect_str_eq(cell(r, "InvoiceIssuerName"), "Verkäufer");
    cr_expect_str_eq(cell(r, "ServiceName"), "Verkäufer");
    r = row_where(rows, "x_LineKind", "tax", "acme");
    cr_expect_null(cell(r, "BillingAccountName"));
    json_decref(rows);
}

Test(reports_focus, drafts_and_void_invoices_are_left_out_and_said)
{
    struct invoice i;
    cr_assert(office_invoice("lax", "2026-11-01", &i));
    office_begin();
    office_pay("lax", i.number, "void", 0);
    office_commit();
    office_invoices_of(office_book(book), "2027-01-02", 0);
    struct fixture x = {.tables = NULL};
    snprintf(x.dir.path, sizeof x.dir.path, "%s", office_directory());
    struct ran ran = fixture_run(&x, EXPORT " --org lax");
    cr_expect_not_null(strstr(ran.err, "left out 1 void invoices"), "%s", ran.err);
    cr_expect_not_null(strstr(ran.err, "left out 1 invoices that are not final; see --drafts"),
                       "%s", ran.err);
    ran_free(&ran);
    json_t *rows = rows_of(EXPORT " --org lax --drafts"), *row;
    size_t n, drafts = 0;
    json_array_foreach (rows, n, row) {
        cr_expect(is(row, "BillingAccountId", "lax"));
        cr_expect_eq(is(row, "x_InvoiceStatus", "draft"), cell(row, "InvoiceId") == NULL);
        cr_expect(!is(row, "x_InvoiceStatus", "void"));
        drafts += is(row, "x_InvoiceStatus", "draft");
    }
    cr_expect_gt(drafts, 0);
    json_decref(rows);
}

Test(reports_focus, lines_that_do_not_add_up_are_an_error)
{
    struct invoice i;
    uint8_t key[16];
    struct err err;
    cr_assert(office_invoice("acme", "2026-11-01", &i));
    struct tables_txn *txn = office_begin();
    put_be32(key, i.organization);
    put_be64(key + 4, (uint64_t)i.from_ms);
    put_be32(key + 12, 0);
    struct bytes k = {key, sizeof key}, value;
    cr_assert(tables_get(txn, TABLE_INVOICE_LINES, k, &value));
    uint8_t changed[512];
    memcpy(changed, value.data, value.size_bytes);
    changed[59] ^= 1; /* the lowest byte of the amount */
    cr_assert_eq(
        tables_put(txn, TABLE_INVOICE_LINES, k, (struct bytes){changed, value.size_bytes}, &err),
        ERR_OK);
    office_commit();
    struct fixture x = {.tables = NULL};
    snprintf(x.dir.path, sizeof x.dir.path, "%s", office_directory());
    struct ran ran = fixture_run(&x, EXPORT " --org acme --from 2026-11 --to 2026-12");
    cr_expect_eq(ran.status, 12, "%s", ran.err);
    cr_expect_not_null(strstr(ran.err, "is not the sum of its lines"), "%s", ran.err);
    cr_expect_str_empty(ran.out);
    ran_free(&ran);
}
