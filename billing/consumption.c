#include "billing/consumption.h"

#include <assert.h>

#include "billing/plan/rate.h"
#include "store/base/time.h"
#include "store/tables/dict.h"
#include "store/tables/usage.h"

void
consumption_init(struct consumption *c)
{
    *c = (struct consumption){0};
    list_init(&c->models, sizeof(struct consumption_model));
}

void
consumption_clear(struct consumption *c)
{
    list_clear(&c->models);
}

static struct consumption_model *
model_at(const struct consumption *c, size_t i)
{
    return (struct consumption_model *)c->models.items + i;
}

/* Organizations use a handful of models. */
static struct consumption_model *
model_of(struct consumption *c, uint32_t model)
{
    for (size_t i = 0; i < c->models.count; i++) {
        if (model_at(c, i)->model == model)
            return model_at(c, i);
    }
    struct consumption_model fresh = {.model = model};
    return list_add(&c->models, &fresh) ? model_at(c, c->models.count - 1) : NULL;
}

static bool
is_output(size_t class)
{
    return class == EVENT_OUTPUT || class == EVENT_OUTPUT_AUDIO || class == EVENT_OUTPUT_IMAGE;
}

static enum err_code
add(struct consumption *c, const struct usage_key *key, const struct usage_row *row,
    struct err *err)
{
    struct consumption_model *m = model_of(c, key->model);
    bool fits = true;
    if (m == NULL)
        return err_set(err, ERR_LIMIT, "no memory for the usage of a month");
    for (size_t i = 0; i < EVENT_CLASSES; i++) {
        uint64_t *sum = is_output(i) ? &m->output : &m->input;
        fits = fits && !__builtin_add_overflow(*sum, row->tokens[i], sum);
    }
    fits = fits && !__builtin_add_overflow(m->cost_pico, row->cost_pico, &m->cost_pico) &&
           m->input <= INT64_MAX && m->output <= INT64_MAX;
    m->calls += row->calls;
    m->unpriced_calls += row->unpriced_calls;
    return fits ? ERR_OK
                : err_set(err, ERR_CORRUPT,
                          "the usage of a month does not fit 63 bits of tokens; "
                          "run gbill rollup --rebuild");
}

static enum err_code
read_months(struct consumption *c, uint32_t organization, struct span span, struct err *err)
{
    int32_t end = time_month(span.to_ms);
    enum err_code code = ERR_OK;
    for (int32_t month = time_month(span.from_ms); code == ERR_OK && month < end; month++) {
        struct usage_scan scan;
        uint32_t period = (uint32_t)month;
        usage_scan_begin(&scan, c->txn, TABLE_MONTHLY, organization, &period);
        while (code == ERR_OK && usage_scan_next(&scan))
            code = add(c, &scan.key, &scan.row, err);
        enum err_code ended = usage_scan_end(&scan, err);
        code = code == ERR_OK ? ended : code;
    }
    return code;
}

static uint32_t
hour_from(int64_t utc_ms)
{
    return (uint32_t)((utc_ms + TIME_HOUR_MS - 1) / TIME_HOUR_MS);
}

/* A row that usage_scan_next() would give, read by hand: a scan of hours is entered in its middle. */
static enum err_code
read_hours(struct consumption *c, uint32_t organization, struct span span, struct err *err)
{
    uint8_t prefix[4], from[8];
    struct tables_scan scan;
    enum err_code code = ERR_OK;
    uint32_t end = hour_from(span.to_ms);
    put_be32(prefix, organization);
    put_be32(from, organization);
    put_be32(from + 4, hour_from(span.from_ms));
    tables_scan_begin(&scan, c->txn, TABLE_HOURLY, (struct bytes){prefix, sizeof prefix});
    bool more = tables_scan_seek(&scan, (struct bytes){from, sizeof from});
    for (; code == ERR_OK && more; more = tables_scan_next(&scan)) {
        struct usage_key key = usage_key_decode(scan.key.data);
        struct usage_row row;
        if (key.organization != organization || key.period >= end)
            break;
        code = usage_row_read(TABLE_HOURLY, scan.value, &row, err);
        if (code == ERR_OK)
            code = add(c, &key, &row, err);
    }
    tables_scan_end(&scan);
    return code;
}

static bool
begins_month(int64_t utc_ms)
{
    return time_month_start_ms(time_month(utc_ms)) == utc_ms;
}

enum err_code
consumption_read(struct consumption *c, struct tables_txn *txn, uint32_t organization,
                 struct span span, struct err *err)
{
    c->models.count = 0;
    c->txn = txn;
    if (begins_month(span.from_ms) && begins_month(span.to_ms))
        return read_months(c, organization, span, err);
    return read_hours(c, organization, span, err);
}

bool
consumption_first_month(struct tables_txn *txn, uint32_t organization, int32_t *ret)
{
    uint8_t from[4];
    struct bytes key;
    put_be32(from, organization);
    if (!tables_first_from(txn, TABLE_MONTHLY, (struct bytes){from, sizeof from}, &key) ||
        get_be32(key.data) != organization)
        return false;
    *ret = (int32_t)get_be32(key.data + 4);
    return true;
}

struct consumption_model
consumption_sum(const struct consumption *c)
{
    struct consumption_model sum = {0};
    for (size_t i = 0; i < c->models.count; i++) {
        const struct consumption_model *m = model_at(c, i);
        sum.calls += m->calls;
        sum.unpriced_calls += m->unpriced_calls;
        sum.input += m->input;
        sum.output += m->output;
        sum.cost_pico += m->cost_pico;
    }
    return sum;
}

static int64_t
weight_of(const struct consumption *c, const struct plan_terms *terms, uint32_t model)
{
    struct str name = terms->weight_count > 0 ? dict_text(c->txn, model) : (struct str){0};
    for (size_t i = 0; i < terms->weight_count; i++) {
        if (str_equal(terms->weights[i].model, name))
            return terms->weights[i].weight;
    }
    return terms->weight_other;
}

static money_sum
credits_of(const struct consumption *c, const struct plan_terms *terms,
           const struct consumption_model *m)
{
    money_sum tokens = (money_sum)m->input + m->output;
    return tokens * weight_of(c, terms, m->model) * (RATE_QUANTITY_ONE / PLAN_WEIGHT_ONE);
}

money_sum
consumption_credits_pico(const struct consumption *c, const struct plan_terms *terms)
{
    money_sum sum = 0;
    for (size_t i = 0; i < c->models.count; i++)
        sum += credits_of(c, terms, model_at(c, i));
    return sum;
}

uint64_t
consumption_credits(const struct consumption *c, const struct plan_terms *terms)
{
    money_sum whole = consumption_credits_pico(c, terms) / RATE_QUANTITY_ONE;
    return whole < INT64_MAX ? (uint64_t)whole : INT64_MAX;
}

static bool
counts(const struct consumption *c, const struct plan_charge *charge, uint32_t model)
{
    for (size_t i = 0; i < charge->model_count; i++) {
        if (str_equal(charge->models[i], dict_text(c->txn, model)))
            return true;
    }
    return charge->model_count == 0;
}

static money_sum
meter_of(const struct consumption *c, const struct plan_terms *terms, enum charge_meter meter,
         const struct consumption_model *m)
{
    switch (meter) {
    case METER_CREDITS:
        return credits_of(c, terms, m);
    case METER_CALLS:
        return (money_sum)m->calls * RATE_QUANTITY_ONE;
    case METER_TOKENS:
        return ((money_sum)m->input + m->output) * RATE_QUANTITY_ONE;
    case METER_INPUT:
        return (money_sum)m->input * RATE_QUANTITY_ONE;
    case METER_OUTPUT:
        return (money_sum)m->output * RATE_QUANTITY_ONE;
    case METER_COST:
        return m->cost_pico;
    case METER_NONE:
    case CHARGE_METERS:
        break;
    }
    assert(false && "a flat charge counts nothing");
    return 0;
}

money_sum
consumption_quantity(const struct consumption *c, const struct plan_terms *terms,
                     const struct plan_charge *charge, uint64_t *ret_calls)
{
    money_sum sum = 0;
    *ret_calls = 0;
    for (size_t i = 0; i < c->models.count; i++) {
        const struct consumption_model *m = model_at(c, i);
        if (!counts(c, charge, m->model))
            continue;
        sum += meter_of(c, terms, charge->meter, m);
        *ret_calls += m->calls;
    }
    return sum;
}
