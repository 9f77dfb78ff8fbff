/*
 * billing/timeline.h - which plan was in force for an organization, and when:
 * its subscription events and Stripe's, folded.
 *
 * Rules: billing/DESIGN.md, "Which plan is in force".  An event that cannot be
 * applied changes nothing but leaves a mark: what follows is in doubt until a
 * later one can be.
 */
#ifndef BILLING_TIMELINE_H
#define BILLING_TIMELINE_H

#include "billing/plan/plan.h"
#include "store/base/buf.h"
#include "store/tables/subscription.h"
#include "store/tables/tables.h"

/* Why an event could not be applied. */
enum timeline_doubt { DOUBT_PLAN, DOUBT_NOT_FOR, DOUBT_CURRENCY, DOUBT_RATE };

struct standing {
    const struct plan *plan;         /* in force: its limits hold */
    const struct plan *held;         /* what the subscription is to; NULL: there is none */
    bool paused;                     /* held, but the default plan is in force and no fee runs */
    struct cycle cycle, usage_cycle; /* of what is held, else the calendar month */
    int64_t trial_until_ms;          /* no fee runs before */
    /* The event that could not be applied, while that is so; bad_seq 0: none. */
    uint64_t bad_seq;
    enum timeline_doubt bad_why;
    uint32_t bad_plan, bad_currency; /* dictionary: what it named */
    bool bad_by_stripe;              /* it is Stripe's */
};

struct timeline_change {
    int64_t from_ms;
    struct standing standing;
};

/* A tax rate, from a time on; percent as in PLAN_PERCENT_WHOLE. */
struct timeline_tax {
    int64_t from_ms;
    int64_t percent;
};

/* A change that waits for the end of the period. */
struct timeline_pending {
    bool set;
    int64_t at_ms;
    struct subscription event;
};

struct timeline {
    const struct plan_book *book;
    char currency[4];   /* of the organization's invoices */
    struct buf changes; /* struct timeline_change, by rising time */
    struct buf taxes;   /* struct timeline_tax, by rising time */
    /* While it is read. */
    struct tables_txn *txn;
    struct str organization;
    struct standing now;
    struct timeline_pending pending;
    bool has_currency, had_plan;
    bool telling; /* the event at hand is Stripe's */
};

void timeline_init(struct timeline *timeline, const struct plan_book *book);
void timeline_clear(struct timeline *timeline);

/*
 * Read an organization's subscription events, and what Stripe told of its subscription there,
 * in place of what was there.
 *
 *   organization  0: one that nothing is known of
 *
 * Of several events that take effect at one instant the last in the log counts, and Stripe's
 * after all others.
 *
 * Errors: ERR_LIMIT for more changes than 16 MiB hold.
 */
enum err_code timeline_read(struct timeline *timeline, struct tables_txn *txn,
                            uint32_t organization, struct err *err) ERR_MUST_CHECK;

/* What holds at a time; the tax rate of a time. */
struct standing timeline_at(const struct timeline *timeline, int64_t utc_ms);
int64_t timeline_tax_at(const struct timeline *timeline, int64_t utc_ms);

/* When the first subscription event takes effect that says anything; false: there is none. */
bool timeline_first_ms(const struct timeline *timeline, int64_t *ret_utc_ms);

/* The period that usage of an instant is counted in: begun anew where a cycle was. */
struct span timeline_usage_span(const struct timeline *timeline, int64_t utc_ms);

/* Do two standings share their billing periods? */
bool timeline_same_cycles(const struct standing *a, const struct standing *b);

/* Does a fee run: is a plan held, and not paused? */
static inline bool
standing_pays(const struct standing *s)
{
    return s->held != NULL && !s->paused;
}

/* Walk the segments of [from_ms, to_ms): they leave no gap, and neighbours differ. */
struct timeline_walk {
    int64_t from_ms, to_ms; /* this segment's, to exclusive */
    int64_t until_ms;       /* where it ends by itself; INT64_MAX: nothing is known to end it */
    struct standing standing;
    const struct standing *following; /* behind until_ms; NULL: none */
    const struct timeline *timeline;
    int64_t end_ms;
    size_t next;
};

void timeline_walk_begin(struct timeline_walk *walk, const struct timeline *timeline,
                         int64_t from_ms, int64_t to_ms);
bool timeline_walk_next(struct timeline_walk *walk);

enum { TIMELINE_COMPLAINT_BYTES = 512 };

/* Say in one line what is wrong with standing.bad_seq (not 0) and what to do. */
void timeline_complaint(const struct timeline *timeline, const struct standing *standing,
                        struct tables_txn *txn, char text[TIMELINE_COMPLAINT_BYTES]);

#endif
