#include "store/tables/forecast.h"

#include <assert.h>
#include <string.h>

/*
 * Key: organization u32, month u32.
 *
 * Value: position u64, made u64, mark 32, currency 3, method u8, history days u32,
 * tested u32, unpriced calls u64, first day u32, for each measure: so far, expected, low,
 * high u128; then for each day: expected, low, high u128.
 */
enum {
    KEY_BYTES = 8,
    RANGES_AT = 8 + 8 + FORECAST_MARK_BYTES + 3 + 1 + 4 + 4 + 8 + 4,
    FIXED_BYTES = RANGES_AT + FORECAST_MEASURES * 4 * MONEY_SUM_BYTES,
    DAY_BYTES = 3 * MONEY_SUM_BYTES,
    ROW_BYTES_MAX = FIXED_BYTES + FORECAST_DAYS_MAX * DAY_BYTES,
};

static const char *const method_names[FORECAST_METHOD_COUNT] = {
#define FORECAST_NAME(name, text) [FORECAST_BY_##name] = text,
    FORECAST_METHODS(FORECAST_NAME)
#undef FORECAST_NAME
};

static const char *const measure_names[FORECAST_MEASURES] = {
    [FORECAST_COST] = "cost", [FORECAST_CALLS] = "calls", [FORECAST_TOKENS] = "tokens"};

const char *
forecast_method_name(enum forecast_method method)
{
    assert(method < FORECAST_METHOD_COUNT);
    return method_names[method];
}

const char *
forecast_measure_name(enum forecast_measure measure)
{
    assert(measure < FORECAST_MEASURES);
    return measure_names[measure];
}

static struct bytes
key_of(uint8_t key[KEY_BYTES], uint32_t organization, int32_t month)
{
    put_be32(key, organization);
    put_be32(key + 4, (uint32_t)month);
    return (struct bytes){key, KEY_BYTES};
}

static uint8_t *
put_sum(uint8_t *p, money_sum value)
{
    money_put_sum(p, value);
    return p + MONEY_SUM_BYTES;
}

static const uint8_t *
get_sum(const uint8_t *p, money_sum *ret)
{
    *ret = money_get_sum(p);
    return p + MONEY_SUM_BYTES;
}

static struct bytes
row_encode(const struct forecast_row *row, uint8_t v[ROW_BYTES_MAX])
{
    assert(row->day_count >= 1 && row->day_count <= FORECAST_DAYS_MAX);
    put_le64(v, row->position);
    put_le64(v + 8, (uint64_t)row->made_ms);
    memcpy(v + 16, row->mark, FORECAST_MARK_BYTES);
    memcpy(v + 48, row->currency, 3);
    v[51] = (uint8_t)row->method;
    put_le32(v + 52, row->history_days);
    put_le32(v + 56, row->tested);
    put_le64(v + 60, row->unpriced_calls);
    put_le32(v + 68, row->first_day);
    uint8_t *p = v + RANGES_AT;
    for (int m = 0; m < FORECAST_MEASURES; m++) {
        const struct forecast_range *r = &row->ranges[m];
        assert(r->so_far <= r->low && r->low <= r->expected && r->expected <= r->high);
        p = put_sum(put_sum(put_sum(put_sum(p, r->so_far), r->expected), r->low), r->high);
    }
    for (uint32_t i = 0; i < row->day_count; i++) {
        const struct forecast_day *d = &row->days[i];
        p = put_sum(put_sum(put_sum(p, d->expected), d->low), d->high);
    }
    return (struct bytes){v, (size_t)(p - v)};
}

void
forecast_decode(struct bytes key, struct bytes value, struct forecast_row *ret)
{
    const uint8_t *v = value.data;
    assert(key.size_bytes == KEY_BYTES);
    *ret = (struct forecast_row){.organization = get_be32(key.data),
                                 .month = (int32_t)get_be32(key.data + 4)};
    if (value.size_bytes == 0)
        return;
    assert(value.size_bytes > FIXED_BYTES && value.size_bytes <= ROW_BYTES_MAX);
    ret->position = get_le64(v);
    ret->made_ms = (int64_t)get_le64(v + 8);
    memcpy(ret->mark, v + 16, FORECAST_MARK_BYTES);
    memcpy(ret->currency, v + 48, 3);
    ret->method = (enum forecast_method)v[51];
    ret->history_days = get_le32(v + 52);
    ret->tested = get_le32(v + 56);
    ret->unpriced_calls = get_le64(v + 60);
    ret->first_day = get_le32(v + 68);
    const uint8_t *p = v + RANGES_AT;
    for (int m = 0; m < FORECAST_MEASURES; m++) {
        struct forecast_range *r = &ret->ranges[m];
        p = get_sum(get_sum(get_sum(get_sum(p, &r->so_far), &r->expected), &r->low), &r->high);
    }
    ret->day_count = (uint32_t)((value.size_bytes - FIXED_BYTES) / DAY_BYTES);
    for (uint32_t i = 0; i < ret->day_count; i++) {
        struct forecast_day *d = &ret->days[i];
        p = get_sum(get_sum(get_sum(p, &d->expected), &d->low), &d->high);
    }
}

bool
forecast_get(struct tables_txn *txn, uint32_t organization, int32_t month, struct forecast_row *ret)
{
    uint8_t key[KEY_BYTES];
    struct bytes k = key_of(key, organization, month), v;
    if (!tables_get(txn, TABLE_FORECASTS, k, &v))
        return false;
    forecast_decode(k, v, ret);
    return true;
}

enum err_code
forecast_put(struct tables_txn *txn, const struct forecast_row *row, struct err *err)
{
    uint8_t key[KEY_BYTES], v[ROW_BYTES_MAX];
    return tables_put_published(txn, TABLE_FORECASTS, key_of(key, row->organization, row->month),
                                row_encode(row, v), err);
}

void
forecast_scan_begin(struct forecast_scan *scan, struct tables_txn *txn, uint32_t organization)
{
    tables_scan_organization(&scan->scan, txn, TABLE_FORECASTS, organization);
}

bool
forecast_scan_next(struct forecast_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    forecast_decode(scan->scan.key, scan->scan.value, &scan->row);
    return true;
}

void
forecast_scan_end(struct forecast_scan *scan)
{
    tables_scan_end(&scan->scan);
}
