/*
 * reports/optimize/plan_choice.h - would another plan have charged an organization less
 * for what it used?
 *
 * The last three whole calendar months, each rated anew by every plan that the
 * organization may have and that would have allowed its use.  The rule and why:
 * schemas/recommendations.md, "plan".
 */
#ifndef REPORTS_OPTIMIZE_PLAN_CHOICE_H
#define REPORTS_OPTIMIZE_PLAN_CHOICE_H

#include "billing/consumption.h"
#include "billing/timeline.h"
#include "reports/optimize/advice.h"

enum {
    PLAN_CHOICE_MONTHS = 3,
    PLAN_CHOICE_CHEAPER_MONTHS = 2, /* the last ones, in each of which it must be cheaper */
    PLAN_CHOICE_PERCENT = 90,       /* of what the present one charges: at most so much */
};

struct plan_choice {
    const struct plan_book *book;
    struct timeline timeline;
    struct consumption consumption;
};

void plan_choice_init(struct plan_choice *choice, const struct plan_book *book);
void plan_choice_clear(struct plan_choice *choice);

/*
 * Add the row of an organization to its advice, if there is a plan to recommend.
 *
 *   basis  its currency and hours are not looked at
 *
 * Errors: those of timeline_read() and consumption_read(); ERR_LIMIT out of memory.
 */
enum err_code plan_choice_make(struct plan_choice *choice, struct tables_txn *txn,
                               const struct advice_basis *basis, struct advice *advice,
                               struct err *err) ERR_MUST_CHECK;

#endif
