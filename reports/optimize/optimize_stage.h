/*
 * reports/optimize/optimize_stage.h - the optimization stage: what every organization
 * could have spared of the last four weeks, once a day, and what was answered to it.
 *
 * A function of log, tables, books and clock.  Each run takes over the answers that
 * feedback events gave.  The calls are looked at once per UTC day, when a day is whole
 * for an organization that has usage.  Idempotent.  Killed anywhere, what was committed
 * stands, organization by organization, and the next run does the rest.
 */
#ifndef REPORTS_OPTIMIZE_STAGE_H
#define REPORTS_OPTIMIZE_STAGE_H

#include "store/base/clock.h"
#include "store/base/err.h"

enum { OPTIMIZE_DAYS = 28 };

struct optimize_options {
    const char *data_directory, *prices_path, *plans_path;
    const struct clock *clock;
    bool again; /* also look at what was looked at today: after a change of a book */
    void (*progress)(void *context, uint64_t seq, uint64_t last_seq); /* may be NULL */
    void *context;
};

struct optimize_result {
    uint64_t organizations; /* that were looked at now */
    uint64_t calls;         /* of everybody's, then */
    uint64_t made;          /* recommendations that are pending for the first time, or again */
    uint64_t answered;      /* whose status an answer changed */
    uint64_t forgotten;     /* prompts and conversations beyond the memory: fewer are seen again */
    uint64_t position;      /* of the log */
};

/*
 * Bring everything up to date.
 *
 * Errors: ERR_BUSY (the stage runs already), ERR_NOT_FOUND (nothing is folded yet), those
 * of the books, of calls_walk() and of tables: what was committed stands.
 */
enum err_code optimize_stage_run(const struct optimize_options *options,
                                 struct optimize_result *ret, struct err *err) ERR_MUST_CHECK;

#endif
