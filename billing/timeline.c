#include "billing/timeline.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/told.h"
#include "store/base/time.h"
#include "store/tables/dict.h"

enum { CHANGES_BYTES_MAX = 16 * 1024 * 1024 };

void
timeline_init(struct timeline *timeline, const struct plan_book *book)
{
    *timeline = (struct timeline){.book = book};
    buf_init(&timeline->changes, CHANGES_BYTES_MAX);
    buf_init(&timeline->taxes, CHANGES_BYTES_MAX);
}

void
timeline_clear(struct timeline *timeline)
{
    buf_clear(&timeline->changes);
    buf_clear(&timeline->taxes);
}

static size_t
change_count(const struct timeline *t)
{
    return t->changes.size_bytes / sizeof(struct timeline_change);
}

static struct timeline_change *
change_at(const struct timeline *t, size_t i)
{
    return (struct timeline_change *)(void *)t->changes.data + i;
}

bool
timeline_same_cycles(const struct standing *a, const struct standing *b)
{
    return cycle_equal(&a->cycle, &b->cycle) && cycle_equal(&a->usage_cycle, &b->usage_cycle);
}

static bool
standing_equal(const struct standing *a, const struct standing *b)
{
    return a->plan == b->plan && a->held == b->held && a->paused == b->paused &&
           a->trial_until_ms == b->trial_until_ms && a->bad_seq == b->bad_seq &&
           timeline_same_cycles(a, b);
}

static struct standing
nothing(const struct timeline *t)
{
    return (struct standing){.plan = t->book->default_plan,
                             .cycle = cycle_calendar_month(),
                             .usage_cycle = cycle_calendar_month()};
}

/* Mark that an event could not be applied. */
static void
doubt(struct timeline *t, const struct subscription *event, enum timeline_doubt why)
{
    struct standing *s = &t->now;
    s->bad_by_stripe = t->telling;
    s->bad_seq = event->seq;
    s->bad_why = why;
    s->bad_plan = event->plan;
    s->bad_currency = event->currency;
}

/*
 * The currency is the first subscription's for good: what was billed in one cannot
 * be corrected in another.
 */
static bool
take_currency(struct timeline *t, const struct plan *plan, const struct subscription *event)
{
    char currency[4] = "";
    struct str said = dict_text(t->txn, event->currency);
    if (event->currency != 0 && said.size_bytes == 3)
        memcpy(currency, said.data, 3);
    else
        memcpy(currency, t->has_currency ? t->currency : plan->currency, sizeof currency);
    if (t->has_currency && strcmp(currency, t->currency) != 0) {
        doubt(t, event, DOUBT_CURRENCY);
        return false;
    }
    if (plan_rate_at(t->book, currency, event->effective_ms) == 0) {
        doubt(t, event, DOUBT_RATE);
        return false;
    }
    memcpy(t->currency, currency, sizeof currency);
    t->has_currency = true;
    return true;
}

/* The first subscription alone gets the plan's trial, any that says so its own. */
static int64_t
trial_of(const struct timeline *t, const struct plan_terms *terms, const struct subscription *event,
         int64_t at_ms)
{
    if (event->trial_end_ms != EVENT_TIME_NONE)
        return event->trial_end_ms;
    if (t->now.held != NULL)
        return t->now.trial_until_ms;
    return t->had_plan || terms->trial_days == 0 ? 0 : at_ms + terms->trial_days * TIME_DAY_MS;
}

/* A plan of the same cycle goes on with the same periods; else they begin anew. */
static void
take_cycles(struct standing *s, const struct standing *before, const struct plan_terms *terms,
            const struct subscription *event, int64_t at_ms)
{
    const struct cycle *c = &before->cycle;
    s->cycle = terms->cycle;
    s->usage_cycle = terms->usage_cycle;
    if (!s->cycle.anchored)
        return;
    bool same = before->held != NULL && c->anchored && c->months == s->cycle.months &&
                c->days == s->cycle.days;
    int64_t anchor_ms = event->anchor_ms != EVENT_TIME_NONE ? event->anchor_ms
                        : same                              ? c->anchor_ms
                        : s->trial_until_ms > at_ms         ? s->trial_until_ms
                                                            : at_ms;
    s->cycle.anchor_ms = s->usage_cycle.anchor_ms = anchor_ms;
}

static void
set_plan(struct timeline *t, const struct subscription *event, int64_t at_ms)
{
    const struct plan *plan = plan_find(t->book, dict_text(t->txn, event->plan));
    if (plan == NULL || !plan_is_for(plan, t->organization)) {
        doubt(t, event, plan == NULL ? DOUBT_PLAN : DOUBT_NOT_FOR);
        return;
    }
    if (!take_currency(t, plan, event))
        return;
    const struct plan_terms *terms = plan_terms_at(plan, at_ms);
    struct standing s = {.plan = plan, .held = plan};
    s.trial_until_ms = trial_of(t, terms, event, at_ms);
    take_cycles(&s, &t->now, terms, event, at_ms);
    t->now = s;
    /* The default plan costs nothing, so it uses up nobody's trial. */
    t->had_plan = t->had_plan || plan != t->book->default_plan;
}

/* What else an event may change of the plan that is held. */
static void
take_settings(struct timeline *t, const struct subscription *event)
{
    struct standing *s = &t->now;
    if (s->held == NULL)
        return;
    if (event->trial_end_ms != EVENT_TIME_NONE)
        s->trial_until_ms = event->trial_end_ms;
    if (event->anchor_ms != EVENT_TIME_NONE && s->cycle.anchored)
        s->cycle.anchor_ms = s->usage_cycle.anchor_ms = event->anchor_ms;
}

static void
apply(struct timeline *t, const struct subscription *event, int64_t at_ms)
{
    struct standing *s = &t->now;
    const struct plan *none = t->book->default_plan;
    switch (event->action) {
    case EVENT_PLAN_SET:
        set_plan(t, event, at_ms);
        break;
    case EVENT_PLAN_CANCELLED:
        *s = nothing(t);
        break;
    case EVENT_PLAN_PAUSED:
        s->paused = s->held != NULL;
        s->plan = none;
        break;
    case EVENT_PLAN_RESUMED:
        s->paused = false;
        s->plan = s->held != NULL ? s->held : none;
        break;
    case EVENT_PLAN_SETTINGS:
        take_settings(t, event);
        break;
    }
}

static enum err_code
full(struct err *err)
{
    return err_set(err, ERR_LIMIT, "more than %zu subscription changes",
                   CHANGES_BYTES_MAX / sizeof(struct timeline_change));
}

static enum err_code
push(struct timeline *t, int64_t from_ms, struct err *err)
{
    size_t count = change_count(t);
    struct timeline_change change = {.from_ms = from_ms, .standing = t->now};
    /* Only the last of one instant ever holds. */
    if (count > 0 && change_at(t, count - 1)->from_ms == from_ms)
        t->changes.size_bytes -= sizeof change;
    count = change_count(t);
    if (count > 0 && standing_equal(&change_at(t, count - 1)->standing, &t->now))
        return ERR_OK;
    return buf_append(&t->changes, &change, sizeof change) ? ERR_OK : full(err);
}

static enum err_code
apply_pending(struct timeline *t, int64_t until_ms, struct err *err)
{
    if (!t->pending.set || t->pending.at_ms > until_ms)
        return ERR_OK;
    t->pending.set = false;
    apply(t, &t->pending.event, t->pending.at_ms);
    return push(t, t->pending.at_ms, err);
}

static enum err_code
take_tax(struct timeline *t, const struct subscription *event, struct err *err)
{
    struct timeline_tax tax = {.from_ms = event->effective_ms};
    if (event->tax_percent == 0)
        return ERR_OK;
    /* The contract lets no other text in. */
    bool ok = money_parse(dict_text(t->txn, event->tax_percent), 6, &tax.percent);
    assert(ok);
    return buf_append(&t->taxes, &tax, sizeof tax) ? ERR_OK : full(err);
}

static enum err_code
take_event(struct timeline *t, const struct subscription *event, struct err *err)
{
    enum err_code code = apply_pending(t, event->effective_ms, err);
    if (code == ERR_OK)
        code = take_tax(t, event, err);
    if (code != ERR_OK)
        return code;
    if (event->at_period_end && t->now.held != NULL) {
        struct span period = cycle_period(&t->now.cycle, event->effective_ms);
        t->pending = (struct timeline_pending){true, period.to_ms, *event};
        return ERR_OK;
    }
    if (event->action == EVENT_PLAN_SET || event->action == EVENT_PLAN_CANCELLED)
        t->pending.set = false;
    /* To resume what runs takes a cancellation back that was to come. */
    if (event->action == EVENT_PLAN_RESUMED && !t->now.paused &&
        t->pending.event.action == EVENT_PLAN_CANCELLED)
        t->pending.set = false;
    apply(t, event, event->effective_ms);
    return push(t, event->effective_ms, err);
}

/* ---- what Stripe told ---- */

/* Stripe says "the items changed" at each renewal too: what it names is then held already. */
static bool
holds_already(const struct timeline *t, const struct told_change *change)
{
    return t->now.held != NULL && (t->now.bad_seq == 0 || !t->now.bad_by_stripe) &&
           str_equal(dict_text(t->txn, change->fact.row.plan), t->now.held->id);
}

static void
end_with_period(struct timeline *t, const struct subscription *event, int64_t until_ms)
{
    if (t->now.held != NULL)
        t->pending =
            (struct timeline_pending){true, cycle_period(&t->now.cycle, until_ms).to_ms, *event};
}

static enum err_code
take_change(struct timeline *t, const struct told_change *change, struct err *err)
{
    const struct stripe_told *row = &change->fact.row;
    struct subscription event = {.organization = row->organization,
                                 .effective_ms = row->time_utc_ms,
                                 .seq = row->seq,
                                 .action = EVENT_PLAN_CANCELLED,
                                 .anchor_ms = EVENT_TIME_NONE,
                                 .trial_end_ms = EVENT_TIME_NONE};
    switch (change->action) {
    case TOLD_PLAN:
        event.action = EVENT_PLAN_SET;
        event.plan = row->plan;
        event.currency = row->currency;
        return holds_already(t, change) ? ERR_OK : take_event(t, &event, err);
    case TOLD_PAUSED:
        event.action = EVENT_PLAN_PAUSED;
        return take_event(t, &event, err);
    case TOLD_RESUMED:
        event.action = EVENT_PLAN_RESUMED;
        return t->now.paused ? take_event(t, &event, err) : ERR_OK;
    case TOLD_ENDS:
        end_with_period(t, &event, change->until_ms);
        return ERR_OK;
    case TOLD_GOES_ON:
        if (t->pending.event.action == EVENT_PLAN_CANCELLED)
            t->pending.set = false;
        return ERR_OK;
    case TOLD_CANCELLED:
        return take_event(t, &event, err);
    }
    return ERR_OK;
}

/* All that Stripe told and takes effect before a time, with what waited for its period's end. */
static enum err_code
take_told(struct timeline *t, struct list *told, size_t *next, int64_t before_ms, struct err *err)
{
    enum err_code code = ERR_OK;
    while (code == ERR_OK && *next < told->count) {
        const struct told_change *change = (const struct told_change *)told->items + *next;
        if (change->fact.row.time_utc_ms >= before_ms)
            break;
        ++*next;
        code = apply_pending(t, change->fact.row.time_utc_ms, err);
        t->telling = true;
        if (code == ERR_OK)
            code = take_change(t, change, err);
        t->telling = false;
    }
    return code;
}

/* Our own events and Stripe's, by time; at one instant Stripe's come after ours. */
static enum err_code
take_all(struct timeline *t, uint32_t organization, struct list *told, struct err *err)
{
    struct subscription_scan scan;
    size_t next = 0;
    enum err_code code = told_changes_read(told, t->txn, organization, err);
    subscription_scan_begin(&scan, t->txn, organization);
    while (code == ERR_OK && subscription_scan_next(&scan)) {
        code = take_told(t, told, &next, scan.row.effective_ms, err);
        if (code == ERR_OK)
            code = take_event(t, &scan.row, err);
    }
    subscription_scan_end(&scan);
    return code == ERR_OK ? take_told(t, told, &next, INT64_MAX, err) : code;
}

enum err_code
timeline_read(struct timeline *t, struct tables_txn *txn, uint32_t organization, struct err *err)
{
    struct list told;
    t->txn = txn;
    t->organization = dict_text(txn, organization);
    t->changes.size_bytes = t->taxes.size_bytes = 0;
    t->pending.set = t->has_currency = t->had_plan = t->telling = false;
    memcpy(t->currency, t->book->currency, sizeof t->currency);
    t->now = nothing(t);
    enum err_code code = push(t, INT64_MIN, err);
    list_init(&told, sizeof(struct told_change));
    if (code == ERR_OK && organization != 0)
        code = take_all(t, organization, &told, err);
    list_clear(&told);
    return code == ERR_OK ? apply_pending(t, INT64_MAX, err) : code;
}

/* The last change at or before utc_ms; the first one is before all times. */
static size_t
find(const struct timeline *t, int64_t utc_ms)
{
    size_t low = 0, high = change_count(t);
    assert(high > 0);
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (change_at(t, middle)->from_ms <= utc_ms)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct standing
timeline_at(const struct timeline *t, int64_t utc_ms)
{
    return change_at(t, find(t, utc_ms))->standing;
}

int64_t
timeline_tax_at(const struct timeline *t, int64_t utc_ms)
{
    const struct timeline_tax *taxes = (const struct timeline_tax *)(const void *)t->taxes.data;
    size_t i = t->taxes.size_bytes / sizeof *taxes;
    while (i > 0 && taxes[i - 1].from_ms > utc_ms)
        i--;
    return i > 0 ? taxes[i - 1].percent : 0;
}

struct span
timeline_usage_span(const struct timeline *t, int64_t utc_ms)
{
    size_t i = find(t, utc_ms);
    const struct standing *s = &change_at(t, i)->standing;
    struct span span = cycle_period(&s->usage_cycle, utc_ms);
    while (i > 0 && change_at(t, i)->from_ms > span.from_ms &&
           timeline_same_cycles(s, &change_at(t, i - 1)->standing))
        i--;
    if (change_at(t, i)->from_ms > span.from_ms)
        span.from_ms = change_at(t, i)->from_ms;
    return span;
}

bool
timeline_first_ms(const struct timeline *t, int64_t *ret_utc_ms)
{
    if (change_count(t) < 2)
        return false;
    *ret_utc_ms = change_at(t, 1)->from_ms;
    return true;
}

void
timeline_walk_begin(struct timeline_walk *w, const struct timeline *t, int64_t from_ms,
                    int64_t to_ms)
{
    assert(from_ms < to_ms);
    *w = (struct timeline_walk){.from_ms = from_ms,
                                .to_ms = from_ms,
                                .timeline = t,
                                .end_ms = to_ms,
                                .next = find(t, from_ms)};
}

bool
timeline_walk_next(struct timeline_walk *w)
{
    if (w->to_ms == w->end_ms)
        return false;
    const struct timeline_change *c = change_at(w->timeline, w->next++);
    bool last = w->next == change_count(w->timeline);
    w->until_ms = last ? INT64_MAX : change_at(w->timeline, w->next)->from_ms;
    w->following = last ? NULL : &change_at(w->timeline, w->next)->standing;
    w->from_ms = w->to_ms;
    w->to_ms = w->until_ms < w->end_ms ? w->until_ms : w->end_ms;
    w->standing = c->standing;
    return true;
}

void
timeline_complaint(const struct timeline *t, const struct standing *s, struct tables_txn *txn,
                   char text[TIMELINE_COMPLAINT_BYTES])
{
    struct str plan = dict_text(txn, s->bad_plan), currency = dict_text(txn, s->bad_currency);
    char what[192] = "";
    assert(s->bad_seq != 0);
    switch (s->bad_why) {
    case DOUBT_PLAN:
        snprintf(what, sizeof what, "which %.100s does not have; add the plan, or ", t->book->path);
        break;
    case DOUBT_NOT_FOR:
        snprintf(what, sizeof what, "which is a custom plan of other organizations; ");
        break;
    case DOUBT_CURRENCY:
        snprintf(what, sizeof what, "is in %.*s, but this organization is billed in %s; ",
                 STR_ARG(currency), t->currency);
        break;
    case DOUBT_RATE:
        snprintf(what, sizeof what, "is in %.*s, of which %.100s has no rate; add it, or ",
                 STR_ARG(currency), t->book->path);
        break;
    }
    snprintf(text, TIMELINE_COMPLAINT_BYTES,
             "%s event %" PRIu64 " sets plan \"%.*s\", %ssend one that can be applied; "
             "until then \"%.*s\" holds",
             s->bad_by_stripe ? "Stripe's" : "subscription", s->bad_seq, STR_ARG(plan), what,
             STR_ARG(s->plan->id));
}
