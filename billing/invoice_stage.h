/*
 * billing/invoice_stage.h - the invoice stage: bring every organization's
 * invoices up to date, and make final what is due.
 *
 * Rules: billing/DESIGN.md, "Invoices".
 */
#ifndef BILLING_INVOICE_STAGE_H
#define BILLING_INVOICE_STAGE_H

#include "billing/stage.h"
#include "store/base/clock.h"

enum { INVOICE_GRACE_HOURS_DEFAULT = 24, INVOICE_GRACE_HOURS_MAX = 24 * 60 };

struct invoice_options {
    const char *data_directory; /* its log, if it has one, says how far the fold has come */
    const char *plans_path;
    const struct clock *clock;
    int64_t grace_hours; /* behind an invoice's end, 0 to INVOICE_GRACE_HOURS_MAX */
    struct stage_notices notices;
};

struct invoice_result {
    uint64_t organizations;
    uint64_t drafts;    /* invoices that are drafts now */
    uint64_t finalized; /* became final in this run */
    uint64_t finals;    /* are final now, those included */
    uint64_t problems;  /* STAGE_PROBLEM notices */
    uint64_t held;      /* due, but drafts because of their problem or of one before them */
    uint64_t unfolded;  /* due, but the fold has not come past their grace yet */
    uint64_t late;      /* lines of this run that correct a final invoice */
    uint64_t position;  /* of the log */
};

/*
 * Compute, store and finalize.
 *
 * A second run at the same time changes nothing.  An invoice that is final is
 * never changed: what has come for it since is a line on the next one, and while
 * that is a draft a STAGE_LATE notice.
 *
 * Errors: those of stage_open(), stage_walk() and of reading the log; ERR_CONFLICT
 * when the plan book changes what has begun already (plan_history.h).
 */
enum err_code invoice_stage_run(const struct invoice_options *options, struct invoice_result *ret,
                                struct err *err) ERR_MUST_CHECK;

#endif
