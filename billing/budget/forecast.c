/*
 * Where gbill forecast has looked at the month within a day, its figure.  Else the hours
 * that are left of the month cost what the same hours of the week cost on average in the
 * whole weeks before now, four at most.  Without one whole week the average rate since the
 * first call goes on.
 */
#include "billing/budget/forecast.h"

#include "store/base/time.h"
#include "store/tables/forecast.h"
#include "store/tables/usage.h"

enum { DAY_HOURS = 24, WEEK_HOURS = 168, RATIO_BITS = 40 };

/* What was spent by hour of the week, and in each week. */
struct history {
    uint32_t weeks;
    uint32_t first_hour, end_hour; /* looked at; the end is the hour that now lies in */
    money_sum by_hour[WEEK_HOURS]; /* over all weeks */
    money_sum by_week[FORECAST_WEEKS_MAX];
    money_sum total;
};

const char *
forecast_confidence_name(enum forecast_confidence confidence)
{
    static const char *const names[] = {[FORECAST_NONE] = "none",
                                        [FORECAST_VERY_LOW] = "very low",
                                        [FORECAST_LOW] = "low",
                                        [FORECAST_MEDIUM] = "medium",
                                        [FORECAST_HIGH] = "high"};
    return names[confidence];
}

static enum err_code
overflow(struct err *err)
{
    return err_set(err, ERR_CORRUPT, "the costs of some weeks are too large to forecast with");
}

/* The hour of an organization's first call; false: it has none. */
static bool
first_hour_of(struct tables_txn *txn, uint32_t organization, uint32_t *ret)
{
    uint8_t from[USAGE_RANGE_BYTES] = {0};
    struct bytes key;
    put_be32(from, organization);
    if (!tables_first_from(txn, TABLE_HOURLY, (struct bytes){from, sizeof from}, &key) ||
        get_be32(key.data) != organization)
        return false;
    *ret = get_be32(key.data + 4);
    return true;
}

static bool
add(struct history *h, uint32_t hour, money_sum cost_pico)
{
    uint32_t at = hour - h->first_hour;
    bool fits = !__builtin_add_overflow(h->total, cost_pico, &h->total);
    if (h->weeks > 0) {
        h->by_hour[hour % WEEK_HOURS] += cost_pico;
        h->by_week[at / WEEK_HOURS] += cost_pico;
    }
    return fits;
}

/* The rows from first_hour up to end_hour; where there is no whole week, of that hour too. */
static enum err_code
read_history(struct tables_txn *txn, uint32_t organization, struct history *h, struct err *err)
{
    struct tables_scan scan;
    struct usage_row row;
    uint8_t from[USAGE_RANGE_BYTES];
    uint32_t stop = h->weeks > 0 ? h->end_hour : h->end_hour + 1;
    enum err_code code = ERR_OK;
    put_be32(from, organization);
    put_be32(from + 4, h->first_hour);
    tables_scan_begin(&scan, txn, TABLE_HOURLY, (struct bytes){from, 4});
    bool more = tables_scan_seek(&scan, (struct bytes){from, sizeof from});
    for (; code == ERR_OK && more; more = tables_scan_next(&scan)) {
        uint32_t hour = usage_key_decode(scan.key.data).period;
        if (hour >= stop)
            break;
        code = usage_row_read(TABLE_HOURLY, scan.value, &row, err);
        if (code == ERR_OK && !add(h, hour, row.cost_pico))
            code = overflow(err);
    }
    tables_scan_end(&scan);
    return code;
}

/* The rest of the month by the average rate since the first hour looked at. */
static enum err_code
go_on(const struct history *h, int64_t now_s, int64_t end_s, money_sum *ret, struct err *err)
{
    money_sum left;
    int64_t elapsed_s = now_s - (int64_t)h->first_hour * TIME_HOUR_S;
    if (elapsed_s < TIME_HOUR_S)
        elapsed_s = TIME_HOUR_S; /* a first call tells little of the hours to come */
    if (__builtin_mul_overflow(h->total, (money_sum)(end_s - now_s), &left))
        return overflow(err);
    *ret = money_divide(left, elapsed_s);
    return ERR_OK;
}

/* The rest of the month by hours of the week. */
static enum err_code
by_season(const struct history *h, int64_t now_s, int64_t end_s, money_sum *ret, struct err *err)
{
    money_sum sum = 0, part;
    bool fits = true;
    for (int64_t hour = h->end_hour; fits && hour * TIME_HOUR_S < end_s; hour++) {
        int64_t from_s = hour * TIME_HOUR_S > now_s ? hour * TIME_HOUR_S : now_s;
        int64_t seconds = (hour + 1) * TIME_HOUR_S - from_s;
        fits = !__builtin_mul_overflow(h->by_hour[hour % WEEK_HOURS], (money_sum)seconds, &part) &&
               !__builtin_add_overflow(sum, part, &sum);
    }
    if (!fits)
        return overflow(err);
    *ret = money_divide(sum, (money_sum)TIME_HOUR_S * h->weeks);
    return ERR_OK;
}

/* left, as in a week of that sum: left * week * weeks / total. */
static enum err_code
scale(const struct history *h, money_sum left, money_sum week, money_sum *ret, struct err *err)
{
    money_sum total = h->total, product;
    week *= h->weeks;
    /* A ratio needs no more bits than this, and the product may need all. */
    while (total >> RATIO_BITS != 0) {
        total >>= 1;
        week >>= 1;
    }
    if (__builtin_mul_overflow(left, week, &product))
        return overflow(err);
    *ret = total == 0 ? 0 : money_divide(product, total);
    return ERR_OK;
}

static enum err_code
find_range(const struct history *h, money_sum left, money_sum spend_pico, struct forecast *f,
           struct err *err)
{
    money_sum least = h->by_week[0], most = h->by_week[0], low = 0, high = 0;
    for (uint32_t i = 1; i < h->weeks; i++) {
        least = h->by_week[i] < least ? h->by_week[i] : least;
        most = h->by_week[i] > most ? h->by_week[i] : most;
    }
    enum err_code code = scale(h, left, least, &low, err);
    if (code == ERR_OK)
        code = scale(h, left, most, &high, err);
    if (code == ERR_OK) {
        f->low_pico = spend_pico + low;
        f->high_pico = spend_pico + high;
    }
    return code;
}

static enum forecast_confidence
confidence_of(uint32_t days)
{
    uint32_t weeks = days / (WEEK_HOURS / DAY_HOURS);
    if (weeks > 0)
        return weeks >= FORECAST_WEEKS_MAX ? FORECAST_HIGH : FORECAST_MEDIUM;
    return days == 0 ? FORECAST_VERY_LOW : FORECAST_LOW;
}

/* What the calls come to by a row of forecasts, with what else is spent. */
static money_sum
with_row(const struct spend *spend, money_sum row_pico)
{
    return spend->total_pico - spend->llm_pico +
           (row_pico > spend->llm_pico ? row_pico : spend->llm_pico);
}

/* What gbill forecast expects, unless it has not been asked for a day: one product, one figure. */
static bool
take_row(struct tables_txn *txn, uint32_t organization, int64_t now_ms, const struct spend *spend,
         struct forecast *ret)
{
    struct forecast_row row;
    if (!forecast_get(txn, organization, time_month(now_ms), &row) || row.made_ms > now_ms ||
        now_ms - row.made_ms > TIME_DAY_MS)
        return false;
    const struct forecast_range *cost = &row.ranges[FORECAST_COST];
    ret->month_pico = with_row(spend, cost->expected);
    ret->low_pico = with_row(spend, cost->low);
    ret->high_pico = with_row(spend, cost->high);
    ret->confidence = confidence_of(row.history_days);
    return true;
}

enum err_code
forecast_make(struct tables_txn *txn, uint32_t organization, int64_t now_ms,
              const struct spend *spend, struct forecast *ret, struct err *err)
{
    money_sum spend_pico = spend->total_pico;
    struct forecast f = {FORECAST_NONE, spend_pico, spend_pico, spend_pico};
    struct history h = {.end_hour = (uint32_t)(now_ms / TIME_HOUR_MS)};
    int64_t now_s = now_ms / 1000;
    int64_t end_s = time_month_start_ms(time_month(now_ms) + 1) / 1000;
    money_sum left = 0;
    uint32_t first;
    if (take_row(txn, organization, now_ms, spend, &f)) {
        *ret = f;
        return ERR_OK;
    }
    if (!first_hour_of(txn, organization, &first) || first > h.end_hour) {
        *ret = f;
        return ERR_OK;
    }
    h.weeks = (h.end_hour - first) / WEEK_HOURS;
    if (h.weeks > FORECAST_WEEKS_MAX)
        h.weeks = FORECAST_WEEKS_MAX;
    h.first_hour = h.weeks > 0 ? h.end_hour - h.weeks * WEEK_HOURS : first;
    enum err_code code = read_history(txn, organization, &h, err);
    if (code == ERR_OK && h.weeks > 0)
        code = by_season(&h, now_s, end_s, &left, err);
    else if (code == ERR_OK)
        code = go_on(&h, now_s, end_s, &left, err);
    if (code != ERR_OK)
        return code;
    f.month_pico = f.low_pico = f.high_pico = spend_pico + left;
    f.confidence = confidence_of((h.end_hour - first) / DAY_HOURS);
    if (h.weeks > 0)
        code = find_range(&h, left, spend_pico, &f, err);
    if (code == ERR_OK)
        *ret = f;
    return code;
}
