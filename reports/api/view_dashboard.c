#include <inttypes.h>

#include "billing/budget/budget_view.h"
#include "reports/api/views.h"
#include "reports/export.h"
#include "reports/usage_print.h"
#include "store/base/time.h"
#include "store/tables/efficiency.h"
#include "store/tables/forecast.h"

enum { GROUPS_MAX = 10000 };

/* The month by some columns, with costs. */
static enum err_code
put_spending(FILE *out, struct tables_txn *txn, const struct api_request *request, int32_t month,
             const char *key, const char *by, struct err *err)
{
    struct usage_report report;
    struct usage_query query = {
        .organization = request->organization,
        .from_hour = (uint32_t)(time_month_start_ms(month) / TIME_HOUR_MS),
        .to_hour = (uint32_t)(time_month_start_ms(month + 1) / TIME_HOUR_MS),
        .groups_max = GROUPS_MAX,
    };
    enum err_code code = grouping_parse(by, &query.grouping, err);
    if (code == ERR_OK)
        code = usage_report_make(txn, &query, &report, err);
    if (code == ERR_NOT_FOUND) { /* it has a plan, or a budget, and never had a call */
        fprintf(out, ",\"%s\":[]", key);
        return ERR_OK;
    }
    if (code != ERR_OK)
        return code;
    fprintf(out, ",\"%s\":", key);
    usage_print(&report, USAGE_PRINT_COSTS, PRINT_JSON, false, out);
    usage_report_clear(&report);
    return ERR_OK;
}

static void
put_forecast(FILE *out, struct tables_txn *txn, uint32_t organization, int32_t month)
{
    struct forecast_scan scan;
    bool found = false;
    forecast_scan_begin(&scan, txn, organization);
    while (!found && forecast_scan_next(&scan))
        found = scan.row.month == month;
    fputs(",\"forecast\":", out);
    if (found) {
        const struct forecast_range *cost = &scan.row.ranges[FORECAST_COST];
        fprintf(out, "{\"percent\":%d", FORECAST_PERCENT);
        view_text(out, "currency", str_of(scan.row.currency));
        view_amount(out, "soFar", cost->so_far);
        view_amount(out, "expected", cost->expected);
        view_amount(out, "low", cost->low);
        view_amount(out, "high", cost->high);
        view_time(out, "madeAt", scan.row.made_ms);
        fputc('}', out);
    } else {
        fputs("null", out);
    }
    forecast_scan_end(&scan);
}

static enum err_code
put_budget(FILE *out, struct tables_txn *txn, uint32_t organization, const char *currency,
           int64_t now_ms, struct err *err)
{
    struct budget budget;
    struct budget_view view;
    fputs(",\"budget\":", out);
    if (!budget_get(txn, organization, &budget) || currency[0] == '\0') {
        fputs("null", out);
        return ERR_OK;
    }
    enum err_code code = budget_view_read(txn, organization, currency, now_ms, &view, err);
    if (code == ERR_OK)
        budget_view_print(out, txn, &view, true);
    return code;
}

static enum err_code
put_all(FILE *out, struct tables_txn *txn, uint32_t organization, const struct api_request *request,
        struct err *err)
{
    char currency[EXPORT_CURRENCY_BYTES], month_text[TIME_TEXT_BYTES];
    struct efficiency e;
    int64_t now_ms = clock_now_ms(request->clock);
    int32_t month = time_month(now_ms);
    export_currency(txn, currency);
    time_format_month(month, month_text);
    view_head(request, txn, out);
    view_text(out, "month", str_of(month_text));
    view_text(out, "currency", str_of(currency));
    fputs(",\"efficiencyScore\":", out);
    if (efficiency_last(txn, organization, &e))
        fprintf(out, "%u", e.score);
    else
        fputs("null", out);
    put_forecast(out, txn, organization, month);
    enum err_code code = put_budget(out, txn, organization, currency, now_ms, err);
    if (code == ERR_OK)
        code = put_spending(out, txn, request, month, "days", "day", err);
    if (code == ERR_OK)
        code = put_spending(out, txn, request, month, "models", "provider,model", err);
    if (code == ERR_OK)
        code = put_spending(out, txn, request, month, "projects", "project", err);
    if (code == ERR_OK)
        fputs("}\n", out);
    return code;
}

enum err_code
view_dashboard(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct tables_txn *txn = NULL;
    uint32_t organization;
    enum err_code code = view_begin(request, &txn, &organization, err);
    if (code == ERR_OK)
        code = put_all(answer->out, txn, organization, request, err);
    shelf_end(request->shelf, txn);
    return code;
}
