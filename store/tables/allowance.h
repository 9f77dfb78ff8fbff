/*
 * store/tables/allowance.h - what gbill-agent needs to answer "may this organization
 * do it?" between two runs of gbill limits: one row per organization, written by
 * the limits stage, all dimensions in one read.
 *
 * The row of organization 0 is what an organization that no row is known of has
 * (the default plan, nothing used).  It is written when a run is whole: at its
 * position, or behind it, are all other rows too.
 */
#ifndef STORE_TABLES_ALLOWANCE_H
#define STORE_TABLES_ALLOWANCE_H

#include "store/tables/limit.h"
#include "store/tables/standing.h"

#define ALLOWANCE_WEIGHT_ONE ((uint64_t)1000000)

struct allowance {
    uint32_t organization; /* dictionary; 0: of those without a row */
    uint64_t position;     /* of the log, that this row holds for */
    uint64_t used[LIMIT_DIMENSIONS], limit[LIMIT_DIMENSIONS]; /* limit may be LIMIT_UNLIMITED */
    bool soft[LIMIT_DIMENSIONS];                              /* more than the limit is allowed */
    int64_t period_start_ms, period_end_ms;                   /* of the AI credits */
    uint64_t requests_per_minute, tokens_per_minute;          /* as in standing.h */
    uint64_t weight;                      /* the most a token of any model is, in 10^-6 credits */
    enum standing_status status;          /* STANDING_PAUSED: the default plan's limits hold */
    struct str plan;                      /* id of the plan in force, at most 64 bytes */
    struct str upgrade[LIMIT_DIMENSIONS]; /* id of the smallest plan that has more; may be empty */
};

/* Store a row; unchanged bytes are left alone. */
enum err_code allowance_put(struct tables_txn *txn, const struct allowance *row,
                            struct err *err) ERR_MUST_CHECK;

/*
 * Its texts point into the map.  False: no row, or none of these bytes' form (a
 * reader that runs for months must not fall over what a disk made of a page).
 */
bool allowance_get(struct tables_txn *txn, uint32_t organization, struct allowance *ret);

#endif
