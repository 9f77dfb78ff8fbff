#include "billing/budget/budget_view.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "billing/budget/judge.h"
#include "billing/budget/settings.h"
#include "store/base/currency.h"
#include "store/base/time.h"
#include "store/tables/alert.h"
#include "store/tables/dict.h"

enum { PICO_DIGITS = 12, BAR_PARTS = 10, PERCENT_SHOWN_MAX = 1000000 };

static uint32_t
percent_of(const struct budget_month *m, money_sum spend_pico, money_sum minor_pico)
{
    money_sum budget_pico = (money_sum)m->monthly_minor * minor_pico, product;
    if (!m->has_monthly || spend_pico <= 0)
        return 0;
    if (budget_pico == 0 || __builtin_mul_overflow(spend_pico, (money_sum)100, &product) ||
        product / budget_pico > PERCENT_SHOWN_MAX)
        return budget_pico == 0 ? 100 : PERCENT_SHOWN_MAX;
    return (uint32_t)(product / budget_pico);
}

enum err_code
budget_view_read(struct tables_txn *txn, uint32_t organization, const char *currency,
                 int64_t now_ms, struct budget_view *ret, struct err *err)
{
    struct budget budget;
    struct budget_view v = {.currency = currency, .organization = dict_text(txn, organization)};
    char complaint[SETTINGS_COMPLAINT_BYTES];
    int32_t month = time_month(now_ms);
    bool there = budget_get(txn, organization, &budget);
    assert(there);
    if (!budget_month_get(txn, organization, month, &v.month))
        v.month = (struct budget_month){.organization = organization, .month = month};
    settings_apply(&budget, &v.month, complaint);
    v.email_alerts = budget.email_alerts;
    enum err_code code = spend_read(txn, organization, month, currency, &v.spend, err);
    if (code == ERR_OK)
        code = forecast_make(txn, organization, now_ms, &v.spend, &v.forecast, err);
    if (code != ERR_OK)
        return code;
    v.percent = percent_of(&v.month, v.spend.total_pico, spend_minor_pico(currency));
    v.paused = budget_pause_get(txn, organization, month, &v.pause);
    *ret = v;
    return ERR_OK;
}

void
budget_view_bar(uint32_t percent, char bar[BUDGET_BAR_BYTES])
{
    uint32_t full = percent >= 100 ? BAR_PARTS : percent * BAR_PARTS / 100;
    char *p = bar;
    *p++ = '[';
    for (uint32_t i = 0; i < BAR_PARTS; i++)
        *p++ = i < full ? '#' : '-';
    *p++ = ']';
    if (percent > 100)
        *p++ = '!';
    *p = '\0';
}

void
budget_view_state(const struct budget_view *view, char text[ALERT_NAME_BYTES_MAX + 1])
{
    const struct budget_mark *highest = NULL;
    money_sum minor_pico = spend_minor_pico(view->currency);
    for (size_t i = 0; i < view->month.mark_count; i++) {
        const struct budget_mark *mark = &view->month.marks[i];
        if (mark->listed && judge_reached(view->spend.total_pico, view->month.monthly_minor,
                                          minor_pico, mark->percent))
            highest = mark;
    }
    const char *word = view->paused               ? "paused"
                       : !view->month.has_monthly ? "no budget"
                       : highest == NULL          ? "ok"
                       : highest->name[0] != '\0' ? highest->name
                                                  : NULL;
    if (word != NULL)
        snprintf(text, ALERT_NAME_BYTES_MAX + 1, "%s", word);
    else
        snprintf(text, ALERT_NAME_BYTES_MAX + 1, "%u %%", highest->percent);
}

static void
amount(const struct budget_view *v, money_sum pico, char text[MONEY_TEXT_BYTES])
{
    money_format_fixed(pico, PICO_DIGITS, currency_minor_digits(v->currency), text);
}

static void
budget_amount(const struct budget_view *v, char text[MONEY_TEXT_BYTES])
{
    int digits = currency_minor_digits(v->currency);
    money_format_fixed((money_sum)v->month.monthly_minor, digits, digits, text);
}

/* ---- the list ---- */

static const struct print_column columns[] = {
    {"organization", PRINT_TEXT}, {"budget", PRINT_AMOUNT},   {"spent", PRINT_AMOUNT},
    {"currency", PRINT_TEXT},     {"percent", PRINT_WHOLE},   {"state", PRINT_TEXT},
    {"forecast", PRINT_AMOUNT},   {"confidence", PRINT_TEXT}, {"unpricedCalls", PRINT_WHOLE},
    {"used", PRINT_TEXT}};

/* The bar is for people only, and comes last. */
void
budget_view_list_begin(struct print *p, FILE *out, enum print_form form)
{
    size_t count = sizeof columns / sizeof columns[0];
    print_begin(p, out, form, columns, form == PRINT_TABLE ? count : count - 1);
}

void
budget_view_list_row(struct print *p, const struct budget_view *view)
{
    char text[MONEY_TEXT_BYTES], state[ALERT_NAME_BYTES_MAX + 1], bar[BUDGET_BAR_BYTES];
    budget_view_state(view, state);
    budget_amount(view, text);
    print_text(p, view->organization);
    print_amount(p, view->month.has_monthly ? text : "");
    amount(view, view->spend.total_pico, text);
    print_amount(p, text);
    print_text(p, str_of(view->currency));
    print_whole(p, view->percent);
    print_text(p, str_of(state));
    amount(view, view->forecast.month_pico, text);
    print_amount(p, text);
    print_text(p, str_of(forecast_confidence_name(view->forecast.confidence)));
    print_whole(p, view->spend.unpriced_calls);
    if (p->form != PRINT_TABLE)
        return;
    budget_view_bar(view->percent, bar);
    print_text(p, str_of(view->month.has_monthly ? bar : ""));
}

/* ---- one organization ---- */

static void
print_json_marks(FILE *out, const struct budget_month *m)
{
    bool first = true;
    fputs(",\"thresholds\":[", out);
    for (size_t i = 0; i < m->mark_count; i++) {
        if (!m->marks[i].listed)
            continue;
        fprintf(out, "%s{\"percent\":%u,\"name\":", first ? "" : ",", m->marks[i].percent);
        print_json_text(out, str_of(m->marks[i].name));
        fprintf(out, ",\"reported\":%s}", m->marks[i].reported ? "true" : "false");
        first = false;
    }
    fputc(']', out);
}

static void
print_json_alerts(FILE *out, struct tables_txn *txn, const struct budget_view *v)
{
    struct alert_scan scan;
    bool first = true;
    char id[ALERT_ID_BYTES], text[MONEY_TEXT_BYTES];
    fputs(",\"alerts\":[", out);
    alert_scan_begin(&scan, txn, v->month.organization);
    while (alert_scan_next(&scan)) {
        const struct alert *a = &scan.row;
        if (a->month != v->month.month)
            continue;
        alert_id(v->organization, a->month, a->number, id);
        fprintf(out,
                "%s{\"id\":\"%s\",\"kind\":\"%s\",\"percent\":%u,\"threshold\":", first ? "" : ",",
                id, alert_kind_name(a->kind), a->percent);
        print_json_text(out, str_of(a->name));
        money_format(a->spend_pico, PICO_DIGITS, text);
        fprintf(out, ",\"spend\":\"%s\"", text);
        time_format_ms(a->at_ms, text);
        fprintf(out, ",\"at\":\"%s\"}", text);
        first = false;
    }
    alert_scan_end(&scan);
    fputc(']', out);
}

static void
print_json_amount(FILE *out, const char *key, money_sum pico)
{
    char text[MONEY_TEXT_BYTES];
    money_format(pico, PICO_DIGITS, text);
    fprintf(out, ",\"%s\":\"%s\"", key, text);
}

static void
print_json(FILE *out, struct tables_txn *txn, const struct budget_view *v)
{
    char month[TIME_TEXT_BYTES], state[ALERT_NAME_BYTES_MAX + 1], since[TIME_TEXT_BYTES];
    time_format_month(v->month.month, month);
    budget_view_state(v, state);
    fputs("{\"organization\":", out);
    print_json_text(out, v->organization);
    fprintf(out, ",\"month\":\"%s\",\"currency\":\"%s\",\"budgetMinor\":", month, v->currency);
    if (v->month.has_monthly)
        fprintf(out, "%" PRIu64, v->month.monthly_minor);
    else
        fputs("null", out);
    print_json_amount(out, "spend", v->spend.total_pico);
    print_json_amount(out, "llmCost", v->spend.llm_pico);
    print_json_amount(out, "adjustments", v->spend.adjustment_pico);
    fprintf(out,
            ",\"unpricedCalls\":%" PRIu64 ",\"percent\":%u,\"state\":", v->spend.unpriced_calls,
            v->percent);
    print_json_text(out, str_of(state));
    print_json_amount(out, "forecast", v->forecast.month_pico);
    print_json_amount(out, "forecastLow", v->forecast.low_pico);
    print_json_amount(out, "forecastHigh", v->forecast.high_pico);
    fprintf(out, ",\"confidence\":\"%s\",\"emailAlerts\":%s,\"pauseAt\":",
            forecast_confidence_name(v->forecast.confidence), v->email_alerts ? "true" : "false");
    fprintf(out, v->month.pause_percent > 0 ? "%u" : "null", v->month.pause_percent);
    fputs(",\"pausedSince\":", out);
    time_format_ms(v->paused ? v->pause.since_ms : 0, since);
    fprintf(out, v->paused ? "\"%s\"" : "null", since);
    fputs(",\"pauseReason\":", out);
    print_json_text(out, v->paused ? v->pause.reason : (struct str){0});
    print_json_marks(out, &v->month);
    print_json_alerts(out, txn, v);
    fputs("}\n", out);
}

static void
print_people_alerts(FILE *out, struct tables_txn *txn, const struct budget_view *v)
{
    struct alert_scan scan;
    char spend[MONEY_TEXT_BYTES], at[TIME_TEXT_BYTES];
    alert_scan_begin(&scan, txn, v->month.organization);
    while (alert_scan_next(&scan)) {
        const struct alert *a = &scan.row;
        if (a->month != v->month.month)
            continue;
        time_format_ms(a->at_ms, at);
        amount(v, a->spend_pico, spend);
        fprintf(out, "  %s  %-9s %4u %%  at %s %s%s%s\n", at, alert_kind_name(a->kind), a->percent,
                spend, a->currency, a->name[0] != '\0' ? "  " : "", a->name);
    }
    alert_scan_end(&scan);
}

static void
print_forecast(FILE *out, const struct budget_view *v)
{
    char month[MONEY_TEXT_BYTES], low[MONEY_TEXT_BYTES], high[MONEY_TEXT_BYTES];
    const struct forecast *f = &v->forecast;
    amount(v, f->month_pico, month);
    amount(v, f->low_pico, low);
    amount(v, f->high_pico, high);
    fprintf(out, "forecast   %s %s at the month's end, confidence %s", month, v->currency,
            forecast_confidence_name(f->confidence));
    if (f->confidence > FORECAST_LOW)
        fprintf(out, " (%s to %s)", low, high);
    fputc('\n', out);
}

static void
print_people(FILE *out, struct tables_txn *txn, const struct budget_view *v)
{
    char month[TIME_TEXT_BYTES], text[MONEY_TEXT_BYTES], bar[BUDGET_BAR_BYTES];
    char state[ALERT_NAME_BYTES_MAX + 1];
    const struct budget_month *m = &v->month;
    time_format_month(m->month, month);
    budget_view_state(v, state);
    budget_view_bar(v->percent, bar);
    fprintf(out, "%.*s, %s: %s\n", STR_ARG(v->organization), month, state);
    budget_amount(v, text);
    if (m->has_monthly)
        fprintf(out, "budget     %s %s\n", text, v->currency);
    amount(v, v->spend.total_pico, text);
    fprintf(out, "spent      %s %s", text, v->currency);
    if (m->has_monthly)
        fprintf(out, "  %s %u %%", bar, v->percent);
    if (v->spend.unpriced_calls > 0)
        fprintf(out, "  (%" PRIu64 " calls have no price yet)", v->spend.unpriced_calls);
    fputc('\n', out);
    print_forecast(out, v);
    fputs("thresholds", out);
    for (size_t i = 0; i < m->mark_count; i++) {
        if (m->marks[i].listed)
            fprintf(out, " %u %%%s%s%s", m->marks[i].percent,
                    m->marks[i].name[0] != '\0' ? " " : "", m->marks[i].name,
                    m->marks[i].reported ? " (reported)" : "");
    }
    if (m->pause_percent > 0)
        fprintf(out, "; pauses at %u %%", m->pause_percent);
    fprintf(out, "; mails %s\n", v->email_alerts ? "on" : "off");
    if (v->paused)
        fprintf(out, "%.*s\n", STR_ARG(v->pause.reason));
    print_people_alerts(out, txn, v);
}

void
budget_view_print(FILE *out, struct tables_txn *txn, const struct budget_view *view, bool json)
{
    if (json)
        print_json(out, txn, view);
    else
        print_people(out, txn, view);
}
