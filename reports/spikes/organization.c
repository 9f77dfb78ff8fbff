#include "reports/spikes/organization.h"

#include <stdio.h>
#include <string.h>

#include "reports/spikes/spike_words.h"
#include "store/base/time.h"

enum { BEFORE_WEEKS_MAX = 4, NEWS_HOURS = 24 };

void
judging_init(struct judging *j)
{
    *j = (struct judging){0};
    series_set_init(&j->set);
    episode_finder_init(&j->finder);
    list_init(&j->rows, sizeof(struct verdict_row));
}

void
judging_clear(struct judging *j)
{
    list_clear(&j->rows);
    episode_finder_clear(&j->finder);
    series_set_clear(&j->set);
}

static bool
same_subject(const struct spike_subject *a, const struct spike_subject *b)
{
    return a->scope == b->scope && a->provider == b->provider && a->value == b->value;
}

/* ---- what is stored ---- */

static enum err_code
read_stored(struct judging *j, struct err *err)
{
    struct spike_scan scan;
    enum err_code code = ERR_OK;
    j->rows.count = 0;
    j->behind = false;
    spike_scan_begin(&scan, j->txn, j->organization);
    while (code == ERR_OK && spike_scan_next(&scan)) {
        const struct verdict_row stored = {.row = scan.row, .stored = true};
        j->behind = j->behind || scan.row.position > j->position;
        /* What began before the hours that are judged is as it is. */
        if (scan.row.from_hour >= j->rule.judged_hour && !list_add(&j->rows, &stored))
            code = err_set(err, ERR_LIMIT, "no memory for an organization's spikes");
    }
    spike_scan_end(&scan);
    return code;
}

/* ---- rows ---- */

static bool
overlaps(const struct spike *row, uint32_t from_hour, uint32_t to_hour)
{
    return from_hour < row->to_hour + EPISODE_GAP_HOURS &&
           row->from_hour < to_hour + EPISODE_GAP_HOURS;
}

/* A row of the subject that has no episode yet and touches these hours; NULL: none. */
static struct verdict_row *
row_at(struct judging *j, const struct spike_subject *subject, uint32_t from_hour, uint32_t to_hour,
       bool matched)
{
    struct verdict_row *rows = j->rows.items;
    for (size_t i = 0; i < j->rows.count; i++) {
        if (same_subject(&rows[i].row.subject, subject) && rows[i].change != VERDICT_DELETE &&
            (matched || !rows[i].matched) && overlaps(&rows[i].row, from_hour, to_hour))
            return &rows[i];
    }
    return NULL;
}

static bool
is_key_taken(const struct judging *j, const struct spike_subject *subject, uint32_t found_hour)
{
    const struct verdict_row *rows = j->rows.items;
    for (size_t i = 0; i < j->rows.count; i++) {
        if (rows[i].row.found_hour == found_hour && same_subject(&rows[i].row.subject, subject))
            return true;
    }
    return false;
}

static enum err_code
add_row(struct judging *j, const struct spike_subject *subject, uint32_t found_hour,
        struct verdict_row **ret, struct err *err)
{
    struct verdict_row fresh = {
        .row = {.organization = j->organization,
                .found_hour = found_hour,
                .subject = *subject,
                .from_hour = found_hour,
                .to_hour = found_hour + 1,
                .peak_hour = found_hour,
                .noticed_ms = j->log.now_ms},
    };
    while (is_key_taken(j, subject, fresh.row.found_hour))
        fresh.row.found_hour++;
    if (!list_add(&j->rows, &fresh))
        return err_set(err, ERR_LIMIT, "no memory for an organization's spikes");
    *ret = (struct verdict_row *)j->rows.items + (j->rows.count - 1);
    return ERR_OK;
}

/* ---- who drives it ---- */

/* What a series had on average in the same hours of the weeks before, of the days without one. */
static money_sum
usual_before(const struct series *series, enum spike_measure measure, uint32_t known_from,
             uint32_t from_hour, uint32_t to_hour)
{
    uint32_t step = from_hour - known_from >= DETECTOR_WEEK_HOURS ? DETECTOR_WEEK_HOURS : 24;
    uint32_t count = (from_hour - known_from) / step;
    struct spike_figures sum = {0};
    count = count > BEFORE_WEEKS_MAX ? BEFORE_WEEKS_MAX : count;
    for (uint32_t k = 1; k <= count; k++) {
        const struct spike_figures one =
            series_sum(series, from_hour - k * step, to_hour - k * step);
        spike_figures_add(&sum, &one);
    }
    return count > 0 ? spike_measure_of(&sum, measure) / count : 0;
}

/*
 * Who has the largest part of the excess of what leads the spike, and how large a part;
 * what is stored with the name is money.
 */
static void
find_drivers(const struct judging *j, struct spike *row, money_sum parts[SPIKE_SCOPE_COUNT])
{
    const struct series *all = j->set.all.items;
    const struct series_point *first = all[0].points.items;
    enum spike_measure measure = spike_leading(row->measures);
    memset(row->drivers, 0, sizeof row->drivers);
    for (size_t i = 1; i < j->set.all.count; i++) {
        enum spike_scope scope = all[i].subject.scope;
        const struct spike_figures sum = series_sum(&all[i], row->from_hour, row->to_hour);
        money_sum excess = spike_measure_of(&sum, measure);
        if (excess <= parts[scope])
            continue;
        excess -= usual_before(&all[i], measure, first->hour, row->from_hour, row->to_hour);
        if (excess <= parts[scope])
            continue;
        money_sum cost = sum.cost_pico - usual_before(&all[i], SPIKE_COST, first->hour,
                                                      row->from_hour, row->to_hour);
        parts[scope] = excess;
        row->drivers[scope] = (struct spike_driver){all[i].subject.provider, all[i].subject.value,
                                                    cost > 0 ? cost : 0};
    }
}

/* The row has its hours and figures: the rest of it. */
static void
finish_row(const struct judging *j, struct verdict_row *v)
{
    money_sum parts[SPIKE_SCOPE_COUNT] = {0};
    v->row.threshold_percent = j->settings.threshold_percent;
    v->row.position = j->position;
    snprintf(v->row.currency, sizeof v->row.currency, "%s", j->currency);
    find_drivers(j, &v->row, parts);
    spike_words(j->txn, &v->row, parts);
    v->change = VERDICT_PUT;
}

/* ---- the verdicts ---- */

static enum err_code
take_episode(struct judging *j, const struct series *series, const struct episode *e,
             struct err *err)
{
    struct verdict_row *v = row_at(j, &series->subject, e->from_hour, e->to_hour, false), *other;
    enum err_code code = ERR_OK;
    if (v == NULL)
        code = add_row(j, &series->subject, e->from_hour, &v, err);
    if (code != ERR_OK)
        return code;
    v->matched = true;
    v->row.from_hour = e->from_hour;
    v->row.to_hour = e->to_hour;
    v->row.peak_hour = episode_peak_hour(e);
    v->row.measures = e->measures;
    v->row.actual = e->actual;
    v->row.usual = e->usual;
    v->row.withdrawn = false;
    /* Late events may have joined two: the earlier goes on. */
    while ((other = row_at(j, &series->subject, e->from_hour, e->to_hour, false)) != NULL) {
        v->row.burst = v->row.burst || other->row.burst;
        other->change = VERDICT_DELETE;
        other->matched = true;
    }
    finish_row(j, v);
    return ERR_OK;
}

/* The measures by which a subject's last minutes are a loop's, and a new one. */
static enum err_code
find_burst(struct judging *j, const struct spike_subject *subject, uint8_t *ret_measures,
           uint32_t *ret_hour, struct err *err)
{
    const struct burst_busiest *busiest = burst_of(j->bursts, j->organization, subject);
    enum err_code code = ERR_OK;
    *ret_measures = 0;
    for (int m = 0; code == ERR_OK && busiest != NULL && j->finder.last_known && m < SPIKE_MEASURES;
         m++) {
        enum spike_measure measure = (enum spike_measure)m;
        const struct burst_minute *minute = &busiest->by[m];
        bool is_new = false;
        if (!burst_is_pace(minute, measure, &j->finder.last, j->rule.threshold_percent, &j->gate))
            continue;
        code = burst_is_new(j->bursts, j->txn, &j->log, j->organization, subject, minute, measure,
                            &is_new, err);
        if (!is_new)
            continue;
        *ret_measures |= (uint8_t)(1U << m);
        *ret_hour = minute->minute / 60;
    }
    return code;
}

static enum err_code
take_burst(struct judging *j, const struct series *series, struct err *err)
{
    uint8_t measures;
    uint32_t hour = 0;
    enum err_code code = find_burst(j, &series->subject, &measures, &hour, err);
    if (code != ERR_OK || measures == 0)
        return code;
    struct verdict_row *v = row_at(j, &series->subject, hour, hour + 1, true);
    if (v != NULL && v->row.burst)
        return ERR_OK;
    if (v == NULL) {
        code = add_row(j, &series->subject, hour, &v, err);
        if (code != ERR_OK)
            return code;
        v->row.measures = measures;
        v->row.actual = series_sum(series, hour, hour + 1);
        v->row.usual = j->finder.last;
    }
    v->row.burst = v->matched = true;
    finish_row(j, v);
    return ERR_OK;
}

static enum err_code
judge_series(struct judging *j, const struct series *series, struct err *err)
{
    struct episode_rule rule = j->rule;
    const struct series *all = j->set.all.items;
    if (series->subject.scope != SPIKE_ORGANIZATION)
        rule.gate = episode_part_gate(&all[0], rule.judged_hour, &rule.gate);
    if (!spike_figures_reach(&series->most, &rule.gate) &&
        burst_of(j->bursts, j->organization, &series->subject) == NULL)
        return ERR_OK;
    enum err_code code = episode_find(&j->finder, series, &rule, err);
    const struct episode *found = j->finder.found.items;
    for (size_t i = 0; code == ERR_OK && i < j->finder.found.count; i++)
        code = take_episode(j, series, &found[i], err);
    return code == ERR_OK ? take_burst(j, series, err) : code;
}

/*
 * Rows whose hours the rule no longer finds.  What was spent was spent, so they stay;
 * but for what has been taken back.  The hour of a burst may have gone on.
 */
static void
settle_unmatched(struct judging *j, struct verdict_row *v)
{
    const struct series *series = series_find(&j->set, &v->row.subject);
    struct spike_figures now = {0};
    if (series != NULL)
        now = series_sum(series, v->row.from_hour, v->row.to_hour);
    enum spike_measure measure = spike_leading(v->row.measures);
    money_sum was = spike_measure_of(&v->row.actual, measure), is = spike_measure_of(&now, measure);
    if (is == was || (is > was && !v->row.burst))
        return;
    v->row.withdrawn = v->row.withdrawn || is < was;
    v->row.actual = now;
    finish_row(j, v);
}

/* ---- who is told ---- */

static bool
is_driver(const struct spike *row, const struct spike_subject *subject)
{
    const struct spike_driver *d = &row->drivers[subject->scope];
    return subject->scope != SPIKE_ORGANIZATION && subject->value != 0 &&
           d->value == subject->value && d->provider == subject->provider;
}

/* Are two rows about the same thing?  One names the other, or both name one user or model. */
static bool
is_same_cause(const struct spike *a, const struct spike *b)
{
    if (!overlaps(a, b->from_hour, b->to_hour))
        return false;
    for (int s = SPIKE_USER; s < SPIKE_SCOPE_COUNT; s++) {
        const struct spike_driver *d = &b->drivers[s];
        if (is_driver(a, &(struct spike_subject){(enum spike_scope)s, d->provider, d->value}))
            return true;
    }
    return is_driver(a, &b->subject) || is_driver(b, &a->subject);
}

/*
 * One loop is a spike of its user, its model, its project and the organization: told once,
 * by the row that is first.  What is new but long past is no news.
 */
static void
find_news(struct judging *j)
{
    struct verdict_row *rows = j->rows.items;
    uint32_t now_hour = (uint32_t)(j->log.now_ms / TIME_HOUR_MS);
    for (size_t i = 0; i < j->rows.count; i++) {
        struct verdict_row *v = &rows[i];
        v->email = j->email;
        v->news = !v->stored && v->change == VERDICT_PUT && v->row.to_hour + NEWS_HOURS > now_hour;
        for (size_t k = 0; k < i && v->news; k++)
            v->news = rows[k].change == VERDICT_DELETE || !is_same_cause(&rows[k].row, &v->row);
    }
}

enum err_code
judge_organization(struct judging *j, uint32_t organization, const struct spike_settings *settings,
                   struct err *err)
{
    uint32_t now_hour = (uint32_t)(j->log.now_ms / TIME_HOUR_MS);
    j->organization = organization;
    j->settings = *settings;
    j->rule = (struct episode_rule){
        .judged_hour = now_hour - JUDGED_HOURS,
        .from_hour = now_hour - JUDGED_HOURS - HISTORY_HOURS,
        .to_hour = now_hour + 1,
        .threshold_percent = settings->threshold_percent,
        .gate = j->gate,
    };
    enum err_code code = read_stored(j, err);
    if (code != ERR_OK || j->behind)
        return code;
    code = series_read(&j->set, j->txn, organization, j->rule.from_hour, j->rule.to_hour,
                       j->rule.judged_hour, err);
    if (code != ERR_OK || j->set.all.count == 0)
        return code;
    for (size_t i = 0; code == ERR_OK && i < j->set.all.count; i++)
        code = judge_series(j, (const struct series *)j->set.all.items + i, err);
    struct verdict_row *rows = j->rows.items;
    for (size_t i = 0; code == ERR_OK && i < j->rows.count; i++) {
        if (!rows[i].matched)
            settle_unmatched(j, &rows[i]);
    }
    find_news(j);
    return code;
}
