#include "billing/budget/judge.h"

#include <assert.h>
#include <string.h>

/* spend * 100 >= budget * percent, where neither side can overflow unseen. */
static bool
at_least(money_sum spend_pico, uint64_t budget_minor, money_sum minor_pico, uint32_t percent)
{
    money_sum spent, bound;
    /* A budget has at most 40 bits by the contract, a minor unit 40, a percentage 10. */
    bool fits = !__builtin_mul_overflow((money_sum)budget_minor * percent, minor_pico, &bound);
    assert(fits);
    if (__builtin_mul_overflow(spend_pico, (money_sum)100, &spent))
        return spend_pico > 0;
    return spent >= bound;
}

bool
judge_reached(money_sum spend_pico, uint64_t budget_minor, money_sum minor_pico, uint32_t percent)
{
    return spend_pico > 0 && at_least(spend_pico, budget_minor, minor_pico, percent);
}

struct report {
    const struct budget_month *month;
    const struct judge_facts *facts;
    struct alert *alerts;
    size_t count;
};

static struct alert *
report(struct report *r, enum alert_kind kind, uint32_t percent)
{
    assert(r->count < JUDGE_ALERTS_MAX);
    struct alert *alert = &r->alerts[r->count++];
    *alert = (struct alert){
        .organization = r->month->organization,
        .month = r->month->month,
        .kind = kind,
        .percent = percent,
        .has_budget = r->month->has_monthly,
        .budget_minor = r->month->monthly_minor,
        .spend_pico = r->facts->spend_pico,
    };
    return alert;
}

static void
report_mark(struct report *r, enum alert_kind kind, const struct budget_mark *mark)
{
    struct alert *alert = report(r, kind, mark->percent);
    memcpy(alert->name, mark->name, sizeof alert->name);
}

static bool
is_reached(const struct budget_month *m, const struct judge_facts *f, uint32_t percent)
{
    return m->has_monthly && judge_reached(f->spend_pico, m->monthly_minor, f->minor_pico, percent);
}

/* Highest first: what was left last was the worst. */
static void
judge_recoveries(struct budget_month *m, struct report *r)
{
    for (size_t i = m->mark_count; i-- > 0;) {
        struct budget_mark *mark = &m->marks[i];
        if (!mark->reported || is_reached(m, r->facts, mark->percent))
            continue;
        mark->reported = false;
        if (mark->listed)
            report_mark(r, ALERT_RECOVERED, mark);
    }
}

/* Lowest first, as spend went through them. */
static void
judge_thresholds(struct budget_month *m, struct report *r)
{
    for (size_t i = 0; i < m->mark_count; i++) {
        struct budget_mark *mark = &m->marks[i];
        if (mark->reported || !mark->listed || !is_reached(m, r->facts, mark->percent))
            continue;
        mark->reported = true;
        report_mark(r, ALERT_THRESHOLD, mark);
    }
}

/* Unlike a threshold, a pause at a budget of 0 comes before the first call: nothing is allowed. */
static bool
judge_pause(const struct budget_month *m, struct report *r)
{
    const struct judge_facts *f = r->facts;
    bool paused = m->has_monthly && m->pause_percent > 0 &&
                  at_least(f->spend_pico, m->monthly_minor, f->minor_pico, m->pause_percent);
    if (!f->is_current)
        return f->was_paused_now;
    if (paused && !f->was_paused_now)
        report(r, ALERT_PAUSED, m->pause_percent);
    else if (!paused && f->was_paused)
        report(r, ALERT_RESUMED, m->pause_percent);
    return paused;
}

static void
judge_forecast(struct budget_month *m, struct report *r)
{
    const struct judge_facts *f = r->facts;
    if (!f->has_forecast || m->forecast_reported || m->forecast_percent == 0 || !m->has_monthly ||
        !judge_reached(f->forecast_pico, m->monthly_minor, f->minor_pico, m->forecast_percent))
        return;
    m->forecast_reported = true;
    report(r, ALERT_FORECAST, m->forecast_percent)->forecast_pico = f->forecast_pico;
}

size_t
judge(struct budget_month *month, const struct judge_facts *facts,
      struct alert alerts[JUDGE_ALERTS_MAX], bool *ret_paused)
{
    struct report r = {.month = month, .facts = facts, .alerts = alerts};
    judge_recoveries(month, &r);
    judge_thresholds(month, &r);
    *ret_paused = judge_pause(month, &r);
    judge_forecast(month, &r);
    return r.count;
}
