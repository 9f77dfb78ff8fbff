#include "store/postgres/published_forecast.h"

#include <stdio.h>

#include "store/base/time.h"
#include "store/tables/forecast.h"

enum { PICO_DIGITS = 12, DAY_TEXT_BYTES = 320 };

void
published_forecast_key(struct copy *copy, struct bytes key)
{
    struct forecast_row row;
    forecast_decode(key, (struct bytes){0}, &row);
    copy_dict(copy, row.organization);
    copy_month(copy, row.month);
}

/* A JSON array: amounts are strings, since money must not pass a double. */
static void
put_days(struct copy *copy, const struct forecast_row *row)
{
    char text[FORECAST_DAYS_MAX * DAY_TEXT_BYTES + 2] = "[";
    size_t used = 1;
    for (uint32_t i = 0; i < row->day_count; i++) {
        char day[TIME_TEXT_BYTES], expected[MONEY_TEXT_BYTES], low[MONEY_TEXT_BYTES],
            high[MONEY_TEXT_BYTES];
        time_format_day((int64_t)row->first_day + i, day);
        money_format(row->days[i].expected, PICO_DIGITS, expected);
        money_format(row->days[i].low, PICO_DIGITS, low);
        money_format(row->days[i].high, PICO_DIGITS, high);
        used +=
            (size_t)snprintf(text + used, sizeof text - used,
                             "%s{\"day\":\"%s\",\"cost\":\"%s\",\"low\":\"%s\",\"high\":\"%s\"}",
                             i > 0 ? "," : "", day, expected, low, high);
    }
    snprintf(text + used, sizeof text - used, "]");
    copy_text(copy, str_of(text));
}

static void
put_counts(struct copy *copy, const struct forecast_range *r)
{
    copy_u64(copy, (uint64_t)r->so_far);
    copy_u64(copy, (uint64_t)r->expected);
    copy_u64(copy, (uint64_t)r->low);
    copy_u64(copy, (uint64_t)r->high);
}

void
published_forecast_row(struct copy *copy, struct bytes key, struct bytes value)
{
    struct forecast_row row;
    forecast_decode(key, value, &row);
    const struct forecast_range *cost = &row.ranges[FORECAST_COST];
    copy_text(copy, str_of(row.currency));
    copy_pico(copy, cost->so_far);
    copy_pico(copy, cost->expected);
    copy_pico(copy, cost->low);
    copy_pico(copy, cost->high);
    copy_cents(copy, cost->so_far);
    copy_cents(copy, cost->expected);
    put_counts(copy, &row.ranges[FORECAST_CALLS]);
    put_counts(copy, &row.ranges[FORECAST_TOKENS]);
    copy_u64(copy, row.unpriced_calls);
    copy_text(copy, str_of(forecast_method_name(row.method)));
    copy_u64(copy, row.history_days);
    copy_u64(copy, row.tested);
    put_days(copy, &row);
    copy_u64(copy, row.position);
    copy_time(copy, row.made_ms);
}
