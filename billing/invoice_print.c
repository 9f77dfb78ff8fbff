#include "billing/invoice_print.h"

#include <inttypes.h>
#include <string.h>

#include "billing/plan/plan.h"
#include "billing/words.h"
#include "store/base/currency.h"
#include "store/base/json.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/tables/book.h"
#include "store/tables/dict.h"

void
invoice_print_minor(const struct invoice *invoice, int64_t amount_minor,
                    char text[MONEY_TEXT_BYTES])
{
    int digits = currency_minor_digits(invoice->currency);
    money_format_fixed(amount_minor, digits, digits, text);
}

void
invoice_print_cost_currency(struct tables_txn *txn, const struct invoice *invoice, char ret[4])
{
    struct bytes text;
    ret[0] = '\0';
    if (!book_get(txn, invoice->plan_book, &text))
        return;
    json_t *book = json_loadb((const char *)text.data, text.size_bytes, 0, NULL);
    const char *code = json_string_value(json_object_get(book, "cost_currency"));
    snprintf(ret, 4, "%s", code != NULL ? code : PLAN_COST_CURRENCY_DEFAULT);
    json_decref(book);
}

static void
print_head(FILE *out, struct tables_txn *txn, const struct invoice *i)
{
    char since[TIME_TEXT_BYTES], used[64], span[128];
    struct words credits = words_of(used, sizeof used), period = words_of(span, sizeof span);
    words_add_count(&credits, i->credits_used);
    words_add_time(&period, i->from_ms);
    words_add(&period, " to ");
    words_add_time(&period, i->to_ms);
    if (i->status != INVOICE_DRAFT) {
        time_format_ms(i->finalized_ms, since);
        fprintf(out, "%s %" PRIu64 ", final since %s\n",
                i->total_minor < 0 ? "Credit note" : "Invoice", i->number, since);
    } else {
        fprintf(out, "Invoice (a draft)\n");
    }
    fprintf(out, "Organization  %.*s\n", STR_ARG(dict_text(txn, i->organization)));
    fprintf(out, "Period        %s (UTC)\n", span);
    fprintf(out, "Status        %s\n", invoice_status_name(i->status));
    fprintf(out, "AI credits    %s used\n\n", used);
}

static void
print_lines(FILE *out, struct tables_txn *txn, const struct invoice *i)
{
    static const struct print_column columns[] = {
        {"line", PRINT_WHOLE},     {"kind", PRINT_TEXT},    {"description", PRINT_TEXT},
        {"quantity", PRINT_WHOLE}, {"exact", PRINT_AMOUNT}, {"amount", PRINT_AMOUNT}};
    struct print p;
    print_begin(&p, out, PRINT_TABLE, columns, sizeof columns / sizeof columns[0]);
    for (uint32_t n = 0; n < i->line_count; n++) {
        struct invoice_line line;
        char text[MONEY_TEXT_BYTES];
        if (!invoice_line_get(txn, i->organization, i->from_ms, n, &line))
            continue;
        print_whole(&p, n + 1);
        print_text(&p, str_of(invoice_line_kind_name(line.kind)));
        print_text(&p, line.description);
        money_format(line.quantity_pico, 12, text);
        print_amount(&p, text);
        money_format(line.exact_pico, 12, text);
        print_amount(&p, text);
        invoice_print_minor(i, line.amount_minor, text);
        print_amount(&p, text);
    }
    print_end(&p);
}

static void
print_hash(FILE *out, const char *label, const uint8_t hash[HASH_SHA256_BYTES])
{
    char text[HASH_SHA256_TEXT_BYTES];
    hash_hex(hash, HASH_SHA256_BYTES, text);
    fprintf(out, "  %-14s%s\n", label, text);
}

static void
print_tail(FILE *out, struct tables_txn *txn, const struct invoice *i)
{
    char text[MONEY_TEXT_BYTES], currency[4];
    invoice_print_minor(i, i->total_minor, text);
    fprintf(out, "\nTotal         %s %s\n", text, i->currency);
    if (i->tax_minor != 0) {
        invoice_print_minor(i, i->tax_minor, text);
        fprintf(out, "  of it tax   %s\n", text);
    }
    if (i->credit_minor != 0) {
        invoice_print_minor(i, i->credit_minor, text);
        fprintf(out, "Credit used   %s\n", text);
    }
    invoice_print_minor(i, invoice_due_minor(i), text);
    fprintf(out, "To be paid    %s\n", text);
    if (i->paid_minor != 0) {
        invoice_print_minor(i, i->paid_minor, text);
        fprintf(out, "Paid          %s\n", text);
    }
    fputc('\n', out);
    money_format(i->llm_cost_pico, 12, text);
    invoice_print_cost_currency(txn, i, currency);
    fprintf(out, "What the providers charged, for information: %s %s", text, currency);
    if (i->unpriced_calls > 0)
        fprintf(out, " and %" PRIu64 " calls without a known price", i->unpriced_calls);
    fprintf(out, "\nComputed from\n  %-14s%" PRIu64 "\n", "log position", i->position);
    print_hash(out, "log chain", i->chain);
    print_hash(out, "price book", i->price_book);
    print_hash(out, "plan book", i->plan_book);
}

/* json_pack() would want NUL-terminated texts; the map's are not. */
static void
put_text(json_t *object, const char *key, struct str text)
{
    json_object_set_new(object, key, json_stringn(text.data, text.size_bytes));
}

static void
put_amount(json_t *object, const char *key, money_sum value, int decimals, bool fixed)
{
    char text[MONEY_TEXT_BYTES];
    if (fixed)
        money_format_fixed(value, decimals, decimals, text);
    else
        money_format(value, decimals, text);
    put_text(object, key, str_of(text));
}

static void
put_count(json_t *object, const char *key, uint64_t count)
{
    json_object_set_new(object, key, json_integer((json_int_t)count));
}

static void
put_time(json_t *object, const char *key, int64_t utc_ms)
{
    char text[TIME_TEXT_BYTES];
    time_format_ms(utc_ms, text);
    put_text(object, key, str_of(text));
}

static void
put_hash(json_t *object, const char *key, const uint8_t hash[HASH_SHA256_BYTES])
{
    char text[HASH_SHA256_TEXT_BYTES];
    hash_hex(hash, HASH_SHA256_BYTES, text);
    put_text(object, key, str_of(text));
}

static json_t *
line_object(const struct invoice *i, const struct invoice_line *line)
{
    json_t *o = json_object();
    int digits = currency_minor_digits(i->currency);
    put_text(o, "kind", str_of(invoice_line_kind_name(line->kind)));
    put_text(o, "description", line->description);
    put_text(o, "plan", line->plan);
    put_text(o, "charge", line->charge);
    json_object_set_new(
        o, "corrects", line->corrects > 0 ? json_integer((json_int_t)line->corrects) : json_null());
    put_amount(o, "quantity", line->quantity_pico, 12, false);
    put_amount(o, "unitPrice", line->unit_pico, 12, false);
    put_amount(o, "exact", line->exact_pico, 12, false);
    put_amount(o, "amount", line->amount_minor, digits, true);
    put_time(o, "from", line->from_ms);
    put_time(o, "to", line->to_ms);
    return o;
}

static void
print_json(FILE *out, struct tables_txn *txn, const struct invoice *i)
{
    json_t *o = json_object(), *lines = json_array();
    int digits = currency_minor_digits(i->currency);
    put_text(o, "organization", dict_text(txn, i->organization));
    put_time(o, "from", i->from_ms);
    put_time(o, "to", i->to_ms);
    put_text(o, "status", str_of(invoice_status_name(i->status)));
    json_object_set_new(o, "number",
                        i->number > 0 ? json_integer((json_int_t)i->number) : json_null());
    put_text(o, "currency", str_of(i->currency));
    for (uint32_t n = 0; n < i->line_count; n++) {
        struct invoice_line line;
        if (invoice_line_get(txn, i->organization, i->from_ms, n, &line))
            json_array_append_new(lines, line_object(i, &line));
    }
    json_object_set_new(o, "lines", lines);
    put_amount(o, "total", i->total_minor, digits, true);
    put_amount(o, "tax", i->tax_minor, digits, true);
    put_amount(o, "creditUsed", i->credit_minor, digits, true);
    put_amount(o, "due", invoice_due_minor(i), digits, true);
    put_amount(o, "paid", i->paid_minor, digits, true);
    put_count(o, "aiCredits", i->credits_used);
    put_amount(o, "llmCost", i->llm_cost_pico, 12, false);
    put_count(o, "unpricedCalls", i->unpriced_calls);
    put_count(o, "position", i->position);
    put_hash(o, "chain", i->chain);
    put_hash(o, "priceBook", i->price_book);
    put_hash(o, "planBook", i->plan_book);
    if (i->status != INVOICE_DRAFT)
        put_time(o, "finalizedAt", i->finalized_ms);
    json_dumpf(o, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(o);
}

void
invoice_print(FILE *out, struct tables_txn *txn, const struct invoice *invoice, bool json)
{
    if (json) {
        print_json(out, txn, invoice);
        return;
    }
    print_head(out, txn, invoice);
    print_lines(out, txn, invoice);
    print_tail(out, txn, invoice);
}
