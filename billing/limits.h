/*
 * billing/limits.h - the limits stage: where each organization stands against
 * what its plan includes, one row of store/tables/limit.h per dimension.
 *
 * Rules: billing/DESIGN.md, "Limits".
 */
#ifndef BILLING_LIMITS_H
#define BILLING_LIMITS_H

#include "billing/stage.h"
#include "billing/timeline.h"
#include "store/base/clock.h"
#include "store/tables/limit.h"

enum { LIMITS_REASON_BYTES = 257, LIMITS_WARNING_PERCENT = 80, LIMITS_CRITICAL_PERCENT = 95 };

/*
 * Judge one dimension.
 *
 *   organization  whose custom plans may be named as an upgrade
 *   standing      what is in force; a paused plan is named in the reason
 *   now_ms        decides the versions of plans
 *   ret       filled but for organization, position and period
 *   reason    the bytes that ret->reason points into
 */
void limits_judge(const struct plan_book *book, struct str organization,
                  const struct standing *standing, int64_t now_ms, enum limit_dimension dimension,
                  uint64_t used, struct limit *ret, char reason[LIMITS_REASON_BYTES]);

struct limits_options {
    const char *data_directory;
    const char *plans_path;
    const struct clock *clock; /* decides the plan in force and the period of AI credits */
    struct stage_notices notices;
};

struct limits_result {
    uint64_t organizations;
    uint64_t states[LIMIT_STATES]; /* rows in each state */
    uint64_t refused;              /* rows that allow nothing more */
    uint64_t problems;             /* organizations with a STAGE_PROBLEM notice */
    uint64_t position;             /* of the log */
};

/*
 * Bring every organization's rows up to date.  Rows that come out as they are
 * stored are left alone, so a second run changes nothing.
 *
 * Errors: those of stage_open() and stage_walk().
 */
enum err_code limits_run(const struct limits_options *options, struct limits_result *ret,
                         struct err *err) ERR_MUST_CHECK;

#endif
