/*
 * store/tables/standing.h - which plan every organization is on, written by the
 * limits stage: one row per organization that ever had a subscription event.
 */
#ifndef STORE_TABLES_STANDING_H
#define STORE_TABLES_STANDING_H

#include "store/tables/tables.h"

enum standing_status {
    STANDING_NONE, /* no subscription: the default plan holds */
    STANDING_TRIALING,
    STANDING_ACTIVE,
    STANDING_PAUSED,
    STANDING_STATUSES
};

struct standing_row {
    uint32_t organization; /* dictionary */
    enum standing_status status;
    struct str plan;      /* id of what is held, else of the default plan; at most 64 bytes */
    struct str next_plan; /* what is to come at next_ms; empty: nothing is known to come */
    char currency[4];
    int64_t tax_percent;                    /* 10^-8 of the whole */
    int64_t period_start_ms, period_end_ms; /* the billing period */
    int64_t usage_start_ms, usage_end_ms;   /* the period that use is counted in */
    int64_t trial_end_ms;                   /* 0: no trial */
    int64_t next_ms;                        /* 0: nothing is known to come */
    /* What the application is to let through, of the plan in force; LIMIT_UNLIMITED: all. */
    uint64_t requests_per_minute, tokens_per_minute;
};

const char *standing_status_name(enum standing_status status);

/* Store a row and note it for publishing; unchanged bytes are left alone. */
enum err_code standing_put(struct tables_txn *txn, const struct standing_row *row,
                           struct err *err) ERR_MUST_CHECK;

/* Its texts point into the map. */
bool standing_get(struct tables_txn *txn, uint32_t organization, struct standing_row *ret);

/* What a key of TABLE_STANDINGS says, for publish. */
uint32_t standing_key_decode(struct bytes key);

#endif
