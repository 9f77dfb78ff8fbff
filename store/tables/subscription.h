/*
 * store/tables/subscription.h - the subscription events of each organization, in
 * the order they take effect.
 *
 * Key: organization, effective time, sequence number; so the plan in force at a
 * time is decided by the last row that took effect, and of two at one time by
 * the later in the log.
 */
#ifndef STORE_TABLES_SUBSCRIPTION_H
#define STORE_TABLES_SUBSCRIPTION_H

#include "store/event/event.h"
#include "store/tables/tables.h"

struct subscription {
    uint32_t organization;
    int64_t effective_ms;
    uint64_t seq;
    enum event_subscription_action action;
    uint32_t plan;                   /* dictionary; 0 unless EVENT_PLAN_SET */
    uint32_t currency;               /* dictionary; 0: not said */
    uint32_t tax_percent;            /* dictionary: a decimal; 0: not said */
    bool at_period_end;              /* takes effect when the period ends that holds then */
    int64_t anchor_ms, trial_end_ms; /* or EVENT_TIME_NONE */
};

enum err_code subscription_put(struct tables_txn *txn, const struct subscription *s,
                               struct err *err) ERR_MUST_CHECK;

/* Take a row away again: its event was voided. */
enum err_code subscription_delete(struct tables_txn *txn, const struct subscription *s,
                                  struct err *err) ERR_MUST_CHECK;

/* Walk one organization's in order; organization 0: all. */
struct subscription_scan {
    struct subscription row;
    struct tables_scan scan;
};

void subscription_scan_begin(struct subscription_scan *scan, struct tables_txn *txn,
                             uint32_t organization);
bool subscription_scan_next(struct subscription_scan *scan);
void subscription_scan_end(struct subscription_scan *scan);

#endif
