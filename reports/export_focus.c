#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/plan/plan.h"
#include "reports/export.h"
#include "store/base/currency.h"
#include "store/base/digits.h"
#include "store/base/time.h"
#include "store/tables/book.h"
#include "store/tables/dict.h"
#include "store/tables/invoice.h"

/*
 * A row is a line of an invoice.  Which column says what, and why: schemas/export.md.
 * No discount, amortization or negotiated price is known of a line, so its four costs
 * are one.
 */

enum { SECOND_MS = 1000, UNIT_BYTES = 32, NAME_BYTES = 192, PICO_DIGITS = 12 };

static const struct print_column columns[] = {
    {"BilledCost", PRINT_AMOUNT},       {"BillingAccountId", PRINT_TEXT},
    {"BillingAccountName", PRINT_TEXT}, {"BillingCurrency", PRINT_TEXT},
    {"BillingPeriodEnd", PRINT_TEXT},   {"BillingPeriodStart", PRINT_TEXT},
    {"ChargeCategory", PRINT_TEXT},     {"ChargeClass", PRINT_TEXT},
    {"ChargeDescription", PRINT_TEXT},  {"ChargeFrequency", PRINT_TEXT},
    {"ChargePeriodEnd", PRINT_TEXT},    {"ChargePeriodStart", PRINT_TEXT},
    {"ConsumedQuantity", PRINT_AMOUNT}, {"ConsumedUnit", PRINT_TEXT},
    {"ContractedCost", PRINT_AMOUNT},   {"EffectiveCost", PRINT_AMOUNT},
    {"InvoiceId", PRINT_TEXT},          {"InvoiceIssuerName", PRINT_TEXT},
    {"ListCost", PRINT_AMOUNT},         {"PricingCategory", PRINT_TEXT},
    {"PricingQuantity", PRINT_AMOUNT},  {"PricingUnit", PRINT_TEXT},
    {"ProviderName", PRINT_TEXT},       {"PublisherName", PRINT_TEXT},
    {"ServiceCategory", PRINT_TEXT},    {"ServiceName", PRINT_TEXT},
    {"ServiceSubcategory", PRINT_TEXT}, {"SkuId", PRINT_TEXT},
    {"SkuMeter", PRINT_TEXT},           {"SkuPriceId", PRINT_TEXT},
    {"x_InvoiceStatus", PRINT_TEXT},    {"x_LineNumber", PRINT_WHOLE},
    {"x_LineKind", PRINT_TEXT},         {"x_PlanId", PRINT_TEXT},
    {"x_ChargeId", PRINT_TEXT},         {"x_UnitPrice", PRINT_AMOUNT},
    {"x_ExactCost", PRINT_AMOUNT},      {"x_CorrectsInvoiceId", PRINT_TEXT},
    {"x_LogPosition", PRINT_WHOLE},
};

struct focus {
    struct export *x;
    struct print *print;
    struct tables_txn *txn;
    const struct export_names *names;
    struct invoice invoice;
    struct str organization;
    /* The plan book of the invoice before; NULL: it is not kept, or cannot be read. */
    struct plan_book *book;
    uint8_t book_sha256[HASH_SHA256_BYTES];
};

static void
put_text(struct focus *f, struct str text)
{
    if (text.size_bytes > 0)
        print_text(f->print, text);
    else
        print_null(f->print);
}

/* Both ends of a period are whole seconds in FOCUS; a period never becomes empty. */
static void
put_time(struct focus *f, int64_t utc_ms, bool up)
{
    char text[TIME_TEXT_BYTES];
    time_format_ms((utc_ms + (up ? SECOND_MS - 1 : 0)) / SECOND_MS * SECOND_MS, text);
    char *point = strchr(text, '.');
    if (point != NULL)
        memcpy(point, "Z", sizeof "Z");
    print_text(f->print, str_of(text));
}

static void
put_number(struct focus *f, uint64_t number)
{
    char text[DIGITS_BYTES_MAX];
    put_text(f, (struct str){text, number > 0 ? digits_put(text, number) : 0});
}

static void
put_exact(struct focus *f, money_sum pico)
{
    char text[MONEY_TEXT_BYTES];
    money_format(pico, PICO_DIGITS, text);
    print_amount(f->print, text);
}

static void
put_cost(struct focus *f, int64_t amount_minor)
{
    char text[MONEY_TEXT_BYTES];
    int digits = currency_minor_digits(f->invoice.currency);
    money_format_fixed(amount_minor, digits, digits, text);
    print_amount(f->print, text);
}

/* ---- what a line is ---- */

static const char *
category_of(const struct invoice_line *line)
{
    switch (line->kind) {
    case INVOICE_PLAN_FEE:
        return "Purchase";
    case INVOICE_USAGE:
        return "Usage";
    case INVOICE_TAX:
        return "Tax";
    case INVOICE_COMMITMENT: /* nothing was consumed, and nothing was bought for it */
        return "Adjustment";
    case INVOICE_ADJUSTMENT:
        return line->amount_minor < 0 ? "Credit" : "Adjustment";
    case INVOICE_LINE_KINDS:
        break;
    }
    return "Adjustment";
}

static const char *
frequency_of(enum invoice_line_kind kind)
{
    return kind == INVOICE_USAGE                                    ? "Usage-Based"
           : kind == INVOICE_PLAN_FEE || kind == INVOICE_COMMITMENT ? "Recurring"
                                                                    : "One-Time";
}

static const struct plan_charge *
charge_of(const struct plan_terms *terms, struct str id)
{
    for (size_t i = 0; i < terms->charge_count; i++) {
        if (str_equal(terms->charges[i].id, id))
            return &terms->charges[i];
    }
    return NULL;
}

/* Units of a line's quantity, in the words of FOCUS; "Units" where the book is not at hand. */
static void
unit_of(const struct focus *f, const struct invoice_line *line, char unit[UNIT_BYTES])
{
    static const char *const words[CHARGE_METERS] = {
        [METER_CREDITS] = "Credits", [METER_CALLS] = "Requests", [METER_TOKENS] = "Tokens",
        [METER_INPUT] = "Tokens",    [METER_OUTPUT] = "Tokens",
    };
    const struct plan *plan = f->book != NULL ? plan_find(f->book, line->plan) : NULL;
    const struct plan_terms *terms = plan != NULL ? plan_terms_at(plan, line->period_ms) : NULL;
    const struct plan_charge *charge = terms != NULL ? charge_of(terms, line->charge) : NULL;
    const char *word = "Units";
    if (line->kind == INVOICE_PLAN_FEE && terms != NULL)
        word = terms->day_count == CYCLE_SECONDS ? "Seconds" : "Days";
    else if (line->kind == INVOICE_USAGE && charge != NULL && charge->meter == METER_COST)
        word = plan->currency;
    else if (line->kind == INVOICE_USAGE && charge != NULL && words[charge->meter] != NULL)
        word = words[charge->meter];
    /* What a conversion makes of so many is one of them: "1000 Tokens". */
    if (line->kind == INVOICE_USAGE && charge != NULL && charge->per > 1 &&
        charge->round != ROUND_NONE && charge->model != CHARGE_PACKAGE)
        snprintf(unit, UNIT_BYTES, "%" PRId64 " %s", charge->per, word);
    else
        snprintf(unit, UNIT_BYTES, "%s", word);
}

/* ---- a row ---- */

static void
put_account(struct focus *f)
{
    const char *name = parties_customer(f->names->parties, f->organization).name;
    put_text(f, f->organization);
    put_text(f, name != NULL ? str_of(name) : (struct str){"", 0});
    print_text(f->print, str_of(f->invoice.currency));
    put_time(f, f->invoice.to_ms, true);
    put_time(f, f->invoice.from_ms, false);
}

static void
put_charge(struct focus *f, const struct invoice_line *line)
{
    print_text(f->print, str_of(category_of(line)));
    put_text(f, line->corrects != 0 ? str_of("Correction") : (struct str){"", 0});
    put_text(f, line->description);
    print_text(f->print, str_of(frequency_of(line->kind)));
    put_time(f, line->to_ms, true);
    put_time(f, line->from_ms, false);
}

static void
put_quantity(struct focus *f, bool there, money_sum quantity_pico, const char *unit)
{
    if (there) {
        put_exact(f, quantity_pico);
        print_text(f->print, str_of(unit));
    } else {
        print_null(f->print);
        print_null(f->print);
    }
}

static void
put_sku(struct focus *f, const struct invoice_line *line, bool sold)
{
    char id[NAME_BYTES];
    int n = !sold ? 0
                  : snprintf(id, sizeof id, "%.*s%s%.*s", STR_ARG(line->plan),
                             line->charge.size_bytes > 0 ? "/" : "", STR_ARG(line->charge));
    struct str sku = {id, n > 0 ? (size_t)n : 0};
    put_text(f, sku);
    put_text(f, sku.size_bytes == 0           ? sku
                : line->kind == INVOICE_USAGE ? str_of("Usage beyond the plan")
                                              : str_of("Plan fee"));
    put_text(f, sku);
}

static void
put_custom(struct focus *f, const struct invoice_line *line, uint32_t number)
{
    print_text(f->print, str_of(invoice_status_name(f->invoice.status)));
    print_whole(f->print, number + 1);
    print_text(f->print, str_of(invoice_line_kind_name(line->kind)));
    put_text(f, line->plan);
    put_text(f, line->charge);
    if (line->unit_pico != 0)
        put_exact(f, line->unit_pico);
    else
        print_null(f->print);
    put_exact(f, line->exact_pico);
    put_number(f, line->corrects);
    print_whole(f->print, f->invoice.position);
}

static void
print_line(struct focus *f, const struct invoice_line *line, uint32_t number)
{
    char unit[UNIT_BYTES];
    bool used = line->kind == INVOICE_USAGE, sold = used || line->kind == INVOICE_PLAN_FEE;
    /* A correction's quantity is that of the whole charge, and its cost a difference. */
    bool counted = sold && line->corrects == 0;
    unit_of(f, line, unit);
    put_cost(f, line->amount_minor);
    put_account(f);
    put_charge(f, line);
    put_quantity(f, used && counted, line->quantity_pico, unit);
    put_cost(f, line->amount_minor);
    put_cost(f, line->amount_minor);
    put_number(f, f->invoice.number);
    print_text(f->print, f->names->issuer);
    put_cost(f, line->amount_minor);
    put_text(f, sold ? str_of("Standard") : (struct str){"", 0});
    put_quantity(f, counted, line->quantity_pico, unit);
    print_text(f->print, f->names->issuer);
    print_text(f->print, f->names->issuer);
    print_text(f->print, str_of("AI and Machine Learning"));
    print_text(f->print, f->names->service);
    print_text(f->print, str_of("Generative AI"));
    put_sku(f, line, sold);
    put_custom(f, line, number);
}

/* ---- invoices ---- */

static void
take_book(struct focus *f)
{
    struct bytes text;
    if (memcmp(f->book_sha256, f->invoice.plan_book, HASH_SHA256_BYTES) == 0)
        return;
    plan_book_free(f->book);
    f->book = NULL;
    memcpy(f->book_sha256, f->invoice.plan_book, HASH_SHA256_BYTES);
    /* The amounts need no book: one of a format gone by costs the unit's name alone. */
    if (book_get(f->txn, f->book_sha256, &text) &&
        plan_book_read(text, f->book_sha256, &f->book, NULL) != ERR_OK)
        f->book = NULL;
}

static enum err_code
damaged(const struct focus *f, const char *what, struct err *err)
{
    char from[TIME_TEXT_BYTES];
    time_format_ms(f->invoice.from_ms, from);
    return err_set(err, ERR_CORRUPT,
                   "invoice %" PRIu64 " of %.*s from %s %s; gbill invoice verify computes it again",
                   f->invoice.number, STR_ARG(f->organization), from, what);
}

static enum err_code
check_sum(const struct focus *f, struct err *err)
{
    const struct invoice *i = &f->invoice;
    struct invoice_line line;
    money_sum sum = 0;
    for (uint32_t n = 0; n < i->line_count; n++) {
        if (!invoice_line_get(f->txn, i->organization, i->from_ms, n, &line))
            return damaged(f, "lacks a line", err);
        sum += line.amount_minor;
    }
    return sum == i->total_minor ? ERR_OK : damaged(f, "is not the sum of its lines", err);
}

static enum err_code
print_invoice(struct focus *f, const struct invoice *invoice, struct err *err)
{
    struct invoice_line line;
    f->invoice = *invoice;
    f->organization = dict_text(f->txn, invoice->organization);
    enum err_code code = check_sum(f, err);
    if (code != ERR_OK)
        return code;
    take_book(f);
    for (uint32_t n = 0; n < invoice->line_count; n++) {
        if (invoice_line_get(f->txn, invoice->organization, invoice->from_ms, n, &line))
            print_line(f, &line, n);
    }
    return ERR_OK;
}

static bool
is_wanted(const struct invoice *i, const struct usage_range *range, bool drafts,
          struct export_counts *counts)
{
    if (i->from_ms < range->from_hour * TIME_HOUR_MS || i->from_ms >= range->to_hour * TIME_HOUR_MS)
        return false;
    bool draft = i->status == INVOICE_DRAFT && !drafts, voided = i->status == INVOICE_VOID;
    counts->drafts += draft ? 1 : 0;
    counts->voided += voided ? 1 : 0;
    counts->invoices += draft || voided ? 0 : 1;
    return !draft && !voided;
}

enum err_code
export_focus(struct export *x, struct tables_txn *txn, const struct usage_range *range,
             const struct export_names *names, bool drafts, struct export_counts *ret_counts,
             struct err *err)
{
    struct focus f = {.x = x, .print = &x->print, .txn = txn, .names = names};
    struct invoice_scan scan;
    uint32_t organization = 0;
    enum err_code code = ERR_OK;
    *ret_counts = (struct export_counts){0};
    /* The empty text is number 0, which would be all of them here. */
    if (range->organization != NULL &&
        (!dict_find(txn, str_of(range->organization), &organization) || organization == 0))
        return err_set(err, ERR_NOT_FOUND, "no organization \"%s\"; ids match exactly",
                       range->organization);
    export_begin(x, columns, sizeof columns / sizeof columns[0]);
    invoice_scan_begin(&scan, txn, organization);
    while (code == ERR_OK && export_goes_on(x) && invoice_scan_next(&scan)) {
        if (is_wanted(&scan.row, range, drafts, ret_counts))
            code = print_invoice(&f, &scan.row, err);
    }
    invoice_scan_end(&scan);
    export_end(x);
    plan_book_free(f.book);
    return code;
}
