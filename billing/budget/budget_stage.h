/*
 * billing/budget/budget_stage.h - the budgets stage: compare what every organization
 * has spent with its budget, and report what is new.
 *
 * An alert, its entries in the outbox, and the memory that it was reported are one
 * transaction: killed anywhere, the next run reports what was not, and nothing twice.
 *
 * Rules: billing/budget/DESIGN.md.
 */
#ifndef BILLING_BUDGET_BUDGET_STAGE_H
#define BILLING_BUDGET_BUDGET_STAGE_H

#include "billing/notify/notify_conf.h"
#include "store/base/clock.h"
#include "store/tables/alert.h"

struct budget_options {
    const char *data_directory;
    const char *currency;             /* of the price book, which the costs are in */
    const struct notify_conf *notify; /* who is told; NULL: nobody */
    const struct clock *clock;        /* decides the month */
    /* What a person must look at: something of one organization is wrong.  May be NULL. */
    void (*problem)(void *context, const char *text);
    void *context;
};

struct budget_result {
    uint64_t organizations;            /* that sent budget settings */
    uint64_t alerts[ALERT_KIND_COUNT]; /* new ones */
    uint64_t messages;                 /* new entries of the outbox */
    uint64_t paused;                   /* organizations that are paused now */
    uint64_t problems;                 /* organizations that problem() was called for */
    uint64_t behind;   /* left alone: the tables are being folded anew and not there yet */
    uint64_t position; /* of the log */
};

/*
 * Bring everything up to date: this month, and the one before, since its last calls
 * come after its end.
 *
 * Errors: ERR_BUSY (the stage runs already), ERR_NOT_FOUND (nothing is folded yet),
 * those of the tables: what was committed stands.
 */
enum err_code budget_stage_run(const struct budget_options *options, struct budget_result *ret,
                               struct err *err) ERR_MUST_CHECK;

#endif
