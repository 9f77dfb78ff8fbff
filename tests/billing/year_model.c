#include "tests/billing/year_model.h"

#include <criterion/criterion.h>
#include <string.h>

const struct model_plan plans[PLANS] = {
    {"free", 0, 0, 0, false},           {"small", 3000, 1000, 100, false},
    {"large", 9001, 5000, 85, false},   {"ahead", 4999, 0, 0, true},
    {"a-small", 3100, 1000, 100, true}, {"a-large", 9777, 0, 0, true}};

/* ---- the calendar ---- */

static int
days_in(int year, int month) /* month 1 to 12 */
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Seconds since 1970 of a date, by counting days. */
static int64_t
date_s(int year, int month, int day)
{
    int64_t days = day - 1;
    for (int y = 1970; y < year; y++) {
        for (int m = 1; m <= 12; m++)
            days += days_in(y, m);
    }
    for (int m = 1; m < month; m++)
        days += days_in(year, m);
    return days * DAY_S;
}

/* The n-th month behind January 2027, at a day that the month may not have. */
int64_t
month_s(int n, int day)
{
    int year = 2027 + n / 12, month = n % 12 + 1, most = days_in(year, month);
    return date_s(year, month, day < most ? day : most);
}

/* Where the periods of an organization end: rising, from October 2027 on. */
static size_t
boundaries(const struct org *o, int64_t *ret, size_t room)
{
    size_t count = 0;
    int n = 9; /* October 2027 */
    for (; n < 30; n++) {
        int64_t at = month_s(n, 1);
        if (o->anchored && o->anchor_s != 0 && at >= o->anchor_s)
            break;
        cr_assert_lt(count, room);
        ret[count++] = at;
    }
    if (!o->anchored || o->anchor_s == 0)
        return count;
    int64_t midnight = o->anchor_s / DAY_S * DAY_S;
    int first = 0, day = 1;
    while (month_s(first + 1, 1) <= midnight)
        first++;
    while (month_s(first, day) != midnight)
        day++;
    for (n = first; n < 30; n++) {
        cr_assert_lt(count, room);
        ret[count++] = month_s(n, day) + o->anchor_s % DAY_S;
    }
    return count;
}

/* ---- bills ---- */

/* The plan that is paid for at a time: the index, or 0; *ret_held tells a pause from nothing. */
int
plan_at(const struct org *o, int64_t at_s, bool *ret_held)
{
    int plan = 0;
    bool held = false, paused = false;
    int64_t last_s = INT64_MIN;
    uint64_t last_seq = 0;
    for (;;) { /* facts in order of effect, then of the log, by looking for the next one */
        const struct fact *next = NULL;
        for (size_t i = 0; i < o->fact_count; i++) {
            const struct fact *f = &o->facts[i];
            bool later = f->at_s > last_s || (f->at_s == last_s && f->seq > last_seq);
            if (f->kind > RESUME || f->voided || f->at_s > at_s || !later)
                continue;
            if (next == NULL || f->at_s < next->at_s ||
                (f->at_s == next->at_s && f->seq < next->seq))
                next = f;
        }
        if (next == NULL)
            break;
        last_s = next->at_s;
        last_seq = next->seq;
        if (next->kind == SET) {
            plan = next->plan;
            held = true;
            paused = false;
        } else if (next->kind == CANCEL) {
            held = paused = false;
        } else {
            paused = held && next->kind == PAUSE;
        }
    }
    *ret_held = held;
    return held && !paused ? plan : 0;
}

/* The next instant behind at_s at which any fact takes effect. */
static int64_t
next_change(const struct org *o, int64_t at_s)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < o->fact_count; i++) {
        const struct fact *f = &o->facts[i];
        if (f->kind <= RESUME && !f->voided && f->at_s > at_s && f->at_s < next)
            next = f->at_s;
    }
    return next;
}

static int64_t
used(const struct org *o, int64_t from_s, int64_t to_s)
{
    int64_t sum = 0;
    for (size_t i = 0; i < o->fact_count; i++) {
        const struct fact *f = &o->facts[i];
        int64_t hour = f->at_s / HOUR_S * HOUR_S;
        if (f->kind == USE && !f->voided && hour >= from_s && hour < to_s)
            sum += f->amount;
    }
    return sum;
}

static int64_t
rounded(int64_t numerator, int64_t denominator)
{
    return (int64_t)((2 * numerator + denominator) / (2 * denominator)); /* none is negative */
}

static size_t
items_of_period(const struct org *o, int64_t from_s, int64_t to_s, struct item *ret)
{
    int64_t seconds[PLANS] = {0}, first[PLANS] = {0};
    int last = 0;
    size_t count = 0;
    bool held;
    for (int64_t at = from_s; at < to_s;) {
        int64_t next = next_change(o, at);
        int plan = plan_at(o, at, &held);
        next = next < to_s ? next : to_s;
        if (plan != 0) {
            first[plan] = seconds[plan] == 0 ? at : first[plan];
            seconds[plan] += next - at;
            last = plan;
        }
        at = next;
    }
    for (int p = 1; p < PLANS; p++) {
        if (seconds[p] > 0)
            ret[count++] = (struct item){'f', p, from_s,
                                         rounded(plans[p].fee_cents * seconds[p], to_s - from_s),
                                         plans[p].ahead ? first[p] : to_s};
    }
    int64_t over = used(o, from_s, to_s) - plans[last].included;
    if (plans[last].price > 0 && over > 0)
        ret[count++] =
            (struct item){'u', last, from_s, rounded(over * plans[last].price, 100), to_s};
    return count;
}

static size_t
items_of(const struct org *o, struct item *ret)
{
    int64_t at[64];
    size_t n = boundaries(o, at, 64), count = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        /* A month that the subscription cuts short is no period of a plan. */
        cr_assert_lt(count + 8, ITEMS_MAX);
        count += items_of_period(o, at[i], at[i + 1], ret + count);
    }
    for (size_t i = 0; i < o->fact_count; i++) {
        const struct fact *f = &o->facts[i];
        if (f->kind == ADJUST && !f->voided)
            ret[count++] = (struct item){'a', 0, (int64_t)f->seq, f->amount, f->at_s};
    }
    return count;
}

/* Where invoices end: with a period, and with the start of what is paid ahead. */
static size_t
instants_of(const struct org *o, int64_t now_s, int64_t *ret)
{
    int64_t at[64];
    size_t n = boundaries(o, at, 64), count = 0;
    bool held = false, was = false;
    for (int64_t t = at[0]; t != INT64_MAX; t = next_change(o, t)) {
        int plan = plan_at(o, t, &held);
        /* At the second itself the fact holds already. */
        if (plan != 0 && plans[plan].ahead && !was && t > at[0])
            ret[count++] = t;
        was = held;
    }
    for (size_t i = 1; i < n; i++)
        ret[count++] = at[i];
    for (size_t i = 1; i < count; i++) { /* by insertion, each once */
        for (size_t k = i; k > 0 && ret[k - 1] > ret[k]; k--) {
            int64_t swap = ret[k];
            ret[k] = ret[k - 1];
            ret[k - 1] = swap;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && ret[kept - 1] == ret[i])
            continue;
        if (kept > 0 && ret[kept - 1] > now_s)
            break;
        ret[kept++] = ret[i];
    }
    return kept;
}

int64_t
billed_before(const struct org *o, const struct item *item, bool *ret_any)
{
    int64_t sum = 0;
    *ret_any = false;
    for (size_t i = 0; i < o->final_count; i++) {
        for (size_t n = 0; n < o->finals[i].line_count; n++) {
            const struct line *l = &o->finals[i].lines[n];
            if (l->kind != item->kind || l->plan != item->plan || l->period_s != item->period_s)
                continue;
            sum += l->cents;
            *ret_any = true;
        }
    }
    return sum;
}

static void
add_line(struct bill *b, const struct item *item, int64_t cents, bool corrects)
{
    cr_assert_lt(b->line_count, LINES_MAX);
    b->lines[b->line_count++] =
        (struct line){item->kind, item->plan, item->period_s, cents, corrects};
}

/* What was billed of things that are no more. */
static void
take_back(const struct org *o, const struct item *items, size_t count, struct bill *b)
{
    for (size_t i = 0; i < o->final_count; i++) {
        for (size_t n = 0; n < o->finals[i].line_count; n++) {
            const struct line *l = &o->finals[i].lines[n];
            struct item gone = {l->kind, l->plan, l->period_s, 0, 0};
            bool there = false, any;
            for (size_t k = 0; k < count; k++)
                there = there || (items[k].kind == l->kind && items[k].plan == l->plan &&
                                  items[k].period_s == l->period_s);
            for (size_t k = 0; k < b->line_count; k++) /* once for several lines of it */
                there = there || (b->lines[k].kind == l->kind && b->lines[k].plan == l->plan &&
                                  b->lines[k].period_s == l->period_s);
            int64_t sum = billed_before(o, &gone, &any);
            if (!there && sum != 0)
                add_line(b, &gone, -sum, true);
        }
    }
}

static bool
had_draft(const struct bill *drafts, size_t count, int64_t from_s)
{
    for (size_t i = 0; i < count; i++) {
        if (drafts[i].from_s == from_s && drafts[i].line_count > 0)
            return true;
    }
    return false;
}

/* All that the model expects of an organization now; what is due becomes final. */
void
bill_organization(struct org *o, int64_t now_s)
{
    struct item items[ITEMS_MAX];
    struct bill before[8];
    int64_t at[128];
    size_t count = items_of(o, items), n = instants_of(o, now_s, at), drafts = o->draft_count;
    int64_t from_s = month_s(9, 1), end_s = from_s, done_s = INT64_MIN;
    bool swept = false, open = false;
    memcpy(before, o->drafts, sizeof before);
    o->draft_count = 0;
    if (o->final_count > 0)
        end_s = o->finals[o->final_count - 1].to_s;
    size_t final_count = o->final_count;
    for (size_t i = 0; i < n; i++) {
        struct bill b = {.to_s = at[i]};
        bool own = false, last = i + 1 == n;
        if (at[i] <= end_s)
            continue;
        from_s = from_s < end_s ? end_s : from_s;
        b.from_s = from_s;
        from_s = at[i];
        for (size_t k = 0; k < count; k++) {
            bool any;
            (void)billed_before(o, &items[k], &any);
            own = own || (!any && items[k].bill_s > b.from_s && items[k].bill_s <= b.to_s);
        }
        bool usage = used(o, b.from_s, b.to_s) > 0;
        if (last || own || usage || had_draft(before, drafts, b.from_s)) {
            /* Finals of this very run are not "before". */
            size_t now_final = o->final_count;
            o->final_count = final_count;
            for (size_t k = 0; k < count; k++) {
                bool any;
                int64_t billed = billed_before(o, &items[k], &any);
                if (items[k].bill_s <= done_s || items[k].bill_s > b.to_s)
                    continue;
                if (!any || billed != items[k].cents)
                    add_line(&b, &items[k], items[k].cents - billed, any);
            }
            if (!swept)
                take_back(o, items, count, &b);
            o->final_count = now_final;
            swept = true;
            done_s = b.to_s;
        }
        if (b.line_count == 0 && !usage)
            continue;
        b.final = !open && now_s >= b.to_s + DAY_S;
        open = open || !b.final;
        if (b.final) {
            cr_assert_lt(o->final_count, INVOICES_MAX);
            o->finals[o->final_count++] = b;
        } else {
            cr_assert_lt(o->draft_count, 8);
            o->drafts[o->draft_count++] = b;
        }
    }
}
