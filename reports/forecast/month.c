#include "reports/forecast/month.h"

#include <stdio.h>
#include <string.h>

#include "store/base/hash.h"
#include "store/base/time.h"
#include "store/tables/cursor.h"
#include "store/tables/usage.h"

/* Part of every mark: another method looks again at what the one before has looked at. */
enum { METHOD_VERSION = 1 };

struct month {
    uint32_t organization;
    uint32_t from_hour, now_hour; /* whole hours that are looked at, to exclusive */
    uint32_t start_hour, end_hour;
    size_t count;                         /* hours from the first call on */
    money_sum current[FORECAST_MEASURES]; /* of this month, from now_hour on */
};

static void
take_row(money_sum into[FORECAST_MEASURES], const struct usage_row *row)
{
    into[FORECAST_COST] += row->cost_pico;
    into[FORECAST_CALLS] += (money_sum)row->calls;
    into[FORECAST_TOKENS] += (money_sum)usage_row_credits(row);
}

/* Sums of the months that the hours lie in: the same sums were made of the same calls. */
static enum err_code
read_months(struct tables_txn *txn, const struct month *m, struct usage_row *ret_month,
            struct usage_row *ret_all, struct err *err)
{
    struct usage_scan scan;
    int32_t first = time_month((int64_t)m->from_hour * TIME_HOUR_MS),
            last = time_month((int64_t)m->now_hour * TIME_HOUR_MS);
    *ret_month = *ret_all = (struct usage_row){0};
    for (int32_t month = first; month <= last; month++) {
        uint32_t period = (uint32_t)month;
        usage_scan_begin(&scan, txn, TABLE_MONTHLY, m->organization, &period);
        while (usage_scan_next(&scan)) {
            usage_row_add(ret_all, &scan.row);
            if (month == last)
                usage_row_add(ret_month, &scan.row);
        }
        enum err_code code = usage_scan_end(&scan, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static void
make_mark(const struct month *m, const struct usage_row *all, const char *currency,
          uint8_t mark[FORECAST_MARK_BYTES])
{
    uint8_t numbers[8], row[USAGE_ROW_BYTES_MAX];
    put_be32(numbers, m->now_hour);
    put_be32(numbers + 4, METHOD_VERSION);
    const struct bytes parts[] = {{numbers, sizeof numbers},
                                  {(const uint8_t *)currency, strlen(currency)},
                                  {row, usage_row_encode(all, row)}};
    hash_sha256(parts, sizeof parts / sizeof parts[0], mark);
}

/* An organization's first hour: within those looked at, or the first of them. */
static uint32_t
first_hour_of(struct tables_txn *txn, const struct month *m)
{
    uint8_t from[USAGE_RANGE_BYTES] = {0};
    struct bytes key;
    put_be32(from, m->organization);
    if (!tables_first_from(txn, TABLE_HOURLY, (struct bytes){from, sizeof from}, &key) ||
        get_be32(key.data) != m->organization)
        return m->now_hour;
    uint32_t hour = get_be32(key.data + 4);
    return hour < m->from_hour ? m->from_hour : hour;
}

/* A single organization that calls at this hour for the first time has no whole one: it is taken. */
static enum err_code
read_hours(struct month_room *room, struct tables_txn *txn, struct month *m, struct err *err)
{
    struct tables_scan scan;
    uint8_t from[USAGE_RANGE_BYTES];
    enum err_code code = ERR_OK;
    uint32_t first = first_hour_of(txn, m);
    m->count = first < m->now_hour ? m->now_hour - first : 1;
    memset(room->hours, 0, sizeof room->hours);
    put_be32(from, m->organization);
    put_be32(from + 4, first);
    tables_scan_begin(&scan, txn, TABLE_HOURLY, (struct bytes){from, 4});
    bool more = tables_scan_seek(&scan, (struct bytes){from, sizeof from});
    for (; code == ERR_OK && more; more = tables_scan_next(&scan)) {
        struct usage_row row;
        money_sum sums[FORECAST_MEASURES] = {0};
        uint32_t hour = usage_key_decode(scan.key.data).period;
        if (hour >= m->end_hour)
            break;
        code = usage_row_read(TABLE_HOURLY, scan.value, &row, err);
        if (code != ERR_OK)
            break;
        take_row(hour < m->now_hour ? sums : m->current, &row);
        for (int k = 0; hour < m->now_hour && k < FORECAST_MEASURES; k++)
            room->hours[k][hour - first] += (double)sums[k];
    }
    tables_scan_end(&scan);
    for (int k = 0; first >= m->now_hour && k < FORECAST_MEASURES; k++)
        room->hours[k][0] = (double)m->current[k];
    return code;
}

/* To a whole number; beyond 2^62 no count is real, nor an amount of a thousand times that. */
static money_sum
whole(double value, enum forecast_measure measure)
{
    double max = measure == FORECAST_COST ? 0x1p72 : 0x1p62;
    return (money_sum)(value < max ? value + 0.5 : max);
}

static money_sum
at_least(money_sum value, money_sum least)
{
    return value < least ? least : value;
}

/*
 * What is spent is no longer forecast: the hour under way is expected as a whole, with
 * what it has at the least.
 */
static struct forecast_day
day_of(const struct outlook_point *p, enum forecast_measure k, money_sum base, money_sum so_far)
{
    struct forecast_day d = {.low = at_least(base + whole(p->low, k), so_far)};
    d.expected = at_least(base + whole(p->expected, k), d.low);
    d.high = at_least(base + whole(p->high, k), d.expected);
    return d;
}

static void
look_ahead(struct month_room *room, const struct month *m, struct forecast_row *row)
{
    size_t left = m->end_hour - m->now_hour;
    for (int k = 0; k < FORECAST_MEASURES; k++) {
        struct outlook o;
        struct forecast_range *range = &row->ranges[k];
        money_sum base = range->so_far - m->current[k];
        outlook_make(&room->outlook, room->hours[k], m->count, left, &o);
        const struct forecast_day end =
            day_of(&o.points[o.point_count - 1], (enum forecast_measure)k, base, range->so_far);
        *range = (struct forecast_range){range->so_far, end.expected, end.low, end.high};
        if (k != FORECAST_COST)
            continue;
        row->method = o.method;
        row->tested = o.tested;
        row->day_count = (uint32_t)o.point_count;
        for (size_t i = 0; i < o.point_count; i++)
            row->days[i] = day_of(&o.points[i], FORECAST_COST, base, range->so_far);
    }
}

enum err_code
month_forecast(struct month_room *room, struct tables_txn *txn, uint32_t organization,
               const char *currency, int64_t now_ms, struct forecast_row *ret,
               enum month_change *ret_change, struct err *err)
{
    int32_t month = time_month(now_ms);
    uint32_t now_hour = (uint32_t)(now_ms / TIME_HOUR_MS);
    struct month m = {.organization = organization,
                      .from_hour = now_hour - OUTLOOK_HISTORY_HOURS,
                      .now_hour = now_hour,
                      .end_hour = (uint32_t)(time_month_start_ms(month + 1) / TIME_HOUR_MS)};
    static struct forecast_row stored;
    struct usage_row sum, all;
    struct forecast_row row = {.organization = organization,
                               .month = month,
                               .first_day = now_hour / 24,
                               .position = cursor_get(txn).seq,
                               .made_ms = now_ms};
    bool there = forecast_get(txn, organization, month, &stored);
    enum err_code code = read_months(txn, &m, &sum, &all, err);
    if (code != ERR_OK)
        return code;
    make_mark(&m, &all, currency, row.mark);
    *ret_change = !there && usage_row_is_empty(&all)                             ? MONTH_NONE
                  : there && stored.position > row.position                      ? MONTH_BEHIND
                  : there && memcmp(stored.mark, row.mark, sizeof row.mark) == 0 ? MONTH_SAME
                                                                                 : MONTH_PUT;
    if (*ret_change != MONTH_PUT)
        return ERR_OK;
    code = read_hours(room, txn, &m, err);
    if (code != ERR_OK)
        return code;
    money_sum so_far[FORECAST_MEASURES] = {0};
    take_row(so_far, &sum);
    for (int k = 0; k < FORECAST_MEASURES; k++)
        row.ranges[k].so_far = so_far[k];
    snprintf(row.currency, sizeof row.currency, "%s", currency);
    row.unpriced_calls = sum.unpriced_calls;
    row.history_days = (uint32_t)(m.count / 24);
    look_ahead(room, &m, &row);
    *ret = row;
    return ERR_OK;
}
