/*
 * store/tables/budget.h - the budget settings of each organization: the newest
 * budget event's record, as the client sent it (schemas/event.md).
 */
#ifndef STORE_TABLES_BUDGET_H
#define STORE_TABLES_BUDGET_H

#include "store/tables/tables.h"

/* What stands where a setting is absent, as JSON: for Postgres and for people. */
#define BUDGET_THRESHOLDS_JSON "[50,80,100]"
#define BUDGET_SPIKES_JSON "{\"enabled\":true,\"threshold\":200}"
#define BUDGET_LIMITS_JSON "{\"enabled\":false,\"pauseAt\":100}"

struct budget {
    uint32_t organization; /* dictionary */
    int64_t created_ms;    /* time of the organization's first budget event */
    int64_t updated_ms;    /* of the one that holds */
    uint64_t seq;          /* its place in the log */
    bool has_monthly;
    uint64_t monthly_minor; /* cents */
    bool email_alerts;      /* true where the event does not say */
    /* msgpack, as sent: maps or arrays; empty where absent.  They point into the map. */
    struct bytes thresholds, spikes, limits;
};

/*
 * Take a budget event unless a newer one (by event time, then sequence number)
 * is stored.
 */
enum err_code budget_apply(struct tables_txn *txn, uint32_t organization, int64_t time_utc_ms,
                           uint64_t seq, struct bytes record, struct err *err) ERR_MUST_CHECK;

/* An organization's settings; false where it never sent any. */
bool budget_get(struct tables_txn *txn, uint32_t organization, struct budget *ret);

/* The organization with the smallest number above `after` that sent settings; false: none. */
bool budget_next(struct tables_txn *txn, uint32_t after, uint32_t *ret);

/* What a key of TABLE_BUDGETS says, for publish. */
uint32_t budget_key_decode(struct bytes key);

#endif
