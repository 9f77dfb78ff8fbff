#include "billing/invoicing.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "billing/charge.h"
#include "billing/words.h"
#include "store/base/time.h"
#include "store/tables/adjustment.h"
#include "store/tables/dict.h"

enum { LINES_BYTES_MAX = 16 * 1024 * 1024, DESCRIPTION_BYTES = 201 };

/* A month: the span that fees are prorated over. */
struct span {
    int64_t from_ms, to_ms, seconds;
};

void
invoicing_init(struct invoicing *v, const struct plan_book *book, const struct timeline *timeline)
{
    *v = (struct invoicing){.book = book, .timeline = timeline};
    buf_init(&v->lines, LINES_BYTES_MAX);
    arena_init(&v->texts, LINES_BYTES_MAX);
}

void
invoicing_clear(struct invoicing *v)
{
    buf_clear(&v->lines);
    arena_clear(&v->texts);
}

const struct invoice_line *
invoicing_lines(const struct invoicing *v)
{
    return (const struct invoice_line *)(const void *)v->lines.data;
}

bool
invoicing_has_content(const struct invoicing *v)
{
    return v->invoice.line_count > 0 || v->invoice.credits_used > 0 ||
           v->invoice.llm_cost_pico != 0 || v->invoice.unpriced_calls > 0;
}

static void problem(struct invoicing *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
problem(struct invoicing *v, const char *fmt, ...)
{
    va_list ap;
    if (v->problem[0] != '\0')
        return;
    va_start(ap, fmt);
    vsnprintf(v->problem, sizeof v->problem, fmt, ap);
    va_end(ap);
}

static enum err_code
too_long(struct err *err)
{
    return err_set(err, ERR_LIMIT, "an invoice has more lines than fit %d MiB",
                   LINES_BYTES_MAX / 1024 / 1024);
}

static enum err_code
add_line(struct invoicing *v, struct invoice_line line, const struct words *description,
         struct err *err)
{
    struct str text = words_str(description);
    int64_t total;
    if (__builtin_add_overflow(v->invoice.total_minor, line.amount_minor, &total)) {
        problem(v, "the total does not fit 63 bits of minor units with the line \"%.*s\"",
                STR_ARG(text));
        return ERR_OK;
    }
    line.description = (struct str){arena_text(&v->texts, text), text.size_bytes};
    if (line.description.data == NULL || !buf_append(&v->lines, &line, sizeof line))
        return too_long(err);
    v->invoice.total_minor = total;
    v->invoice.line_count++;
    return ERR_OK;
}

/* An instant counts as the second it lies in. */
static int64_t
second_of(int64_t utc_ms)
{
    return utc_ms / 1000;
}

/*
 * The counter of the seconds that a plan's fee has run for in this month; NULL
 * when the arena is full.
 */
static int64_t *
seconds_of(struct invoicing *v, const struct plan *plan)
{
    if (v->plan_seconds == NULL)
        v->plan_seconds = arena_alloc(&v->texts, v->book->plan_count * sizeof *v->plan_seconds);
    return v->plan_seconds == NULL ? NULL : &v->plan_seconds[plan - v->book->plans];
}

static enum err_code
add_fee(struct invoicing *v, const struct span *month, const struct timeline_walk *w,
        struct err *err)
{
    const struct plan *plan = w->standing.plan;
    int64_t seconds = second_of(w->to_ms) - second_of(w->from_ms);
    char text[DESCRIPTION_BYTES], name[TIME_TEXT_BYTES];
    struct words description = words_of(text, sizeof text);
    if (plan->fee_pico == 0 || seconds == 0)
        return ERR_OK;
    words_add(&description, "%.*s plan, ", STR_ARG(plan->name));
    if (seconds == month->seconds) {
        time_format_month(v->invoice.month, name);
        words_add(&description, "%s", name);
    } else {
        words_add_time(&description, second_of(w->from_ms) * 1000);
        words_add(&description, " to ");
        words_add_time(&description, second_of(w->to_ms) * 1000);
        words_add(&description, ", ");
        words_add_count(&description, (uint64_t)seconds);
        words_add(&description, " of ");
        words_add_count(&description, (uint64_t)month->seconds);
        words_add(&description, " s");
    }
    int64_t *before = seconds_of(v, plan);
    if (before == NULL)
        return too_long(err);
    struct charge c =
        charge_fee(plan->fee_pico, *before, seconds, month->seconds, v->book->minor_digits);
    *before += seconds;
    struct invoice_line line = {.kind = INVOICE_PLAN_FEE,
                                .quantity = (uint64_t)seconds,
                                .exact_pico = c.exact_pico,
                                .amount_minor = c.amount_minor,
                                .from_ms = w->from_ms,
                                .to_ms = w->to_ms};
    return add_line(v, line, &description, err);
}

/*
 * The plan whose included credits and overage price hold for the month: the last
 * one in it that is not the default plan.  Not simply the one at its end: to cancel
 * or pause on the last day would make the month's overage vanish.
 */
static const struct plan *
overage_plan(const struct invoicing *v, const struct span *month)
{
    struct timeline_walk w;
    const struct plan *plan = v->book->default_plan;
    timeline_walk_begin(&w, v->timeline, month->from_ms, month->to_ms);
    while (timeline_walk_next(&w)) {
        if (w.standing.plan != v->book->default_plan)
            plan = w.standing.plan;
    }
    return plan;
}

static enum err_code
add_overage(struct invoicing *v, const struct span *month, struct err *err)
{
    const struct plan *plan = overage_plan(v, month);
    uint64_t included = plan->limits[LIMIT_AI_CREDITS], used = v->invoice.credits_used;
    char text[DESCRIPTION_BYTES], price[MONEY_TEXT_BYTES];
    struct words description = words_of(text, sizeof text);
    struct charge c;
    if (!plan->sells_overage || used <= included)
        return ERR_OK;
    if (!charge_units(used - included, plan->overage_pico, v->book->minor_digits, &c)) {
        problem(v, "the overage of %" PRIu64 " credits does not fit 63 bits of minor units",
                used - included);
        return ERR_OK;
    }
    money_format(plan->overage_pico, 6, price);
    words_add(&description, "AI credits beyond the ");
    words_add_count(&description, included);
    words_add(&description, " of the %.*s plan, %s %s a million", STR_ARG(plan->name), price,
              v->book->currency);
    struct invoice_line line = {.kind = INVOICE_OVERAGE,
                                .quantity = used - included,
                                .unit_pico = plan->overage_pico,
                                .exact_pico = c.exact_pico,
                                .amount_minor = c.amount_minor,
                                .from_ms = month->from_ms,
                                .to_ms = month->to_ms};
    return add_line(v, line, &description, err);
}

static enum err_code
add_adjustment(struct invoicing *v, struct tables_txn *txn, const struct adjustment *row,
               struct err *err)
{
    struct str currency = dict_text(txn, row->currency), reason = dict_text(txn, row->reason);
    char text[DESCRIPTION_BYTES];
    struct words description = words_of(text, sizeof text);
    if (!str_is(currency, v->book->currency)) {
        problem(v,
                "adjustment event %" PRIu64 " is in %.*s, but %s is in %s; it is left out, and the "
                "invoice stays a draft",
                row->seq, STR_ARG(currency), v->book->path, v->book->currency);
        return ERR_OK;
    }
    words_add(&description, "%s", row->amount_minor < 0 ? "Credit" : "Charge");
    if (reason.size_bytes > 0)
        words_add(&description, ": %.*s", STR_ARG(reason));
    struct charge c = charge_minor(row->amount_minor, v->book->minor_digits);
    struct invoice_line line = {.kind = INVOICE_ADJUSTMENT,
                                .quantity = 1,
                                .exact_pico = c.exact_pico,
                                .amount_minor = c.amount_minor,
                                .from_ms = row->time_utc_ms,
                                .to_ms = row->time_utc_ms + 1};
    int64_t before = v->invoice.total_minor;
    enum err_code code = add_line(v, line, &description, err);
    v->adjustments_minor += v->invoice.total_minor - before;
    return code;
}

static enum err_code
add_adjustments(struct invoicing *v, struct tables_txn *txn, struct err *err)
{
    struct adjustment_scan scan;
    enum err_code code = ERR_OK;
    adjustment_scan_begin(&scan, txn, v->invoice.organization, v->invoice.month);
    while (code == ERR_OK && adjustment_scan_next(&scan))
        code = add_adjustment(v, txn, &scan.row, err);
    adjustment_scan_end(&scan);
    return code;
}

static void
begin(struct invoicing *v, uint32_t organization, int32_t month, const struct consumption *usage)
{
    v->invoice = (struct invoice){.organization = organization,
                                  .month = month,
                                  .status = INVOICE_DRAFT,
                                  .credits_used = usage->credits,
                                  .llm_cost_pico = usage->llm_cost_pico,
                                  .unpriced_calls = usage->unpriced_calls};
    memcpy(v->invoice.currency, v->book->currency, sizeof v->invoice.currency);
    memcpy(v->invoice.plan_book, v->book->sha256, sizeof v->invoice.plan_book);
    v->lines.size_bytes = 0;
    arena_clear(&v->texts);
    v->plan_seconds = NULL;
    v->adjustments_minor = 0;
    v->problem[0] = '\0';
}

enum err_code
invoicing_compute(struct invoicing *v, struct tables_txn *txn, uint32_t organization, int32_t month,
                  const struct consumption *usage, struct err *err)
{
    struct span span = {time_month_start_ms(month), time_month_start_ms(month + 1), 0};
    struct timeline_walk w;
    enum err_code code = ERR_OK;
    span.seconds = second_of(span.to_ms) - second_of(span.from_ms);
    begin(v, organization, month, usage);
    timeline_walk_begin(&w, v->timeline, span.from_ms, span.to_ms);
    while (code == ERR_OK && timeline_walk_next(&w)) {
        if (w.standing.bad_seq != 0 && v->problem[0] == '\0') {
            char complaint[TIMELINE_COMPLAINT_BYTES];
            timeline_complaint(v->timeline, &w.standing, txn, complaint);
            problem(v, "%s; the invoice stays a draft", complaint);
        }
        code = add_fee(v, &span, &w, err);
    }
    if (code == ERR_OK)
        code = add_overage(v, &span, err);
    if (code == ERR_OK)
        code = add_adjustments(v, txn, err);
    return code;
}
