#include "billing/items.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/words.h"
#include "store/base/currency.h"
#include "store/base/time.h"
#include "store/tables/adjustment.h"
#include "store/tables/dict.h"

enum { TEXTS_BYTES_MAX = 64 * 1024 * 1024, DESCRIPTION_BYTES = 201, PROBLEM_BYTES = 640 };

void
items_init(struct items *v, const struct plan_book *book, const struct timeline *timeline)
{
    *v = (struct items){.book = book, .timeline = timeline};
    list_init(&v->list, sizeof(struct item));
    list_init(&v->instants, sizeof(int64_t));
    list_init(&v->problems, sizeof(struct item_problem));
    arena_init(&v->texts, TEXTS_BYTES_MAX);
    consumption_init(&v->consumption);
}

void
items_clear(struct items *v)
{
    list_clear(&v->list);
    list_clear(&v->instants);
    list_clear(&v->problems);
    arena_clear(&v->texts);
    consumption_clear(&v->consumption);
}

static enum err_code
full(struct err *err)
{
    return err_set(err, ERR_LIMIT, "an organization's invoices take more than %d MiB",
                   TEXTS_BYTES_MAX / 1024 / 1024);
}

enum err_code
items_add(struct items *v, const struct item *item, const char *description, struct err *err)
{
    struct item i = *item;
    if (i.bill_ms > v->horizon_ms)
        return ERR_OK;
    i.order = (uint32_t)v->list.count;
    i.line.description = str_of(description);
    i.line.description.data = arena_text(&v->texts, i.line.description);
    return i.line.description.data != NULL && list_add(&v->list, &i) ? ERR_OK : full(err);
}

enum err_code
items_problem(struct items *v, int64_t from_ms, int64_t to_ms, const char *fmt, ...)
{
    char text[PROBLEM_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct item_problem p = {from_ms, to_ms, arena_text(&v->texts, str_of(text))};
    /* Without memory for the words the next allocation fails with an error of its own. */
    if (p.text == NULL)
        p.text = "out of memory";
    return list_add(&v->problems, &p) ? ERR_OK : ERR_LIMIT;
}

/* ---- where invoices end ---- */

static enum err_code
add_instant(struct items *v, int64_t at_ms, struct err *err)
{
    return at_ms <= v->first_ms || list_add(&v->instants, &at_ms) ? ERR_OK : full(err);
}

/* The ends of a cycle's periods in a run, to the first one behind now. */
static enum err_code
add_boundaries(struct items *v, const struct items_run *run, const struct cycle *cycle,
               int64_t now_ms, struct err *err)
{
    enum err_code code = ERR_OK;
    struct span p = cycle_period(cycle, run->from_ms);
    while (code == ERR_OK && p.to_ms < run->to_ms) {
        code = add_instant(v, p.to_ms, err);
        if (p.to_ms > now_ms)
            break;
        p = cycle_period(cycle, p.to_ms);
    }
    return code;
}

/* What is due in advance is due when a subscription starts, and when its trial ends. */
static enum err_code
add_start(struct items *v, const struct timeline_walk *w, bool started, struct err *err)
{
    const struct standing *s = &w->standing;
    if (!standing_pays(s) || !plan_terms_in_advance(plan_terms_at(s->held, w->from_ms)))
        return ERR_OK;
    if (s->trial_until_ms > w->from_ms && s->trial_until_ms < w->to_ms)
        return add_instant(v, s->trial_until_ms, err);
    return started ? add_instant(v, w->from_ms, err) : ERR_OK;
}

/* Take the walk's segments together that have the same periods. */
static bool
next_run(struct timeline_walk *w, bool *more, struct items_run *run)
{
    if (!*more)
        return false;
    struct standing s = w->standing;
    *run = (struct items_run){w->from_ms, w->to_ms, s.cycle, s.usage_cycle, false};
    while ((*more = timeline_walk_next(w)) && timeline_same_cycles(&s, &w->standing))
        run->to_ms = w->to_ms;
    run->open = !*more;
    return true;
}

static int
by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* In order, each once, to the first one behind now. */
static void
sort_instants(struct items *v, int64_t now_ms)
{
    int64_t *at = v->instants.items;
    size_t kept = 0;
    qsort(at, v->instants.count, sizeof *at, by_time);
    for (size_t i = 0; i < v->instants.count; i++) {
        if (kept > 0 && at[kept - 1] == at[i])
            continue;
        if (kept > 0 && at[kept - 1] > now_ms)
            break;
        at[kept++] = at[i];
    }
    v->instants.count = kept;
    assert(kept > 0 && at[kept - 1] > now_ms);
    v->horizon_ms = at[kept - 1];
}

static enum err_code
find_instants(struct items *v, int64_t now_ms, struct err *err)
{
    struct timeline_walk w;
    struct items_run run;
    bool held = false;
    enum err_code code = ERR_OK;
    timeline_walk_begin(&w, v->timeline, v->first_ms, TIME_MAX_MS);
    while (code == ERR_OK && timeline_walk_next(&w) && w.from_ms <= now_ms) {
        code = add_start(v, &w, !held, err);
        held = w.standing.held != NULL;
    }
    timeline_walk_begin(&w, v->timeline, v->first_ms, TIME_MAX_MS);
    bool more = timeline_walk_next(&w);
    while (code == ERR_OK && next_run(&w, &more, &run) && run.from_ms <= now_ms) {
        code = add_boundaries(v, &run, &run.cycle, now_ms, err);
        if (code == ERR_OK && !cycle_equal(&run.cycle, &run.usage_cycle))
            code = add_boundaries(v, &run, &run.usage_cycle, now_ms, err);
        if (code == ERR_OK && !run.open)
            code = add_instant(v, run.to_ms, err);
    }
    if (code == ERR_OK)
        sort_instants(v, now_ms);
    return code;
}

/* ---- adjustments ---- */

static enum err_code
add_adjustment(struct items *v, const struct adjustment *row, struct err *err)
{
    struct str currency = dict_text(v->txn, row->currency), reason = dict_text(v->txn, row->reason);
    char text[DESCRIPTION_BYTES];
    struct words description = words_of(text, sizeof text);
    if (!str_is(currency, v->timeline->currency))
        return items_problem(v, row->time_utc_ms, INT64_MAX,
                             "adjustment event %" PRIu64 " is in %.*s, but this organization is "
                             "billed in %s; it is left out, and the invoice stays a draft",
                             row->seq, STR_ARG(currency), v->timeline->currency);
    words_add(&description, "%s", row->amount_minor < 0 ? "Credit" : "Charge");
    if (reason.size_bytes > 0)
        words_add(&description, ": %.*s", STR_ARG(reason));
    money_sum exact = (money_sum)row->amount_minor * MONEY_PICO_PER_UNIT;
    for (int i = 0; i < v->minor_digits; i++)
        exact /= 10;
    struct item item = {.line = {.kind = INVOICE_ADJUSTMENT,
                                 .period_ms = (int64_t)row->seq,
                                 .quantity_pico = RATE_QUANTITY_ONE,
                                 .exact_pico = exact,
                                 .amount_minor = row->amount_minor,
                                 .from_ms = row->time_utc_ms,
                                 .to_ms = row->time_utc_ms + 1},
                        .bill_ms = row->time_utc_ms};
    return items_add(v, &item, text, err);
}

static enum err_code
add_adjustments(struct items *v, struct err *err)
{
    enum err_code code = ERR_OK;
    int32_t month = 0;
    while (code == ERR_OK && adjustment_month_from(v->txn, v->organization, month, &month)) {
        struct adjustment_scan scan;
        adjustment_scan_begin(&scan, v->txn, v->organization, month);
        while (code == ERR_OK && adjustment_scan_next(&scan))
            code = add_adjustment(v, &scan.row, err);
        adjustment_scan_end(&scan);
        month++;
    }
    return code;
}

/* ---- all of it ---- */

static enum err_code
find_doubts(struct items *v, struct err *err)
{
    struct timeline_walk w;
    timeline_walk_begin(&w, v->timeline, v->first_ms, v->horizon_ms);
    while (timeline_walk_next(&w)) {
        char complaint[TIMELINE_COMPLAINT_BYTES];
        if (w.standing.bad_seq == 0)
            continue;
        timeline_complaint(v->timeline, &w.standing, v->txn, complaint);
        if (items_problem(v, w.from_ms, w.to_ms, "%s; the invoice stays a draft", complaint) !=
            ERR_OK)
            return full(err);
    }
    return ERR_OK;
}

/* Due earlier, listed earlier; else as they were made. */
static int
by_bill(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->bill_ms != y->bill_ms)
        return (x->bill_ms > y->bill_ms) - (x->bill_ms < y->bill_ms);
    return (x->order > y->order) - (x->order < y->order);
}

enum err_code
items_compute(struct items *v, struct tables_txn *txn, uint32_t organization, int64_t first_ms,
              int64_t now_ms, struct err *err)
{
    struct timeline_walk w;
    struct items_run run;
    v->txn = txn;
    v->organization = organization;
    v->first_ms = first_ms;
    v->minor_digits = currency_minor_digits(v->timeline->currency);
    v->list.count = v->instants.count = v->problems.count = 0;
    arena_clear(&v->texts);
    enum err_code code = find_instants(v, now_ms, err);
    if (code == ERR_OK)
        code = find_doubts(v, err);
    if (code == ERR_OK) {
        timeline_walk_begin(&w, v->timeline, first_ms, TIME_MAX_MS);
        bool more = timeline_walk_next(&w);
        while (code == ERR_OK && next_run(&w, &more, &run) && run.from_ms <= v->horizon_ms) {
            code = items_fees(v, &run, err);
            if (code == ERR_OK)
                code = items_usage(v, &run, err);
        }
    }
    if (code == ERR_OK)
        code = add_adjustments(v, err);
    if (code == ERR_OK && v->list.count > 1)
        qsort(v->list.items, v->list.count, sizeof(struct item), by_bill);
    return code;
}
