#include "reports/invoice_sheet.h"

#include <assert.h>
#include <inttypes.h>

#include "billing/invoice_print.h"
#include "billing/words.h"
#include "store/base/time.h"
#include "store/tables/dict.h"

enum { TEXT_BYTES = 1024, HASH_SHOWN_BYTES = 6, COST_DIGITS_SHOWN = 6, SUMS_MAX = 4 };

struct making {
    struct tables_txn *txn;
    const struct invoice *invoice;
    const struct parties *parties;
    struct arena *arena;
    struct pdf_sheet *sheet;
    bool full; /* a text found no room in the arena */
};

/* ---- texts ---- */

static const char *
keep(struct making *m, struct str text)
{
    const char *kept = arena_text(m->arena, text);
    if (kept == NULL)
        m->full = true;
    return kept != NULL ? kept : "";
}

static const char *
keep_words(struct making *m, const struct words *words)
{
    return keep(m, words_str(words));
}

static const char *
amount_text(struct making *m, int64_t amount_minor)
{
    char room[TEXT_BYTES], decimal[MONEY_TEXT_BYTES];
    struct words w = words_of(room, sizeof room);
    invoice_print_minor(m->invoice, amount_minor, decimal);
    words_add_decimal(&w, decimal);
    return keep_words(m, &w);
}

static const char *
pico_text(struct making *m, money_sum pico)
{
    char room[TEXT_BYTES], decimal[MONEY_TEXT_BYTES];
    struct words w = words_of(room, sizeof room);
    money_format(pico, 12, decimal);
    words_add_decimal(&w, decimal);
    return keep_words(m, &w);
}

static const char *
span_text(struct making *m, int64_t from_ms, int64_t to_ms)
{
    char room[TEXT_BYTES];
    struct words w = words_of(room, sizeof room);
    words_add_time(&w, from_ms);
    words_add(&w, " to ");
    words_add_time(&w, to_ms);
    return keep_words(m, &w);
}

static const char *
day_text(struct making *m, int64_t utc_ms)
{
    char text[TIME_TEXT_BYTES];
    time_format_day(utc_ms / TIME_DAY_MS, text);
    return keep(m, str_of(text));
}

/* ---- the head ---- */

static bool
is_draft(const struct invoice *i)
{
    return i->status == INVOICE_DRAFT;
}

/* Something is to be paid, and not all of it was; nothing is asked for while a dispute is open. */
static bool
is_open(const struct invoice *i)
{
    return invoice_due_minor(i) > i->paid_minor &&
           (i->status == INVOICE_FINAL || i->status == INVOICE_PARTIALLY_PAID ||
            i->status == INVOICE_PAYMENT_FAILED);
}

static const char *
title_text(struct making *m)
{
    char room[TEXT_BYTES];
    struct words w = words_of(room, sizeof room);
    const char *noun = m->invoice->total_minor < 0 ? "Credit note" : "Invoice";
    if (is_draft(m->invoice))
        words_add(&w, "%s (draft)", noun);
    else
        words_add(&w, "%s %" PRIu64, noun, m->invoice->number);
    return keep_words(m, &w);
}

static const char *
status_text(const struct invoice *i)
{
    switch (i->status) {
    case INVOICE_DRAFT:
        return "DRAFT";
    case INVOICE_PARTIALLY_PAID:
        return "PARTIALLY PAID";
    case INVOICE_PAID:
        return "PAID";
    case INVOICE_PAYMENT_FAILED:
        return "PAYMENT FAILED";
    case INVOICE_DISPUTED:
        return "DISPUTED";
    case INVOICE_VOID:
        return "VOID";
    default:
        return "FINAL";
    }
}

static struct pdf_party
party_texts(struct making *m, const struct parties_party *p, const char *tax_label)
{
    struct pdf_party ret = {.name = p->name, .email = p->email, .web = p->web};
    for (size_t i = 0; i < p->address_count; i++)
        ret.lines[ret.line_count++] = p->address[i];
    if (p->tax_id != NULL) {
        char room[TEXT_BYTES];
        struct words w = words_of(room, sizeof room);
        words_add(&w, "%s%s", tax_label, p->tax_id);
        ret.lines[ret.line_count++] = keep_words(m, &w);
    }
    return ret;
}

static void
add_fact(struct making *m, const char *label, const char *value)
{
    m->sheet->facts[m->sheet->fact_count++] = (struct pdf_pair){.label = label, .value = value};
}

static void
add_head(struct making *m)
{
    const struct invoice *i = m->invoice;
    struct str organization = dict_text(m->txn, i->organization);
    struct parties_party seller = parties_seller(m->parties);
    struct parties_party customer = parties_customer(m->parties, organization);
    customer.email = NULL; /* for Stripe alone */
    int64_t days = parties_payment_days(m->parties);
    const char *id = keep(m, organization), *period = span_text(m, i->from_ms, i->to_ms);
    if (!is_draft(i))
        add_fact(m, "Date", day_text(m, i->finalized_ms));
    if (is_open(i) && days >= 0)
        add_fact(m, "Due", day_text(m, i->finalized_ms + days * TIME_DAY_MS));
    add_fact(m, "Period (UTC)", period);
    add_fact(m, "Currency", keep(m, str_of(i->currency)));
    if (customer.name == NULL)
        customer.name = id;
    else
        add_fact(m, "Account", id);
    if (customer.reference != NULL)
        add_fact(m, "Your reference", customer.reference);
    m->sheet->seller = party_texts(m, &seller, "Tax id ");
    m->sheet->customer = party_texts(m, &customer, "Tax id ");
    m->sheet->subject = period;
}

/* ---- the lines ---- */

/*
 * Of a fee the quantity is seconds, and of a correction the whole item's, of which only
 * the difference is charged: neither times the price is the amount.
 */
static bool
shows_quantity(const struct invoice_line *line)
{
    return line->kind == INVOICE_USAGE && line->corrects == 0;
}

/*
 * A price that, times the quantity, is not the amount would only raise questions: where a
 * minimum or a discount came in, or where the plan is in another currency.
 */
static bool
shows_unit(const struct invoice_line *line)
{
    money_sum product;
    return shows_quantity(line) && line->unit_pico != 0 &&
           !__builtin_mul_overflow(line->quantity_pico, (money_sum)line->unit_pico, &product) &&
           money_divide(product, MONEY_PICO_PER_UNIT) == line->exact_pico;
}

static struct pdf_row
row_of(struct making *m, const struct invoice_line *line)
{
    struct pdf_row row = {.description = keep(m, line->description),
                          .amount = amount_text(m, line->amount_minor)};
    if (shows_quantity(line))
        row.quantity = pico_text(m, line->quantity_pico);
    if (shows_unit(line))
        row.unit = pico_text(m, line->unit_pico);
    if (line->kind == INVOICE_ADJUSTMENT)
        row.detail = day_text(m, line->from_ms);
    return row;
}

static void
add_total(struct making *m, const char *label, int64_t amount_minor, bool strong)
{
    assert(m->sheet->total_count < PDF_TOTALS_MAX);
    m->sheet->totals[m->sheet->total_count++] =
        (struct pdf_pair){.label = label, .value = amount_text(m, amount_minor), .strong = strong};
}

/* A line of the table, or, if it is a tax, of the totals. */
static enum err_code
add_lines(struct making *m, struct err *err)
{
    const struct invoice *i = m->invoice;
    struct invoice_line line;
    struct pdf_row *rows = arena_alloc(m->arena, (i->line_count + 1) * sizeof *rows);
    if (rows == NULL)
        return err_set(err, ERR_LIMIT, "an invoice of %" PRIu32 " lines is too large for a PDF",
                       i->line_count);
    if (i->tax_minor != 0)
        add_total(m, "Subtotal", i->total_minor - i->tax_minor, false);
    m->sheet->rows = rows;
    for (uint32_t n = 0; n < i->line_count; n++) {
        if (!invoice_line_get(m->txn, i->organization, i->from_ms, n, &line))
            return err_set(err, ERR_CORRUPT,
                           "line %" PRIu32 " of the invoice is not stored; run "
                           "gbill invoice verify",
                           n + 1);
        if (line.kind == INVOICE_TAX && m->sheet->total_count < PDF_TOTALS_MAX - SUMS_MAX)
            add_total(m, keep(m, line.description), line.amount_minor, false);
        else
            rows[m->sheet->row_count++] = row_of(m, &line);
    }
    return ERR_OK;
}

/* ---- the totals ---- */

/* The figure that a reader looks for: large, and with its currency. */
static void
add_sum(struct making *m, const char *label, int64_t amount_minor)
{
    char room[TEXT_BYTES];
    struct words w = words_of(room, sizeof room);
    words_add(&w, "%s (%s)", label, m->invoice->currency);
    add_total(m, keep_words(m, &w), amount_minor, true);
}

static void
add_credit_note_totals(struct making *m)
{
    const struct invoice *i = m->invoice;
    add_sum(m, "Total", i->total_minor);
    if (i->paid_minor != 0)
        add_total(m, "Given back", -i->paid_minor, false);
}

static void
add_totals(struct making *m)
{
    const struct invoice *i = m->invoice;
    int64_t due = i->status == INVOICE_VOID ? 0 : invoice_due_minor(i);
    if (i->total_minor < 0) {
        add_credit_note_totals(m);
        return;
    }
    add_total(m, "Total", i->total_minor, false);
    if (i->credit_minor != 0)
        add_total(m, "From credit notes", -i->credit_minor, false);
    if (i->paid_minor != 0)
        add_total(m, "Paid", -i->paid_minor, false);
    due -= i->paid_minor;
    add_sum(m,
            is_draft(i) ? "Amount so far"
            : due < 0   ? "Overpaid"
                        : "Amount due",
            due < 0 ? -due : due);
}

/* ---- below ---- */

static void
add_note(struct making *m, const char *text)
{
    m->sheet->notes[m->sheet->note_count++] = text;
}

static void
add_usage_note(struct making *m)
{
    const struct invoice *i = m->invoice;
    char room[TEXT_BYTES], decimal[MONEY_TEXT_BYTES], currency[4];
    struct words w = words_of(room, sizeof room);
    if (i->credits_used == 0 && i->llm_cost_pico == 0 && i->unpriced_calls == 0)
        return;
    invoice_print_cost_currency(m->txn, i, currency);
    words_add(&w, "For information: ");
    words_add_count(&w, i->credits_used);
    words_add(&w, " AI credits were used in this period; the model providers charged ");
    money_format_fixed(i->llm_cost_pico, 12, COST_DIGITS_SHOWN, decimal);
    words_add_decimal(&w, decimal);
    words_add(&w, " %s for its calls", currency);
    if (i->unpriced_calls > 0) {
        words_add(&w, ", not counting ");
        words_add_count(&w, i->unpriced_calls);
        words_add(&w, " without a known price");
    }
    words_add(&w, ".");
    add_note(m, keep_words(m, &w));
}

static void
add_notes(struct making *m)
{
    const struct invoice *i = m->invoice;
    if (is_draft(i))
        add_note(m,
                 "This is a draft: what comes in until the invoice is final may still change it. "
                 "Nothing on it is to be paid yet.");
    if (i->status == INVOICE_VOID)
        add_note(m, "This invoice is void: nothing on it is owed. What is due of it comes on the "
                    "next one.");
    if (i->status == INVOICE_DISPUTED)
        add_note(m, "A payment of this invoice is in dispute. What was paid counts again when that "
                    "is won; until then nothing more is asked for.");
    if (i->total_minor < 0)
        add_note(m, "A credit note: its amount is taken off the invoices that follow, as far as it "
                    "was not given back.");
    else if (is_open(i) && parties_payment_terms(m->parties) != NULL)
        add_note(m, parties_payment_terms(m->parties));
    add_usage_note(m);
    add_note(m, "All times are UTC; a period ends right before the time that is named last.");
}

/* The first digits are enough to find the whole in gbill invoice show. */
static void
add_hash(struct words *w, const char *label, const uint8_t hash[HASH_SHA256_BYTES])
{
    char text[HASH_SHA256_TEXT_BYTES];
    hash_hex(hash, HASH_SHOWN_BYTES, text);
    words_add(w, ", %s %s", label, text);
}

static void
add_provenance(struct making *m)
{
    const struct invoice *i = m->invoice;
    char room[TEXT_BYTES];
    struct words w = words_of(room, sizeof room);
    words_add(&w, "Computed from log position %" PRIu64, i->position);
    add_hash(&w, "chain", i->chain);
    add_hash(&w, "price book", i->price_book);
    add_hash(&w, "plan book", i->plan_book);
    words_add(&w, ".");
    m->sheet->provenance = keep_words(m, &w);
    if (!is_draft(i)) {
        w = words_of(room, sizeof room);
        words_add(&w, "To prove it: gbill invoice verify --number %" PRIu64, i->number);
        m->sheet->proof = keep_words(m, &w);
    }
    m->sheet->footer = parties_footer(m->parties);
}

/* A draft has no date of its own. */
static void
add_document(struct making *m)
{
    const struct invoice *i = m->invoice;
    char room[TEXT_BYTES], created[TIME_TEXT_BYTES];
    struct words w = words_of(room, sizeof room);
    time_format_ms(is_draft(i) ? i->from_ms : i->finalized_ms, created);
    words_add(&w, "%.19sZ", created);
    m->sheet->created = keep_words(m, &w);
    w = words_of(room, sizeof room);
    words_add(&w, "Amount (%s)", i->currency);
    m->sheet->amount_title = keep_words(m, &w);
    m->sheet->title = title_text(m);
    m->sheet->status = status_text(i);
    m->sheet->mark = is_draft(i) ? "DRAFT" : i->status == INVOICE_VOID ? "VOID" : NULL;
    m->sheet->font = parties_font(m->parties);
    m->sheet->no_rows = "Nothing was charged for this period.";
}

enum err_code
invoice_sheet_make(struct tables_txn *txn, const struct invoice *invoice,
                   const struct parties *parties, struct arena *arena, struct pdf_sheet *ret,
                   struct err *err)
{
    struct pdf_sheet sheet = {0};
    struct making m = {
        .txn = txn, .invoice = invoice, .parties = parties, .arena = arena, .sheet = &sheet};
    add_document(&m);
    add_head(&m);
    enum err_code code = add_lines(&m, err);
    if (code != ERR_OK)
        return code;
    add_totals(&m);
    add_notes(&m);
    add_provenance(&m);
    if (m.full)
        return err_set(err, ERR_LIMIT, "an invoice of %" PRIu32 " lines is too large for a PDF",
                       invoice->line_count);
    *ret = sheet;
    return ERR_OK;
}
