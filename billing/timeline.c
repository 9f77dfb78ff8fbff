#include "billing/timeline.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "store/tables/dict.h"
#include "store/tables/subscription.h"

enum { CHANGES_BYTES_MAX = 16 * 1024 * 1024 };

void
timeline_init(struct timeline *timeline, const struct plan_book *book)
{
    timeline->book = book;
    buf_init(&timeline->changes, CHANGES_BYTES_MAX);
}

void
timeline_clear(struct timeline *timeline)
{
    buf_clear(&timeline->changes);
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

static bool
standing_equal(const struct standing *a, const struct standing *b)
{
    return a->plan == b->plan && a->held == b->held && a->paused == b->paused &&
           a->bad_seq == b->bad_seq;
}

static void
set_plan(struct standing *s, const struct timeline *t, struct tables_txn *txn,
         const struct subscription *event)
{
    const struct plan *plan = plan_find(t->book, dict_text(txn, event->plan));
    struct str currency = dict_text(txn, event->currency);
    bool foreign = event->currency != 0 && !str_is(currency, t->book->currency);
    if (plan == NULL || foreign) {
        s->bad_seq = event->seq;
        s->bad_plan = event->plan;
        s->bad_currency = plan == NULL ? 0 : event->currency;
        return;
    }
    *s = (struct standing){.plan = plan, .held = plan};
}

static void
apply(struct standing *s, const struct timeline *t, struct tables_txn *txn,
      const struct subscription *event)
{
    const struct plan *none = t->book->default_plan;
    switch (event->action) {
    case EVENT_PLAN_SET:
        set_plan(s, t, txn, event);
        break;
    case EVENT_PLAN_CANCELLED:
        *s = (struct standing){.plan = none};
        break;
    case EVENT_PLAN_PAUSED:
        s->paused = s->held != NULL;
        s->plan = none;
        break;
    case EVENT_PLAN_RESUMED:
        s->paused = false;
        s->plan = s->held != NULL ? s->held : none;
        break;
    }
}

static enum err_code
push(struct timeline *t, int64_t from_ms, const struct standing *s, struct err *err)
{
    size_t count = change_count(t);
    struct timeline_change change = {.from_ms = from_ms, .standing = *s};
    /* Only the last of one instant ever holds. */
    if (count > 0 && change_at(t, count - 1)->from_ms == from_ms)
        t->changes.size_bytes -= sizeof change;
    count = change_count(t);
    if (count > 0 && standing_equal(&change_at(t, count - 1)->standing, s))
        return ERR_OK;
    if (!buf_append(&t->changes, &change, sizeof change))
        return err_set(err, ERR_LIMIT, "more than %zu subscription changes",
                       CHANGES_BYTES_MAX / sizeof change);
    return ERR_OK;
}

enum err_code
timeline_read(struct timeline *t, struct tables_txn *txn, uint32_t organization, struct err *err)
{
    struct standing s = {.plan = t->book->default_plan};
    struct subscription_scan scan;
    t->changes.size_bytes = 0;
    enum err_code code = push(t, INT64_MIN, &s, err);
    subscription_scan_begin(&scan, txn, organization);
    while (code == ERR_OK && subscription_scan_next(&scan)) {
        apply(&s, t, txn, &scan.row);
        code = push(t, scan.row.effective_ms, &s, err);
    }
    subscription_scan_end(&scan);
    return code;
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
    int64_t until_ms = last ? INT64_MAX : change_at(w->timeline, w->next)->from_ms;
    w->from_ms = w->to_ms;
    w->to_ms = until_ms < w->end_ms ? until_ms : w->end_ms;
    w->standing = c->standing;
    return true;
}

void
timeline_complaint(const struct timeline *t, const struct standing *s, struct tables_txn *txn,
                   char text[TIMELINE_COMPLAINT_BYTES])
{
    struct str plan = dict_text(txn, s->bad_plan);
    char what[160];
    assert(s->bad_seq != 0);
    if (s->bad_currency != 0)
        snprintf(what, sizeof what, "is in %.*s, but %.100s is in %s; ",
                 STR_ARG(dict_text(txn, s->bad_currency)), t->book->path, t->book->currency);
    else
        snprintf(what, sizeof what, "which %.100s does not have; add the plan, or ", t->book->path);
    snprintf(text, TIMELINE_COMPLAINT_BYTES,
             "subscription event %" PRIu64 " sets plan \"%.*s\", %ssend one that can be applied; "
             "until then \"%.*s\" holds",
             s->bad_seq, STR_ARG(plan), what, STR_ARG(s->plan->id));
}
