/*
 * reports/spikes/spike_stage.h - the spikes stage: judge the hours of every organization
 * and keep what is out of the ordinary.
 *
 * A function of the tables, the log's last minutes and the clock.  Idempotent: a second
 * run at the same time changes no row.  Killed anywhere, the transactions that were
 * committed stand and the next run does the rest.
 *
 * Rules: reports/spikes/DESIGN.md.
 */
#ifndef REPORTS_SPIKES_SPIKE_STAGE_H
#define REPORTS_SPIKES_SPIKE_STAGE_H

#include "billing/notify/notify_conf.h"
#include "rollup/price/price.h"
#include "store/base/clock.h"
#include "store/tables/spike.h"

struct spike_options {
    const char *data_directory;
    const struct price_book *prices; /* for the last minutes, and the currency */
    const struct clock *clock;
    struct spike_figures gate; /* of each measure: an hour's excess below which it is no spike */
    const struct notify_conf *notify; /* NULL: nobody is told */
    /* What a person must look at: a setting that cannot be used.  May be NULL. */
    void (*problem)(void *context, const char *text);
    void *context;
};

struct spike_result {
    uint64_t organizations; /* that have usage */
    uint64_t judged;        /* of them; the others have not changed since */
    uint64_t found;         /* spikes that are new */
    uint64_t updated;       /* that were found before and are judged still */
    uint64_t withdrawn;     /* newly */
    uint64_t bursts;        /* newly seen runaway loops */
    uint64_t messages;      /* put into the outbox */
    uint64_t position;      /* of the log */
};

/*
 * Bring everything up to date.
 *
 * Errors: ERR_BUSY (the stage runs already), ERR_NOT_FOUND (nothing is folded yet), those
 * of tables and log: what was committed stands.
 */
enum err_code spike_stage_run(const struct spike_options *options, struct spike_result *ret,
                              struct err *err) ERR_MUST_CHECK;

#endif
