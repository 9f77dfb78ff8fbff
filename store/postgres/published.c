#include "store/postgres/published.h"

#include <assert.h>

#include "store/postgres/published_budget.h"
#include "store/postgres/published_forecast.h"
#include "store/postgres/published_optimize.h"
#include "store/postgres/published_spike.h"
#include "store/tables/invoice.h"
#include "store/tables/limit.h"
#include "store/tables/log_day.h"
#include "store/tables/plan_version.h"
#include "store/tables/standing.h"
#include "store/tables/usage.h"

static void
put_usage_key(struct copy *copy, struct bytes key, bool hourly)
{
    assert(key.size_bytes == USAGE_KEY_BYTES);
    struct usage_key k = usage_key_decode(key.data);
    copy_dict(copy, k.organization);
    if (hourly)
        copy_hour(copy, k.period);
    else
        copy_month(copy, (int32_t)k.period);
    copy_dict(copy, k.project);
    copy_dict(copy, k.user);
    copy_dict(copy, k.type);
    copy_dict(copy, k.provider);
    copy_dict(copy, k.model);
    copy_dict(copy, k.tier);
}

static void
put_hourly_key(struct copy *copy, struct bytes key)
{
    put_usage_key(copy, key, true);
}

static void
put_monthly_key(struct copy *copy, struct bytes key)
{
    put_usage_key(copy, key, false);
}

static void
put_usage_row(struct copy *copy, struct bytes key, struct bytes value)
{
    (void)key;
    struct usage_row row;
    bool whole = usage_row_decode(value, &row);
    assert(whole);
    copy_u64(copy, row.calls);
    copy_u64(copy, row.failed_calls);
    copy_u64(copy, row.estimated_calls);
    copy_u64(copy, row.unpriced_calls);
    for (size_t i = 0; i < EVENT_TEXT_CLASSES; i++)
        copy_u64(copy, row.tokens[i]);
    copy_u64(copy, row.reasoning_tokens);
    copy_u64(copy, row.latency_us);
    copy_pico(copy, row.cost_pico);
    copy_cents(copy, row.cost_pico);
    for (size_t i = EVENT_TEXT_CLASSES; i < EVENT_CLASSES; i++)
        copy_u64(copy, row.tokens[i]);
    for (size_t i = 0; i < EVENT_FEES; i++)
        copy_u64(copy, row.fees[i]);
}

static void
put_limit_key(struct copy *copy, struct bytes key)
{
    uint32_t organization;
    enum limit_dimension dimension;
    limit_key_decode(key, &organization, &dimension);
    copy_dict(copy, organization);
    copy_text(copy, str_of(limit_dimension_name(dimension)));
}

static void
put_limit_opt(struct copy *copy, uint64_t limit)
{
    if (limit == LIMIT_UNLIMITED)
        copy_null(copy);
    else
        copy_u64(copy, limit);
}

static void
put_limit_row(struct copy *copy, struct bytes key, struct bytes value)
{
    (void)value;
    struct limit row;
    uint32_t organization;
    enum limit_dimension dimension;
    limit_key_decode(key, &organization, &dimension);
    bool there = limit_get(copy->txn, organization, dimension, &row);
    assert(there);
    copy_u64(copy, row.used);
    put_limit_opt(copy, row.limit);
    if (row.limit == LIMIT_UNLIMITED)
        copy_null(copy);
    else
        copy_u64(copy, limit_remaining(&row));
    if (row.percent == LIMIT_PERCENT_NONE)
        copy_null(copy);
    else
        copy_u64(copy, row.percent);
    copy_text(copy, str_of(limit_state_name(row.state)));
    copy_bool(copy, row.allowed);
    copy_text(copy, row.plan);
    copy_text(copy, row.upgrade);
    copy_text(copy, row.reason);
    copy_u64(copy, row.position);
    if (row.period_end_ms == 0) {
        copy_null(copy);
        copy_null(copy);
    } else {
        copy_time(copy, row.period_start_ms);
        copy_time(copy, row.period_end_ms);
    }
}

static void
put_invoice_key(struct copy *copy, struct bytes key)
{
    uint32_t organization;
    int64_t from_ms;
    invoice_key_decode(key, &organization, &from_ms);
    copy_dict(copy, organization);
    copy_time(copy, from_ms);
}

static void
put_invoice_row(struct copy *copy, struct bytes key, struct bytes value)
{
    (void)value;
    struct invoice row;
    uint32_t organization;
    int64_t from_ms;
    invoice_key_decode(key, &organization, &from_ms);
    bool there = invoice_get(copy->txn, organization, from_ms, &row);
    assert(there);
    copy_time(copy, row.to_ms);
    copy_text(copy, str_of(invoice_status_name(row.status)));
    if (row.number == 0)
        copy_null(copy);
    else
        copy_u64(copy, row.number);
    copy_text(copy, str_of(row.currency));
    copy_i64(copy, row.total_minor);
    copy_i64(copy, row.tax_minor);
    copy_i64(copy, row.credit_minor);
    copy_i64(copy, invoice_due_minor(&row));
    copy_i64(copy, row.paid_minor);
    copy_u64(copy, row.credits_used);
    copy_pico(copy, row.llm_cost_pico);
    copy_cents(copy, row.llm_cost_pico);
    copy_u64(copy, row.unpriced_calls);
    copy_u64(copy, row.position);
    copy_hex(copy, row.chain, sizeof row.chain);
    copy_hex(copy, row.price_book, sizeof row.price_book);
    copy_hex(copy, row.plan_book, sizeof row.plan_book);
    if (row.finalized_ms == 0)
        copy_null(copy);
    else
        copy_time(copy, row.finalized_ms);
}

static void
put_line_key(struct copy *copy, struct bytes key)
{
    uint32_t organization, line;
    int64_t from_ms;
    invoice_line_key_decode(key, &organization, &from_ms, &line);
    copy_dict(copy, organization);
    copy_time(copy, from_ms);
    copy_u64(copy, (uint64_t)line + 1); /* people count from 1 */
}

static void
put_line_row(struct copy *copy, struct bytes key, struct bytes value)
{
    (void)value;
    struct invoice_line row;
    uint32_t organization, line;
    int64_t from_ms;
    invoice_line_key_decode(key, &organization, &from_ms, &line);
    bool there = invoice_line_get(copy->txn, organization, from_ms, line, &row);
    assert(there);
    copy_text(copy, str_of(invoice_line_kind_name(row.kind)));
    copy_text(copy, row.plan);
    copy_text(copy, row.charge);
    if (row.corrects == 0)
        copy_null(copy);
    else
        copy_u64(copy, row.corrects);
    copy_text(copy, row.description);
    copy_pico(copy, row.quantity_pico);
    copy_pico(copy, row.unit_pico);
    copy_pico(copy, row.exact_pico);
    copy_i64(copy, row.amount_minor);
    copy_time(copy, row.from_ms);
    copy_time(copy, row.to_ms);
}

static void
put_plan_key(struct copy *copy, struct bytes key)
{
    struct plan_version v = plan_version_key_decode(key);
    copy_text(copy, v.plan);
    copy_u64(copy, v.version);
}

static void
put_plan_row(struct copy *copy, struct bytes key, struct bytes value)
{
    struct plan_version v = plan_version_decode(key, value);
    copy_text(copy, v.name);
    copy_u64(copy, v.order);
    copy_bool(copy, v.is_default);
    copy_text(copy, str_of(v.currency));
    if (v.from_ms == INT64_MIN)
        copy_null(copy);
    else
        copy_time(copy, v.from_ms);
    copy_text(copy, v.terms);
}

static void
put_standing_key(struct copy *copy, struct bytes key)
{
    copy_dict(copy, standing_key_decode(key));
}

static void
put_time_opt(struct copy *copy, int64_t utc_ms)
{
    if (utc_ms == 0)
        copy_null(copy);
    else
        copy_time(copy, utc_ms);
}

static void
put_standing_row(struct copy *copy, struct bytes key, struct bytes value)
{
    (void)value;
    struct standing_row row;
    bool there = standing_get(copy->txn, standing_key_decode(key), &row);
    assert(there);
    copy_text(copy, row.plan);
    copy_text(copy, str_of(standing_status_name(row.status)));
    copy_text(copy, str_of(row.currency));
    copy_pico(copy, (money_sum)row.tax_percent * 1000000); /* 10^-6 percent */
    copy_time(copy, row.period_start_ms);
    copy_time(copy, row.period_end_ms);
    copy_time(copy, row.usage_start_ms);
    copy_time(copy, row.usage_end_ms);
    put_time_opt(copy, row.trial_end_ms);
    put_time_opt(copy, row.next_ms);
    if (row.next_ms == 0)
        copy_null(copy);
    else
        copy_text(copy, row.next_plan);
    put_limit_opt(copy, row.requests_per_minute);
    put_limit_opt(copy, row.tokens_per_minute);
}

static void
put_log_day_key(struct copy *copy, struct bytes key)
{
    uint8_t identity[HASH_SHA256_BYTES];
    struct log_root root;
    log_day_decode(key, (struct bytes){0}, identity, &root);
    copy_hex(copy, identity, sizeof identity);
    copy_day(copy, root.day);
}

static void
put_log_day_row(struct copy *copy, struct bytes key, struct bytes value)
{
    uint8_t identity[HASH_SHA256_BYTES];
    struct log_root root;
    log_day_decode(key, value, identity, &root);
    copy_u64(copy, root.first_seq);
    copy_u64(copy, root.last_seq);
    copy_u64(copy, log_root_events(&root));
    copy_u64(copy, root.quarantined);
    copy_u64(copy, root.frames);
    copy_hex(copy, root.chain[LOG_EVENTS], HASH_SHA256_BYTES);
    copy_hex(copy, root.chain[LOG_QUARANTINE], HASH_SHA256_BYTES);
}

#define USAGE_COLUMNS(period)                                                                   \
    "organization_id", period, "project_id", "user_id", "type", "provider", "model",            \
        "service_tier", "calls", "failed_calls", "estimated_calls", "unpriced_calls",           \
        "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens",     \
        "output_tokens", "reasoning_tokens", "latency_us", "cost", "cost_cents",                \
        "input_audio_tokens", "cache_read_audio_tokens", "output_audio_tokens",                 \
        "input_image_tokens", "cache_read_image_tokens", "output_image_tokens", "web_searches", \
        "web_fetches", "file_searches", "code_sessions"

const struct published published[PUBLISHED_COUNT] = {
    {
        .table = TABLE_HOURLY,
        .name = "usage_hourly",
        .key_count = 8,
        .columns = {USAGE_COLUMNS("hour")},
        .put_key = put_hourly_key,
        .put_row = put_usage_row,
    },
    {
        .table = TABLE_MONTHLY,
        .name = "usage_monthly",
        .key_count = 8,
        .columns = {USAGE_COLUMNS("month")},
        .put_key = put_monthly_key,
        .put_row = put_usage_row,
    },
    {
        .table = TABLE_LIMITS,
        .name = "limits_snapshots",
        .key_count = 2,
        .columns = {"organization_id", "dimension", "used", "limit_value", "remaining", "percent",
                    "state", "allowed", "plan", "upgrade_plan", "reason", "log_position",
                    "period_start", "period_end"},
        .put_key = put_limit_key,
        .put_row = put_limit_row,
    },
    {
        .table = TABLE_INVOICES,
        .name = "invoices",
        .key_count = 2,
        .columns = {"organization_id", "period_start",   "period_end",     "status",
                    "number",          "currency",       "total_minor",    "tax_minor",
                    "credit_minor",    "due_minor",      "paid_minor",     "credits_used",
                    "llm_cost",        "llm_cost_cents", "unpriced_calls", "log_position",
                    "log_chain",       "price_book",     "plan_book",      "finalized_at"},
        .put_key = put_invoice_key,
        .put_row = put_invoice_row,
    },
    {
        .table = TABLE_INVOICE_LINES,
        .name = "invoice_lines",
        .key_count = 3,
        .columns = {"organization_id", "period_start", "line", "kind", "plan", "charge", "corrects",
                    "description", "quantity", "unit_price", "amount", "amount_minor", "line_start",
                    "line_end"},
        .put_key = put_line_key,
        .put_row = put_line_row,
    },
    {
        .table = TABLE_LOG_DAYS,
        .name = "log_days",
        .key_count = 2,
        .columns = {"log_identity", "day", "first_seq", "last_seq", "events", "quarantined",
                    "frames", "chain", "quarantine_chain"},
        .put_key = put_log_day_key,
        .put_row = put_log_day_row,
    },
    {
        .table = TABLE_BUDGETS,
        .name = "budget_settings",
        .key_count = 1,
        .columns = {"organization_id", "id", "monthly_budget", "alert_thresholds",
                    "spike_detection", "email_alerts", "auto_limits", "created_at", "updated_at"},
        .put_key = published_budget_key,
        .put_row = published_budget_row,
    },
    {
        .table = TABLE_BUDGET_ALERTS,
        .name = "budget_alerts",
        .key_count = 3,
        .columns = {"organization_id", "month", "alert", "id", "kind", "percent", "threshold",
                    "currency", "budget_minor", "spend", "spend_minor", "forecast", "log_position",
                    "created_at"},
        .put_key = published_alert_key,
        .put_row = published_alert_row,
    },
    {
        .table = TABLE_CHARGEBACK,
        .name = "chargeback",
        .key_count = 4,
        .columns = {"organization_id", "period_start", "dimension", "value", "period_end", "final",
                    "currency", "amount_minor", "calls", "credits", "llm_cost"},
        .put_key = published_chargeback_key,
        .put_row = published_chargeback_row,
    },
    {
        .table = TABLE_PLANS,
        .name = "plans",
        .key_count = 2,
        .columns = {"plan", "version", "name", "sort_order", "is_default", "currency", "valid_from",
                    "terms"},
        .put_key = put_plan_key,
        .put_row = put_plan_row,
    },
    {
        .table = TABLE_STANDINGS,
        .name = "subscriptions",
        .key_count = 1,
        .columns = {"organization_id", "plan", "status", "currency", "tax_percent", "period_start",
                    "period_end", "usage_start", "usage_end", "trial_end", "next_change_at",
                    "next_plan", "requests_per_minute", "tokens_per_minute"},
        .put_key = put_standing_key,
        .put_row = put_standing_row,
    },
    {
        .table = TABLE_SPIKES,
        .name = "usage_spikes",
        .key_count = 5,
        .columns = {"organization_id",
                    "found_hour",
                    "scope",
                    "provider",
                    "value",
                    "id",
                    "from_hour",
                    "to_hour",
                    "peak_hour",
                    "measures",
                    "burst",
                    "withdrawn",
                    "threshold_percent",
                    "currency",
                    "calls",
                    "tokens",
                    "cost",
                    "cost_cents",
                    "usual_calls",
                    "usual_tokens",
                    "usual_cost",
                    "driver_project",
                    "driver_user",
                    "driver_provider",
                    "driver_model",
                    "driver_project_excess",
                    "driver_user_excess",
                    "driver_model_excess",
                    "description",
                    "log_position",
                    "created_at"},
        .put_key = published_spike_key,
        .put_row = published_spike_row,
    },
    {
        .table = TABLE_FORECASTS,
        .name = "forecasts",
        .key_count = 2,
        .columns = {"organization_id",
                    "month",
                    "currency",
                    "cost",
                    "expected_cost",
                    "low_cost",
                    "high_cost",
                    "cost_cents",
                    "expected_cost_cents",
                    "calls",
                    "expected_calls",
                    "low_calls",
                    "high_calls",
                    "tokens",
                    "expected_tokens",
                    "low_tokens",
                    "high_tokens",
                    "unpriced_calls",
                    "method",
                    "history_days",
                    "tested",
                    "days",
                    "log_position",
                    "created_at"},
        .put_key = published_forecast_key,
        .put_row = published_forecast_row,
    },
    {
        .table = TABLE_RECOMMENDATIONS,
        .name = "optimization_recommendations",
        .key_count = 2,
        .columns = {"organization_id", "id", "type", "priority", "title", "description", "impact",
                    "implementation", "evidence", "status", "created_at"},
        .put_key = published_recommendation_key,
        .put_row = published_recommendation_row,
    },
    {
        .table = TABLE_EFFICIENCY,
        .name = "efficiency",
        .key_count = 2,
        .columns = {"organization_id", "last_day", "first_day", "score", "currency", "calls",
                    "unpriced_calls", "actual", "avoidable", "candidates", "actual_cents",
                    "avoidable_cents", "log_position", "created_at"},
        .put_key = published_efficiency_key,
        .put_row = published_efficiency_row,
    },
};
