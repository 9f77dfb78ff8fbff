/*
 * billing/timeline.h - which plan was in force for an organization, and when:
 * its subscription events, folded.
 *
 * Rules (billing/DESIGN.md, "Which plan is in force"): a plan that is set starts
 * or changes the subscription and ends a pause; cancelled: back to the default
 * plan; paused: the default plan's limits hold and no fee runs; resumed: the plan
 * that was paused.  Pausing or resuming what is not there changes nothing.  An
 * event that names an unknown plan, or a currency the book is not in, changes
 * nothing but leaves a mark: what follows is in doubt until a later one can be
 * applied.
 */
#ifndef BILLING_TIMELINE_H
#define BILLING_TIMELINE_H

#include "billing/plan.h"
#include "store/base/buf.h"
#include "store/tables/tables.h"

struct standing {
    const struct plan *plan; /* in force: its fee and limits hold */
    const struct plan *held; /* what the subscription is to; NULL: there is none */
    bool paused;             /* held, but the default plan is in force */
    /* The event that could not be applied, while that is so; bad_seq 0: none. */
    uint64_t bad_seq;
    uint32_t bad_plan, bad_currency; /* dictionary: what it named; bad_currency 0: the plan */
};

struct timeline {
    const struct plan_book *book;
    struct buf changes; /* struct timeline_change, by rising time */
};

struct timeline_change {
    int64_t from_ms;
    struct standing standing;
};

void timeline_init(struct timeline *timeline, const struct plan_book *book);
void timeline_clear(struct timeline *timeline);

/*
 * Read an organization's subscription events, in place of what was there.
 *
 * Of several events that take effect at one instant the last in the log counts.
 *
 * Errors: ERR_LIMIT for more changes than 16 MiB hold.
 */
enum err_code timeline_read(struct timeline *timeline, struct tables_txn *txn,
                            uint32_t organization, struct err *err) ERR_MUST_CHECK;

/* What holds at a time. */
struct standing timeline_at(const struct timeline *timeline, int64_t utc_ms);

/* When the first subscription event takes effect that says anything; false: there is none. */
bool timeline_first_ms(const struct timeline *timeline, int64_t *ret_utc_ms);

/* Walk the segments of [from_ms, to_ms): they leave no gap, and neighbours differ. */
struct timeline_walk {
    int64_t from_ms, to_ms; /* this segment's, to exclusive */
    struct standing standing;
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
