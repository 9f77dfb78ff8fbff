/*
 * reports/forecast/month.h - one organization's month: its row of TABLE_FORECASTS as it is
 * now.  Reads, writes nothing.
 */
#ifndef REPORTS_FORECAST_MONTH_H
#define REPORTS_FORECAST_MONTH_H

#include "reports/forecast/outlook.h"

/* What is looked at, and room to work in: too large for a stack. */
struct month_room {
    struct outlook_room outlook;
    double hours[FORECAST_MEASURES][OUTLOOK_HISTORY_HOURS];
};

enum month_change {
    MONTH_NONE,   /* it has no usage: no row */
    MONTH_SAME,   /* the stored row was made from the same */
    MONTH_BEHIND, /* the tables are being folded anew and know less than the stored row */
    MONTH_PUT,
};

/*
 * Look ahead to the end of the month that now lies in.
 *
 *   room        scratch
 *   currency    ISO 4217 of the costs
 *   ret         filled for MONTH_PUT
 *   ret_change  written only on success
 *
 * Errors: ERR_CORRUPT.
 */
enum err_code month_forecast(struct month_room *room, struct tables_txn *txn, uint32_t organization,
                             const char *currency, int64_t now_ms, struct forecast_row *ret,
                             enum month_change *ret_change, struct err *err) ERR_MUST_CHECK;

#endif
