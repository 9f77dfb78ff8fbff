#include "billing/invoicing.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "billing/words.h"
#include "store/base/log.h"
#include "store/base/time.h"
#include "store/tables/adjustment.h"
#include "store/tables/balance.h"
#include "store/tables/dict.h"

enum { LINES_BYTES_MAX = 16 * 1024 * 1024, DESCRIPTION_BYTES = 201, TAXES_MAX = 16 };

void
invoicing_init(struct invoicing *v, const struct plan_book *book)
{
    *v = (struct invoicing){.book = book};
    timeline_init(&v->timeline, book);
    items_init(&v->items, book, &v->timeline);
    ledger_init(&v->ledger);
    list_init(&v->lines, sizeof(struct invoice_line));
    arena_init(&v->texts, LINES_BYTES_MAX);
}

void
invoicing_clear(struct invoicing *v)
{
    timeline_clear(&v->timeline);
    items_clear(&v->items);
    ledger_clear(&v->ledger);
    list_clear(&v->lines);
    arena_clear(&v->texts);
}

const struct invoice_line *
invoicing_lines(const struct invoicing *v)
{
    return v->lines.items;
}

static enum err_code
too_long(struct err *err)
{
    return err_set(err, ERR_LIMIT, "an invoice has more lines than fit %d MiB",
                   LINES_BYTES_MAX / 1024 / 1024);
}

/* ---- from when on ---- */

static void
earliest(int64_t *first_ms, int64_t other_ms)
{
    if (other_ms < *first_ms)
        *first_ms = other_ms;
}

static int64_t
month_start(int64_t utc_ms)
{
    return time_month_start_ms(time_month(utc_ms));
}

/*
 * Where the first invoice begins: at the beginning of a calendar month.  What is
 * due at that very instant needs an invoice that ends there, so it begins a month
 * earlier.
 */
static int64_t
subscription_start(const struct invoicing *v, struct tables_txn *txn, uint32_t organization,
                   int64_t start_ms)
{
    uint32_t hour;
    int64_t from_ms = month_start(start_ms);
    /*
     * A subscription may say that it began years ago, elsewhere.  Months before
     * gbill heard of the organization were not billed by it, and never will be.
     */
    if (balance_first_hour(txn, organization, &hour) &&
        month_start((int64_t)hour * TIME_HOUR_MS) > from_ms)
        return month_start((int64_t)hour * TIME_HOUR_MS);
    struct standing s = timeline_at(&v->timeline, start_ms);
    if (from_ms == start_ms && from_ms > 0 && standing_pays(&s) &&
        plan_terms_in_advance(plan_terms_at(s.held, start_ms)))
        return month_start(from_ms - 1);
    return from_ms;
}

static bool
find_first(const struct invoicing *v, struct tables_txn *txn, uint32_t organization, int64_t *ret)
{
    int64_t first_ms = INT64_MAX, start_ms;
    int32_t month;
    struct invoice_scan scan;
    if (timeline_first_ms(&v->timeline, &start_ms))
        first_ms = subscription_start(v, txn, organization, start_ms);
    if (consumption_first_month(txn, organization, &month))
        earliest(&first_ms, time_month_start_ms(month));
    if (adjustment_month_from(txn, organization, 0, &month))
        earliest(&first_ms, time_month_start_ms(month));
    /* What an invoice was made of may have been undone. */
    invoice_scan_begin(&scan, txn, organization);
    if (invoice_scan_next(&scan) && scan.row.status != INVOICE_DRAFT)
        earliest(&first_ms, scan.row.from_ms);
    invoice_scan_end(&scan);
    *ret = first_ms;
    return first_ms != INT64_MAX;
}

enum err_code
invoicing_begin(struct invoicing *v, struct tables_txn *txn, uint32_t organization, int64_t now_ms,
                uint64_t before_number, const struct stage_notices *notices, uint64_t *ret_problems,
                bool *ret_any, struct err *err)
{
    int64_t first_ms;
    *ret_any = false;
    enum err_code code = timeline_read(&v->timeline, txn, organization, err);
    if (code != ERR_OK || !find_first(v, txn, organization, &first_ms) || first_ms > now_ms)
        return code;
    *ret_any = true;
    code = items_compute(&v->items, txn, organization, first_ms, now_ms, err);
    if (code == ERR_OK)
        code =
            ledger_read(&v->ledger, txn, organization, before_number, notices, ret_problems, err);
    v->instant = v->item = 0;
    v->drawn_ms = INT64_MIN;
    v->swept = false;
    v->from_ms = first_ms;
    return code;
}

/* ---- lines ---- */

static const int64_t *
instants(const struct invoicing *v)
{
    return v->items.instants.items;
}

static enum err_code
add_line(struct invoicing *v, const struct invoice_line *line, struct err *err)
{
    int64_t total;
    if (__builtin_add_overflow(v->invoice.total_minor, line->amount_minor, &total)) {
        v->problem = "the total does not fit 63 bits of minor units; a line is left out";
        return ERR_OK;
    }
    if (!list_add(&v->lines, line))
        return too_long(err);
    v->invoice.total_minor = total;
    v->invoice.line_count++;
    log_decision("invoice_line",
                 "org=\"%.*s\" invoice_from_ms=%" PRId64 " invoice_to_ms=%" PRId64
                 " kind=%s plan=\"%.*s\" charge=\"%.*s\" from_ms=%" PRId64 " to_ms=%" PRId64
                 " corrects=%" PRIu64 " amount_minor=%" PRId64 " total_minor=%" PRId64
                 " currency=%s",
                 STR_ARG(dict_text(v->items.txn, v->items.organization)), v->invoice.from_ms,
                 v->invoice.to_ms, invoice_line_kind_name(line->kind), STR_ARG(line->plan),
                 STR_ARG(line->charge), line->from_ms, line->to_ms, line->corrects,
                 line->amount_minor, total, v->invoice.currency);
    return ERR_OK;
}

static enum err_code
add_described(struct invoicing *v, struct invoice_line line, const struct words *words,
              struct err *err)
{
    struct str text = words_str(words);
    line.description = (struct str){arena_text(&v->texts, text), text.size_bytes};
    return line.description.data != NULL ? add_line(v, &line, err) : too_long(err);
}

/* The part of an item that was not billed yet. */
static enum err_code
add_item(struct invoicing *v, const struct item *item, struct err *err)
{
    char text[DESCRIPTION_BYTES];
    struct words words = words_of(text, sizeof text);
    struct invoice_line line = item->line;
    struct ledger_entry *billed = ledger_find(&v->ledger, &line);
    if (billed == NULL)
        return add_line(v, &line, err);
    billed->met = true;
    if (billed->amount_minor == line.amount_minor)
        return ERR_OK;
    line.corrects = billed->number;
    line.amount_minor -= billed->amount_minor;
    line.exact_pico -= billed->exact_pico;
    if (line.kind == INVOICE_PLAN_FEE && line.amount_minor < 0)
        words_add(&words, "Credit for unused time (invoice %" PRIu64 "), used: ", billed->number);
    else
        words_add(&words, "Correction of invoice %" PRIu64 ": ", billed->number);
    words_add(&words, "%.*s", STR_ARG(line.description));
    return add_described(v, line, &words, err);
}

/* What was billed and is no more: a subscription or an adjustment that was voided. */
static enum err_code
sweep(struct invoicing *v, struct err *err)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < v->ledger.entries.count; i++) {
        const struct ledger_entry *e = ledger_entry_at(&v->ledger, i);
        char text[DESCRIPTION_BYTES];
        struct words words = words_of(text, sizeof text);
        if (e->met || e->amount_minor == 0)
            continue;
        struct invoice_line line = {.kind = e->kind,
                                    .plan = e->plan,
                                    .charge = e->charge,
                                    .period_ms = e->period_ms,
                                    .corrects = e->number,
                                    .exact_pico = -e->exact_pico,
                                    .amount_minor = -e->amount_minor,
                                    .from_ms = e->from_ms,
                                    .to_ms = e->to_ms};
        words_add(&words, "Correction of invoice %" PRIu64 ": %s", e->number,
                  invoice_line_kind_name(e->kind));
        if (e->plan.size_bytes > 0)
            words_add(&words, " of plan %.*s", STR_ARG(e->plan));
        words_add(&words, " of ");
        words_add_time(&words, e->from_ms / 1000 * 1000);
        words_add(&words, " taken back");
        code = add_described(v, line, &words, err);
    }
    v->swept = true;
    return code;
}

/* Which items were billed must be known before the first line is written. */
static void
meet_all(struct invoicing *v)
{
    for (size_t i = 0; i < v->items.list.count; i++) {
        struct ledger_entry *e = ledger_find(&v->ledger, &items_at(&v->items, i)->line);
        if (e != NULL)
            e->met = true;
    }
}

/* ---- tax ---- */

struct tax {
    int64_t percent;
    money_sum base_minor;
};

static enum err_code
add_tax(struct invoicing *v, const struct tax *tax, struct err *err)
{
    char text[DESCRIPTION_BYTES], percent[MONEY_TEXT_BYTES], base[MONEY_TEXT_BYTES];
    struct words words = words_of(text, sizeof text);
    money_sum product, pico;
    int digits = v->items.minor_digits;
    if (__builtin_mul_overflow(tax->base_minor, (money_sum)tax->percent, &product))
        return too_long(err);
    pico = product * (MONEY_PICO_PER_UNIT / PLAN_PERCENT_WHOLE);
    for (int i = 0; i < digits; i++)
        pico /= 10;
    money_format(tax->percent, 6, percent);
    money_format_fixed(tax->base_minor, digits, digits, base);
    words_add(&words, "Tax, %s %% of %s", percent, base);
    struct invoice_line line = {.kind = INVOICE_TAX,
                                .period_ms = v->invoice.from_ms,
                                .quantity_pico = RATE_QUANTITY_ONE,
                                .exact_pico = pico,
                                .amount_minor = (int64_t)money_divide(product, PLAN_PERCENT_WHOLE),
                                .from_ms = v->invoice.from_ms,
                                .to_ms = v->invoice.to_ms};
    int64_t before = v->invoice.total_minor;
    enum err_code code = add_described(v, line, &words, err);
    v->invoice.tax_minor += v->invoice.total_minor - before;
    return code;
}

/* One line for each rate.  A line's rate is that of the end of the time it is for. */
static enum err_code
add_taxes(struct invoicing *v, struct err *err)
{
    struct tax taxes[TAXES_MAX];
    size_t count = 0;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < v->lines.count; i++) {
        const struct invoice_line *line = &invoicing_lines(v)[i];
        int64_t percent = timeline_tax_at(&v->timeline, line->to_ms - 1);
        size_t t = 0;
        while (t < count && taxes[t].percent != percent)
            t++;
        if (t == TAXES_MAX)
            return err_set(err, ERR_LIMIT, "more than %d tax rates on one invoice", TAXES_MAX);
        if (t == count)
            taxes[count++] = (struct tax){percent, 0};
        taxes[t].base_minor += line->amount_minor;
    }
    for (size_t t = 0; code == ERR_OK && t < count; t++) {
        if (taxes[t].percent > 0 && taxes[t].base_minor != 0)
            code = add_tax(v, &taxes[t], err);
    }
    return code;
}

/* ---- one invoice ---- */

static void
take_problem(struct invoicing *v)
{
    for (size_t i = 0; v->problem == NULL && i < v->items.problems.count; i++) {
        struct item_problem *p = (struct item_problem *)v->items.problems.items + i;
        if (p->from_ms >= v->invoice.to_ms || p->to_ms <= v->invoice.from_ms)
            continue;
        v->problem = p->text;
        if (p->to_ms == INT64_MAX)
            p->to_ms = INT64_MIN; /* said once */
    }
}

/* What was used in its time, for information. */
static enum err_code
take_usage(struct invoicing *v, struct err *err)
{
    struct invoice *i = &v->invoice;
    struct consumption *c = &v->items.consumption;
    struct standing s = timeline_at(&v->timeline, i->to_ms - 1);
    const struct plan *plan = s.held != NULL ? s.held : s.plan;
    enum err_code code = consumption_read(c, v->items.txn, i->organization,
                                          (struct span){i->from_ms, i->to_ms}, err);
    struct consumption_model sum = consumption_sum(c);
    i->credits_used = consumption_credits(c, plan_terms_at(plan, i->from_ms));
    i->llm_cost_pico = sum.cost_pico;
    i->unpriced_calls = sum.unpriced_calls;
    return code;
}

static bool
has_usage(const struct invoice *i)
{
    return i->credits_used > 0 || i->llm_cost_pico != 0 || i->unpriced_calls > 0;
}

/* Once a correction stands on a draft, it stays there. */
static bool
has_draft(const struct invoicing *v)
{
    struct invoice stored;
    if (v->from_ms == v->drawn_ms)
        return true;
    return invoice_get(v->items.txn, v->items.organization, v->from_ms, &stored) &&
           stored.line_count > 0;
}

/* Has the time up to an instant anything of its own, or are there only corrections of earlier? */
static bool
has_own(const struct invoicing *v, int64_t to_ms)
{
    for (size_t i = v->item; i < v->items.list.count; i++) {
        const struct item *item = items_at(&v->items, i);
        if (item->bill_ms > to_ms)
            return false;
        if (item->bill_ms > v->from_ms && ledger_find(&v->ledger, &item->line) == NULL)
            return true;
    }
    return false;
}

static void
begin(struct invoicing *v, int64_t to_ms)
{
    v->invoice = (struct invoice){.organization = v->items.organization,
                                  .from_ms = v->from_ms,
                                  .to_ms = to_ms,
                                  .status = INVOICE_DRAFT};
    memcpy(v->invoice.currency, v->timeline.currency, sizeof v->invoice.currency);
    memcpy(v->invoice.plan_book, v->book->sha256, sizeof v->invoice.plan_book);
    v->lines.count = 0;
    arena_clear(&v->texts);
    v->problem = NULL;
}

/* Credit notes are used up before anything is to be paid. */
static void
take_credit(struct invoicing *v)
{
    struct invoice *i = &v->invoice;
    if (i->total_minor < 0) {
        v->ledger.credit_minor += -i->total_minor;
        return;
    }
    i->credit_minor = v->ledger.credit_minor < i->total_minor ? v->ledger.credit_minor
                                                              : i->total_minor;
    v->ledger.credit_minor -= i->credit_minor;
}

static enum err_code
fill(struct invoicing *v, struct err *err)
{
    enum err_code code = ERR_OK;
    for (; code == ERR_OK && v->item < v->items.list.count; v->item++) {
        const struct item *item = items_at(&v->items, v->item);
        if (item->bill_ms > v->invoice.to_ms)
            break;
        code = add_item(v, item, err);
    }
    if (code == ERR_OK && !v->swept)
        code = sweep(v, err);
    if (code == ERR_OK)
        code = add_taxes(v, err);
    if (code == ERR_OK)
        take_credit(v);
    return code;
}

enum err_code
invoicing_next(struct invoicing *v, bool *ret_more, struct err *err)
{
    if (v->instant == 0)
        meet_all(v);
    *ret_more = false;
    for (; v->instant < v->items.instants.count; v->instant++) {
        int64_t to_ms = instants(v)[v->instant];
        bool last = v->instant + 1 == v->items.instants.count;
        if (to_ms <= v->ledger.end_ms)
            continue;
        if (v->from_ms < v->ledger.end_ms)
            v->from_ms = v->ledger.end_ms;
        begin(v, to_ms);
        enum err_code code = take_usage(v, err);
        if (code != ERR_OK)
            return code;
        /* A time that had nothing has no invoice; corrections go on the next that there is. */
        if (last || has_usage(&v->invoice) || has_own(v, to_ms) || has_draft(v)) {
            code = fill(v, err);
            if (code != ERR_OK)
                return code;
        }
        take_problem(v);
        v->from_ms = to_ms;
        if (v->lines.count == 0 && !has_usage(&v->invoice) && v->problem == NULL)
            continue;
        v->instant++;
        *ret_more = true;
        return ERR_OK;
    }
    return ERR_OK;
}
