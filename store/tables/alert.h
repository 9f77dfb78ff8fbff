/*
 * store/tables/alert.h - what gbill budgets has reported: one row per crossing,
 * never changed.
 *
 * Key: organization, month, number of the alert within the two.
 */
#ifndef STORE_TABLES_ALERT_H
#define STORE_TABLES_ALERT_H

#include "store/base/money.h"
#include "store/tables/tables.h"

#define ALERT_KINDS(X)                                                        \
    X(THRESHOLD, "threshold") /* spend reached a threshold */                 \
    X(RECOVERED, "recovered") /* it fell below one that was reported */       \
    X(PAUSED, "paused")       /* autoLimits stops what the budget pays for */ \
    X(RESUMED, "resumed")                                                     \
    X(FORECAST, "forecast") /* the month is expected to end above */

enum alert_kind {
#define ALERT_ENUM(name, text) ALERT_##name,
    ALERT_KINDS(ALERT_ENUM)
#undef ALERT_ENUM
        ALERT_KIND_COUNT
};

enum { ALERT_NAME_BYTES_MAX = 32, ALERT_ID_BYTES = 33 };

struct alert {
    uint32_t organization; /* dictionary */
    int32_t month;         /* whose spend it is about, UTC */
    uint32_t number;       /* 1, 2, 3 … in the order of reporting */
    enum alert_kind kind;
    uint32_t percent; /* of the budget: the threshold; PAUSED, RESUMED: pauseAt */
    char name[ALERT_NAME_BYTES_MAX + 1]; /* "warning"; empty where the threshold has none */
    char currency[4];                    /* ISO 4217 */
    bool has_budget;                     /* false: it was taken away */
    uint64_t budget_minor;
    money_sum spend_pico;
    money_sum forecast_pico; /* of the whole month; 0 unless FORECAST */
    int64_t at_ms;           /* when it was noticed */
    uint64_t position;       /* of the log that spend_pico is from */
};

const char *alert_kind_name(enum alert_kind kind);

/* Store a new row and note it for publishing. */
enum err_code alert_put(struct tables_txn *txn, const struct alert *row,
                        struct err *err) ERR_MUST_CHECK;
bool alert_get(struct tables_txn *txn, uint32_t organization, int32_t month, uint32_t number,
               struct alert *ret);

/*
 * The alert's own id: a function of organization, month and number, so that a copy
 * of it, whenever it is made, has the same.
 */
void alert_id(struct str organization, int32_t month, uint32_t number, char id[ALERT_ID_BYTES]);

/* What a key of TABLE_BUDGET_ALERTS says, for publish. */
void alert_key_decode(struct bytes key, uint32_t *ret_organization, int32_t *ret_month,
                      uint32_t *ret_number);

/* Walk one organization's alerts, oldest month first. */
struct alert_scan {
    struct alert row;
    struct tables_scan scan;
};

void alert_scan_begin(struct alert_scan *scan, struct tables_txn *txn, uint32_t organization);
bool alert_scan_next(struct alert_scan *scan);
void alert_scan_end(struct alert_scan *scan);

#endif
