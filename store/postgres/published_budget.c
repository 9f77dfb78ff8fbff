#include "store/postgres/published_budget.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/base/currency.h"
#include "store/event/event_json.h"
#include "store/tables/alert.h"
#include "store/tables/budget.h"
#include "store/tables/chargeback.h"
#include "store/tables/dict.h"

/* A setting as it was sent, or what stands where it was not. */
static void
put_json(struct copy *copy, struct bytes msgpack, const char *absent)
{
    char *text = NULL;
    size_t size = 0;
    if (msgpack.size_bytes == 0) {
        copy_text(copy, str_of(absent));
        return;
    }
    FILE *out = open_memstream(&text, &size);
    if (out != NULL)
        event_json_write(out, msgpack);
    if (out == NULL || fclose(out) != 0) {
        copy->code = copy->code != ERR_OK
                         ? copy->code
                         : err_set(&copy->err, ERR_LIMIT, "%s: no memory", copy->table);
        return;
    }
    copy_text(copy, (struct str){text, size});
    free(text);
}

void
published_budget_key(struct copy *copy, struct bytes key)
{
    copy_dict(copy, budget_key_decode(key));
}

void
published_budget_row(struct copy *copy, struct bytes key, struct bytes value)
{
    (void)value;
    struct budget b;
    bool there = budget_get(copy->txn, budget_key_decode(key), &b);
    assert(there);
    copy_dict(copy, b.organization); /* one row an organization: its id is the row's */
    if (b.has_monthly)
        copy_u64(copy, b.monthly_minor);
    else
        copy_null(copy);
    put_json(copy, b.thresholds, BUDGET_THRESHOLDS_JSON);
    put_json(copy, b.spikes, BUDGET_SPIKES_JSON);
    copy_bool(copy, b.email_alerts);
    put_json(copy, b.limits, BUDGET_LIMITS_JSON);
    copy_time(copy, b.created_ms);
    copy_time(copy, b.updated_ms);
}

void
published_alert_key(struct copy *copy, struct bytes key)
{
    uint32_t organization, number;
    int32_t month;
    alert_key_decode(key, &organization, &month, &number);
    copy_dict(copy, organization);
    copy_month(copy, month);
    copy_u64(copy, number);
}

void
published_alert_row(struct copy *copy, struct bytes key, struct bytes value)
{
    (void)value;
    struct alert a;
    uint32_t organization, number;
    int32_t month;
    char id[ALERT_ID_BYTES];
    alert_key_decode(key, &organization, &month, &number);
    bool there = alert_get(copy->txn, organization, month, number, &a);
    assert(there);
    alert_id(dict_text(copy->txn, organization), month, number, id);
    copy_text(copy, str_of(id));
    copy_text(copy, str_of(alert_kind_name(a.kind)));
    copy_u64(copy, a.percent);
    copy_text(copy, str_of(a.name));
    copy_text(copy, str_of(a.currency));
    if (a.has_budget)
        copy_u64(copy, a.budget_minor);
    else
        copy_null(copy);
    copy_pico(copy, a.spend_pico);
    copy_i64(copy, money_round_minor(a.spend_pico, currency_minor_digits(a.currency)));
    if (a.kind == ALERT_FORECAST)
        copy_pico(copy, a.forecast_pico);
    else
        copy_null(copy);
    copy_u64(copy, a.position);
    copy_time(copy, a.at_ms);
}

void
published_chargeback_key(struct copy *copy, struct bytes key)
{
    struct chargeback_row row;
    chargeback_decode(key, (struct bytes){0}, &row);
    copy_dict(copy, row.organization);
    copy_time(copy, row.from_ms);
    copy_text(copy, str_of(chargeback_dimension_name(row.dimension)));
    copy_dict(copy, row.value);
}

void
published_chargeback_row(struct copy *copy, struct bytes key, struct bytes value)
{
    struct chargeback_row row;
    chargeback_decode(key, value, &row);
    copy_time(copy, row.to_ms);
    copy_bool(copy, row.final);
    copy_text(copy, str_of(row.currency));
    copy_i64(copy, row.amount_minor);
    copy_u64(copy, row.calls);
    copy_u64(copy, row.credits);
    copy_pico(copy, row.llm_cost_pico);
}
