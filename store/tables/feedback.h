/*
 * store/tables/feedback.h - what was answered to recommendations, one row per event.
 *
 * Key: organization, recommendation, time of the event, its number; so the last row
 * of a recommendation is its newest answer, and one that is voided leaves the one
 * before it.
 */
#ifndef STORE_TABLES_FEEDBACK_H
#define STORE_TABLES_FEEDBACK_H

#include "store/tables/recommendation.h"

struct feedback {
    uint32_t organization, recommendation; /* dictionary; the latter as the event names it */
    int64_t time_utc_ms;
    uint64_t seq;
    enum recommendation_status status;
};

enum err_code feedback_put(struct tables_txn *txn, const struct feedback *row,
                           struct err *err) ERR_MUST_CHECK;

/* Take a row away again: its event was voided. */
enum err_code feedback_delete(struct tables_txn *txn, const struct feedback *row,
                              struct err *err) ERR_MUST_CHECK;

/* The newest answer by event time, then by its place in the log; false: there is none. */
bool feedback_newest(struct tables_txn *txn, uint32_t organization, uint32_t recommendation,
                     struct feedback *ret);

#endif
