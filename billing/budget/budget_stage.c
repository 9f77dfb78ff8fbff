#include "billing/budget/budget_stage.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "billing/budget/forecast.h"
#include "billing/budget/judge.h"
#include "billing/budget/settings.h"
#include "billing/budget/spend.h"
#include "billing/notify/notify.h"
#include "store/base/currency.h"
#include "store/base/log.h"
#include "store/base/time.h"
#include "store/tables/budget_pause.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"

enum { TXN_ORGANIZATIONS = 256, ORGANIZATION_BYTES = 65, PICO_DIGITS = 12 };

struct run {
    const struct budget_options *options;
    struct budget_result result;
    struct tables *tables;
    struct tables_txn *txn;
    struct cursor cursor;
    int lock_fd;
    int64_t now_ms;
    int32_t month;
    money_sum minor_pico;
    /* Of the organization at hand. */
    char organization[ORGANIZATION_BYTES];
    bool email, complained;
};

static void
complain(struct run *r, const char *text)
{
    char line[ORGANIZATION_BYTES + SETTINGS_COMPLAINT_BYTES + 32];
    snprintf(line, sizeof line, "organization %s: %s", r->organization, text);
    if (r->options->problem != NULL)
        r->options->problem(r->options->context, line);
    r->result.problems += r->complained ? 0 : 1;
    r->complained = true;
}

/*
 * The settings that a month is judged by: the newest, unless they came after its end;
 * then those it was last judged by.  Returns false for a month that was over before
 * the organization had a budget.
 */
static bool
settle_settings(struct run *r, const struct budget *budget, bool known, struct budget_month *m)
{
    char complaint[SETTINGS_COMPLAINT_BYTES];
    if (m->month < r->month && budget->updated_ms >= time_month_start_ms(m->month + 1))
        return known;
    if (m->month < r->month && !known && budget->updated_ms < time_month_start_ms(m->month))
        return false;
    settings_apply(budget, m, complaint);
    if (complaint[0] != '\0' && m->month == r->month)
        complain(r, complaint);
    return true;
}

static enum err_code
read_facts(struct run *r, const struct budget_month *m, struct judge_facts *ret, struct err *err)
{
    struct spend spend;
    struct forecast forecast = {0};
    struct budget_pause pause;
    struct judge_facts f = {.minor_pico = r->minor_pico, .is_current = m->month == r->month};
    enum err_code code =
        spend_read(r->txn, m->organization, m->month, r->options->currency, &spend, err);
    if (code != ERR_OK)
        return code;
    f.spend_pico = spend.total_pico;
    f.was_paused = budget_pause_stored(r->txn, m->organization, &pause);
    f.was_paused_now = f.was_paused && pause.month == m->month;
    if (f.is_current && m->has_monthly && m->forecast_percent > 0 && !m->forecast_reported) {
        code = forecast_make(r->txn, m->organization, r->now_ms, &spend, &forecast, err);
        /* A few hours are nothing to alarm anyone with. */
        f.has_forecast = code == ERR_OK && forecast.confidence >= FORECAST_LOW;
        f.forecast_pico = forecast.month_pico;
    }
    if (code == ERR_OK)
        *ret = f;
    return code;
}

static enum err_code
put_alert(struct run *r, struct budget_month *m, struct alert *alert, struct err *err)
{
    uint64_t messages = 0;
    alert->number = ++m->alert_count;
    alert->at_ms = r->now_ms;
    alert->position = r->cursor.seq;
    snprintf(alert->currency, sizeof alert->currency, "%s", r->options->currency);
    enum err_code code = alert_put(r->txn, alert, err);
    const struct outbox_entry about = {.kind = OUTBOX_ALERT,
                                       .organization = alert->organization,
                                       .month = alert->month,
                                       .alert = alert->number,
                                       .created_ms = alert->at_ms};
    if (code == ERR_OK)
        code = notify_enqueue(r->options->notify, r->txn, str_of(r->organization), &about, r->email,
                              &messages, err);
    r->result.alerts[alert->kind]++;
    r->result.messages += messages;
    return code;
}

/* "84.10 of 80.00 USD of the budget of 2026-11 is spent, which pauses at 100 %; …" */
static void
pause_reason(const struct run *r, const struct budget_month *m, money_sum spend_pico,
             char text[BUDGET_PAUSE_REASON_BYTES_MAX])
{
    char spent[MONEY_TEXT_BYTES], budget[MONEY_TEXT_BYTES], month[TIME_TEXT_BYTES],
        next[TIME_TEXT_BYTES];
    int digits = currency_minor_digits(r->options->currency);
    money_format_fixed(spend_pico, PICO_DIGITS, digits, spent);
    money_format_fixed((money_sum)m->monthly_minor, digits, digits, budget);
    time_format_month(m->month, month);
    time_format_day(time_month_start_ms(m->month + 1) / TIME_DAY_MS, next);
    snprintf(text, BUDGET_PAUSE_REASON_BYTES_MAX,
             "paused by its budget: %s of %s %s spent in %s, and autoLimits pauses at %u %%; raise "
             "the budget or wait for %s",
             spent, budget, r->options->currency, month, m->pause_percent, next);
}

/* The row that the limits stage asks for. */
static enum err_code
put_pause(struct run *r, const struct budget_month *m, const struct judge_facts *f, bool paused,
          struct err *err)
{
    char reason[BUDGET_PAUSE_REASON_BYTES_MAX];
    r->result.paused += f->is_current && paused;
    if (!f->is_current || (paused && f->was_paused_now) || (!paused && !f->was_paused))
        return ERR_OK;
    if (!paused)
        return budget_pause_delete(r->txn, m->organization, err);
    pause_reason(r, m, f->spend_pico, reason);
    const struct budget_pause row = {.organization = m->organization,
                                     .month = m->month,
                                     .since_ms = r->now_ms,
                                     .reason = str_of(reason)};
    return budget_pause_put(r->txn, &row, err);
}

/* What a month is judged by, and what comes of it. */
static void
say_judged(const struct run *r, const struct budget_month *m, const struct judge_facts *f,
           const struct alert *alerts, size_t count, bool paused)
{
    char spend[MONEY_TEXT_BYTES], forecast[MONEY_TEXT_BYTES], month[TIME_TEXT_BYTES];
    time_format_month(m->month, month);
    money_format(f->spend_pico, 12, spend);
    money_format(f->forecast_pico, 12, forecast);
    log_line(LOG_LEVEL_DEBUG, "budget",
             "org=\"%s\" month=%s budget=%s budget_minor=%" PRIu64
             " spend=%s forecast=%s pause_at=%" PRIu32
             " was_paused=%d paused=%d marks=%zu alerts=%zu "
             "position=%" PRIu64,
             r->organization, month, m->has_monthly ? "yes" : "no", m->monthly_minor, spend,
             f->has_forecast ? forecast : "none", m->pause_percent, f->was_paused_now, paused,
             m->mark_count, count, r->cursor.seq);
    for (size_t i = 0; i < count; i++)
        log_line(LOG_LEVEL_DEBUG, "budget_alert",
                 "org=\"%s\" month=%s kind=%s percent=%" PRIu32 " budget_minor=%" PRIu64
                 " spend=%s",
                 r->organization, month, alert_kind_name(alerts[i].kind), alerts[i].percent,
                 alerts[i].budget_minor, spend);
}

static enum err_code
judge_month(struct run *r, struct budget_month *m, struct err *err)
{
    struct judge_facts facts;
    struct alert alerts[JUDGE_ALERTS_MAX];
    bool paused;
    enum err_code code = read_facts(r, m, &facts, err);
    if (code != ERR_OK)
        return code;
    size_t count = judge(m, &facts, alerts, &paused);
    if (log_debugs())
        say_judged(r, m, &facts, alerts, count, paused);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = put_alert(r, m, &alerts[i], err);
    if (code == ERR_OK)
        code = put_pause(r, m, &facts, paused, err);
    m->position = r->cursor.seq;
    return code == ERR_OK ? budget_month_put(r->txn, m, err) : code;
}

static enum err_code
visit(struct run *r, uint32_t organization, struct err *err)
{
    struct budget budget;
    struct budget_month months[2]; /* the one before, this one */
    bool known[2], judged[2];
    bool there = budget_get(r->txn, organization, &budget);
    struct str name = dict_text(r->txn, organization);
    assert(there);
    r->result.organizations++;
    snprintf(r->organization, sizeof r->organization, "%.*s", STR_ARG(name));
    r->email = budget.email_alerts;
    r->complained = false;
    /* All is read first: the settings lie in the map, and end with the first write. */
    for (int i = 0; i < 2; i++) {
        int32_t month = r->month - 1 + i;
        known[i] = budget_month_get(r->txn, organization, month, &months[i]);
        if (!known[i])
            months[i] = (struct budget_month){.organization = organization, .month = month};
        if (r->cursor.seq < months[i].position) {
            r->result.behind++;
            return ERR_OK;
        }
        judged[i] = settle_settings(r, &budget, known[i], &months[i]);
    }
    enum err_code code = ERR_OK;
    for (int i = 0; code == ERR_OK && i < 2; i++) {
        if (judged[i])
            code = judge_month(r, &months[i], err);
    }
    return code;
}

/* Some hundred organizations in one transaction. */
static enum err_code
walk_some(struct run *r, uint32_t *organization, bool *more, struct err *err)
{
    enum err_code code = tables_begin(r->tables, TABLES_WRITE, &r->txn, err);
    if (code != ERR_OK)
        return code;
    r->cursor = cursor_get(r->txn);
    for (int i = 0; code == ERR_OK && *more && i < TXN_ORGANIZATIONS; i++) {
        *more = budget_next(r->txn, *organization, organization);
        if (*more)
            code = visit(r, *organization, err);
    }
    struct tables_txn *txn = r->txn;
    r->txn = NULL;
    if (code == ERR_OK)
        return tables_commit(txn, err);
    tables_abort(txn);
    return code;
}

enum err_code
budget_stage_run(const struct budget_options *options, struct budget_result *ret, struct err *err)
{
    struct run r = {.options = options,
                    .lock_fd = -1,
                    .now_ms = clock_now_ms(options->clock),
                    .minor_pico = spend_minor_pico(options->currency)};
    uint32_t organization = 0;
    bool more = true;
    r.month = time_month(r.now_ms);
    enum err_code code = tables_open_locked(options->data_directory, "budgets.lock",
                                            "gbill budgets", &r.tables, &r.lock_fd, err);
    while (code == ERR_OK && more)
        code = walk_some(&r, &organization, &more, err);
    r.result.position = r.cursor.seq;
    tables_close(r.tables);
    if (r.lock_fd >= 0)
        close(r.lock_fd);
    if (code == ERR_OK)
        *ret = r.result;
    return code;
}
