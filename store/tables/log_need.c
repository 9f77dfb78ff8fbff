#include "store/tables/log_need.h"

#include <inttypes.h>
#include <string.h>

#include "store/base/time.h"
#include "store/event/event.h"
#include "store/tables/cursor.h"
#include "store/tables/invoice.h"
#include "store/tables/log_day.h"
#include "store/tables/unpriced.h"

static enum err_code
check_folded(const struct cursor *cursor, const struct log_day_span *day, const char *date,
             struct err *err)
{
    if (memcmp(cursor->log_identity, day->identity, HASH_SHA256_BYTES) != 0)
        return err_set(err, ERR_CONFLICT,
                       "the tables are not folded from this log; run gbill rollup first");
    if (cursor->seq < day->last_seq[LOG_EVENTS] ||
        cursor->quarantine_seq < day->last_seq[LOG_QUARANTINE])
        return err_set(err, ERR_CONFLICT,
                       "%s is not folded yet (its last event is %" PRIu64
                       ", the tables are at %" PRIu64 "); run gbill rollup first",
                       date, day->last_seq[LOG_EVENTS], cursor->seq);
    return ERR_OK;
}

static enum err_code
check_root(struct tables_txn *txn, const struct log_day_span *day, const char *date,
           struct err *err)
{
    struct log_root root;
    bool empty = day->last_seq[LOG_EVENTS] < day->first_seq[LOG_EVENTS] &&
                 day->last_seq[LOG_QUARANTINE] < day->first_seq[LOG_QUARANTINE];
    if (empty || log_day_get(txn, day->identity, day->number, &root))
        return ERR_OK;
    return err_set(err, ERR_CONFLICT,
                   "the root of %s, which proves what it held, has not been published; run "
                   "gbill audit --roots first",
                   date);
}

/* The first day that an event of a month which can still change may have come on. */
static int32_t
first_open_day(struct tables_txn *txn, int64_t now_ms)
{
    struct invoice_scan scan;
    int64_t from_ms = time_month_start_ms(time_month(now_ms));
    invoice_scan_begin(&scan, txn, 0);
    while (invoice_scan_next(&scan)) {
        if (scan.row.status == INVOICE_DRAFT && scan.row.from_ms < from_ms)
            from_ms = scan.row.from_ms;
    }
    invoice_scan_end(&scan);
    /* An event may come a little before its time. */
    return (int32_t)((from_ms - EVENT_AHEAD_MS_MAX) / TIME_DAY_MS);
}

static enum err_code
check_periods(struct tables_txn *txn, const struct log_day_span *day, const char *date,
              int64_t now_ms, struct err *err)
{
    char first[TIME_TEXT_BYTES];
    int32_t first_young = (int32_t)((now_ms - EVENT_AGE_MS_MAX) / TIME_DAY_MS);
    int32_t first_open = first_open_day(txn, now_ms);
    time_format_day(first_young < first_open ? first_young : first_open, first);
    if (day->number >= first_open)
        return err_set(err, ERR_CONFLICT,
                       "%s is needed: a month that it has events of is not invoiced for good; the "
                       "days from %s on must stay",
                       date, first);
    if (day->number >= first_young)
        return err_set(err, ERR_CONFLICT,
                       "%s is needed: its events are younger than 35 days and may come again or be "
                       "voided; the days from %s on must stay",
                       date, first);
    return ERR_OK;
}

enum err_code
log_need_check(struct tables_txn *txn, const struct log_day_span *days, size_t count,
               int64_t now_ms, struct err *err)
{
    struct cursor cursor = cursor_get(txn);
    uint64_t seq;
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        char date[TIME_TEXT_BYTES];
        time_format_day(days[i].number, date);
        code = check_folded(&cursor, &days[i], date, err);
        if (code == ERR_OK)
            code = check_periods(txn, &days[i], date, now_ms, err);
        if (code == ERR_OK)
            code = check_root(txn, &days[i], date, err);
        if (code == ERR_OK && unpriced_next(txn, 0, &seq) && seq <= days[i].last_seq[LOG_EVENTS])
            code = err_set(err, ERR_CONFLICT,
                           "%s is needed: event %" PRIu64
                           " has no price yet, and can be priced only while it is in the log; add "
                           "its model to the price book and run gbill rollup",
                           date, seq);
    }
    return code;
}
