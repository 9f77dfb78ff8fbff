/*
 * reports/forecast/forecast_stage.h - the forecast stage: what every organization's month
 * will have come to at its end.
 *
 * A function of the tables and the clock.  Idempotent: a second run in the same hour
 * changes no row whose organization has no new usage.  Killed anywhere, the transactions
 * that were committed stand and the next run does the rest.
 */
#ifndef REPORTS_FORECAST_STAGE_H
#define REPORTS_FORECAST_STAGE_H

#include "store/base/clock.h"
#include "store/base/err.h"

struct forecast_options {
    const char *data_directory;
    const char *currency; /* ISO 4217 of the price book, which the costs are in */
    const struct clock *clock;
};

struct forecast_result {
    uint64_t organizations; /* that have usage */
    uint64_t made;          /* of them; the others have not changed within this hour */
    uint64_t position;      /* of the log */
};

/*
 * Bring everything up to date.
 *
 * Errors: ERR_BUSY (the stage runs already), ERR_NOT_FOUND (nothing is folded yet), those
 * of tables: what was committed stands.
 */
enum err_code forecast_stage_run(const struct forecast_options *options,
                                 struct forecast_result *ret, struct err *err) ERR_MUST_CHECK;

#endif
